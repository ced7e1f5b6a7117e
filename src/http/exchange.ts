/**
 * What does a handler see of HTTP? One request and its answer, the same whether they come by Node's `(req, res)` or by fetch.
 */

/** A request, as it has arrived. */
export interface Exchange {
  /** In capitals, as a client sends it. */
  readonly method: string
  /** Path and query, undecoded, as it stands in the request line; begins with `/`, or can't be routed. */
  readonly target: string
  header(name: string): string | undefined
  /** The address of who is connected; undefined where it is not known. */
  readonly peer: string | undefined
  /** The address that they are connected to. */
  readonly local: string | undefined
  readonly isEncrypted: boolean
  /** Does a body come along? */
  readonly hasBody: boolean
  /**
   * The body as text, read once.
   * @throws {HttpProblem} 413 before more than `maxBytes` are held, 408 when it takes longer than `withinMs`, 400 for what is no UTF-8
   */
  text(maxBytes: number, withinMs: number): Promise<string>
  /** Aborted when the client hangs up before its answer is complete. Made when it is first read. */
  readonly signal: AbortSignal
}

/** What goes out bit by bit, and ends when its reader goes. */
export interface Streamed {
  /** The next text, as soon as there is one; undefined: it is over. */
  next(): Promise<string | undefined>
  /** The reader has gone. */
  close(): void
  /** Called when the reader takes nothing for too long. */
  onDrop?: (() => void) | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly stream?: Streamed | undefined
}

/** What a client may ask to wait for, in ms; `async`: it wants no more than to know that it was admitted. */
export interface Preference {
  readonly waitMs: number | undefined
  readonly isAsync: boolean
}

/** `Prefer: wait=10, respond-async`. What can't be read is ignored, as RFC 7240 has it. */
export function preferenceOf(header: string | undefined, maxWaitMs: number): Preference {
  const preferences = (header ?? '').toLowerCase().split(/[,;]/)
  let waitMs: number | undefined
  for (const each of preferences) {
    const seconds = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*$/.exec(each)?.[1]
    if (seconds !== undefined && waitMs === undefined) waitMs = Math.min(Number(seconds) * 1_000, maxWaitMs)
  }
  return { waitMs, isAsync: preferences.some((each) => each.trim() === 'respond-async') }
}

/** A header as a client's claim may have it twice: never. */
export function one(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(', ') : value
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

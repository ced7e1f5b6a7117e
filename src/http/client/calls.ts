/**
 * How is a service asked? Once, and again when the connection fails: every call says the same when it is said twice.
 */
import { InvalidRequestError } from '../../core/errors.ts'
import { StoreUnavailableError } from '../../core/store-errors.ts'
import { errorOf, type ProblemBody, type Subject } from './errors.ts'

/** What is used of `fetch`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface CallsOptions {
  /** Without a slash at the end. */
  readonly url: string
  readonly token: string | undefined
  readonly fetch: Fetch
  readonly retries: number
  readonly headers: (() => Record<string, string>) | undefined
}

export interface Asked {
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** It hands a request in: until it has arrived, nothing of it is there. */
  readonly isNew?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface Told {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
/** What something in front of the service answers when it does not reach it. */
const gateways = new Set([502, 503, 504])

export class Calls {
  readonly #options: CallsOptions

  constructor(options: CallsOptions) {
    this.#options = options
  }

  init(
    method: string,
    { body, headers, signal }: Omit<Asked, 'body'> & { readonly body?: string | undefined },
  ): RequestInit {
    const { token, headers: more } = this.#options
    return {
      method,
      headers: {
        ...more?.(),
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body }),
      ...(signal !== undefined && { signal }),
      redirect: 'error',
    }
  }

  get url(): string {
    return this.#options.url
  }

  get fetch(): Fetch {
    return this.#options.fetch
  }

  /**
   * @throws the error that the service tells; a `StoreUnavailableError` when it can't be reached, with `started: 'unknown'` if the
   * request may have arrived; `signal.reason`
   */
  async ask(method: string, path: string, asked: Asked, subject: Subject): Promise<Told> {
    const { url, retries, fetch } = this.#options
    const body = asked.body === undefined ? undefined : textOf(asked.body, subject)
    let mayHaveArrived = asked.isNew !== true
    for (let attempt = 0; ; attempt++) {
      let pauseMs: number
      let cause: unknown
      try {
        const response = await fetch(`${url}${path}`, this.init(method, { ...asked, body }))
        const text = await response.text()
        const told = toldBy(response, text)
        if (told !== undefined) {
          if (response.ok) return told
          const problem = (told.body ?? {}) as ProblemBody
          // The door of the service, not its queue: it has looked at nothing yet.
          if (problem.code !== 'TOO_MANY_REQUESTS' || attempt >= retries)
            throw new Told4xx(errorOf(told.status, problem, subject))
          pauseMs = Math.min(problem.retryAfterMs ?? MAX_PAUSE_MS, MAX_PAUSE_MS)
        } else {
          mayHaveArrived = true
          pauseMs = FIRST_PAUSE_MS * 2 ** attempt
          cause = new Error(`HTTP ${response.status}`)
        }
      } catch (error) {
        if (error instanceof Told4xx) throw error.error
        asked.signal?.throwIfAborted()
        mayHaveArrived ||= !isRefused(error)
        pauseMs = FIRST_PAUSE_MS * 2 ** attempt
        cause = error
      }
      if (attempt >= retries) throw unreachable(url, subject, mayHaveArrived, cause)
      await pause(pauseMs * (0.5 + Math.random() / 2), asked.signal)
    }
  }
}

/** @throws {InvalidRequestError} for what is no JSON, such as a bigint, or an object that holds itself */
function textOf(body: unknown, { queue, requestId, priority }: Subject): string {
  let why = `a ${typeof body}`
  try {
    const text = JSON.stringify(body)
    if (text !== undefined) return text
  } catch (error) {
    why = (error as Error).message.split('\n')[0] as string
  }
  throw new InvalidRequestError([{ message: `JSON can not say it: ${why}` }], { queue, requestId, priority })
}

/** Carries what was told past the retries. */
class Told4xx extends Error {
  readonly error: Error
  constructor(error: Error) {
    super()
    this.error = error
  }
}

/** Undefined: it was no answer of a service of ours. */
function toldBy({ status, headers }: Response, text: string): Told | undefined {
  const isOurs = /^application\/(problem\+)?json/.test(headers.get('content-type') ?? '')
  if (!isOurs) return gateways.has(status) || status < 400 ? undefined : { status, headers, body: undefined }
  try {
    return { status, headers, body: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** Nobody listened there: nothing has arrived. */
function isRefused(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: unknown } }
  return cause?.code === 'ECONNREFUSED' || cause?.code === 'ENOTFOUND'
}

function unreachable(url: string, subject: Subject, mayHaveArrived: boolean, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : 'it can not be reached'
  return new StoreUnavailableError(url, why, { ...subject, started: mayHaveArrived ? 'unknown' : false }, cause)
}

/** @throws `signal.reason` */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted)
      resolve()
    }, ms)
    signal?.addEventListener('abort', aborted, { once: true })
    if (signal?.aborted === true) aborted()
  })
}

/**
 * Requests and answers of fetch: for whatever hands over a `Request` and takes a `Response`.
 */
import type { Answer, Exchange, Streamed } from './exchange.ts'
import { HttpProblem } from './problem.ts'

/** What a `Request` does not say. */
export interface Connection {
  /** The address of the client. Without it nobody is taken to be on this machine. */
  readonly remoteAddress?: string | undefined
  /** The address that it is connected to. */
  readonly localAddress?: string | undefined
}

export class FetchExchange implements Exchange {
  readonly #request: Request
  readonly #url: URL
  readonly #connection: Connection

  constructor(request: Request, connection: Connection) {
    this.#request = request
    this.#url = new URL(request.url)
    this.#connection = connection
  }

  get method(): string {
    return this.#request.method
  }

  get target(): string {
    return this.#url.pathname + this.#url.search
  }

  header(name: string): string | undefined {
    const value = this.#request.headers.get(name)
    // Where there is no such header, as in a Request that was made by hand, the URL says it.
    return value ?? (name === 'host' ? this.#url.host : undefined)
  }

  get peer(): string | undefined {
    return this.#connection.remoteAddress
  }

  get local(): string | undefined {
    return this.#connection.localAddress
  }

  get isEncrypted(): boolean {
    return this.#url.protocol === 'https:'
  }

  get hasBody(): boolean {
    return this.#request.body !== null
  }

  get signal(): AbortSignal {
    return this.#request.signal
  }

  async text(maxBytes: number, withinMs: number): Promise<string> {
    if (Number(this.header('content-length') ?? 0) > maxBytes) throw new HttpProblem(413, 'PAYLOAD_TOO_LARGE')
    const { body } = this.#request
    if (body === null) return ''
    const reader = body.getReader()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new HttpProblem(408, 'TIMEOUT')), withinMs)
    })
    try {
      return await Promise.race([read(reader, maxBytes), late])
    } catch (error) {
      void reader.cancel().catch(() => {})
      throw error instanceof HttpProblem ? error : new HttpProblem(400, 'BAD_REQUEST')
    } finally {
      clearTimeout(timer)
    }
  }
}

interface BytesReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
}

async function read(reader: BytesReader, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let bytes = 0
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes += part.value?.length ?? 0
    if (bytes > maxBytes) throw new HttpProblem(413, 'PAYLOAD_TOO_LARGE')
    text += decoder.decode(part.value, { stream: true })
  }
  return text + decoder.decode()
}

export function responseOf({ status, headers, body, stream }: Answer, { method, signal }: Request): Response {
  if (stream === undefined)
    return new Response(method === 'HEAD' ? null : (body ?? ''), { status, headers: { ...headers } })
  signal.addEventListener('abort', () => stream.close(), { once: true })
  return new Response(readable(stream), { status, headers: { ...headers } })
}

/** No faster than it is read: nothing is asked for that nobody has asked for. */
function readable(stream: Streamed): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stream.onDrop = () => controller.error(new Error('nothing was read for too long'))
      },
      async pull(controller) {
        const text = await stream.next()
        if (text === undefined) controller.close()
        else controller.enqueue(encoder.encode(text))
      },
      cancel: () => stream.close(),
    },
    { highWaterMark: 0 },
  )
}

/**
 * Requests and answers of Node: `(req, res)`, as `node:http`, Express and Fastify hand them over.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, Exchange, Streamed } from './exchange.ts'
import { one } from './exchange.ts'
import { HttpProblem } from './problem.ts'

export class NodeExchange implements Exchange {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse | undefined
  #client: AbortController | undefined

  /** @param response undefined for an upgrade */
  constructor(request: IncomingMessage, response: ServerResponse | undefined) {
    this.#request = request
    this.#response = response
  }

  get method(): string {
    return this.#request.method ?? 'GET'
  }

  get target(): string {
    return this.#request.url ?? ''
  }

  header(name: string): string | undefined {
    return one(this.#request.headers[name])
  }

  get peer(): string | undefined {
    return this.#request.socket.remoteAddress
  }

  get local(): string | undefined {
    return this.#request.socket.localAddress
  }

  get isEncrypted(): boolean {
    return 'encrypted' in this.#request.socket
  }

  get hasBody(): boolean {
    const length = this.header('content-length')
    return (length !== undefined && Number(length) !== 0) || this.header('transfer-encoding') !== undefined
  }

  get signal(): AbortSignal {
    if (this.#client !== undefined) return this.#client.signal
    const client = new AbortController()
    this.#client = client
    const response = this.#response
    if (response === undefined || this.#request.socket.destroyed) client.abort()
    else {
      response.once('close', () => {
        if (!response.writableFinished) client.abort()
      })
    }
    return client.signal
  }

  /** Was a body announced of which something was not read? */
  get isUnread(): boolean {
    return !this.#request.readableEnded && this.hasBody
  }

  text(maxBytes: number, withinMs: number): Promise<string> {
    const request = this.#request
    // A framework in front may have read it.
    const { body } = request as { body?: unknown }
    if (body !== undefined && request.readableEnded) return Promise.resolve(JSON.stringify(body))
    if (Number(this.header('content-length') ?? 0) > maxBytes) {
      return Promise.reject(new HttpProblem(413, 'PAYLOAD_TOO_LARGE'))
    }
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let bytes = 0
      const done = (settle: () => void): void => {
        clearTimeout(timer)
        for (const [event, listener] of Object.entries(listeners)) request.off(event, listener)
        request.pause()
        settle()
      }
      const fails = (status: number, code: string) => () => done(() => reject(new HttpProblem(status, code)))
      const listeners = {
        data: (chunk: Buffer): void => {
          bytes += chunk.length
          if (bytes > maxBytes) fails(413, 'PAYLOAD_TOO_LARGE')()
          else chunks.push(chunk)
        },
        end: (): void => done(() => decode(chunks, resolve, reject)),
        error: fails(400, 'BAD_REQUEST'),
        close: fails(400, 'BAD_REQUEST'),
      }
      const timer = setTimeout(fails(408, 'TIMEOUT'), withinMs)
      for (const [event, listener] of Object.entries(listeners)) request.on(event, listener)
    })
  }
}

function decode(chunks: Buffer[], resolve: (text: string) => void, reject: (error: unknown) => void): void {
  try {
    resolve(new TextDecoder('utf-8', { fatal: true }).decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
  } catch {
    reject(new HttpProblem(400, 'INVALID', undefined, { issues: [{ in: 'body', message: 'expected UTF-8' }] }))
  }
}

/** Answers by Node's response. Never throws: whoever is there no more is told nothing. */
export async function answerByNode(answer: Answer, exchange: NodeExchange, response: ServerResponse): Promise<void> {
  if (response.destroyed) {
    answer.stream?.close()
    return
  }
  const { status, body = '', headers, stream } = answer
  // What was not read must not be taken for the next request.
  const rest: Record<string, string> = exchange.isUnread ? { connection: 'close' } : {}
  if (stream !== undefined) {
    response.writeHead(status, { ...headers, ...rest })
    response.flushHeaders()
    await pump(stream, response)
    return
  }
  response.writeHead(status, { ...headers, ...rest, 'content-length': `${Buffer.byteLength(body)}` })
  response.end(exchange.method === 'HEAD' ? undefined : body)
}

/** No faster than it is read. */
async function pump(stream: Streamed, response: ServerResponse): Promise<void> {
  response.once('close', () => stream.close())
  stream.onDrop = () => response.destroy()
  try {
    for (let text = await stream.next(); text !== undefined; text = await stream.next()) {
      if (!response.write(text)) await drained(response)
      if (response.destroyed) return
    }
    response.end()
  } catch {
    response.destroy()
  } finally {
    stream.close()
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
    if (response.destroyed) done()
  })
}

/** The answer to an upgrade that is refused. */
export function refusalText({ status, headers, body = '' }: Answer, phrase: string): string {
  const all = { ...headers, connection: 'close', 'content-length': `${Buffer.byteLength(body)}` }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${phrase}`, ...lines, '', body].join('\r\n')
}

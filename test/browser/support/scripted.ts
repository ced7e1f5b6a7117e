/** A service that says what it is told to: the real page, with made-up answers behind it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { assetAt } from '../../../src/http/page.ts'
import { type Json, NOW, requestOf, type Scene } from './scenes.ts'

/** As `src/http/dispatch.ts` has it. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export class Scripted {
  readonly url: string
  readonly #server: ReturnType<typeof createServer>
  readonly #streams = new Set<ServerResponse>()
  /** What the clock of the service says. */
  now = NOW
  session: Json = { name: 'olga', level: 'operator' }
  scenes: readonly Scene[]
  /** In place of the usual answer, if it says something. */
  answer: (path: string, query: URLSearchParams, method: string) => { status: number; body: Json } | undefined = () =>
    undefined
  /** Nobody answers any more. */
  isGone = false
  /** It takes what is asked, and says nothing. */
  isMute = false

  private constructor(server: ReturnType<typeof createServer>, scenes: readonly Scene[]) {
    this.#server = server
    this.scenes = scenes
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request, response) => void this.#answer(request, response))
  }

  static async start(...scenes: readonly Scene[]): Promise<Scripted> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Scripted(server, scenes)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url)
    if (this.isGone) return void request.socket.destroy()
    if (this.isMute) return
    const asset = await assetAt(pathname, '')
    if (asset !== undefined) {
      response.writeHead(200, { 'content-type': asset.type, 'content-security-policy': policy })
      return void response.end(asset.body)
    }
    if (pathname === '/v1/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      this.#streams.add(response)
      response.on('close', () => this.#streams.delete(response))
      this.frame('snapshot', undefined, { queues: this.scenes.map(({ snapshot }) => snapshot) }, response)
      return
    }
    const { status, body } =
      this.answer(pathname, searchParams, request.method ?? 'GET') ?? this.#usual(pathname, searchParams)
    response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' })
    response.end(JSON.stringify(body))
  }

  #usual(path: string, query: URLSearchParams): { status: number; body: Json } {
    if (path === '/v1/session') {
      return this.session === null
        ? { status: 401, body: { code: 'UNAUTHORIZED' } }
        : { status: 200, body: this.session }
    }
    const [, , , queue, what, id] = path.split('/').map(decodeURIComponent)
    const scene = this.scenes.find(({ name }) => name === queue)
    if (scene === undefined) return { status: 404, body: { code: 'NOT_FOUND', title: 'Not Found' } }
    if (what === 'refusals') return { status: 200, body: scene.refusals() }
    if (what === 'requests:bulk')
      return { status: 200, body: { action: 'requeue', dryRun: true, counts: { done: 3 }, requests: [] } }
    if (what === 'requests' && id === undefined) return { status: 200, body: scene.list(query.get('state') ?? '') }
    if (what === 'requests') return { status: 200, body: requestOf(id as string) }
    return { status: 404, body: { code: 'NOT_FOUND', title: 'Not Found' } }
  }

  frame(event: string, queue: string | undefined, more: Json, only?: ServerResponse): void {
    const text = `data: ${JSON.stringify({ v: 1, seq: 0, at: new Date(this.now).toISOString(), event, queue, ...more })}\n\n`
    if (only !== undefined) only.write(text)
    else for (const stream of this.#streams) stream.write(text)
  }

  /** How each queue stands, once more. */
  stats(): void {
    for (const { name, snapshot } of this.scenes) {
      const { status, workers, history } = snapshot
      this.frame('stats', name, { status, workers, point: history.points.at(-1) })
    }
  }

  get listeners(): number {
    return this.#streams.size
  }

  /** The stream is cut, and nobody answers. */
  cut(): void {
    this.isGone = true
    for (const stream of this.#streams) stream.destroy()
    this.#server.closeIdleConnections()
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

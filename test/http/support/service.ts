/** A service on a free port, with a queue behind it, and calls to it by Node's own client. */
import { request as nodeRequest } from 'node:http'
import { type Executor, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { type HttpAppOptions, httpApp, type Listening, type ListenOptions, listen } from 'triage-queue/http'
import { onTestFinished, vi } from 'vitest'
import { principals, tokenOf } from './principals.ts'

// Real sockets, on a machine that may be busy with others.
vi.setConfig({ testTimeout: 60_000 })

export interface Reply {
  readonly status: number
  readonly headers: { readonly [name: string]: string | undefined }
  readonly text: string
  /** Parsed, where it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it.
  readonly body: any
}

export interface Ask {
  readonly as?: string | undefined
  readonly method?: string | undefined
  readonly headers?: Record<string, string> | undefined
  /** As JSON. */
  readonly body?: unknown
  /** As it is. */
  readonly raw?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** One call. A header that is '' is not sent. */
export function ask(url: string, path: string, { as, method, headers, body, raw, signal }: Ask = {}): Promise<Reply> {
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body))
  const all: Record<string, string> = {
    ...(as !== undefined && { authorization: `Bearer ${tokenOf(as)}` }),
    ...(text !== undefined && { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(text)}` }),
    ...headers,
  }
  const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
  return new Promise((resolve, reject) => {
    const options = {
      method: method ?? (text === undefined ? 'GET' : 'POST'),
      headers: sent,
      ...(signal && { signal }),
    }
    const request = nodeRequest(`${url}${path}`, options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString()
        const isJson = /json/.test(response.headers['content-type'] ?? '')
        resolve({
          status: response.statusCode as number,
          headers: response.headers as Reply['headers'],
          text: answer,
          body: isJson && answer !== '' ? JSON.parse(answer) : undefined,
        })
      })
    })
    request.on('error', reject)
    request.end(text)
  })
}

export interface Served<Req, Res> {
  readonly queue: QueuedExecutor<Req, Res>
  readonly service: Listening
  readonly url: string
  ask(path: string, ask?: Ask): Promise<Reply>
  /** A submit to it. */
  submit(body: unknown, ask?: Ask): Promise<Reply>
}

export interface Setup<Req, Res> {
  readonly run?: Executor<Req, Res>
  readonly queue?: QueuedExecutorOptions<Req>
  readonly app?: Partial<HttpAppOptions>
  readonly listen?: ListenOptions
}

/** Is gone when the test has finished. Its queue is called `llm`. */
export async function serve<Req = unknown, Res = unknown>(setup: Setup<Req, Res> = {}): Promise<Served<Req, Res>> {
  const run = setup.run ?? (async (request: Req) => ({ echo: request }) as Res)
  const queue = new QueuedExecutor<Req, Res>(run, { name: 'llm', concurrency: 2, ...setup.queue })
  const app = httpApp({ queues: queue, auth: { tokens: principals }, ...setup.app })
  const service = await listen(app, setup.listen)
  onTestFinished(async () => {
    await service.close()
    await queue.close({ drain: false, graceMs: 0 })
  })
  const asks = (path: string, one?: Ask): Promise<Reply> => ask(service.url, path, one)
  return {
    ...{ queue, service, url: service.url, ask: asks },
    submit: (body, one) => asks('/v1/queues/llm/requests', { as: 'sam', method: 'POST', body, ...one }),
  }
}

/** A function whose calls are ended by hand. */
export function held<Req = unknown, Res = unknown>() {
  const calls: {
    request: Req
    signal: AbortSignal
    resolve: (value: Res) => void
    reject: (error: unknown) => void
  }[] = []
  const watchers: (() => void)[] = []
  const run: Executor<Req, Res> = (request, { signal }) =>
    new Promise((resolve, reject) => {
      calls.push({ request, signal, resolve, reject })
      for (const watcher of watchers) watcher()
    })
  /** Fulfils when so many have been called. */
  const called = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (calls.length >= count) resolve()
      }
      watchers.push(look)
      look()
    })
  return { run, calls, called }
}

/** Fulfils when it says yes: asked again in later turns of the event loop. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve))
}

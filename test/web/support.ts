/**
 * What the tests of `triage-queue/web` share: an executor that is full, and answers read from a real socket.
 */
import { once } from 'node:events'
import { type IncomingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { onTestFinished } from 'vitest'

/** One slot, and it is busy until the end of the test. */
export async function busy(options: QueuedExecutorOptions<string> = {}): Promise<QueuedExecutor<string, unknown>> {
  const queue = new QueuedExecutor(() => new Promise(() => {}), { concurrency: 1, ...options })
  const running = await queue.submit('runs')
  running.result.catch(() => {})
  onTestFinished(() => queue.close({ graceMs: 0 }))
  return queue
}

/** The port of a server that is closed at the end of the test. */
export async function portOf(server: Server): Promise<number> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export async function get(port: number, headers: Record<string, string> = {}, path = '/'): Promise<Answer> {
  const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }).end()
  const [response] = await once(asked, 'response')
  response.setEncoding('utf8')
  let body = ''
  for await (const text of response) body += text
  return { status: response.statusCode, headers: response.headers, body }
}

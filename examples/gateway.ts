/**
 * How do I put a gateway in front of an HTTP service that can only take so much? With deadlines and cancellation.
 *
 * The deadline travels: the caller's patience is the request's `timeoutMs`, what is left of it goes to the service as a
 * header, and when it is over `run.signal` aborts the call, so that the service can stop too.
 *
 *     node examples/gateway.ts
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
// In your project: from 'triage-queue' and 'triage-queue/web'
import { isTriageError, type Priority, QueuedExecutor } from '../src/index.ts'
import { signalOf } from '../src/web/index.ts'

/** The scarce service: it takes 60 ms, and notices when its caller hangs up. */
let abandoned = 0
const service = createServer((request, response) => {
  const timer = setTimeout(() => response.end(`patience left: ${request.headers['x-time-left'] !== undefined}`), 60)
  response.on('close', () => {
    if (!response.writableEnded) abandoned++
    clearTimeout(timer)
  })
})

const backend = new QueuedExecutor(
  async (path: string, run) => {
    const timeLeft = Math.max(0, Math.round(run.deadline - performance.now()))
    const response = await fetch(`${urlOf(service)}${path}`, {
      signal: run.signal,
      headers: { 'x-request-id': run.id, 'x-time-left': String(timeLeft) },
    })
    return response.text()
  },
  { name: 'backend', concurrency: 2, maxQueueSize: { total: 6, low: 2 } },
)

/** The gateway: who asks decides the priority; a client that hangs up cancels its request. */
const gateway = createServer(async (request, response) => {
  try {
    const priority: Priority = request.headers['x-plan'] === 'free' ? 'low' : 'high'
    const timeoutMs = Number(request.headers['x-patience-ms'] ?? 1_000)
    response.end(
      await backend.execute(request.url ?? '/', { priority, timeoutMs, signal: signalOf(request, response) }),
    )
  } catch (error) {
    refuse(response, error)
  }
})

function refuse(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return
  if (isTriageError(error)) response.writeHead(error.statusCode, error.headers).end(error.code)
  else response.writeHead(502).end('BACKEND_FAILED')
}

function urlOf(server: typeof service): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

for (const server of [service, gateway]) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

const ask = async (headers: Record<string, string>, signal?: AbortSignal): Promise<string> => {
  try {
    const response = await fetch(`${urlOf(gateway)}/`, { headers, ...(signal && { signal }) })
    return `${response.status} ${await response.text()}`
  } catch {
    return 'hung up'
  }
}

// Two run; of the free plan two may wait and the rest is refused, while paying callers still come in.
const free = Array.from({ length: 8 }, () => ask({ 'x-plan': 'free' }))
await sleep(20)
const paying = [
  ask({}),
  ask({ 'x-patience-ms': '75' }),
  ask({ 'x-patience-ms': '25' }),
  ask({}, AbortSignal.timeout(10)),
]

console.log('free:  ', count(await Promise.all(free)))
console.log('paying:', count(await Promise.all(paying)))
console.log('calls that the service could stop early:', abandoned)

await backend.close()
for (const server of [gateway, service]) {
  server.close()
  server.closeAllConnections()
}

function count(answers: string[]): string {
  const counts = new Map<string, number>()
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1)
  return [...counts].map(([answer, n]) => `${n} × ${answer}`).join(', ')
}

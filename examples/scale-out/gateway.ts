/**
 * The gateway: a service with its dashboard, in front of a queue that all machines share. `node gateway.ts`, with REDIS_URL, PORT and
 * TOKEN in its environment.
 *
 * `/workers-wanted` says how many workers there should be: as a metric for Prometheus, and as JSON for KEDA.
 */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { remoteExecutor, workersWanted } from 'triage-queue/bullmq'
import { httpApp } from 'triage-queue/http'

const HOUR_MS = 3_600_000
const { REDIS_URL: connection = 'redis://127.0.0.1:6379', PORT = '0', TOKEN: token = randomUUID() } = process.env
/** As many slots as each worker has. */
const concurrency = Number(process.env.WORKER_SLOTS ?? 2)

const jobs = remoteExecutor('jobs', {
  connection,
  maxQueueSize: 10_000,
  // Two kinds of work, each with a time limit of its own.
  kinds: { render: { runTimeoutMs: 2 * HOUR_MS }, report: { runTimeoutMs: HOUR_MS } },
})
const scaling = workersWanted(jobs, { concurrency, min: 1, max: 20 })

const app = httpApp({ queues: jobs, auth: { tokens: [{ name: 'ops', level: 'admin', token }] } })
const server = createServer((request, response) => {
  if (request.url !== '/workers-wanted') return app.listener(request, response)
  const wantsJson = request.headers.accept?.includes('application/json') === true
  response.setHeader('content-type', wantsJson ? 'application/json' : 'text/plain; version=0.0.4')
  response.end(wantsJson ? JSON.stringify({ wanted: scaling.wanted }) : scaling.metric())
})
server.on('upgrade', app.upgrade)
server.listen(Number(PORT), process.env.HOST ?? '127.0.0.1', () => {
  const { port } = server.address() as { port: number }
  console.log(`http://127.0.0.1:${port}`)
})

process.once('SIGTERM', async () => {
  scaling.stop()
  await app.close()
  server.close()
  server.closeAllConnections()
  // What waits stays in Redis.
  await jobs.close({ drain: false, graceMs: 0 })
})

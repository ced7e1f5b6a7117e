/**
 * How does an HTTP server stop without losing what it has promised? On SIGTERM it admits nothing more, finishes what it
 * has admitted, and then ends; a second SIGTERM means now.
 *
 *     node examples/graceful-shutdown.ts      then, in another terminal: curl localhost:PORT/job, kill -TERM PID
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
// In your project: from 'triage-queue'
import { isTriageError, QueuedExecutor } from '../src/index.ts'

const jobs = new QueuedExecutor(
  async (url: string, run) => {
    await sleep(100, undefined, { signal: run.signal })
    return `${url}: done\n`
  },
  { concurrency: 2, maxQueueSize: 100 },
)

const server = createServer(async (request, response) => {
  try {
    response.end(await jobs.execute(request.url ?? '/'))
  } catch (error) {
    const code = isTriageError(error) ? error.code : 'FAILED'
    // The connection closes too, so that the client's next request goes to another instance.
    response.writeHead(503, { connection: 'close' }).end(`${code}\n`)
  }
})

server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`listening on ${(server.address() as AddressInfo).port}, pid ${process.pid}`)
})

let stopping = false
process.on('SIGTERM', async () => {
  if (stopping) {
    console.log('stopping now')
    await jobs.close({ drain: false, graceMs: 0 })
    process.exit(1)
  }
  stopping = true
  const { waiting, running } = jobs.getStatus()
  console.log(`stopping: ${running} run and ${waiting} wait`)
  // The server still listens: whoever comes now is told 503, instead of finding nobody.
  await jobs.close({ graceMs: 10_000 })
  server.close()
  server.closeIdleConnections()
  const { admitted, completed, rejected } = jobs.getStatus().totals
  console.log(`stopped: ${completed} of ${admitted} admitted requests completed, ${rejected} refused`)
})

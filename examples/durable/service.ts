/**
 * A service that converts documents, and forgets none: what it has answered 202 for is done, whatever happens to the process.
 *
 *     node examples/durable/service.ts jobs.db
 *     curl -X POST -H 'Idempotency-Key: a' -d 'hello' localhost:PORT/jobs     202, as soon as it is on the disk
 *     curl localhost:PORT/jobs/a                                              its state, and its result
 *
 * The caller's key is the id: whoever asks twice, since an answer was lost on the way, has one job.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
// In your project: from 'triage-queue', and from 'triage-queue/sqlite'
import { isTriageError, QueuedExecutor } from '../../src/index.ts'
import { openStore } from '../../src/sqlite/index.ts'

const store = await openStore(process.argv[2] ?? 'jobs.db')
const queue = new QueuedExecutor(
  async (document: string, run) => {
    // After a crash it may run again. What it does elsewhere goes by `run.id`, so that twice is as good as once.
    await sleep(100)
    return { pages: document.length, attempt: run.attempt }
  },
  { name: 'convert', concurrency: 4, maxQueueSize: 10_000, store },
)

const server = createServer(async (request, response) => {
  const answer = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  try {
    const [, jobs, id] = new URL(request.url ?? '/', 'http://localhost').pathname.split('/')
    if (jobs !== 'jobs') answer(404, { error: 'not found' })
    else if (request.method === 'POST') {
      const key = request.headers['idempotency-key']
      const { id: known } = await queue.submit(await text(request), typeof key === 'string' ? { id: key } : {})
      answer(202, { id: known })
    } else {
      const job = await queue.find(id ?? '')
      answer(job === undefined ? 404 : 200, job ?? { error: 'not found' })
    }
  } catch (error) {
    answer(isTriageError(error) ? error.statusCode : 500, { error: isTriageError(error) ? error.code : 'internal' })
  }
})
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

// A deploy: what runs may end, and what waits stays in the file for the next process.
process.once('SIGTERM', async () => {
  server.close()
  await queue.close({ drain: false, graceMs: 5_000 })
  await store.close()
})

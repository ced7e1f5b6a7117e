/**
 * How does an Express service get the routes of a queue? It mounts them beside its own.
 *
 * After `npm run build`:
 *
 *     node examples/http/express.ts      then: curl -i localhost:3000/queue/process -H 'content-type: application/json' -d '{"id":1}'
 */
import express from 'express'
import { QueuedExecutor } from 'triage-queue'
import { httpApp } from 'triage-queue/http'

const work = async (request: unknown) => ({ done: request }) // your scarce thing: (request, run) => …
const queue = new QueuedExecutor(work, { name: 'work', concurrency: 4, maxQueueSize: 1_000 })
// Whoever comes from this machine may submit; for others there are `tokens`.
const service = httpApp({ queues: queue, auth: { open: true }, basePath: '/queue' })

const app = express()
app.get('/', (_req, res) => void res.send('Hello World!'))
app.use('/queue', service.listener)

const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, '127.0.0.1', () => console.log(`listening on port ${port}`))
server.on('upgrade', service.upgrade)
process.once('SIGTERM', async () => {
  await queue.close({ graceMs: 10_000 })
  await service.close()
  server.close()
})

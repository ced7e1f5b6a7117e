/**
 * How does a Fastify service get the routes of a queue? It hands over what begins with `/queue`, before it reads a body.
 *
 * After `npm run build`:
 *
 *     node examples/http/fastify.ts      then: curl -i localhost:3000/queue/process -H 'content-type: application/json' -d '{"id":1}'
 */
import Fastify from 'fastify'
import { QueuedExecutor } from 'triage-queue'
import { httpApp } from 'triage-queue/http'

const work = async (request: unknown) => ({ done: request }) // your scarce thing: (request, run) => …
const queue = new QueuedExecutor(work, { name: 'work', concurrency: 4, maxQueueSize: 1_000 })
// Whoever comes from this machine may submit; for others there are `tokens`.
const service = httpApp({ queues: queue, auth: { open: true }, basePath: '/queue' })

const fastify = Fastify()
fastify.get('/', async () => 'Hello World!')
fastify.addHook('onRequest', (request, reply, done) => {
  if (!request.url.startsWith('/queue/')) return done()
  reply.hijack()
  service.listener(request.raw, reply.raw)
})
fastify.server.on('upgrade', service.upgrade)
process.once('SIGTERM', async () => {
  await queue.close({ graceMs: 10_000 })
  await service.close()
  await fastify.close()
})

const port = Number(process.env.PORT ?? 3000)
await fastify.listen({ port, host: '127.0.0.1' })
console.log(`listening on port ${port}`)

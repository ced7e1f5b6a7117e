/**
 * How does a Fastify service give its scarce work to whoever needs it most? Its hello world, and the queue around it.
 *
 * After `npm run build`:
 *
 *     node examples/fastify.ts      then: curl -i -H 'triage-priority: urgent' -H 'triage-deadline: 500' localhost:3000
 */
import Fastify from 'fastify'
import { register } from 'prom-client'
import { fairBy, QueuedExecutor } from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { optionsFrom } from 'triage-queue/web'

const fastify = Fastify({ logger: true })

const hello = () => new Promise((resolve) => setTimeout(resolve, 50, { hello: 'world' })) // your scarce thing: (request, run) => …
const order = fairBy((_request, tenant) => String(tenant))
const queue = new QueuedExecutor(hello, { concurrency: 4, maxQueueSize: 40, order })
prometheus(queue)

fastify.get('/', async function handler(request, reply) {
  const metadata = request.headers['x-tenant']
  return queue.execute(request.url, { ...optionsFrom(request.raw, reply.raw), metadata })
})
fastify.get('/metrics', async (_request, reply) => reply.type(register.contentType).send(await register.metrics()))
fastify.get('/health', (_request, reply) => reply.code(queue.health().ready ? 200 : 503).send())
process.once('SIGTERM', () => queue.close({ graceMs: 10_000 }).then(() => fastify.close()))

try {
  await fastify.listen({ port: Number(process.env.PORT ?? 3000) })
} catch (err) {
  fastify.log.error(err)
  process.exit(1)
}

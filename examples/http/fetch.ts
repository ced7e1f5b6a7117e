/**
 * How does a framework of fetch get the routes of a queue? Its handler hands over the `Request`: in Next, this file is
 * `app/queue/[...path]/route.ts`; in Hono, `hono.all('/queue/*', (c) => handle(c.req.raw))`.
 *
 * A `Request` does not say where it comes from, so nobody is taken to be on this machine: each needs a token.
 */
import { randomUUID } from 'node:crypto'
import { QueuedExecutor } from 'triage-queue'
import { httpApp } from 'triage-queue/http'

const work = async (request: unknown) => ({ done: request }) // your scarce thing: (request, run) => …
const queue = new QueuedExecutor(work, { name: 'work', concurrency: 4, maxQueueSize: 1_000 })

export const token = process.env.QUEUE_TOKEN ?? randomUUID()
const service = httpApp({
  queues: queue,
  auth: { tokens: [{ name: 'web', level: 'submitter', token }] },
  hosts: ['queue.example.com'],
  basePath: '/queue',
})

export const handle = (request: Request): Promise<Response> => service.fetch(request)
export { handle as DELETE, handle as GET, handle as PATCH, handle as POST }

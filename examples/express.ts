/**
 * How does an Express service give its scarce work to whoever needs it most? Its hello world, and the queue around it.
 *
 * After `npm run build`:
 *
 *     node examples/express.ts      then: curl -i -H 'triage-priority: urgent' -H 'triage-deadline: 500' localhost:3000
 */
import express from 'express'
import { register } from 'prom-client'
import { fairBy, QueuedExecutor } from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { optionsFrom } from 'triage-queue/web'

const app = express()
const port = Number(process.env.PORT ?? 3000)

const hello = () => new Promise((resolve) => setTimeout(resolve, 50, 'Hello World!')) // your scarce thing: (request, run) => …
const order = fairBy((_request, tenant) => String(tenant))
const queue = new QueuedExecutor(hello, { concurrency: 4, maxQueueSize: 40, order })
prometheus(queue)

app.get('/', async (req, res) => {
  res.send(await queue.execute(req.url, { ...optionsFrom(req, res), metadata: req.headers['x-tenant'] }))
})
app.get('/metrics', async (_req, res) => void res.type(register.contentType).send(await register.metrics()))
app.get('/health', (_req, res) => void res.sendStatus(queue.health().ready ? 200 : 503))

const server = app.listen(port, () => {
  console.log(`Example app listening on port ${port}`)
})
process.once('SIGTERM', () => queue.close({ graceMs: 10_000 }).then(() => server.close()))

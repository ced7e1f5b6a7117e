import { QueuedExecutor } from 'triage-queue'
import { HttpClient, httpApp, listen } from 'triage-queue/http'
import { onTestFinished } from 'vitest'
import { executorContract } from './executor.ts'

const token = 'token-of-the-contract'

executorContract('HTTP', async (run, options) => {
  const queue = new QueuedExecutor<string, unknown>(run, { name: 'llm', whenFull: 'reject', ...options })
  const app = httpApp({ queues: queue, auth: { tokens: [{ name: 'one', level: 'admin', token }] } })
  const service = await listen(app)
  const client = new HttpClient<string, unknown>({ url: service.url, queue: 'llm', token })
  onTestFinished(async () => {
    await client.close({ drain: false })
    await service.close()
    await queue.close({ drain: false, graceMs: 0 })
  })
  return client
})

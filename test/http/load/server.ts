/** The service that `load.ts` loads, as a process of its own: a queue that is full, one that works, or one that a million wait in. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { QueuedExecutor } from 'triage-queue'
import { httpApp, listen } from 'triage-queue/http'
import { principals } from '../support/principals.ts'

const [kind = 'full', count = '0'] = process.argv.slice(2)

const never = (): Promise<never> => new Promise(() => {})
const soon = (request: unknown): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 5, request))
const options = {
  full: { concurrency: 1, maxQueueSize: 10, whenFull: 'reject' as const },
  works: { concurrency: 16, maxQueueSize: 200, whenFull: 'reject' as const },
  million: { concurrency: 1, maxQueueSize: 0 },
}[kind as 'full']
const queue = new QueuedExecutor<unknown, unknown>(kind === 'works' ? soon : never, { name: 'llm', ...options })
const app = httpApp({ queues: queue, auth: { tokens: principals } })
const service = await listen(app)
if (kind === 'full') for (let n = 0; n < 11; n++) void queue.submit(n)
if (kind === 'million') {
  const tiers = ['urgent', 'high', 'normal', 'low'] as const
  for (let n = 0; n < Number(count); n++) {
    void queue.submit(n, { id: `sam~${n}`, priority: tiers[n % 4] })
    // So that what it takes to fill it is no stall.
    if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
process.on('message', (asked) => {
  if (asked === 'reset') {
    globalThis.gc?.()
    delay.reset()
    process.send?.({ reset: true })
  }
  if (asked === 'report')
    process.send?.({
      maxStallMs: delay.max / 1e6,
      p99StallMs: delay.percentile(99) / 1e6,
      totals: queue.getStatus().totals,
    })
  if (asked === 'stop') process.exit(0)
})
process.send?.({ port: service.port })

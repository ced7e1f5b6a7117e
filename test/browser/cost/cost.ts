/**
 * What does the page cost while much happens? `npm run cost:dashboard`: a real service with 1,000 events a second (`-- RATE SECONDS` for
 * others), a real browser with the page open, and the share of a core that the page's own process takes, by its CPU time. Ends with 1
 * when that is a tenth or more, or when the page answers later than within 100 ms.
 */
import { QueuedExecutor } from 'triage-queue'
import { httpApp, listen } from 'triage-queue/http'
import { closeBrowser, look } from '../support/browser.ts'

const [rate = 1_000, seconds = 20] = process.argv.slice(2).map(Number)
const MOST_SHARE = 0.1
const MOST_LATE_MS = 100

// Each request is three events: queued, started, completed; one in ten is refused.
const queue = new QueuedExecutor(() => new Promise((resolve) => setTimeout(resolve, 20)), {
  name: 'llm',
  concurrency: 24,
  maxQueueSize: 500,
})
const service = await listen(httpApp({ queues: queue }), { port: 0 })
let events = 0
for (const event of ['queued', 'started', 'completed', 'rejected'] as const) queue.on(event, () => events++)
const began = performance.now()
let sent = 0
const feeding = setInterval(() => {
  const due = ((performance.now() - began) / 1_000) * (rate / 3)
  for (; sent < due; sent++) {
    const priority = (['urgent', 'high', 'normal', 'low'] as const)[sent % 4] as 'low'
    queue.execute(sent, { id: `request-${sent}`, priority }).catch(() => {})
  }
}, 5)

const { page, faults } = await look()
const session = await page.context().newCDPSession(page)
await session.send('Performance.enable')
/** CPU seconds of the page's main thread: scripts, style, layout and painting. */
async function busy(): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics')
  const of = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? 0
  return of('ProcessTime') || of('TaskDuration')
}

let worst = 0
try {
  await page.goto(`${service.url}/#/llm/waiting`)
  await page.locator('.live.is-live').waitFor()
  await page.waitForTimeout(2_000)
  const [busyFrom, eventsFrom, from] = [await busy(), events, performance.now()]
  while (performance.now() - from < seconds * 1_000) {
    await page.waitForTimeout(250)
    const asked = performance.now()
    await page.evaluate('1')
    worst = Math.max(worst, performance.now() - asked)
  }
  const tookSeconds = (performance.now() - from) / 1_000
  const share = ((await busy()) - busyFrom) / tookSeconds
  const perSecond = Math.round((events - eventsFrom) / tookSeconds)
  console.log(
    `${perSecond} events a second for ${Math.round(tookSeconds)} s: the page takes ${(share * 100).toFixed(1)} % of a core, answers within ${Math.round(worst)} ms at worst`,
  )
  for (const fault of faults) console.error(fault)
  if (share >= MOST_SHARE || worst > MOST_LATE_MS || faults.length > 0) process.exitCode = 1
} finally {
  clearInterval(feeding)
  await closeBrowser()
  await service.close()
  await queue.close({ drain: false, graceMs: 0 })
}

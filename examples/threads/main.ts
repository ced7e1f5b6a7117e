/**
 * CPU-bound work behind a queue: it runs in threads, urgent first, and what takes too long is stopped.
 *
 *     node examples/threads/main.ts
 */
// In your project: from 'triage-queue' and 'triage-queue/threads'; and `npm install piscina`
import { isTriageError, QueuedExecutor } from '../../src/index.ts'
import { threads } from '../../src/threads/index.ts'

const count = threads<number, number>(new URL('./primes.ts', import.meta.url), { threads: 2, killAfterMs: 200 })
const queue = new QueuedExecutor(count, { name: 'primes', concurrency: count.threads, maxQueueSize: 100 })

// While the threads compute, this thread has nothing to do but to answer others.
let turns = 0
const ticking = setInterval(() => turns++, 1)

const reports = Array.from({ length: 8 }, () => queue.execute(200_000, { priority: 'low' }))
const alert = queue.execute(1_000, { priority: 'urgent' })
const ends: string[] = []
void alert.then(() => ends.push('the alert'))
for (const report of reports) void report.then(() => ends.push('a report'))

console.log(`primes below 1,000: ${await alert}`)
console.log(`primes below 200,000: ${(await Promise.all(reports))[0]}`)
console.log(`reports that had ended before the alert: ${ends.indexOf('the alert')}`)
console.log(`this thread was free meanwhile: ${turns > 0}`)

try {
  await queue.execute(1e9, { runTimeoutMs: 100 })
} catch (error) {
  console.log(`too much at once: ${isTriageError(error) ? error.code : error}`)
}
await queue.idle()
console.log(`after it: ${await queue.execute(100)} primes below 100`)

clearInterval(ticking)
await queue.close()
await count.close()

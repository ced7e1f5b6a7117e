/**
 * What threads and shards are worth on this machine: `npm run bench:threads [-- all|speed|urgent|shards|backlog]`.
 *
 * Work by one thread and by all is done in turn, round by round, so that whatever else the machine does meets both.
 */
import { availableParallelism, cpus, loadavg } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { QueuedExecutor } from 'triage-queue'
import { type ShardsStatus, shards, threads } from 'triage-queue/threads'
import { compute } from './work.ts'

const work = new URL('./work.ts', import.meta.url)
const cores = availableParallelism()
const only = process.argv[2] ?? 'all'
const wants = (name: string): boolean => only === 'all' || only === name
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

console.log(
  `${cores} cores (${cpus()[0]?.model}), Node ${process.version}, load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`,
)

/** So many rounds take about `ms`, at best, on one core. */
function roundsFor(ms: number): number {
  const rounds = 1_000_000
  const times = Array.from({ length: 7 }, () => {
    const from = performance.now()
    compute(rounds)
    return performance.now() - from
  })
  return Math.round((rounds * ms) / Math.min(...times))
}

const late = (delay: ReturnType<typeof monitorEventLoopDelay>, percentile: number): string =>
  `${Math.max(delay.percentile(percentile) / 1e6 - 1, 0).toFixed(2)} ms`

const rounds = roundsFor(20)

/** How many programs that do nothing but compute would make of one, here and now: what the machine has to give. */
async function speed(): Promise<void> {
  const one = threads<number, { sum: number }>(work, { threads: 1 })
  const all = threads<number, { sum: number }>(work, { threads: cores })
  const byOne = new QueuedExecutor<number, { sum: number }>(one, { concurrency: 1, maxQueueSize: 10_000 })
  const byAll = new QueuedExecutor<number, { sum: number }>(all, { concurrency: cores, maxQueueSize: 10_000 })
  const took = async (queue: QueuedExecutor<number, { sum: number }>, tasks: number): Promise<number> => {
    const from = performance.now()
    await Promise.all(Array.from({ length: tasks }, () => queue.execute(rounds)))
    return performance.now() - from
  }
  for (let i = 0; i < 3; i++) await Promise.all([took(byOne, 2), took(byAll, 2 * cores)])
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const idle = monitorEventLoopDelay({ resolution: 1 })
  const ratios: number[] = []
  const perTask: number[] = []
  for (let round = 0; round < 21; round++) {
    const alone = (await took(byOne, 20)) / 20
    // What the machine itself does to an event loop that has nothing to do.
    idle.enable()
    await sleep(alone * 10)
    idle.disable()
    delay.enable()
    const together = (await took(byAll, 20 * cores)) / (20 * cores)
    delay.disable()
    ratios.push(alone / together)
    perTask.push(alone)
  }
  const speedUp = median(ratios)
  console.log(
    `CPU-bound tasks of ${median(perTask).toFixed(1)} ms in ${cores} threads instead of one: ${speedUp.toFixed(2)} times as fast (median of 21 rounds in turn, best ${Math.max(...ratios).toFixed(2)}), that is ${(speedUp / cores).toFixed(2)} × cores`,
  )
  console.log(
    `  the main thread's event loop, above 1 ms of resolution: p50 ${late(delay, 50)}, p99 ${late(delay, 99)}; while nothing runs at all: p50 ${late(idle, 50)}, p99 ${late(idle, 99)}`,
  )
  await Promise.all([byOne.close(), byAll.close()])
  await Promise.all([one.close(), all.close()])
}

/** Behind a backlog of LOW an URGENT request starts when a thread is free: after at most one running task for each. */
async function urgent(): Promise<void> {
  const executor = threads<number, { startedAt: number }>(work, { threads: cores })
  const queue = new QueuedExecutor<number, { startedAt: number }>(executor, {
    concurrency: cores,
    maxQueueSize: 100_000,
  })
  const started: string[] = []
  queue.on('started', ({ priority }) => started.push(priority))
  const backlog = Array.from({ length: 300 * cores }, () => queue.execute(rounds, { priority: 'low' }))
  for (const answer of backlog) answer.catch(() => {})
  await backlog[2 * cores]
  const before: number[] = []
  const waits: number[] = []
  for (let i = 0; i < 40; i++) {
    const from = started.length
    const at = performance.timeOrigin + performance.now()
    const { startedAt } = await queue.execute(rounds, { priority: 'urgent' })
    before.push(started.indexOf('urgent', from) - from)
    waits.push(startedAt - at)
  }
  console.log(
    `URGENT behind ${queue.getStatus().waiting} LOW: at most ${Math.max(...before)} LOW started after it came and before it did; it ran after ${median(waits).toFixed(1)} ms (median), ${Math.max(...waits).toFixed(1)} ms at most; a task takes 20 ms on a core of its own`,
  )
  await queue.close({ drain: false })
  await Promise.allSettled(backlog)
  await executor.close()
}

/** 4 × 1,000 slots of 100 ms each, for real, beside what the arithmetic says. */
async function slots(n: number): Promise<void> {
  const runMs = 100
  const all = shards<number, number>(n, new URL('./wait.ts', import.meta.url), {
    ...{ route: 'roundRobin', executor: { concurrency: 1_000, maxQueueSize: 100_000 } },
  })
  await all.getStatus()
  const requests = 200_000
  const batch = 20_000
  await Promise.all(Array.from({ length: 4_000 * 2 }, () => all.execute(runMs)))
  const from = performance.now()
  let given = 0
  const lane = async (): Promise<void> => {
    while (given < requests) {
      given++
      await all.execute(runMs)
    }
  }
  await Promise.all(Array.from({ length: batch }, lane))
  const seconds = (performance.now() - from) / 1_000
  const status = (await all.getStatus()) as ShardsStatus
  const possible = (n * 1_000) / (runMs / 1_000)
  console.log(
    `${n} × 1,000 slots of ${runMs} ms in threads: ${Math.round(requests / seconds).toLocaleString('en')} requests a second; slots ÷ run time is ${possible.toLocaleString('en')}; ${status.totals.completed} of ${status.totals.admitted} completed`,
  )
  await all.close()
}

/** As many as may wait, at once. */
async function backlog(): Promise<void> {
  const all = shards<number, number>(4, new URL('./wait.ts', import.meta.url), {
    ...{ route: 'roundRobin', executor: { concurrency: 1_000, maxQueueSize: 100_000, whenFull: 'reject' } },
  })
  await all.getStatus()
  const from = performance.now()
  const ends: Record<string, number> = {}
  const ended = (how: string): void => {
    ends[how] = (ends[how] ?? 0) + 1
  }
  const answers = Array.from({ length: 404_000 }, () =>
    all.execute(600_000).then(
      () => ended('completed'),
      ({ code }) => ended(code),
    ),
  )
  const { waiting, running, shards: each } = (await all.getStatus()) as ShardsStatus
  const there = performance.now()
  console.log(
    `404,000 requests to 4 × 1,000 slots: ${running} run, ${waiting} wait (${each.map((shard) => shard.waiting).join(', ')}), all there after ${((there - from) / 1_000).toFixed(1)} s, ${Math.round(process.memoryUsage.rss() / 1e6)} MB in all`,
  )
  await all.close({ drain: false, graceMs: 0 })
  await Promise.all(answers)
  console.log(
    `  closed without drain after ${((performance.now() - there) / 1_000).toFixed(1)} s: ${JSON.stringify(ends)}`,
  )
}

if (wants('speed')) await speed()
if (wants('urgent')) await urgent()
if (wants('shards')) for (const n of [1, 4]) await slots(n)
if (wants('backlog')) await backlog()

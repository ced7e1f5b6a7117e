/**
 * Does it hold at a size that hurts? A million waiting, 100 k on one signal, 4,000 slots: what comes out is checked to
 * the last request, and what it took is shown.
 */
import { getEventListeners } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { RequestOptions } from '../../src/index.ts'
import type { Case } from '../case.ts'
import { checkAnswer, type Job } from '../job.ts'
import { library } from '../library.ts'
import { burst, costOf, heapBytes, quick } from '../measure.ts'
import { number, table } from '../table.ts'
import type { Outcome } from '../trial.ts'

const { QueuedExecutor, priorities } = library
const VARIANT = 'acceptance'
const MILLION = quick ? 100_000 : 1_000_000

const scenarios: { readonly [name: string]: () => Promise<Outcome> } = {
  million,
  abort,
  slots,
  idle,
}

const lines: readonly (readonly [scenario: string, metric: string, what: string])[] = [
  ['million', 'seconds', 'a million requests in four interleaved tiers, concurrency 1, in exact order: wall seconds'],
  ['million', 'cpuSeconds', '… CPU seconds'],
  ['million', 'bytes', '… heap bytes for each that waits'],
  ['abort', 'seconds', '100,000 waiting on one signal, all aborted and nothing left: wall seconds'],
  ['slots', 'seconds', '4,000 slots and 400,000 waiting, the status exact at each step: wall seconds'],
  ['idle', 'startUs', 'idle submit to start, median: µs'],
]

export const acceptanceCase: Case = {
  name: 'acceptance',
  about: 'large and exact: a million in order, one signal for 100,000, 4,000 slots, idle to start',
  rounds: 1,
  flags: ['--expose-gc', '--max-old-space-size=8192'],
  trials: () => Object.keys(scenarios).map((subject) => ({ variant: VARIANT, subject })),

  measure({ subject }) {
    const scenario = scenarios[subject]
    if (scenario === undefined) throw new Error(`there is no scenario '${subject}'`)
    return scenario()
  },

  report(results) {
    const rows = lines.map(([scenario, metric, what]) => {
      const trial = results.trial(VARIANT, scenario)
      const value = results.median(VARIANT, scenario, metric) ?? results.quantile(VARIANT, scenario, metric, 0.5)
      return [what, number(value), trial !== undefined && value !== undefined ? 'verified' : 'FAILED']
    })
    return `Acceptance\n\n${table(['', 'figure', 'answers, order, counts'], rows)}`
  },
}

/** Four tiers that come in turn, one slot: all urgent ones start first, each tier in the order of submission. */
async function million(): Promise<Outcome> {
  const jobs = interleaved(MILLION)
  const options = priorities.map((priority) => ({ priority }))
  const started = new Int32Array(MILLION)
  let starts = 0
  const executor = new QueuedExecutor<Job, number>(
    async (job) => {
      started[starts++] = job.index
      return job.value + 1
    },
    { concurrency: 1, maxQueueSize: 0 },
  )
  const cost = await burst((job) => executor.execute(job, options[job.tier]), jobs)
  expect(starts, MILLION, 'starts')
  for (let i = 0; i < MILLION; i++) {
    const tier = Math.floor(i / (MILLION / 4))
    expect(started[i], (i % (MILLION / 4)) * 4 + tier, `the request that started at place ${i}`)
  }
  const { totals, waiting, running } = executor.getStatus()
  expect(JSON.stringify([totals.admitted, totals.completed, waiting, running]), `[${MILLION},${MILLION},0,0]`, 'totals')
  await executor.close()

  const bytes = await bytesOfWaiting(jobs, options)
  const inAll = (ns: number): number => (ns * MILLION) / 1e9
  return { numbers: { seconds: inAll(cost.wallNs), cpuSeconds: inAll(cost.cpuNs), bytes } }
}

async function bytesOfWaiting(jobs: readonly Job[], options: readonly RequestOptions[]): Promise<number> {
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const executor = new QueuedExecutor<Job, number>(() => gate.then(() => 1), { concurrency: 1, maxQueueSize: 0 })
  const first = executor.execute(jobs[0] as Job)
  const promises: (Promise<number> | undefined)[] = new Array(jobs.length).fill(undefined)
  const before = await heapBytes()
  for (const [i, job] of jobs.entries()) promises[i] = executor.execute(job, options[job.tier])
  const bytes = ((await heapBytes()) - before) / jobs.length
  expect(executor.getStatus().waiting, jobs.length, 'waiting')
  open()
  await first
  await Promise.all(promises)
  await executor.close()
  return bytes
}

/** 100,000 that wait on one signal are aborted together. */
async function abort(): Promise<Outcome> {
  const waiting = 100_000
  const executor = new QueuedExecutor<Job, number>(() => new Promise(() => {}), { concurrency: 1, maxQueueSize: 0 })
  const keeps = executor.execute({ index: -1, value: 0, tier: 2 }).catch((error: { code: string }) => error.code)
  await setImmediate()
  const controller = new AbortController()
  const { signal } = controller
  const reason = new Error('enough')
  const settled = Promise.allSettled(interleaved(waiting).map((job) => executor.execute(job, { signal })))
  expect(executor.getStatus().waiting, waiting, 'waiting')
  const cost = await costOf(1, async () => {
    controller.abort(reason)
    await settled
  })
  for (const result of await settled) {
    expect(result.status === 'rejected' ? result.reason : result.status, reason, 'the outcome')
  }
  const status = executor.getStatus()
  expect(status.waiting, 0, 'waiting')
  expect(status.totals.cancelled, waiting, 'cancelled')
  expect(getEventListeners(signal, 'abort').length, 0, 'listeners on the signal')
  await executor.close({ drain: false, graceMs: 0 })
  expect(await keeps, 'TRIAGE_CANCELLED', 'the one that ran')
  return { numbers: { seconds: cost.wallNs / 1e9 } }
}

/** 4,000 run, 400,000 wait; then runs end in lots. The status is right at each turn, and the slots fill up again. */
async function slots(): Promise<Outcome> {
  const limit = 4_000
  const total = limit + 400_000
  const jobs = interleaved(total)
  const ends: (() => void)[] = []
  let completed = 0
  let calls = 0
  const executor = new QueuedExecutor<Job, number>(
    (job) => {
      calls++
      return new Promise<number>((resolve) => ends.push(() => resolve(job.value + 1)))
    },
    { concurrency: limit, maxQueueSize: 0 },
  )
  /** Looks at the status, and answers how many run. */
  const check = (): number => {
    const status = executor.getStatus()
    expect(status.running, calls - completed, 'running')
    expect(status.activeWorkers, calls - completed, 'active workers')
    expect(status.waiting, total - calls, 'waiting')
    const byPriority = Object.values(status.waitingByPriority).reduce((sum, waiting) => sum + waiting, 0)
    expect(byPriority, total - calls, 'waiting by priority')
    expect(status.totals.completed, completed, 'completed')
    expect(status.totals.admitted, total, 'admitted')
    expect(status.maxWorkers, limit, 'max workers')
    expect(executor.getWorkerHealth().length, limit, 'workers')
    return status.running
  }
  const cost = await costOf(1, async () => {
    const promises = jobs.map((job) => executor.execute(job, { priority: priorities[job.tier] as 'low' }))
    while (completed < total) {
      // It may take more than one turn of the event loop to fill so many slots: others have their turns in between.
      for (let turns = 0; ; turns++) {
        await setImmediate()
        if (check() === Math.min(limit, total - completed)) break
        if (turns > 1_000) throw new Error('the slots do not fill up')
      }
      const lot = ends.splice(0)
      for (const end of lot) end()
      completed += lot.length
    }
    await setImmediate()
    expect(check(), 0, 'running')
    for (const [i, promise] of promises.entries()) checkAnswer(jobs[i] as Job, await promise)
  })
  await executor.close()
  return { numbers: { seconds: cost.wallNs / 1e9 } }
}

async function idle(): Promise<Outcome> {
  let startedAt = 0
  const executor = new QueuedExecutor<number, number>(async (n) => {
    startedAt = performance.now()
    return n + 1
  })
  for (let i = 0; i < 2_000; i++) await executor.execute(i)
  const startUs: number[] = []
  for (let i = 0; i < 1_000; i++) {
    await setTimeout(1)
    const submittedAt = performance.now()
    expect(await executor.execute(i), i + 1, 'the answer')
    startUs.push((startedAt - submittedAt) * 1e3)
  }
  await executor.close()
  return { numbers: {}, series: { startUs } }
}

function interleaved(count: number): Job[] {
  return Array.from({ length: count }, (_, index) => ({ index, value: index % 1_000, tier: index % 4 }))
}

function expect(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${actual}, not ${expected}`)
}

/**
 * What does a request cost when nobody holds a watch? Readings of the clock, timers, microtasks, promises and bytes can
 * be counted: they are the same on a busy machine. `test/bench/guard.test.ts` holds them to their bounds.
 *
 *     npm run bench -- counts
 *     node --expose-gc --predictable --min-semi-space-size=256 --max-semi-space-size=256 bench/counts.ts bytes
 */
import { createHook } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'
import type { QueuedExecutorOptions, RequestOptions } from '../src/index.ts'
import { CONCURRENCY, checkAnswer, type Job, jobsOfFourTiers, jobsOfOneTier, tasks } from './job.ts'
import { library } from './library.ts'
import { heapBytes, SUBMITTERS } from './measure.ts'

const BURST = 1_000
const REQUESTS = 10_000

/**
 * Enough memory for all that is allocated while it is counted, so that nothing is collected meanwhile; and no threads,
 * so that V8 compiles the same functions at the same moments in each run, and the bytes are the same to the last.
 */
export const COUNTING_FLAGS: readonly string[] = [
  '--expose-gc',
  '--predictable',
  '--min-semi-space-size=256',
  '--max-semi-space-size=256',
]

export interface Calls {
  /** Readings of the clock, timers set and timers cleared, in all. */
  readonly now: number
  readonly setTimeout: number
  readonly clearTimeout: number
}

/** What `node bench/counts.ts calls` prints. */
export interface CallCounts {
  /** While 1,000 requests of one burst are submitted. */
  readonly submission: Calls
  /** The same burst, until all have ended: an async task, 10 slots. */
  readonly burst: Calls
  readonly burstOfTimeouts: Calls
  readonly burstOfSynchronous: Calls
  /** 10,000 requests of 64 submitters. */
  readonly closedLoop: Calls
  /** 1,000 requests one after another, each on an idle executor. */
  readonly oneByOne: Calls
}

export interface PromisesAndMicrotasks {
  readonly promises: number
  readonly microtasks: number
}

/** What `node bench/counts.ts promises` prints: for each request of a burst of 1,000. */
export interface PromiseCounts {
  /** The task alone: what is not ours. */
  readonly withoutQueue: PromisesAndMicrotasks
  readonly burst: PromisesAndMicrotasks
  readonly burstOfSynchronous: PromisesAndMicrotasks
}

/** What `node bench/counts.ts bytes` prints: bytes a request. */
export interface ByteCounts {
  /** On the heap, for one that waits, its promise included, itself not. */
  readonly waiting: number
  readonly waitingWithTimeouts: number
  readonly waitingWithHandle: number
  /** Left when all have ended. */
  readonly left: number
  /** Allocated from submission to answer, in the closed loop; what the submitters and the task allocate included. */
  readonly allocated: number
  /** The same without a queue: what is not ours. */
  readonly allocatedWithoutQueue: number
}

class Counter {
  calls = { now: 0, setTimeout: 0, clearTimeout: 0 }

  readonly clock = {
    now: (): number => {
      this.calls.now++
      return performance.now()
    },
    setTimeout: (callback: () => void, delayMs: number): unknown => {
      this.calls.setTimeout++
      return setTimeout(callback, delayMs)
    },
    clearTimeout: (handle: unknown): void => {
      this.calls.clearTimeout++
      clearTimeout(handle as NodeJS.Timeout)
    },
  }

  /** What has been called since the last time. */
  take(): Calls {
    const { calls } = this
    this.calls = { now: 0, setTimeout: 0, clearTimeout: 0 }
    return calls
  }
}

async function countCalls(): Promise<CallCounts> {
  const counter = new Counter()
  const { clock } = counter

  const burst = async (
    options: RequestOptions = {},
    task: (job: Job) => number | Promise<number> = tasks.trivial,
  ): Promise<{ submission: Calls; whole: Calls }> => {
    const executor = open(task, { clock })
    const jobs = jobsOfFourTiers(BURST)
    const [first] = jobs as [Job]
    await executor.execute(first)
    await setImmediate()
    counter.take()
    const promises = jobs.map((job) => executor.execute(job, { ...options, priority: priorityOf(job) }))
    const submission = { ...counter.calls }
    await checkAll(jobs, promises)
    await setImmediate()
    return { submission, whole: counter.take() }
  }

  const { submission, whole } = await burst()
  const burstOfTimeouts = (await burst({ waitTimeoutMs: 30_000, runTimeoutMs: 30_000 })).whole
  const burstOfSynchronous = (await burst({}, tasks.synchronous)).whole

  const looping = open(tasks.trivial, { clock })
  await closedLoop((job) => looping.execute(job), REQUESTS)
  counter.take()
  await closedLoop((job) => looping.execute(job), REQUESTS)
  const loop = counter.take()

  const idle = open(tasks.trivial, { clock })
  for (const job of jobsOfOneTier(BURST)) {
    checkAnswer(job, await idle.execute(job))
    await setImmediate()
  }
  return { submission, burst: whole, burstOfTimeouts, burstOfSynchronous, closedLoop: loop, oneByOne: counter.take() }
}

/** Counted by Node's own hooks: a microtask is a reaction to a promise, or comes from `queueMicrotask`. */
async function countPromises(): Promise<PromiseCounts> {
  const own = new Set<number>()
  let promises = 0
  let microtasks = 0
  createHook({
    init(id, type) {
      if (type === 'PROMISE') promises++
      if (type === 'PROMISE' || type === 'Microtask') own.add(id)
    },
    before(id) {
      if (own.has(id)) microtasks++
    },
  }).enable()

  const burst = async (
    execute: (job: Job) => unknown,
    idle: () => Promise<unknown>,
  ): Promise<PromisesAndMicrotasks> => {
    const jobs = jobsOfFourTiers(BURST)
    const kept: unknown[] = new Array(BURST).fill(undefined)
    // Not awaited one by one: nothing here makes a promise for each of them.
    const before = { promises, microtasks }
    for (const [i, job] of jobs.entries()) kept[i] = execute(job)
    await idle()
    const counts = {
      promises: (promises - before.promises) / BURST,
      microtasks: (microtasks - before.microtasks) / BURST,
    }
    for (const [i, answer] of kept.entries()) checkAnswer(jobs[i] as Job, await answer)
    return counts
  }
  const through = (task: (job: Job) => number | Promise<number>): Promise<PromisesAndMicrotasks> => {
    const executor = open(task)
    return burst(
      (job) => executor.execute(job, { priority: priorityOf(job) }),
      () => executor.idle(),
    )
  }
  return {
    withoutQueue: await burst(tasks.trivial, () => setImmediate()),
    burst: await through(tasks.trivial),
    burstOfSynchronous: await through(tasks.synchronous),
  }
}

async function countBytes(): Promise<ByteCounts> {
  const waiting = 20_000
  let left = 0
  const weigh = async (submit: (executor: ReturnType<typeof open>, job: Job) => unknown): Promise<number> => {
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const executor = open(() => gate.then(() => 0), { concurrency: 1 })
    const first = executor.execute({ index: -1, value: 0, tier: 0 })
    await setImmediate()
    const jobs = jobsOfOneTier(waiting)
    const kept: unknown[] = new Array(waiting).fill(undefined)
    const before = await heapBytes()
    for (const [i, job] of jobs.entries()) kept[i] = submit(executor, job)
    const bytes = ((await heapBytes()) - before) / waiting
    release()
    await first
    await executor.idle()
    kept.fill(undefined)
    left = ((await heapBytes()) - before) / waiting
    // Used once more, so that they are not collected before the heap is measured.
    if (jobs.length !== kept.length) throw new Error('jobs were lost')
    return bytes
  }
  const plain = (executor: ReturnType<typeof open>, job: Job): unknown => executor.execute(job)
  // What is made once, and what is compiled, comes with the first ones.
  for (let round = 0; round < 4; round++) await weigh(plain)
  const bytes = await weigh(plain)
  const leftOfPlain = left
  return {
    waiting: bytes,
    left: leftOfPlain,
    waitingWithTimeouts: await weigh((executor, job) =>
      executor.execute(job, { waitTimeoutMs: 30_000, runTimeoutMs: 30_000 }),
    ),
    waitingWithHandle: await weigh((executor, job) => executor.offer(job)),
    allocated: await allocatedBy(executeOf(open(tasks.trivial))),
    allocatedWithoutQueue: await allocatedBy((job) => tasks.trivial(job) as Promise<number>),
  }
}

/**
 * Bytes allocated for a request of a closed loop, once everything is compiled: again after each collection, which throws
 * compiled code away. What the compiler itself allocates comes on top of some rounds, so that the least is the truth.
 */
async function allocatedBy(execute: (job: Job) => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let trial = 0; trial < 4; trial++) {
    await heapBytes()
    for (let round = 0; round < 12; round++) await closedLoop(execute, REQUESTS)
    const before = process.memoryUsage().heapUsed
    await closedLoop(execute, REQUESTS)
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / REQUESTS)
  }
  return least
}

async function closedLoop(execute: (job: Job) => Promise<number>, requests: number): Promise<void> {
  const jobs = jobsOfOneTier(SUBMITTERS)
  let left = requests
  const submitter = async (): Promise<void> => {
    while (left > 0) {
      const job = jobs[--left % SUBMITTERS] as Job
      checkAnswer(job, await execute(job))
    }
  }
  await Promise.all(Array.from({ length: SUBMITTERS }, submitter))
}

function open(task: (job: Job) => number | Promise<number>, options: QueuedExecutorOptions<Job> = {}) {
  return new library.QueuedExecutor<Job, number>(task, { concurrency: CONCURRENCY, maxQueueSize: 0, ...options })
}

function executeOf(executor: ReturnType<typeof open>): (job: Job) => Promise<number> {
  return (job) => executor.execute(job)
}

function priorityOf(job: Job) {
  return library.priorities[job.tier] as (typeof library.priorities)[number]
}

async function checkAll(jobs: readonly Job[], promises: readonly Promise<number>[]): Promise<void> {
  for (const [i, answer] of (await Promise.all(promises)).entries()) checkAnswer(jobs[i] as Job, answer)
}

const counters = { calls: countCalls, promises: countPromises, bytes: countBytes }

export type Counted = keyof typeof counters

/** Counts one of them; only the first call in a process, under `COUNTING_FLAGS`, is exact. */
export function count(what: Counted): Promise<CallCounts | PromiseCounts | ByteCounts> {
  return counters[what]()
}

if (import.meta.main) {
  const what = process.argv[2] ?? ''
  if (!Object.hasOwn(counters, what)) throw new Error(`one of ${Object.keys(counters).join(', ')}`)
  console.log(JSON.stringify(await count(what as Counted), null, 2))
  process.exit(0)
}

/**
 * How is it measured? CPU time of the whole process (the threads of the garbage collector and the compiler included),
 * and wall time beside it.
 */
import { setImmediate } from 'node:timers/promises'
import { CONCURRENCY, checkAnswer, type Job, jobsOfOneTier, type Task, type TaskKind, tasks } from './job.ts'
import type { Peer } from './peers/peer.ts'

export interface Cost {
  readonly cpuNs: number
  readonly wallNs: number
}

/** What a closed loop takes when it is compiled, and before. */
export interface LoopCost extends Cost {
  /** The first requests of the process. */
  readonly firstCpuNs: number
}

export const quick = process.env.BENCH_QUICK === '1'

/**
 * How long to warm up, and then to measure, in ms of CPU time: on a busy machine wall time says little. It takes up to
 * half a second until V8 has compiled a queue of a thousand lines to the end; a loop of fifty is there in a tenth.
 */
const WARM_UP_MS = quick ? 60 : 500
const MEASURED_MS = quick ? 60 : 300

/** In wall time at most so many times as long: a queue that mostly waits for timers would take minutes. */
const WALL_FACTOR = 3

/** How many submitters a closed loop has. */
export const SUBMITTERS = 64

/** How many requests the first pass of a closed loop has. */
const FIRST_PASS = 2_000

/** What something takes, in ns a request. */
export async function costOf(requests: number, run: () => Promise<void> | void): Promise<Cost> {
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(cpuBefore)
  const wallMs = performance.now() - startedAt
  return { cpuNs: ((user + system) * 1e3) / requests, wallNs: (wallMs * 1e6) / requests }
}

/** Is the time over that something may take, in ms of CPU time? */
function stopwatch(limitMs: number): () => boolean {
  const from = performance.now()
  const before = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e3 >= limitMs || performance.now() - from >= limitMs * WALL_FACTOR
  }
}

/** Does something until it is compiled. */
export async function warmUp(run: () => Promise<unknown>): Promise<void> {
  const isOver = stopwatch(WARM_UP_MS)
  while (!isOver()) await run()
}

/** Does something for long enough, at least once: the mean. */
export async function meanCost(run: () => Promise<Cost>): Promise<Cost> {
  const isOver = stopwatch(MEASURED_MS)
  const costs: Cost[] = []
  do costs.push(await run())
  while (!isOver())
  const mean = (key: keyof Cost): number => costs.reduce((sum, cost) => sum + cost[key], 0) / costs.length
  return { cpuNs: mean('cpuNs'), wallNs: mean('wallNs') }
}

/** The task of a kind; wrapped where the peer needs one that returns a promise. */
export function taskFor(peer: Peer, kind: TaskKind): Task {
  const task = tasks[kind]
  return kind === 'synchronous' && peer.needsPromise ? async (job) => task(job) : task
}

export interface ClosedLoop {
  execute(job: Job): Promise<number>
  /** Calls each submitter, to put something around it. */
  around?(submitter: () => Promise<void>): Promise<void>
}

/**
 * 64 submitters, each of whom hands in its next request when it has the answer to the last. Each answer is checked.
 * The number of requests is chosen so that it takes about as long as it should.
 */
export async function closedLoop({ execute, around = (submitter) => submitter() }: ClosedLoop): Promise<LoopCost> {
  const jobs = jobsOfOneTier(1_024)
  let left = 0
  const submitter = async (): Promise<void> => {
    while (left > 0) {
      // Two in a row submit the same request, for the sake of duplicates.
      const job = jobs[(--left >>> 1) & 1_023] as Job
      checkAnswer(job, await execute(job))
    }
  }
  const run = async (requests: number): Promise<Cost> => {
    await setImmediate()
    left = requests
    return costOf(requests, async () => {
      await Promise.all(Array.from({ length: SUBMITTERS }, () => around(submitter)))
    })
  }
  const { cpuNs: firstCpuNs } = await run(FIRST_PASS)
  const requests = await enoughRequests(run, 200)
  return { ...(await run(requests)), firstCpuNs }
}

/** Warms up, and finds an even number of requests that take long enough to be measured. */
async function enoughRequests(run: (requests: number) => Promise<Cost>, atFirst: number): Promise<number> {
  const isWarm = stopwatch(WARM_UP_MS)
  for (let requests = atFirst; ; requests *= 2) {
    const { cpuNs, wallNs } = await run(requests)
    if (!isWarm()) continue
    const ns = Math.max(cpuNs, wallNs / WALL_FACTOR)
    return Math.max(Math.round((MEASURED_MS * 1e6) / ns / 2) * 2, atFirst)
  }
}

/** A closed loop of a peer. */
export function closedLoopOf(peer: Peer, kind: TaskKind, around?: ClosedLoop['around']): Promise<LoopCost> {
  const queue = peer.create(taskFor(peer, kind), CONCURRENCY)
  return closedLoop({ execute: (job) => queue.execute(job), ...(around === undefined ? {} : { around }) })
}

/** Submits all jobs at once, in one synchronous stretch, and awaits all answers, which are checked afterwards. */
export async function burst(execute: (job: Job) => Promise<number>, jobs: readonly Job[]): Promise<Cost> {
  const count = jobs.length
  // Made beforehand, and equally for all.
  const promises = new Array<Promise<number>>(count)
  const answers = new Float64Array(count)
  await setImmediate()
  const cost = await costOf(count, async () => {
    for (let i = 0; i < count; i++) promises[i] = execute(jobs[i] as Job)
    for (let i = 0; i < count; i++) answers[i] = await (promises[i] as Promise<number>)
  })
  for (let i = 0; i < count; i++) checkAnswer(jobs[i] as Job, answers[i])
  return cost
}

/** The heap with all that is outside of it but belongs to it, in bytes, after garbage collection. */
export async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await setImmediate()
    collectGarbage()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

export function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('start Node with --expose-gc')
  globalThis.gc()
}

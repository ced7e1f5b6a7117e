/**
 * How many functions does a request call that meets an idle queue? Cold, this is what it costs. V8 counts each call of a function
 * that is JavaScript, and none of a native one: so it is read together with what `jitless` takes.
 *
 *     node bench/idle-calls.ts [peer] [--names]
 */
import { Session } from 'node:inspector/promises'
import { setImmediate } from 'node:timers/promises'
import { CONCURRENCY, checkAnswer, type Job, jobsOfOneTier, tasks } from './job.ts'
import { loadPeer, US } from './peers/index.ts'

const REQUESTS = 100

/** For each request; those of the task, and of who submits and awaits, are not in it. */
export interface IdleCalls {
  /** Of the queue itself, and of the packages that it needs. */
  readonly own: number
  /** Of Node's own modules. */
  readonly node: number
}

export interface IdleCallCounts {
  readonly plain: IdleCalls
  /** The same, each with its priority. */
  readonly withPriority: IdleCalls
}

type Counts = ReadonlyMap<string, number>

async function countedBy(session: Session, execute: (job: Job) => Promise<number>): Promise<Counts> {
  const run = async (jobs: readonly Job[]): Promise<void> => {
    for (const job of jobs) {
      await setImmediate()
      checkAnswer(job, await execute(job))
      await setImmediate()
    }
  }
  const jobs = jobsOfOneTier(REQUESTS)
  await run(jobs)
  await session.post('Profiler.takePreciseCoverage')
  await run(jobs)
  const { result } = await session.post('Profiler.takePreciseCoverage')
  const counts = new Map<string, number>()
  for (const { url, functions } of result) {
    for (const { functionName, ranges } of functions) {
      const [range] = ranges
      if (range === undefined || range.count === 0) continue
      counts.set(`${url} ${functionName}:${range.startOffset}`, range.count)
    }
  }
  return counts
}

/** What an execution of the task costs through a queue, beyond a call of the task itself. */
function beyond(counts: Counts, base: Counts): [name: string, calls: number][] {
  const all: [string, number][] = []
  for (const [name, count] of counts) {
    const calls = (count - (base.get(name) ?? 0)) / REQUESTS
    // What is called less than once for ten requests is the profiler's own.
    if (!name.includes('/bench/') && !name.includes('inspector') && Math.abs(calls) >= 0.1) all.push([name, calls])
  }
  return all
}

export async function countIdleCalls(
  subject = US,
  show?: (name: string, calls: number) => void,
): Promise<IdleCallCounts> {
  const peer = await loadPeer(subject)
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  const base = await countedBy(session, async (job) => tasks.trivial(job))
  const queue = peer.create(tasks.trivial, CONCURRENCY)
  const count = async (execute: (job: Job) => Promise<number>): Promise<IdleCalls> => {
    const calls = beyond(await countedBy(session, execute), base)
    if (show !== undefined) for (const [name, each] of calls) show(name, each)
    const sum = (ofNode: boolean): number =>
      calls.reduce((total, [name, each]) => (name.startsWith('node:') === ofNode ? total + each : total), 0)
    return { own: sum(false), node: sum(true) }
  }
  const plain = await count((job) => queue.execute(job))
  return { plain, withPriority: await count((job) => queue.executeByTier(job)) }
}

if (import.meta.main) {
  const [subject = US] = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
  const isShown = process.argv.includes('--names')
  const counts = await countIdleCalls(
    subject,
    isShown ? (name, calls) => console.log(calls.toFixed(1).padStart(8), name) : undefined,
  )
  console.log(JSON.stringify(counts, null, 2))
  process.exit(0)
}

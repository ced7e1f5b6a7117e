/**
 * Plays a load on virtual time, and counts what became of its requests. Nothing is judged in here.
 */
import {
  isTriageError,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RunContext,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { seeded } from '../../support/seeded.ts'

/** What a request carries. */
export interface Job {
  readonly tenant: 'quiet' | 'noisy'
  readonly runMs: number
  /** Its next attempt fails: drawn anew for each. */
  fails(): boolean
  /** What all its attempts have taken. */
  spentMs: number
}

/** Who comes, and for how long each waits. */
export interface Load {
  readonly seed: number
  readonly slots: number
  readonly runs: 'exponential' | 'constant'
  readonly meanRunMs: number
  /** What each tier asks for, and the quiet tenant of it: parts of the capacity, which is all slots, all the time. */
  readonly loads: { readonly byTier: readonly number[]; readonly quiet: readonly number[] }
  /** The time limit of each tier, in ms; each request has this, or up to `limitSpread` times as much on top of it. */
  readonly limitsMs: readonly number[]
  readonly limitSpread: number
  /** Whether the queue is told of them (`timeoutMs`), or only the callers know. */
  readonly isTold: boolean
  /** The part of the calls that fail. */
  readonly failing: number
  readonly arrivals: number
}

/** Requests of one kind that came in the stretch that is judged. */
export interface Counts {
  came: number
  /** The call has ended within the request's own time limit. */
  inTime: number
  /** The call has ended at all; and of those, how many with an answer. */
  answered: number
  succeeded: number
  /** How the others ended: in the queue's own words. */
  readonly ends: { [code: string]: number }
}

export interface Played {
  readonly byTier: readonly Counts[]
  readonly quiet: readonly Counts[]
  /** Answers that were given in the stretch, whenever their requests came. */
  readonly answersInStretch: readonly number[]
  /** Which part of all slots' time was spent on what was answered in time; of runs over the edges of the stretch, the later ones. */
  readonly useful: number
  /** The longest wait of each tier in the queue, however it ended, in ms. */
  readonly longestWaitMs: readonly number[]
  readonly longestRunMs: number
  /** The waits of those that started in the stretch, in ms. */
  readonly waitsMs: readonly number[][]
  readonly stretchMs: number
  readonly requests: number
  readonly simulatedMs: number
}

/** What came in the first fifth met a queue that was not full yet. */
const JUDGED_FROM = 0.2

/** @param options those of the executor, but for its clock */
export async function play(load: Load, options: QueuedExecutorOptions<Job>): Promise<Played> {
  const clock = new VirtualClock()
  const run = (job: Job, context: RunContext): Promise<void> => runOf(job, context, clock, load.isTold)
  const queue = new QueuedExecutor(run, { ...options, clock })
  const random = seeded(load.seed ^ 0x5bd1e995)
  const failures = seeded(load.seed + 1)
  const fails = load.failing > 0 ? () => failures() < load.failing : () => false
  const pick = pickerOf(load)
  const counts = (): Counts[] => priorities.map(() => ({ came: 0, inTime: 0, answered: 0, succeeded: 0, ends: {} }))
  const [byTier, quiet] = [counts(), counts()] as const
  const answersInStretch = priorities.map(() => 0)
  const longestWaitMs = priorities.map(() => 0)
  const waitsMs = priorities.map((): number[] => [])
  let [longestRunMs, usefulMs] = [0, 0]
  let [fromMs, untilMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const isInStretch = (now: number): boolean => now >= fromMs && now < untilMs

  queue.on('started', ({ priority, waitMs }) => {
    const tier = priorities.indexOf(priority)
    longestWaitMs[tier] = Math.max(longestWaitMs[tier] as number, waitMs)
    if (isInStretch(clock.now())) waitsMs[tier]?.push(waitMs)
  })

  const submit = async (isJudged: boolean): Promise<void> => {
    const at = clock.now()
    const { tier, tenant } = pick(random())
    const runMs = load.runs === 'constant' ? load.meanRunMs : -Math.log(1 - random()) * load.meanRunMs
    const limitMs = (load.limitsMs[tier] as number) * (1 + random() * load.limitSpread)
    const priority = priorities[tier] as Priority
    if (runMs > longestRunMs) longestRunMs = runMs
    const told = load.isTold ? { priority, timeoutMs: limitMs } : { priority }
    const job: Job = { tenant, runMs, fails, spentMs: 0 }
    const end = await endOf(queue.execute(job, told))
    const now = clock.now()
    const isAnswered = end === SUCCEEDED || end === FAILED
    const isInTime = isAnswered && now - at <= limitMs
    if (end === EXPIRED) longestWaitMs[tier] = Math.max(longestWaitMs[tier] as number, now - at)
    if (isAnswered && isInStretch(now)) {
      answersInStretch[tier] = (answersInStretch[tier] as number) + 1
      if (isInTime) usefulMs += job.spentMs
    }
    if (!isJudged) return
    for (const count of [byTier[tier], ...(tenant === 'quiet' ? [quiet[tier]] : [])] as Counts[]) {
      count.came++
      if (isAnswered) count.answered++
      else count.ends[end] = (count.ends[end] ?? 0) + 1
      if (isInTime) count.inTime++
      if (end === SUCCEEDED) count.succeeded++
    }
  }

  const perMs = (load.slots * sum(load.loads.byTier)) / load.meanRunMs
  const all: Promise<void>[] = []
  const judgedFrom = Math.floor(load.arrivals * JUDGED_FROM)
  for (let n = 0; n < load.arrivals; n++) {
    await clock.advance(-Math.log(1 - random()) / perMs)
    if (n === judgedFrom) fromMs = clock.now()
    all.push(submit(n >= judgedFrom))
  }
  untilMs = clock.now()
  await clock.run({ until: Promise.all(all) })
  const stretchMs = untilMs - fromMs
  return {
    ...{ byTier, quiet, answersInStretch, longestWaitMs, longestRunMs, waitsMs, stretchMs },
    ...{ useful: Math.min(usefulMs / (load.slots * stretchMs), 1), requests: load.arrivals, simulatedMs: clock.now() },
  }
}

const SUCCEEDED = 'succeeded'
const FAILED = 'failed'
const EXPIRED = 'TRIAGE_WAIT_TIMEOUT'

/** The executor's own error ends its call: the queue has done its part. */
async function endOf(answer: Promise<void>): Promise<string> {
  try {
    await answer
    return SUCCEEDED
  } catch (error) {
    return isTriageError(error) ? error.code : FAILED
  }
}

async function runOf(job: Job, run: RunContext, clock: VirtualClock, stops: boolean): Promise<void> {
  await (stops ? clock.sleep(job.runMs, { signal: run.signal }) : clock.sleep(job.runMs))
  job.spentMs += job.runMs
  if (job.fails()) throw new Error('the call has failed')
}

/** Whose request it is, for a number from 0 to 1. */
function pickerOf({ loads }: Load): (at: number) => { tier: number; tenant: Job['tenant'] } {
  const total = sum(loads.byTier)
  return (at) => {
    let rest = at * total
    for (let tier = 0; tier < priorities.length; tier++) {
      const [all, quiet] = [loads.byTier[tier] as number, loads.quiet[tier] as number]
      if (rest < quiet) return { tier, tenant: 'quiet' }
      if (rest < all) return { tier, tenant: 'noisy' }
      rest -= all
    }
    return { tier: 0, tenant: 'noisy' }
  }
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}

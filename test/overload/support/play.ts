/**
 * Plays a mix on virtual time, and counts what became of its requests. Nothing is judged in here.
 */
import { isTriageError, type Priority, priorities, QueuedExecutor, type RunContext, type WhenFull } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { seeded } from '../../support/seeded.ts'
import { type Mix, sum } from './draw.ts'
import { type Job, optionsOf, perSecondOf } from './options.ts'

/** Requests of one kind that came in the stretch that is judged. */
export interface Counts {
  came: number
  /** Answered within its own time limit. */
  inTime: number
  /** Answered at all, and how the others ended: in the queue's own words. */
  answered: number
  readonly ends: { [code: string]: number }
}

export interface Played {
  readonly byTier: readonly Counts[]
  readonly quiet: readonly Counts[]
  readonly noisy: readonly Counts[]
  /** Answers that were given in the stretch, whenever their requests came. */
  readonly answersInStretch: readonly number[]
  /** The longest wait of each tier in the queue, however it ended, in ms. */
  readonly longestWaitMs: readonly number[]
  readonly longestRunMs: number
  readonly stretchMs: number
  readonly requests: number
  readonly simulatedMs: number
}

/** What came in the first fifth met a queue that was not full yet. */
const JUDGED_FROM = 0.2

export async function play(mix: Mix, whenFull: WhenFull | undefined): Promise<Played> {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    (job: Job, run: RunContext) => runOf(job, run, clock, mix.isTold),
    { ...optionsOf(mix, whenFull), clock },
  )
  const random = seeded(mix.seed ^ 0x5bd1e995)
  const perMs = (perSecondOf(mix) * sum(mix.loads.byTier)) / 1_000
  const pick = pickerOf(mix)
  const counts = (): Counts[] => priorities.map(() => ({ came: 0, inTime: 0, answered: 0, ends: {} }))
  const [byTier, quiet, noisy] = [counts(), counts(), counts()] as const
  const answersInStretch = priorities.map(() => 0)
  const longestWaitMs = priorities.map(() => 0)
  let longestRunMs = 0
  let fromMs = Number.POSITIVE_INFINITY
  let untilMs = Number.POSITIVE_INFINITY

  const submit = async (isJudged: boolean): Promise<void> => {
    const at = clock.now()
    const { tier, tenant } = pick(random())
    const runMs = mix.runs === 'constant' ? mix.meanRunMs : -Math.log(1 - random()) * mix.meanRunMs
    const limitMs = (mix.limitsMs[tier] as number) * (1 + random() / 2)
    const fails = mix.failing > 0 && random() < mix.failing
    if (runMs > longestRunMs) longestRunMs = runMs
    const end = await endOf(() => {
      const priority = priorities[tier] as Priority
      return queue.execute({ tenant, runMs, fails }, mix.isTold ? { priority, timeoutMs: limitMs } : { priority })
    })
    const now = clock.now()
    const isAnswered = end === ANSWERED
    if (end === EXPIRED) longestWaitMs[tier] = Math.max(longestWaitMs[tier] as number, now - at)
    if (isAnswered && now >= fromMs && now < untilMs) answersInStretch[tier] = (answersInStretch[tier] as number) + 1
    if (!isJudged) return
    for (const count of [byTier[tier], (tenant === 'quiet' ? quiet : noisy)[tier]] as Counts[]) {
      count.came++
      if (isAnswered) count.answered++
      else count.ends[end] = (count.ends[end] ?? 0) + 1
      if (isAnswered && now - at <= limitMs) count.inTime++
    }
  }
  queue.on('started', ({ priority, waitMs = 0 }) => {
    const tier = priorities.indexOf(priority)
    longestWaitMs[tier] = Math.max(longestWaitMs[tier] as number, waitMs)
  })

  const all: Promise<void>[] = []
  const judgedFrom = Math.floor(mix.arrivals * JUDGED_FROM)
  for (let n = 0; n < mix.arrivals; n++) {
    await clock.advance(-Math.log(1 - random()) / perMs)
    if (n === judgedFrom) fromMs = clock.now()
    all.push(submit(n >= judgedFrom))
  }
  untilMs = clock.now()
  await clock.run({ until: Promise.all(all) })
  const simulatedMs = clock.now()
  return {
    ...{ byTier, quiet, noisy, answersInStretch, longestWaitMs, longestRunMs },
    ...{ stretchMs: untilMs - fromMs, requests: mix.arrivals, simulatedMs },
  }
}

const ANSWERED = 'answered'
const EXPIRED = 'TRIAGE_WAIT_TIMEOUT'

/** The executor's own error is an answer: the queue has done its part. */
async function endOf(execute: () => Promise<void>): Promise<string> {
  try {
    await execute()
    return ANSWERED
  } catch (error) {
    return isTriageError(error) ? error.code : ANSWERED
  }
}

async function runOf(job: Job, run: RunContext, clock: VirtualClock, stops: boolean): Promise<void> {
  await (stops ? clock.sleep(job.runMs, { signal: run.signal }) : clock.sleep(job.runMs))
  if (job.fails) throw new Error('the call has failed')
}

/** Whose request it is, for a number from 0 to 1. */
function pickerOf({ loads }: Mix): (at: number) => { tier: number; tenant: Job['tenant'] } {
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

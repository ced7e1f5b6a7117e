/**
 * The options of an executor, out of the words of a mix.
 */
import {
  type AgingStep,
  type AgingTargets,
  adaptive,
  aging,
  circuitBreaker,
  codel,
  earliestDeadlineFirst,
  fairBy,
  type Guard,
  meetsDeadline,
  type OrderPolicy,
  type QueuedExecutorOptions,
  shedByPriority,
  strict,
  tokenBucket,
  type WhenFull,
  weighted,
} from 'triage-queue'
import { pressure } from 'triage-queue/pressure'
import { seeded } from '../../support/seeded.ts'
import { type GuardName, leastOf, type Mix, type OrderName } from './draw.ts'
import type { Job } from './play.ts'

const byTenant = () => fairBy((job: Job) => job.tenant)

const orders: { readonly [O in OrderName]: (mix: Mix) => OrderPolicy } = {
  strict: () => strict(),
  aging: (mix) => aging(agingOf(mix)),
  weighted: (mix) => weighted(weightsOf(mix)),
  earliestDeadlineFirst: () => earliestDeadlineFirst(),
  fairBy: byTenant,
  'aging, fairBy within': (mix) => aging(agingOf(mix), { within: byTenant() }),
  'aging, earliestDeadlineFirst within': (mix) => aging(agingOf(mix), { within: earliestDeadlineFirst() }),
  'weighted, fairBy within': (mix) => weighted(weightsOf(mix), { within: byTenant() }),
  'weighted, earliestDeadlineFirst within': (mix) => weighted(weightsOf(mix), { within: earliestDeadlineFirst() }),
}

const guards: { readonly [G in GuardName]: (mix: Mix) => { rateLimit?: Guard; overload?: Guard | Guard[] } } = {
  none: () => ({}),
  codel: ({ targetMs }) => ({ overload: codel({ targetMs }) }),
  meetsDeadline: () => ({ overload: meetsDeadline() }),
  'codel and meetsDeadline': ({ targetMs }) => ({ overload: [codel({ targetMs }), meetsDeadline()] }),
  shedByPriority: ({ softFactor }) => ({ overload: shedByPriority({ softFactor }) }),
  circuitBreaker: () => ({ overload: circuitBreaker() }),
  // Never tighter than what URGENT asks for, or it would be refused by its own rate.
  'rate of arrivals': (mix) => {
    const perSecond = perSecondOf(mix) * Math.max(mix.rate, 1.5 * (mix.loads.byTier[0] as number))
    return { rateLimit: tokenBucket({ perSecond, burst: Math.max(perSecond, 20), per: 'priority' }) }
  },
  'rate of starts': (mix) => {
    const per = mix.per === 'tenant' ? (job: unknown) => (job as Job).tenant : mix.per
    const perSecond = perSecondOf(mix) * mix.rate
    return { rateLimit: tokenBucket({ perSecond, burst: mix.burst, per, over: 'wait' }) }
  },
  // A process that is out of breath half of the time.
  pressure: ({ seed, meanRunMs }) => {
    const random = seeded(seed)
    const read = () => ({ eventLoopDelayMs: random() < 0.5 ? 80 : 0 })
    const sampleIntervalMs = 10 * meanRunMs
    return { overload: pressure({ maxEventLoopDelayMs: 50, sampleIntervalMs, read, exempt: ['urgent'] }) }
  },
}

/** @param whenFull undefined: the default */
export function optionsOf(mix: Mix, whenFull: WhenFull | undefined): QueuedExecutorOptions<Job> {
  const { slots, places, extra, reserve } = mix
  return {
    ...(extra === 'adaptive limit'
      ? { limit: adaptive({ initial: slots, min: leastOf(slots), max: slots }) }
      : { concurrency: slots }),
    random: seeded(mix.seed),
    ...(places === undefined ? {} : { maxQueueSize: places }),
    ...(whenFull === undefined ? {} : { whenFull }),
    ...(mix.order === 'strict' ? {} : { order: orders[mix.order](mix) }),
    ...guards[mix.guard](mix),
    ...(extra.startsWith('reserve') ? { reserve, lendReserve: extra === 'reserve, lent' } : {}),
  }
}

/** All slots, all the time. */
function perSecondOf({ slots, meanRunMs }: Mix): number {
  return (slots * 1_000) / meanRunMs
}

function agingOf({ stepRuns, meanRunMs }: Mix): AgingStep | AgingTargets {
  return stepRuns === undefined ? {} : { stepMs: stepRuns * meanRunMs }
}

function weightsOf({ weights }: Mix) {
  const [urgent, high, normal, low] = weights as [number, number, number, number]
  return { urgent, high, normal, low }
}

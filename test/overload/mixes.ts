/**
 * Does overload keep its promise? Drawn mixes at 1.5 to 5 times the capacity, played on virtual time by the unchanged classes,
 * and judged by what their callers have seen.
 *
 * **The load.** Poisson arrivals for 1 to 16 slots, run times exponential or constant. Four tiers in drawn proportions, and two
 * tenants, a noisy and a quiet one. The capacity is all slots, all the time. In most mixes URGENT itself asks for at most half
 * of what there is for it (a rate of starts, an adaptive limit or the reserves of others may leave it less than all).
 *
 * **In time** is a request whose call has ended, with an answer or with an error of its own, no later than the request's own
 * time limit after its submission. A request that was refused, displaced, shed by a guard or expired is not in time, whatever it
 * was told. A limit is never tighter than what its tier would need if nothing but the runs that go on were in its way, and
 * only one in a thousand of its requests could be late then (`support/need.ts`). Under `aging()`, which promises URGENT no
 * privilege, the whole queue may be ahead, and the limit has room for that. In half of the mixes the queue is told the limits
 * (`timeoutMs`), in the others only the callers know them. Bounds of the queue and of guards have room in the same sense.
 *
 * **What is judged**, of all that comes after the first fifth of the arrivals:
 *
 * - URGENT: at least 99 % in time, wherever it asks for at most half of what there is for it (under `weighted()`, also for at
 *   most three quarters of its share).
 * - The tenant: under `fairBy()`, alone and with each guard but `shedByPriority()`, `pressure()` and rates of arrivals, the quiet
 *   one, which asks for less than half of what its tier has, is answered in time in at least 95 %, in each tier that has some
 *   of the capacity left.
 * - `weighted()`: each tier is answered in its share, within 10 %. The share is max-min fair by weight, over what each tier
 *   has asked for. Not judged beside what gives some tiers less on purpose: a reserve, `shedByPriority()`, `pressure()`, and
 *   rates by priority.
 * - `aging()`: no request waits for longer than `agingBoundMs()`, be it that it starts or expires then, and no tier starves that
 *   could have been due twice. The bound of a single request is that of the order alone, without another one within, and of
 *   slots that are handed on as they come free: without a rate of starts.
 */
import { agingBoundMs, type Priority, priorities, type WhenFull } from 'triage-queue'
import { maxMin } from '../support/max-min.ts'
import { DEFAULT_PLACES, drawMix, leastOf, type Mix, targetsOf } from './support/draw.ts'
import { optionsOf } from './support/options.ts'
import { type Counts, type Played, play, sum } from './support/play.ts'

export const claims = ['urgent', 'tenant', 'weighted', 'aging'] as const
export type Claim = (typeof claims)[number]

/** One promise, of one mix. */
export interface Verdict {
  readonly claim: Claim
  /** Of which tier. */
  readonly tier: Priority
  readonly value: number
  readonly atLeast?: number
  readonly atMost?: number
  readonly holds: boolean
}

export interface MixResult {
  readonly seed: number
  /** The mix in words. */
  readonly options: string
  readonly order: string
  readonly guard: string
  readonly load: number
  readonly urgentLoad: number
  readonly verdicts: readonly Verdict[]
  readonly requests: number
  readonly simulatedMs: number
}

/** Fewer say little about one in a hundred, or one in twenty. */
const ENOUGH = { urgent: 150, tenant: 60 }
const SHARE_WITHIN = 0.1
/** Of few answers, two may fall to this or that side of the stretch. */
const SHARE_ROUNDING = 2

/** @param whenFull undefined: the default */
export async function playMix(
  seed: number,
  whenFull?: WhenFull,
): Promise<{ result: MixResult; mix: Mix; played: Played }> {
  const mix = drawMix(seed)
  const played = await play(mix, optionsOf(mix, whenFull))
  const { requests, simulatedMs } = played
  const { byTier } = mix.loads
  const about = {
    seed,
    options: inWords(mix),
    order: mix.order,
    guard: mix.guard,
    load: sum(byTier),
    urgentLoad: byTier[0] as number,
  }
  return { result: { ...about, verdicts: judge(mix, played), requests, simulatedMs }, mix, played }
}

function judge(mix: Mix, played: Played): Verdict[] {
  return [...urgent(mix, played), ...tenant(mix, played), ...shares(mix, played), ...bounds(mix, played)]
}

function urgent({ loads, urgentMayHave }: Mix, { byTier }: Played): Verdict[] {
  const counts = byTier[0] as Counts
  if ((loads.byTier[0] as number) > urgentMayHave / 2 || counts.came < ENOUGH.urgent) return []
  return [atLeast('urgent', 0, counts.inTime / counts.came, 0.99)]
}

function tenant({ order, guard, tiersOfTenant }: Mix, { quiet }: Played): Verdict[] {
  if (order !== 'fairBy' || ['shedByPriority', 'rate of arrivals', 'pressure'].includes(guard)) return []
  return tiersOfTenant
    .filter((tier) => (quiet[tier] as Counts).came >= ENOUGH.tenant)
    .map((tier) => {
      const { inTime, came } = quiet[tier] as Counts
      return atLeast('tenant', tier, inTime / came, 0.95)
    })
}

function shares({ order, guard, extra, per, weights }: Mix, { byTier, answersInStretch }: Played): Verdict[] {
  const isUneven =
    ['shedByPriority', 'rate of arrivals', 'pressure'].includes(guard) ||
    (guard === 'rate of starts' && per === 'priority') ||
    extra.startsWith('reserve')
  if (!order.startsWith('weighted') || isUneven) return []
  const came = byTier.map((counts) => counts.came)
  const fair = maxMin(sum(answersInStretch), came, weights)
  return priorities.flatMap((_, tier) => {
    const [answered, share] = [answersInStretch[tier] as number, fair[tier] as number]
    if (share === 0) return []
    const off = Math.max(Math.abs(answered - share) - SHARE_ROUNDING, 0) / share
    return [atMost('weighted', tier, off, SHARE_WITHIN)]
  })
}

function bounds(mix: Mix, played: Played): Verdict[] {
  const { order, guard, extra, slots, places, reserve, loads, meanRunMs } = mix
  if (!order.startsWith('aging') || guard === 'rate of starts') return []
  const targetsMs = targetsOf(mix, meanRunMs)
  const reserved = sum(Object.values(reserve))
  const concurrency = Math.max(extra === 'adaptive limit' ? leastOf(slots) : slots - reserved, 1)
  const ahead = places ?? DEFAULT_PLACES
  const { byTier, longestWaitMs, longestRunMs, stretchMs } = played
  return priorities.flatMap((_, tier) => {
    if (loads.byTier[tier] === 0) return []
    const differenceMs = targetsMs[tier] as number
    const boundMs = agingBoundMs({ differenceMs, ahead, concurrency, runMs: longestRunMs })
    const verdicts = order === 'aging' ? [atMost('aging', tier, (longestWaitMs[tier] as number) / boundMs, 1)] : []
    const isDueTwice = stretchMs > 2 * (differenceMs + (ahead * meanRunMs) / concurrency)
    if (isDueTwice && guard === 'none') verdicts.push(atLeast('aging', tier, (byTier[tier] as Counts).answered, 1))
    return verdicts
  })
}

function atLeast(claim: Claim, tier: number, value: number, least: number): Verdict {
  return { claim, tier: priorities[tier] as Priority, value, atLeast: least, holds: value >= least }
}

function atMost(claim: Claim, tier: number, value: number, most: number): Verdict {
  return { claim, tier: priorities[tier] as Priority, value, atMost: most, holds: value <= most }
}

function inWords(mix: Mix): string {
  const { slots, runs, meanRunMs, places, order, guard, extra, reserve, isTold, per } = mix
  const queue = places === undefined ? 'the default' : `${((places * meanRunMs) / slots / 1_000).toFixed(2)} s of work`
  return [
    order,
    guard === 'none' ? [] : guard === 'rate of starts' ? `${guard} per ${per}` : guard,
    extra === 'none' ? [] : extra.startsWith('reserve') ? `${extra} ${JSON.stringify(reserve)}` : extra,
    `queue: ${queue}`,
    `${slots} slots`,
    `${runs} runs of ${meanRunMs.toFixed(1)} ms`,
    isTold ? 'limits told' : [],
  ]
    .flat()
    .join('; ')
}

/**
 * Which mix does a seed stand for? The load, the queue, the policies and the time limits, as plain numbers and words.
 *
 * What is drawn is never tighter than what those that are judged need by themselves (`need.ts`): a queue of one place, or a time
 * limit of half a run, is kept by no policy, and would show nothing. It is that, or up to three times as much.
 */
import { type Priority, priorities } from 'triage-queue'
import { seeded } from '../../support/seeded.ts'
import { type Need, needOf } from './need.ts'
import { type Load, sum } from './play.ts'

const orders = [
  'strict',
  'aging',
  'weighted',
  'earliestDeadlineFirst',
  'fairBy',
  'aging, fairBy within',
  'aging, earliestDeadlineFirst within',
  'weighted, fairBy within',
  'weighted, earliestDeadlineFirst within',
] as const
export type OrderName = (typeof orders)[number]

/** No guard twice as often as each. */
const guards = [
  'none',
  'codel',
  'meetsDeadline',
  'shedByPriority',
  'circuitBreaker',
  'rate of arrivals',
  'rate of starts',
  'pressure',
  'codel and meetsDeadline',
  'none',
] as const
export type GuardName = (typeof guards)[number]

type Extra = 'none' | 'reserve' | 'reserve, lent' | 'adaptive limit'

/** Which policies, and what they are told. */
export interface Policies {
  readonly order: OrderName
  readonly weights: readonly number[]
  /** Of `aging()`, in mean runs; undefined: the defaults. */
  readonly stepRuns: number | undefined
  readonly guard: GuardName
  /** What tokens there are a second, as a part of the capacity, and whose they are. */
  readonly rate: number
  readonly per: 'executor' | 'priority' | 'tenant'
  readonly extra: Extra
  readonly reserve: { readonly [P in Priority]?: number }
}

/** Who asks for how much: parts of the capacity, which is all slots, all the time. */
interface Loads {
  readonly byTier: readonly number[]
  /** What the quiet tenant asks for of it. */
  readonly quiet: readonly number[]
  /** What is left for a tier when those above have what they ask for. */
  readonly left: readonly number[]
}

export interface Mix extends Policies, Load {
  readonly loads: Loads
  /** How much of the capacity there is for URGENT: less than 1 where a rate, a limit or a reserve of others takes some. */
  readonly urgentMayHave: number
  /** The tiers in which the quiet tenant is judged. */
  readonly tiersOfTenant: readonly number[]
  /** How many may wait; undefined: the default. */
  readonly places: number | undefined
  readonly targetMs: number
  readonly softFactor: number
  readonly burst: number
}

export const DEFAULT_PLACES = 10_000
const DEFAULT_WEIGHTS = [8, 4, 2, 1]
const DEFAULT_TARGETS_MS = [0, 1_000, 5_000, 30_000]
/** Mixes in which all is left at its default: one in so many. */
const PLAIN_EVERY = 20
/** A tier with less of the capacity left for it is not one in which there is much to share. */
const LEAST_LEFT = 0.15

type Draw = ReturnType<typeof drawFrom>

function drawFrom(random: () => number) {
  const between = (least: number, greatest: number): number => least + (greatest - least) * random()
  return {
    random,
    between,
    integer: (least: number, greatest: number): number => Math.floor(between(least, greatest + 1)),
    logBetween: (least: number, greatest: number): number => least * (greatest / least) ** random(),
    chance: (part: number): boolean => random() < part,
    oneOf: <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T,
  }
}

export function drawMix(seed: number): Mix {
  const draw = drawFrom(seeded(Math.imul(seed, 0x9e3779b1)))
  const { between, integer, logBetween, chance } = draw
  const isPlain = seed % PLAIN_EVERY === 0
  const slots = integer(1, 16)
  const runs = chance(0.6) ? 'exponential' : 'constant'
  const policies = drawPolicies(seed, slots, isPlain, draw)
  const { order, guard, reserve, rate, extra } = policies
  const isWeighted = order.startsWith('weighted')
  const isAging = order.startsWith('aging')

  const forAll = Math.min(
    guard === 'rate of starts' ? rate : 1,
    extra === 'adaptive limit' ? leastOf(slots) / slots : 1,
  )
  const reserved = (tiers: readonly Priority[]): number => tiers.reduce((sum, tier) => sum + (reserve[tier] ?? 0), 0)
  const urgentMayHave = forAll - reserved(priorities.slice(1)) / slots
  const loads = drawLoads(policies, urgentMayHave, forAll - reserved(priorities) / slots, draw)
  const urgent = loads.byTier[0] as number

  // What those that are judged need.
  const asked = loads.byTier.reduce((sum, load, tier) => sum + (load > 0 ? (policies.weights[tier] as number) : 0), 0)
  const urgentShare = isWeighted ? (policies.weights[0] as number) / asked : 1
  const tiersOfTenant = order === 'fairBy' ? [0, 1, 2, 3].filter((tier) => isShared(loads, tier)) : []
  const urgentNeeds = needOf({ ahead: 0, own: urgent, may: urgentMayHave * urgentShare, slots, runs })
  const needs = new Map<number, Need>([[0, urgentNeeds]])
  for (const tier of tiersOfTenant) {
    const ahead = sum(loads.byTier.slice(0, tier))
    const own = Math.max(2 * (loads.quiet[tier] as number), tier === 0 ? urgent : 0)
    needs.set(tier, needOf({ ahead, own, may: ahead + (loads.left[tier] as number), slots, runs }))
  }
  const needsPlaces = Math.ceil(Math.max(...[...needs.values()].map(({ places }) => places)) / urgentShare)

  // A queue of so many seconds of work; runs are as short as it takes for that to be room enough.
  const isDefaultSize = isPlain || chance(0.06)
  const queueS = logBetween(0.25, 10)
  const longestMs = isDefaultSize ? 500 : Math.min((queueS * 1_000 * slots) / needsPlaces, 500)
  const meanRunMs = logBetween(Math.min(longestMs, 10), longestMs)
  const places = isDefaultSize ? undefined : Math.max(Math.round((queueS * 1_000 * slots) / meanRunMs), needsPlaces)
  const queueMs = ((places ?? DEFAULT_PLACES) * meanRunMs) / slots / forAll

  // A guard that judges waits lets those through that wait for half of their time.
  const guardFactor = guard.includes('codel') ? 2 : 1
  const targetsMs = targetsOf(policies, meanRunMs)
  const limitsMs = priorities.map((_, tier) => {
    const need = needs.get(tier)
    const runsOfOwn = need === undefined ? logBetween(10, 300) : guardFactor * need.waitRuns + need.runRuns
    const factor = need === undefined ? 1 : between(1, 3)
    // Under `aging()` the whole queue may be ahead of any; under weights, of all but URGENT, which has its share.
    const ofWeights = isWeighted && tier > 0 ? 2 * queueMs : 0
    const ofOrder = isAging ? (targetsMs[tier] as number) + 1.5 * queueMs : ofWeights
    return runsOfOwn * meanRunMs * factor + ofOrder
  })
  const longestNeedMs = Math.max(...[...needs.values()].map(({ waitRuns }) => waitRuns)) * meanRunMs
  const arrivals = isDefaultSize
    ? // So many that it has been full for long.
      Math.ceil((DEFAULT_PLACES * sum(loads.byTier)) / (sum(loads.byTier) - 1)) + 7_000
    : Math.min(Math.max(Math.ceil((700 * sum(loads.byTier)) / urgent), 5_000), 14_000)
  const needsTelling = order.includes('earliestDeadlineFirst') || guard.includes('meetsDeadline')
  return {
    ...policies,
    ...{
      seed,
      slots,
      runs,
      meanRunMs,
      loads,
      urgentMayHave,
      tiersOfTenant,
      limitsMs,
      limitSpread: 0.5,
      places,
      arrivals,
    },
    isTold: needsTelling || (!isPlain && chance(0.5)),
    targetMs: (longestNeedMs + (isAging ? queueMs : 0)) * between(0.5, 1),
    softFactor: Math.max(2, (needsPlaces / slots) * between(1, 2)),
    burst: integer(1, slots),
    failing: guard === 'circuitBreaker' ? 0.1 : 0,
  }
}

function drawPolicies(seed: number, slots: number, isPlain: boolean, draw: Draw): Policies {
  const { between, integer, chance, oneOf } = draw
  const order = isPlain ? 'strict' : (orders[seed % orders.length] as OrderName)
  const drawn = isPlain ? 'none' : (guards[Math.floor(seed / orders.length) % guards.length] as GuardName)
  // It refuses every tenant alike, and promises none its share.
  const guard = drawn === 'pressure' && order === 'fairBy' ? 'none' : drawn
  const extras: Extra[] = ['none', 'none', 'none', 'reserve', 'reserve, lent', 'adaptive limit']
  const extra = isPlain || slots < 3 ? 'none' : oneOf(extras)
  const ofUrgent = { urgent: integer(1, Math.ceil(slots / 4)) }
  const reserves = [ofUrgent, { low: 1 }, { ...ofUrgent, low: 1 }]
  return {
    ...{ order, guard, extra },
    weights: chance(0.5) ? DEFAULT_WEIGHTS : [integer(4, 8), integer(2, 4), integer(1, 2), 1],
    stepRuns: chance(0.3) ? undefined : between(5, 50),
    rate: guard === 'rate of arrivals' ? between(0.5, 1) : between(0.7, 1.3),
    per: guard === 'rate of arrivals' ? 'priority' : oneOf(['executor', 'priority', 'tenant']),
    reserve: extra.startsWith('reserve') ? oneOf(reserves.slice(0, slots < 4 ? 2 : 3)) : {},
  }
}

/** @param forOthers how much of the capacity there is for those below URGENT, at least */
function drawLoads(policies: Policies, forUrgent: number, forOthers: number, draw: Draw): Loads {
  const { between, integer, chance, random } = draw
  const { order, weights } = policies
  const parts = [0, 1, 2].map(() => -Math.log(1 - random()))
  if (chance(0.25)) parts[integer(0, 2)] = 0
  const asked = [1, ...parts].reduce((all, part, tier) => all + (part > 0 ? (weights[tier] as number) : 0), 0)
  // Under weights a tier is promised its share: at most three quarters of it, as strict order promises the half of all.
  const share = order.startsWith('weighted') ? Math.min((0.75 * (weights[0] as number)) / asked, 0.5) : 0.5
  const urgent = chance(0.85) ? between(0.2, 1) * share * forUrgent : between(0.5, 1.2)
  const others = Math.max(between(1.5, 5) - urgent, 0.5)
  const byTier = [urgent, ...parts.map((part) => (part / sum(parts)) * others)]
  const left = byTier.map((_, tier) => (tier === 0 ? forUrgent : Math.max(forOthers - sum(byTier.slice(0, tier)), 0)))
  const quietPart = between(0.2, 0.7)
  const quiet = byTier.map((load, tier) => Math.min((quietPart * (left[tier] as number)) / 2, load / 2))
  return { byTier, quiet, left }
}

function isShared({ byTier, left }: Loads, tier: number): boolean {
  return (byTier[tier] as number) > 0 && (left[tier] as number) >= LEAST_LEFT
}

/** The least that an adaptive limit may come to. */
export function leastOf(slots: number): number {
  return Math.ceil(slots / 2)
}

export function targetsOf({ stepRuns }: Policies, meanRunMs: number): readonly number[] {
  return stepRuns === undefined ? DEFAULT_TARGETS_MS : [0, 1, 2, 3].map((tier) => tier * stepRuns * meanRunMs)
}

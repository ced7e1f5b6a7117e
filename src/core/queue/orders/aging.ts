/**
 * Who goes first, if nobody shall wait for ever? The one who is due: every tier has a wait target. Step 3 of 7.
 *
 * The model: rank = when the request came + the target of its tier, compared across all tiers. It is earliest deadline
 * first, and the targets are the deadlines. Nothing has to be ranked anew while it waits: all waiting requests grow older
 * at the same pace, so that their order never changes.
 */
import { isPlain, msFromZero, readGiven } from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import { type Priority, priorities } from '../../priority.ts'
import type { Reads } from '../../reads.ts'
import type { OrderPolicy, Turns } from '../order.ts'
import { type Ranked, Tier } from '../tier.ts'
import { composed, readWithin, type Within } from './within.ts'

/**
 * The wait target of each tier, in ms: finite, at least 0, and none smaller than that of a more urgent tier. A tier that is
 * left out has its default (0 ms, 1 s, 5 s, 30 s), or what comes nearest to it between its neighbours.
 */
export type AgingTargets = { readonly [P in Priority]?: number | undefined }

/** Each tier may wait this much longer than the one above it, in ms: finite, at least 0. */
export interface AgingStep {
  readonly stepMs: number
}

/**
 * A second is the limit for a user's flow of thought, ten are that for his attention: HIGH and NORMAL stay within them.
 * @see https://www.nngroup.com/articles/response-times-3-important-limits/ (Nielsen, 1993)
 */
const DEFAULT_TARGETS_MS = [0, 1_000, 5_000, 30_000]

/**
 * Oldest first, with a head start for the urgent: LOW can't starve. `aging({ high: 500, normal: 2_000, low: 60_000 })`, or
 * `aging({ stepMs: 2_000 })` for targets of 0, 2, 4 and 6 s.
 *
 * The bound: no request that comes more than Δ = (own target − urgent's target) later can pass it. So it waits at
 * most Δ + (the work that is ahead of it then) / throughput, and what is ahead is never more than `maxQueueSize`; see
 * `agingBoundMs`. A target is no promise: under overload all tiers are late, by the same time.
 *
 * `aging({ … }, { within: fairBy(key) })`: a tier has its turns when its requests are due, and `within` says which request
 * takes each turn. The bound is then that of the turn, so no tier can starve: its kth start is as early as with `aging` alone.
 * How long a single request waits depends on `within`. A request that leaves takes the turn along that it has brought.
 * @throws {OptionsError}
 */
export function aging<Req = unknown, Metadata = unknown>(
  targets: AgingTargets | AgingStep = {},
  options: Within<Req, Metadata> = {},
): OrderPolicy & Reads<Req, Metadata> {
  const targetsMs = readTargets(targets)
  const within = readWithin('aging', options)
  if (within !== undefined) return { ...composed('aging', new DueTurns(targetsMs), within), targetsMs }
  return {
    name: 'aging',
    option: 'order',
    acrossTiers: true,
    targetsMs,
    rank: ({ tier, admittedAt }) => admittedAt + (targetsMs[tier] as number),
  }
}

/** A turn is when the request that has brought it is due. */
class DueTurns implements Turns {
  readonly #targetsMs: readonly number[]
  readonly #lines: readonly Tier<Ranked>[]

  constructor(targetsMs: readonly number[]) {
    this.#targetsMs = targetsMs
    this.#lines = targetsMs.map(() => new Tier())
  }

  came(tier: number, admittedAt: number): void {
    this.#line(tier).add({ rank: this.#dueAt(tier, admittedAt), sequence: 0, block: undefined })
  }

  started(tier: number): void {
    this.#line(tier).shift()
  }

  left(tier: number, admittedAt: number): void {
    const line = this.#line(tier)
    // Another request may have taken it, and has left a later one.
    const index = line.countBefore(placeOf(this.#dueAt(tier, admittedAt), false))
    line.remove(line.at(Math.min(index, line.size - 1)) as Ranked)
  }

  at(tier: number, index: number): number {
    return (this.#line(tier).at(index) as Ranked).rank
  }

  lastWith(tier: number, admittedAt: number): number {
    return Math.max(this.#line(tier).last()?.rank ?? Number.NEGATIVE_INFINITY, this.#dueAt(tier, admittedAt))
  }

  countBefore(tier: number, turn: number, orEqual: boolean): number {
    return this.#line(tier).countBefore(placeOf(turn, orEqual))
  }

  #dueAt(tier: number, admittedAt: number): number {
    return admittedAt + (this.#targetsMs[tier] as number)
  }

  #line(tier: number): Tier<Ranked> {
    return this.#lines[tier] as Tier<Ranked>
  }
}

/** The place in front of all turns at this time, or behind them. */
function placeOf(dueAt: number, isBehind: boolean): Ranked {
  return { rank: dueAt, sequence: isBehind ? 1 : -1, block: undefined }
}

/** What bounds a wait under `aging`. */
export interface AgingLoad {
  /** By how much the tier's target is greater than that of urgent requests, in ms. */
  readonly differenceMs: number
  /** How many may be ahead of it by then: at most `maxQueueSize`. */
  readonly ahead: number
  readonly concurrency: number
  /** The longest run, in ms. */
  readonly runMs: number
}

/**
 * The longest that a request can wait under `aging`, in ms: Δ, and from then on each slot takes one of those ahead within
 * every `runMs`, and then this one.
 */
export function agingBoundMs({ differenceMs, ahead, concurrency, runMs }: AgingLoad): number {
  return differenceMs + Math.ceil((ahead + 1) / concurrency) * runMs
}

const rules = { stepMs: msFromZero, urgent: msFromZero, high: msFromZero, normal: msFromZero, low: msFromZero }

function readTargets(targets: unknown): readonly number[] {
  if (!isPlain(targets)) throw new OptionsError('aging', 'an object with a target for each tier, or stepMs', targets)
  const { stepMs, ...read } = readGiven<AgingTargets & Partial<AgingStep>>('aging', targets, rules)
  const given = priorities.map((priority) => read[priority])
  if (stepMs === undefined) return between(given)
  if (given.some((value) => value !== undefined)) {
    throw new OptionsError('aging.stepMs', 'nothing where a tier has a target of its own', stepMs)
  }
  return priorities.map((_, tier) => tier * (stepMs as number))
}

/** Fills in what was left out, and refuses targets that decrease. */
function between(given: readonly (number | undefined)[]): readonly number[] {
  const targetMs: number[] = []
  let least = 0
  for (const [tier, value] of given.entries()) {
    if (value !== undefined && value < least) {
      const above = `the target of a more urgent tier (${least})`
      throw new OptionsError(`aging.${priorities[tier]}`, `at least ${above}`, value)
    }
    const next = given.slice(tier).find((each) => each !== undefined) ?? Number.POSITIVE_INFINITY
    least = value ?? Math.max(least, Math.min(DEFAULT_TARGETS_MS[tier] as number, next))
    targetMs.push(least)
  }
  return targetMs
}

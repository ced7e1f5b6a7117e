/**
 * Who goes first, if each tier shall have its share? Tiers take turns by weight. Step 3 of 7.
 *
 * The model is stride scheduling on a virtual time V, the last turn that was taken in its place. Each request that waits brings its tier
 * a turn, one stride behind the one before it, and a tier that comes back from idle starts at V, not where it had stopped:
 *
 *     turn = max(V, last turn of the tier) + stride     stride = greatest weight / own weight
 *
 * So a tier that was idle has saved up nothing, and has lost nothing. The turns are the tier's, not the requests': whoever
 * is first there takes the next one, and when a request leaves, those behind it move up. A place that was fixed at
 * admission would go with the one who leaves, and a tier where most give up would be left far behind its share.
 *
 * A tier whose requests are all set aside, since there are no tokens for them, is not idle: when one of them is back, its turn is
 * where it was, but not before V. So tokens that come one by one are shared by weight, too, and nothing is saved up.
 *
 * Strides are between 1 and 100, so that after 10^12 requests turns are below 2^47, and rounded by less than a hundredth of
 * a stride: nothing is ever counted from anew.
 *
 * @see Waldspurger and Weihl, "Stride Scheduling", MIT/LCS/TM-528, 1995
 */
import { numberThat, readGiven } from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import { type Priority, priorities } from '../../priority.ts'
import type { Reads } from '../../reads.ts'
import type { OrderPolicy, Turns } from '../order.ts'
import { composed, readWithin, type Within } from './within.ts'

/** The weight of each tier: a number from 1 to 100. One that is left out has its default. */
export type Weights = { readonly [P in Priority]?: number | undefined }

const DEFAULT_WEIGHTS = [8, 4, 2, 1]
const MAX_WEIGHT = 100

/**
 * A share of the starts for each tier, in proportion to its weight: of 15 requests that start while all four tiers wait,
 * 8 are URGENT, 4 HIGH, 2 NORMAL and 1 LOW. The others share what a tier does not need. None can starve.
 *
 * It counts starts, each attempt of a request as one, not how long they run. Deterministic; one object serves one executor.
 *
 * `weighted({ … }, { within: fairBy(key) })`: the shares of the tiers stay the same. `within` says which request of a tier
 * takes its turn, in place of first-in first-out. A request that is given another priority brings that tier a turn.
 * @param weights default `{ urgent: 8, high: 4, normal: 2, low: 1 }`
 * @throws {OptionsError}
 */
export function weighted<Req = unknown, Metadata = unknown>(
  weights: Weights = {},
  options: Within<Req, Metadata> = {},
): OrderPolicy & Reads<Req, Metadata> {
  const read = readWeights(weights)
  const greatest = Math.max(...read)
  const strides = read.map((weight) => greatest / weight)
  return composed('weighted', new StrideTurns(strides), readWithin('weighted', options))
}

/** What is known of a tier: its turns are at `from + stride`, `from + 2 · stride` and so on. */
interface TierTurns {
  readonly stride: number
  waiting: number
  /** How many are set aside. */
  aside: number
  /** Where V was when it began to wait. */
  from: number
  /** How many turns it has taken since. */
  taken: number
}

/** A turn is one stride behind the one before it. */
export class StrideTurns implements Turns {
  readonly #tiers: readonly TierTurns[]
  #now: number

  /** @param now where V stands */
  constructor(strides: readonly number[], now = 0) {
    this.#now = now
    this.#tiers = strides.map((stride) => ({ stride, waiting: 0, aside: 0, from: 0, taken: 0 }))
  }

  came(tier: number): void {
    const turns = this.#tiers[tier] as TierTurns
    if (turns.waiting++ > 0) return
    if (turns.aside > 0) this.#resume(turns)
    else {
      turns.from = this.#now
      turns.taken = 0
    }
  }

  setAside(tier: number): void {
    const turns = this.#tiers[tier] as TierTurns
    turns.waiting--
    turns.aside++
  }

  broughtBack(tier: number): void {
    const turns = this.#tiers[tier] as TierTurns
    turns.aside--
    if (turns.waiting++ === 0) this.#resume(turns)
  }

  leftAside(tier: number): void {
    ;(this.#tiers[tier] as TierTurns).aside--
  }

  /** Its next turn is where it was, but not before V. */
  #resume(turns: TierTurns): void {
    if (turnOf(turns, 0) >= this.#now) return
    turns.from = this.#now - turns.stride
    turns.taken = 0
  }

  started(tier: number): void {
    const turns = this.#tiers[tier] as TierTurns
    // One that has a slot of its own starts before its turn: V goes no further than the first turn of all.
    const first = this.#tiers.map((each) => (each.waiting > 0 ? turnOf(each, 0) : Number.POSITIVE_INFINITY))
    this.#now = Math.max(this.#now, first.reduce(least))
    turns.waiting--
    turns.taken++
  }

  left(tier: number): void {
    ;(this.#tiers[tier] as TierTurns).waiting--
  }

  at(tier: number, index: number): number {
    return turnOf(this.#tiers[tier] as TierTurns, index)
  }

  lastWith(tier: number): number {
    const turns = this.#tiers[tier] as TierTurns
    if (turns.waiting > 0) return turnOf(turns, turns.waiting)
    return turns.aside > 0 ? Math.max(turnOf(turns, 0), this.#now) : this.#now + turns.stride
  }

  countBefore(tier: number, turn: number, orEqual: boolean): number {
    const turns = this.#tiers[tier] as TierTurns
    const { stride, waiting, from, taken } = turns
    const isBefore = (index: number): boolean => {
      const own = turnOf(turns, index)
      return own < turn || (orEqual && own === turn)
    }
    // The quotient is rounded, and may be off by one.
    let count = Math.min(Math.max(Math.floor((turn - from) / stride) - taken, 0), waiting)
    while (count < waiting && isBefore(count)) count++
    while (count > 0 && !isBefore(count - 1)) count--
    return count
  }
}

function least(one: number, other: number): number {
  return Math.min(one, other)
}

function turnOf({ from, taken, stride }: TierTurns, index: number): number {
  return from + (taken + index + 1) * stride
}

const rule = /* @__PURE__ */ numberThat('a number from 1 to 100', (value) => value >= 1 && value <= MAX_WEIGHT)

const rules = { urgent: rule, high: rule, normal: rule, low: rule }

function readWeights(weights: unknown): readonly number[] {
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights)) {
    throw new OptionsError('weighted', 'an object with a weight for each tier', weights)
  }
  const read = readGiven<Weights>('weighted', weights, rules)
  return priorities.map((priority, tier) => read[priority] ?? (DEFAULT_WEIGHTS[tier] as number))
}

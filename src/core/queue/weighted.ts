/**
 * Who goes first, if each tier shall have its share? Tiers take turns by weight. Step 3 of 7.
 *
 * The model is stride scheduling on a virtual time V, the rank of the last request that started. Each request of a tier is
 * one stride behind the one before it, and a tier that comes back from idle starts at V, not where it had stopped:
 *
 *     rank = max(V, last rank of the tier) + stride     stride = greatest weight / own weight
 *
 * So a tier that was idle has saved up nothing, and has lost nothing. When a request leaves before its turn, those who come
 * later fill its place; the ranks of those who wait stay what they are. One that is given another priority joins the end
 * of its new tier's turns, as if it came now: nobody who waits there is passed, and no share is got for nothing.
 *
 * Strides are between 1 and 100, so that after 10^12 requests ranks are below 2^47, and rounded by less than a hundredth of
 * a stride: nothing is ever counted from anew.
 *
 * @see Waldspurger and Weihl, "Stride Scheduling", MIT/LCS/TM-528, 1995
 */
import { OptionsError } from '../errors.ts'
import { type Priority, priorities, tierOf } from '../priority.ts'
import type { OrderPolicy, OrderQuestion } from './order.ts'

/** The weight of each tier: a number from 1 to 100. One that is left out has its default. */
export type Weights = { readonly [P in Priority]?: number }

const DEFAULT_WEIGHTS = [8, 4, 2, 1]
const MAX_WEIGHT = 100

/**
 * A share of the starts for each tier, in proportion to its weight: of 15 requests that start while all four tiers wait,
 * 8 are URGENT, 4 HIGH, 2 NORMAL and 1 LOW. What a tier does not need, the others share. None can starve.
 *
 * It counts requests, not how long they run. Deterministic; one object serves one executor.
 * @param weights default `{ urgent: 8, high: 4, normal: 2, low: 1 }`
 * @throws {OptionsError}
 */
export function weighted(weights: Weights = {}): OrderPolicy {
  return new Weighted(readWeights(weights))
}

class Weighted implements OrderPolicy {
  readonly name = 'weighted'
  readonly acrossTiers = true
  readonly #strides: readonly number[]
  readonly #last: number[]
  #now = 0

  constructor(weights: readonly number[]) {
    const greatest = Math.max(...weights)
    this.#strides = weights.map((weight) => greatest / weight)
    this.#last = weights.map(() => 0)
  }

  rank({ tier }: Readonly<OrderQuestion>): number {
    const rank = Math.max(this.#now, this.#last[tier] as number) + (this.#strides[tier] as number)
    this.#last[tier] = rank
    return rank
  }

  started(_question: Readonly<OrderQuestion>, rank: number): void {
    if (rank > this.#now) this.#now = rank
  }

  /** It has left, or has another priority: its place is for the next one of its tier. */
  left({ tier }: Readonly<OrderQuestion>): void {
    this.#last[tier] = (this.#last[tier] as number) - (this.#strides[tier] as number)
  }
}

function readWeights(weights: unknown): readonly number[] {
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights)) {
    throw new OptionsError('weighted', 'an object with a weight for each tier', weights)
  }
  const read = [...DEFAULT_WEIGHTS]
  for (const [name, value] of Object.entries(weights)) {
    const tier = tierOf(name)
    if (tier < 0) {
      const known = priorities.join(', ')
      throw new OptionsError(`weighted.${name}`, `left out, since there is no such tier (there are ${known})`, value)
    }
    if (value === undefined) continue
    if (typeof value !== 'number' || !(value >= 1 && value <= MAX_WEIGHT)) {
      throw new OptionsError(`weighted.${name}`, `a number from 1 to ${MAX_WEIGHT}`, value)
    }
    read[tier] = value
  }
  return read
}

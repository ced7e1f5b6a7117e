/**
 * Who waits for the tokens of one bucket? Those that are set aside, by tier and in their order, and how many tokens all take.
 * Step 3 of 7.
 */
import { TIERS } from '../priority.ts'
import type { Deadline } from './deadlines.ts'
import { type Ranked, Tier } from './tier.ts'
import { isBefore } from './tiers.ts'

/** The place of one that is set aside. */
export interface AsidePlace<R> extends Ranked {
  readonly record: R
  readonly tier: number
  readonly line: TokenLine<R>
}

export class TokenLine<R> {
  readonly #places: (Tier<AsidePlace<R>> | undefined)[] = new Array(TIERS).fill(undefined)
  /** How many wait that take tokens of it, wherever they stand. */
  claims = 0
  /** How many tokens those take that stand in the queue, by tier, and those that are set aside, for these tokens or others. */
  readonly standing = new Array<number>(TIERS).fill(0)
  readonly aside = new Array<number>(TIERS).fill(0)
  /** How many tokens those take that stand there with a slot of their own. */
  seated = 0
  /** How many are set aside for these tokens. */
  size = 0
  /** Who is back in the queue for all of its tier: the others stay, until it has left. */
  readonly back: (R | undefined)[] = new Array(TIERS).fill(undefined)
  /** When to look whether the first one may start, while none of its tier is back. */
  due: Deadline<TokenLine<R>> | undefined = undefined

  add(place: AsidePlace<R>): void {
    const { tier } = place
    const places = this.#places[tier] ?? new Tier<AsidePlace<R>>()
    this.#places[tier] = places
    places.add(place)
    this.size++
  }

  remove(place: AsidePlace<R>): void {
    ;(this.#places[place.tier] as Tier<AsidePlace<R>>).remove(place)
    this.size--
  }

  firstAt(tier: number): AsidePlace<R> | undefined {
    return this.#places[tier]?.first()
  }

  /**
   * The first of those of whose tiers none is back; an upper tier goes before a lower one.
   * @param isAcross ranks are compared across tiers
   */
  first(isAcross: boolean): AsidePlace<R> | undefined {
    let first: AsidePlace<R> | undefined
    for (let tier = 0; tier < TIERS; tier++) {
      const place = this.back[tier] === undefined ? this.firstAt(tier) : undefined
      if (place !== undefined && (first === undefined || (isAcross && isBefore(place, first)))) first = place
    }
    return first
  }
}

/**
 * Which of those that may not start yet would start last? A full queue that sheds displaces them first. Step 3 of 7.
 *
 * One line per tier, ordered by when each may start: at a time that was named, or at no time that is known (`after`). Those
 * that have run once are not in here, since they are never displaced.
 */
import { TIERS } from '../priority.ts'
import { type Ranked, Tier } from './tier.ts'

/** A request among those of its tier. */
export interface LaterStart<R> extends Ranked {
  readonly record: R
  tier: number
}

/** For whom a place is looked for. */
interface Newcomer {
  readonly tier: number
  /** When it may start; -Infinity: at once. */
  readonly startAt: number
}

export class LaterStarts<R> {
  readonly #tiers: readonly Tier<LaterStart<R>>[] = Array.from({ length: TIERS }, () => new Tier<LaterStart<R>>())
  readonly #isAwaited: (record: R) => boolean
  #sequence = 0

  /** @param isAwaited does another request wait for it by `after`? */
  constructor(isAwaited: (record: R) => boolean) {
    this.#isAwaited = isAwaited
  }

  add(record: R, tier: number, startAt: number): LaterStart<R> {
    const place = { rank: startAt, sequence: ++this.#sequence, block: undefined, record, tier }
    this.#lineOf(tier).add(place)
    return place
  }

  delete(place: LaterStart<R>): void {
    this.#lineOf(place.tier).remove(place)
  }

  move(place: LaterStart<R>, tier: number): void {
    this.delete(place)
    place.tier = tier
    this.#lineOf(tier).add(place)
  }

  /**
   * Of the lowest tier that has one, at most as urgent as the newcomer, the one that may start last, if that is later than the
   * newcomer.
   * @param awaited among those that others wait for, or among the others
   */
  lastBehind({ tier, startAt }: Newcomer, awaited: boolean, skips: (tier: number) => boolean): R | undefined {
    for (let t = TIERS - 1; t >= tier; t--) {
      if (skips(t)) continue
      for (const { rank, record } of this.#lineOf(t).backwards()) {
        if (rank <= startAt) break
        if (this.#isAwaited(record) === awaited) return record
      }
    }
    return undefined
  }

  #lineOf(tier: number): Tier<LaterStart<R>> {
    return this.#tiers[tier] as Tier<LaterStart<R>>
  }
}

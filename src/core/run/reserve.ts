/**
 * Which slots are kept for whom? A floor for a priority: so many slots are its own. Step 4 of 7.
 *
 * What runs can't be preempted: no order helps URGENT while LOW holds every slot, only a slot that LOW never had. So a
 * priority that runs less than its floor goes first; and unless its slots are lent, they stay free for it meanwhile.
 */
import { TIERS } from '../priority.ts'

export class Reserve {
  readonly #floors: readonly number[]
  readonly #lend: boolean
  readonly #running = new Array<number>(TIERS).fill(0)
  /** Does anyone have a floor? */
  readonly isOn: boolean

  constructor(floors: readonly number[], lend: boolean) {
    this.#floors = floors
    this.#lend = lend
    this.isOn = floors.some((floor) => floor > 0)
  }

  /** A run takes (or, less than 0, gives back) so many slots. */
  takes(tier: number, slots: number): void {
    this.#running[tier] = (this.#running[tier] as number) + slots
  }

  /** How many slots a request of this tier can never have. */
  neverFor(tier: number): number {
    return this.#lend ? 0 : this.#floors.reduce((sum, floor, t) => (t === tier ? sum : sum + floor), 0)
  }

  /** Does it run less than its floor? */
  owes(tier: number): boolean {
    return this.#missing(tier) > 0
  }

  /** How many free slots a request of this tier must leave free, for the others. */
  keptFrom(tier: number): number {
    if (this.#lend || !this.isOn) return 0
    let kept = 0
    for (let t = 0; t < TIERS; t++) if (t !== tier) kept += this.#missing(t)
    return kept
  }

  #missing(tier: number): number {
    return Math.max((this.#floors[tier] as number) - (this.#running[tier] as number), 0)
  }
}

/**
 * Which slots are kept for whom? A floor for a priority: so many slots are its own. Step 4 of 7.
 *
 * What runs can't be preempted: no order helps URGENT while LOW holds every slot, only a slot that LOW never had. So a
 * priority that runs less than its floor goes first; and unless its slots are lent, they stay free for it meanwhile.
 *
 * Every priority has a slot that it may use, its own or one that is open to all. When there are fewer slots than that
 * takes, since the limit was lowered or slots are stuck, floors give way; when there are enough again, they come back.
 */
import { TIERS } from '../priority.ts'

/** What stands in the queue. */
interface Head {
  readonly tier: number
  readonly cost: number
}

/** What it needs to know of the queue. */
export interface Heads<E extends Head> extends TierHeads<E> {
  head(): E | undefined
}

interface TierHeads<E extends Head> {
  firstAt(tier: number): E | undefined
  goesBefore(one: E, other: E): boolean
}

export class Reserve {
  readonly #given: readonly number[]
  /** What is left of them with the slots that there are. */
  #floors: readonly number[]
  /** How many slots can be used: those that are stuck, and have no substitute, can't. */
  #usable = Number.POSITIVE_INFINITY
  readonly #lend: boolean
  readonly #running = new Array<number>(TIERS).fill(0)
  /** Does anyone have a floor? */
  readonly isOn: boolean

  constructor(floors: readonly number[], lend: boolean) {
    this.#given = floors
    this.#floors = floors
    this.#lend = lend
    this.isOn = floors.some((floor) => floor > 0)
  }

  /** So many slots can be used now: floors give way by one slot at a time, the least urgent first, until nobody is kept out. */
  fit(slots: number): void {
    const floors = [...this.#given]
    for (let tier = TIERS - 1; tier >= 0 && !this.#lend && keepSomeOut(floors, slots); ) {
      if (floors[tier] === 0) tier--
      else floors[tier] = (floors[tier] as number) - 1
    }
    this.#floors = floors
    this.#usable = slots
  }

  /** A run takes (or, less than 0, gives back) so many slots. */
  takes(tier: number, slots: number): void {
    this.#running[tier] = (this.#running[tier] as number) + slots
  }

  /** How many slots a request of this tier can never have. */
  neverFor(tier: number): number {
    return this.#lend ? 0 : this.#given.reduce((sum, floor, t) => (t === tier ? sum : sum + floor), 0)
  }

  /**
   * The one that goes first, if so many free slots are enough for it: nobody overtakes one that takes several.
   * @param limit how many slots there are
   */
  first<E extends Head>(queue: Heads<E>, free: number, limit: number): E | undefined {
    return this.#ifItFits(this.head(queue, free), free, limit)
  }

  /** The one that goes first, also if it takes more than so many free slots. */
  head<E extends Head>(queue: Heads<E>, free: number): E | undefined {
    return this.isOn ? this.#firstAllowed(queue, free) : queue.head()
  }

  /** The same, of one head for each tier, and also if no slot is free. */
  firstOf<E extends Head>(heads: TierHeads<E>, free: number, limit: number): E | undefined {
    return this.#ifItFits(this.#firstAllowed(heads, free), free, limit)
  }

  #ifItFits<E extends Head>(first: E | undefined, free: number, limit: number): E | undefined {
    if (first === undefined || first.cost === 1) return first
    if (free - this.#keptFrom(first.tier) >= first.cost) return first
    // It runs alone, when there are fewer slots now than it takes beside what is kept for others.
    return free >= Math.min(this.#usable, limit) && free >= Math.min(first.cost, limit) ? first : undefined
  }

  /** The one that goes first, of those who may have one of so many free slots. */
  #firstAllowed<E extends Head>(queue: TierHeads<E>, free: number): E | undefined {
    let first: E | undefined
    for (let tier = 0; tier < TIERS; tier++) {
      const head = queue.firstAt(tier)
      if (head === undefined || free <= this.#keptFrom(tier)) continue
      const owed = this.#missing(tier) > 0
      const firstIsOwed = first !== undefined && this.#missing(first.tier) > 0
      if (first === undefined || (owed === firstIsOwed ? queue.goesBefore(head, first) : owed)) first = head
    }
    return first
  }

  /** How many free slots a request of this tier must leave free, for the others. */
  #keptFrom(tier: number): number {
    if (this.#lend || !this.isOn) return 0
    let kept = 0
    for (let t = 0; t < TIERS; t++) if (t !== tier) kept += this.#missing(t)
    return kept
  }

  /** How much less than its floor it runs. */
  #missing(tier: number): number {
    return Math.max((this.#floors[tier] as number) - (this.#running[tier] as number), 0)
  }
}

/** Do floors take so many slots that a priority without one would never run? All slots, if each has one, are not too many. */
export function keepSomeOut(floors: readonly number[], slots: number): boolean {
  const sum = floors.reduce((all, floor) => all + floor, 0)
  return sum > slots || (sum === slots && floors.includes(0))
}

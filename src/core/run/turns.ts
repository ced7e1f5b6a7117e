/**
 * Whose turn is it? Who has the slot that is free. Step 4 of 7.
 *
 * Mostly the head of the queue. Where slots are kept for priorities it is the head of those who may have this one, and where
 * runs take several slots it may be nobody's turn: what is free is saved for the one that goes first, and nobody overtakes it.
 */
import type { RequestRecord } from '../request-record.ts'
import type { Reserve } from './reserve.ts'
import { type SeatQueue, Seats } from './seats.ts'

/** What it needs of the queue. */
export interface TurnQueue<R extends RequestRecord> extends SeatQueue<R> {
  shift(): R | undefined
  take(record: R): void
}

/** What it needs of the slots. */
export interface TurnSlots {
  readonly limit: number
  /** Those that can be used: one that is stuck, and has no substitute, can't. */
  readonly usable: number
  readonly free: number
  claim(count: number): void
}

export class Turns<R extends RequestRecord> {
  readonly #reserve: Reserve
  readonly #queue: TurnQueue<R>
  readonly #slots: TurnSlots
  /** How many in the queue take more than one slot. */
  #wide = 0
  /** How many slots more than one each takes, of a tier in all. */
  readonly #extra = [0, 0, 0, 0]
  /** Of these, those who have not come back for another attempt, and have no seat. */
  newWide = 0
  readonly seats: Seats<R>
  /** Told of each that stands in the queue, and leaves it, where a start takes tokens. */
  tokens: { stands(record: R, by: 1 | -1): void } | undefined = undefined
  // Those whose slots are stuck: these count as used by nobody. Empty unless slots are kept.
  readonly #stuck = new Set<RequestRecord>()

  /** @param sizes how many may wait, by tier; 0: none, and whoever comes in has a seat */
  constructor(reserve: Reserve, queue: TurnQueue<R>, slots: TurnSlots, sizes: readonly number[] = []) {
    this.#reserve = reserve
    this.#queue = queue
    this.#slots = slots
    this.seats = new Seats(sizes, reserve, queue, slots)
  }

  /**
   * Is any slot for anyone? Then one can be promised to a newcomer. With slots kept for priorities none is promised before
   * the dispatch: who may have it would change with each newcomer and each move. So it is while somebody waits who takes
   * several.
   */
  get areForAnyone(): boolean {
    return !this.#reserve.isOn && this.#wide === 0
  }

  /** Are slots kept for priorities? */
  get keepsSlots(): boolean {
    return this.#reserve.isOn
  }

  /** One stands in the queue. */
  waits(record: R): void {
    if (record.cost > 1) this.#countWide(record, 1)
    if (this.seats.isOn) this.seats.count(record, 1)
    if (this.tokens !== undefined) this.tokens.stands(record, 1)
  }

  /** One has left the queue otherwise than by `take()`. */
  left(record: R): void {
    if (record.cost > 1) this.#countWide(record, -1)
    if (this.seats.isOn) this.seats.count(record, -1)
    if (this.tokens !== undefined) this.tokens.stands(record, -1)
  }

  #countWide(record: R, by: 1 | -1): void {
    this.#wide += by
    this.#addExtra(record.tier, by * (record.cost - 1))
    if (record.attempt === 1 && !this.seats.has(record)) this.newWide += by
  }

  /** One that stands in the queue has another tier. */
  moved({ cost, tier }: R, from: number): void {
    this.#addExtra(from, 1 - cost)
    this.#addExtra(tier, cost - 1)
  }

  #addExtra(tier: number, slots: number): void {
    this.#extra[tier] = this.extraAt(tier) + slots
  }

  /** How many slots those of a tier that stand in the queue take, beyond one each. */
  extraAt(tier: number): number {
    return this.#extra[tier] as number
  }

  /**
   * Would a newcomer for whom nothing may wait start in this dispatch, beside all that start without it?
   * @param gone one that would make room for it
   */
  wouldStart(newcomer: { readonly tier: number; readonly cost: number }, gone?: R): boolean {
    const isPlain = newcomer.cost === 1 && this.areForAnyone
    if (!isPlain) return this.seats.wouldStart(newcomer, gone)
    return this.#slots.free > this.#queue.size - (gone === undefined ? 0 : 1)
  }

  /** Takes the one whose turn it is, for a slot that is there for it and not counted as free any more. */
  take(): R | undefined {
    const isPlain = this.areForAnyone && !this.seats.isOn && this.tokens === undefined
    return isPlain ? this.#queue.shift() : this.#takeAllowed()
  }

  #takeAllowed(): R | undefined {
    const record = this.next()
    if (record === undefined) return undefined
    const { cost, tier } = record
    this.#queue.take(record)
    if (this.seats.isOn) this.seats.count(record, -1)
    if (this.tokens !== undefined) this.tokens.stands(record, -1)
    if (this.#reserve.isOn) this.#reserve.takes(tier, cost)
    if (cost > 1) {
      this.#countWide(record, -1)
      this.#slots.claim(cost - 1)
    }
    return record
  }

  /** The one that `take()` would take. */
  next(): R | undefined {
    return this.first(this.#slots.free + 1)
  }

  /** The one whose turn it is with so many free slots. */
  first(free: number): R | undefined {
    const first = this.#reserve.first(this.#queue, free, this.#slots.limit)
    return this.seats.isOn ? this.seats.turnOf(first, free) : first
  }

  /** The one that goes first of those who may have the slot that is there, also if it takes more than there are. */
  head(): R | undefined {
    return this.#reserve.head(this.#queue, this.#slots.free + 1)
  }

  /** The call of one that was taken has settled, or it does not run after all. */
  gaveBack(record: RequestRecord): void {
    if (!this.#reserve.isOn) return
    if (this.#stuck.delete(record)) this.refit()
    else this.#reserve.takes(record.tier, -record.cost)
  }

  /** The slot of one that was taken is stuck. What its priority is owed, it has elsewhere, if there is a slot for that. */
  sticks(record: RequestRecord): void {
    if (!this.#reserve.isOn) return
    this.#stuck.add(record)
    this.#reserve.takes(record.tier, -record.cost)
    this.refit()
  }

  /** There are more or fewer slots than before: so are those that can be kept for a priority. */
  refit(): void {
    if (this.#reserve.isOn) this.#reserve.fit(this.#slots.usable)
  }

  /** How many slots a request of a tier can have at most, of so many. */
  mostFor(tier: number, slots: number): number {
    return Math.max(slots, this.#slots.limit) - this.#reserve.neverFor(tier)
  }
}

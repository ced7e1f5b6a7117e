/**
 * Is there a slot for it? What a newcomer may count on before its burst is dispatched. Step 2 of 7.
 *
 * Three answers: a free slot that no other request was promised; where nothing may wait, whether it would start in the
 * dispatch of this burst; and, for a full queue that sheds, which request would make room for it.
 */
import { type RequestRecord, startsLater } from '../request-record.ts'
import type { Capacity } from './capacity.ts'
import type { Gate } from './gate.ts'

/** What it looks at. */
export interface OpeningsParts {
  readonly capacity: Capacity
  readonly gate: Gate
  readonly queue: {
    youngestBelow(tier: number, skips?: (tier: number) => boolean): RequestRecord | undefined
  }
  readonly slots: { readonly free: number }
  readonly turns: {
    readonly areForAnyone: boolean
    readonly newWide: number
    readonly seats: { readonly slots: number; areFor(tier: number): boolean }
    wouldStart(record: RequestRecord, gone?: RequestRecord): boolean
  }
  readonly dispatch: { readonly paused: boolean }
}

export class Openings {
  readonly #parts: OpeningsParts

  constructor(parts: OpeningsParts) {
    this.#parts = parts
  }

  /**
   * Is there a slot that was promised to none? Requests that are back for another attempt have none promised, and may yet be
   * the first. (Not a getter: V8 calls its runtime for private ones.)
   */
  isSlotFree(): boolean {
    const { capacity, dispatch, slots, turns } = this.#parts
    if (dispatch.paused || !turns.areForAnyone) return false
    return slots.free > capacity.reserved + capacity.returned + turns.seats.slots
  }

  isSlotFreeFor(record: RequestRecord): boolean {
    const { turns } = this.#parts
    if (turns.seats.areFor(record.tier)) return this.mayStart(record) && turns.wouldStart(record)
    return this.isSlotFree() && (record.extras === undefined || (record.extras.cost === 1 && !startsLater(record)))
  }

  /** Where nothing may wait: may it start in the dispatch of this burst, if there are slots for it? A guard is asked. */
  mayStart(record: RequestRecord): boolean {
    return !startsLater(record) && !this.#parts.gate.holds(record) && !this.#parts.dispatch.paused
  }

  /** It is to start later, and nothing may wait. */
  neverFits(record: RequestRecord): boolean {
    return this.#parts.turns.seats.areFor(record.tier) && startsLater(record)
  }

  /** Which request would make room for it, if it may start. No code of the user runs in here. */
  victimFor(record: RequestRecord): RequestRecord | undefined {
    const { capacity, dispatch, queue, slots, turns } = this.#parts
    const { seats } = turns
    const startsNow = seats.areFor(record.tier)
    // Where others may wait, those that may not have slots of their own.
    const victim = queue.youngestBelow(record.tier, startsNow ? undefined : (tier) => seats.areFor(tier))
    if (victim === undefined) return undefined
    if (startsNow) return turns.wouldStart(record, victim) ? victim : undefined
    // No slot is free now; but a request that has one reserved may leave it.
    const isOwed = slots.free >= capacity.reserved + capacity.returned + seats.slots && turns.areForAnyone
    const takesSlot = isOwed && !dispatch.paused && !startsLater(record)
    return capacity.canDisplace(victim, record.cost > 1, takesSlot, turns.newWide) ? victim : undefined
  }
}

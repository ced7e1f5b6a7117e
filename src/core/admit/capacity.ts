/**
 * Is there room? The bounds of the queue, as arithmetic. Step 2 of 7.
 *
 * A request that finds a free slot *reserves* one, and does not count as waiting: it stands in the queue only for the
 * microtask until the burst it came in is dispatched by priority. So `waiting = queued − reserved`, and a burst of 15
 * on ten idle slots needs room for five, not for fifteen. A reservation stays when the executor is paused or its limit
 * lowered in that very microtask: the start is put off, but the bound was kept, and is kept.
 *
 * One that takes several slots reserves none, and with its admission the reservations of its burst lapse: what it leaves
 * for the others is known at the dispatch. So it needs room for all of them.
 *
 * A request that comes back for another attempt was judged when it was admitted, and does not count as waiting either:
 * it must not be refused, nor keep out others who would have found room.
 *
 * A priority with a bound of its own is counted without that allowance: who takes the reserved slot is decided at the
 * dispatch, and a request of a higher priority that comes later in the burst must not push it over its bound.
 *
 * A bound of 0 says that nothing may wait: whoever comes in has its slot, as the one who asks has found out, and counts as
 * waiting nowhere.
 */

import { type FullBound, QueueFullError } from '../errors.ts'
import { TIERS } from '../priority.ts'
import type { ErrorSubject } from '../triage-error.ts'

/** What the bounds are compared with. */
export interface Queued {
  readonly size: number
  sizeAt(tier: number): number
}

export class Capacity {
  total: number
  byTier: readonly number[]
  maxBlocked: number
  readonly #queue: Queued
  readonly #seats: { readonly size: number }
  /** Has a priority a bound of its own? */
  hasTierBounds: boolean
  /** How many of the queued have a free slot reserved for them. */
  reserved = 0
  /** How many of the queued have come back for another attempt, by tier. */
  readonly #returned = new Array<number>(TIERS).fill(0)
  returned = 0
  /** How many of those who wait out of the queue are set aside, for want of a token. */
  #aside = 0
  /** How many wait out of the queue, until they may come to it, by tier. */
  readonly #held = new Array<number>(TIERS).fill(0)
  #heldInAll = 0

  /** @param seats how many of the queued are of a priority in which nothing may wait, and so have their slots */
  constructor(
    queue: Queued,
    total: number,
    byTier: readonly number[],
    maxBlocked: number,
    seats: { readonly size: number } = { size: 0 },
  ) {
    this.#queue = queue
    this.#seats = seats
    this.total = total
    this.byTier = byTier
    this.maxBlocked = maxBlocked
    this.hasTierBounds = byTier.some(Number.isFinite)
  }

  /** Other bounds from now on. What is in stays, also when it is more than that. */
  adopt(total: number, byTier: readonly number[], maxBlocked: number): void {
    this.total = total
    this.byTier = byTier
    this.maxBlocked = maxBlocked
    this.hasTierBounds = byTier.some(Number.isFinite)
  }

  /** How many wait, in the sense of the bound. */
  get waiting(): number {
    return this.#queue.size + this.#heldInAll - this.reserved - this.returned - this.#seats.size
  }

  /**
   * Would there be room for a newcomer if this one left? If all of the queued have a slot reserved, only for a newcomer who
   * could do with that. With one that takes several slots the reservations lapse, and the others who had them need room, too.
   * @param wide how many of the queued take several slots, and so have none reserved
   */
  canDisplace(victim: { readonly cost: number }, isWide: boolean, takesSlot: boolean, wide: number): boolean {
    if (isWide) return this.waiting + this.reserved <= this.most
    return victim.cost > 1 || takesSlot || this.#mostReserved(wide) > this.reserved
  }

  /** How many of a tier wait, those included who have a slot reserved. */
  sizeAt(tier: number): number {
    return this.#queue.sizeAt(tier) + (this.#held[tier] as number) - (this.#returned[tier] as number)
  }

  /** One is back in the queue for another attempt (1), or has left it again (-1). */
  returns(tier: number, by: 1 | -1): void {
    this.#returned[tier] = (this.#returned[tier] as number) + by
    this.returned += by
  }

  /** One waits out of the queue (1), or no more (-1). */
  holds(tier: number, by: 1 | -1): void {
    this.#held[tier] = (this.#held[tier] as number) + by
    this.#heldInAll += by
  }

  /**
   * One that is queued is set aside (1), and holds a place out of the queue, or no more (-1). A slot that it had reserved is for
   * another; where there is none, and no room for one more, the reservation stays: the bound was kept, and is kept.
   * @param wide how many of the others take several slots
   */
  setsAside(by: 1 | -1, wide: number): void {
    this.#aside += by
    const most = this.#mostReserved(wide) - this.#aside
    while (this.reserved > Math.max(most, 0) && this.waiting < this.total) this.reserved--
  }

  /** How many may wait where one makes room for another: no more than there are, where the bound was lowered meanwhile. */
  get most(): number {
    return Math.max(this.total, this.waiting)
  }

  mostAt(tier: number): number {
    const most = this.byTier[tier] as number
    return most === 0 ? most : Math.max(most, this.sizeAt(tier))
  }

  /**
   * Which bound keeps a newcomer of a tier out; undefined: there is room.
   * @param total how many may wait, where that is not the bound
   * @param mostAt how many of its tier
   */
  bound(tier: number, slotIsFree: boolean, isWide = false, total = this.total, mostAt?: number): FullBound | undefined {
    if (this.hasTierBounds) {
      const most = mostAt ?? (this.byTier[tier] as number)
      if (most === 0 && slotIsFree) return undefined
      if (this.sizeAt(tier) >= most) return this.total === 0 ? 'total' : 'priority'
    }
    return slotIsFree || this.waiting + (isWide ? this.reserved : 0) < total ? undefined : 'total'
  }

  /** What is said to one who finds it full. */
  fullError(
    bound: FullBound,
    tier: number,
    blocked: number,
    subject: ErrorSubject,
    retryAfterMs: number | undefined,
  ): QueueFullError {
    if (bound === 'blocked') return new QueueFullError(bound, blocked, this.maxBlocked, subject, retryAfterMs)
    if (bound === 'total') return new QueueFullError(bound, this.waiting, this.total, subject, retryAfterMs)
    const most = this.byTier[tier] as number
    return new QueueFullError(bound, most && this.sizeAt(tier), most, subject, retryAfterMs)
  }

  /** A queued request has left the queue for a slot. */
  started(): void {
    if (this.reserved > 0) this.reserved--
  }

  /**
   * A queued request has left the queue otherwise.
   * @param wide how many of the others take several slots, and so have none reserved
   */
  left(wide: number): void {
    const most = this.#mostReserved(wide)
    if (this.reserved > most) this.reserved = most
  }

  #mostReserved(wide: number): number {
    return this.#queue.size + this.#aside - this.returned - this.#seats.size - wide
  }

  /** How many wait in each tier: the reserved slots are for those who go first. */
  sizes(): number[] {
    let reserved = this.reserved
    const sizes: number[] = []
    for (let tier = 0; tier < TIERS; tier++) {
      const queued = this.byTier[tier] === 0 ? 0 : this.sizeAt(tier)
      // Those who are held out of the queue have no slot reserved.
      const excepted = Math.min(queued - (this.#held[tier] as number), reserved)
      reserved -= excepted
      sizes.push(queued - excepted)
    }
    return sizes
  }
}

/**
 * Who comes in when there is room again? Blocked callers first, and those who asked to be told. Step 2 of 7.
 *
 * Blocked callers come in by priority, then first-in first-out: when there is no room for one, nobody behind it comes in,
 * and no newcomer passes them. Those who asked to be told reserve nothing, and so come last.
 */

import { soon } from '../clock.ts'
import { type FullBound, QueueClosedError } from '../errors.ts'
import { TIERS } from '../priority.ts'
import { type RequestRecord, startsLater } from '../queued-request.ts'
import type { Capacity } from './capacity.ts'
import { RoomWaiters } from './room-waiters.ts'

/** Those who are blocked, by tier. */
export interface BlockedLine<R> {
  readonly size: number
  firstAt(tier: number): R | undefined
  /** By tier, and in the order of each. */
  entries(): Iterable<R>
  delete(record: R): void
}

/** What it asks of the executor. */
export interface RoomHost<R> {
  /** Is there a slot that nobody was promised: for anyone, for this one? */
  slotIsFree(): boolean
  slotIsFreeFor(record: R): boolean
  /** It comes in. */
  enqueue(record: R, slotIsFree: boolean): void
  /** Does anyone wait for it? Those leave whose signals were aborted, and who were not told yet. */
  isWanted(record: R): boolean
}

export class Room<R extends RequestRecord> {
  readonly #host: RoomHost<R>
  readonly #blocked: BlockedLine<R>
  readonly #capacity: Capacity
  readonly #news: { hold(): void; release(): void }
  readonly #waiters = new RoomWaiters()
  #isShut = false

  /** @param news is held while blocked callers come in */
  constructor(host: RoomHost<R>, blocked: BlockedLine<R>, capacity: Capacity, news: { hold(): void; release(): void }) {
    this.#host = host
    this.#blocked = blocked
    this.#capacity = capacity
    this.#news = news
  }

  /**
   * Would a newcomer for whom there is room pass one of them? There may be none for one that takes several slots, and yet for
   * others; or there is for all of them since this very moment, and a policy that hears of it submits.
   */
  wouldBePassed(): boolean {
    return this.#firstForSlot() !== undefined
  }

  /** The first of those who could do with a slot; whoever starts later needs a place in the queue, and lets them pass. */
  #firstForSlot(): R | undefined {
    for (const record of this.#blocked.entries()) {
      if (!startsLater(record) && this.#boundOf(record, true) !== 'priority') return record
    }
    return undefined
  }

  #boundOf(record: R, slotIsFree: boolean): FullBound | undefined {
    return this.#capacity.bound(record.tier, slotIsFree, record.cost > 1)
  }

  /** A request has left the queue, or a slot has come free: there may be room. */
  made(): void {
    if (this.#blocked.size > 0) this.#unblock()
    if (this.#waiters.size > 0) this.#waiters.tell((tier) => this.#isThere(tier))
  }

  /** Resolves when there is room for a tier. */
  until(tier: number, signal?: AbortSignal): Promise<void> {
    if (this.#isShut) return Promise.reject(new QueueClosedError())
    if (signal?.aborted) return Promise.reject(signal.reason)
    return this.#isThere(tier) ? soon : this.#waiters.wait(tier, signal)
  }

  /** There will be none any more. */
  shut(): void {
    this.#isShut = true
    this.#waiters.refuse(() => new QueueClosedError())
  }

  #isThere(tier: number): boolean {
    return this.#capacity.bound(tier, this.#host.slotIsFree()) === undefined
  }

  /** Brings blocked callers in for as long as there is room. */
  #unblock(): void {
    // Whoever is blocked when it closes is refused, also when room is made meanwhile.
    if (this.#isShut) return
    // Told when all are in: a listener that submits must not pass those behind the one whose admission it hears of.
    this.#news.hold()
    try {
      let tier = 0
      while (tier < TIERS) {
        const bound = this.#unblockFirst(tier)
        // Without room for this one, nobody behind comes in.
        if (bound === 'total') break
        if (bound !== 'none') tier++
      }
      while (this.#unblockForSlot());
    } finally {
      this.#news.release()
    }
  }

  /** Behind those who start later, for whom a slot is of no use. */
  #unblockForSlot(): boolean {
    const record = this.#firstForSlot()
    if (record === undefined || !this.#host.slotIsFreeFor(record)) return false
    this.#letIn(record, true)
    return true
  }

  /** Which bound keeps the first of a tier out; `'none'`: it has come in. Undefined: nobody of this tier is blocked. */
  #unblockFirst(tier: number): FullBound | 'none' | undefined {
    const record = this.#blocked.firstAt(tier)
    if (record === undefined) return undefined
    const slotIsFree = this.#host.slotIsFreeFor(record)
    const bound = this.#boundOf(record, slotIsFree)
    if (bound !== undefined) return bound
    this.#letIn(record, slotIsFree)
    return 'none'
  }

  #letIn(record: R, slotIsFree: boolean): void {
    if (!this.#host.isWanted(record)) return
    this.#blocked.delete(record)
    this.#host.enqueue(record, slotIsFree)
  }
}

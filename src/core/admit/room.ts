/**
 * Who comes in when there is room again? Blocked callers first, and those who asked to be told. Step 2 of 7.
 *
 * Blocked callers come in by priority, then first-in first-out: when there is no room for one, nobody behind it comes in,
 * and no newcomer passes them.
 *
 * Those who asked to be told (`ready()`) reserve nothing, and so come last. Each of them asks what `offer()` would ask, the
 * guards included: when there is room, when a run ends, and at the time that a guard has named. Between a refusal and the
 * next answer the event loop has a turn. So `while (!queue.offer(request)) await queue.ready()` can't keep it to itself,
 * whatever the guards say.
 */

import { soon, type Timeline } from '../clock.ts'
import type { FullBound, QueueClosedError } from '../errors.ts'
import { TIERS } from '../priority.ts'
import { type RequestRecord, startsLater } from '../request-record.ts'
import type { Capacity } from './capacity.ts'
import { RoomWaiters } from './room-waiters.ts'

/** Those who are blocked, by tier. */
export interface BlockedLine<R> {
  readonly size: number
  firstAt(tier: number): R | undefined
  /** By tier, and in the order of each. */
  entries(): Iterable<R>
}

/** What it asks of the executor. */
export interface RoomHost<R> {
  /** Is there a slot for it that nobody was promised? */
  slotIsFreeFor(record: R): boolean
  /** In how many ms there are tokens for it; not 0: a slot is of no use to it before. */
  tokensDueInMs(record: R): number
  /** Does a schema look at as many as it may? */
  isBusyChecking(): boolean
  /** May there be a slot for those of a lower priority, where nothing may wait, although there is none for this one? */
  keepsSlots(): boolean
  /** It comes in, unless a policy has anything against it. */
  letIn(record: R, slotIsFree: boolean): void
  /** Does anyone wait for it? Those leave whose signals were aborted, and who were not told yet. */
  isWanted(record: R): boolean
  /** What a guard would say to it, if it said no. Nothing is taken, and nothing is counted. */
  refusalOf(record: R): { readonly retryAfterMs?: number | undefined } | undefined
  /** Some ask to be told: look at the latest at that time. */
  lookAt(at: number): void
  /** Nobody asks to be told any more. */
  nobodyAsks(): void
  inAnotherTurn(callback: () => void): void
  /** What is told when it is closed. */
  closedError(): QueueClosedError
}

/** What somebody has asked for. */
interface Asked<R> {
  readonly record: R
  readonly asksGuards: boolean
  /** When a guard is asked again at the latest; Infinity: when there is room. */
  againAt: number
}

/** A guard that refuses without naming a time is asked again after so many ms. */
const ASK_AGAIN_MS = 1_000

export class Room<R extends RequestRecord> {
  readonly #host: RoomHost<R>
  readonly #blocked: BlockedLine<R>
  readonly #capacity: Capacity
  readonly #news: { hold(): void; release(): void }
  readonly #timeline: Timeline
  readonly #waiters: RoomWaiters<Asked<R>>
  #isShut = false
  /** Somebody was refused in this turn of the event loop: whoever asks now is told in the next one. */
  #hasRefused = false
  #looksInNextTurn = false
  #isTelling = false

  /** @param news is held while blocked callers come in */
  constructor(
    host: RoomHost<R>,
    blocked: BlockedLine<R>,
    capacity: Capacity,
    news: { hold(): void; release(): void },
    timeline: Timeline,
  ) {
    this.#host = host
    this.#blocked = blocked
    this.#capacity = capacity
    this.#news = news
    this.#timeline = timeline
    this.#waiters = new RoomWaiters(() => host.nobodyAsks())
  }

  /**
   * Would a newcomer for whom there is room pass one of them? There may be none for one that takes several slots, and yet for
   * others; or there is for all of them since this very moment, and a policy that hears of it submits. One that is more urgent
   * is blocked as well, and comes in first.
   */
  wouldBePassed(): boolean {
    return this.#firstForSlot() !== undefined
  }

  /** The first of those who could do with a slot; whoever starts later needs a place in the queue, and lets them pass. */
  #firstForSlot(): R | undefined {
    for (const record of this.#blocked.entries()) {
      if (this.#isForOwnSlot(record) && !this.#host.slotIsFreeFor(record)) continue
      if (startsLater(record) || this.#boundOf(record, true) === 'priority') continue
      if (this.#host.tokensDueInMs(record) === 0) return record
    }
    return undefined
  }

  /** Nothing may wait in its priority, and others may, or have slots of their own: it holds nobody back until it has one. */
  #isForOwnSlot({ tier }: R): boolean {
    const { total, byTier } = this.#capacity
    return byTier[tier] === 0 && (total > 0 || this.#host.keepsSlots())
  }

  #boundOf(record: R, slotIsFree: boolean): FullBound | undefined {
    return this.#capacity.bound(record.tier, slotIsFree, record.cost > 1)
  }

  /** A request has left the queue, or a slot has come free: there may be room. */
  made(): void {
    if (this.#blocked.size > 0) this.#unblock()
    if (this.#waiters.size > 0) this.#tell()
  }

  /** A newcomer was refused. */
  refused(): void {
    this.#hasRefused = true
    if (this.#waiters.size > 0) this.#lookInNextTurn()
  }

  /** How many ask to be told. */
  get asking(): number {
    return this.#waiters.size
  }

  /** When a guard is to be asked again; Infinity: at no time of its own. */
  get nextLookAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { againAt } of this.#waiters.asked()) if (againAt < next) next = againAt
    return next
  }

  /** Time has come: asks the guards again that have named it. */
  ring(now: number): void {
    if (this.nextLookAt <= now) this.#tell()
  }

  /**
   * Resolves when a request would come in; without `asksGuards`, when there is room for it. Rejects with what a guard throws,
   * with the signal's reason, or when it closes.
   */
  until(record: R, signal?: AbortSignal, asksGuards = true): Promise<void> {
    if (this.#isShut) return Promise.reject(this.#host.closedError())
    if (signal?.aborted) return Promise.reject(signal.reason)
    const asked = { record, asksGuards, againAt: Number.POSITIVE_INFINITY }
    if (!this.#hasRefused && this.#comesIn(asked)) return soon
    const told = this.#waiters.wait(asked, signal)
    // It keeps the process alive, as a request that waits does.
    this.#host.lookAt(asked.againAt)
    if (this.#hasRefused) this.#lookInNextTurn()
    return told
  }

  /** There will be none any more. */
  shut(): void {
    this.#isShut = true
    this.#waiters.refuse(() => this.#host.closedError())
  }

  /** Would it come in, without displacing another, and without passing one that is blocked? */
  #comesIn(asked: Asked<R>): boolean {
    const { record } = asked
    record.arrived = this.#timeline.instant()
    if (this.#host.isBusyChecking()) {
      asked.againAt = record.enqueuedAt + ASK_AGAIN_MS
      return false
    }
    // A guard that holds whoever is to start at once names no time to others.
    const startsNow = this.#capacity.byTier[record.tier] === 0
    asked.againAt = startsNow ? record.enqueuedAt + ASK_AGAIN_MS : Number.POSITIVE_INFINITY
    if (this.#capacity.bound(record.tier, this.#host.slotIsFreeFor(record)) !== undefined) {
      const dueInMs = this.#host.tokensDueInMs(record)
      if (dueInMs > 0) asked.againAt = record.enqueuedAt + dueInMs
      return false
    }
    if (this.#blocked.size > 0 && this.wouldBePassed()) return false
    if (!asked.asksGuards) return true
    const refusal = this.#host.refusalOf(record)
    if (refusal === undefined) return true
    const { retryAfterMs = 0 } = refusal
    const isTime = Number.isFinite(retryAfterMs) && retryAfterMs > 0
    asked.againAt = record.enqueuedAt + (isTime ? retryAfterMs : ASK_AGAIN_MS)
    return false
  }

  #tell(): void {
    // A guard that is asked may itself make room; and it may do so each time.
    if (this.#hasRefused || this.#isTelling) {
      this.#lookInNextTurn()
      return
    }
    this.#isTelling = true
    this.#waiters.tell((asked) => this.#comesIn(asked))
    this.#isTelling = false
    if (this.#waiters.size > 0) this.#host.lookAt(this.nextLookAt)
  }

  #lookInNextTurn(): void {
    if (this.#looksInNextTurn) return
    this.#looksInNextTurn = true
    this.#host.inAnotherTurn(() => {
      this.#looksInNextTurn = false
      this.#hasRefused = false
      this.#tell()
    })
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
        // Without room for this one, nobody behind comes in; unless there are slots that are kept for those.
        if (bound === 'total' && !this.#host.keepsSlots()) break
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
    if (this.#host.isWanted(record)) this.#host.letIn(record, slotIsFree)
  }
}

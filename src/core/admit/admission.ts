/**
 * How does a request come in? By the bounds, and with a rank, as soon as a policy was asked for it. Step 2 of 7.
 *
 *     newcomer ──▶ plain? ──▶ in                            nothing special about it, and no policy is asked
 *         └──▶ itself? ──▶ guards? ──▶ room? ──▶ rank? ──▶ room still? ──▶ in
 *                                        └ full: it displaces another, waits at the door (blocked), or is refused
 *
 * Guards, orders and signals are code of the user, and may do anything. So each is asked before anything changes, and all
 * that was known before is looked at again: whether the request still comes, and the bounds, which are always last.
 */
import { type FullBound, QueueClosedError, ShedError } from '../errors.ts'
import { priorityOf } from '../priority.ts'
import type { Extras } from '../request-extras.ts'
import { type RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Capacity } from './capacity.ts'
import type { Duplicates } from './duplicates.ts'
import type { Gate } from './gate.ts'
import type { Refusal } from './guard.ts'
import type { Openings } from './openings.ts'
import type { Outlook } from './outlook.ts'
import type { Refusals } from './refusals.ts'
import type { BlockedLine, Room } from './room.ts'

/** What happens to a request for which there is no room. */
export type WhenFull = 'reject' | 'block' | 'shed'

/** What it acts on. */
export interface AdmissionParts {
  readonly isPlain: boolean
  readonly blocked: BlockedLine<RequestRecord> & {
    add(record: RequestRecord): void
    delete(record: RequestRecord): void
  }
  readonly capacity: Capacity
  readonly duplicates: Duplicates
  readonly gate: Gate
  readonly openings: Openings
  /** One may be held that has met an idle queue: it stands in the queue before anything else comes. */
  readonly plain: { readonly first: RequestRecord | undefined; spill(): void }
  readonly outlook: Outlook
  readonly refusals: Refusals
  readonly room: Room<RequestRecord>
  readonly queue: {
    readonly asksRanks: boolean
    asked: number
    rankOf(record: RequestRecord): number
    refuses(record: RequestRecord, rank: number): void
    add(record: RequestRecord, rank?: number): void
  }
  readonly held: {
    awaits(record: RequestRecord): boolean
    add(record: RequestRecord): void
    follow(record: RequestRecord): void
  }
  readonly slots: { readonly free: number }
  readonly turns: {
    readonly seats: { readonly isOn: boolean; areFor(tier: number): boolean; has(record: RequestRecord): boolean }
    waits(record: RequestRecord): void
    wouldStart(record: RequestRecord): boolean
  }
  readonly dispatch: { schedule(): void }
  readonly endings: {
    takeOut(record: RequestRecord): void
    retire(record: RequestRecord, state: State, value: unknown): void
    left(record: RequestRecord): void
    tells(record: RequestRecord, value: unknown, from: State, run: undefined): void
  }
  readonly lives: { begins(record: RequestRecord): void }
  readonly parties: { admitted(record: RequestRecord, extras: Extras): void }
  readonly closing: { readonly begun: boolean }
  readonly statistics: { admits(tier: number): void }
  readonly keeper: { stores(record: RequestRecord): void } | undefined
  readonly events: {
    readonly listened: { readonly queued: boolean; readonly full: boolean }
    reportOf(event: 'queued', error: unknown): void
  }
  readonly tell: {
    of(record: RequestRecord, event: 'queued', more: { waiting: number }): void
    of(record: RequestRecord, event: 'blocked', more: { blocked: number }): void
    all(event: 'full', more: { waiting: number; maxQueueSize: number }): void
  }
  readonly audit: { admitted(record: RequestRecord): void; comesBack(reserved: number): void } | undefined
}

export class Admission {
  readonly #parts: AdmissionParts

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  admit(record: RequestRecord, whenFull: WhenFull): void {
    const { extras } = record
    const { blocked, duplicates, gate, isPlain, plain } = this.#parts
    if (plain.first !== undefined) plain.spill()
    if (extras === undefined && isPlain && blocked.size === 0 && this.#comesPlain(record)) return
    if (extras !== undefined && !duplicates.comesForItself(record, extras)) return
    if (gate.asksAtArrival) this.#asksGuards(record, whenFull)
    else this.#comesIn(record, whenFull, undefined)
  }

  /** A guard is told where it would stand. */
  #asksGuards(record: RequestRecord, whenFull: WhenFull): void {
    const { gate, held, queue } = this.#parts
    const isRanked = this.#mustRank(record)
    const rank = isRanked ? this.#rankOf(record) : undefined
    if (isRanked && rank === undefined) return
    const { asked } = queue
    const comes = !gate.keepsOut(record, rank ?? Number.POSITIVE_INFINITY) && this.#stillComes(record)
    // A guard may have submitted others.
    queue.asked = asked
    if (rank === undefined) {
      if (comes) this.#comesIn(record, whenFull, undefined)
      return
    }
    const isDelayed = held.awaits(record)
    if (!comes || isDelayed) queue.refuses(record, rank)
    if (comes && (!isDelayed || this.#stillComes(record))) this.#comesIn(record, whenFull, isDelayed ? undefined : rank)
  }

  /**
   * What a guard would say to a newcomer, if it said no.
   * @throws what a guard, or the order, throws
   */
  refusalOf(record: RequestRecord): Refusal | undefined {
    const { gate, queue } = this.#parts
    if (!gate.asksAtArrival) return undefined
    if (!this.#mustRank(record)) return gate.refusalOf(record, Number.POSITIVE_INFINITY)
    const rank = queue.rankOf(record)
    const { asked } = queue
    try {
      return gate.refusalOf(record, rank)
    } finally {
      queue.asked = asked
      queue.refuses(record, rank)
    }
  }

  /**
   * The usual way in, for a request that has nothing special, where no policy is asked: what `#comesIn` and `#enqueue` come to
   * then, in few enough steps for V8 to make one of them. False: there is no room.
   */
  #comesPlain(record: RequestRecord): boolean {
    const parts = this.#parts
    const { capacity } = parts
    const slotIsFree = parts.openings.isSlotFree()
    if (capacity.bound(record.tier, slotIsFree) !== undefined) return false
    parts.queue.add(record)
    if (slotIsFree) capacity.reserved++
    record.status = State.WAITING
    parts.statistics.admits(record.tier)
    parts.lives.begins(record)
    if (parts.audit !== undefined) parts.audit.admitted(record)
    if (parts.slots.free > 0) parts.dispatch.schedule()
    const { listened } = parts.events
    if (listened.queued || listened.full) this.#tellQueued(record)
    return true
  }

  /** By the bounds; with its rank, as soon as that was asked for. */
  #comesIn(record: RequestRecord, whenFull: WhenFull, rank: number | undefined): void {
    const { blocked, capacity, gate, openings, room } = this.#parts
    // Before the bounds are looked at: a guard may be asked about tokens in either, and do anything.
    const isPassed = blocked.size > 0 && this.#asks(() => room.wouldBePassed())
    // Without a closure where no guard is asked.
    const slotIsFree = gate.takesTokens
      ? this.#asks(() => openings.isSlotFreeFor(record))
      : openings.isSlotFreeFor(record)
    if (!this.#keepsRank(record, rank, this.#isStill(record))) return
    const bound = capacity.bound(record.tier, slotIsFree, record.cost > 1)
    if (bound !== undefined) this.#findsItFull(record, bound, whenFull, rank)
    else if (isPassed) {
      this.#findsItFull(record, 'total', whenFull, rank)
      // It may be the first of them.
      room.made()
    } else if (rank === undefined && this.#mustRank(record)) this.#comesRanked(record, whenFull)
    else this.#enqueue(record, slotIsFree, rank)
  }

  /** Where a start takes tokens a guard is asked about them, and may submit others. */
  #asks<T>(question: () => T): T {
    const { gate, queue } = this.#parts
    if (!gate.takesTokens) return question()
    const { asked } = queue
    const answer = question()
    queue.asked = asked
    return answer
  }

  /** Where nothing may wait, and where a start takes tokens, a guard was asked about it, and may have done anything. */
  #isStill(record: RequestRecord): boolean {
    const { gate, turns } = this.#parts
    return !(turns.seats.isOn || gate.takesTokens) || this.#stillComes(record)
  }

  /** Is a policy asked for its rank, before anything changes? One that starts later is ranked when its time has come. */
  #mustRank(record: RequestRecord): boolean {
    return this.#parts.queue.asksRanks && !this.#parts.held.awaits(record)
  }

  #comesRanked(record: RequestRecord, whenFull: WhenFull): void {
    const rank = this.#rankOf(record)
    if (rank !== undefined) this.#comesIn(record, whenFull, rank)
  }

  /** Its rank; undefined: the order policy has thrown, or it does not come in after all. */
  #rankOf(record: RequestRecord): number | undefined {
    const { events, queue, refusals } = this.#parts
    let rank: number
    try {
      rank = queue.rankOf(record)
    } catch (error) {
      // It may have come in meanwhile, by what the policy did before it has thrown: then it stays.
      if (record.status > State.BLOCKED) events.reportOf('queued', error)
      else refusals.refuse(record, error)
      return undefined
    }
    return this.#keepsRank(record, rank, this.#stillComes(record)) ? rank : undefined
  }

  /** Does it come? If not, the order policy is told that its rank, if it has one, is free again. */
  #keepsRank(record: RequestRecord, rank: number | undefined, comes: boolean): boolean {
    if (!comes && rank !== undefined) this.#parts.queue.refuses(record, rank)
    return comes
  }

  /** A policy was asked, and may have closed the executor meanwhile, or submitted another request with its id. */
  #stillComes(record: RequestRecord): boolean {
    if (record.status === State.BLOCKED) return true
    if (record.status > State.BLOCKED) return false
    const { closing, duplicates, refusals } = this.#parts
    if (closing.begun) {
      refusals.refuse(record, new QueueClosedError(subjectOf(record)))
      return false
    }
    return record.extras === undefined || duplicates.comesForItself(record, record.extras)
  }

  #findsItFull(record: RequestRecord, bound: FullBound, whenFull: WhenFull, rank: number | undefined): void {
    const { openings, queue, refusals } = this.#parts
    const { seats } = this.#parts.turns
    const isSeated = seats.areFor(record.tier)
    const isShed = whenFull === 'shed' && !(isSeated && bound === 'priority')
    // Who goes last of all can be told when it is known where this one would stand.
    if (isShed && rank === undefined && this.#mustRank(record)) {
      this.#comesRanked(record, whenFull)
      return
    }
    // Where nothing may wait a guard is asked whether it holds this one.
    const mayDisplace = isShed && (!isSeated || openings.mayStart(record))
    const place = rank ?? Number.POSITIVE_INFINITY
    const isThere = !seats.isOn || this.#stillComes(record)
    const victim = isThere && mayDisplace ? this.#asks(() => openings.victimFor(record, bound, place)) : undefined
    const comes = isThere && this.#isStill(record)
    if (comes && victim !== undefined) {
      this.#displace(victim, record, rank)
      return
    }
    if (rank !== undefined) queue.refuses(record, rank)
    if (!comes || (rank !== undefined && !this.#stillComes(record))) return
    if (whenFull === 'block' && !openings.neverFits(record)) this.#block(record)
    else refusals.refuse(record, refusals.fullError(bound, record, place))
  }

  #displace(victim: RequestRecord, record: RequestRecord, rank: number | undefined): void {
    const { capacity, endings, outlook } = this.#parts
    const { most } = capacity
    const mostAt = capacity.mostAt(record.tier)
    const retryAfterMs = outlook.retryAfterMs(victim, Number.POSITIVE_INFINITY, record.cost)
    const error = new ShedError(priorityOf(record.tier), subjectOf(victim), retryAfterMs)
    const from = victim.status
    // Listeners of either must find the one gone, and its place taken by the other.
    endings.takeOut(victim)
    endings.retire(victim, State.SHED, error)
    this.#takesPlace(record, rank, most, mostAt)
    if (from !== State.HELD) endings.left(victim)
    endings.tells(victim, error, from, undefined)
  }

  /** That of one that was shed. The signals of both were asked, and may have done anything: the bounds are looked at last. */
  #takesPlace(record: RequestRecord, rank: number | undefined, most: number, mostAt: number): void {
    const { capacity, openings, turns } = this.#parts
    if (!this.#keepsRank(record, rank, this.#stillComes(record))) return
    const { tier, cost } = record
    const isFree = () => (turns.seats.areFor(tier) ? turns.wouldStart(record) : openings.isSlotFreeFor(record))
    const slotIsFree = this.#asks(isFree)
    if (!this.#keepsRank(record, rank, this.#isStill(record))) return
    const bound = capacity.bound(tier, slotIsFree, cost > 1, most, mostAt)
    if (bound === undefined) this.#enqueue(record, slotIsFree, rank)
    else this.#findsItFull(record, bound, 'reject', rank)
  }

  #block(record: RequestRecord): void {
    const { blocked, capacity, gate, lives, refusals, room, tell, turns } = this.#parts
    if (blocked.size >= capacity.maxBlocked) {
      refusals.refuse(record, refusals.fullError('blocked', record))
      return
    }
    record.status = State.BLOCKED
    blocked.add(record)
    lives.begins(record)
    tell.of(record, 'blocked', { blocked: blocked.size })
    // A guard may hold it, and nothing else have it asked again when that is over.
    if (gate.asksAtStart && turns.seats.isOn) room.made()
  }

  /** One that is blocked comes in, if a policy has nothing against it, and there is room still. */
  letIn(record: RequestRecord, slotIsFree: boolean): void {
    const { blocked, capacity, openings, queue } = this.#parts
    // A guard may have been asked whether it holds this one.
    if (record.status !== State.BLOCKED) return
    if (!this.#mustRank(record)) {
      blocked.delete(record)
      this.#enqueue(record, slotIsFree, undefined)
      return
    }
    const rank = this.#rankOf(record)
    if (rank === undefined) return
    const isFreeStill = openings.isSlotFreeFor(record)
    const bound = capacity.bound(record.tier, isFreeStill, record.cost > 1)
    if (bound !== undefined || record.status !== State.BLOCKED) {
      queue.refuses(record, rank)
      return
    }
    blocked.delete(record)
    this.#enqueue(record, isFreeStill, rank)
  }

  /** @param rank that of a policy that was asked: nothing in here asks one */
  #enqueue(record: RequestRecord, slotIsFree: boolean, rank: number | undefined): void {
    const { audit, capacity, dispatch, held, keeper, lives, queue, slots, statistics, turns } = this.#parts
    const wasBlocked = record.status === State.BLOCKED
    const isHeld = rank === undefined && (queue.asksRanks || held.awaits(record))
    if (isHeld) held.add(record)
    else {
      queue.add(record, rank)
      // Whatever has a seat has slots of its own.
      if (!turns.seats.has(record)) {
        if (slotIsFree) capacity.reserved++
        else if (record.cost > 1) capacity.reserved = 0
      }
      this.stands(record)
    }
    statistics.admits(record.tier)
    if (!wasBlocked) lives.begins(record)
    if (audit !== undefined) audit.admitted(record)
    if (slots.free > 0) dispatch.schedule()
    if (keeper === undefined) this.tells(record)
    else keeper.stores(record)
    if (isHeld) held.follow(record)
  }

  /** It is admitted, and everyone is told. */
  tells(record: RequestRecord): void {
    const { events, parties } = this.#parts
    const { extras } = record
    if (extras !== undefined) parties.admitted(record, extras)
    if (events.listened.queued || events.listened.full) this.#tellQueued(record)
  }

  /** One of a former life of the process comes back: there is room for it, whatever the bounds are now. */
  comesBack(record: RequestRecord): void {
    const { audit, capacity, gate } = this.#parts
    // Guards of arrivals are not asked again; but what it takes when it starts is for the guards of now to say.
    if (gate.takesTokens) record.later().claims = gate.tokens.claimsIn(record.tier, record)
    if (audit !== undefined) audit.comesBack(capacity.reserved)
    this.#enqueue(record, false, undefined)
  }

  /** It stands in the queue. */
  stands(record: RequestRecord): void {
    record.status = State.WAITING
    this.#parts.turns.waits(record)
  }

  #tellQueued(record: RequestRecord): void {
    const { capacity, tell } = this.#parts
    const { waiting, total } = capacity
    tell.of(record, 'queued', { waiting })
    // Looked at again: a listener may have made room.
    if (capacity.waiting === total && total > 0) tell.all('full', { waiting, maxQueueSize: total })
  }
}

/**
 * Is there a slot for it? What a newcomer may count on before its burst is dispatched. Step 2 of 7.
 *
 * Three answers: a free slot that no other request was promised; where nothing may wait, whether it would start in the
 * dispatch of this burst; and, for a full queue that sheds, which request would make room for it.
 *
 * That is the one that goes last of all that wait, by the order policy, if the newcomer goes before it:
 *
 *     a tier at a time, the lowest first
 *       1 those that may not start yet and never started, the one that may start last first
 *       2 those without a token
 *       3 those that stand in the queue, or could by now, the last one first
 *     and then those of 1 and 2 that others wait for by `after`
 *
 * Where an order compares across tiers, each of 1, 2 and 3 is one of all tiers. But one of a lower tier that stands makes room before
 * one of a higher tier that only lacks a token, unless both want the same tokens.
 *
 * A newcomer that may not start yet displaces only one that may start later still. The first that wait in a tier, as many as
 * `keptFor` says, are displaced by nobody of another tier.
 */
import type { Claim } from '../claim.ts'
import type { FullBound } from '../errors.ts'
import { claimsOf, isAwaited, type RequestRecord, startsLater } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Capacity } from './capacity.ts'
import type { Gate } from './gate.ts'

/** What it looks at. */
export interface OpeningsParts {
  readonly capacity: Capacity
  readonly gate: Gate
  readonly queue: {
    readonly comparesTiers: boolean
    lastBehind(newcomer: Newcomer, skips: (tier: number) => boolean): RequestRecord | undefined
    lastAside(
      newcomer: Newcomer & { readonly lacksTokens: boolean },
      skips: (tier: number) => boolean,
      isOne: (record: RequestRecord) => boolean,
    ): RequestRecord | undefined
  }
  readonly aside: { bringBack(record: RequestRecord): void }
  readonly held: {
    awaits(record: RequestRecord): boolean
    readonly starts: {
      lastBehind(
        newcomer: { readonly tier: number; readonly startAt: number },
        awaited: boolean,
        skips: (tier: number) => boolean,
      ): RequestRecord | undefined
    }
  }
  /** How many of each tier, the first that wait, are displaced by nobody of another tier. */
  readonly settings: { readonly kept: readonly number[] }
  readonly slots: { readonly free: number }
  readonly turns: {
    readonly areForAnyone: boolean
    readonly newWide: number
    readonly seats: { readonly slots: number; areFor(tier: number): boolean }
    wouldStart(record: RequestRecord, gone?: RequestRecord): boolean
  }
  readonly dispatch: { readonly paused: boolean }
}

/** Tiers in which there is none to be found. */
type Skips = (tier: number) => boolean

/** Where one who comes would stand. */
interface Newcomer {
  readonly tier: number
  readonly timedFrom: number
  readonly rank: number
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
    if (!this.isSlotFree()) return false
    if (record.extras === undefined) return true
    return record.extras.cost === 1 && !startsLater(record) && this.#parts.gate.tokensDueInMs(record) === 0
  }

  /** Where nothing may wait: may it start in the dispatch of this burst, if there are slots for it? A guard is asked. */
  mayStart(record: RequestRecord): boolean {
    const { dispatch, gate } = this.#parts
    if (startsLater(record) || gate.holds(record) || dispatch.paused) return false
    // A newcomer would have been refused.
    return record.status !== State.BLOCKED || gate.tokensDueInMs(record) === 0
  }

  /** It is to start later, and nothing may wait. */
  neverFits(record: RequestRecord): boolean {
    return this.#parts.turns.seats.areFor(record.tier) && startsLater(record)
  }

  /**
   * Which request would make room for it, if it may start. Only a guard is asked in here, before anything is looked at.
   * @param bound which one keeps it out: by that of its own tier, only one of that makes room
   * @param rank Infinity: it was not asked for, since it starts later, or goes behind all of its tier
   */
  victimFor(record: RequestRecord, bound: FullBound, rank: number): RequestRecord | undefined {
    const { queue, turns } = this.#parts
    const { tier, timedFrom } = record
    const newcomer = { tier, timedFrom, rank }
    if (turns.seats.areFor(tier)) {
      const victim = queue.lastBehind(newcomer, never)
      return victim !== undefined && turns.wouldStart(record, victim) ? victim : undefined
    }
    const skips = (t: number): boolean => t !== tier && (bound === 'priority' || this.#keeps(t))
    for (const victim of this.#lastBehind(record, newcomer, skips)) {
      if (victim !== undefined && this.#makesRoom(victim, record, bound)) return victim
    }
    return undefined
  }

  /** Those that make room for it, the one first that goes last of all: one may stand in the queue and have a slot reserved. */
  #lastBehind(record: RequestRecord, newcomer: Newcomer, skips: Skips): (RequestRecord | undefined)[] {
    const { gate, held, queue } = this.#parts
    // Asked before anything is looked at: a guard may do anything.
    const lacksTokens = gate.tokensDueInMs(record) > 0
    const startAt = held.awaits(record) ? startOf(record) : Number.NEGATIVE_INFINITY
    const place = { ...newcomer, lacksTokens }
    if (gate.takesTokens && startAt === Number.NEGATIVE_INFINITY) this.#bringBack(place, skips)
    const start = { tier: newcomer.tier, startAt }
    const later = held.starts.lastBehind(start, false, skips)
    const awaited = held.starts.lastBehind(start, true, skips)
    if (startAt > Number.NEGATIVE_INFINITY) return [later, awaited]
    // Those that wait for a token, and come after those of their tier whose time is known.
    const aside = queue.lastAside(place, skips, isNotAwaited)
    const standing = queue.lastBehind(newcomer, skips)
    const first = [later, aside, standing].filter((each) => each !== undefined)
    if (!queue.comparesTiers) first.sort((one, other) => other.tier - one.tier)
    else if (
      aside !== undefined &&
      standing !== undefined &&
      aside.tier < standing.tier &&
      !wantSame(aside, standing)
    ) {
      first.push(first.splice(first.indexOf(aside), 1)[0] as RequestRecord)
    }
    return [...first, awaited, queue.lastAside(place, skips, isAwaited)]
  }

  /** Those stand in the queue again that would make room for want of a token, and have one: a bucket brings back its first one only. */
  #bringBack(place: Newcomer & { readonly lacksTokens: boolean }, skips: Skips): void {
    const { aside, gate, queue } = this.#parts
    for (const isOne of [isNotAwaited, isAwaited]) {
      for (;;) {
        const last = queue.lastAside(place, skips, isOne)
        if (last === undefined || !gate.tokens.areThereFor(last) || last.status !== State.ASIDE) break
        aside.bringBack(last)
      }
    }
  }

  /** Those of a tier that wait are the first ones, or have slots of their own: nobody of another tier displaces them. */
  #keeps(tier: number): boolean {
    const { capacity, settings, turns } = this.#parts
    return turns.seats.areFor(tier) || capacity.sizeAt(tier) <= (settings.kept[tier] as number)
  }

  #makesRoom(victim: RequestRecord, record: RequestRecord, bound: FullBound): boolean {
    const { capacity, dispatch, slots, turns } = this.#parts
    const isWide = record.cost > 1
    if (bound === 'priority' && capacity.waiting + (isWide ? capacity.reserved : 0) < capacity.total) return true
    // It has no slot reserved, and so counts as waiting.
    if (victim.status !== State.WAITING && !isWide) return true
    // No slot is free now; but a request that has one reserved may leave it.
    const isOwed = slots.free >= capacity.reserved + capacity.returned + turns.seats.slots && turns.areForAnyone
    const takesSlot = isOwed && !dispatch.paused && !startsLater(record)
    return capacity.canDisplace(victim, isWide, takesSlot, turns.newWide)
  }
}

/** When it may start: at no time that is known, if it waits for others. */
function startOf(record: RequestRecord): number {
  const { after, startAt } = record.later()
  return after === undefined ? startAt : Number.POSITIVE_INFINITY
}

/** Does one wait for the tokens of the other? Where any is set aside, each knows what it takes. */
function wantSame(one: RequestRecord, other: RequestRecord): boolean {
  const [its, others] = [claimsOf(one) as readonly Claim[], claimsOf(other) as readonly Claim[]]
  return its.some(({ guard, bucket }) => others.some((each) => each.guard === guard && each.bucket === bucket))
}

function isNotAwaited(record: RequestRecord): boolean {
  return !isAwaited(record)
}

function never(): boolean {
  return false
}

/** An eighth of the bound. */
const KEPT = 1 / 8

/**
 * How many of each tier, the first that wait, are displaced by nobody of another tier, in a queue of so many. Under an order that
 * promises each tier a turn, and for a tier with slots of its own: an eighth, at least its reserve. For all tiers together it is
 * at most a half: what is too much, the greatest gives up.
 */
export function keptFor(total: number, isPromised: boolean, reserve: readonly number[]): readonly number[] {
  if (!Number.isFinite(total)) return reserve.map(() => 0)
  const kept = reserve.map((slots) => (isPromised || slots > 0 ? Math.max(Math.floor(total * KEPT), slots) : 0))
  for (let over = kept.reduce((sum, each) => sum + each) - Math.floor(total / 2); over > 0; over--) {
    const greatest = kept.reduce((most, each, tier) => (each >= (kept[most] as number) ? tier : most), 0)
    kept[greatest] = (kept[greatest] as number) - 1
  }
  return kept
}

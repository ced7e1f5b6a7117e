/**
 * How does it look for a newcomer? What guards may look at, and when one who was refused may try again. Step 2 of 7.
 *
 * The prediction is the work that goes before it in the order that there is, not its length in the line. Each slot hands on one
 * request in a mean recent run, and a request that takes several slots counts as several:
 *
 *     wait = (slots that those before it take + its own − free slots) · run / slots that its priority may have, at least 0
 *
 * Those that come later and go before it are not foreseen.
 */
import type { Timeline } from '../clock.ts'
import type { RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { GuardQuestion } from './guard.ts'

/** Where a request stands, or would stand. */
interface Place {
  readonly tier: number
  readonly timedFrom: number
  readonly rank: number
  readonly sequence: number
}

/** What it needs to know of the whole. */
export interface Whole {
  readonly timeline: Timeline
  readonly queue: {
    sizeAt(tier: number): number
    countsBefore(place: Place): readonly number[]
    partsBefore(place: Place): readonly number[]
  }
  readonly capacity: { readonly waiting: number; readonly reserved: number }
  readonly slots: { readonly limit: number; readonly free: number }
  readonly turns: {
    readonly seats: { readonly size: number }
    extraAt(tier: number): number
    mostFor(tier: number, slots: number): number
  }
  readonly statistics: { readonly recentRunMs: number }
  readonly limits: { wholeOf(record: RequestRecord): number }
  readonly pauses: { msSince(since: number, now: number): number }
  running(): number
  random(): number
}

/** What a refused request is told before any run has ended: nothing is known of the pace. The least that Retry-After can say. */
const UNKNOWN_PACE_MS = 1_000

export class Outlook {
  readonly #whole: Whole

  constructor(whole: Whole) {
    this.#whole = whole
  }

  /**
   * Fills in what the guards are told of a request.
   * @param rank that of a newcomer; Infinity: it was not asked for, or is behind all of its tier
   */
  describe(record: RequestRecord, question: GuardQuestion, rank = Number.POSITIVE_INFINITY): void {
    const { timeline, capacity, slots, statistics, limits, pauses, turns } = this.#whole
    const now = timeline.now()
    const { count, work } = this.#ahead(record, rank)
    // Of those that stand in the queue, some have slots in the dispatch of this burst: they count as running, as in the status.
    const placed = record.status === State.WAITING ? 0 : capacity.reserved + turns.seats.size
    question.at = now
    question.tier = record.tier
    question.request = record.request
    question.metadata = record.metadata
    question.waitMs = now - record.timedFrom
    question.deadline = record.timedFrom + limits.wholeOf(record)
    question.ahead = count
    question.waiting = capacity.waiting
    question.running = this.#whole.running() + placed
    question.concurrency = slots.limit
    question.free = Math.max(slots.free, 0)
    question.recentRunMs = statistics.recentRunMs
    question.predictedWaitMs = this.#waitMs(record.tier, work + record.cost - slots.free)
    question.pausedMs = pauses.msSince(record.timedFrom, now)
  }

  /** Which part of each tier would go before a newcomer, from 0 to 1: those included that are set aside. */
  partsAhead(record: RequestRecord, rank: number): readonly number[] {
    return this.#whole.queue.partsBefore(placeOf(record, rank))
  }

  /**
   * When a newcomer of its priority would likely find room: when those ahead of it have started, at the pace of the recent
   * runs; up to a quarter later at random, so that those who were refused together do not come back together.
   * @param more what else goes before it by then, in slots
   */
  retryAfterMs(record: RequestRecord, rank = Number.POSITIVE_INFINITY, more = 0): number {
    return this.#untilRoomMs(record.tier, this.#ahead(record, rank).work + more + 1)
  }

  /** The same for one that has waited too long and leaves: another try would stand behind those that came after it. */
  retryAgainMs(record: RequestRecord): number {
    const { work } = this.#aheadOf(placeOf(record, Number.POSITIVE_INFINITY))
    // It stands there itself, until it has left.
    return this.#untilRoomMs(record.tier, record.status === State.WAITING ? work : work + 1)
  }

  #untilRoomMs(tier: number, turns: number): number {
    const waitMs = this.#waitMs(tier, turns)
    const spread = 1 + 0.25 * this.#whole.random()
    return Math.max(Math.ceil((Number.isNaN(waitMs) ? UNKNOWN_PACE_MS : waitMs) * spread), 1)
  }

  /** Until so many slots have been handed on; NaN before the first run. */
  #waitMs(tier: number, turns: number): number {
    const { slots, statistics } = this.#whole
    return (Math.max(turns, 0) * statistics.recentRunMs) / Math.max(this.#whole.turns.mostFor(tier, slots.limit), 1)
  }

  #ahead(record: RequestRecord, rank: number): { count: number; work: number } {
    return this.#aheadOf(record.status === State.WAITING ? record : placeOf(record, rank))
  }

  /** How many go before it, and how many slots they take: of a tier of which only some do, as many as these take in the mean. */
  #aheadOf(place: Place): { count: number; work: number } {
    const { queue, turns } = this.#whole
    let count = 0
    let extra = 0
    for (const [tier, before] of queue.countsBefore(place).entries()) {
      count += before
      if (before > 0) extra += (turns.extraAt(tier) * before) / queue.sizeAt(tier)
    }
    return { count, work: count + extra }
  }
}

/** One that comes goes behind all that have its rank. */
function placeOf({ tier, timedFrom }: RequestRecord, rank: number): Place {
  return { tier, timedFrom, rank, sequence: Number.POSITIVE_INFINITY }
}

/**
 * How does it look for a newcomer? What guards may look at, and when one who was refused may try again. Step 2 of 7.
 */
import type { Timeline } from '../clock.ts'
import type { RequestRecord } from '../request-record.ts'
import type { GuardQuestion } from './guard.ts'

/** What it needs to know of the whole. */
export interface Whole {
  readonly timeline: Timeline
  readonly queue: { countAhead(tier: number): number }
  readonly capacity: { readonly waiting: number }
  readonly slots: { readonly limit: number }
  readonly statistics: { readonly recentRunMs: number }
  readonly limits: { wholeOf(record: RequestRecord): number }
  readonly pauses: { msSince(since: number, now: number): number }
  running(): number
  random(): number
}

export class Outlook {
  readonly #whole: Whole

  constructor(whole: Whole) {
    this.#whole = whole
  }

  /** Fills in what the guards are told of a request. */
  describe(record: RequestRecord, question: GuardQuestion): void {
    const { timeline, queue, capacity, slots, statistics, limits, pauses } = this.#whole
    const now = timeline.now()
    question.at = now
    question.tier = record.tier
    question.request = record.request
    question.metadata = record.metadata
    question.waitMs = now - record.timedFrom
    question.deadline = record.timedFrom + limits.wholeOf(record)
    question.ahead = queue.countAhead(record.tier)
    question.waiting = capacity.waiting
    question.running = this.#whole.running()
    question.concurrency = slots.limit
    question.recentRunMs = statistics.recentRunMs
    question.pausedMs = pauses.msSince(record.timedFrom, now)
  }

  /**
   * When a newcomer of a tier would likely find room: when those ahead of it have started, at the pace of the recent
   * runs; up to a quarter later at random, so that those who were refused together do not come back together.
   */
  retryAfterMs(tier: number): number | undefined {
    const { queue, slots, statistics } = this.#whole
    const { recentRunMs } = statistics
    if (Number.isNaN(recentRunMs)) return undefined
    const ahead = queue.countAhead(tier) + 1
    return Math.max(Math.ceil((ahead * recentRunMs * (1 + 0.25 * this.#whole.random())) / slots.limit), 1)
  }
}

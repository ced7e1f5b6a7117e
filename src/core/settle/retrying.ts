/**
 * Once more? A run that has failed may back off before another attempt. Step 5 of 7.
 *
 * The policy is asked last: what can't be tried again must not use up its budget. Its answer is looked at with care, since it
 * is code of the user, and may have ended the request, or closed the executor.
 */
import { noAnswer } from '../checks.ts'
import type { Timeline } from '../clock.ts'
import type { RequestRecord } from '../request-record.ts'
import type { Closing } from './closing.ts'
import type { Parties } from './parties.ts'
import type { RetryPolicy, RetryQuestion } from './retry.ts'

/** What it acts on. */
export interface RetryingParts {
  readonly settings: { readonly retry: RetryPolicy | undefined; readonly maxRetrying: number }
  readonly timeline: Timeline
  readonly parties: Parties<unknown, unknown>
  readonly closing: Closing
  readonly held: {
    readonly retrying: number
    addAgain(record: RequestRecord, error: unknown, dueAt: number, now: number): void
  }
  readonly dispatch: { running: number }
  readonly statistics: { retries: number; totals(): { readonly admitted: number } }
  readonly gate: { holdFor(ms: number): void }
  readonly events: { guard(policy: () => void, event: 'retrying'): void }
  readonly tell: {
    of(record: RequestRecord, event: 'retrying', more: { attempt: number; error: unknown; delayMs: number }): void
  }
  readonly audit: { retries(record: RequestRecord): void } | undefined
  readonly keeper: { retries(record: RequestRecord, error: unknown, delayMs: number): void } | undefined
}

export class Retrying {
  readonly #parts: RetryingParts

  constructor(parts: RetryingParts) {
    this.#parts = parts
  }

  /** Has a run that failed back off before another attempt; false: it has failed for good. */
  tries(record: RequestRecord, error: unknown): boolean {
    const { audit, dispatch, held, keeper, parties, settings, statistics, tell, timeline } = this.#parts
    const { retry } = settings
    if (retry === undefined) return false
    if (retry.holdMs !== undefined) this.#holds(retry, record, error)
    if (!this.#may(record)) return false
    if (held.retrying >= settings.maxRetrying) {
      record.later().notRetried = 'full'
      return false
    }
    const now = timeline.now()
    const { attempt } = record
    const dueAt = now + this.#delayMs(retry, record, error, now)
    // Looked at again: the policy may have ended it.
    if (!this.#may(record) || !(dueAt >= now)) return false
    // What would be over, for all who wait for it, before its turn has failed now.
    if (!parties.waitAgain(record, dueAt)) return false
    dispatch.running--
    statistics.retries++
    held.addAgain(record, error, dueAt, now)
    if (audit !== undefined) audit.retries(record)
    if (keeper !== undefined) keeper.retries(record, error, dueAt - now)
    tell.of(record, 'retrying', { attempt: record.attemptsWith(attempt), error, delayMs: dueAt - now })
    return true
  }

  #may(record: RequestRecord): boolean {
    // Closed without drain, nothing waits any more.
    return !record.ended && this.#parts.closing.drains
  }

  /** NaN: not again. */
  #delayMs(retry: RetryPolicy, record: RequestRecord, error: unknown, now: number): number {
    let delayMs: number | undefined
    this.#parts.events.guard(() => {
      delayMs = msOf('delayMs', retry.delayMs(this.#questionOf(record, error, now)))
    }, 'retrying')
    return delayMs ?? Number.NaN
  }

  /** Nothing else is to start before, either. */
  #holds(retry: RetryPolicy, record: RequestRecord, error: unknown): void {
    const { events, gate, timeline } = this.#parts
    events.guard(() => {
      const holdMs = msOf('holdMs', retry.holdMs?.(this.#questionOf(record, error, timeline.now())))
      if (holdMs !== undefined && holdMs > 0 && holdMs < Number.POSITIVE_INFINITY) gate.holdFor(holdMs)
    }, 'retrying')
  }

  #questionOf(record: RequestRecord, error: unknown, now: number): RetryQuestion {
    const { attempt, tier, timedFrom } = record
    const { admitted } = this.#parts.statistics.totals()
    return { attempt: record.attemptsWith(attempt), error, tier, elapsedMs: now - timedFrom, admitted }
  }
}

/** @throws {OptionsError} for what is no time, such as the promise of a policy that is asynchronous by mistake */
function msOf(question: 'delayMs' | 'holdMs', answer: number | undefined): number | undefined {
  if (answer === undefined || typeof answer === 'number') return answer
  throw noAnswer(`retry.${question}`, 'a function that returns a number of ms, or undefined', answer)
}

/**
 * What an executor may know of its run: its second argument. Step 4 of 7.
 */
import type { Instant } from '../clock.ts'
import type { Priority } from '../priority.ts'
import type { RequestRecord } from '../queued-request.ts'

/** The second argument of an executor. */
export interface RunContext {
  /** The caller's own id, or one made when it is first read. */
  readonly id: string
  readonly priority: Priority
  /** 1 for the first attempt. */
  readonly attempt: number
  /** When it was submitted, in ms on the executor's clock (`performance.now()` by default). */
  readonly enqueuedAt: number
  /** How long it waited for its slot, in ms: earlier attempts are in it, `delayMs` is not. */
  readonly waitMs: number
  /** For how long it was put off by `delayMs`, `startAt` or a rate, in ms; 0 for a request that might start at once. */
  readonly delayMs: number
  /** When its time is over, on the same clock: the earlier of the run's and the whole request's; or Infinity. */
  readonly deadline: number
  /** What the caller gave as `metadata`. */
  readonly metadata: unknown
  /**
   * Aborted when the caller is no longer waiting: cancelled, timed out, closed. Hand it on to whatever you call. It is
   * made when it is first read, and is the run's own: listeners on it die with the run.
   */
  readonly signal: AbortSignal
}

/**
 * One run: what the executor is given, and by which its slot knows what it runs. Made for each, so it holds four fields
 * and works the rest out when it is asked.
 */
export class Run implements RunContext {
  readonly #record: RequestRecord
  readonly #began: Instant
  #controller: AbortController | undefined = undefined
  /** Why it was aborted, for a signal that is read only later. */
  #aborted: { readonly reason: unknown } | undefined = undefined

  constructor(record: RequestRecord, began: Instant) {
    this.#record = record
    this.#began = began
  }

  get id(): string {
    return this.#record.id
  }

  get priority(): Priority {
    return this.#record.priority
  }

  get attempt(): number {
    return this.#record.attempt
  }

  get enqueuedAt(): number {
    return this.#record.enqueuedAt
  }

  get waitMs(): number {
    return this.#began.at - this.#record.timedFrom
  }

  get delayMs(): number {
    return this.#record.delayMs
  }

  get deadline(): number {
    return this.#record.owner.dueAt(this.#record, this.#began.at)
  }

  get metadata(): unknown {
    return this.#record.metadata
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  // What follows is for the slot; the executor, which holds the same object, has no way to it.

  static recordOf(run: Run): RequestRecord {
    return run.#record
  }

  /** Tells the executor that nobody waits for its answer any more. */
  static abort(run: Run, reason: unknown): void {
    run.#aborted = { reason }
    run.#controller?.abort(reason)
  }
}

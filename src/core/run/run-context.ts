/**
 * What an executor may know of its run: its second argument. Step 4 of 7.
 */
import type { Instant } from '../clock.ts'
import type { CloseOptions } from '../close-options.ts'
import type { Priority } from '../priority.ts'
import type { RequestRecord } from '../request-record.ts'

/** The second argument of an executor. */
export interface RunContext<Metadata = unknown> {
  /** The caller's own id, or one made when it is first read. */
  readonly id: string
  readonly priority: Priority
  /** Which of the executor's `kinds` it is; undefined: none of them. */
  readonly kind: string | undefined
  /** 1 for the first attempt. With a store those of former lives of the process are counted, too. */
  readonly attempt: number
  /** When it was submitted, in ms on the executor's clock (`performance.now()` by default). */
  readonly enqueuedAt: number
  /** How long it waited for its slot, in ms: earlier attempts are in it, `delayMs` is not. */
  readonly waitMs: number
  /** For how long it was put off by `delayMs`, `startAt` or a guard, in ms; 0 for a request that might start at once. */
  readonly delayMs: number
  /** When its time is over, on the same clock: the earlier of the run's and the whole request's; or Infinity. */
  readonly deadline: number
  /**
   * How much of that time is left now, in ms: 0 when it is over, Infinity when there is no end. For what takes a timeout:
   * `fetch(url, { signal: AbortSignal.timeout(…) })`, or a request to another queue (`timeoutMs`).
   */
  readonly remainingMs: number
  /** What the caller gave as `metadata`. */
  readonly metadata: Metadata
  /**
   * Aborted when the caller is no longer waiting: cancelled, timed out, closed; while the slot is held, when the time of
   * the run is over, or all callers have aborted signals of their own. Hand it on to whatever you call. It is
   * made when it is first read, and is the run's own: listeners on it die with the run.
   */
  readonly signal: AbortSignal
  /**
   * Keeps the slot busy until `promise` has settled, though the call is answered before: the answer is a stream, and the
   * slot is free when the stream has been read. `runTimeoutMs` and `timeoutMs` go on until then. Of several promises, all
   * must settle. Nothing is held for a call that fails.
   * @throws {OptionsError} for what is no promise, and when the executor has answered already
   */
  holdUntil(promise: PromiseLike<unknown>): void
  /**
   * Says how far it has come: for the event `progress`, the handle and `getWorkerHealth()`. Ignored once nobody waits for the
   * answer any more.
   * @param fraction from 0 to 1
   * @param message cut to 256 characters
   * @throws {OptionsError}
   */
  progress(fraction: number, message?: string): void
  /**
   * `close()` of the executor, for this run to await: it does not wait for the runs that await it. On Node 24 and later
   * `executor.close()` knows its own runs by itself; before, only in their synchronous part.
   * @throws {OptionsError} through the promise
   * @throws {TypeError} through the promise, in a `WorkerPool`: a pool has no `close()`
   */
  close(options?: CloseOptions): Promise<void>
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
    return this.#record.attemptsWith()
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

  get remainingMs(): number {
    return Math.max(this.deadline - this.#record.owner.now(), 0)
  }

  get metadata(): unknown {
    return this.#record.metadata
  }

  get kind(): string | undefined {
    return this.#record.extras?.later?.kind
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  holdUntil(promise: PromiseLike<unknown>): void {
    this.#record.owner.slots().holdUntil(this, promise)
  }

  progress(fraction: number, message?: string): void {
    this.#record.owner.slots().progress(this, fraction, message)
  }

  close(options?: CloseOptions): Promise<void> {
    return this.#record.owner.close(this, options)
  }

  // What follows is for the slot; the executor, which holds the same object, has no way to it.

  static recordOf(run: Run): RequestRecord {
    return run.#record
  }

  /** Tells the executor that nobody waits for its answer any more, or reads it. The first reason counts. */
  static abort(run: Run, reason: unknown): void {
    if (run.#aborted !== undefined) return
    run.#aborted = { reason }
    run.#controller?.abort(reason)
  }
}

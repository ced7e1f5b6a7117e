/**
 * What a caller sees of a request: its handle.
 */
import type { Priority } from './priority.ts'
import type { RequestState } from './request-state.ts'

/** How far a run has come: what it said last with `run.progress()`. */
export interface RunProgress {
  /** From 0 to 1. */
  readonly fraction: number
  /** What came with it, cut to 256 characters. */
  readonly message: string | undefined
  /** When it said so, in ms on the executor's clock. */
  readonly at: number
}

/** The handle of a request that was admitted: look at it, change it, cancel it, await its result. */
export interface QueuedRequest<Req = unknown, Res = unknown, Metadata = unknown> {
  /** The caller's own id, or one made when it is first read. Unique among the live requests. */
  readonly id: string
  readonly request: Req
  readonly priority: Priority
  readonly state: RequestState
  readonly metadata: Metadata
  /** When it was submitted, in ms on the executor's clock (`performance.now()` by default). */
  readonly enqueuedAt: number
  /**
   * For how long it was put off by `delayMs`, `startAt` or a rate, in ms; 0 for a request that might start at once. This time is
   * no part of its wait, and its timeouts count from its end.
   */
  readonly delayMs: number
  /** When it was given its slot; undefined before that. */
  readonly startedAt: number | undefined
  /** When it ended; undefined before that. */
  readonly endedAt: number | undefined
  /** How far its run has come, by `run.progress()`; undefined while it does not run, and when nothing was said. */
  readonly progress: RunProgress | undefined
  /**
   * The answer of the executor, or the error that ended the request. Made when it is first read: a handle whose `result`
   * is never read causes no unhandled rejection.
   */
  readonly result: Promise<Res>
  /**
   * Fulfils when the store of the executor has it, so that it outlives the process; at once without a store. Rejects with what
   * refused it, if it could not be stored.
   */
  readonly stored: Promise<void>
  /**
   * Ends it now, with a `CancelledError` that has `reason` as its cause. If it runs, `run.signal` is aborted; its slot
   * is free when the call settles. False when it has ended already.
   */
  cancel(reason?: unknown): boolean
  /**
   * Gives it another priority. It then has the place that it would have if it had come with that one. Its timeouts stay the
   * same. False when it waits no more, or that priority has a bound of its own that is reached.
   * @throws {OptionsError} for a priority that is none
   */
  setPriority(priority: Priority): boolean
  /** How many would start before it: 0 is next. Undefined when it does not wait in the queue. */
  position(): number | undefined
  /** `'full'`: it has failed, and was not tried again, since `maxRetrying` requests were being retried already. */
  readonly notRetried: NotRetried | undefined
}

/** Why a failure was final that the retry policy was not even asked about. */
export type NotRetried = 'full'

/** What a request was submitted with, besides its id, priority and metadata, and needs when it is submitted again. */
export interface RepeatOptions {
  readonly cost: number
  readonly waitTimeoutMs?: number | undefined
  readonly runTimeoutMs?: number | undefined
  readonly timeoutMs?: number | undefined
}

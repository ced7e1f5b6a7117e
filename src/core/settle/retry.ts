/**
 * Once more, and when? A retry policy answers with a delay, or not at all. Step 5 of 7.
 *
 * Policies decide, the executor acts: a request that is to be tried again leaves its slot while it backs off, keeps the
 * rank of its admission, and is not judged again when it comes back to the queue; but each attempt takes its tokens, where starts
 * do. Its timeouts go on from its submission.
 *
 * How to write one: docs/write-a-policy.md.
 */
import type { Policy } from '../policy.ts'

/** One failed attempt. One object is used again for every question: read it, don't keep it. */
export interface RetryQuestion {
  /** Which attempt has failed: 1 for the first. */
  attempt: number
  /** What the executor has thrown, or rejected with. */
  error: unknown
  /** 0 for urgent … 3 for low. */
  tier: number
  /** Since the request was submitted, in ms. */
  elapsedMs: number
  /** How many requests have been admitted so far: what a budget is a share of. */
  admitted: number
}

/** Which failures are tried again, given through the option `retry`. One policy object serves one executor. */
export interface RetryPolicy extends Policy {
  /**
   * The time in ms until the next attempt, 0 for at once; undefined: there is none, and the caller gets the error. It is asked
   * when the executor has failed while its caller still waits, but not while `maxRetrying` requests are being retried. A run
   * timeout or a cancellation is never tried again. The failure is final if the delay would end after the request's time is over,
   * or is negative, NaN or Infinity. It is also final if the policy throws, or answers with what is no number: that is reported,
   * as an error of a listener is.
   */
  delayMs(question: Readonly<RetryQuestion>): number | undefined
  /**
   * For how many ms nothing starts, whatever it is; undefined, 0, or what is no finite number: the failure is nobody else's matter.
   * Asked after each failure, also of a request that is not tried again, and before `delayMs`. Of several the longest holds. If the
   * policy throws, that is reported.
   */
  holdMs?(question: Readonly<RetryQuestion>): number | undefined
}

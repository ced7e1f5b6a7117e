/**
 * Once more, and when? A retry policy answers with a delay, or not at all. Step 5 of 7.
 *
 * Policies decide, the executor acts: a request that is to be tried again leaves its slot while it backs off, keeps the
 * rank of its admission, and is not judged again when it comes back to the queue. Its timeouts go on from its submission.
 *
 * How to write one: docs/write-a-policy.md.
 */

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
export interface RetryPolicy {
  /** What `describe()` calls it. */
  readonly name: string
  /**
   * In how many ms to try again, 0 for at once; undefined: not at all, and the caller gets the error. Asked when the executor has
   * failed while its caller still waits, but not while `maxRetrying` are retried already. A run timeout or a cancellation is never
   * tried again. A delay that would end after the request's time is over is not begun, nor one that is less than 0, NaN or
   * Infinity. What it throws is reported, as what a listener throws, and so is what is no number: the failure is final then.
   */
  delayMs(question: Readonly<RetryQuestion>): number | undefined
}

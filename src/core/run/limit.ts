/**
 * How many calls may run at once? A limit policy answers with a number, and learns from each call that has settled. Step 4 of 7.
 *
 * Policies decide, the slots act: a policy is arithmetic on samples; it owns no timer and no promise. The names and the
 * split between arithmetic and enforcement are those of Netflix's concurrency-limits.
 *
 * How to write one: docs/write-a-policy.md.
 *
 * @see https://github.com/Netflix/concurrency-limits
 */
import { hasMethods } from '../checks.ts'
import { type Policy, policyRule } from '../policy.ts'

/** One settled call. One object is used again for every sample: read it, don't keep it. */
export interface LimitSample {
  /** When it settled, in ms on the executor's clock. */
  at: number
  /** How long it ran. */
  runMs: number
  /** How many calls ran when it started, itself included. */
  inflight: number
  /** The downstream refused it or did not answer in time: a sign of overload, not a measure of its speed. */
  dropped: boolean
}

/**
 * A concurrency limit, given through the option `limit`. One policy object serves one executor. An error that it throws is
 * reported, as one of a listener is, and the limit stays. So is an answer that is no number. NaN and Infinity change nothing
 * either.
 */
export interface LimitPolicy extends Policy {
  /** The limit to begin with: an integer of at least 1. */
  readonly initial: number
  /** True: the limit it answers with is only reported, and `concurrency` holds. */
  readonly shadow?: boolean | undefined
  /**
   * Learns, and answers with the limit from now on. The answer is rounded down to an integer of at least 1. It is called for
   * calls that succeeded, and for those that were `dropped`: each attempt. It is not called for a call that was cancelled, or
   * that failed for a reason of its own.
   */
  sample(sample: Readonly<LimitSample>): number
  /** Whether an error of the executor is a sign of overload. A run timeout always is. Without this, no error is. */
  isDropped?(error: unknown): boolean
}

/** What the option `limit` takes. */
export const aLimit = /* @__PURE__ */ policyRule('limit', 'a limit policy, such as adaptive()', (value) =>
  hasMethods(value, 'sample'),
)

/** Always the same: what the option `concurrency` does, as a policy. */
export function fixed(limit: number): LimitPolicy {
  return { name: 'fixed', option: 'limit', initial: limit, sample: () => limit }
}

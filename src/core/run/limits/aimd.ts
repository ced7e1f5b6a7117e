/**
 * How many calls may run, judged by overload alone? Additive increase, multiplicative decrease, as TCP Reno. Step 4 of 7.
 *
 *     dropped, or slower than the timeout    L ← L · backoff
 *     at least half of L was in use          L ← L + 1
 *     otherwise                              L stays: unused room says nothing about more of it
 *
 * It needs a downstream that says when it is overloaded, by an error (`isDropped`) or by being late: it never looks at
 * latency below the timeout, and so fills whatever queue the downstream has until it overflows.
 *
 * The numbers are those of Netflix's `AIMDLimit`, for the same samples.
 *
 * @see https://github.com/Netflix/concurrency-limits (limit/AIMDLimit)
 */
import { numberThat } from '../../checks.ts'
import type { LimitPolicy } from '../limit.ts'
import { type LearningLimitOptions, learningLimit, readLimitOptions } from './limit-options.ts'

/** `initial` is 20, `min` 20 and `max` 200 by default. */
export interface AimdOptions extends LearningLimitOptions {
  /**
   * What is left of the limit after a sign of overload: from 0.5 to less than 1.
   * @default 0.9
   */
  backoff?: number | undefined
  /**
   * A run that took longer, in ms, is a sign of overload. Greater than 0; Infinity: only what was dropped is.
   * @default 5_000
   */
  timeoutMs?: number | undefined
}

const defaults = { initial: 20, min: 20, max: 200, backoff: 0.9, timeoutMs: 5_000 }

const rules = {
  backoff: /* @__PURE__ */ numberThat('a number from 0.5 to less than 1', (value) => value >= 0.5 && value < 1),
  timeoutMs: /* @__PURE__ */ numberThat('a number of ms greater than 0, or Infinity', (value) => value > 0),
}

/**
 * A limit that grows by one with each success, and shrinks by a tenth with each sign of overload.
 * @throws {OptionsError}
 */
export function aimd(options: AimdOptions = {}): LimitPolicy {
  const { initial, min, max, backoff, timeoutMs, isDropped } = readLimitOptions(options, defaults, rules)
  let limit = initial
  const sample: LimitPolicy['sample'] = ({ runMs, inflight, dropped }) => {
    if (dropped || runMs > timeoutMs) limit = Math.floor(limit * backoff)
    else if (inflight * 2 >= limit) limit++
    limit = Math.min(max, Math.max(min, limit))
    return limit
  }
  return learningLimit('aimd', initial, sample, isDropped)
}

/**
 * How many calls may run, judged by the trend of latency? The last run against a long average. Step 4 of 7.
 *
 *     long   exponential average over `longWindow` samples, factor 2 / (n + 1); of the first ten their plain mean
 *            while long / run > 2, long ← 0.95 · long: back to normal after a time of overload
 *     g      tolerance · long / run, from 0.5 to 1
 *     L      ← (1 − smoothing) · L + smoothing · (g · L + queueSize), from min to max
 *
 * With less than half of L in use it stays. What was dropped counts by its duration only, as any other run.
 *
 * Known defect: the average follows whatever lasts. Under a constant latency g is 1, also when that latency is mostly
 * queueing, and L grows by smoothing · queueSize with each sample, up to `max`. `adaptive()` does not.
 *
 * The numbers are those of Netflix's `Gradient2Limit`, for the same samples.
 *
 * @see https://github.com/Netflix/concurrency-limits (limit/Gradient2Limit, limit/measurement/ExpAvgMeasurement)
 */
import { numberThat } from '../../checks.ts'
import type { LimitPolicy } from '../limit.ts'
import {
  integerFrom,
  type LearningLimitOptions,
  learningLimit,
  nanosecondsOf,
  readLimitOptions,
} from './limit-options.ts'

/** `initial` is 20, `min` 20 and `max` 200 by default. */
export interface Gradient2Options extends LearningLimitOptions {
  /**
   * How much of each change is made: greater than 0, at most 1.
   * @default 0.2
   */
  smoothing?: number | undefined
  /**
   * By how much the limit may grow while latency is steady: an integer of at least 0.
   * @default 4
   */
  queueSize?: number | undefined
  /**
   * Over how many samples the long average goes: an integer of at least 1.
   * @default 600
   */
  longWindow?: number | undefined
  /**
   * How many times the long average a run may take before the limit shrinks: at least 1.
   * @default 1.5
   */
  tolerance?: number | undefined
}

const defaults = { initial: 20, min: 20, max: 200, smoothing: 0.2, queueSize: 4, longWindow: 600, tolerance: 1.5 }

const rules = {
  smoothing: /* @__PURE__ */ numberThat('a number greater than 0 and at most 1', (value) => value > 0 && value <= 1),
  queueSize: /* @__PURE__ */ integerFrom(0),
  longWindow: /* @__PURE__ */ integerFrom(1),
  tolerance: /* @__PURE__ */ numberThat(
    'a number of at least 1',
    (value) => value >= 1 && value < Number.POSITIVE_INFINITY,
  ),
}

/**
 * A limit that grows while latency is steady or falls, and shrinks while it rises.
 * @throws {OptionsError}
 */
export function gradient2(options: Gradient2Options = {}): LimitPolicy {
  const { initial, min, max, smoothing, queueSize, longWindow, tolerance, isDropped } = readLimitOptions(
    options,
    defaults,
    rules,
  )
  const factor = 2 / (longWindow + 1)
  // In an array: a number that is no small integer would be boxed anew each time.
  const state = Float64Array.of(initial, 0, 0)
  let warmUp = 0

  const sample: LimitPolicy['sample'] = ({ runMs, inflight }) => {
    const run = nanosecondsOf(runMs)
    let long: number
    if (warmUp < WARM_UP) {
      warmUp++
      state[SUM] = (state[SUM] as number) + run
      long = (state[SUM] as number) / warmUp
    } else {
      long = (state[LONG] as number) * (1 - factor) + run * factor
    }
    // What has just been measured still judges this sample; the correction counts from the next one on.
    state[LONG] = long / run > 2 ? long * 0.95 : long

    const limit = state[LIMIT] as number
    if (inflight < limit / 2) return Math.floor(limit)
    const gradient = Math.max(0.5, Math.min(1, (tolerance * long) / run))
    const next = limit * (1 - smoothing) + (limit * gradient + queueSize) * smoothing
    state[LIMIT] = Math.max(min, Math.min(max, next))
    return Math.floor(state[LIMIT] as number)
  }
  return learningLimit('gradient2', initial, sample, isDropped)
}

const LIMIT = 0
const LONG = 1
const SUM = 2
const WARM_UP = 10

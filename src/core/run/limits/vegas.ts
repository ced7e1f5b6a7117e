/**
 * How many calls may run, judged by the queue in the downstream? As TCP Vegas does it. Step 4 of 7.
 *
 * The shortest run seen is taken for the time without any queue; what a run took longer than that, it has queued:
 *
 *     q = ⌈L · (1 − noLoad / run)⌉           of the L in flight, so many are queueing
 *     dropped                                L ← L − log10 L
 *     less than half of L was in use         L stays
 *     q ≤ threshold (log10 L)                L ← L + beta
 *     q < alpha (3 · log10 L)                L ← L + log10 L
 *     q > beta (6 · log10 L)                 L ← L − log10 L
 *
 * log10 is an integer here, and at least 1. The time without a queue is measured anew after each
 * `probeMultiplier` · L · jitter samples, jitter from 0.5 to 1: the run that happens to settle then is taken for it, so
 * that a downstream that has become slower is not judged by its past for ever. If that run has queued, the limit grows
 * by as much: a downstream that is always full makes it drift up.
 *
 * The numbers are those of Netflix's `VegasLimit`, for the same samples, in its order: a run that sets the time without
 * a queue, dropped or not, changes nothing else.
 *
 * @see https://github.com/Netflix/concurrency-limits (limit/VegasLimit, limit/functions/Log10RootIntFunction)
 * @see Brakmo and Peterson, TCP Vegas, IEEE JSAC 13(8), 1995
 */
import { aFunction, numberThat, shareOf } from '../../checks.ts'
import type { LimitPolicy } from '../limit.ts'
import {
  integerFrom,
  type LearningLimitOptions,
  learningLimit,
  nanosecondsOf,
  readLimitOptions,
} from './limit-options.ts'

/** `initial` is 20, `min` 1 and `max` 1000 by default. */
export interface VegasOptions extends LearningLimitOptions {
  /**
   * With fewer queueing, the limit grows slowly: an integer of at least 0.
   * @default 3 · log10 of the limit
   */
  alpha?: number | undefined
  /**
   * With more queueing, the limit shrinks; and the step by which it grows while nothing queues. An integer of at least 0.
   * @default 6 · log10 of the limit
   */
  beta?: number | undefined
  /**
   * With at most so many queueing, the limit grows fast: an integer of at least 0.
   * @default log10 of the limit
   */
  threshold?: number | undefined
  /**
   * How much of each change is made: greater than 0, at most 1.
   * @default 1
   */
  smoothing?: number | undefined
  /**
   * After how many times the limit's samples the time without a queue is measured anew: an integer of at least 1.
   * @default 30
   */
  probeMultiplier?: number | undefined
  /**
   * A number from 0 to 1, for the jitter: asked once at first and once for each probe.
   * @default Math.random
   */
  random?: (() => number) | undefined
}

const byLimit: number | undefined = undefined

const defaults = {
  initial: 20,
  min: 1,
  max: 1000,
  alpha: byLimit,
  beta: byLimit,
  threshold: byLimit,
  smoothing: 1,
  probeMultiplier: 30,
  random: () => Math.random(),
}

const rules = {
  alpha: /* @__PURE__ */ integerFrom(0),
  beta: /* @__PURE__ */ integerFrom(0),
  threshold: /* @__PURE__ */ integerFrom(0),
  smoothing: /* @__PURE__ */ numberThat('a number greater than 0 and at most 1', (value) => value > 0 && value <= 1),
  probeMultiplier: /* @__PURE__ */ integerFrom(1),
  random: aFunction,
}

/**
 * A limit that keeps a short queue in the downstream: it compares each run with the shortest one.
 * @throws {OptionsError}
 */
export function vegas(options: VegasOptions = {}): LimitPolicy {
  const { initial, min, max, alpha, beta, threshold, smoothing, probeMultiplier, random, isDropped } = readLimitOptions(
    options,
    defaults,
    rules,
  )
  // In an array: a number that is no small integer would be boxed anew each time.
  const state = Float64Array.of(initial, 0, jitter(random))
  let samples = 0

  const sample: LimitPolicy['sample'] = ({ runMs, inflight, dropped }) => {
    const run = nanosecondsOf(runMs)
    const limit = state[LIMIT] as number
    const noLoad = state[NO_LOAD] as number
    const whole = Math.floor(limit)
    samples++
    if ((state[JITTER] as number) * probeMultiplier * limit <= samples) {
      state[JITTER] = jitter(random)
      state[NO_LOAD] = run
      samples = 0
      return whole
    }
    if (noLoad === 0 || run < noLoad) {
      state[NO_LOAD] = run
      return whole
    }

    const step = log10(whole)
    const queue = Math.ceil(limit * (1 - noLoad / run))
    let next = limit
    if (dropped) next = limit - step
    else if (inflight * 2 < limit) return whole
    else if (queue <= (threshold ?? step)) next = limit + (beta ?? 6 * step)
    else if (queue < (alpha ?? 3 * step)) next = limit + step
    else if (queue > (beta ?? 6 * step)) next = limit - step
    else return whole
    next = Math.max(min, Math.min(max, next))
    next = (1 - smoothing) * limit + smoothing * next
    state[LIMIT] = next
    return Math.floor(next)
  }
  return learningLimit('vegas', initial, sample, isDropped)
}

const LIMIT = 0
const NO_LOAD = 1
const JITTER = 2

function jitter(random: () => number): number {
  return 0.5 + 0.5 * shareOf('vegas.random', random, 1)
}

/** Counted in digits, not by `Math.log10`, which is off at powers of ten in some engines. */
function log10(limit: number): number {
  let digits = 1
  for (let rest = limit; rest >= 100; rest /= 10) digits++
  return digits
}

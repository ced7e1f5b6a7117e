/**
 * What may a learning limit be told? The options that all of them share, and how each of them looks at its own: once,
 * when it is made.
 */
import { aFunction, type Complete, isCount, type OptionRule, readGiven } from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import type { LimitPolicy } from '../limit.ts'

export interface LearningLimitOptions {
  /** The limit to begin with: an integer from `min` to `max`. */
  initial?: number | undefined
  /** Never below: an integer of at least 1. */
  min?: number | undefined
  /** Never above: an integer of at least `min`. */
  max?: number | undefined
  /**
   * Whether an error of the executor is a sign of overload (HTTP 429 or 503, a full pool), and may make the limit smaller. A
   * run timeout always is. Any other error changes nothing.
   * @default () => false
   */
  isDropped?(error: unknown): boolean
}

export function integerFrom(least: number): OptionRule {
  return { expected: `an integer of at least ${least}`, fits: (value) => isCount(value, least) }
}

const shared = {
  initial: /* @__PURE__ */ integerFrom(1),
  min: /* @__PURE__ */ integerFrom(1),
  max: /* @__PURE__ */ integerFrom(1),
  isDropped: aFunction,
}

/**
 * Options with their defaults. What is set to undefined is not set; a default for `initial` gives way to `min` and `max`.
 * @throws {OptionsError} that names the option, what it must be, and what it is
 */
export function readLimitOptions<D extends Complete<Pick<LearningLimitOptions, 'initial' | 'min' | 'max'>>>(
  options: unknown,
  defaults: D,
  own: { readonly [K in Exclude<keyof D, 'initial' | 'min' | 'max'>]: OptionRule },
): D & Pick<LearningLimitOptions, 'isDropped'> {
  const given = readGiven<Record<string, unknown>>('', options, { ...shared, ...own })
  const read: Record<string, unknown> = { ...defaults, ...given }
  const { initial, min, max } = read as D
  if (max < min) throw new OptionsError('max', `an integer of at least min (${min})`, max)
  if (given.initial === undefined) read.initial = Math.min(Math.max(initial, min), max)
  else if (initial < min || initial > max) {
    throw new OptionsError('initial', `an integer from min to max (${min} to ${max})`, initial)
  }
  return read as D & Pick<LearningLimitOptions, 'isDropped'>
}

/** A policy object; `isDropped` is there only if it was given. */
export function learningLimit(
  name: string,
  initial: number,
  sample: LimitPolicy['sample'],
  isDropped: LearningLimitOptions['isDropped'],
): LimitPolicy {
  const own = { name, option: 'limit', remembers: true, initial, sample } as const
  return isDropped === undefined ? own : { ...own, isDropped }
}

/**
 * A duration as the Java originals measure it: whole nanoseconds, at least one. So the same samples give the same limit,
 * to the last bit. What is no duration at all counts as the shortest.
 */
export function nanosecondsOf(ms: number): number {
  const nanoseconds = Math.round(ms * 1e6)
  if (!(nanoseconds > 1)) return 1
  return nanoseconds < Number.MAX_SAFE_INTEGER ? nanoseconds : Number.MAX_SAFE_INTEGER
}

/**
 * Where does one bucket end and the next begin? The upper bounds of the histograms, in seconds.
 */
import { requireOptions } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'

/** The bounds of the two histograms. */
export interface Bounds {
  readonly wait: readonly number[]
  readonly run: readonly number[]
}

/** More than anyone looks at, and few enough for a registry: each bound is 20 series for each executor. */
const MAX_BOUNDS = 100
const expected = `an array of 1 to ${MAX_BOUNDS} numbers of seconds greater than 0, ascending`

// What waits longer than a minute has mostly been given up; a run may take until the default timeout of 5 minutes.
const shared = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const defaults: Bounds = { wait: shared, run: [...shared, 120, 300] }

/** @throws {OptionsError} */
export function readBuckets(buckets: unknown): Bounds {
  if (Array.isArray(buckets)) {
    const both = readBounds('buckets', buckets)
    return { wait: both, run: both }
  }
  if (typeof buckets !== 'object' || buckets === null) {
    throw new OptionsError('buckets', `${expected}, or an object with such arrays as wait and run`, buckets)
  }
  requireOptions('buckets', buckets, ['wait', 'run'])
  const { wait = defaults.wait, run = defaults.run } = buckets as Partial<Bounds>
  return { wait: readBounds('buckets.wait', wait), run: readBounds('buckets.run', run) }
}

function readBounds(path: string, bounds: unknown): readonly number[] {
  if (!Array.isArray(bounds) || bounds.length === 0 || bounds.length > MAX_BOUNDS) {
    throw new OptionsError(path, expected, bounds)
  }
  let last = 0
  for (const [i, bound] of bounds.entries()) {
    if (!Number.isFinite(bound) || bound <= last) throw new OptionsError(`${path}[${i}]`, above(last), bound)
    last = bound
  }
  return [...bounds]
}

function above(last: number): string {
  return `a number of seconds greater than ${last}`
}

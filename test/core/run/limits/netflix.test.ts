/**
 * Do aimd, vegas and gradient2 give the numbers of Netflix's library, for the same samples?
 */
import { expect, test } from 'vitest'
import type { LimitPolicy } from '../../../../src/core/run/limit.ts'
import { aimd } from '../../../../src/core/run/limits/aimd.ts'
import { gradient2 } from '../../../../src/core/run/limits/gradient2.ts'
import { vegas } from '../../../../src/core/run/limits/vegas.ts'
import { seeded } from '../../../support/seeded.ts'
import { AimdFormula, ExpAverageFormula, type Formula, Gradient2Formula, VegasFormula } from './support/formulas.ts'
import { randomSamples, toSample } from './support/java-samples.ts'

const SAMPLES = 100_000

const ms = 1e6
const give = (policy: LimitPolicy, runMs: number, inflight: number, dropped = false): number =>
  policy.sample({ at: 0, runMs, inflight, dropped })

/** Feeds both with the same samples; the first difference, and between which limits it all took place. */
function compare(policy: LimitPolicy, formula: Formula, seed: number) {
  const next = randomSamples(seed)
  let limit = policy.initial
  let least = limit
  let most = limit
  let difference: string | undefined
  for (let i = 0; i < SAMPLES && difference === undefined; i++) {
    const sample = next(limit)
    const expected = formula.update(sample)
    limit = policy.sample(toSample(sample))
    if (limit !== expected) difference = `sample ${i}: ${limit} in place of ${expected}`
    least = Math.min(least, limit)
    most = Math.max(most, limit)
  }
  return { difference, least, most }
}

test.each([1, 2, 3])('aimd gives the limits of the formula for 100,000 samples (seed %i)', (seed) => {
  expect(compare(aimd(), new AimdFormula(), seed)).toEqual({ difference: undefined, least: 20, most: 200 })
})

test.each([1, 2, 3])('vegas gives the limits of the formula for 100,000 samples (seed %i)', (seed) => {
  const { difference, least, most } = compare(
    vegas({ random: seeded(seed + 100) }),
    new VegasFormula(seeded(seed + 100)),
    seed,
  )
  expect(difference).toBeUndefined()
  // It went all the way, and used each of its logarithms.
  expect([least < 10, most]).toEqual([true, 1000])
})

test.each([1, 2, 3])('gradient2 gives the limits of the formula for 100,000 samples (seed %i)', (seed) => {
  expect(compare(gradient2(), new Gradient2Formula(), seed)).toEqual({ difference: undefined, least: 20, most: 200 })
})

test.each([1, 2])('gradient2 gives the limits of the formula with a wider range, too (seed %i)', (seed) => {
  const { difference, most } = compare(gradient2({ max: 100_000 }), new Gradient2Formula(100_000), seed)
  expect(difference).toBeUndefined()
  expect(most).toBeGreaterThan(200)
})

test('aimd: a success while half of the limit is in use adds one, overload takes a tenth', () => {
  const policy = aimd({ min: 5 })
  expect(policy.initial).toBe(20)
  expect(give(policy, 1, 10)).toBe(21)
  expect(give(policy, 1, 10)).toBe(21) // 2 · 10 < 21
  expect(give(policy, 1, 11)).toBe(22)
  expect(give(policy, 1, 11, true)).toBe(19) // ⌊22 · 0.9⌋
  expect(give(policy, 5_000, 19)).toBe(20) // at the timeout is in time
  expect(give(policy, 5_000.001, 20)).toBe(18)
})

test('aimd stays between its bounds', () => {
  const policy = aimd({ initial: 10, min: 9, max: 11, backoff: 0.5 })
  expect([give(policy, 1, 10), give(policy, 1, 11)]).toEqual([11, 11])
  expect([give(policy, 1, 11, true), give(policy, 1, 9, true)]).toEqual([9, 9])
})

test("vegas: the library's own examples", () => {
  const create = () => vegas({ alpha: 3, beta: 6, initial: 10, max: 20, random: () => 0.999 })
  const steady = create()
  expect(give(steady, 10, 10)).toBe(10) // the first run sets the time without a queue
  expect(give(steady, 10, 10)).toBe(16) // no queue: + beta
  const slow = create()
  give(slow, 10, 10)
  expect(give(slow, 50, 10)).toBe(9) // q = ⌈10 · 0.8⌉ = 8 > 6
  const within = create()
  give(within, 10, 10)
  expect(give(within, 14, 10)).toBe(10) // q = ⌈10 · (1 − 10/14)⌉ = 3, neither < 3 nor > 6
  expect(give(within, 12, 10)).toBe(11) // q = 2
  expect(give(within, 12, 5)).toBe(11) // less than half in use
  expect(give(within, 12, 5, true)).toBe(10) // dropped counts all the same
})

test('vegas measures the time without a queue anew after 30 times the limit, times the jitter', () => {
  const jitters = [0, 1]
  let asked = 0
  const policy = vegas({ initial: 10, alpha: 0, beta: 0, threshold: 0, random: () => jitters[asked++] as number })
  give(policy, 10, 1)
  for (let i = 2; i < 150; i++) give(policy, 20, 1) // 30 · 10 · 0.5
  expect(asked).toBe(1)
  give(policy, 20, 1) // the 150th: 20 ms is the time without a queue now
  expect(asked).toBe(2)
  expect(give(policy, 20, 10)).toBe(10) // no queue any more; with the first 10 ms it had been 5, and the limit 9
})

test('vegas measures it anew by itself: when no jitter was given, too', () => {
  const policy = vegas({ initial: 10, alpha: 0, beta: 0, threshold: 0 })
  give(policy, 10, 1)
  for (let i = 0; i < 300; i++) give(policy, 20, 1)
  expect(give(policy, 20, 10)).toBe(10)
})

test('vegas makes as much of each change as `smoothing` says', () => {
  const policy = vegas({ initial: 10, beta: 6, smoothing: 0.5 })
  expect([give(policy, 10, 10), give(policy, 10, 10), give(policy, 10, 13)]).toEqual([10, 13, 16])
})

test('vegas: a logarithm has no rounding errors, and is never below 1', () => {
  for (const [limit, log] of [
    [1, 1],
    [9, 1],
    [10, 1],
    [99, 1],
    [100, 2],
    [999, 2],
    [1_000, 3],
    [10_000, 4],
    [100_000, 5],
    [1_000_000, 6],
  ] as const) {
    const policy = vegas({ initial: limit, max: 10_000_000 })
    give(policy, 10, limit)
    expect(give(policy, 10, limit)).toBe(limit + 6 * log)
  }
})

test('gradient2: a steady latency adds smoothing · queueSize', () => {
  const policy = gradient2()
  expect([give(policy, 10, 20), give(policy, 10, 21), give(policy, 10, 21)]).toEqual([20, 21, 22])
  // 20.8, 21.6, 22.4; and with less than half in use nothing:
  expect(give(policy, 10, 11)).toBe(22)
})

test('gradient2: up to one and a half times the average is tolerated, then it shrinks, by no more than a tenth', () => {
  const policy = gradient2({ initial: 100, max: 1_000 })
  for (let i = 0; i < 10; i++) give(policy, 10, 1) // the average is 10
  expect(give(policy, 14, 100)).toBe(100) // g = 1: 100.8
  expect(give(policy, 1_000, 100)).toBe(91) // g = 0.5: 0.9 · 100.8 + 0.8 = 91.52
})

test('gradient2: an average more than twice the run shrinks by a twentieth with each sample', () => {
  // Seen through its effect only: after long overload at 100 ms a run of 15 ms must become too long again.
  const policy = gradient2({ initial: 100, max: 100 })
  for (let i = 0; i < 1_000; i++) give(policy, 100, 1)
  for (let i = 0; i < 60; i++) give(policy, 10, 1) // 100 · 0.95^n falls to 20, where it stops
  let fell = 0
  while (give(policy, 40, 100) === 100 && fell < 100) fell++
  expect(fell).toBeLessThan(2) // 1.5 · 21 < 40; with the average still at 85 it would have held
})

test('gradient2: an average of just twice the run is left as it is', () => {
  const policy = gradient2({ initial: 1_000, max: 1_000, longWindow: 3 }) // half of it is the last run
  for (let i = 0; i < 9; i++) give(policy, 19, 1)
  give(policy, 9, 1) // the mean is 18
  expect(give(policy, 60, 1_000)).toBe(995) // g = 1.5 · 39 / 60; of 17.1 it would be 993
})

test('the average is a plain mean of the first ten, then exponential', () => {
  const average = new ExpAverageFormula(100, 10)
  const means = Array.from({ length: 10 }, (_, i) => average.add(10 + i))
  expect(means).toEqual([10, 10.5, 11, 11.5, 12, 12.5, 13, 13.5, 14, 14.5])
  expect(average.add(100)).toBeCloseTo(16.2, 1) // 14.5 · 99/101 + 100 · 2/101
})

test('gradient2: the tenth sample still counts by the plain mean, the eleventh no more', () => {
  const policy = gradient2({ initial: 100, max: 100, longWindow: 1 }) // after the mean, the average is the last run
  for (let i = 0; i < 9; i++) give(policy, 10, 1)
  expect(give(policy, 1_000, 100)).toBe(90) // the mean is 109, g = 0.5: 90.8
  expect(give(policy, 1_000, 100)).toBe(91) // g = 1: 91.6
})

test('a run that took no time at all, or an impossible one, is counted as the shortest', () => {
  for (const policy of [vegas(), gradient2(), aimd()]) {
    for (const runMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-9, 10 * ms]) {
      expect(Number.isInteger(give(policy, runMs, 20))).toBe(true)
    }
    for (let i = 0; i < 1_000; i++) expect(Number.isInteger(give(policy, 1, 20))).toBe(true)
  }
  const policy = vegas({ initial: 10 })
  give(policy, Number.NaN, 10)
  expect(give(policy, 10, 10)).toBe(9)
})

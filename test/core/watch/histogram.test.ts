import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Histogram } from '../../../src/core/watch/histogram.ts'

test('a quantile is never too low, and at most a sixteenth too high', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 200, size: 'max' }),
      fc.constantFrom(0.01, 0.5, 0.95, 0.99, 1),
      (durations, q) => {
        const histogram = new Histogram()
        for (const ms of durations) histogram.observe(ms)
        const sorted = [...durations].sort((a, b) => a - b)
        const exact = sorted[Math.max(Math.ceil(q * sorted.length), 1) - 1] as number
        expect(histogram.quantile(q)).toBeGreaterThanOrEqual(exact)
        expect(histogram.quantile(q)).toBeLessThanOrEqual(exact * (1 + 1 / 16))
      },
    ),
  )
})

test('no duration at all, a nanosecond and a century are counted without a fault', () => {
  const histogram = new Histogram()
  expect(histogram.quantile(0.5)).toBe(0)
  for (const ms of [0, 1e-6, 1e-9, 3.2e12, Number.MAX_VALUE]) histogram.observe(ms)
  expect(histogram.count).toBe(5)
  expect(histogram.quantile(0.2)).toBe(0)
  expect(histogram.maxMs).toBe(Number.MAX_VALUE)
  // A share that is none: no more than all, and nothing is known to be longer than the longest.
  expect([histogram.quantile(1.5), histogram.quantile(Number.NaN)]).toEqual([Number.MAX_VALUE, Number.MAX_VALUE])
})

test('merged histograms count as one', () => {
  const [one, other] = [new Histogram(), new Histogram()]
  for (const ms of [1, 2, 3]) one.observe(ms)
  for (const ms of [10, 20]) other.observe(ms)
  one.merge(other)
  expect([one.count, one.sumMs, one.maxMs]).toEqual([5, 36, 20])
  expect(one.quantile(1)).toBe(20)
})

test('how many took at most so long: never one too many, and missing at most those a sixteenth below', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { maxLength: 100, size: 'max' }),
      fc.array(fc.double({ min: 0.001, max: 1e7, noNaN: true })),
      (durations, some) => {
        const histogram = new Histogram()
        for (const each of durations) histogram.observe(each)
        const bounds = [...some, Number.POSITIVE_INFINITY].sort((a, b) => a - b)
        for (const [index, count] of histogram.countsAtMost(bounds).entries()) {
          const ms = bounds[index] as number
          expect(count).toBeLessThanOrEqual(durations.filter((each) => each <= ms).length)
          expect(count).toBeGreaterThanOrEqual(durations.filter((each) => each <= ms / (1 + 1 / 16)).length)
        }
        expect(histogram.countsAtMost(bounds).at(-1)).toBe(durations.length)
      },
    ),
  )
})

test('what is below its range counts as nothing, what is above as the longest', () => {
  const below = new Histogram()
  for (const ms of [-5, -0, 1e-9, 10]) below.observe(ms)
  expect([0.25, 0.5, 0.75, 1].map((q) => below.quantile(q))).toEqual([0, 0, 0, 10])
  const tiny = new Histogram()
  tiny.observe(1e-9)
  expect(tiny.quantile(1)).toBe(0)
  for (const ms of [2 ** 35 * 1.9, 2 ** 36, 2 ** 40]) {
    const above = new Histogram()
    for (let n = 1; n <= 2; n++) {
      above.observe(ms)
      expect(above).toMatchObject({ count: n, sumMs: n * ms, maxMs: ms })
    }
    expect(above.countsAtMost([2 ** 37, ms])[1]).toBe(2)
    expect(above.countsAtMost([2 ** 39])[0]).toBeLessThanOrEqual(2)
  }
})

test('a bound at the edge of a bucket counts that bucket, and one at the maximum counts all', () => {
  const histogram = new Histogram()
  for (const ms of [15.5, 15.9, 100.1]) histogram.observe(ms)
  expect(histogram.countsAtMost([15.5, 16, 100, 100.1, 1e9])).toEqual([0, 2, 2, 3, 3])
})

import { describe, expect, test } from 'vitest'
import { Statistics } from '../../../src/core/watch/statistics.ts'

const none = { count: 0, averageMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 }
const zero = { admitted: 0, rejected: 0, completed: 0, failed: 0, expired: 0, cancelled: 0, shed: 0 }

/** The outcomes, as the executor numbers them. */
const [COMPLETED, FAILED, EXPIRED, CANCELLED, SHED] = [0, 1, 2, 3, 4] as const

test('before anything has happened all is zero, and no mean is known', () => {
  const statistics = new Statistics()
  expect(statistics.totals()).toEqual({ ...zero, joined: 0, retries: 0 })
  expect(statistics.status().totalsByPriority).toEqual({ urgent: zero, high: zero, normal: zero, low: zero })
  expect(statistics.status().rejectedByPriority).toEqual({ urgent: {}, high: {}, normal: {}, low: {} })
  expect([statistics.status().wait, statistics.status().run]).toEqual([none, none])
  expect(statistics.status().waitByPriority).toEqual({ urgent: none, high: none, normal: none, low: none })
  expect(statistics.status().runByPriority).toEqual({ urgent: none, high: none, normal: none, low: none })
  expect(statistics.histograms().runByPriority).toEqual({ urgent: {}, high: {}, normal: {}, low: {} })
  expect(statistics.recentRunMs).toBeNaN()
})

test('each count is in its own place: by what happened, and by priority', () => {
  const statistics = new Statistics()
  for (let tier = 0; tier < 4; tier++) {
    for (let n = 0; n <= tier; n++) statistics.admits(tier)
    for (const outcome of [COMPLETED, FAILED, EXPIRED, CANCELLED, SHED]) {
      for (let n = 0; n < 10 * (outcome + 1) + tier; n++) statistics.end(outcome, tier)
    }
  }
  const of = (tier: number) => ({
    admitted: tier + 1,
    rejected: 0,
    completed: 10 + tier,
    failed: 20 + tier,
    expired: 30 + tier,
    cancelled: 40 + tier,
    shed: 50 + tier,
  })
  expect(statistics.status().totalsByPriority).toEqual({ urgent: of(0), high: of(1), normal: of(2), low: of(3) })
  expect(statistics.totals()).toEqual({
    admitted: 10,
    rejected: 0,
    joined: 0,
    retries: 0,
    completed: 46,
    failed: 86,
    expired: 126,
    cancelled: 166,
    shed: 206,
  })
})

test('refusals are counted by reason and priority, and only the reasons that there were', () => {
  const statistics = new Statistics()
  for (const [tier, reason] of [
    [0, 'queue_full'],
    [3, 'queue_full'],
    [3, 'queue_full'],
    [3, 'aborted'],
  ] as const) {
    statistics.rejects(tier, reason)
  }
  expect(statistics.status().rejectedByPriority).toEqual({
    urgent: { queue_full: 1 },
    high: {},
    normal: {},
    low: { queue_full: 2, aborted: 1 },
  })
  expect(statistics.totals().rejected).toBe(4)
  expect(statistics.status().totalsByPriority).toMatchObject({
    urgent: { rejected: 1 },
    high: { rejected: 0 },
    low: { rejected: 3 },
  })
})

describe('durations', () => {
  test('of waits are spread by priority, and together', () => {
    const statistics = new Statistics()
    for (let ms = 1; ms <= 100; ms++) statistics.waited(2, ms)
    statistics.waited(0, 300)
    const { urgent, high, normal, low } = statistics.status().waitByPriority
    expect(urgent).toEqual({ count: 1, averageMs: 300, p50Ms: 300, p95Ms: 300, p99Ms: 300, maxMs: 300 })
    expect([high, low]).toEqual([none, none])
    expect(normal).toMatchObject({ count: 100, averageMs: 50.5, maxMs: 100 })
    for (const [quantile, exact] of [
      [normal.p50Ms, 50],
      [normal.p95Ms, 95],
      [normal.p99Ms, 99],
    ] as const) {
      expect(quantile).toBeGreaterThanOrEqual(exact)
      expect(quantile).toBeLessThanOrEqual(exact * 1.0625)
    }
    expect(statistics.status().wait).toMatchObject({ count: 101, averageMs: 5_350 / 101, maxMs: 300 })
    expect(statistics.histograms().waitByPriority.normal).toMatchObject({ count: 100, sumMs: 5_050 })
  })

  test('of runs are spread by outcome, by priority, and together', () => {
    const statistics = new Statistics()
    statistics.ran(COMPLETED, 1, 10)
    statistics.ran(COMPLETED, 1, 20)
    statistics.ran(FAILED, 1, 30)
    statistics.ran(SHED, 3, 40)
    const { urgent, high, low } = statistics.histograms().runByPriority
    expect(urgent).toEqual({})
    expect(Object.keys(high)).toEqual(['completed', 'failed'])
    expect(high.completed).toMatchObject({ count: 2, sumMs: 30, maxMs: 20 })
    expect(high.failed).toMatchObject({ count: 1, sumMs: 30 })
    expect(low.shed).toMatchObject({ count: 1, sumMs: 40 })
    const runs = statistics.status().runByPriority
    expect(runs.urgent).toEqual(none)
    expect(runs.high).toMatchObject({ count: 3, averageMs: 20, maxMs: 30 })
    expect(runs.low).toMatchObject({ count: 1, averageMs: 40 })
    expect(statistics.status().run).toMatchObject({ count: 4, averageMs: 25, maxMs: 40 })
  })

  test('of runs are there for each way to end', () => {
    const statistics = new Statistics()
    for (const outcome of [COMPLETED, FAILED, EXPIRED, CANCELLED, SHED]) statistics.ran(outcome, 3, outcome + 1)
    const { low } = statistics.histograms().runByPriority
    expect(Object.entries(low).map(([name, { sumMs }]) => [name, sumMs])).toEqual([
      ['completed', 1],
      ['failed', 2],
      ['expired', 3],
      ['cancelled', 4],
      ['shed', 5],
    ])
  })

  test('the mean of recent runs begins with the first, and follows by a twentieth', () => {
    const statistics = new Statistics()
    statistics.ran(COMPLETED, 2, 0)
    expect(statistics.recentRunMs).toBe(0)
    statistics.ran(FAILED, 0, 100)
    expect(statistics.recentRunMs).toBe(5)
    statistics.ran(COMPLETED, 2, 105)
    expect(statistics.recentRunMs).toBe(10)
  })
})

/**
 * Does adaptive() find what the downstream can do, follow it, and not drift?
 */
import { describe, expect, test } from 'vitest'
import { adaptive } from '../../../../src/core/run/limits/adaptive.ts'
import { gradient2 } from '../../../../src/core/run/limits/gradient2.ts'
import { seeded } from '../../../support/seeded.ts'
import { bestFixed, type Downstream, exponential, mean, simulate, steady, uniform } from './support/downstream.ts'

const STEP_AT = 60_000

/** Its capacity or its speed is another one from the 60th second on. */
function stepping(servers: [number, number], serviceMs: [number, number], spread = uniform): Downstream {
  return {
    servers: (at) => servers[at < STEP_AT ? 0 : 1],
    serviceMs: (at) => serviceMs[at < STEP_AT ? 0 : 1],
    spread,
    timeoutMs: 4 * Math.max(...serviceMs),
  }
}

/** Goodput from 30 s after the start, and from 30 s after the step, as a share of the best fixed limit's. */
function shares(downstream: Downstream, seed: number): number[] {
  const { good } = simulate(adaptive(), downstream, 120, seed)
  return [
    mean(good.slice(30, 60)) / bestFixed(downstream, 0),
    mean(good.slice(90, 120)) / bestFixed(downstream, STEP_AT),
  ]
}

describe('30 s after a step, its goodput is at least 95 % of the best fixed limit', () => {
  test.each<[string, Downstream]>([
    ['four times the capacity', stepping([20, 80], [100, 100])],
    ['a quarter of it', stepping([80, 20], [100, 100])],
    ['twenty times the capacity', stepping([10, 200], [100, 100])],
    ['a twentieth of it', stepping([200, 10], [100, 100])],
    ['half the speed', stepping([40, 40], [100, 200])],
    ['four times the speed', stepping([40, 40], [200, 50])],
    ['four times the capacity, all calls alike', stepping([20, 80], [100, 100], steady)],
    ['a quarter of it, all calls alike', stepping([80, 20], [100, 100], steady)],
  ])('%s', (_name, downstream) => {
    for (const share of shares(downstream, 1)) expect(share).toBeGreaterThan(0.95)
  })
})

test('with exponential run times, whose noise is as great as they are, it is still 90 %', () => {
  for (const downstream of [stepping([20, 80], [100, 100], exponential), stepping([80, 20], [100, 100], exponential)]) {
    for (const share of shares(downstream, 1)) expect(share).toBeGreaterThan(0.9)
  }
})

test('of a window in which a fifth was dropped it loses a tenth', () => {
  const policy = adaptive({ initial: 100 })
  let limit = 100
  for (let i = 0; i < 50; i++) limit = policy.sample({ at: i, runMs: 100, inflight: 100, dropped: i % 5 === 0 })
  expect(limit).toBe(90)
})

test('idle times between bursts take no room away', () => {
  const policy = adaptive({ initial: 20 })
  let limit = 20
  for (let burst = 1; burst <= 500; burst++) {
    for (let inflight = 1; inflight <= 20; inflight++) {
      limit = policy.sample({ at: burst * 1_000, runMs: 50, inflight, dropped: false })
    }
  }
  expect(limit).toBeGreaterThanOrEqual(20)
})

test.each([1, 10_000])('a call of %i ms: it counts in calls, not in seconds', (ms) => {
  const downstream: Downstream = { servers: () => 8, serviceMs: () => ms, spread: uniform, timeoutMs: 4 * ms }
  const seconds = Math.max(4, ms)
  const { good, limits } = simulate(adaptive(), downstream, seconds)
  const half = Math.floor(seconds / 2)
  expect(mean(good.slice(half)) / bestFixed(downstream, 0)).toBeGreaterThan(0.95)
  expect(mean(limits.slice(half))).toBeLessThan(16)
})

test('at a downstream that is always full it stays where the queue begins, and gradient2 goes several times beyond', () => {
  for (const spread of [steady, uniform]) {
    const full: Downstream = { servers: () => 20, serviceMs: () => 100, spread, timeoutMs: Number.POSITIVE_INFINITY }
    const [wandering, staying] = [gradient2({ max: 1_000_000 }), adaptive({ max: 1_000_000 })].map((policy) =>
      simulate(policy, full, 300).limits.slice(60),
    ) as [number[], number[]]
    expect(Math.max(...wandering)).toBeGreaterThan(80)
    expect(Math.max(...staying)).toBeLessThan(35)
    expect(mean(staying)).toBeLessThan(30)
    expect(mean(staying)).toBeGreaterThan(20)
  }
})

test('under a saturated latency that stays the same, gradient2 grows without end, and it does not', () => {
  const limits = [gradient2({ max: 1_000_000 }), adaptive({ max: 1_000_000 })].map((policy) => {
    let limit = policy.initial
    // One call a millisecond settles after 100 ms: 100 are in flight, whatever is said about it.
    for (let at = 0; at < 100_000; at++) limit = policy.sample({ at, runMs: 100, inflight: limit, dropped: false })
    return limit
  })
  expect(limits[0]).toBeGreaterThan(75_000) // 0.8 with each sample
  expect(limits[1]).toBeLessThan(5 * 100 * 1.1)
})

test('while everything is refused it shrinks, and afterwards it is back within 30 s', () => {
  const downstream: Downstream = {
    servers: () => 40,
    serviceMs: () => 100,
    spread: uniform,
    timeoutMs: 1_000,
    refuses: (at) => at >= 30_000 && at < 40_000,
  }
  const { limits, good } = simulate(adaptive(), downstream, 100)
  expect(limits[38]).toBe(1)
  expect(mean(good.slice(70)) / bestFixed(downstream, 0)).toBeGreaterThan(0.95)
})

test('unused room does not make it grow, and most of it is given back', () => {
  const policy = adaptive({ initial: 100 })
  let limit = 100
  for (let i = 0; i < 2_000; i++) limit = policy.sample({ at: i * 10, runMs: 20, inflight: 2, dropped: false })
  expect(limit).toBeLessThanOrEqual(10) // 2 in flight, five times that
})

test('one run of an hour among short ones does not upset it', () => {
  const policy = adaptive()
  const random = seeded(1)
  let limit = 10
  const feed = (from: number, runMs: number) => {
    limit = policy.sample({ at: from, runMs, inflight: Math.min(limit, 4), dropped: false })
  }
  for (let i = 0; i < 5_000; i++) feed(i, i === 2_500 ? 3_600_000 : 5 + random())
  expect(limit).toBeGreaterThanOrEqual(5)
})

test('whatever it is fed, it answers with an integer from min to max', () => {
  const random = seeded(7)
  const odd = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-12, 1e300]
  const policy = adaptive({ min: 3, initial: 5, max: 40 })
  for (let i = 0, at = 0; i < 50_000; i++) {
    at += random() < 0.1 ? -50 : 10 * random()
    const runMs = random() < 0.05 ? (odd[i % odd.length] as number) : 100 * random()
    const limit = policy.sample({ at, runMs, inflight: 1 + Math.floor(50 * random()), dropped: random() < 0.05 })
    expect(Number.isInteger(limit) && limit >= 3 && limit <= 40).toBe(true)
  }
})

test('in a shadow, where its probes change nothing, they teach it nothing: it goes no deeper, however quick runs become', () => {
  const policy = adaptive({ initial: 10, max: 10 })
  const limits: number[] = [10]
  let probedAt = Number.POSITIVE_INFINITY
  for (let at = 0; at < probedAt + 2_500; at += 10) {
    // Ten are in flight, whatever it says; and just when it probes, they begin to take half as long.
    const limit = policy.sample({ at, runMs: at < probedAt ? 100 : 50, inflight: 10, dropped: false })
    if (limit < 10) probedAt = Math.min(probedAt, at)
    if (limit !== limits.at(-1)) limits.push(limit)
  }
  expect(limits).toEqual([10, 7, 10])
})

test('at its smallest limit, longer runs are no queue that a smaller one would end: it goes on looking upwards', () => {
  const policy = adaptive({ initial: 5, min: 5 })
  let limit = 5
  let most = 5
  for (let at = 0; at < 10_000; at += 10) {
    const isQuick = at < 1_000
    limit = policy.sample({ at, runMs: isQuick ? 100 : 160, inflight: isQuick ? 4 : limit, dropped: false })
    if (isQuick) expect(limit).toBe(5)
    most = Math.max(most, limit)
  }
  expect(most).toBeGreaterThan(5)
})

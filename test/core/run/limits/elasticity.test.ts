/**
 * Is the slope of latency over inflight what it is, and only claimed when it is certain?
 */
import { expect, test } from 'vitest'
import { Elasticity } from '../../../../src/core/run/elasticity.ts'
import { seeded } from './support/seeded.ts'

function slopeOf(latency: (inflight: number) => number, windows = 50): number {
  const elasticity = new Elasticity()
  for (let i = 0; i < windows; i++) elasticity.add(100 + (i % 10), latency(100 + (i % 10)))
  return elasticity.atLeast()
}

test('latency that does not mind has slope 0, one in proportion 1, and falling throughput more', () => {
  expect(slopeOf(() => 10)).toBeCloseTo(0)
  expect(slopeOf((inflight) => inflight)).toBeCloseTo(1)
  expect(slopeOf((inflight) => inflight ** 2)).toBeCloseTo(2)
})

test('nothing is claimed from a handful of windows, or when inflight never changed', () => {
  const nothing = Number.NEGATIVE_INFINITY
  expect(new Elasticity().atLeast()).toBe(nothing)
  expect(slopeOf((inflight) => inflight, 5)).toBe(nothing)
  const steady = new Elasticity()
  for (let i = 0; i < 50; i++) steady.add(100, 10 + i)
  expect(steady.atLeast()).toBe(nothing)
})

test('noise makes it claim less, never much more', () => {
  const random = seeded(3)
  const claimed = Array.from({ length: 1_000 }, () => slopeOf((inflight) => inflight * (0.5 + random())))
  // Two standard errors below the slope that is there: exceeded by chance only, once in about forty times.
  expect(claimed.filter((slope) => slope > 1).length).toBeLessThan(60)
  expect(claimed.filter((slope) => slope > -6).length).toBeGreaterThan(900)
})

test('only the last 50 windows count, only those around the last one, and none from before it forgot', () => {
  const elasticity = new Elasticity()
  const add = (windows: number, from: number, latency: (inflight: number) => number) => {
    for (let i = 0; i < windows; i++) elasticity.add(from + (i % 10), latency(from + (i % 10)))
  }
  add(20, 100, () => 10)
  add(50, 100, (inflight) => inflight)
  expect(elasticity.atLeast()).toBeCloseTo(1)
  add(10, 1_000, () => 10)
  elasticity.add(105, 105)
  expect(elasticity.atLeast()).toBeCloseTo(1)
  elasticity.forget()
  add(10, 100, () => 10)
  expect(elasticity.atLeast()).toBeCloseTo(0)
})

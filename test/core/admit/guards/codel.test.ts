import fc from 'fast-check'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { type CodelOptions, codel } from '../../../../src/core/admit/guards/codel.ts'
import { ask } from '../../../support/guard-question.ts'
import { overload } from './overload-driver.ts'

/** Is one shed whose turn comes at a time, after a wait? */
const sheds = (guard: ReturnType<typeof codel>, at: number, waitMs: number, tier = 2) =>
  guard.drop?.(ask({ at, waitMs, tier })) !== undefined

test('sheds what has waited longer than twice the target, while the least wait of the last interval was above it', () => {
  const guard = codel({ targetMs: 10, intervalMs: 100 })
  // The first interval, 0 to 100: nothing is known yet. Its least wait is 40.
  expect([sheds(guard, 0, 50), sheds(guard, 50, 40), sheds(guard, 100, 99)]).toEqual([false, false, false])
  // Overloaded. The first one always runs; then the limit is 20.
  expect([sheds(guard, 101, 60), sheds(guard, 102, 20), sheds(guard, 103, 20.1)]).toEqual([false, false, true])
  expect(guard.drop?.(ask({ at: 104, waitMs: 33 }))).toEqual({
    rule: 'codel',
    compared: { waitMs: 33, targetMs: 10 },
    wouldAdmit: 'a wait of at most 20 ms',
  })
  // The least wait was 20: overloaded once more. In this one it is 10, and then no more.
  expect([sheds(guard, 202, 60), sheds(guard, 203, 10), sheds(guard, 204, 30)]).toEqual([false, false, true])
  expect([sheds(guard, 303, 60), sheds(guard, 304, 60)]).toEqual([false, false])
})

test('judges each tier on its own', () => {
  const guard = codel({ targetMs: 10, intervalMs: 100 })
  for (const at of [0, 101, 102]) for (const tier of [0, 3]) sheds(guard, at, tier * 20, tier)
  expect([sheds(guard, 103, 60, 3), sheds(guard, 103, 60, 0)]).toEqual([true, false])
})

test('scales target and interval to the recent run, unless the target is given', () => {
  const shedAt = (guard: ReturnType<typeof codel>, waitMs: number) =>
    guard.drop?.(ask({ at: 2_500, waitMs, recentRunMs: 1_000 })) !== undefined
  const scaled = codel()
  const fixed = codel({ targetMs: 5 })
  for (const guard of [scaled, fixed]) {
    for (const at of [0, 2_000, 2_001]) guard.drop?.(ask({ at, waitMs: 501, recentRunMs: 1_000 }))
  }
  // A target of half a run, and intervals of two.
  expect([1_001, 1_000].map((waitMs) => shedAt(scaled, waitMs))).toEqual([true, false])
  expect([11, 10].map((waitMs) => shedAt(fixed, waitMs))).toEqual([true, false])
})

test('is the published rule, for any series of waits', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 40 })), { maxLength: 200, size: 'max' }),
      fc.integer({ min: 1, max: 20 }),
      (series, targetMs) => {
        const guard = codel({ targetMs, intervalMs: 100 })
        let at = 0
        let until = -1
        let interval: number[] = [0]
        let overloaded = false
        for (const [gap, waitMs] of series) {
          at += gap
          const isFirst = at > until
          if (isFirst) {
            overloaded = Math.min(...interval) > targetMs
            interval = []
            until = at + 100
          }
          interval.push(waitMs)
          expect(sheds(guard, at, waitMs)).toBe(!isFirst && overloaded && waitMs > 2 * targetMs)
        }
      },
    ),
    { seed: 12 },
  )
})

test('a clock that goes back does not stop it', () => {
  const guard = codel({ targetMs: 10, intervalMs: 100 })
  for (const at of [1e9, 0]) expect(sheds(guard, at, 50)).toBe(false)
  for (const at of [101, 102]) sheds(guard, at, 50)
  expect(sheds(guard, 103, 50)).toBe(true)
})

test('a burst is served to its end, however long its last one waits', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(() => clock.sleep(10), { clock, concurrency: 10, overload: codel() })
  for (let burst = 0; burst < 20; burst++) {
    const ends = Promise.allSettled(Array.from({ length: 80 }, () => queue.execute(undefined)))
    await clock.run({ until: ends })
    await clock.advance(50)
  }
  expect(queue.getStatus().totals).toMatchObject({ completed: 1_600, shed: 0 })
})

test('at twice the capacity URGENT is served in time, LOW is shed, and no slot works for nothing', async () => {
  const { byPriority, goodput } = await overload({ overload: codel() })
  const { urgent, high, normal, low } = byPriority
  expect(urgent.answered).toBeGreaterThanOrEqual(0.99 * urgent.submitted)
  expect(high.refused).toBeLessThan(0.01 * high.submitted)
  expect(low.refused).toBeGreaterThan(10 * (urgent.refused + high.refused + normal.refused))
  expect(goodput).toBeGreaterThanOrEqual(0.9)
})

test.each<[unknown, string]>([
  [null, "Option 'codel': expected an object, got null"],
  [[], "Option 'codel': expected an object"],
  [{ targetMs: 0 }, "Option 'codel.targetMs': expected a finite number of ms greater than 0, got 0"],
  [{ intervalMs: Number.NaN }, "'codel.intervalMs': expected a finite number of ms greater than 0, got NaN"],
  [{ scale: -1 }, "'codel.scale': expected a finite number of at least 0, got -1"],
  [{ target: 5 }, "Unknown option 'codel.target'"],
])('%j is refused', (options, message) => {
  expect(() => codel(options as CodelOptions)).toThrow(OptionsError)
  expect(() => codel(options as CodelOptions)).toThrow(message)
})

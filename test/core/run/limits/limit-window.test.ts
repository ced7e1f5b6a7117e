import { expect, test } from 'vitest'
import type { LimitSample } from '../../../../src/core/run/limit.ts'
import { LimitWindow } from '../../../../src/core/run/limits/limit-window.ts'

const sample = (at: number, runMs: number, inflight = 1, dropped = false): LimitSample => ({
  at,
  runMs,
  inflight,
  dropped,
})

function opened(at = 0, usualMs = 10): LimitWindow {
  const window = new LimitWindow()
  window.open(at, usualMs)
  return window
}

test('averages what has settled since it was opened', () => {
  const window = opened(100)
  for (const each of [sample(99, 500, 9), sample(110, 10, 4), sample(120, 30, 2)]) window.add(each)
  expect(window).toMatchObject({ samples: 2, timed: 2, dropped: 0, mostInflight: 4, inflight: 3, runMs: 20 })
  // The durations are 10 and 30: their variance is 100, that of the mean 50, over the square of 20.
  expect(window.uncertainty).toBeCloseTo(50 / 400, 12)
})

test('a window that is opened again knows nothing of before', () => {
  const window = opened()
  window.add(sample(10, 10, 5, true))
  window.open(20, 10)
  expect(window).toMatchObject({ samples: 0, timed: 0, dropped: 0, mostInflight: 0 })
  window.add(sample(30, 4, 2))
  expect(window).toMatchObject({ samples: 1, inflight: 2, runMs: 4, uncertainty: 0 })
})

test('what was dropped at once says nothing of how long a run takes; what was cut off does', () => {
  const window = opened(0, 10)
  window.add(sample(1, 9.9, 1, true))
  expect(window).toMatchObject({ samples: 1, dropped: 1, timed: 0 })
  window.add(sample(20, 10, 1, true))
  expect(window).toMatchObject({ samples: 2, dropped: 2, timed: 1, runMs: 10 })
})

test('is complete with so many samples and after so many rounds', () => {
  const window = opened(100, 10)
  window.add(sample(119, 1))
  expect(window.isComplete(sample(119, 1), 1, 2)).toBe(false)
  expect(window.isComplete(sample(120, 1), 1, 2)).toBe(true)
  expect(window.isComplete(sample(120, 1), 2, 2)).toBe(false)
})

test('counts by Little’s law only the time in which something ran', () => {
  const window = opened(0)
  // Ten ms each, one after the other, with a pause of a second in between: one in flight.
  for (const at of [10, 20, 1_020, 1_030]) window.add(sample(at, 10))
  expect(window.littlesInflight).toBeCloseTo(1, 12)
  // Two at a time.
  const two = opened(0)
  for (const at of [10, 10, 20, 20]) two.add(sample(at, 10))
  expect(two.littlesInflight).toBeCloseTo((4 * 10) / 20, 1)
})

test('a duration of nothing, or of ages, does not break the averages', () => {
  const window = opened()
  for (const ms of [0, -5, Number.NaN]) window.add(sample(0, ms))
  expect(window.runMs).toBeCloseTo(1e-6, 12)
  const ages = opened()
  ages.add(sample(0, Number.POSITIVE_INFINITY))
  expect(ages.runMs).toBe(1e12)
  expect(ages.uncertainty).toBe(0)
})

/**
 * When is a minute over?
 */
import { expect, test, vi } from 'vitest'
import { Minutes } from '../../../src/core/keep/minutes.ts'

test('a minute is over with the minute of the wall clock, whenever it was begun', () => {
  vi.useFakeTimers({ now: 1_800_000_042_000 })
  const minutes = new Minutes()
  expect([minutes.isDue(Date.now()), minutes.dueInMs(Date.now())]).toEqual([false, 18_000])
  expect([minutes.isDue(1_800_000_060_000), minutes.dueInMs(1_800_000_060_001)]).toEqual([true, 0])
  vi.useRealTimers()
})

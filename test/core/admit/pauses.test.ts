import { expect, test } from 'vitest'
import { Pauses } from '../../../src/core/admit/pauses.ts'

/** From 10 to 20, from 30 to 40, and from 50 on. */
function paused(): Pauses {
  const pauses = new Pauses()
  for (const at of [10, 30]) {
    pauses.begin(at)
    pauses.end(at + 10)
  }
  pauses.begin(50)
  return pauses
}

test.each([
  [0, 60, 30],
  [0, 55, 25],
  [10, 60, 30],
  [15, 60, 25],
  [20, 60, 20],
  [25, 50, 10],
  [40, 60, 10],
  [58, 60, 2],
  [60, 60, 0],
  // One that may start only later has not waited yet.
  [90, 60, 0],
])('of the time from %i to %i, %i ms were paused', (since, now, ms) => {
  expect(paused().msSince(since, now)).toBe(ms)
})

test('without a pause it is none', () => {
  expect(new Pauses().msSince(0, 100)).toBe(0)
  const pauses = new Pauses()
  pauses.end(5)
  expect(pauses.msSince(0, 100)).toBe(0)
})

test('what is over is forgotten, and what goes on is not', () => {
  const pauses = paused()
  pauses.forget()
  expect(pauses.msSince(0, 60)).toBe(10)
  pauses.end(70)
  pauses.forget()
  expect(pauses.msSince(0, 80)).toBe(0)
})

test('of very many pauses the oldest are not told apart, and never less counts than was paused', () => {
  const pauses = new Pauses()
  for (let n = 0; n < 10_000; n++) {
    pauses.begin(10 * n)
    pauses.end(10 * n + 1)
  }
  // The latest 63 are exact.
  expect(pauses.msSince(100_000 - 630, 100_000)).toBe(63)
  expect(pauses.msSince(0, 100_000)).toBe(100_000 - 640 + 1 + 63)
})

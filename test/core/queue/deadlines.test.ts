import { expect, test } from 'vitest'
import { Deadlines } from '../../../src/core/queue/deadlines.ts'

test('who is due is taken by deadline, equals first-in first-out, and nobody before his time', () => {
  const deadlines = new Deadlines<string>()
  expect(deadlines.nextDueAt).toBe(Number.POSITIVE_INFINITY)
  for (const now of [1e9, Number.POSITIVE_INFINITY]) expect(deadlines.takeDue(now)).toBeUndefined()
  for (const [target, dueAt] of [
    ['a', 20],
    ['b', 10],
    ['c', 20],
    ['d', 30],
    ['e', 20],
  ] as const) {
    deadlines.set(target, dueAt)
  }
  expect([deadlines.size, deadlines.nextDueAt]).toEqual([5, 10])
  expect(deadlines.takeDue(9.9)).toBeUndefined()
  const due = (now: number) => Array.from({ length: 5 }, () => deadlines.takeDue(now)).filter(Boolean)
  expect(due(20)).toEqual(['b', 'a', 'c', 'e'])
  expect([...deadlines.targets()]).toEqual(['d'])
})

test('who is cleared is never due, and can be cleared again', () => {
  const deadlines = new Deadlines<string>()
  const [a, b] = [deadlines.set('a', 10), deadlines.set('b', 10)]
  expect([...deadlines.targets()]).toEqual(['a', 'b'])
  deadlines.clear(a)
  deadlines.clear(a)
  expect(deadlines.takeDue(10)).toBe('b')
  deadlines.clear(b)
  expect(deadlines.size).toBe(0)
})

import fc from 'fast-check'
import { priorities } from 'triage-queue'
import { expect, test } from 'vitest'
import { earliestDeadlineFirst } from '../../../../src/core/queue/orders/earliest-deadline-first.ts'
import { ask, Driver } from './order-driver.ts'

test('the rank is the deadline; without one, the last', () => {
  const { name, rank, acrossTiers } = earliestDeadlineFirst()
  expect(name).toBe('earliest deadline first')
  expect(acrossTiers).toBe(false)
  expect(rank(ask({ deadline: 1_500 }))).toBe(1_500)
  expect(rank(ask({}))).toBe(Number.POSITIVE_INFINITY)
  expect(rank(ask({ deadline: Number.NaN }))).toBe(Number.POSITIVE_INFINITY)
})

const job = fc.record({
  priority: fc.constantFrom(...priorities),
  patienceMs: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
})

test('within a tier by deadline, those without one last, equals first-in first-out', () => {
  fc.assert(
    fc.property(fc.array(job, { maxLength: 60, size: 'max' }), (jobs) => {
      const driver = new Driver(earliestDeadlineFirst(), 0)
      const tasks = jobs.map(({ priority, patienceMs }) =>
        driver.submit({ key: '', runMs: 1, priority, ...(patienceMs !== undefined && { patienceMs }) }),
      )
      const wanted = [...tasks].sort(
        (a, b) =>
          a.question.tier - b.question.tier ||
          (a.job.patienceMs ?? 1e9) - (b.job.patienceMs ?? 1e9) ||
          a.question.sequence - b.question.sequence,
      )
      expect(driver.line()).toEqual(wanted)
    }),
    { seed: 1 },
  )
})

test('another priority and back is where it was', () => {
  const driver = new Driver(earliestDeadlineFirst(), 0)
  const tasks = [30, 10, 20, 10].map((patienceMs) => driver.submit({ key: '', runMs: 1, patienceMs }))
  const before = driver.line()
  const [, second] = tasks
  driver.setPriority(second as (typeof tasks)[0], 'urgent')
  expect(driver.line()[0]).toBe(second)
  driver.setPriority(second as (typeof tasks)[0], 'normal')
  expect(driver.line()).toEqual(before)
})

test('all that wait together and run equally long start in time if any order can do it, and first-in first-out is late', () => {
  const late = (order: 'by deadline' | 'by sequence') => {
    const policy = earliestDeadlineFirst()
    const driver = new Driver(order === 'by deadline' ? policy : { ...policy, rank: ({ sequence }) => sequence }, 2)
    // Two slots, ten ms each: the nth of 100 starts at 10 · ⌊n / 2⌋; their deadlines come in the opposite order.
    for (let n = 99; n >= 0; n--) driver.submit({ key: '', runMs: 10, patienceMs: 10 * Math.floor(n / 2) + 1 })
    driver.run()
    return 100 - driver.started.length
  }
  expect(late('by deadline')).toBe(0)
  expect(late('by sequence')).toBeGreaterThan(40)
})

import fc from 'fast-check'
import { OptionsError, type OrderPolicy, type Priority, priorities, strict } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { type AgingTargets, aging, agingBoundMs } from '../../../../src/core/queue/orders/aging.ts'
import { seeded } from '../../../support/seeded.ts'
import { ask, Driver, pick } from './order-driver.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const targetsOf = (policy: OrderPolicy) => priorities.map((_, tier) => policy.rank(ask({ tier, admittedAt: 0 })))

test('the rank is the time of admission plus the target of the tier, across tiers', () => {
  const policy = aging({ urgent: 0, high: 100, normal: 200, low: 300 })
  expect(policy).toMatchObject({ name: 'aging', acrossTiers: true })
  expect(policy.targetsMs).toEqual([0, 100, 200, 300])
  expect(policy.rank(ask({ tier: 3, admittedAt: 1_000 }))).toBe(1_300)
  expect(policy.rank(ask({ tier: 0, admittedAt: 1_299 }))).toBe(1_299)
})

test('targets: the defaults, a step, some of them', () => {
  expect(targetsOf(aging())).toEqual([0, 1_000, 5_000, 30_000])
  expect(targetsOf(aging({ stepMs: 2_000 }))).toEqual([0, 2_000, 4_000, 6_000])
  expect(targetsOf(aging({ stepMs: 0 }))).toEqual([0, 0, 0, 0])
  // What is left out comes as near to its default as its neighbours allow.
  expect(targetsOf(aging({ low: 3_000 }))).toEqual([0, 1_000, 3_000, 3_000])
  expect(targetsOf(aging({ high: 10_000 }))).toEqual([0, 10_000, 10_000, 30_000])
  expect(targetsOf(aging({ urgent: 50_000 }))).toEqual(Array(4).fill(50_000))
  // What is set to undefined is left out.
  expect(targetsOf(aging({ high: undefined, low: 3_000 } as unknown as AgingTargets))).toEqual([0, 1_000, 3_000, 3_000])
  expect(targetsOf(aging({ stepMs: 10, low: undefined } as unknown as AgingTargets))).toEqual([0, 10, 20, 30])
})

describe('an OptionsError names the option, what it must be, and what it is', () => {
  test.each<[unknown, string]>([
    [{ low: -1 }, "Option 'aging.low': expected a finite number of ms of at least 0, got -1"],
    [
      { high: Number.POSITIVE_INFINITY },
      "Option 'aging.high': expected a finite number of ms of at least 0, got Infinity",
    ],
    [{ stepMs: Number.NaN }, "Option 'aging.stepMs': expected a finite number of ms of at least 0, got NaN"],
    [{ urgent: '5' }, "Option 'aging.urgent': expected a finite number of ms of at least 0, got '5'"],
    [{ high: 9, normal: 8 }, "Option 'aging.normal': expected at least the target of a more urgent tier (9), got 8"],
    [{ high: 9, low: 8 }, "Option 'aging.low': expected at least the target of a more urgent tier (9), got 8"],
    [{ stepMs: 9, low: 8 }, "Option 'aging.stepMs': expected nothing where a tier has a target of its own, got 9"],
    [{ constructor: 9 }, "Unknown option 'aging.constructor'"],
    [null, "Option 'aging': expected an object with a target for each tier, or stepMs, got null"],
    [5, 'got 5'],
    [[1, 2], 'got [1,2]'],
  ])('%j', (targets, message) => {
    expect(() => aging(targets as AgingTargets)).toThrow(OptionsError)
    expect(() => aging(targets as AgingTargets)).toThrow(message)
  })
})

test('ranks are finite, grow with time in each tier, and keep their order while all grow older', () => {
  const targets = fc.array(fc.nat(1e9), { minLength: 4, maxLength: 4 }).map((all) => all.sort((a, b) => a - b))
  const admissions = fc.array(fc.record({ tier: fc.nat(3), admittedAt: fc.nat(1e12) }), { maxLength: 20, size: 'max' })
  fc.assert(
    fc.property(targets, admissions, ([urgent = 0, high = 0, normal = 0, low = 0], all) => {
      const { rank } = aging({ urgent, high, normal, low })
      for (const a of all) {
        expect(Number.isFinite(rank(ask(a)))).toBe(true)
        expect(rank(ask(a))).toBe(a.admittedAt + ([urgent, high, normal, low][a.tier] as number))
        for (const b of all) {
          if (a.tier !== b.tier || a.admittedAt > b.admittedAt) continue
          expect(rank(ask(a))).toBeLessThanOrEqual(rank(ask(b)))
        }
      }
    }),
    { seed: 2 },
  )
})

test('another priority and back is where it was', () => {
  const driver = new Driver(aging({ stepMs: 10 }), 0)
  const random = seeded(3)
  for (let i = 0; i < 50; i++)
    driver.at(random() * 40, () => driver.submit({ key: '', runMs: 1, priority: pick(priorities, random) }))
  driver.run(50)
  const before = driver.line()
  for (const task of before) {
    const own = task.job.priority as Priority
    for (const priority of [...priorities, own, own]) driver.setPriority(task, priority)
    expect(driver.line()).toEqual(before)
  }
})

describe('under endless URGENT', () => {
  const slots = 2
  const runMs = 10
  const untilMs = 10_000
  const targetMs = { urgent: 0, high: 100, normal: 300, low: 1_000 }

  /** Twice the capacity in URGENT, and now and then one of another tier. How long did these wait? */
  function waits(policy: OrderPolicy): { tier: number; waitMs: number; ahead: number }[] {
    const driver = new Driver(policy, slots)
    const random = seeded(4)
    const others: { task: ReturnType<Driver['submit']>; ahead: number }[] = []
    for (let t = 0; t < untilMs; t += 2.5) driver.at(t, () => driver.submit({ key: '', runMs, priority: 'urgent' }))
    for (let t = 50; t < 3_000; t += 70) {
      driver.at(t + random(), () => {
        const priority = pick(['high', 'normal', 'low'] as const, random)
        const task = driver.submit({ key: '', runMs, priority })
        const other = { task, ahead: 0 }
        others.push(other)
        // What is ahead of it when nobody who comes any more can pass it.
        driver.at(task.submittedAt + targetMs[priority], () => {
          if (task.startedAt === undefined) other.ahead = driver.line().indexOf(task)
        })
      })
    }
    driver.run(untilMs)
    return others.map(({ task, ahead }) => {
      const waitMs = (task.startedAt ?? Number.POSITIVE_INFINITY) - task.submittedAt
      return { tier: task.question.tier, waitMs, ahead }
    })
  }

  test('nobody waits longer than the bound: Δ and the work ahead; the worst LOW comes near to it', () => {
    const all = waits(aging(targetMs))
    let worstLow = 0
    for (const { tier, waitMs, ahead } of all) {
      const differenceMs = targetMs[priorities[tier] as Priority]
      expect(waitMs).toBeLessThanOrEqual(agingBoundMs({ differenceMs, ahead, concurrency: slots, runMs }))
      if (tier === 3) worstLow = Math.max(worstLow, waitMs)
    }
    expect(all.filter(({ tier }) => tier === 3).length).toBeGreaterThan(10)
    expect(worstLow).toBeGreaterThan(targetMs.low)
  })

  test('strictly by priority it starves', () => {
    for (const { waitMs } of waits(strict())) expect(waitMs).toBe(Number.POSITIVE_INFINITY)
  })
})

test('the bound: the difference of targets, then every slot takes one of those ahead in each run', () => {
  expect(agingBoundMs({ differenceMs: 1_000, ahead: 0, concurrency: 4, runMs: 50 })).toBe(1_050)
  expect(agingBoundMs({ differenceMs: 1_000, ahead: 7, concurrency: 4, runMs: 50 })).toBe(1_100)
  expect(agingBoundMs({ differenceMs: 0, ahead: 8, concurrency: 4, runMs: 50 })).toBe(150)
})

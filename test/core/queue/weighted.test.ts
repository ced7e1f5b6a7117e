import fc from 'fast-check'
import { OptionsError, type Priority, priorities } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { type Weights, weighted } from '../../../src/core/queue/weighted.ts'
import { seeded } from '../../support/seeded.ts'
import { ask, Driver, type Task } from './order-driver.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const byTier = (tasks: readonly Task[]) =>
  priorities.map((priority) => tasks.filter(({ job }) => job.priority === priority).length)

/** Two waiting requests more for each tier at a time, whenever one starts: all of these tiers always wait. */
function saturated(weights: Weights, starts: number, tiers: readonly Priority[] = priorities): Task[] {
  const driver = new Driver(weighted(weights), 1, ({ job }) => {
    if (driver.started.length < starts) driver.submit(job)
  })
  for (const priority of tiers) for (let i = 0; i < 2; i++) driver.submit({ key: '', runMs: 1, priority })
  driver.run(starts - 1)
  return driver.started
}

test('rank = max(V, last of the tier) + stride, and V is the rank of the last that started', () => {
  const policy = weighted({ urgent: 4, high: 2, normal: 2, low: 1 })
  expect(policy.acrossTiers).toBe(true)
  const rank = (tier: number) => policy.rank(ask({ tier }))
  // Strides are 1, 2, 2 and 4.
  expect([rank(0), rank(0), rank(3), rank(3), rank(1)]).toEqual([1, 2, 4, 8, 2])
  policy.started?.(ask({ tier: 3 }), 4)
  expect([rank(0), rank(3), rank(1), rank(2)]).toEqual([5, 12, 6, 6])
  // V never goes back.
  policy.started?.(ask({ tier: 3 }), 20)
  policy.started?.(ask({ tier: 0 }), 1)
  expect(rank(2)).toBe(22)
})

test('each attempt takes a place: what is tried again keeps its rank, and the next one of its tier is a stride later', () => {
  const policy = weighted({ urgent: 1, high: 1, normal: 1, low: 1 })
  const about = (tier: number, attempt = 1) => ask({ tier, attempt })
  const rank = policy.rank(about(3))
  policy.started?.(about(3), rank)
  policy.started?.(about(3, 2), rank)
  expect([policy.rank(about(3)), policy.rank(about(0))]).toEqual([3, 2])
  // Another priority for one that is tried again: its place in the old tier was used, and it takes the new one when it starts.
  const moved = policy.rank(about(0, 2))
  policy.left?.(about(3, 2), rank)
  expect([moved, policy.rank(about(3)), policy.rank(about(0))]).toEqual([3, 4, 3])
})

test('the shares of a round, by default: 8, 4, 2, 1', () => {
  const driver = new Driver(weighted(), 1)
  for (const priority of priorities) for (let i = 0; i < 8; i++) driver.submit({ key: '', runMs: 1, priority })
  driver.run(14)
  expect(byTier(driver.started)).toEqual([8, 4, 2, 1])
})

test('what is set to undefined has its default', () => {
  const policy = weighted({ urgent: 4, low: undefined } as unknown as Weights)
  // Strides are 4 / weight: of 4, 4, 2 and 1.
  expect([0, 1, 2, 3].map((tier) => policy.rank(ask({ tier })))).toEqual([1, 1, 2, 4])
})

describe('an OptionsError names the option, what it must be, and what it is', () => {
  test.each<[unknown, string]>([
    [{ low: 0 }, "Option 'weighted.low' must be a number from 1 to 100, but is 0"],
    [{ urgent: 101 }, "Option 'weighted.urgent' must be a number from 1 to 100, but is 101"],
    [{ high: Number.NaN }, "Option 'weighted.high' must be a number from 1 to 100, but is NaN"],
    [{ high: '2' }, "Option 'weighted.high' must be a number from 1 to 100, but is '2'"],
    [{ constructor: 1 }, "Option 'weighted.constructor' must be left out, since there is no such tier"],
    [null, "Option 'weighted' must be an object with a weight for each tier, but is null"],
    [8, 'but is 8'],
    [[8, 4], 'but is [8,4]'],
  ])('%j', (weights, message) => {
    expect(() => weighted(weights as Weights)).toThrow(OptionsError)
    expect(() => weighted(weights as Weights)).toThrow(message)
  })
})

test('while all wait, each tier has its share of the starts, within 1 part in 100', () => {
  const random = seeded(5)
  for (let i = 0; i < 5; i++) {
    const [urgent, high, normal, low] = [0, 0, 0, 0].map(() => 1 + Math.floor(random() * 8 * 4) / 4) as [
      number,
      number,
      number,
      number,
    ]
    const sum = urgent + high + normal + low
    const counts = byTier(saturated({ urgent, high, normal, low }, 20_000))
    for (const [tier, weight] of [urgent, high, normal, low].entries()) {
      const share = (20_000 * weight) / sum
      expect(Math.abs((counts[tier] as number) - share) / share).toBeLessThan(0.01)
    }
  }
})

test('what a tier does not need, the others share by weight', () => {
  const counts = byTier(saturated({}, 21_000, ['urgent', 'high', 'low']))
  expect(counts[2]).toBe(0)
  for (const [tier, weight] of [8, 4, 0, 1].entries()) {
    const share = (21_000 * weight) / 13
    expect(Math.abs((counts[tier] as number) - share)).toBeLessThanOrEqual(0.01 * share)
  }
})

test('a tier that was idle has saved up nothing: it gets its share, no more, from when it comes back', () => {
  const driver = new Driver(weighted(), 1)
  const fill = (priority: Priority) => {
    for (let i = 0; i < 3_000; i++) driver.submit({ key: '', runMs: 1, priority })
  }
  for (const priority of ['high', 'normal', 'low'] as const) fill(priority)
  driver.at(2_000, () => fill('urgent'))
  driver.run(1_999)
  const before = driver.started.length
  driver.run(1_999 + 1_500)
  const counts = byTier(driver.started.slice(before))
  expect(counts.reduce((a, b) => a + b)).toBe(1_500)
  for (const [tier, share] of [800, 400, 200, 100].entries()) {
    expect(Math.abs((counts[tier] as number) - share)).toBeLessThanOrEqual(0.01 * share)
  }
})

test('idle spells again and again leave the shares of the saturated time as they are', () => {
  const random = seeded(6)
  const driver = new Driver(weighted(), 1)
  // LOW and HIGH always wait; URGENT comes in bursts of 200, which take 200 · 13 / 8 = 325 ms, with idle time between.
  for (let i = 0; i < 8_000; i++)
    for (const priority of ['high', 'low'] as const) driver.submit({ key: '', runMs: 1, priority })
  const bursts: Task[][] = []
  for (let t = 0; t < 10_000; t += 400 + Math.floor(random() * 100)) {
    driver.at(t, () => {
      bursts.push(Array.from({ length: 200 }, () => driver.submit({ key: '', runMs: 1, priority: 'urgent' })))
    })
  }
  driver.run(10_000)
  expect(bursts.length).toBeGreaterThan(20)
  for (const burst of bursts.slice(0, -1)) {
    const [from, to] = [burst[0] as Task, burst.at(-1) as Task].map(({ startedAt }) => startedAt as number) as [
      number,
      number,
    ]
    const counts = byTier(driver.started.slice(from, to + 1))
    expect(Math.abs((counts[0] as number) / (to - from + 1) - 8 / 13)).toBeLessThan(0.0062)
  }
  const counts = byTier(driver.started)
  expect(Math.abs((counts[1] as number) / (counts[3] as number) / 4 - 1)).toBeLessThan(0.01)
})

test('after 10^12 requests the shares are the same', () => {
  for (const weights of [{}, { urgent: 100, high: 33, normal: 7, low: 1 }]) {
    const policy = weighted(weights)
    const strideOfLow = policy.rank(ask({ tier: 3 }))
    policy.started?.(ask({ tier: 3 }), 1e12 * strideOfLow)
    const driver = new Driver(policy, 1)
    const values = priorities.map((priority, tier) => (weights as Weights)[priority] ?? [8, 4, 2, 1][tier]) as number[]
    const sum = values.reduce((a, b) => a + b)
    for (const [tier, priority] of priorities.entries()) {
      for (let i = 0; i < 100 * (values[tier] as number); i++) driver.submit({ key: '', runMs: 1, priority })
    }
    driver.run(50 * sum - 1)
    const counts = byTier(driver.started)
    for (const [tier, weight] of values.entries()) {
      expect(Math.abs((counts[tier] as number) - 50 * weight)).toBeLessThanOrEqual(Math.max(0.01 * 50 * weight, 1))
    }
  }
})

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('submit' as const), priority: fc.constantFrom(...priorities) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('run' as const), ms: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('move' as const), which: fc.nat(), to: fc.constantFrom(...priorities) }),
  },
)

type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

test('ranks are finite, the same history gives the same order, and a new priority changes the order of nobody else', () => {
  const play = (actions: readonly Action[]) => {
    const driver = new Driver(weighted(), 1)
    const tasks: Task[] = []
    for (const act of actions) {
      const task = 'which' in act ? tasks[act.which % Math.max(tasks.length, 1)] : undefined
      if (act.do === 'submit') tasks.push(driver.submit({ key: '', runMs: 1, priority: act.priority }))
      else if (act.do === 'run') driver.run(driver.now + act.ms)
      else if (task === undefined || !driver.waiting.has(task)) continue
      else if (act.do === 'leave') driver.leave(task)
      else {
        const others = driver.line().filter((other) => other !== task)
        driver.setPriority(task, act.to)
        const once = driver.line()
        expect(once.filter((other) => other !== task)).toEqual(others)
        driver.setPriority(task, act.to)
        expect(driver.line()).toEqual(once)
      }
    }
    for (const task of tasks) expect(Number.isFinite(task.rank)).toBe(true)
    return driver.started.map((task) => tasks.indexOf(task))
  }
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
      expect(play(actions)).toEqual(play(actions))
    }),
    { seed: 7 },
  )
})

test('priorities that go to and fro cost those who come later nothing', () => {
  const ranksAfter = (moves: number) => {
    const driver = new Driver(weighted(), 1)
    const [first] = [1, 2, 3].map(() => driver.submit({ key: '', runMs: 1, priority: 'low' }))
    for (let i = 0; i < moves; i++) for (const to of ['urgent', 'low'] as const) driver.setPriority(first as Task, to)
    return priorities.map((priority) => driver.submit({ key: '', runMs: 1, priority }).rank)
  }
  expect(ranksAfter(100)).toEqual(ranksAfter(0))
})

test('requests that leave before their turn use up nothing of their tier’s share', () => {
  const driver = new Driver(weighted({ urgent: 1, high: 1, normal: 1, low: 1 }), 1, ({ job }) => {
    if (job.priority === 'urgent') driver.submit(job)
  })
  // URGENT always waits; LOW comes ten times as often as it can start, and nine of ten give up.
  for (let i = 0; i < 3; i++) driver.submit({ key: '', runMs: 100, priority: 'urgent' })
  for (let t = 0; t < 200_000; t += 20) {
    driver.at(t, () => driver.submit({ key: '', runMs: 100, priority: 'low', patienceMs: 5_000 }))
  }
  driver.run(200_000)
  // The first burst has its ranks far ahead; later it is as it will always be.
  const late = byTier(driver.started.slice(1_000))
  expect(Math.abs((late[3] as number) / (late[0] as number) - 1)).toBeLessThan(0.05)
})

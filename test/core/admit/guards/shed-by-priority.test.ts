import fc from 'fast-check'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { type ShedByPriorityOptions, shedByPriority } from '../../../../src/core/admit/guards/shed-by-priority.ts'
import { ask } from '../../../support/guard-question.ts'
import { seeded } from '../../../support/seeded.ts'
import { overload, pick } from './overload-driver.ts'

/** All ten slots are taken, and so many wait before it. */
const behind = (ahead: number, tier: number, metadata?: unknown) =>
  ask({ ahead, tier, metadata, running: 10, concurrency: 10 })

function fed(options: ShedByPriorityOptions, tiers: readonly number[]) {
  const guard = shedByPriority(options)
  for (const tier of tiers) guard.admit?.(behind(0, tier))
  return (ahead: number, tier: number) => guard.admit?.(behind(ahead, tier)) === undefined
}

const half = Array.from({ length: 1_000 }, (_, i) => 2 + (i % 2))

test('from two waiting for each slot on the least urgent are refused, at three all', () => {
  const admits = fed({ trickle: 0 }, half)
  for (const tier of [0, 1, 2, 3]) expect(admits(20, tier)).toBe(true)
  // A ratio of a half: LOW, which is the lower half of those who came.
  expect([0, 1, 2, 3].map((tier) => admits(25, tier))).toEqual([true, true, true, false])
  expect([0, 1, 2, 3].map((tier) => admits(29.9, tier))).toEqual([true, true, false, false])
  expect([0, 1, 2, 3].map((tier) => admits(30, tier))).toEqual([false, false, false, false])
})

test('a refusal shows the numbers', () => {
  const guard = shedByPriority({ trickle: 0 })
  expect(guard.admit?.(behind(25, 3))).toEqual({
    rule: 'shedByPriority',
    compared: { ahead: 25, concurrency: 10, rejectionRatio: 0.5 },
    wouldAdmit: 'a more urgent one, or one that at most 20 wait before',
  })
  expect(guard.admit?.(behind(31, 0))).toMatchObject({
    compared: { rejectionRatio: 1 },
    wouldAdmit: 'one that fewer than 30 wait before',
  })
})

test('free slots are taken off: they are for those who wait', () => {
  const guard = shedByPriority({ trickle: 0 })
  const at = (ahead: number) => guard.admit?.(ask({ ahead, tier: 3, running: 0, concurrency: 10 })) === undefined
  expect([30, 39, 40].map(at)).toEqual([true, false, false])
})

test('nobody is refused before one who is less urgent, or has fewer before it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 200, size: 'max' }),
      fc.integer({ min: 15, max: 35 }),
      fc.nat({ max: 3 }),
      fc.nat({ max: 3 }),
      fc.nat({ max: 5 }),
      (tiers, ahead, a, b, fewer) => {
        // One caller, so that all of a tier stand alike.
        const options = { trickle: 0, cohort: () => 'same' }
        const [urgent, low] = [Math.min(a, b), Math.max(a, b)]
        if (!fed(options, tiers)(ahead - fewer, urgent)) expect(fed(options, tiers)(ahead, low)).toBe(false)
      },
    ),
    { seed: 13 },
  )
})

test('the part that is refused is the ratio, to within a few cohorts, whatever comes', () => {
  const random = seeded(14)
  for (const shares of [[1], [0, 0, 0, 1], [0.1, 0.2, 0.2, 0.5], [0.25, 0.25, 0.25, 0.25]]) {
    for (const ratio of [0.1, 0.5, 0.85]) {
      const guard = shedByPriority({ trickle: 0 })
      let refused = 0
      for (let i = 0; i < 11_000; i++) {
        const tier = pick(shares, random())
        const isRefused = guard.admit?.(behind(20 + 10 * ratio, tier)) !== undefined
        if (i >= 1_000 && isRefused) refused++
      }
      expect(Math.abs(refused / 10_000 - ratio)).toBeLessThan(0.03)
    }
  }
})

test('the same callers are refused all the time, the others never', () => {
  const random = seeded(15)
  const guard = shedByPriority({ trickle: 0, cohort: (_request, metadata) => metadata as string })
  const answers = new Map<string, boolean[]>()
  for (let i = 0; i < 20_000; i++) {
    const caller = `caller ${Math.floor(random() * 300)}`
    const admitted = guard.admit?.(behind(25, 2, caller)) === undefined
    if (i >= 1_000) answers.set(caller, [...(answers.get(caller) ?? []), admitted])
  }
  const parts = [...answers.values()].map((each) => each.filter(Boolean).length / each.length)
  // The threshold itself lies in one or another of the cohorts in the middle.
  expect(parts.filter((part) => part > 0 && part < 1).length).toBeLessThan(0.15 * parts.length)
  expect(parts.filter((part) => part === 1).length).toBeGreaterThan(100)
  expect(parts.filter((part) => part === 0).length).toBeGreaterThan(100)
})

test('only those who came last are looked at; it comes in when as many stand below it as are to be refused', () => {
  const admitsBehind = (...tiers: number[]) => fed({ trickle: 0, memory: 4, cohort: () => 'same' }, tiers)(25, 2)
  // Half of the last four, itself among them, and half are to be refused.
  expect(admitsBehind(3, 3, 0)).toBe(true)
  expect(admitsBehind(3, 0, 0)).toBe(false)
  expect(admitsBehind(3, 3, 3, 3, 3, 0, 0)).toBe(false)
})

test('a trickle of those to be refused comes in, but never through a shut door', () => {
  // All of LOW stand alike, and so below nobody: any ratio refuses them all.
  const admits = fed({ cohort: () => 'same' }, half)
  const admitted = (ahead: number) => Array.from({ length: 1_000 }, () => admits(ahead, 3)).filter(Boolean).length
  expect(Math.abs(admitted(29) - 10)).toBeLessThanOrEqual(1)
  expect(admitted(30)).toBe(0)
  const everyOther = fed({ cohort: () => 'same', trickle: 0.5 }, half)
  expect([1, 2, 3, 4].map(() => everyOther(29, 3))).toEqual([false, true, false, true])
})

test('a flood of LOW keeps no URGENT out', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(() => clock.sleep(10), { clock, concurrency: 2, overload: shedByPriority() })
  const low = Array.from({ length: 100 }, () => queue.execute(undefined, { priority: 'low' }).catch(({ code }) => code))
  const urgent = [1, 2, 3, 4].map(() => queue.execute(undefined, { priority: 'urgent' }))
  await clock.run()
  await Promise.all([...low, ...urgent])
  expect(queue.getStatus().rejectedByPriority.low).toEqual({ overloaded: expect.toSatisfy((count) => count >= 92) })
  expect(queue.getStatus().rejectedByPriority.urgent).toEqual({})
})

test('at twice the capacity URGENT is served in time, LOW is refused first, and no slot works for nothing', async () => {
  const { byPriority, goodput } = await overload({ overload: shedByPriority() })
  const { urgent, high, normal, low } = byPriority
  expect(urgent.answered).toBeGreaterThanOrEqual(0.99 * urgent.submitted)
  expect(urgent.refused + high.refused).toBe(0)
  expect(low.refused).toBeGreaterThan(20 * normal.refused)
  expect(goodput).toBeGreaterThanOrEqual(0.9)
})

test('the most that may be remembered is 100,000', () => {
  expect(shedByPriority({ memory: 100_000 }).name).toBe('shedByPriority')
})

test('a cohort that is no string is said to be none', () => {
  const guard = shedByPriority({ cohort: (() => undefined) as never })
  expect(() => guard.admit?.(ask())).toThrow(
    "Option 'shedByPriority.cohort': expected a function that returns a string, got undefined",
  )
})

test.each<[unknown, string]>([
  [3, "Option 'shedByPriority': expected an object, got 3"],
  [{ softFactor: -1 }, "'shedByPriority.softFactor': expected a finite number of at least 0, got -1"],
  [{ hardFactor: 2 }, "'shedByPriority.hardFactor': expected greater than softFactor (2), got 2"],
  [{ softFactor: 0 }, "'shedByPriority.hardFactor': expected greater than softFactor (0), got 0"],
  [
    { hardFactor: Number.POSITIVE_INFINITY },
    "'shedByPriority.hardFactor': expected a finite number of at least 0, got",
  ],
  [{ trickle: -0.1 }, "'shedByPriority.trickle': expected a number from 0 to less than 1, got -0.1"],
  [{ trickle: 1 }, "'shedByPriority.trickle': expected a number from 0 to less than 1, got 1"],
  [{ memory: 100_001 }, "'shedByPriority.memory': expected an integer from 1 to 100_000, got 100001"],
  [{ cohort: 'tenant' }, "'shedByPriority.cohort': expected a function, got 'tenant'"],
  [{ random: Math.random }, "Unknown option 'shedByPriority.random'"],
])('%j is refused', (options, message) => {
  expect(() => shedByPriority(options as ShedByPriorityOptions)).toThrow(OptionsError)
  expect(() => shedByPriority(options as ShedByPriorityOptions)).toThrow(message)
})

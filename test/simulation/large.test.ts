/**
 * Long schedules: thousands of live requests, over the borders of the blocks that a line is made of; and what shows that
 * they could fail at all.
 */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Coverage } from './support/coverage.ts'
import { FairShares } from './support/fair-shares.ts'
import { generateLarge } from './support/large.ts'
import { canRefer } from './support/reference.ts'
import { play, runSchedules } from './support/run.ts'
import type { Schedule } from './support/schedule.ts'
import { Shares } from './support/shares.ts'
import { report, shrink } from './support/shrink.ts'

// On a machine that has much else to do.
vi.setConfig({ testTimeout: 600_000 })
afterEach(() => void vi.restoreAllMocks())

const COUNT = 100

test(`whatever comes in thousands, who starts and who waits where is what the order says: ${COUNT} schedules`, async () => {
  const result = await runSchedules({ from: 1, count: COUNT, largeEvery: 1 })
  const [first] = result.violations
  if (first !== undefined) throw new Error(report(await shrink(generateLarge(first.seed))))
  const counts = new Coverage(Object.entries(result.counts))
  const expected = ['burst', 'each', 'abort', 'pause', 'resize', 'moved', 'cancelled by handle', 'places compared']
  const events = ['queued', 'blocked', 'shed', 'started', 'retrying', 'expired', 'cancelled', 'joined']
  expect([...expected, ...events.map((event) => `event ${event}`)].filter((what) => counts.of(what) === 0)).toEqual([])
  expect(counts.of('long schedules')).toBe(COUNT)
  // If nearly all left, that would say little about who starts.
  expect(counts.of('event started')).toBeGreaterThan(counts.of('event queued') / 10)
})

test('every order and every pair of orders is among them, most of them with something to say about who starts', () => {
  const schedules = Array.from({ length: COUNT }, (_, n) => generateLarge(n + 1))
  const names = new Set(schedules.map(({ policies }) => policies.order ?? 'strict'))
  expect([...names].filter((name) => name.includes(', '))).toHaveLength(8)
  expect(names.size).toBe(15)
  expect(schedules.filter(canRefer).length).toBeGreaterThan(COUNT * 0.6)
})

test('the same seed is the same schedule, and the same trace', async () => {
  const seed = 3
  expect(generateLarge(seed)).toEqual(generateLarge(seed))
  const traces: string[][] = [[], []]
  for (const trace of traces) await play(generateLarge(seed), trace)
  expect(traces[0]).toEqual(traces[1])
})

describe('an executor that does something else than the order says is found out', () => {
  /** All with this order, or with it within another, that the reference has something to say about. */
  const ordered = (order: string): Schedule[] =>
    Array.from({ length: COUNT }, (_, n) => generateLarge(n + 1)).filter(
      (schedule) => schedule.policies.order?.includes(order) && canRefer(schedule),
    )

  // The reference is told a lie, so that the executor is wrong by it.
  test('a tier that takes no turn; and the schedule is made small', async () => {
    vi.spyOn(Shares.prototype, 'took').mockReturnValue(undefined)
    const found = await shrink(ordered('weighted')[0] as Schedule)
    expect(found.violation).toMatch(/the reference says/)
    expect(found.schedule.commands.length).toBeLessThanOrEqual(3)
  })

  test('a key that gets nothing back', async () => {
    vi.spyOn(FairShares.prototype, 'left').mockReturnValue(undefined)
    const found: string[] = []
    for (const schedule of ordered('fair')) found.push(await play(schedule))
    expect(found.filter((what) => what.includes('the reference says')).length).toBeGreaterThan(0)
  })
})

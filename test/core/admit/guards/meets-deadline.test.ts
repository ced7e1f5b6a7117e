import fc from 'fast-check'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { type MeetsDeadlineOptions, meetsDeadline } from '../../../../src/core/admit/guards/meets-deadline.ts'
import { ask } from '../../../support/guard-question.ts'
import { overload } from './overload-driver.ts'

/** Two slots, both taken, and three wait: the fourth turn is in 4 · 100 / 2 ms, and the run takes another 100. */
const busy = { at: 1_000, ahead: 3, running: 2, concurrency: 2, recentRunMs: 100 }

test('a newcomer is refused when its turn and a run are not over before its deadline', () => {
  const guard = meetsDeadline()
  expect(guard.admit?.(ask({ ...busy, deadline: 1_300.5 }))).toBeUndefined()
  expect(guard.admit?.(ask({ ...busy, deadline: 1_260 }))).toEqual({
    rule: 'meetsDeadline',
    compared: { leftMs: 260, predictedWaitMs: 200, predictedRunMs: 100 },
    wouldAdmit: 'a deadline in more than 300 ms',
    retryAfterMs: 40,
  })
  // At its deadline it is over: then it comes back a little later.
  expect(guard.admit?.(ask({ ...busy, deadline: 1_300 }))).toMatchObject({ retryAfterMs: 1 })
  // When a run alone takes too long it is of no use to come back: also when it would end at the very deadline.
  expect(guard.admit?.(ask({ ...busy, deadline: 1_101 }))).toHaveProperty('retryAfterMs', 199)
  expect(guard.admit?.(ask({ ...busy, deadline: 1_100 }))).not.toHaveProperty('retryAfterMs')
  expect(guard.admit?.(ask({ ...busy, deadline: 1_099 }))).not.toHaveProperty('retryAfterMs')
  const careful = meetsDeadline({ marginMs: 50 })
  expect([1_350, 1_351].map((deadline) => careful.admit?.(ask({ ...busy, deadline })) === undefined)).toEqual([
    false,
    true,
  ])
  expect(careful.admit?.(ask({ ...busy, deadline: 1_350 }))?.wouldAdmit).toBe('a deadline in more than 350 ms')
})

test('free slots mean no wait, and no less than none', () => {
  const at = (ahead: number, deadline: number) =>
    meetsDeadline().admit?.(ask({ ahead, deadline, running: 1, concurrency: 4, recentRunMs: 100 })) === undefined
  expect([at(0, 101), at(0, 100), at(2, 101), at(2, 100)]).toEqual([true, false, true, false])
  expect([at(3, 126), at(3, 125)]).toEqual([true, false])
})

test('one whose turn has come is shed when a run would not be over before its deadline', () => {
  const guard = meetsDeadline()
  expect(guard.drop?.(ask({ ...busy, deadline: 1_101 }))).toBeUndefined()
  expect(guard.drop?.(ask({ ...busy, deadline: 1_100 }))).toEqual({
    rule: 'meetsDeadline',
    compared: { leftMs: 100, predictedWaitMs: 0, predictedRunMs: 100 },
    wouldAdmit: 'a deadline in more than 100 ms',
  })
})

test('a single slot, in which nothing runs when it is asked, is not given to one that has waited too long either', () => {
  const guard = meetsDeadline()
  const turn = { at: 1_000, running: 0, concurrency: 1, recentRunMs: 100, deadline: 1_050 }
  expect(guard.drop?.(ask({ ...turn, waitMs: 51 }))).toBeDefined()
  // It has waited little: even at once it would have been late, if the mean is right. That is tried.
  expect(guard.drop?.(ask({ ...turn, waitMs: 50 }))).toBeUndefined()
})

test('a run that would end at its very deadline is refused, since the executor would end it', async () => {
  const end = async (timeoutMs: number, guarded: boolean): Promise<string> => {
    const clock = new VirtualClock()
    const overload = guarded ? { overload: meetsDeadline() } : {}
    const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), { clock, concurrency: 2, ...overload })
    await clock.run({ until: queue.execute(100) })
    // Beside one that runs: when nothing does, the next one is a trial.
    void queue.execute(100)
    await clock.settle()
    const end = queue.execute(100, { timeoutMs }).then(
      () => 'answered',
      ({ code }) => code,
    )
    await clock.run()
    return end
  }
  expect(await end(100, false)).toBe('TRIAGE_RUN_TIMEOUT')
  expect(await end(100, true)).toBe('TRIAGE_OVERLOADED')
  expect([await end(101, false), await end(101, true)]).toEqual(['answered', 'answered'])
})

test('it says nothing before the first run, without a deadline, or for the first one when nothing runs', () => {
  const guard = meetsDeadline()
  for (const question of [
    { ...busy, deadline: 1_001, recentRunMs: Number.NaN },
    { ...busy },
    { ...busy, deadline: 1_001, ahead: 0, running: 0 },
  ]) {
    expect(guard.admit?.(ask(question))).toBeUndefined()
    expect(guard.drop?.(ask(question))).toBeUndefined()
  }
  // Only the first is a trial: not one before which others wait.
  expect(guard.admit?.(ask({ ...busy, deadline: 1_001, running: 0 }))).toBeDefined()
})

test('a margin of 0 is none', () => {
  const guard = meetsDeadline({ marginMs: 0 })
  expect([1_300, 1_301].map((deadline) => guard.admit?.(ask({ ...busy, deadline })) === undefined)).toEqual([
    false,
    true,
  ])
})

test('when runs are alike, with a margin of one run, all that are admitted are answered in time', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ gapMs: fc.nat({ max: 30 }), timeoutMs: fc.integer({ min: 1, max: 1_000 }) }), {
        maxLength: 60,
        size: 'max',
      }),
      fc.integer({ min: 1, max: 4 }),
      async (arrivals, concurrency) => {
        const clock = new VirtualClock()
        const overload = meetsDeadline({ marginMs: 100 })
        const queue = new QueuedExecutor(() => clock.sleep(100), { clock, concurrency, overload })
        const first = queue.execute(undefined)
        await clock.run({ until: first })
        const codes: unknown[] = []
        for (const { gapMs, timeoutMs } of arrivals) {
          await clock.advance(gapMs)
          queue.execute(undefined, { timeoutMs: timeoutMs + 200 }).catch(({ code }) => codes.push(code))
        }
        await clock.run()
        expect(codes.filter((code) => code !== 'TRIAGE_OVERLOADED')).toEqual([])
      },
    ),
    { seed: 21, numRuns: 50 },
  )
})

test('when runs were slow, and are fast again, it finds out', async () => {
  const clock = new VirtualClock()
  let runMs = 400
  const queue = new QueuedExecutor(() => clock.sleep(runMs), {
    clock,
    concurrency: 4,
    timeoutMs: 200,
    overload: meetsDeadline(),
  })
  const offer = () => void queue.execute(undefined).catch(() => {})
  for (let i = 0; i < 1_000; i++) {
    offer()
    await clock.advance(10)
  }
  expect(queue.getStatus().totals.completed).toBe(0)
  runMs = 20
  for (let i = 0; i < 300; i++) {
    offer()
    await clock.advance(10)
  }
  // A second or two later each is answered.
  const before = queue.getStatus().totals.completed
  for (let i = 0; i < 100; i++) {
    offer()
    await clock.advance(10)
  }
  await clock.run()
  expect(queue.getStatus().totals.completed - before).toBeGreaterThanOrEqual(100)
})

test('at twice the capacity URGENT is served in time, LOW is refused first, and no slot works for nothing', async () => {
  const { byPriority, goodput } = await overload({ overload: meetsDeadline() })
  const { urgent, high, normal, low } = byPriority
  expect(urgent.answered).toBeGreaterThanOrEqual(0.99 * urgent.submitted)
  expect(urgent.refused + high.refused).toBe(0)
  expect(low.refused).toBeGreaterThan(20 * normal.refused)
  expect(goodput).toBeGreaterThanOrEqual(0.9)
})

test('when all are of one priority, a queue by itself answers few of them in time; with it, as many as can be', async () => {
  const alike = [0, 0, 1, 0]
  const without = await overload({}, { shares: alike })
  const { goodput } = await overload({ overload: meetsDeadline({ marginMs: 50 }) }, { shares: alike })
  expect(without.goodput).toBeLessThan(0.6)
  expect(goodput).toBeGreaterThanOrEqual(0.95)
})

test.each<[unknown, string]>([
  ['soon', "Option 'meetsDeadline': expected an object, got 'soon'"],
  [{ marginMs: -1 }, "'meetsDeadline.marginMs': expected a finite number of ms of at least 0, got -1"],
  [{ margin: 1 }, "Unknown option 'meetsDeadline.margin'"],
])('%j is refused', (options, message) => {
  expect(() => meetsDeadline(options as MeetsDeadlineOptions)).toThrow(OptionsError)
  expect(() => meetsDeadline(options as MeetsDeadlineOptions)).toThrow(message)
})

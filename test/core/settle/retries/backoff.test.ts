/**
 * `backoff()`: how long until the next attempt, and whether there is one.
 */
import { backoff } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'

describe('backoff()', () => {
  const ask = { attempt: 1, error: new Error('x'), tier: 2, elapsedMs: 0, admitted: 0 }

  test('doubles up to a longest wait, at random below it', () => {
    const policy = backoff({
      attempts: 9,
      baseMs: 100,
      maxMs: 1_000,
      random: () => 0.5,
      budget: Number.POSITIVE_INFINITY,
    })
    const delays = [1, 2, 3, 4, 5, 8, 9].map((attempt) => policy.delayMs({ ...ask, attempt }))
    expect(delays).toEqual([50, 100, 200, 400, 500, 500, undefined])
    const exact = backoff({ attempts: 9, jitter: 'none', budget: Number.POSITIVE_INFINITY })
    expect([1, 2, 8].map((attempt) => exact.delayMs({ ...ask, attempt }))).toEqual([100, 200, 10_000])
  })

  test('tries again only what is worth it', () => {
    const policy = backoff({ retryIf: (error, attempt) => error === 'transient' && attempt === 1 })
    expect(policy.delayMs({ ...ask, error: 'transient' })).toEqual(expect.any(Number))
    expect(policy.delayMs({ ...ask, error: 'transient', attempt: 2 })).toBeUndefined()
    expect(policy.delayMs({ ...ask, error: 'permanent' })).toBeUndefined()
  })

  test('when all fails, retries add the budget to the load, and no more', () => {
    const policy = backoff({ attempts: 1_000, budget: 0.1, reserve: 10 })
    let retries = 0
    for (let admitted = 1; admitted <= 10_000; admitted++) {
      for (let attempt = 1; policy.delayMs({ ...ask, attempt, admitted }) !== undefined; attempt++) retries++
    }
    expect(retries).toBeGreaterThanOrEqual(1_000)
    expect(retries).toBeLessThanOrEqual(1_010)
  })

  test('its budget is filled up again by what is admitted, up to the reserve', () => {
    const policy = backoff({ budget: 0.5, reserve: 2 })
    const retriesAt = (admitted: number) => {
      let retries = 0
      while (policy.delayMs({ ...ask, admitted }) !== undefined) retries++
      return retries
    }
    expect([2, 3, 4, 8, 1_000].map(retriesAt)).toEqual([2, 0, 1, 2, 2])
  })

  test('its defaults: three attempts, any time up to 100 ms after the first; its name says so', () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.25)
    const policy = backoff()
    expect([1, 2, 3].map((attempt) => policy.delayMs({ ...ask, attempt }))).toEqual([25, 50, undefined])
    expect(policy.name).toBe('backoff(3 attempts, 100 to 10000 ms)')
    random.mockRestore()
  })

  test('a budget of nothing spends what is in reserve, to the last one', () => {
    const policy = backoff({ budget: 0, reserve: 2 })
    const spent = [1, 2, 3].map((admitted) => policy.delayMs({ ...ask, admitted }) !== undefined)
    expect(spent).toEqual([true, true, false])
  })

  test('without a budget nothing need be in reserve', () => {
    for (const first of [0, 1]) {
      const policy = backoff({ budget: Number.POSITIVE_INFINITY, reserve: 0 })
      for (const admitted of [first, 1, 2, 2]) expect(policy.delayMs({ ...ask, admitted })).toEqual(expect.any(Number))
    }
  })

  test('the least of each option is taken', () => {
    const policy = backoff({ attempts: 1, baseMs: 0, maxMs: 0, budget: 0, reserve: 0 })
    expect(policy.delayMs(ask)).toBeUndefined()
  })

  test.each([
    [{ attempts: 2.5 }, "Option 'backoff.attempts': expected an integer of at least 1, got 2.5"],
    [{ maxMs: '5' }, "Option 'backoff.maxMs': expected a number of at least 0, got '5'"],
    [{ reserve: -1 }, "Option 'backoff.reserve': expected a number of at least 0, got -1"],
    [{ random: 0.5 }, "Option 'backoff.random': expected a function, got 0.5"],
    [{ attempts: 0 }, "Option 'backoff.attempts': expected an integer of at least 1, got 0"],
    [{ baseMs: Number.NaN }, "Option 'backoff.baseMs': expected a number of at least 0, got NaN"],
    [{ budget: '10%' }, "Option 'backoff.budget': expected a number of at least 0, got '10%'"],
    [{ jitter: 'half' }, "Option 'backoff.jitter': expected 'full' or 'none', got 'half'"],
    [{ retryIf: true }, "Option 'backoff.retryIf': expected a function, got true"],
    [{ maxAttempts: 5 }, "Unknown option 'backoff.maxAttempts'"],
    [{ toString: 5 }, "Unknown option 'backoff.toString'"],
    [null, "Option 'backoff': expected an object, got null"],
    [5, "Option 'backoff': expected an object, got 5"],
  ])('%j is refused', (options, message) => {
    expect(() => backoff(options as never)).toThrow(message)
  })
})

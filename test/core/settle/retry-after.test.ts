/**
 * A service that says when it can be asked again: a failed request is tried no sooner, and with `holdAll` nothing starts before.
 */
import { backoff, QueuedExecutor, type QueuedExecutorOptions, type RetryPolicy } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'

class TooMany extends Error {
  readonly after: number | Date | undefined
  constructor(after?: number | Date) {
    super('429')
    this.after = after
  }
}
const retryAfter = (error: unknown) => (error as TooMany).after
const ask = { attempt: 1, error: new TooMany(), tier: 2, elapsedMs: 0, admitted: 0 }

function service(options: QueuedExecutorOptions<string>) {
  const clock = new VirtualClock()
  const calls: [name: string, at: number][] = []
  const after = new Map<string, number>()
  const queue = new QueuedExecutor<string, string>(
    async (name) => {
      calls.push([name, clock.now()])
      const ms = after.get(name)
      after.delete(name)
      if (ms !== undefined) throw new TooMany(ms)
      return name
    },
    { clock, concurrency: 2, ...options },
  )
  const send = (name: string, more: object = {}) =>
    queue.execute(name, more).catch((error) => error.code ?? error.message)
  return { clock, queue, calls, after, send }
}

afterEach(() => void vi.useRealTimers())

describe('backoff({ retryAfter })', () => {
  test('waits no shorter than the error says, whatever the longest wait is', () => {
    const policy = backoff({ baseMs: 100, maxMs: 200, jitter: 'none', retryAfter })
    const delays = [undefined, 0, 50, 100, 5_000].map((ms) => policy.delayMs({ ...ask, error: new TooMany(ms) }))
    expect(delays).toEqual([100, 100, 100, 100, 5_000])
    expect(policy.holdMs).toBeUndefined()
  })

  test('reads a date by the time of day, and one that is past as now', () => {
    vi.useFakeTimers({ now: 1_000_000 })
    const policy = backoff({ jitter: 'none', retryAfter, holdAll: true })
    const holds = [1_030_000, 1_000_050, 900_000].map((at) =>
      policy.holdMs?.({ ...ask, error: new TooMany(new Date(at)) }),
    )
    expect(holds).toEqual([30_000, 50, 0])
    expect(policy.delayMs({ ...ask, error: new TooMany(new Date(1_030_000)) })).toBe(30_000)
  })

  test('does not take for an answer what is none, and is not asked about what is not tried again', () => {
    for (const after of [
      '120',
      Number.NaN,
      Number.POSITIVE_INFINITY,
      new Date(Number.NaN),
      Promise.reject(new Error('x')),
    ]) {
      const policy = backoff({ retryAfter: () => after as number })
      expect(() => policy.delayMs(ask)).toThrow(
        "Option 'backoff.retryAfter': expected a function that returns a finite number of ms, a Date, or undefined",
      )
    }
    let asked = 0
    const policy = backoff({ attempts: 1, retryAfter: () => void asked++ as undefined })
    expect([policy.delayMs(ask), asked]).toEqual([undefined, 0])
  })

  test('refuses options that can not work', () => {
    expect(() => backoff({ holdAll: true })).toThrow(
      "'backoff.holdAll': expected nothing, unless retryAfter says for how long",
    )
    expect(() => backoff({ holdAll: 1 as never })).toThrow("'backoff.holdAll': expected a boolean")
    expect(() => backoff({ retryAfter: 5 as never })).toThrow("'backoff.retryAfter': expected a function")
  })
})

describe('an executor', () => {
  test('tries it again no sooner, and lets others start meanwhile', async () => {
    const { clock, calls, after, send } = service({ retry: backoff({ jitter: 'none', retryAfter }) })
    after.set('a', 700)
    const ends = [send('a'), send('b')]
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a', 'b'])
    expect(calls).toEqual([
      ['a', 0],
      ['b', 0],
      ['a', 700],
    ])
  })

  test('starts nothing before then with holdAll, and then by the order', async () => {
    const retry = backoff({ jitter: 'none', retryAfter, holdAll: true })
    const { clock, queue, calls, after, send } = service({ retry, concurrency: 1 })
    after.set('a', 700)
    const ends = [send('a', { priority: 'low' }), send('b')]
    after.set('b', 100)
    await clock.advance(50)
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0 })
    ends.push(send('urgent', { priority: 'urgent' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a', 'b', 'urgent'])
    expect(calls).toEqual([
      ['b', 0],
      ['urgent', 100],
      ['b', 100],
      ['a', 100],
      ['a', 800],
    ])
  })

  test('holds also when the failure is final and nothing is left, and keeps no timer for that', async () => {
    const retry = backoff({ attempts: 1, retryAfter, holdAll: true })
    const { clock, calls, after, queue, send } = service({ retry })
    after.set('a', 700)
    expect(await send('a')).toBe('429')
    expect(clock.timers).toBe(0)
    await clock.advance(100)
    const ends = [send('b')]
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['b'])
    expect(calls).toEqual([
      ['a', 0],
      ['b', 700],
    ])
    // Long after, nothing is held any more.
    after.set('c', 100)
    expect(await send('c')).toBe('429')
    await clock.advance(5_000)
    expect(await send('d')).toBe('d')
    expect([calls.at(-1), queue.getStatus().waiting]).toEqual([['d', 5_700], 0])
  })

  test('refuses meanwhile what may not wait, and lets it in when that is over', async () => {
    const retry = backoff({ attempts: 1, retryAfter, holdAll: true })
    const { clock, calls, after, queue, send } = service({ retry, maxQueueSize: 'none' })
    after.set('a', 700)
    expect(await send('a')).toBe('429')
    await clock.advance(10)
    expect(await send('b')).toBe('TRIAGE_QUEUE_FULL')
    await clock.advance(690)
    expect(queue.offer('c')).toBeDefined()
    await clock.run()
    expect(calls.map(([name]) => name)).toEqual(['a', 'c'])
  })

  test('a clock that has gone back while nothing was live holds nobody up', async () => {
    const clock = new VirtualClock()
    let offset = 1e9
    const retry = backoff({ attempts: 1, retryAfter: () => 700, holdAll: true })
    const queue = new QueuedExecutor(
      async (name: string) => {
        if (name === 'fails') throw new Error(name)
        return name
      },
      {
        clock: {
          now: () => clock.now() + offset,
          setTimeout: (f, ms) => clock.setTimeout(f, ms),
          clearTimeout: (timer) => clock.clearTimeout(timer),
        },
        retry,
      },
    )
    await queue.execute('fails').catch(() => {})
    offset = 0
    expect(await queue.execute('next')).toBe('next')
  })

  test('of several holds the longest counts; a policy that throws, or answers with what is no time, holds nothing', async () => {
    const errors: unknown[] = []
    const retry: RetryPolicy = {
      name: 'own',
      delayMs: () => undefined,
      holdMs: ({ error }) => {
        if ((error as TooMany).after === 1) throw new Error('no')
        return (error as TooMany).after as number
      },
    }
    const { clock, calls, after, send } = service({
      retry,
      concurrency: 9,
      onListenerError: (e) => void errors.push(e),
    })
    const given = [1, 'soon', Number.NaN, -5, Number.POSITIVE_INFINITY, 500, 300]
    for (const [i, ms] of given.entries()) after.set(`${i}`, ms as number)
    await Promise.all(given.map((_, i) => send(`${i}`)))
    await clock.advance(1)
    await Promise.all([send('next'), clock.run()])
    expect(calls.at(-1)).toEqual(['next', 500])
    expect(errors.map((error) => (error as Error).message)).toEqual([
      'no',
      "Option 'retry.holdMs': expected a function that returns a number of ms, or undefined, got 'soon'",
    ])
  })
})

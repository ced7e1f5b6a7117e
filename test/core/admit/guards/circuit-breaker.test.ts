import fc from 'fast-check'
import { type GuardQuestion, OptionsError, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { type CircuitBreakerOptions, circuitBreaker } from '../../../../src/core/admit/guards/circuit-breaker.ts'
import { ask } from '../../../support/guard-question.ts'

const small = { failureRatio: 0.5, minimumRequests: 4, windowMs: 1_000, openMs: 500, probes: 2 }

function breaker(options: CircuitBreakerOptions = {}) {
  const guard = circuitBreaker({ ...small, ...options })
  return {
    admit: (at: number, more?: Partial<GuardQuestion>) => guard.admit?.(ask({ at, ...more })),
    holdMs: (at: number, recentRunMs = 10) => guard.holdMs?.(ask({ at, recentRunMs })),
    start: (at: number) => guard.started?.(ask({ at })),
    settle: (at: number, ok: boolean, runMs = 0) => guard.settled?.(ask({ at }), ok, runMs),
  }
}

function opened(at: number, options?: CircuitBreakerOptions) {
  const it = breaker(options)
  for (let i = 0; i < 4; i++) it.settle(at, false)
  return it
}

describe('closed', () => {
  test('it opens when enough have come, and enough of them have failed', () => {
    const { settle, admit, holdMs } = breaker()
    for (const ok of [false, true, true]) settle(0, ok)
    expect([admit(0), holdMs(0)]).toEqual([undefined, 0])
    settle(100, false)
    expect(admit(100)).toEqual({
      rule: 'circuitBreaker',
      compared: { state: 'open', failed: 2, of: 4, ratio: 0.5 },
      wouldAdmit: 'one that comes in 500 ms, when it is half-open',
      retryAfterMs: 500,
    })
    expect([admit(599.5)?.retryAfterMs, holdMs(599.5)]).toEqual([1, 0.5])
  })

  test('it forgets what is older than the window', () => {
    const { settle, admit } = breaker()
    for (const at of [0, 50, 99]) settle(at, false)
    settle(1_000, false)
    expect(admit(1_000)).toBeUndefined()
    for (const at of [1_300, 1_600, 1_999]) settle(at, false)
    expect(admit(1_999)).toMatchObject({ compared: { state: 'open', failed: 4, of: 4 } })
  })

  test('the window slides by tenths: what has left it counts no more, what is in it does', () => {
    const { settle, admit } = breaker({ minimumRequests: 5 })
    for (const [at, ok] of [
      [0, false],
      [99, false],
      [900, true],
      [950, true],
    ] as const) {
      settle(at, ok)
    }
    // Here the two failures leave; with them it would open.
    for (const at of [1_000, 1_050]) settle(at, false)
    expect(admit(1_050)).toBeUndefined()
    settle(1_099, false)
    expect(admit(1_099)).toMatchObject({ compared: { failed: 3, of: 5 } })
  })

  test('a closed one that was open begins with an empty window', () => {
    const { admit, start, settle } = opened(0)
    // What is said to have run while it was open is none of its calls.
    for (let i = 0; i < 3; i++) settle(300, false)
    const closeAt = (at: number) => {
      expect(admit(at)).toBeUndefined()
      for (let i = 0; i < 2; i++) start(at)
      for (let i = 0; i < 2; i++) settle(at + 10, true, 10)
    }
    closeAt(500)
    for (let i = 0; i < 3; i++) settle(520, false)
    expect(admit(520)).toBeUndefined()
    settle(600, true)
    expect(admit(600)).toMatchObject({ compared: { failed: 3, of: 4 } })
    closeAt(1_100)
    settle(1_200, true)
    // The steps that come now are those of the first calls, which were forgotten when it opened.
    for (const at of [1_500, 1_550, 1_600]) settle(at, false)
    expect(admit(1_600)).toMatchObject({ compared: { failed: 3, of: 4 } })
  })

  test('a clock that jumps, whichever way, empties the window, and stops nothing', () => {
    const { settle, admit } = breaker()
    for (const at of [1e9, 1e9, 1e9, -5, -5, -5, 1e12, 1e12, 1e12]) settle(at, false)
    expect(admit(1e12)).toBeUndefined()
    settle(1e12, false)
    expect(admit(1e12)).toBeDefined()
    expect(admit(0)).toBeDefined()
    expect(admit(500, { ahead: 0 })).toBeUndefined()
  })

  test('it never opens on fewer failures than it says, nor stays closed on more, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 99 }), fc.constantFrom(true, true, true, false)), {
          maxLength: 80,
          size: 'max',
        }),
        (calls) => {
          const { settle, admit } = breaker({ windowMs: 1_000 })
          const seen: { step: number; ok: boolean }[] = []
          let at = 0
          for (const [gap, ok] of calls) {
            at += gap
            settle(at, ok)
            const step = Math.floor(at / 100)
            seen.push({ step, ok })
            const recent = seen.filter((each) => each.step > step - 10)
            const failures = recent.filter((each) => !each.ok).length
            const opens = recent.length >= 4 && failures >= recent.length / 2
            expect(admit(at) !== undefined).toBe(opens)
            if (opens) return
          }
        },
      ),
      { seed: 31 },
    )
  })
})

describe('half-open', () => {
  test('some may start, and newcomers come in where they can be among them; when these succeed it closes', () => {
    const { admit, holdMs, start, settle } = opened(0)
    expect([admit(500, { ahead: 0 }), admit(500, { ahead: 1 })]).toEqual([undefined, undefined])
    expect(admit(500, { ahead: 2 })).toStrictEqual({
      rule: 'circuitBreaker',
      compared: { state: 'half-open', failed: 4, of: 4, ratio: 1 },
      wouldAdmit: 'one that comes when the calls that are tried have succeeded; in 500 ms others are tried',
    })
    start(500)
    expect([holdMs(500), admit(500, { ahead: 0 })]).toEqual([0, undefined])
    start(500)
    // Both are on their way: the others wait for half a run, and are looked at again.
    expect([holdMs(500), holdMs(500, 9e9), admit(500)]).toEqual([5, 50, expect.anything()])
    // Before the first run has settled, and when runs are short, for a millisecond.
    expect([holdMs(500, Number.NaN), holdMs(500, 1)]).toEqual([1, 1])
    settle(510, true, 10)
    expect(holdMs(510)).toBe(5)
    settle(510, true, 10)
    expect([holdMs(510), admit(510)]).toEqual([0, undefined])
  })

  test('one failure opens it again', () => {
    const { admit, start, settle } = opened(0)
    expect(admit(500)).toBeUndefined()
    start(500)
    settle(520, false, 20)
    expect(admit(520)).toMatchObject({ compared: { state: 'open', failed: 1, of: 1 }, retryAfterMs: 500 })
  })

  test('a success before that failure does not count for the next time', () => {
    const { admit, start, settle } = opened(0)
    expect(admit(500)).toBeUndefined()
    for (let i = 0; i < 2; i++) start(500)
    settle(510, true, 10)
    settle(520, false, 20)
    expect(admit(1_020)).toBeUndefined()
    for (let i = 0; i < 2; i++) start(1_020)
    settle(1_030, true, 10)
    expect(admit(1_030)).toMatchObject({ compared: { state: 'half-open', failed: 1, of: 2 } })
  })

  test('what began before it was opened teaches nothing, also later', () => {
    const { admit, start, settle } = opened(0)
    settle(200, true, 300)
    expect(admit(500)).toBeUndefined()
    settle(510, false, 600)
    settle(520, true, 600)
    expect(admit(520)).toBeUndefined()
    for (let i = 0; i < 2; i++) start(520)
    for (let i = 0; i < 2; i++) settle(530, true, 10)
    for (let i = 0; i < 9; i++) settle(540, false, 9_999)
    expect(admit(540, { ahead: 9 })).toBeUndefined()
  })

  test('it looks for their answers every half run, and no more often than every ms', () => {
    const { holdMs, start } = opened(0)
    expect(holdMs(500)).toBe(0)
    for (let i = 0; i < 2; i++) start(500)
    const looks = [1_000, 40, 3, 2, 0.1, Number.NaN].map((recentRunMs) => holdMs(510, recentRunMs))
    // A tenth of `openMs` at most; and 1 ms where runs are short, or not known yet.
    expect(looks).toEqual([50, 20, 1.5, 1, 1, 1])
  })

  test('probes of which nothing is heard make room for others after a while', () => {
    const { admit, holdMs, start, settle } = opened(0)
    expect(holdMs(500)).toBe(0)
    for (let i = 0; i < 2; i++) start(500)
    expect(admit(999)).toBeDefined()
    expect([holdMs(1_000), admit(1_000)]).toEqual([0, undefined])
    // An answer that comes late is one all the same.
    start(1_000)
    settle(1_010, true, 510)
    settle(1_020, true, 20)
    expect(admit(1_020, { ahead: 9 })).toBeUndefined()
  })
})

test('what counts as a failure can be chosen: a slow answer', () => {
  const { admit, settle } = breaker({ isFailure: (ok, runMs, { tier }) => !ok || (runMs > 100 && tier === 2) })
  for (const runMs of [99, 100, 101, 102]) settle(0, true, runMs)
  expect(admit(0)).toMatchObject({ compared: { failed: 2, of: 4 } })
})

test('an executor leaves a failing downstream alone, tries the most urgent first, and goes on when it works', async () => {
  const clock = new VirtualClock()
  let works = false
  const started: [request: string, at: number][] = []
  const queue = new QueuedExecutor(
    async (request: string) => {
      started.push([request, clock.now()])
      await clock.sleep(10)
      if (!works) throw new Error('down')
    },
    { clock, concurrency: 2, overload: circuitBreaker({ ...small, minimumRequests: 3 }), random: () => 0 },
  )
  const end = (request: string, priority: 'low' | 'normal' | 'urgent' = 'normal') =>
    queue.execute(request, { priority }).then(
      () => 'answered',
      ({ code, message }) => code ?? message,
    )
  const first = ['a', 'b', 'c', 'd'].map((request) => end(request))
  const waiting = [end('low 1', 'low'), end('low 2', 'low')]
  await clock.run({ until: Promise.all(first) })
  expect(await Promise.all(first)).toEqual(['down', 'down', 'down', 'down'])
  // Open: newcomers are refused, and those who waited still do.
  expect(await end('refused')).toBe('TRIAGE_OVERLOADED')
  expect(queue.getStatus()).toMatchObject({ running: 0, waiting: 2 })
  await clock.advanceTo(519)
  expect(started).toHaveLength(4)
  // Half-open from 520 to 530, when the first probe fails; then open again, until 1030.
  await clock.advanceTo(1_029)
  expect(started.slice(4)).toEqual([
    ['low 1', 520],
    ['low 2', 520],
  ])
  expect(await Promise.all(waiting)).toEqual(['down', 'down'])
  works = true
  await clock.advanceTo(1_030)
  const last = [end('normal 1'), end('normal 2'), end('normal 3'), end('urgent', 'urgent')]
  await clock.run({ until: Promise.all(last) })
  expect(await Promise.all(last)).toEqual(['answered', 'answered', 'TRIAGE_OVERLOADED', 'answered'])
  expect(started.slice(6)).toEqual([
    ['urgent', 1_030],
    ['normal 1', 1_030],
    // Closed at 1040, which is seen half a run later at the latest.
    ['normal 2', 1_045],
  ])
})

test('what is set to undefined is not set', () => {
  const { admit } = opened(0, { openMs: undefined, isFailure: undefined } as unknown as CircuitBreakerOptions)
  expect(admit(0)).toMatchObject({ retryAfterMs: 5_000 })
})

test.each<[unknown, string]>([
  [null, "Option 'circuitBreaker': expected an object, got null"],
  [{ failureRatio: 0 }, "'circuitBreaker.failureRatio': expected a number greater than 0, and at most 1, got 0"],
  [{ failureRatio: 1.01 }, "'circuitBreaker.failureRatio': expected a number greater than 0, and at most 1, got 1.01"],
  [{ minimumRequests: 1.5 }, "'circuitBreaker.minimumRequests': expected an integer of at least 1, got 1.5"],
  [{ windowMs: 0 }, "'circuitBreaker.windowMs': expected a finite number of ms greater than 0, got 0"],
  [{ openMs: '5s' }, "'circuitBreaker.openMs': expected a finite number of ms greater than 0, got '5s'"],
  [{ probes: 0 }, "'circuitBreaker.probes': expected an integer of at least 1, got 0"],
  [{ isFailure: true }, "'circuitBreaker.isFailure': expected a function, got true"],
  [{ halfOpen: 1 }, "Unknown option 'circuitBreaker.halfOpen'"],
])('%j is refused', (options, message) => {
  expect(() => circuitBreaker(options as CircuitBreakerOptions)).toThrow(OptionsError)
  expect(() => circuitBreaker(options as CircuitBreakerOptions)).toThrow(message)
})

test('all calls may have to fail', () => {
  const { admit, settle } = breaker({ failureRatio: 1 })
  for (let i = 0; i < 4; i++) settle(0, false)
  expect(admit(0)).toBeDefined()
})

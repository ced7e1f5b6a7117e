import fc from 'fast-check'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { type TokenBucketOptions, tokenBucket } from '../../../../src/core/admit/guards/token-bucket.ts'
import { ask } from '../../../support/guard-question.ts'

const admits = (guard: ReturnType<typeof tokenBucket>, at: number, metadata?: unknown) =>
  guard.admit?.(ask({ at, metadata })) === undefined

test('a burst of three, then two a second; who is refused is told when there is a token', () => {
  const guard = tokenBucket({ perSecond: 2, burst: 3 })
  expect([0, 0, 0].map((at) => admits(guard, at))).toEqual([true, true, true])
  expect(guard.admit?.(ask({ at: 0 }))).toEqual({
    rule: 'tokenBucket',
    compared: { tokens: 0, perSecond: 2 },
    wouldAdmit: 'one for which there is a token',
    retryAfterMs: 500,
  })
  expect(guard.admit?.(ask({ at: 499 }))?.retryAfterMs).toBe(1)
  expect([500, 500, 999, 1_000].map((at) => admits(guard, at))).toEqual([true, false, false, true])
  // However long it is quiet, no more than the burst is saved up.
  expect([1e6, 1e6, 1e6, 1e6].map((at) => admits(guard, at))).toEqual([true, true, true, false])
})

test('over: wait gives each the time of its own token, in order, and refuses who would wait too long', () => {
  const guard = tokenBucket({ perSecond: 10, burst: 1, over: 'wait', maxDelayMs: 250 })
  const delay = (at: number) => guard.admit?.(ask({ at }))?.retryAfterMs ?? guard.delayMs?.(ask({ at }))
  expect([0, 0, 50].map(delay)).toEqual([0, 100, 150])
  expect(delay(50)).toBe(250)
  expect(guard.admit?.(ask({ at: 140 }))).toEqual({
    rule: 'tokenBucket',
    compared: { tokens: -1.6, perSecond: 10 },
    wouldAdmit: 'one whose token is due within 250 ms',
    retryAfterMs: 10,
  })
  expect(delay(150)).toBe(250)
  expect(delay(1_000)).toBe(0)
})

test('what may come at once is a second’s worth, but at least one; all priorities share one bucket', () => {
  for (const said of [{}, { per: 'executor', over: 'refuse', maxKeys: 1 }] as const) {
    const guard = tokenBucket({ perSecond: 3, ...said })
    expect([0, 1, 2, 3].map((tier) => guard.admit?.(ask({ tier })) === undefined)).toEqual([true, true, true, false])
    const slow = tokenBucket({ perSecond: 0.5, ...said })
    expect([0, 0, 1_999, 2_000].map((at) => admits(slow, at))).toEqual([true, false, false, true])
  }
})

test('who may not wait at all is refused until there is a token', () => {
  const guard = tokenBucket({ perSecond: 10, burst: 1, over: 'wait', maxDelayMs: 0 })
  expect(guard.delayMs?.(ask())).toBe(0)
  expect([99, 100].map((at) => guard.admit?.(ask({ at }))?.retryAfterMs)).toEqual([1, undefined])
})

test('errors of rounding make nobody wait longer, and nobody is told a time before there is a token', () => {
  const asked = tokenBucket({ perSecond: 0.1 })
  expect(admits(asked, 0)).toBe(true)
  // A tenth of a token, ten times over, is not quite one.
  for (let at = 0; at < 10_000; at += 1_000) expect(asked.admit?.(ask({ at }))?.retryAfterMs).toBe(10_000 - at)
  expect(admits(asked, 10_000)).toBe(true)
  // A token in a thousand seconds: some µs are as much of it as an error of rounding may be.
  const rare = tokenBucket({ perSecond: 0.001 })
  expect(admits(rare, 0)).toBe(true)
  const at = 1 - 0.0015
  expect(admits(rare, at + (rare.admit?.(ask({ at }))?.retryAfterMs as number))).toBe(true)
})

test('each priority, or each key, has a bucket of its own', () => {
  const byTier = tokenBucket({ perSecond: 1, per: 'priority' })
  expect([0, 1, 2, 3, 0, 3].map((tier) => byTier.admit?.(ask({ tier })) === undefined)).toEqual([
    ...[true, true, true, true],
    ...[false, false],
  ])
  const byKey = tokenBucket({ perSecond: 1, per: (_request, metadata) => metadata as string })
  expect(['a', 'b', 'a', '__proto__', '__proto__'].map((key) => admits(byKey, 0, key))).toEqual([
    ...[true, true, false],
    ...[true, false],
  ])
  expect(() => byKey.admit?.(ask({ metadata: 5 }))).toThrow(
    "Option 'tokenBucket.per': expected a function that returns a string, got 5",
  )
})

test('in any stretch of time no more come in than burst + rate · time, and who comes when told to is admitted', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 5_000, noNaN: true }),
      fc.double({ min: 1, max: 20, noNaN: true }),
      fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3_000, noNaN: true })), {
        maxLength: 80,
        size: 'max',
      }),
      (perSecond, burst, gaps) => {
        const guard = tokenBucket({ perSecond, burst })
        const admitted: number[] = []
        let at = 0
        for (const gap of gaps) {
          at += gap
          const refusal = guard.admit?.(ask({ at }))
          if (refusal === undefined) admitted.push(at)
          else if (gap > 1_000) {
            at += refusal.retryAfterMs as number
            expect(admits(guard, at)).toBe(true)
            admitted.push(at)
          }
        }
        for (const [i, from] of admitted.entries()) {
          const last = admitted.length - 1
          const to = admitted[last] as number
          expect(last - i + 1).toBeLessThanOrEqual(burst + (perSecond * (to - from)) / 1_000 + 1e-6)
        }
      },
    ),
    { seed: 11 },
  )
})

describe('after a million requests', () => {
  test('as many were admitted as there were tokens, to within one', () => {
    for (const perSecond of [1_000 / 7, 333.3]) {
      const guard = tokenBucket({ perSecond, burst: 5 })
      let admitted = 0
      for (let i = 0; i < 1_000_000; i++) if (admits(guard, 1e9 + i * 0.7)) admitted++
      expect(Math.abs(admitted - (5 + (perSecond * 999_999 * 0.7) / 1_000))).toBeLessThanOrEqual(1)
    }
  })

  test('each promise is still for the time of its own token', () => {
    const perSecond = 300
    const guard = tokenBucket({ perSecond, burst: 1, over: 'wait' })
    let at = 1e9
    for (let i = 0; i < 1_000_000; i++) {
      at = 1e9 + (i * 1_000) / 301
      const due = at + (guard.delayMs?.(ask({ at })) as number)
      if (i % 1_000 === 0) expect(Math.abs(due - (1e9 + (i * 1_000) / perSecond))).toBeLessThan(0.01)
    }
  })
})

test('a clock that jumps, whichever way, stops nobody for long, and gives nobody more than the burst', () => {
  const guard = tokenBucket({ perSecond: 1, burst: 2 })
  expect([1e9, 1e9, 1e9].map((at) => admits(guard, at))).toEqual([true, true, false])
  expect(admits(guard, 0)).toBe(false)
  expect([1_000, 1_000].map((at) => admits(guard, at))).toEqual([true, false])
  expect([1e12, 1e12, 1e12].map((at) => admits(guard, at))).toEqual([true, true, false])
  expect(admits(guard, Number.NaN)).toBe(false)
})

describe('keys are bounded', () => {
  test('the oldest is forgotten when there are too many that are not full', () => {
    const guard = tokenBucket({ perSecond: 1, per: (_request, metadata) => metadata as string, maxKeys: 100 })
    for (let i = 0; i < 150; i++) expect(admits(guard, 0, `key ${i}`)).toBe(true)
    // Of so many no more is known than that there were others.
    const known = Array.from({ length: 150 }, (_, i) => !admits(guard, 0, `key ${i}`)).filter(Boolean)
    expect(known.length).toBeLessThanOrEqual(100)
    expect(admits(guard, 0, 'key 149')).toBe(false)
    const two = tokenBucket({ perSecond: 1, per: (_request, metadata) => metadata as string, maxKeys: 2 })
    expect(['a', 'b', 'c', 'b', 'c', 'a'].map((key) => admits(two, 0, key))).toEqual([
      ...[true, true, true],
      // Of three the first has gone, and may come once more.
      ...[false, false, true],
    ])
  })

  test('full ones make room, so that one in use keeps its bucket', () => {
    const guard = tokenBucket({ perSecond: 1, per: (_request, metadata) => metadata as string, maxKeys: 35 })
    for (let i = 0; i < 10_000; i++) {
      expect(admits(guard, i * 250, 'in use')).toBe(i % 4 === 0)
      for (let other = i % 4; other >= 0; other--) admits(guard, i * 250, `key ${i} ${other}`)
    }
  })
})

describe('an executor', () => {
  test('lets in what the rate allows over a long run, to within one token, and refuses the rest', async () => {
    const clock = new VirtualClock()
    const queue = new QueuedExecutor(async (n: number) => n, {
      clock,
      rateLimit: tokenBucket({ perSecond: 2.5, burst: 4 }),
    })
    const codes = new Map<string, number>()
    for (let i = 0; i <= 1_000; i++) {
      await queue.execute(i).catch(({ code, retryAfterMs }) => {
        expect(retryAfterMs).toBeGreaterThan(0)
        codes.set(code, (codes.get(code) ?? 0) + 1)
      })
      await clock.advance(100)
    }
    const { completed, rejected } = queue.getStatus().totals
    expect(Math.abs(completed - (4 + 2.5 * 100))).toBeLessThanOrEqual(1)
    expect(codes).toEqual(new Map([['TRIAGE_RATE_LIMITED', rejected]]))
  })

  test('starts those who wait at the time of their tokens; one that is cancelled leaves its token unused', async () => {
    const clock = new VirtualClock()
    const started: [n: number, at: number][] = []
    const queue = new QueuedExecutor(async (n: number) => void started.push([n, clock.now()]), {
      clock,
      rateLimit: tokenBucket({ perSecond: 10, burst: 1, over: 'wait', maxDelayMs: 300 }),
    })
    const requests = await Promise.all([1, 2, 3, 4].map((n) => queue.submit(n)))
    await expect(queue.execute(5)).rejects.toMatchObject({ code: 'TRIAGE_RATE_LIMITED', retryAfterMs: 100 })
    const second = requests[1]
    const cancelled = second?.result.catch(({ code }) => code)
    second?.cancel()
    expect(await cancelled).toBe('TRIAGE_CANCELLED')
    await clock.run()
    expect(started).toEqual([
      [1, 0],
      [3, 200],
      [4, 300],
    ])
  })
})

test.each<[unknown, string]>([
  [undefined, "Option 'tokenBucket': expected an object, got undefined"],
  [{}, "Option 'tokenBucket.perSecond': expected a finite number greater than 0, got undefined"],
  [{ perSecond: 0 }, "'tokenBucket.perSecond': expected a finite number greater than 0, got 0"],
  [{ perSecond: Number.MIN_VALUE }, "'tokenBucket.perSecond': expected a finite number greater than 0, got 5e-324"],
  [{ perSecond: '5' }, "'tokenBucket.perSecond': expected a finite number greater than 0, got '5'"],
  [{ perSecond: Number.POSITIVE_INFINITY }, 'greater than 0, got Infinity'],
  [{ perSecond: 1, burst: 0.5 }, "'tokenBucket.burst': expected a finite number of at least 1, got 0.5"],
  [{ perSecond: 1, per: 'tenant' }, "'tokenBucket.per': expected 'executor', 'priority' or a function, got 'tenant'"],
  [{ perSecond: 1, over: 'drop' }, "'tokenBucket.over': expected 'refuse' or 'wait', got 'drop'"],
  [{ perSecond: 1, maxDelayMs: 5 }, "'tokenBucket.maxDelayMs': expected nothing, unless over is 'wait', got 5"],
  [{ perSecond: 1, maxKeys: 0 }, "'tokenBucket.maxKeys': expected an integer of at least 1, got 0"],
  [{ perSecond: 1, constructor: 1 }, "Unknown option 'tokenBucket.constructor'"],
])('%j is refused', (options, message) => {
  expect(() => tokenBucket(options as TokenBucketOptions)).toThrow(OptionsError)
  expect(() => tokenBucket(options as TokenBucketOptions)).toThrow(message)
})

import fc from 'fast-check'
import { type GuardQuestion, InvalidRequestError, OptionsError, QueuedExecutor } from 'triage-queue'
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

const rounded = (ms: number) => Math.round(ms * 1_000) / 1_000

/** A guard of starts, and what it says about a request with these tokens, after so many others. */
function startsWith(options: Omit<TokenBucketOptions, 'over'>) {
  const guard = tokenBucket({ ...options, over: 'wait' })
  const about = (question: Partial<GuardQuestion>): GuardQuestion => {
    const asked = ask({ ...question })
    asked.bucket = guard.bucket?.(asked)
    asked.tokens = question.tokens ?? guard.tokens?.(asked) ?? 1
    return asked
  }
  return {
    guard,
    dueInMs: (question: Partial<GuardQuestion>) => rounded(guard.tokensInMs?.(about(question)) as number),
    start: (question: Partial<GuardQuestion>) => guard.started?.(about(question)),
    refusal: (question: Partial<GuardQuestion>) => guard.admit?.(about(question)),
  }
}

test('over: wait says in how many ms the tokens of a start are there, and takes them when it starts', () => {
  const { guard, dueInMs, start } = startsWith({ perSecond: 10, burst: 2 })
  expect([guard.admit, guard.delayMs]).toEqual([undefined, undefined])
  expect([{ at: 0 }, { at: 0 }, { at: 0, tokensAhead: 1 }, { at: 0, tokensAhead: 2 }].map(dueInMs)).toEqual([
    0, 0, 0, 100,
  ])
  start({ at: 0 })
  start({ at: 0 })
  expect([0, 50, 100].map((at) => dueInMs({ at }))).toEqual([100, 50, 0])
  expect(dueInMs({ at: 100, tokens: 2 })).toBe(100)
  // However long it is quiet, no more than the burst is saved up.
  for (const tokens of [2, 3]) expect(dueInMs({ at: 1e6, tokens })).toBe((tokens - 2) * 100)
})

test('maxDelayMs refuses a newcomer who would wait longer, by what goes before it', () => {
  const { refusal, start } = startsWith({ perSecond: 10, burst: 1, maxDelayMs: 250 })
  start({ at: 0 })
  expect([0, 1, 1.5].map((tokensAhead) => refusal({ at: 0, tokensAhead }))).toEqual([undefined, undefined, undefined])
  expect(refusal({ at: 0, tokensAhead: 2 })).toEqual({
    rule: 'tokenBucket',
    compared: { tokens: -2, perSecond: 10 },
    wouldAdmit: 'one whose token is due within 250 ms',
    retryAfterMs: 50,
  })
  expect(refusal({ at: 50, tokensAhead: 2 })).toBeUndefined()
})

test('spread: one after the other, and after one of weight n there are n spaces', () => {
  const weight = (request: unknown) => request as number
  const { dueInMs, start } = startsWith({ perSecond: 10, spread: true, weight })
  expect(dueInMs({ at: 0, request: 5 })).toBe(0)
  start({ at: 0, request: 5 })
  expect([0, 499, 500].map((at) => dueInMs({ at, request: 1 }))).toEqual([500, 1, 0])
  start({ at: 1e6, request: 0.5 })
  expect([0, 49, 50].map((ms) => dueInMs({ at: 1e6 + ms, request: 1 }))).toEqual([50, 1, 0])
  const arrivals = tokenBucket({ perSecond: 10, spread: true, weight })
  const retryAfterMs = (at: number) => arrivals.admit?.(ask({ at, request: 2 }))?.retryAfterMs
  expect([0, 0, 199, 200, 201].map(retryAfterMs)).toEqual([undefined, 200, 1, undefined, 199])
})

test('a request takes as many tokens as weight says; one that takes more than the burst never comes in', () => {
  const weight = (request: unknown, metadata: unknown) => (request as number) * (metadata as number)
  const arrivals = tokenBucket({ perSecond: 10, burst: 6, weight })
  const admit = (request: unknown, at = 0) => arrivals.admit?.(ask({ at, request, metadata: 2 }))?.retryAfterMs
  expect([admit(2), admit(2), admit(1), admit(0.5), admit(2, 400)]).toEqual([undefined, 200, undefined, 100, undefined])
  const { guard } = startsWith({ perSecond: 10, burst: 6, weight })
  for (const asks of [() => admit(4), () => guard.tokens?.(ask({ request: 4, metadata: 2 }))]) {
    expect(asks).toThrow(InvalidRequestError)
    expect(asks).toThrow('it takes 8 tokens, and tokenBucket.burst is 6')
  }
  for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1', Promise.reject(new Error('no'))]) {
    const { guard } = startsWith({ perSecond: 1, weight: () => wrong as number })
    expect(() => guard.tokens?.(ask())).toThrow(
      "Option 'tokenBucket.weight': expected a function that returns a finite",
    )
  }
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
  const { refusal, start } = startsWith({ perSecond: 10, burst: 1, maxDelayMs: 0 })
  start({})
  expect([99, 100].map((at) => refusal({ at })?.retryAfterMs)).toEqual([1, undefined])
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

  test('starts those who wait as tokens come; the token of one that is cancelled is that of the next', async () => {
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
      [3, 100],
      [4, 200],
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
  [{ perSecond: 1, maxDelayMs: -1, over: 'wait' }, 'expected a number of ms of at least 0, got -1'],
  [{ perSecond: 1, spread: 1 }, "'tokenBucket.spread': expected a boolean, got 1"],
  [{ perSecond: 1, spread: true, burst: 2 }, "'tokenBucket.burst': expected nothing where starts are spread, got 2"],
  [{ perSecond: 1, weight: 2 }, "'tokenBucket.weight': expected a function, got 2"],
  [{ perSecond: 1, maxKeys: 0 }, "'tokenBucket.maxKeys': expected an integer of at least 1, got 0"],
  [{ perSecond: 1, constructor: 1 }, "Unknown option 'tokenBucket.constructor'"],
])('%j is refused', (options, message) => {
  expect(() => tokenBucket(options as TokenBucketOptions)).toThrow(OptionsError)
  expect(() => tokenBucket(options as TokenBucketOptions)).toThrow(message)
})

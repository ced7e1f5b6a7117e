/**
 * A rate of starts: whatever comes, in no stretch of time more start than the bucket allows, whoever is first has the next token,
 * no key holds back another, and no slot idles beside a request that has its tokens.
 */
import fc from 'fast-check'
import {
  aging,
  type OrderPolicy,
  priorities,
  QueuedExecutor,
  type QueuedRequest,
  strict,
  tokenBucket,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test, vi } from 'vitest'

// Hundreds of situations, on a machine that may be busy with others.
vi.setConfig({ testTimeout: 60_000 })

interface About {
  readonly n: number
  readonly key: string
  readonly tokens: number
  readonly ms: number
  readonly failures: number
}

const KEYS = ['a', 'b', 'c']
const tokensOf = (_request: unknown, about: unknown) => (about as About).tokens
const keyOf = (_request: unknown, about: unknown) => (about as About).key

const arrival = fc.record({
  do: fc.constant('arrive' as const),
  tier: fc.integer({ min: 0, max: 3 }),
  key: fc.constantFrom(...KEYS),
  tokens: fc.constantFrom(1, 1, 1, 2, 3),
  ms: fc.constantFrom(0, 0, 5, 120),
  failures: fc.constantFrom(0, 0, 0, 1, 2),
  delayMs: fc.constantFrom(undefined, undefined, undefined, 70),
})
const step = fc.record({
  what: fc.oneof(
    { arbitrary: arrival, weight: 12 },
    fc.record({ do: fc.constant('cancel' as const), which: fc.nat(6) }),
    fc.record({ do: fc.constant('move' as const), which: fc.nat(6), tier: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const) }),
    fc.record({ do: fc.constant('stall' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
  ),
  passMs: fc.constantFrom(0, 0, 0, 1, 20, 130, 900),
})
const orders: { readonly [name: string]: () => OrderPolicy } = { strict, aging: () => aging({ stepMs: 200 }) }
const situation = fc.record({
  perSecond: fc.constantFrom(1, 7, 20),
  burst: fc.constantFrom(3, 4.5, 8),
  isSpread: fc.boolean(),
  hasWeight: fc.boolean(),
  isByKey: fc.boolean(),
  hasSecond: fc.boolean(),
  concurrency: fc.constantFrom(1, 2, 10, 100),
  order: fc.constantFrom('strict', 'aging'),
  steps: fc.array(step, { minLength: 5, maxLength: 60 }),
})
type Situation = typeof situation extends fc.Arbitrary<infer S> ? S : never

/** A bucket, by the formula alone. */
class Bucket {
  readonly #chosen: Situation
  #tokens: number
  #at = 0

  constructor(chosen: Situation) {
    this.#chosen = chosen
    this.#tokens = chosen.isSpread ? 1 : chosen.burst
  }

  has(now: number, tokens: number): boolean {
    const { burst, isSpread, perSecond } = this.#chosen
    this.#tokens = Math.min(this.#tokens + ((now - this.#at) * perSecond) / 1_000, isSpread ? 1 : burst)
    this.#at = now
    return this.#tokens >= (isSpread ? 1 : tokens) - 1e-6
  }

  take(tokens: number): void {
    this.#tokens -= tokens
  }
}

async function play(chosen: Situation, look: (world: ReturnType<typeof made>) => void): Promise<void> {
  const world = made(chosen)
  const { clock, queue, open } = world
  for (const [n, { what, passMs }] of chosen.steps.entries()) {
    const id = (which: number) => `${n - which}`
    if (what.do === 'arrive') {
      const { tier, delayMs, ...about } = what
      const options = { id: `${n}`, priority: priorities[tier] as 'low', metadata: { ...about, n } }
      const end = queue.execute(n, { ...options, ...(delayMs !== undefined && { delayMs }) })
      open.add(n)
      const ended = () => void open.delete(n)
      end.then(ended, ended)
    } else if (what.do === 'cancel') queue.cancel(id(what.which))
    else if (what.do === 'move') queue.get(id(what.which))?.setPriority(priorities[what.tier] as 'low')
    else if (what.do === 'stall') world.late.ms += what.ms
    else queue[what.do]()
    await clock.advance(passMs)
    look(world)
  }
  queue.resume()
  await clock.run()
  expect([...open]).toEqual([])
  expect(clock.timers).toBe(0)
}

function made(chosen: Situation) {
  const { perSecond, burst, isSpread, hasWeight, isByKey, hasSecond, concurrency } = chosen
  const clock = new VirtualClock()
  // Time that has passed unnoticed, as when a computer sleeps.
  const late = { ms: 0 }
  const now = () => clock.now() + late.ms
  const bucket = {
    ...{ perSecond, over: 'wait' as const },
    ...(isSpread ? { spread: true } : { burst }),
    ...(hasWeight && { weight: tokensOf }),
  }
  const started: { readonly n: number; readonly at: number; readonly key: string; readonly tokens: number }[] = []
  const open = new Set<number>()
  const attempts = new Map<number, number>()
  const queue = new QueuedExecutor<number, number>(
    async (n, { metadata }) => {
      const { key, tokens, ms, failures } = metadata as About
      started.push({ n, at: now(), key, tokens: hasWeight ? tokens : 1 })
      if (ms > 0) await clock.sleep(ms)
      const attempt = (attempts.get(n) ?? 0) + 1
      attempts.set(n, attempt)
      if (attempt <= failures) throw new Error('once more')
      return n
    },
    {
      clock: {
        now,
        setTimeout: (f, ms) => clock.setTimeout(f, ms),
        clearTimeout: (timer) => clock.clearTimeout(timer),
      },
      ...{ concurrency, debug: true, order: (orders[chosen.order] as () => OrderPolicy)() },
      retry: { name: 'again', delayMs: ({ attempt }) => 30 * attempt },
      rateLimit: [
        tokenBucket({ ...bucket, ...(isByKey && { per: keyOf }) }),
        ...(hasSecond ? [tokenBucket({ perSecond: 15, burst: 3, over: 'wait', weight: tokensOf })] : []),
      ],
    },
  )
  return { clock, queue, started, open, late, now }
}

function aboutOf(request: QueuedRequest<number, number> | undefined): About {
  return request?.metadata as About
}

/** Of each stretch of time: how many tokens were taken in it at most. */
function keepsTo(times: readonly { at: number; tokens: number }[], perSecond: number, most: number): void {
  for (const [i, { at: from }] of times.entries()) {
    let sum = 0
    for (const { at, tokens } of times.slice(i)) {
      sum += tokens
      expect(sum).toBeLessThanOrEqual(most + (perSecond * (at - from)) / 1_000 + 1e-6)
    }
  }
}

test('in any stretch of time no more start than burst + rate · time, after pauses, stalls and failures too', async () => {
  await fc.assert(
    fc.asyncProperty(situation, async (chosen) => {
      let all: ReturnType<typeof made>['started'] = []
      await play(chosen, ({ started }) => {
        all = started
      })
      const { perSecond, burst, isSpread, isByKey, hasSecond } = chosen
      for (const key of isByKey ? KEYS : [undefined]) {
        const own = all.filter((each) => key === undefined || each.key === key)
        // The last one of a stretch takes its spaces after it.
        if (isSpread) {
          for (const [i, { at, tokens }] of own.slice(0, -1).entries()) {
            expect((own[i + 1] as { at: number }).at).toBeGreaterThanOrEqual(at + (tokens * 1_000) / perSecond - 1e-3)
          }
        } else keepsTo(own, perSecond, burst)
      }
      if (hasSecond)
        keepsTo(
          all.map(({ at, n }) => ({ at, tokens: weightOf(chosen, n) })),
          15,
          3,
        )
    }),
    { numRuns: 400 },
  )
})

function weightOf({ steps }: Situation, n: number): number {
  const what = steps[n]?.what
  return what?.do === 'arrive' ? what.tokens : 0
}

describe('with tokens of one each', () => {
  const plain = situation.map((chosen) => ({ ...chosen, hasWeight: false, hasSecond: false }))

  /** The formula of the bucket beside the executor: who has a token when all is done that can be done at an instant? */
  const beside = (chosen: Situation) => {
    const buckets = new Map<string, Bucket>()
    let seen = 0
    const of = (key: string): Bucket => {
      const name = chosen.isByKey ? key : ''
      const bucket = buckets.get(name) ?? new Bucket(chosen)
      buckets.set(name, bucket)
      return bucket
    }
    return (world: ReturnType<typeof made>) => {
      for (; seen < world.started.length; seen++) {
        const { at, key } = world.started[seen] as (typeof world.started)[0]
        expect(of(key).has(at, 1)).toBe(true)
        of(key).take(1)
      }
      return (key: string) => of(key).has(world.now(), 1)
    }
  }

  test('no slot idles beside a request that has one, whatever other keys wait', async () => {
    await fc.assert(
      fc.asyncProperty(plain, async (chosen) => {
        const after = beside(chosen)
        let stalled = 0
        await play(chosen, (world) => {
          const hasToken = after(world)
          const { queue, late } = world
          // What a timer that is late has not seen yet is seen when it rings.
          if (late.ms !== stalled) {
            stalled = late.ms
            return
          }
          const { state, activeWorkers, waiting } = queue.getStatus()
          if (state === 'paused' || activeWorkers >= queue.concurrency || waiting === 0 || late.ms > 0) return
          const idle = [...world.open].map((n) => queue.get(`${n}`)).filter((it) => it?.position() !== undefined)
          const may = idle.filter((request) => hasToken(aboutOf(request).key))
          expect(may.map((request) => request?.id)).toEqual([])
        })
      }),
      { numRuns: 400 },
    )
  })

  test('the next one of a bucket is that of the first in the order', async () => {
    await fc.assert(
      fc.asyncProperty(plain, async (chosen) => {
        const waiting = new Map<string, Map<string, number>>()
        // Whatever is moved has another place than it had.
        const steps = chosen.steps.filter(({ what }) => what.do !== 'move')
        const world: Situation = { ...chosen, steps, order: 'strict', concurrency: 100 }
        await play(world, ({ queue, started, open }) => {
          // Of those that waited before, and could have had this token, none is more urgent than whoever has started.
          for (const { key, n } of started.splice(0)) {
            const line = waiting.get(chosen.isByKey ? key : '')
            const own = line?.get(`${n}`)
            if (line === undefined || own === undefined) continue
            line.delete(`${n}`)
            for (const [id, place] of line) if (open.has(Number(id))) expect(place).toBeGreaterThan(own)
          }
          waiting.clear()
          for (const n of open) {
            const request = queue.get(`${n}`)
            const place = request?.position()
            if (place === undefined) continue
            const name = chosen.isByKey ? aboutOf(request).key : ''
            waiting.set(name, (waiting.get(name) ?? new Map()).set(`${n}`, place))
          }
        })
      }),
      { numRuns: 400 },
    )
  })
})

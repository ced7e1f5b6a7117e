/**
 * 10,000 keys without tokens, and 100,000 requests that wait for them: what a start costs is counted in steps, not in time.
 */
import { type Guard, QueuedExecutor, tokenBucket } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, expect, test } from 'vitest'
import { Tier } from '../../src/core/queue/tier.ts'
import { turn } from './support.ts'

const KEYS = 10_000
const EACH = 11

const methods = ['add', 'remove', 'shift', 'countBefore', 'at'] as const
const originals = new Map(methods.map((method) => [method, Tier.prototype[method]]))

afterEach(() => {
  for (const [method, original] of originals) Object.assign(Tier.prototype, { [method]: original })
})

/** How often a sorted line is changed, or searched: each costs O(log n). */
function countedLines(): { steps: number } {
  const counted = { steps: 0 }
  for (const [method, original] of originals) {
    const counting = function (this: Tier<never>, ...args: unknown[]): unknown {
      counted.steps++
      return (original as (...args: unknown[]) => unknown).apply(this, args)
    }
    Object.assign(Tier.prototype, { [method]: counting })
  }
  return counted
}

test('a start costs as much as with one key, and so does a token', { timeout: 120_000 }, async () => {
  const clock = new VirtualClock()
  const bucket = tokenBucket({
    ...{ perSecond: 0.1, burst: 1, over: 'wait', maxKeys: 2 * KEYS },
    per: (_request, key) => `${key}`,
  })
  let asked = 0
  const rateLimit: Guard = {
    ...bucket,
    tokensInMs: (question) => {
      asked++
      return bucket.tokensInMs?.(question) as number
    },
  }
  const started: string[] = []
  const queue = new QueuedExecutor((key: string) => void started.push(key), {
    ...{ clock, rateLimit, concurrency: 1, maxQueueSize: 0 },
  })
  const counted = countedLines()
  const send = (key: string, priority: 'urgent' | 'low' = 'low') => queue.submit(key, { priority, metadata: key })
  for (let n = 0; n < EACH; n++) for (let key = 0; key < KEYS; key++) void send(`${key}`)
  await clock.advance(1)
  expect([started.length, queue.getStatus().waiting]).toEqual([KEYS, KEYS * (EACH - 1)])
  const most = (starts: number, steps: number, questions: number) => {
    expect(counted.steps / starts).toBeLessThanOrEqual(steps)
    expect(asked / starts).toBeLessThanOrEqual(questions)
    asked = 0
    counted.steps = 0
  }
  // Each has come and has started, or was set aside, once.
  most(KEYS * EACH, 10, 4)

  // Those of keys with tokens start as if the others were not there.
  for (let n = 0; n < 1_000; n++) void send(`other ${n}`)
  await clock.advance(1)
  expect(started.length).toBe(KEYS + 1_000)
  most(1_000, 10, 4)

  // One of each key has a token now; a more urgent one takes it.
  for (let key = 0; key < 1_000; key++) void send(`${key}`, 'urgent')
  await clock.advance(100)
  most(1_000, 10, 4)
  expect(started.length).toBe(KEYS + 1_000)
  await clock.advance(9_900)
  expect([started.length, queue.getStatus().waiting]).toEqual([2 * KEYS + 1_000, KEYS * (EACH - 2) + 1_000])
  most(KEYS, 24, 8)

  const place = queue.getStatus().waiting - 1
  const last = await send('9999')
  expect(last.position()).toBe(place + 1)
  expect(counted.steps).toBeLessThan(20)
  await Promise.all([queue.close({ drain: false }), clock.advance(1)])
})

test('those that are set aside in a row do not keep the event loop to themselves', async () => {
  const clock = new VirtualClock()
  let turns = 0
  const queue = new QueuedExecutor((n: number) => n, {
    clock: {
      now: () => clock.now(),
      setTimeout: (f, ms) => clock.setTimeout(f, ms),
      clearTimeout: (timer) => clock.clearTimeout(timer),
      defer: (f) => {
        turns++
        setImmediate(f)
      },
    },
    ...{ concurrency: 2, rateLimit: tokenBucket({ perSecond: 1, burst: 1, over: 'wait' }) },
  })
  const answers = Array.from({ length: 5_001 }, (_, n) => queue.execute(n).catch(({ code }) => code))
  await answers[0]
  for (let looks = 0; looks < 100 && turns < 5; looks++) await turn()
  expect(turns).toBe(5)
  expect(queue.getStatus().waiting).toBe(5_000)
  await queue.close({ drain: false })
  expect(new Set(await Promise.all(answers))).toEqual(new Set([0, 'TRIAGE_CANCELLED']))
})

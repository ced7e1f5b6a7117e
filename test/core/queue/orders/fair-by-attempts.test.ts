/**
 * What a request costs its key, as the executor tells it: each attempt, for as long as it ran, in as many slots as it took.
 */
import { aging, type OrderPolicy, QueuedExecutor, type RequestOptions, type RetryPolicy } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { type FairByOptions, fairBy } from '../../../../src/core/queue/orders/fair-by.ts'
import { ask } from './order-driver.ts'

/** A client sends so many requests at a time, again and again. */
interface Client {
  readonly key: string
  readonly threads: number
  /** How often each of its requests fails before it succeeds. */
  readonly failures?: number
  readonly runMs?: number
  readonly options?: RequestOptions
}

const RUN_MS = 10

/** The share of the slots' time that each key has had. */
async function shares(
  clients: readonly Client[],
  concurrency: number,
  options?: FairByOptions,
  { delayMs = 0, around = (order: OrderPolicy) => order } = {},
) {
  const clock = new VirtualClock()
  const usedMs = new Map<string, number>()
  const retry: RetryPolicy = { name: 'at once', delayMs: () => delayMs }
  const queue = new QueuedExecutor(
    async ({ key, failures = 0, runMs = RUN_MS, options: { cost = 1 } = {} }: Client, run) => {
      await clock.sleep(runMs)
      usedMs.set(key, (usedMs.get(key) ?? 0) + runMs * cost)
      if (run.attempt <= failures) throw new Error('again')
    },
    { clock, concurrency, retry, order: around(fairBy(({ key }: Client) => key, options)) },
  )
  let open = true
  for (const client of clients) {
    const send = async (): Promise<void> => {
      while (open) await queue.execute(client, client.options).catch(() => {})
    }
    for (let i = 0; i < client.threads; i++) void send()
  }
  await clock.advance(20_000)
  open = false
  await Promise.all([queue.close({ drain: false, graceMs: 0 }), clock.run()])
  const sum = [...usedMs.values()].reduce((a, b) => a + b)
  return clients.map(({ key }) => (usedMs.get(key) ?? 0) / sum)
}

function expectNear(got: readonly number[], wanted: readonly number[]): void {
  for (const [i, want] of wanted.entries()) expect(Math.abs((got[i] as number) - want)).toBeLessThan(0.02)
}

test('each further attempt is charged: a key whose requests run three times has no more than its share', async () => {
  const flaky = { key: 'flaky', threads: 8, failures: 2 }
  const steady = { key: 'steady', threads: 8 }
  expectNear(await shares([flaky, steady], 2), [1 / 2, 1 / 2])
  expectNear(await shares([flaky, steady], 2, { guessMs: 1_000 }), [1 / 2, 1 / 2])
})

test('also where it backs off meanwhile, and the others go on', async () => {
  const flaky = { key: 'flaky', threads: 30, failures: 2 }
  const steady = { key: 'steady', threads: 8 }
  expectNear(await shares([flaky, steady], 2, {}, { delayMs: 50 }), [1 / 2, 1 / 2])
})

test('also within another order', async () => {
  const flaky = { key: 'flaky', threads: 8, failures: 2 }
  const few = { key: 'few', threads: 1 }
  const options = { around: (within: OrderPolicy) => aging({}, { within }) }
  // One thread alone can't use half of two slots, only what is between its runs: it waits for at most one run of the other.
  const alone = await shares([flaky, few], 2, {})
  expectNear(await shares([flaky, few], 2, {}, options), alone)
  expectNear(await shares([flaky, { ...few, threads: 8, runMs: 40 }], 2, {}, options), [1 / 2, 1 / 2])
})

test('what takes two slots is charged for two, by default', async () => {
  const wide = { key: 'wide', threads: 8, options: { cost: 2 } }
  const narrow = { key: 'narrow', threads: 8 }
  expectNear(await shares([wide, narrow], 4), [1 / 2, 1 / 2])
  expectNear(await shares([wide, narrow], 4, { cost: 1 }), [2 / 3, 1 / 3])
})

test('the numbers: a further attempt is charged from where its key is when it starts, then corrected', () => {
  const policy = fairBy(({ key }: { key: string }) => key, { guessMs: 100 })
  const about = (attempt: number, rest = {}) => ask({ request: { key: 'a' }, attempt, ...rest })
  const rank = policy.rank(about(1))
  policy.started?.(about(1), rank)
  policy.settled?.(about(1), rank, 300)
  // Others have gone on until 10.
  policy.started?.(ask({ request: { key: 'b' } }), 10)
  policy.started?.(about(2), rank)
  policy.settled?.(about(2), rank, 150)
  expect(policy.rank(about(1))).toBe(11.5)
})

test('a further attempt that is given another priority is charged there, and nothing is given back', () => {
  const policy = fairBy(({ key }: { key: string }) => key, { guessMs: 100 })
  const about = (tier: number, attempt: number) => ask({ request: { key: 'a' }, tier, attempt })
  const rank = policy.rank(about(3, 1))
  policy.settled?.(about(3, 1), rank, 100)
  const moved = policy.rank(about(2, 2))
  policy.left?.(about(3, 2), rank)
  policy.started?.(about(2, 2), moved)
  policy.settled?.(about(2, 2), moved, 100)
  expect([policy.rank(about(3, 1)), policy.rank(about(2, 1))]).toEqual([1, 1])
})

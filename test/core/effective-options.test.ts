/** What holds, in the words of the options. */
import {
  backoff,
  codel,
  type EffectiveOptions,
  fixed,
  OptionsError,
  QueuedExecutor,
  type QueuedExecutorOptions,
  shadow,
  strict,
  systemClock,
  tokenBucket,
} from 'triage-queue'
import { expect, test } from 'vitest'

const settingsOf = (options?: QueuedExecutorOptions) => new QueuedExecutor(async () => 1, options).settings
const never = Number.POSITIVE_INFINITY
const all = <T>(value: T) => ({ urgent: value, high: value, normal: value, low: value })

test('all options are there, with their defaults', () => {
  expect(settingsOf({ debug: false })).toEqual({
    name: 'triage',
    concurrency: 10,
    maxQueueSize: { total: 10_000, ...all(never) },
    whenFull: 'shed',
    maxBlocked: 10_000,
    waitTimeoutMs: all(never),
    runTimeoutMs: all(300_000),
    timeoutMs: all(never),
    onStuck: 'hold',
    maxReplaced: 10,
    schema: undefined,
    maxChecking: 10_000,
    onDuplicate: 'join',
    order: { ...strict(), rank: expect.any(Function) },
    limit: undefined,
    reserve: all(0),
    lendReserve: false,
    retry: undefined,
    maxRetrying: 10_000,
    rateLimit: [],
    overload: [],
    store: undefined,
    kinds: {},
    maxAttempts: 3,
    results: 'recorded',
    tellWithinMs: 30_000,
    clock: systemClock,
    onListenerError: undefined,
    random: expect.any(Function),
    debug: false,
  })
})

test('what was given is shown by priority, and what is the same is said in one word', () => {
  const [order, retry, guard, rate] = [strict(), backoff(), codel(), tokenBucket({ perSecond: 1 })]
  const limit = shadow(fixed(3))
  const { name, maxQueueSize, waitTimeoutMs, reserve, maxBlocked, ...others } = settingsOf({
    ...{ name: 'q', maxQueueSize: { total: 0, low: 'none', high: 7 }, waitTimeoutMs: { urgent: 5, default: 9 } },
    ...{ reserve: { urgent: 2 }, maxBlocked: 0, order, retry, limit, overload: guard, rateLimit: [rate] },
  })
  expect([name, maxBlocked, others.concurrency]).toEqual(['q', never, 10])
  expect(maxQueueSize).toEqual({ total: never, urgent: never, high: 7, normal: never, low: 'none' })
  expect(waitTimeoutMs).toEqual({ ...all(9), urgent: 5 })
  expect(reserve).toEqual({ ...all(0), urgent: 2 })
  expect(others).toMatchObject({ overload: [guard], rateLimit: [rate] })
  expect([others.order, others.retry, others.limit]).toEqual([order, retry, limit])
  expect(settingsOf({ maxQueueSize: 'none' }).maxQueueSize).toEqual({ total: 'none', ...all('none') })
})

test('nothing of it can be changed, and a new look shows what has changed', () => {
  const queue = new QueuedExecutor(async () => 1, { concurrency: 2, overload: [codel()] })
  const before = queue.settings
  for (const part of [before, before.maxQueueSize, before.timeoutMs, before.reserve, before.overload]) {
    expect(Object.isFrozen(part)).toBe(true)
  }
  queue.concurrency = 5
  expect([before.concurrency, queue.settings.concurrency]).toEqual([2, 5])
})

test('what is shown makes another executor of the same kind', () => {
  const given: QueuedExecutorOptions = {
    ...{ name: 'q', concurrency: 7, maxQueueSize: { total: 50, low: 'none' }, whenFull: 'block' },
    ...{ waitTimeoutMs: { low: 9 }, reserve: { urgent: 1 }, onDuplicate: 'reject' },
  }
  const shown: EffectiveOptions = settingsOf(given)
  expect(settingsOf({ ...shown, order: strict() })).toEqual(shown)
  expect(() => settingsOf({ ...shown, concurrency: 0 })).toThrow(OptionsError)
})

/**
 * The store in memory: what every store promises, and what only this one does.
 */
import { memoryStore, OptionsError } from 'triage-queue'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { storeContract } from '../../contract/store.ts'
import { admitted, completed, failed, record } from '../../contract/support.ts'

storeContract('memoryStore()', async (options) => memoryStore(options))

afterEach(() => {
  vi.useRealTimers()
})

/** Was it fulfilled before it was given out? Then it is ahead of the next promise. */
async function isFulfilled(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([promise.then(() => true), Promise.resolve().then(() => false)])) as boolean
}

test('is not durable, and says what it promises', () => {
  const store = memoryStore()
  expect(store.isDurable).toBe(false)
  expect(store.promises).toEqual([expect.stringContaining('gone with the process')])
  expect(store.status()).toEqual({
    ...{ state: 'open', error: undefined, pending: 0, isFull: false, batch: undefined, commitMs: undefined },
    ...{ bytes: 0, unopened: [] },
  })
})

test('nothing waits for it', async () => {
  const store = memoryStore()
  const queue = store.queue('main')
  const { seq, ...given } = record(queue, 'a')
  const answers: (() => Promise<unknown>)[] = [
    () => queue.admitted({ seq, ...given }),
    () => queue.begins(seq, 1, 1),
    () => queue.attemptEnded(seq, 1, {}),
    () => queue.changed(seq, { priority: 'low' }),
    () => queue.paused(true),
    () => queue.recover(),
    () => queue.ended(seq, failed('no')),
    () => queue.requeue('a'),
    () => queue.discard('a'),
    () => queue.find('a'),
    () => queue.list(),
    () => queue.stats(),
    () => store.flushed(),
  ]
  for (const answer of answers) expect([`${answer}`, await isFulfilled(answer())]).toEqual([`${answer}`, true])
})

test('begins empty, and gives back what an executor has left live when it was released', async () => {
  const store = memoryStore()
  const queue = store.queue('main')
  expect(await queue.recover()).toEqual({ records: [], next: undefined, isPaused: false })
  const seq = await admitted(queue, 'a')
  queue.release()
  const next = store.queue('main')
  expect((await next.recover()).records).toMatchObject([{ seq, id: 'a' }])
  // What was handed over by the one before still counts.
  await queue.ended(seq, completed())
  expect((await next.recover()).records).toEqual([])
})

test('keeps any value as it is', async () => {
  const store = memoryStore()
  const queue = store.queue('main')
  const request = { at: new Date(5), big: 1n, map: new Map([[1, 2]]), call: () => 1 }
  const loop: { self?: unknown } = {}
  loop.self = loop
  const seq = await admitted(queue, 'a', { request, metadata: queue.encode(loop, 'metadata') })
  const { payload, metadata } = (await queue.find('a')) ?? {}
  expect(queue.decode(payload as never)).toBe(request)
  expect(store.decode(metadata as never)).toBe(loop)
  await queue.ended(seq, completed(undefined))
  const again = await queue.admitted(record(queue, 'a', { request: { ...request } }))
  expect(again).toEqual({ as: 'known', seq, result: { value: undefined } })
  // A string is not taken for what JSON says.
  await queue.ended(await admitted(queue, 'b', { request: '"text"' }), completed('"text"'))
  expect((await queue.find('b'))?.result).toEqual({ value: '"text"' })
})

test('a request that throws when it is looked at is another one', async () => {
  const queue = memoryStore().queue('main')
  const hostile = () => ({
    get secret(): never {
      throw new Error('not for you')
    },
  })
  await admitted(queue, 'a', { request: hostile() })
  expect(await queue.admitted(record(queue, 'a', { request: hostile() }))).toMatchObject({
    as: 'payload',
    isLive: true,
  })
})

test.each([
  [null, /options': expected an object/],
  [{ keeps: {} }, /keeps/],
  [{ keep: 5 }, /keep': expected an object with 'completed' and 'dead'/],
  [{ keep: { dead: 5 } }, /keep.dead': expected an object with 'count' and 'ageMs'/],
  [{ keep: { dead: { count: 1.5 } } }, /keep.dead.count': expected an integer of at least 0, or Infinity/],
  [{ keep: { completed: { ageMs: -1 } } }, /keep.completed.ageMs': expected a number of ms of at least 0, or Infinity/],
])('refuses %j', (options, message) => {
  expect(() => memoryStore(options as never)).toThrow(message)
  expect(() => memoryStore(options as never)).toThrow(OptionsError)
})

describe('what has ended is kept', () => {
  test('for so long, and no longer, whether or not anything happens', async () => {
    vi.useFakeTimers()
    const store = memoryStore({ keep: { completed: { ageMs: 1_000 }, dead: { ageMs: 5_000 } } })
    const queue = store.queue('main')
    await queue.ended(await admitted(queue, 'a'), completed(1))
    await queue.ended(await admitted(queue, 'b'), failed(1))
    vi.advanceTimersByTime(1_000)
    expect(await store.find('a')).toBeDefined()
    vi.advanceTimersByTime(1)
    expect(await store.find('a')).toBe(undefined)
    expect(await store.stats()).toMatchObject({ completed: 0, dead: 1 })
    vi.advanceTimersByTime(4_000)
    expect((await store.list()).records).toEqual([])
    expect(await queue.admitted(record(queue, 'a', { request: 'another' }))).toEqual({ as: 'stored' })
  })

  test('for ever and in any number, where that is asked for', async () => {
    vi.useFakeTimers()
    const all = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
    const store = memoryStore({ keep: { completed: all, dead: all } })
    const queue = store.queue('main')
    for (let i = 0; i < 12_000; i++) await queue.ended(await admitted(queue, `r${i}`), completed(i))
    vi.advanceTimersByTime(1e12)
    expect(await store.stats()).toMatchObject({ completed: 12_000 })
  })

  test('for a day and for thirty, 10,000 of each, by default', async () => {
    vi.useFakeTimers()
    const store = memoryStore({ keep: { dead: { count: 10 } } })
    const queue = store.queue('main')
    for (let i = 0; i < 10_020; i++) await queue.ended(await admitted(queue, `r${i}`), completed(i))
    for (let i = 0; i < 20; i++) await queue.ended(await admitted(queue, `d${i}`), failed(i))
    expect(await store.stats()).toMatchObject({ completed: 10_000, dead: 10 })
    expect(await queue.find('r19')).toBe(undefined)
    expect(await queue.find('r20')).toBeDefined()
    vi.advanceTimersByTime(86_400_001)
    // A thousand of them at a time.
    expect(await store.stats()).toMatchObject({ completed: 9_000 })
    for (let i = 0; i < 9; i++) await store.stats()
    expect(await store.stats()).toMatchObject({ completed: 0, dead: 10 })
    vi.advanceTimersByTime(29 * 86_400_000)
    expect(await store.stats()).toMatchObject({ completed: 0, dead: 0 })
  })
})

describe('the minutes', () => {
  test('say how it went, a row for each priority, for a day', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 })
    const store = memoryStore()
    const queue = store.queue('main')
    const other = store.queue('other')
    const low = await admitted(queue, 'a', { priority: 'low' })
    const seqs: number[] = []
    for (let i = 0; i < 100; i++) seqs.push(await admitted(queue, `r${i}`))
    for (const [i, seq] of seqs.entries()) {
      await queue.begins(seq, 1, 1)
      await queue.ended(seq, { ...(i < 60 ? completed() : failed(1)), waitMs: i })
    }
    await admitted(other, 'b', { startedAt: 1 })
    // The minute is not over.
    expect((await store.stats()).minutes).toEqual([])
    vi.advanceTimersByTime(60_000)
    await queue.ended(low, { outcome: 'expired', endedAt: Date.now(), attempts: 0 })
    const none = { completed: 0, failed: 0, expired: 0, cancelled: 0, shed: 0 }
    const noWaits = { waitP50Ms: undefined, waitP95Ms: undefined, waitP99Ms: undefined }
    const at = 1_800_000_000_000
    const first = [
      {
        ...{ at, priority: 'normal', submitted: 100, ...none, completed: 60, failed: 40 },
        ...{ waitP50Ms: 49, waitP95Ms: 94, waitP99Ms: 98, mostWaiting: 100 },
      },
      { at, priority: 'low', submitted: 1, ...none, ...noWaits, mostWaiting: 1 },
    ]
    expect((await queue.stats()).minutes).toEqual(first)
    const started = { at, priority: 'normal', submitted: 1, ...none, ...noWaits, mostWaiting: 0 }
    expect((await store.stats('other')).minutes).toEqual([started])
    expect((await store.stats()).minutes).toEqual([first[0], started, first[1]])
    vi.advanceTimersByTime(60_000)
    expect((await queue.stats()).minutes).toEqual([
      ...first,
      { at: at + 60_000, priority: 'low', submitted: 0, ...none, expired: 1, ...noWaits, mostWaiting: 1 },
    ])
    // Nothing has happened since.
    vi.advanceTimersByTime(60_000)
    expect((await queue.stats()).minutes).toHaveLength(3)
    vi.advanceTimersByTime(86_280_000)
    expect((await queue.stats()).minutes).toHaveLength(1)
    vi.advanceTimersByTime(600_000)
    expect((await queue.stats()).minutes).toEqual([])
  })

  test('count who waits, whatever becomes of them', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 })
    const queue = memoryStore().queue('main', { maxAttempts: 2 })
    const seqs = [await admitted(queue, 'a'), await admitted(queue, 'b'), await admitted(queue, 'c')] as const
    await queue.changed(seqs[0], { priority: 'high' })
    await queue.changed(seqs[0], { priority: 'high', limits: {} })
    await queue.begins(seqs[1], 1, 1)
    await queue.unreadable(seqs[2], 'no')
    await queue.recover()
    vi.advanceTimersByTime(60_000)
    const { minutes } = await queue.stats()
    expect(minutes).toMatchObject([
      { priority: 'high', submitted: 0, mostWaiting: 1 },
      { priority: 'normal', submitted: 3, mostWaiting: 3 },
    ])
    // Of the three one waits by each priority.
    vi.advanceTimersByTime(60_000)
    await queue.attemptEnded(seqs[1], 1, {})
    expect((await queue.stats()).minutes.slice(2)).toMatchObject([
      { priority: 'high', mostWaiting: 1 },
      { priority: 'normal', mostWaiting: 1 },
    ])
  })

  test('take a fair sample of very many waits', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 })
    const queue = memoryStore().queue('main')
    for (let i = 0; i < 20_000; i++) {
      await queue.ended(await admitted(queue, `r${i}`), { ...completed(), waitMs: i })
    }
    vi.advanceTimersByTime(60_000)
    const [minute] = (await queue.stats()).minutes
    expect(minute).toMatchObject({ submitted: 20_000, completed: 20_000 })
    // Five standard deviations of the median of 1,024.
    expect(Math.abs((minute?.waitP50Ms as number) - 10_000)).toBeLessThan(1_600)
  })
})

test('an error is kept as plain words, whatever it is', async () => {
  const queue = memoryStore().queue('main')
  const hostile = new Error('x')
  Object.defineProperty(hostile, 'message', {
    get() {
      throw new Error('no')
    },
  })
  const errors = [
    [
      Object.assign(new Error('m'.repeat(5_000)), { code: 7 }),
      { name: 'Error', code: '7', message: 'm'.repeat(2_000) },
    ],
    [Object.assign(new Error('bare'), { stack: undefined }), { name: 'Error', message: 'bare' }],
    ['text', { name: 'string', message: "'text'" }],
    [hostile, { name: 'Error', message: expect.stringContaining('looked at') }],
  ] as const
  for (const [i, [error, words]] of errors.entries()) {
    await queue.ended(await admitted(queue, `r${i}`), failed(error))
    expect((await queue.find(`r${i}`))?.error).toMatchObject(words)
  }
})

test('a listener that throws is told to the process, and the store is closed all the same', async () => {
  const store = memoryStore()
  const heard: unknown[] = []
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  const caught = new Promise((resolve) => process.once('uncaughtException', resolve))
  try {
    store.watch(() => {
      throw new Error('mine')
    })
    store.watch((event) => heard.push(event))
    {
      await using _ = store
    }
    expect(await caught).toMatchObject({ message: 'mine' })
  } finally {
    for (const listener of others) process.on('uncaughtException', listener)
  }
  expect(heard).toHaveLength(1)
  expect(store.status().state).toBe('closed')
})

test('100,000 live records are no burden: what is done to one costs the same as among ten', {
  timeout: 60_000,
}, async () => {
  const cost = async (live: number) => {
    const queue = memoryStore().queue('main')
    const seqs: number[] = []
    for (let i = 0; i < live; i++) seqs.push(await admitted(queue, `r${i}`))
    const from = process.cpuUsage()
    for (let i = 0; i < 20_000; i++) {
      const seq = await admitted(queue, `x${i}`)
      await queue.begins(seq, 1, 1)
      await queue.ended(seq, completed(i))
      await queue.changed(seqs[(i * 7_919) % live] as number, { priority: 'low' })
    }
    const { user, system } = process.cpuUsage(from)
    expect(await queue.stats()).toMatchObject({ live, completed: 10_000 })
    return user + system
  }
  await cost(10)
  const [few, many] = [await cost(10), await cost(100_000)]
  // A walk through them would cost a thousand times as much.
  expect(many / few).toBeLessThan(20)
})

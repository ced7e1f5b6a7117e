/**
 * What `find()` shows of a request, without a store.
 */
import {
  aging,
  fairBy,
  memoryStore,
  type QueuedExecutorOptions,
  type StoredView,
  strict,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { gated, turn } from '../../failures/support.ts'

test('a live request is shown as it is, without what is not known', async () => {
  const { clock, gate, queue } = gated({ name: 'q', concurrency: 1, kinds: { k: { executor: async () => 1 } } })
  void queue.execute('a', { id: 'a', metadata: { user: 1 } })
  await turn()
  void queue.execute('b', { id: 'b', priority: 'high', kind: 'k' }).catch(() => {})
  await turn()
  await clock.advance(20)
  gate.call('a').run.progress(0.5, 'half')
  expect((await queue.find('a'))?.progress).toEqual({ fraction: 0.5, message: 'half' })
  gate.call('a').run.progress(0.5)
  expect(await queue.find('a')).toMatchObject({
    ...{
      id: 'a',
      queue: 'q',
      state: 'running',
      priority: 'normal',
      generation: 0,
      attempts: 1,
      progress: { fraction: 0.5 },
    },
    ...{ waitMs: 0, runMs: 20, metadata: { user: 1 }, startedAt: expect.any(String), submittedAt: expect.any(String) },
  })
  const b = await queue.find('b')
  expect(b).toMatchObject({ state: 'waiting', kind: 'k', attempts: 0, position: 0, waitMs: 20 })
  expect(Object.keys(b ?? {}).sort()).toEqual(
    ['id', 'queue', 'kind', 'state', 'priority', 'generation', 'attempts', 'position', 'submittedAt', 'waitMs'].sort(),
  )
  expect(JSON.parse(JSON.stringify(b))).toEqual(b)
  void queue.execute('c', { id: 'c', delayMs: 100 }).catch(() => {})
  expect([(await queue.find('c'))?.state, await queue.find('d')]).toEqual(['held', undefined])
})

describe('the key that a request is told apart by', () => {
  interface About {
    readonly tenant: string
  }
  const tenant = (_request: unknown, metadata: unknown): string => (metadata as About).tenant
  const first = (request: unknown): string => (request as string).charAt(0)

  /** Of one that runs, and of one that waits. */
  async function keysBy(options: QueuedExecutorOptions<string>): Promise<unknown[]> {
    const { gate, queue } = gated({ concurrency: 1, ...options })
    for (const id of ['a', 'b']) void queue.execute(id, { id, metadata: { tenant: `${id}cme` } }).catch(() => {})
    await turn()
    const keys = await Promise.all(['a', 'b'].map(async (id) => (await queue.find(id))?.key))
    gate.call('a').finish(1)
    return keys
  }

  test.each<[string, QueuedExecutorOptions<string>]>([
    ['fairBy()', { order: fairBy(tenant) }],
    ['fairBy() within another order', { order: weighted({}, { within: fairBy(tenant) }) }],
    ['and within a third', { order: aging({}, { within: fairBy(tenant) }) }],
    ['a rate of arrivals', { rateLimit: tokenBucket({ perSecond: 100, per: tenant }) }],
    ['a rate of starts', { rateLimit: tokenBucket({ perSecond: 100, per: tenant, over: 'wait' }) }],
    ['the order before a rate', { order: fairBy(tenant), rateLimit: tokenBucket({ perSecond: 100, per: first }) }],
    [
      'the first rate that has one',
      {
        rateLimit: [
          tokenBucket({ perSecond: 100 }),
          tokenBucket({ perSecond: 100, per: tenant }),
          tokenBucket({ perSecond: 100, per: first }),
        ],
      },
    ],
    ['an order of one\u2019s own', { order: { ...strict(), key: tenant } }],
  ])('is that of %s', async (_, options) => {
    expect(await keysBy(options)).toEqual(['acme', 'bcme'])
  })

  test('is none where nothing tells them apart, where the function throws, and where it answers no string', async () => {
    const broken = { ...strict(), key: () => (null as unknown as About).tenant }
    const odd = { ...strict(), key: () => 5 as never }
    const hostile = Object.defineProperty({ ...strict() }, 'key', {
      get: () => {
        throw new Error('mine')
      },
    })
    for (const options of [
      {},
      { rateLimit: tokenBucket({ perSecond: 100, per: 'priority' }) },
      { order: broken },
      { order: odd },
      { order: hostile },
    ]) {
      expect(await keysBy(options)).toEqual([undefined, undefined])
    }
  })

  test('may be asked for by a store, too, whatever it does then: it throws, answers with a promise, or calls the executor', async () => {
    const asks: (() => unknown)[] = [
      () => {
        throw new Error('mine')
      },
      () => Promise.reject(new Error('mine')),
      () => {
        queue.get('other')?.cancel()
        return 'acme'
      },
    ]
    let ask: () => unknown = () => 'first'
    const order = { ...strict(), key: () => ask() as string }
    const { gate, queue } = gated({ concurrency: 1, store: memoryStore(), order })
    const other = queue.execute('other', { id: 'other' })
    await turn()
    for (const [n, each] of asks.entries()) {
      ask = each
      const answered = queue.execute(`${n}`, { id: `${n}` })
      await turn()
      expect((await queue.find(`${n}`))?.key).toBe(n === 2 ? 'acme' : undefined)
      if (n === 0) gate.call('other').finish()
      await other
      await turn()
      gate.call(`${n}`).finish(n)
      expect(await answered).toBe(n)
    }
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, listenerErrors: 0 })
  })

  test('is cut at 200 characters', async () => {
    expect((await keysBy({ order: { ...strict(), key: () => 'x'.repeat(1_000) } }))[0]).toBe('x'.repeat(200))
  })

  test('is kept by a store with what has ended', async () => {
    const store = memoryStore()
    const { gate, queue } = gated({ name: 'kept', store, order: fairBy(tenant) })
    const done = queue.execute('a', { id: 'a', metadata: { tenant: 'acme' } })
    await turn()
    gate.call('a').finish(1)
    await done
    await turn()
    expect((await store.find('a', 'kept')) as StoredView).toMatchObject({ state: 'completed', key: 'acme' })
    expect(await queue.find('a')).toMatchObject({ state: 'completed', key: 'acme' })
  })
})

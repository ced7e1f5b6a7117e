import { deadLetters, memoryStore, OptionsError, QueueClosedError, QueuedExecutor } from 'triage-queue'
import { describe, expect, test } from 'vitest'

const stores = { 'a store': () => memoryStore(), 'no store': () => undefined }

describe.each(Object.entries(stores))('the dead letters of an executor with %s', (name, makeStore) => {
  function failing(works = new Set<string>()) {
    const store = makeStore()
    const queue = new QueuedExecutor(
      async (request: string) => {
        if (!works.has(request)) throw Object.assign(new Error(`${request} failed`), { code: 'EMINE' })
        return request
      },
      { ...(store !== undefined && { store }), concurrency: 1 },
    )
    const fail = async (id: string, priority: 'low' | 'high' = 'low') => {
      await queue.execute(id, { id, priority, metadata: { of: id } }).catch(() => {})
    }
    return { store, queue, works, fail, box: deadLetters<string>(queue) }
  }

  async function idsOf(box: ReturnType<typeof failing>['box'], query?: Parameters<typeof box.list>[0]) {
    const ids: string[] = []
    for await (const { id } of box.list(query)) ids.push(id)
    return ids
  }

  test('are listed, the youngest first, with what they were', async () => {
    const { box, fail } = failing()
    for (const id of ['a1', 'a2', 'b1']) await fail(id, id === 'a2' ? 'high' : 'low')
    expect(await idsOf(box)).toEqual(['b1', 'a2', 'a1'])
    expect(await idsOf(box, { id: 'a' })).toEqual(['a2', 'a1'])
    expect(await idsOf(box, { priority: 'high' })).toEqual(['a2'])
    for await (const letter of box.list({ priority: 'high' })) {
      expect(letter).toMatchObject({
        ...{ id: 'a2', request: 'a2', priority: 'high', metadata: { of: 'a2' }, attempts: 1 },
        error: { message: 'a2 failed', code: 'EMINE' },
        ...(name === 'a store' && { reason: 'failed' }),
      })
    }
  })

  test('are the same for each who asks', async () => {
    const { box, queue, fail } = failing()
    await fail('a')
    expect(deadLetters(queue)).toBe(box)
    expect(await idsOf(deadLetters(queue))).toEqual(['a'])
  })

  test('are not asked for what they do not know', async () => {
    const { box } = failing()
    for (const query of [{ state: 'dead' }, { priority: 'huge' }, 'low']) {
      await expect(idsOf(box, query as never)).rejects.toThrow(OptionsError)
    }
    await expect(box.requeueAll({ priority: 'low' } as never)).rejects.toThrow("Option 'filter': expected a function")
  })

  test('are given a new life, in their generation only', async () => {
    const { box, queue, works, fail } = failing()
    await fail('a')
    let generation = 0
    for await (const letter of box.list()) generation = letter.generation
    works.add('a')
    expect(await box.requeue('a', generation + 1)).toBe(false)
    expect(await box.requeue('a', generation)).toBe(true)
    await queue.idle()
    expect(queue.getStatus().totals.completed).toBe(1)
    expect([await idsOf(box), await box.requeue('a'), await box.requeue('none')]).toEqual([[], false, false])
  })

  test('are given new lives by hundreds, the oldest first; those that are refused stay', async () => {
    const { box, queue, works, fail } = failing()
    const ids = Array.from({ length: 700 }, (_, i) => `r${i}`)
    for (const id of ids) await fail(id)
    for (const id of ids.slice(0, 600)) works.add(id)
    const done: string[] = []
    queue.on('completed', ({ request }) => done.push(request))
    expect(await box.requeueAll(({ request }) => request !== 'r0')).toEqual({ requeued: 699, refused: 0 })
    await queue.idle()
    expect(done).toEqual(ids.slice(1, 600))
    expect(await idsOf(box)).toEqual([...ids.slice(600).reverse(), 'r0'])
    await queue.close()
    works.add('r0')
    await expect(box.requeue('r0')).rejects.toThrow(QueueClosedError)
    expect(await box.requeueAll()).toEqual({ requeued: 0, refused: 101 })
    expect(await idsOf(box)).toHaveLength(101)
  })

  test('are forgotten, in their generation only', async () => {
    const { box, fail } = failing()
    await fail('a')
    let generation = 0
    for await (const letter of box.list()) generation = letter.generation
    expect(await box.discard('a', generation + 1)).toBe(false)
    expect(await box.discard('a', generation)).toBe(true)
    expect(await box.discard('a')).toBe(false)
    expect(await box.discard('none', 1)).toBe(false)
    expect(await idsOf(box)).toEqual([])
  })
})

test('one that can not be read any more is listed without its request', async () => {
  const store = memoryStore()
  const decode = store.decode.bind(store)
  const torn = { ...store, list: store.list.bind(store), decode: () => decode(null as never) }
  const queue = new QueuedExecutor(async () => Promise.reject(new Error('no')), { store })
  await queue.execute('a', { id: 'a' }).catch(() => {})
  const box = deadLetters({
    ...{ name: queue.name, settings: { store: torn } },
    ...{ on: () => {}, off: () => {}, submit: () => Promise.reject() },
    ...{ requeue: () => Promise.resolve(false), discard: () => Promise.resolve(false) },
  })
  for await (const letter of box.list()) expect(letter).toMatchObject({ id: 'a', request: undefined })
  expect(await box.requeueAll()).toEqual({ requeued: 0, refused: 1 })
})

test('without a store its options are looked at', () => {
  const queue = new QueuedExecutor(async () => 1)
  expect(() => deadLetters(queue, { max: 0 })).toThrow(OptionsError)
  expect(() => deadLetters({} as never)).toThrow("Option 'executor': expected a QueuedExecutor, got {}")
})

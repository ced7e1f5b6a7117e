/**
 * The other moment that a store makes wait: an attempt begins. And the one that may follow: it ends.
 */
import { backoff } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { turn, watch } from '../../failures/support.ts'
import { stored } from './support.ts'

describe('an attempt', () => {
  test('begins together with the admission if there is a slot, else by itself', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    const [one, two] = [watch(queue.execute('a')), watch(queue.execute('b'))]
    await turn()
    expect(store.waiting).toEqual(['admit 1 begun', 'admit 2'])
    await store.commit()
    await gate.finish('a', 1)
    expect([one.state, store.waiting, gate.started]).toEqual(['pending', ['completed 1', 'begin 2.1'], ['a']])
    await store.commit(1)
    expect([one.value, gate.started]).toEqual([1, ['a']])
    await store.commit()
    expect([two.state, gate.started]).toEqual(['pending', ['a', 'b']])
  })

  test('the end of one and the beginning of the next are handed over in one stretch of code', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    void queue.execute('a')
    void queue.execute('b')
    await turn()
    store.byHand()
    let inOne: string[] = []
    queue.on('completed', () => {})
    gate.call('a').finish()
    await Promise.resolve().then(() => {
      inOne = [...store.waiting]
    })
    await turn()
    expect(inOne.length === 0 || inOne.length === 2).toBe(true)
    expect(store.waiting).toEqual(['completed 1', 'begin 2.1'])
  })

  test('whose slot came before its admission was committed begins after it', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    void queue.execute('a')
    await turn()
    store.byHand()
    const next = watch(queue.execute('b'))
    await turn()
    await gate.finish('a')
    expect(store.waiting).toEqual(['admit 2', 'completed 1', 'begin 2.1'])
    await store.commit(1)
    expect(gate.started).toEqual(['a'])
    await store.commit()
    expect([gate.started, next.state]).toEqual([['a', 'b'], 'pending'])
  })

  test('that fails is recorded with its error, and its next one begins anew', async () => {
    const { clock, gate, queue, store } = await stored({
      retry: backoff({ attempts: 2, baseMs: 100, jitter: 'none' } as never),
    })
    store.auto()
    const attempts: number[] = []
    queue.on('started', ({ attempt }) => attempts.push(attempt))
    const one = watch(queue.execute('a'))
    await turn()
    const error = new Error('mine')
    await gate.fail('a', error)
    expect(store.log).toEqual(['admit 1 begun', 'ended 1.1'])
    expect(store.data.get('ended 1.1')).toMatchObject({ error, retryAt: expect.any(Number) })
    await clock.advance(1_000)
    expect(store.log).toEqual(['admit 1 begun', 'ended 1.1', 'begin 1.2'])
    await gate.finish('a', 3)
    expect([one.value, attempts, store.data.get('completed 1')]).toMatchObject([
      3,
      [1, 2],
      { attempts: 2, result: 3, slot: 0 },
    ])
  })

  test('that is cancelled on its way to the call gives its slot back', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    void queue.execute('a')
    await turn()
    store.byHand()
    const next = watch(queue.execute('b', { id: 'b' }))
    await gate.finish('a')
    await store.commit(1)
    expect(queue.get('b')?.state).toBe('starting')
    queue.cancel('b')
    await turn()
    expect([next.outcome, queue.getStatus().activeWorkers]).toEqual(['TRIAGE_CANCELLED', 0])
    await store.commit()
    expect(gate.started).toEqual(['a'])
    await queue.idle()
  })

  test('its time limits count while it is storing', async () => {
    const { clock, gate, queue, store } = await stored({ timeoutMs: 50 })
    const [one, two] = [watch(queue.execute('a')), watch(queue.submit('b'))]
    await turn()
    await clock.advance(50)
    expect([one.outcome, two.outcome]).toEqual(['TRIAGE_RUN_TIMEOUT', 'TRIAGE_WAIT_TIMEOUT'])
    await store.commit()
    expect([gate.started, queue.getStatus().activeWorkers]).toEqual([[], 0])
  })
})

describe('an answer', () => {
  test('is told when it is recorded, its events too, and its slot is free before', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    const events: unknown[] = []
    queue.on('completed', ({ result, runMs }) => events.push(result, runMs))
    const handle = await queue.submit('a', { id: 'a' })
    const joined = watch(queue.execute('a', { id: 'a' }))
    const [result, idle] = [watch(handle.result), watch(queue.idle())]
    store.byHand()
    await gate.finish('a', 'x')
    expect([result.state, joined.state, handle.state, idle.state, events]).toEqual([
      'pending',
      'pending',
      'running',
      'pending',
      [],
    ])
    const late = watch(handle.result)
    expect([queue.getStatus().activeWorkers, handle.cancel(), queue.cancel('a')]).toEqual([0, false, false])
    await store.commit()
    expect([result.value, joined.value, late.value, handle.state, events]).toEqual([
      'x',
      'x',
      'x',
      'completed',
      ['x', 0],
    ])
    expect([idle.state, queue.getStatus().totals.completed]).toEqual(['fulfilled', 1])
  })

  test('whose `result` is first read before it is told', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    const handle = await queue.submit('a')
    store.byHand()
    await gate.finish('a', 'x')
    const result = watch(handle.result)
    await turn()
    expect(result.state).toBe('pending')
    await store.commit()
    expect([result.value, await handle.result]).toEqual(['x', 'x'])
  })

  test('a failure is told when it is recorded', async () => {
    const { gate, queue, store } = await stored()
    store.auto()
    const one = watch(queue.execute('a'))
    await turn()
    store.byHand()
    const error = new Error('mine')
    await gate.fail('a', error)
    expect([one.state, store.data.get('failed 1')]).toMatchObject(['pending', { error, attempts: 1 }])
    await store.commit()
    expect(one.error).toBe(error)
  })

  test("`results: 'eager'` tells it at once", async () => {
    const { gate, queue, store } = await stored({ results: 'eager' })
    store.auto()
    const one = watch(queue.execute('a'))
    await turn()
    store.byHand()
    await gate.finish('a', 1)
    expect([one.value, store.waiting]).toEqual([1, ['completed 1']])
    await store.commit()
  })

  test('is told unrecorded when nobody may wait any longer for a disk that is gone', async () => {
    const { clock, gate, queue, store } = await stored({ tellWithinMs: 500, concurrency: 2 })
    store.auto()
    const unrecorded: unknown[] = []
    queue.on('unrecorded', ({ request }) => unrecorded.push(request))
    const [one, two] = [watch(queue.execute('a')), watch(queue.execute('b', { timeoutMs: 100 }))]
    await turn()
    store.byHand()
    await gate.finishAll()
    expect([one.state, two.state]).toEqual(['pending', 'pending'])
    // Its own time is over earlier.
    await clock.advance(100)
    expect([one.state, two.value]).toEqual(['pending', 'b'])
    await clock.advance(400)
    expect([one.state, unrecorded]).toEqual(['fulfilled', ['b', 'a']])
    await store.commit()
    expect(unrecorded).toEqual(['b', 'a'])
  })

  test('is told unrecorded when the store closes before, and waits for ever where that is asked for', async () => {
    const { clock, gate, queue, store } = await stored({ tellWithinMs: Number.POSITIVE_INFINITY })
    store.auto()
    const unrecorded: unknown[] = []
    queue.on('unrecorded', ({ request }) => unrecorded.push(request))
    const one = watch(queue.execute('a'))
    await turn()
    store.byHand()
    await gate.finish('a', 1)
    await clock.advance(1e9)
    expect(one.state).toBe('pending')
    await store.becomes('closed')
    expect([one.value, unrecorded]).toEqual([1, ['a']])
  })
})

describe('a disk that is gone', () => {
  test('nothing starts, what comes is refused, and all goes on when it is back', async () => {
    const { gate, queue, store } = await stored({ concurrency: 2 })
    store.auto()
    const states: string[] = []
    queue.on('store', ({ state }) => states.push(state))
    const [one, two] = [watch(queue.execute('a')), watch(queue.execute('b'))]
    const next = watch(queue.execute('c'))
    await turn()
    store.byHand()
    await gate.finish('a', 1)
    expect(store.waiting).toEqual(['completed 1', 'begin 3.1'])
    await store.becomes('faulty')
    expect(queue.health()).toEqual({ live: true, ready: false, reasons: ['store'] })
    await store.refuse()
    await gate.finish('b', 2)
    expect([gate.started, one.state, two.state]).toEqual([['a', 'b'], 'pending', 'pending'])
    await store.becomes('open')
    expect([store.waiting, states]).toEqual([
      ['completed 1', 'completed 2', 'begin 3.1'],
      ['faulty', 'open'],
    ])
    await store.commit()
    expect([gate.started, one.value, two.value, next.state]).toEqual([['a', 'b', 'c'], 1, 2, 'pending'])
    expect(queue.health().ready).toBe(true)
  })

  test('a beginning that is refused although all is well is asked for again a little later', async () => {
    const { clock, gate, queue, store } = await stored({ concurrency: 2 })
    store.auto()
    void queue.execute('a')
    void queue.execute('b')
    for (const name of ['c', 'd']) void queue.execute(name)
    await turn()
    store.byHand()
    await gate.finish('a')
    await gate.finish('b')
    await store.commit(1)
    await store.refuse()
    expect(store.waiting).toEqual(['completed 2'])
    await clock.advance(100)
    expect(store.waiting).toEqual(['completed 2', 'begin 3.1', 'begin 4.1'])
    await store.commit()
    expect(gate.started).toEqual(['a', 'b', 'c', 'd'])
  })

  test('whose request was cancelled meanwhile is not asked about again', async () => {
    const { clock, gate, queue, store } = await stored({ concurrency: 2 })
    store.auto()
    for (const name of ['a', 'b']) void queue.execute(name)
    for (const name of ['c', 'd']) void queue.execute(name, { id: name }).catch(() => {})
    await turn()
    store.byHand()
    await gate.finish('a')
    await gate.finish('b')
    queue.cancel('d')
    await store.refuse()
    queue.cancel('c')
    await clock.advance(100)
    expect(store.waiting.filter((text) => text.startsWith('begin'))).toEqual([])
    await store.commit()
    expect(queue.getStatus().activeWorkers).toBe(0)
  })

  test('a store that is closed parks what waits', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    const [one, two, three] = ['a', 'b', 'c'].map((name) => watch(queue.execute(name))) as [never, never, never]
    await turn()
    store.byHand()
    await gate.finish('a', 1)
    await store.becomes('closed')
    expect([one, two, three].map(({ outcome }) => outcome)).toEqual(['fulfilled', 'TRIAGE_PARKED', 'TRIAGE_PARKED'])
    await queue.close()
  })
})

describe('a change', () => {
  test('of the priority is recorded, also by a join; and so is the pause', async () => {
    const { queue, store } = await stored({ concurrency: 1 })
    store.auto()
    void queue.execute('a')
    const handle = await queue.submit('b', { id: 'b' })
    handle.setPriority('low')
    expect(store.data.get('change 2')).toEqual({ priority: 'low' })
    void queue.execute('b', { id: 'b', priority: 'urgent' })
    expect(store.data.get('change 2')).toEqual({ priority: 'urgent' })
    queue.pause()
    queue.resume()
    queue.resume()
    expect(store.log.slice(2)).toEqual(['change 2', 'change 2', 'paused true', 'paused false'])
  })

  test('before it was handed over is part of the admission', async () => {
    const { queue, store } = await stored({ concurrency: 1 })
    void queue.execute('a')
    const handle = queue.offer('b')
    handle?.setPriority('low')
    await turn()
    expect([store.log, store.data.get('admit 2')]).toMatchObject([['admit 1 begun', 'admit 2'], { priority: 'low' }])
  })

  test('flushed() waits for what was handed over, and hands over what was not', async () => {
    const { queue, store } = await stored({ concurrency: 1 })
    void queue.execute('a').catch(() => {})
    const flushed = watch(queue.flushed())
    expect(store.waiting).toEqual(['admit 1'])
    await turn()
    expect(flushed.state).toBe('pending')
    await store.commit()
    expect(flushed.state).toBe('fulfilled')
  })

  test("with 'shed' whoever makes room is recorded as such", async () => {
    const { queue, store } = await stored({ concurrency: 1, maxQueueSize: 1, whenFull: 'shed' })
    store.auto()
    void queue.execute('a')
    await turn()
    const low = watch(queue.execute('low', { priority: 'low' }))
    void queue.execute('high', { priority: 'high' }).catch(() => {})
    await turn()
    expect([low.outcome, store.log.includes('shed 2')]).toEqual(['TRIAGE_SHED', false])
    const next = watch(queue.execute('urgent', { priority: 'urgent' }))
    await turn()
    expect([next.state, store.log.includes('shed 3')]).toEqual(['pending', true])
  })
})

test('a kind has a function and time limits of its own', async () => {
  const kinds = {
    slow: { executor: async (request: string) => `slow ${request}`, waitTimeoutMs: 10 },
    held: { executor: () => new Promise<never>(() => {}), runTimeoutMs: 20 },
  }
  const { clock, gate, queue, store } = await stored({ kinds, concurrency: 1 })
  store.auto()
  expect(await queue.execute('x', { kind: 'slow' })).toBe('slow x')
  const held = watch(queue.execute('y', { kind: 'held' }))
  const [late, kept] = [
    watch(queue.execute('z', { kind: 'slow' })),
    watch(queue.execute('w', { kind: 'slow', waitTimeoutMs: 15 })),
  ]
  await turn()
  await clock.advance(10)
  expect([late.outcome, kept.outcome]).toEqual(['TRIAGE_WAIT_TIMEOUT', 'pending'])
  await clock.advance(10)
  expect([held.outcome, kept.outcome, gate.started]).toEqual(['TRIAGE_RUN_TIMEOUT', 'TRIAGE_WAIT_TIMEOUT', []])
  await expect(queue.execute('x', { kind: 'other' })).rejects.toThrow("expected one of 'slow', 'held', got 'other'")
  expect(store.data.get('admit 1 begun')).toMatchObject({ kind: 'slow' })
})

/**
 * Its room at once, its admission when it is committed: the first of the two moments that a store makes wait.
 */
import {
  DuplicateRequestError,
  InvalidRequestError,
  PayloadTooLargeError,
  ResultLostError,
  StoreUnavailableError,
} from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { turn, watch } from '../../failures/support.ts'
import { HandStore } from './hand-store.ts'
import { stored, storing } from './support.ts'

describe('an admission', () => {
  test('submit() fulfils when it is committed, and not before', async () => {
    const { gate, queue, store } = await stored()
    const admitted = watch(queue.submit('a', { id: 'a' }))
    await turn()
    expect([admitted.state, store.waiting, gate.started]).toEqual(['pending', ['admit 1 begun'], []])
    expect(queue.getStatus()).toMatchObject({ running: 1, totals: { admitted: 0 }, store: { storing: 1 } })
    await store.commit()
    expect([admitted.state, gate.started]).toEqual(['fulfilled', ['a']])
    expect(queue.getStatus()).toMatchObject({ running: 1, totals: { admitted: 1 }, store: { storing: 0 } })
  })

  test('offer() answers at once, with a handle that is storing; `stored` fulfils at the commit', async () => {
    const { queue, store } = await stored({ concurrency: 1 })
    const [first, second] = [queue.offer('a'), queue.offer('b')]
    const kept = watch(second?.stored as Promise<void>)
    await turn()
    expect([first?.state, second?.state, kept.state, second?.position()]).toEqual(['starting', 'storing', 'pending', 0])
    await store.commit()
    expect([first?.state, second?.state, kept.state]).toEqual(['running', 'waiting', 'fulfilled'])
    await expect(second?.stored).resolves.toBeUndefined()
    expect(queue.getStatus().totals.admitted).toBe(2)
    await expect(first?.stored).resolves.toBeUndefined()
  })

  test('without a store, `stored` is fulfilled, also of who has joined', async () => {
    const { queue } = await stored({ store: undefined } as never)
    const [one, other] = [queue.offer('a', { id: 'a' }), queue.offer('a', { id: 'a' })]
    await one?.stored
    await other?.stored
    await queue.flushed()
    expect([queue.getStatus().store, await queue.requeue('a'), await queue.discard('a')]).toEqual([null, false, false])
  })

  test('of one who joins is that of the request that is joined', async () => {
    const { queue, store } = await stored()
    const all = [1, 2].map(() => watch(queue.submit('a', { id: 'a' })))
    const offered = queue.offer('a', { id: 'a' })
    await turn()
    expect([all.map(({ state }) => state), offered?.state]).toEqual([['pending', 'pending'], 'starting'])
    await store.commit()
    expect(all.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled'])
  })

  test('takes its room in the order of arrival, and counts against the bound', async () => {
    const { gate, queue, store } = await stored({ maxQueueSize: 2, concurrency: 1 })
    expect(queue.settings.whenFull).toBe('reject')
    const all = ['a', 'b', 'c', 'd'].map((name) =>
      watch(queue.execute(name, { priority: name === 'c' ? 'high' : 'low' })),
    )
    await turn()
    expect(all.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'pending', 'TRIAGE_QUEUE_FULL'])
    // By priority, as without a store: the first of the burst has the slot.
    expect(store.waiting).toEqual(['admit 1', 'admit 2', 'admit 3 begun'])
    await store.commit()
    await gate.finishAll()
    store.auto()
    await gate.finishAll()
    expect(gate.started).toEqual(['c', 'a', 'b'])
  })

  test('says what is to be known of it: id, priority, limits, metadata, when it may start', async () => {
    const { queue, store } = await stored({
      concurrency: 2,
      kinds: { big: { executor: async () => 1, timeoutMs: 700 } },
    })
    const first = queue.offer('x', { id: 'x' })
    void queue.execute('y', {
      ...{ id: 'y', priority: 'low', metadata: { user: 1 }, kind: 'big', delayMs: 5_000 },
      ...{ cost: 2, waitTimeoutMs: 100, deadline: Date.now() + 60_000, after: [first as NonNullable<typeof first>] },
    })
    await turn()
    expect(store.data.get('admit 1 begun')).toMatchObject({
      id: 'x',
      isKey: true,
      priority: 'normal',
      payload: '"x"',
      limits: {},
    })
    const { submittedAt, startAt, limits, ...kept } = store.data.get('admit 2') as never as Record<string, number>
    expect(kept).toMatchObject({ id: 'y', kind: 'big', priority: 'low', metadata: '{"user":1}', startedAt: undefined })
    expect((startAt as number) - (submittedAt as number)).toBe(5_000)
    expect(limits).toMatchObject({
      cost: 2,
      waitTimeoutMs: 100,
      timeoutMs: 700,
      after: ['x'],
      deadlineAt: expect.any(Number),
    })
  })

  test('what the store can not keep is refused, and takes no room', async () => {
    const store = new HandStore()
    const { queue } = await stored({}, store)
    const part = store.queue('triage')
    const errors: unknown[] = [
      new InvalidRequestError([{ message: 'no' }]),
      new PayloadTooLargeError('request', 9, 5),
      new Error('mine'),
    ]
    store.queue = () => part
    Object.assign(part, {
      encode: () => {
        throw errors.shift()
      },
    })
    const other = storing({ name: 'other' }, store).queue
    await turn()
    await expect(other.execute('a')).rejects.toMatchObject({ code: 'TRIAGE_INVALID_REQUEST', queue: 'other' })
    await expect(other.execute('a')).rejects.toMatchObject({
      code: 'TRIAGE_PAYLOAD_TOO_LARGE',
      queue: 'other',
      bytes: 9,
    })
    await expect(other.execute('a')).rejects.toThrow('mine')
    expect(other.getStatus().totals).toMatchObject({ admitted: 0, rejected: 3 })
    await queue.close()
  })

  test('`after` must be requests of the same executor: the store keeps ids', async () => {
    const { queue } = await stored()
    const other = await stored({ name: 'other' })
    const theirs = other.queue.offer('x')
    for (const each of [Promise.resolve(1), theirs]) {
      await expect(queue.execute('a', { after: [each as Promise<unknown>] })).rejects.toMatchObject({
        ...{ code: 'TRIAGE_INVALID_OPTIONS', path: 'after' },
      })
    }
  })

  test('who is cancelled in the burst that it came in is never handed over', async () => {
    const { queue, store } = await stored()
    const handle = queue.offer('a')
    handle?.cancel()
    const kept = watch(handle?.stored as Promise<void>)
    await turn()
    expect([store.log, handle?.state, kept.outcome]).toEqual([[], 'cancelled', 'TRIAGE_CANCELLED'])
    expect(queue.getStatus()).toMatchObject({ totals: { admitted: 1, cancelled: 1 }, store: { storing: 0 } })
  })

  test('who is cancelled while it is storing is told so, and the store as well', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    const [one, two] = [watch(queue.submit('a', { id: 'a' })), watch(queue.submit('b', { id: 'b' }))]
    await turn()
    expect([queue.cancel('a'), queue.cancel('b')]).toEqual([true, true])
    await turn()
    expect([one.outcome, two.outcome]).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
    expect(store.waiting).toEqual(['admit 1 begun', 'admit 2', 'cancelled 1', 'cancelled 2'])
    expect(store.data.get('cancelled 1')).toMatchObject({ attempts: 1 })
    await store.commit()
    expect([gate.started, queue.getStatus().activeWorkers]).toEqual([[], 0])
    expect(queue.getStatus().totals).toMatchObject({ admitted: 2, cancelled: 2 })
  })
})

describe('a disk that refuses', () => {
  test('refuses the request, which was never admitted, and gives its room back', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1, maxQueueSize: 1, whenFull: 'block' })
    const seen: string[] = []
    queue.on('queued', ({ request }) => seen.push(request))
    queue.on('rejected', ({ request, reason }) => seen.push(`${request} ${reason}`))
    const all = ['a', 'b', 'c'].map((name) => watch(queue.execute(name, { id: name })))
    const handle = queue.get('b')
    await turn()
    await store.refuse()
    expect(all.map(({ outcome }) => outcome)).toEqual([
      'TRIAGE_STORE_UNAVAILABLE',
      'TRIAGE_STORE_UNAVAILABLE',
      'pending',
    ])
    expect(all[0]?.error).toMatchObject({ requestId: 'a', queue: 'triage', started: false, path: 'hand.db' })
    expect([handle?.state, store.waiting]).toEqual(['rejected', ['admit 3 begun']])
    await expect(handle?.stored).rejects.toBeInstanceOf(StoreUnavailableError)
    await store.commit()
    expect([gate.started, seen]).toEqual([['c'], ['a store_unavailable', 'b store_unavailable', 'c']])
    expect(queue.getStatus().totals).toMatchObject({ admitted: 1, rejected: 2 })
  })

  test('whatever else it says is told as it is, and who has gone is not told again', async () => {
    const { queue, store } = await stored({ concurrency: 2 })
    const [one, two] = [watch(queue.execute('a', { id: 'a' })), watch(queue.execute('b', { id: 'b' }))]
    await turn()
    queue.cancel('b')
    const mine = new Error('mine')
    await store.refuse(mine)
    expect([one.outcome, two.outcome, queue.getStatus().running]).toEqual([mine, 'TRIAGE_CANCELLED', 0])
    await queue.idle()
  })

  test('one that throws is a refusal, too', async () => {
    const { queue, store } = await stored()
    const part = store.queue('x')
    Object.assign(part, {
      admitted: () => {
        throw new Error('mine')
      },
    })
    store.queue = () => part
    const other = storing({ name: 'x' }, store).queue
    await expect(other.execute('a')).rejects.toThrow('mine')
    await queue.close()
  })
})

describe('an id that is known', () => {
  test('has its answer, and nothing runs', async () => {
    const { gate, queue, store } = await stored()
    store.auto().known.set('a', { as: 'known', seq: 7, result: '{"was":1}' })
    const joined: unknown[] = []
    queue.on('joined', ({ id }) => joined.push(id))
    expect(await queue.execute('a', { id: 'a' })).toEqual({ was: 1 })
    const handle = await queue.submit('a', { id: 'a' })
    expect([await handle.result, handle.state, gate.started, joined]).toEqual([{ was: 1 }, 'completed', [], ['a', 'a']])
    const offered = queue.offer('a', { id: 'a' })
    expect(await offered?.result).toEqual({ was: 1 })
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0, joined: 3 } })
    await queue.idle()
  })

  test('and has completed as another kind of work, is refused; so it is when the store can not be asked', async () => {
    const store = new HandStore().auto()
    for (const id of ['a', 'b', 'c']) store.known.set(id, { as: 'known', seq: 7, result: '1' })
    store.views.set('a', { kind: 'k' }).set('c', { kind: undefined })
    const { queue } = await stored({ concurrency: 4, kinds: { k: { executor: async () => 'k' } } }, store)
    expect(await queue.execute('a', { id: 'a', kind: 'k' })).toBe(1)
    await expect(queue.execute('a', { id: 'a' })).rejects.toMatchObject({ reason: 'payload' })
    // Nothing is known of it any more but its answer.
    expect(await queue.execute('b', { id: 'b' })).toBe(1)
    const asks = Promise.withResolvers<void>()
    store.before = { find: asks.promise }
    const all = [watch(queue.execute('c', { id: 'c' })), watch(queue.execute('b', { id: 'b' }))]
    await turn()
    queue.cancel('c')
    const mine = new Error('mine')
    asks.reject(mine)
    await turn()
    expect(all.map(({ outcome }) => outcome)).toEqual(['TRIAGE_CANCELLED', mine])
    const again = Promise.withResolvers<void>()
    store.before = { find: again.promise }
    const late = watch(queue.execute('c', { id: 'c' }))
    await turn()
    queue.cancel('c')
    again.resolve()
    await late.done
    expect(late.outcome).toBe('TRIAGE_CANCELLED')
    await turn()
  })

  test('says so if its answer was not kept, or can not be read', async () => {
    const { queue, store } = await stored()
    store.auto().known.set('a', { as: 'known', seq: 7, result: undefined, omitted: 'it was a function' })
    store.known.set('b', { as: 'known', seq: 7, result: undefined }).set('c', { as: 'known', seq: 7, result: '{' })
    await expect(queue.execute('a', { id: 'a' })).rejects.toThrow('its answer is lost: it was a function')
    await expect(queue.execute('b', { id: 'b' })).rejects.toThrow('its answer is lost: it was not kept')
    await expect(queue.execute('c', { id: 'c' })).rejects.toBeInstanceOf(ResultLostError)
  })

  test('is refused with another payload, or where no run is shared', async () => {
    const { queue, store } = await stored()
    store.auto().known.set('a', { as: 'payload', seq: 7, isLive: false }).set('b', { as: 'known', seq: 7, result: '1' })
    store.known.set('c', { as: 'live', seq: 7 })
    await expect(queue.execute('a', { id: 'a' })).rejects.toMatchObject({ reason: 'payload', statusCode: 422 })
    await expect(queue.execute('b', { id: 'b', onDuplicate: 'reject' })).rejects.toMatchObject({
      ...{ reason: 'completed', statusCode: 409, message: "A request with the id 'b' has completed already" },
    })
    await expect(queue.execute('c', { id: 'c' })).rejects.toMatchObject({ reason: 'live' })
    expect(queue.getStatus().totals).toMatchObject({ admitted: 0, rejected: 3 })
  })

  test("'join-by-id' has the answer whatever the payload is", async () => {
    const { queue, store } = await stored({ onDuplicate: 'join-by-id' })
    store
      .auto()
      .known.set('a', { as: 'payload', seq: 7, isLive: false })
      .set('b', { as: 'payload', seq: 8, isLive: false })
    store.known.set('c', { as: 'payload', seq: 9, isLive: false })
    store.views.set('a', { state: 'completed', generation: 7, result: '5', resultOmitted: undefined })
    store.views.set('c', { state: 'completed', generation: 9, result: undefined, resultOmitted: 'large' })
    expect(await queue.execute('other', { id: 'a' })).toBe(5)
    // It has gone meanwhile.
    await expect(queue.execute('other', { id: 'b' })).rejects.toBeInstanceOf(DuplicateRequestError)
    await expect(queue.execute('other', { id: 'c' })).rejects.toThrow('large')
  })

  test('who leaves while its former answer is looked for, or while all comes back, is told nothing more', async () => {
    const store = new HandStore().auto()
    store.known.set('b', { as: 'payload', seq: 8, isLive: false }).set('c', { as: 'live', seq: 9 })
    store.views.set('b', { state: 'completed', generation: 8, result: '1' })
    const [looks, comes] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    store.before = { find: looks.promise, recover: comes.promise }
    const { queue } = storing({ onDuplicate: 'join-by-id' }, store)
    const all = ['b', 'c'].map((id) => watch(queue.execute(id, { id })))
    await turn()
    for (const id of ['b', 'c']) queue.cancel(id)
    looks.resolve()
    comes.resolve()
    await turn()
    expect(all.map(({ outcome }) => outcome)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
    await queue.idle()
  })

  test('that is refused while another one runs leaves that alone; without `debug`, too', async () => {
    const { gate, queue, store } = await stored({ concurrency: 2, debug: false })
    store.auto().known.set('b', { as: 'known', seq: 7, result: '1' }).set('c', { as: 'live', seq: 9 })
    const one = watch(queue.execute('a'))
    await turn()
    expect(await queue.execute('b', { id: 'b' })).toBe(1)
    await expect(queue.execute('c', { id: 'c' })).rejects.toMatchObject({ reason: 'live' })
    await gate.finish('a', 2)
    expect(one.value).toBe(2)
  })

  test('who has left by then is told nothing more', async () => {
    const { queue, store } = await stored({ concurrency: 3, onDuplicate: 'join-by-id' })
    store.known.set('a', { as: 'known', seq: 7, result: '1' }).set('b', { as: 'payload', seq: 8, isLive: false })
    store.known.set('c', { as: 'live', seq: 9 })
    const all = ['a', 'b', 'c'].map((id) => watch(queue.execute(id, { id })))
    await turn()
    queue.cancel('a')
    const [handle] = [queue.get('a')]
    expect(handle).toBeUndefined()
    void store.commit()
    await Promise.resolve()
    queue.cancel('b')
    queue.cancel('c')
    await turn()
    expect(all.map(({ outcome }) => outcome)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
    await queue.idle()
  })

  test('of a live one is joined if the payload and the kind are the same, by what is stored', async () => {
    const kinds = { k: { executor: async () => 'k' } }
    const { gate, queue, store } = await stored({ kinds })
    store.auto()
    const [one, two, three] = [
      watch(queue.execute('a', { id: 'a' })),
      watch(queue.execute('a', { id: 'a' })),
      watch(queue.execute('a', { id: 'a', kind: 'k' })),
    ]
    await turn()
    expect(three.error).toMatchObject({ reason: 'payload' })
    await gate.finish('a', 4)
    await turn()
    expect([one.value, two.value]).toEqual([4, 4])
  })

  test('that is kept as it is, is compared as such', async () => {
    const store = new HandStore()
    const part = store.auto().queue('triage')
    store.queue = () => part
    Object.assign(part, { encode: (value: unknown) => ({ value }) })
    const { queue } = await stored({ concurrency: 1 }, store)
    void queue.execute('a', { id: 'a' }).catch(() => {})
    const same = watch(queue.execute('a', { id: 'a' }))
    await expect(queue.execute('b', { id: 'a' })).rejects.toMatchObject({ reason: 'payload' })
    expect(same.state).toBe('pending')
  })

  test('of another codec: bytes are compared one by one', async () => {
    const store = new HandStore()
    const part = store.auto().queue('triage')
    store.queue = () => part
    let last = 0
    Object.assign(part, {
      encode: (value: unknown) => (value === 's' ? 's' : new Uint8Array([1, value === 'b' ? ++last : 0])),
    })
    const { queue } = await stored({ concurrency: 1 }, store)
    void queue.execute('a', { id: 'a' }).catch(() => {})
    const same = watch(queue.execute('a', { id: 'a' }))
    await turn()
    await expect(queue.execute('b', { id: 'a' })).rejects.toMatchObject({ reason: 'payload' })
    await expect(queue.execute('s', { id: 'a' })).rejects.toMatchObject({ reason: 'payload' })
    expect(same.state).toBe('pending')
  })
})

/**
 * What was kept comes back, and a close parks what it can't finish.
 */
import {
  type LiveRecord,
  type QueuedRequest,
  type RunContext,
  type StandardSchema,
  StoreUnavailableError,
  tokenBucket,
} from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { turn, watch } from '../../failures/support.ts'
import { HandStore, live, page } from './hand-store.ts'
import { stored, storing } from './support.ts'

function withPages(...pages: HandStore['pages']): HandStore {
  const store = new HandStore().auto()
  store.pages = pages
  return store
}

describe('what was kept', () => {
  test('comes back in its order, page by page, before all that comes now', async () => {
    const store = withPages(page([live(1), live(2, { priority: 'high' })], 2), page([live(3)]))
    const { gate, queue } = storing({ concurrency: 1 }, store)
    const handle = queue.offer('new', { priority: 'normal' })
    const next = queue.offer('next', { after: [handle as NonNullable<typeof handle>] })
    expect([next?.state, handle?.state, queue.getStatus().store?.recovering]).toEqual(['storing', 'storing', true])
    await turn()
    await gate.finishAll()
    expect(gate.started).toEqual(['r2', 'r1', 'r3', 'new', 'next'])
    expect(queue.getStatus()).toMatchObject({
      totals: { admitted: 5, completed: 5 },
      store: { recovered: 3, recovering: false },
    })
    // It was there: only what happens from now on is handed over.
    expect(store.log.slice(0, 3)).toEqual(['admit 4', 'admit 5', 'begin 2.1'])
  })

  test('may be more than the bound allows: no law is broken', async () => {
    const store = withPages(page([live(1), live(2), live(3), live(4)]))
    const { gate, queue } = await stored({ maxQueueSize: 1, concurrency: 1 }, store)
    expect(queue.getStatus().waiting).toBe(3)
    await expect(queue.execute('new')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
    await gate.finishAll()
    expect(gate.started).toEqual(['r1', 'r2', 'r3', 'r4'])
    const silent = await stored(
      { debug: false, maxQueueSize: 1, name: 'other' },
      withPages(page([live(1), live(2), live(3)])),
    )
    expect(silent.queue.getStatus().waiting).toBe(2)
  })

  test('is not what came meanwhile: a later page may have newcomers, and requests that were requeued', async () => {
    const store = new HandStore().auto()
    // The numbers of the newcomer, and of the requeued one that was told too late, are in the second page.
    store.pages = [page([live(101)], 101)]
    const { gate, queue } = storing({ concurrency: 9 }, store)
    store.pages.push(page([live(102, { id: 'x', request: 'new' }), live(500), live(600)]))
    const newcomer = watch(queue.execute('new', { id: 'x' }))
    store.arrived?.(live(500))
    await turn()
    await turn()
    store.arrived?.(live(600))
    await turn()
    expect(gate.started.toSorted()).toEqual(['new', 'r101', 'r500', 'r600'])
    await gate.finishAll()
    expect([newcomer.state, queue.getStatus().totals.admitted]).toEqual(['fulfilled', 4])
  })

  test('may come after one that nobody handles here: it stays where that is', async () => {
    const after = { after: ['id1'] }
    const store = withPages(page([live(1, { kind: 'other' }), live(2, { limits: after }), live(3)]))
    store.pages[0] = page([
      ...[live(1, { kind: 'other' }), live(2, { limits: after }), live(3)],
      live(4, { limits: { after: ['id2'] } }),
    ])
    const { gate, queue } = await stored({}, store)
    await gate.finishAll()
    expect(gate.started).toEqual(['r3'])
    expect(queue.getStatus().store?.unhandled).toEqual([
      { kind: 'other', live: 1 },
      { kind: "after 'id1'", live: 1 },
      { kind: "after 'id2'", live: 1 },
    ])
  })

  test('is not paused by what was kept, once it was paused or resumed here', async () => {
    const store = withPages({ ...page([live(1)]), isPaused: true })
    const { gate, queue } = storing({}, store)
    queue.resume()
    await turn()
    expect([queue.getStatus().state, gate.started, store.log[0]]).toEqual(['open', ['r1'], 'paused false'])
  })

  test('starts at the rate of now', async () => {
    const store = withPages(page([live(1), live(2), live(3), live(4)]))
    const per = (request: string) => {
      if (request === 'r3') throw new Error('mine')
      return request === 'r4' ? 'other' : 'all'
    }
    const rateLimit = tokenBucket({ perSecond: 10, burst: 1, over: 'wait', per: per as never })
    const { clock, gate, queue } = await stored({ concurrency: 9, rateLimit }, store)
    // What a guard throws costs no request: it takes no token.
    expect(gate.started).toEqual(['r1', 'r3', 'r4'])
    await clock.advance(100)
    expect(gate.started).toEqual(['r1', 'r3', 'r4', 'r2'])
    await gate.finishAll()
    expect(queue.getStatus().totals).toMatchObject({ completed: 4 })
  })

  test('may be wide: those that had slots reserved wait for it, and no law is broken', async () => {
    const store = new HandStore().auto()
    const { gate, queue } = await stored({ maxQueueSize: 1, concurrency: 2 }, store)
    store.arrived?.(live(7, { priority: 'urgent', limits: { cost: 2 } }))
    const ends = [watch(queue.execute('a')), watch(queue.execute('b'))]
    await turn()
    await gate.finishAll()
    expect([gate.started, ends.map(({ state }) => state)]).toEqual([
      ['r7', 'a', 'b'],
      ['fulfilled', 'fulfilled'],
    ])
  })

  test('is waited for by idle()', async () => {
    const store = withPages(page([live(1)]))
    const { gate, queue } = storing({}, store)
    const idle = watch(queue.idle())
    await turn()
    expect([gate.started, idle.state]).toEqual([['r1'], 'pending'])
    await gate.finish('r1')
    await idle.done
    const empty = storing({ name: 'other' }, new HandStore()).queue
    await empty.idle()
  })

  test('has its attempts, limits, metadata and kind, and what remains of its time', async () => {
    const runs: unknown[] = []
    const kinds = {
      k: {
        executor: async (request: string, run: { attempt: number; metadata: unknown; kind: string | undefined }) => {
          runs.push([request, run.attempt, run.metadata, run.kind])
        },
        waitTimeoutMs: 5_000,
      },
    }
    const ago = Date.now() - 1_000
    const store = withPages(
      page([
        live(1, { kind: 'k', attempts: 2, metadata: '{"a":1}', submittedAt: ago }),
        live(2, { limits: { waitTimeoutMs: 1_500, cost: 1 }, submittedAt: ago }),
        live(3, { limits: { deadlineAt: Date.now() + 700 }, startAt: Date.now() + 300 }),
        live(4, { startAt: Date.now() + 10_000, submittedAt: Date.now() + 1e9 }),
      ]),
    )
    const { clock, gate, queue } = await stored({ concurrency: 1, kinds: kinds as never }, store)
    const two = watch(queue.get('id2')?.result as Promise<unknown>)
    const three = watch(queue.get('id3')?.result as Promise<unknown>)
    await turn()
    expect([runs, gate.started]).toEqual([[['r1', 3, { a: 1 }, 'k']], ['r2']])
    expect((await queue.find('id1')) ?? 'none').toBe('none')
    const ended = {
      id: 'old',
      queue: 'triage',
      state: 'completed',
      generation: 9,
      submittedAt: 0,
      endedAt: 1_000,
    } as const
    store.views.set('old', { ...ended, result: '[1]', metadata: '2', error: undefined })
    store.views.set('bad', { ...ended, state: 'dead', error: { name: 'E', code: 'C', message: 'm', stack: 's' } })
    expect(await queue.find('old')).toMatchObject({
      state: 'completed',
      result: [1],
      metadata: 2,
      endedAt: '1970-01-01T00:00:01.000Z',
    })
    expect((await queue.find('bad'))?.error).toEqual({ name: 'E', code: 'C', message: 'm' })
    expect(await queue.find('id4')).toMatchObject({ state: 'held', generation: 4, attempts: 0, queue: 'triage' })
    await clock.advance(400)
    expect(two.state).toBe('pending')
    await clock.advance(400)
    // It had 700 ms in all.
    expect(three.outcome).toMatch(/TIMEOUT/)
    await gate.finishAll()
    expect(queue.getStatus().waiting).toBe(1)
    await clock.advance(10_000)
    await gate.finishAll()
    expect(gate.started).toEqual(['r2', 'r4'])
  })

  test('whose time was over meanwhile expires', async () => {
    const store = withPages(page([live(1, { limits: { waitTimeoutMs: 500 }, submittedAt: Date.now() - 1_000 })]))
    const { clock, queue } = storing({ concurrency: 1 }, store)
    queue.pause()
    await turn()
    await clock.advance(1)
    expect([queue.getStatus().totals.expired, store.log.includes('expired 1')]).toEqual([1, true])
  })

  test('waits for others by their ids: live ones, ended ones, and ones that have failed', async () => {
    const store = withPages(
      page([
        live(1),
        live(2, { limits: { after: ['id1'] } }),
        live(3, { limits: { after: ['gone', 'done'] } }),
        live(4, { limits: { after: ['failed'] } }),
      ]),
    )
    store.views.set('done', { state: 'completed' }).set('failed', { state: 'dead' })
    const { gate, queue } = storing({ concurrency: 3 }, store)
    const cancelled: unknown[] = []
    queue.on('cancelled', ({ id, error }) => cancelled.push(id, (error as Error).cause))
    await turn()
    await turn()
    expect(gate.started).toEqual(['r1', 'r3'])
    expect(cancelled).toMatchObject(['id4', { message: expect.stringContaining("'failed'") }])
    await gate.finish('r1')
    await turn()
    expect(gate.started).toEqual(['r1', 'r3', 'r2'])
  })

  test('of a kind that nobody handles here stays, and is counted', async () => {
    const store = withPages(page([live(1, { kind: 'x' }), live(2, { kind: 'x' }), live(3)]))
    const { gate, queue } = await stored({}, store)
    expect(gate.started).toEqual(['r3'])
    expect(queue.getStatus().store).toMatchObject({ unhandled: [{ kind: 'x', live: 2 }], recovered: 1 })
    expect(queue.get('id1')).toBeUndefined()
  })

  test('that can not be read, or does not fit the schema any more, is a dead letter', async () => {
    const schema: StandardSchema<string> = {
      '~standard': {
        ...({ version: 1, vendor: 'mine' } as const),
        validate: async (value) => (value === 'r3' ? { issues: [{ message: 'no' }] } : { value: `${value}!` }),
      },
    }
    const store = withPages(page([live(1, { payload: '{' }), live(2), live(3), live(4, { metadata: '{' })]))
    const { gate } = await stored({ schema }, store)
    await turn()
    expect([gate.started, store.log.slice(0, 3)]).toEqual([['r2!'], ['unreadable 1', 'failed 3', 'unreadable 4']])
    expect(store.data.get('failed 3')).toMatchObject({ error: { code: 'TRIAGE_INVALID_REQUEST' } })
  })

  test('stays paused if it was', async () => {
    const { gate, queue } = await stored({}, withPages({ records: [live(1)], next: undefined, isPaused: true }))
    expect([queue.getStatus().state, gate.started]).toEqual(['paused', []])
    queue.resume()
    await turn()
    expect(gate.started).toEqual(['r1'])
  })

  test('is asked for again while the disk can not be read', async () => {
    const store = withPages(new StoreUnavailableError('hand.db', 'EIO'), page([live(1)]))
    const { clock, gate } = await stored({}, store)
    expect(gate.started).toEqual([])
    await clock.advance(250)
    expect(gate.started).toEqual(['r1'])
  })

  test('is not asked for any more when the store or the executor is closed', async () => {
    const store = withPages(new StoreUnavailableError('hand.db', 'it was closed'))
    store.state = 'closed'
    const first = await stored({}, store)
    await first.queue.close()
    const faulty = withPages(new StoreUnavailableError('hand.db', 'EIO'), new StoreUnavailableError('hand.db', 'EIO'))
    const second = storing({}, faulty)
    await turn()
    const closed = second.queue.close()
    await second.clock.advance(1_000)
    await closed
    const late = withPages(page([live(1)]))
    const third = storing({}, late)
    await third.queue.close({ drain: false })
    await turn()
    expect([second.gate.started, third.gate.started]).toEqual([[], []])
  })

  test('closed while the schema looks at it: it stays', async () => {
    let judge: (result: { value: string }) => void = () => {}
    const schema: StandardSchema<string> = {
      '~standard': {
        ...({ version: 1, vendor: 'mine' } as const),
        validate: () =>
          new Promise((resolve) => {
            judge = resolve
          }),
      },
    }
    const store = withPages(page([live(1)]))
    const { gate, queue } = await stored({ schema }, store)
    await queue.close({ drain: false })
    judge({ value: 'x' })
    await turn()
    expect([gate.started, queue.getStatus().store?.recovered]).toEqual([[], 0])
  })

  test('is joined by who comes while it comes back', async () => {
    const store = withPages(page([live(1, { request: 'a', id: 'a' })]))
    store.known.set('a', { as: 'live', seq: 1 })
    const { gate, queue } = storing({ concurrency: 1 }, store)
    const controller = new AbortController()
    const one = watch(queue.execute('a', { id: 'a', signal: controller.signal }))
    await turn()
    await turn()
    expect(gate.started).toEqual(['a'])
    await gate.finish('a', 7)
    await turn()
    expect([one.value, queue.getStatus().totals]).toMatchObject([7, { admitted: 1, joined: 1, completed: 1 }])
  })
})

describe('a dead letter', () => {
  test('that is requeued runs here, by the executor or through the store', async () => {
    const store = new HandStore().auto()
    const { gate, queue } = await stored({ concurrency: 2 }, store)
    store.requeues.set('x', live(7, { request: 'x' }) as LiveRecord)
    expect([await queue.requeue('x', 3), await queue.requeue('none')]).toEqual([true, false])
    store.arrived?.(live(8, { request: 'y' }))
    await turn()
    expect(gate.started).toEqual(['x', 'y'])
    // It does not run where nothing is admitted any more; it is live in the store.
    void queue.close()
    store.arrived?.(live(9, { request: 'z' }))
    await gate.finishAll()
    expect(gate.started).toEqual(['x', 'y'])
    await expect(queue.requeue('x')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
  })

  test('does not run where all was finished while a schema looked at it', async () => {
    let pass = (): void => {}
    const looks = new Promise<void>((resolve) => {
      pass = resolve
    })
    const validate = (value: unknown) => looks.then(() => ({ value: value as string }))
    const schema: StandardSchema<string> = { '~standard': { version: 1, vendor: 'test', validate } }
    const { gate, queue, store } = await stored({ schema }, new HandStore().auto())
    store.arrived?.(live(8, { request: 'y' }))
    await queue.close()
    pass()
    await turn()
    expect([gate.started, queue.getStatus()]).toMatchObject([
      [],
      { state: 'closed', waiting: 0, totals: { admitted: 0 } },
    ])
  })
})

describe('a close', () => {
  test('without drain parks what waits: its callers are told, and its records stay', async () => {
    const { gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    const parked: unknown[] = []
    queue.on('parked', ({ request, started }) => parked.push([request, started]))
    const [one, two] = [watch(queue.execute('a')), watch(queue.execute('b'))]
    const handle = await queue.submit('c', { delayMs: 1_000 })
    const three = watch(handle.result)
    const closed = watch(queue.close({ drain: false }))
    await turn()
    expect([two.outcome, three.outcome, handle.state, closed.state]).toEqual([
      'TRIAGE_PARKED',
      'TRIAGE_PARKED',
      'parked',
      'pending',
    ])
    expect([two.error, parked]).toMatchObject([
      { started: false, queue: 'triage' },
      [
        ['b', false],
        ['c', false],
      ],
    ])
    await gate.finish('a', 1)
    await closed.done
    expect([one.value, closed.state, store.queues.size, store.listeners]).toEqual([1, 'fulfilled', 0, 0])
    expect(store.log).toEqual(['admit 1 begun', 'admit 2', 'admit 3', 'completed 1'])
    expect(queue.getStatus()).toMatchObject({ totals: { admitted: 3, cancelled: 0 }, store: { parked: 2 } })
  })

  test('that cuts runs off parks them, and the attempt has an end that is no crash', async () => {
    const { clock, gate, queue, store } = await stored({ concurrency: 1 })
    store.auto()
    const [one, two] = [watch(queue.execute('a')), watch(queue.execute('b'))]
    await turn()
    const { signal } = gate.call('a').run
    const closed = watch(queue.close({ graceMs: 100 }))
    await clock.advance(100)
    expect([one.outcome, two.outcome, signal.aborted, closed.state]).toEqual([
      'TRIAGE_PARKED',
      'TRIAGE_PARKED',
      true,
      'fulfilled',
    ])
    expect([store.log, store.data.get('ended 1.1')]).toEqual([['admit 1 begun', 'admit 2', 'ended 1.1'], {}])
    expect(one.error).toMatchObject({ started: true })
    // It goes on, and nobody hears of it.
    await gate.finish('a')
    expect(store.log.length).toBe(3)
  })

  test('who is storing is told that it is parked when that is so', async () => {
    const { clock, queue, store } = await stored({ concurrency: 1 })
    const [one, two, three] = [watch(queue.execute('a')), watch(queue.execute('b')), watch(queue.submit('c'))]
    await turn()
    const closed = watch(queue.close({ drain: false, graceMs: 0 }))
    await clock.advance(0)
    expect([one.state, two.state, three.state, closed.state]).toEqual(['pending', 'pending', 'pending', 'pending'])
    await store.commit(2)
    expect([one.outcome, two.outcome, three.state]).toEqual(['TRIAGE_PARKED', 'TRIAGE_PARKED', 'pending'])
    await store.refuse()
    expect(three.outcome).toBe('TRIAGE_STORE_UNAVAILABLE')
    await store.commit()
    await closed.done
  })

  test('whose id turns out to be known, live or another: each is told, and the close ends', async () => {
    const { queue, store } = await stored({ concurrency: 1 })
    store.known.set('a', { as: 'known', seq: 7, result: '1' }).set('b', { as: 'payload', seq: 8, isLive: false })
    store.known.set('c', { as: 'live', seq: 9 })
    queue.pause()
    const all = ['a', 'b', 'c'].map((id) => watch(queue.submit(id, { id })))
    await turn()
    const closed = watch(queue.close({ drain: false }))
    for (let i = 0; i < 3; i++) await store.commit()
    await closed.done
    const codes = ['TRIAGE_PARKED', 'TRIAGE_DUPLICATE_REQUEST', 'TRIAGE_DUPLICATE_REQUEST']
    expect(all.map(({ outcome }) => outcome)).toEqual(codes)
  })

  test.each([
    ['the answer that is kept', 'find', { as: 'payload', seq: 8, isLive: false }, 'stored'],
    ['what comes back', 'recover', { as: 'live', seq: 8 }, 'storing'],
  ] as const)(
    'while %s is looked at: it is told, whoever has joined it, too, and the close ends',
    async (_, step, known, how) => {
      const store = new HandStore()
      let go: () => void = () => {}
      store.before = {
        [step]: new Promise<void>((resolve) => {
          go = resolve
        }),
      }
      store.known.set('a', known)
      const { queue } = await (how === 'stored' ? stored : storing)({ onDuplicate: 'join-by-id' }, store)
      queue.pause()
      const first = queue.offer('a', { id: 'a' }) as QueuedRequest<string, unknown>
      const [result, kept] = [watch(first.result), watch(first.stored)]
      const second = watch(queue.submit('a', { id: 'a' }))
      await turn()
      await store.commit()
      const closed = watch(queue.close({ drain: false }))
      go()
      await Promise.all([result.done, kept.done, second.done, closed.done])
      const code = 'TRIAGE_DUPLICATE_REQUEST'
      expect([result.outcome, kept.outcome, second.outcome, closed.state]).toEqual([code, code, code, 'fulfilled'])
    },
  )

  test('in the burst that it came in: it is handed over, and parked', async () => {
    const { queue, store } = await stored({ concurrency: 1 })
    const one = watch(queue.execute('a'))
    void queue.close({ drain: false })
    await turn()
    expect([store.log, one.state]).toEqual([['admit 1'], 'pending'])
    await store.commit()
    expect(one.outcome).toBe('TRIAGE_PARKED')
  })

  test('does not wait for ever for a disk that is gone, and then tells what it has not told', async () => {
    const { clock, gate, queue, store } = await stored({ tellWithinMs: 300 })
    store.auto()
    const one = watch(queue.execute('a'))
    await turn()
    store.byHand()
    await gate.finish('a', 1)
    const closed = watch(queue.close({ graceMs: 0 }))
    await turn()
    expect([one.state, closed.state]).toEqual(['pending', 'pending'])
    await clock.advance(300)
    expect([one.value, closed.state]).toEqual([1, 'fulfilled'])
  })

  test('leaves alone what was answered and holds its slot', async () => {
    let free: () => void = () => {}
    const hold = {
      executor: async (_: string, run: RunContext) => {
        run.holdUntil(
          new Promise<void>((resolve) => {
            free = resolve
          }),
        )
        return 'told'
      },
    }
    const { clock, queue, store } = await stored({ kinds: { hold } })
    store.auto()
    expect(await queue.execute('a', { kind: 'hold' })).toBe('told')
    const closed = watch(queue.close({ graceMs: 10 }))
    await clock.advance(10)
    expect([closed.state, queue.getStatus().store?.parked]).toEqual(['fulfilled', 0])
    free()
    await turn()
  })

  test('keeps the pause for the next start', async () => {
    const { queue, store } = await stored()
    store.auto()
    queue.pause()
    await queue.close()
    expect(store.log).toEqual(['paused true'])
  })
})

describe('a store that is not durable', () => {
  test('holds nothing back, tells at once, and a close cancels', async () => {
    const store = withPages(page([live(1)]))
    store.isDurable = false
    const { gate, queue } = storing({ concurrency: 2 }, store)
    expect(queue.settings.whenFull).toBe('shed')
    const one = watch(queue.execute('a'))
    await turn()
    expect(gate.started).toEqual(['a', 'r1'])
    store.byHand()
    await gate.finish('a', 5)
    expect(one.value).toBe(5)
    await store.becomes('closed')
    const waits = watch(queue.execute('b', { delayMs: 1_000 }))
    await turn()
    void queue.close({ drain: false, graceMs: 0 })
    await turn()
    expect(waits.outcome).toBe('TRIAGE_STORE_UNAVAILABLE')
  })
})

/**
 * What an executor may rely on, and what people see, whatever the store: `storeContract(name, open)` is run against each.
 */
import { type KeepChoice, OptionsError } from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import type { Encoded, LiveRecord, QueueStore, ReadableStore, StoreEvent, StoreQuery } from '../../src/core/store.ts'
import { admitted, completed, failed, record } from './support.ts'

export type OpenStore = (options?: { readonly keep?: KeepChoice }) => Promise<ReadableStore>

/** @param open gives a store that is empty, and is closed after the test */
export function storeContract(name: string, open: OpenStore): void {
  describe(name, () => {
    const main = async (options?: { readonly keep?: KeepChoice }) => {
      const store = await open(options)
      return { store, queue: store.queue('main') }
    }
    const told = (queue: QueueStore, encoded: Encoded | undefined) =>
      encoded === undefined ? 'nothing' : queue.decode(encoded)

    describe('a request', () => {
      test('is live as soon as it is admitted, as it was', async () => {
        const { store, queue } = await main()
        const given = record(queue, 'a', {
          ...{ request: { text: 'é\u2028 \ud83d\ude00' }, priority: 'high', kind: 'clash', startAt: 1_900_000_000_000 },
          ...{ metadata: queue.encode({ user: 7 }, 'metadata'), submittedAt: 1_800_000_000_000 },
          limits: { cost: 2, waitTimeoutMs: 5, after: ['b'], key: 'tenant' },
        })
        expect(await queue.admitted(given)).toEqual({ as: 'stored' })
        const { records, next, isPaused } = await queue.recover()
        const { startedAt: _, ...expected } = given
        expect(records).toEqual([{ ...expected, attempts: 0, crashes: 0, startedAt: undefined }])
        expect([next, isPaused]).toEqual([undefined, false])
        expect(queue.decode((records[0] as LiveRecord).payload)).toEqual({ text: 'é\u2028 \ud83d\ude00' })
        expect(store.decode((records[0] as LiveRecord).metadata as Encoded)).toEqual({ user: 7 })
        expect(await queue.find('a')).toMatchObject({
          ...{ id: 'a', queue: 'main', kind: 'clash', state: 'held', priority: 'high', generation: given.seq },
          ...{ attempts: 0, crashes: 0, key: 'tenant', submittedAt: 1_800_000_000_000, startAt: 1_900_000_000_000 },
          ...{ startedAt: undefined, endedAt: undefined, error: undefined, reason: undefined, result: undefined },
          payload: given.payload,
        })
        expect(await queue.find('b')).toBe(undefined)
      })

      test('comes back in the order of arrival, page by page, whatever its priority', async () => {
        const { store, queue } = await main()
        const other = store.queue('other')
        const seqs: number[] = []
        await Promise.all(
          Array.from({ length: 25 }, (_, i) => {
            const given = record(i % 5 === 4 ? other : queue, `r${i}`, { priority: i % 2 === 0 ? 'low' : 'urgent' })
            if (i % 5 !== 4) seqs.push(given.seq)
            return (i % 5 === 4 ? other : queue).admitted(given)
          }),
        )
        await queue.changed(seqs[3] as number, { priority: 'normal' })
        const found: number[] = []
        let after: number | undefined
        let pages = 0
        do {
          const page = await queue.recover(after, 6)
          found.push(...page.records.map(({ seq }) => seq))
          after = page.next
          pages++
        } while (after !== undefined)
        expect(found).toEqual(seqs)
        expect(pages).toBe(4)
      })

      test('that was handed over late comes back in its place', async () => {
        const { store, queue } = await main()
        const first = record(queue, 'first')
        const second = record(queue, 'second')
        await queue.admitted(record(queue, 'third'))
        await queue.admitted(second)
        await queue.admitted(first)
        expect((await queue.recover()).records.map(({ id }) => id)).toEqual(['first', 'second', 'third'])
        expect((await store.list()).records.map(({ id }) => id)).toEqual(['third', 'second', 'first'])
      })

      test('that has ended is live no more, and its answer is kept', async () => {
        const { queue } = await main()
        const seq = await admitted(queue, 'a', { startedAt: 5 })
        expect(await queue.find('a')).toMatchObject({ state: 'running', attempts: 1, startedAt: 5 })
        await queue.ended(seq, completed({ n: 1 }))
        const view = await queue.find('a')
        expect(view).toMatchObject({
          ...{ state: 'completed', attempts: 1, generation: seq, payload: undefined, startedAt: 5 },
          ...{
            endedAt: expect.any(Number),
            waitMs: 1,
            runMs: 2,
            slot: 0,
            startAt: undefined,
            resultOmitted: undefined,
          },
        })
        expect(told(queue, view?.result)).toEqual({ n: 1 })
        // The same fact once more is no harm, and neither is one that comes too late.
        await queue.ended(seq, completed({ n: 2 }))
        await queue.begins(seq, 2, 6)
        await queue.attemptEnded(seq, 2, {})
        await queue.changed(seq, { priority: 'urgent' })
        await queue.unreadable(seq, 1)
        const again = await queue.find('a')
        expect(again).toMatchObject({ state: 'completed', attempts: 1, priority: 'normal' })
        expect(told(queue, again?.result)).toEqual({ n: 1 })
        expect(await queue.stats()).toMatchObject({ live: 0, completed: 1 })
      })

      test('that was never stored has no end', async () => {
        const { queue } = await main()
        await queue.ended(queue.nextSeq(), completed())
        expect(await queue.stats()).toMatchObject({ live: 0, completed: 0 })
      })

      test.each(['expired', 'cancelled', 'shed'] as const)(
        'that was %s is kept as that, without an answer',
        async (outcome) => {
          const { queue } = await main()
          const endedAt = Date.now()
          const seq = await admitted(queue, 'a')
          await queue.ended(seq, {
            outcome,
            endedAt,
            attempts: 0,
            error: Object.assign(new Error('x'), { code: 'E' }),
          })
          expect(await queue.find('a')).toMatchObject({
            ...{ state: outcome, endedAt, result: undefined, payload: undefined },
            error: { name: 'Error', code: 'E', message: 'x', stack: expect.stringContaining('Error: x') },
          })
          expect(await queue.stats()).toMatchObject({ live: 0, [outcome]: 1, dead: 0 })
          // It is no answer: the id is free.
          await admitted(queue, 'a', { request: 'another' })
        },
      )

      test('that has expired is a dead letter where that was asked for, as is one that has failed, whatever was', async () => {
        const { queue } = await main()
        const end = { endedAt: Date.now(), attempts: 0, error: 'late' }
        await queue.ended(await admitted(queue, 'a'), { ...end, outcome: 'expired', isDead: true })
        await queue.ended(await admitted(queue, 'b'), { ...end, outcome: 'failed', isDead: false })
        expect(await queue.find('a')).toMatchObject({ state: 'dead', reason: 'expired' })
        expect(await queue.find('b')).toMatchObject({ state: 'dead', reason: 'failed' })
        expect(await queue.stats()).toMatchObject({ live: 0, completed: 0, expired: 0, dead: 2 })
      })
    })

    describe('an id', () => {
      test('is a key while it is live, and as long as its answer is kept', async () => {
        const { store, queue } = await main()
        const other = store.queue('other')
        const seq = await admitted(queue, 'a', { request: [1, { n: 1 }] })
        const again = (request: unknown) => queue.admitted(record(queue, 'a', { request }))
        expect(await again([1, { n: 1 }])).toEqual({ as: 'live', seq })
        expect(await again(2)).toEqual({ as: 'payload', seq, isLive: true })
        expect(await other.admitted(record(other, 'a', { request: 2 }))).toEqual({ as: 'stored' })
        await queue.ended(seq, completed('yes'))
        const known = await again([1, { n: 1 }])
        expect(known).toMatchObject({ as: 'known', seq })
        expect(told(queue, known.as === 'known' ? known.result : undefined)).toBe('yes')
        expect(await again(2)).toEqual({ as: 'payload', seq, isLive: false })
      })

      test('that nobody has chosen is no key', async () => {
        const { queue } = await main()
        await queue.ended(await admitted(queue, 'a', { isKey: false }), completed('yes'))
        expect(await queue.admitted(record(queue, 'a', { isKey: false }))).toEqual({ as: 'stored' })
        expect(await queue.admitted(record(queue, 'a', { isKey: false }))).toMatchObject({ as: 'live' })
      })

      test('can be used again after a failure, and a later life has a greater generation', async () => {
        const { queue } = await main()
        const first = await admitted(queue, 'a')
        await queue.ended(first, failed(new TypeError('no'), 2))
        const second = await admitted(queue, 'a', { request: 'another' })
        expect(second).toBeGreaterThan(first)
        expect(await queue.find('a')).toMatchObject({ state: 'waiting', generation: second })
      })

      test('that was answered is not run again by an older life that was left behind', async () => {
        const { queue } = await main({ keep: { completed: { count: 1 } } })
        await queue.ended(await admitted(queue, 'a', { request: 1 }), failed('no'))
        const answered = await admitted(queue, 'a', { request: 2 })
        await queue.ended(answered, completed('of 2'))
        expect(await queue.requeue('a')).toBe(undefined)
        expect(await queue.stats()).toMatchObject({ completed: 1, dead: 1 })
        expect(await queue.admitted(record(queue, 'a', { request: 2 }))).toMatchObject({ as: 'known', seq: answered })
        // Until that answer is kept no more.
        await queue.ended(await admitted(queue, 'b'), completed('of b'))
        expect((await queue.requeue('a'))?.payload).toEqual(queue.encode(1, 'request'))
      })

      test('is free again when its answer is kept no more', async () => {
        const { queue } = await main({ keep: { completed: { count: 1 } } })
        await queue.ended(await admitted(queue, 'a'), completed('first'))
        await queue.ended(await admitted(queue, 'b'), completed('second'))
        expect(await queue.find('a')).toBe(undefined)
        expect(await queue.admitted(record(queue, 'a', { request: 'another' }))).toEqual({ as: 'stored' })
        expect(await queue.admitted(record(queue, 'b'))).toMatchObject({ as: 'known' })
      })
    })

    describe('attempts', () => {
      test('are counted before they begin, and never go down', async () => {
        const { queue } = await main()
        const seq = await admitted(queue, 'a')
        await queue.begins(seq, 1, 1)
        await queue.attemptEnded(seq, 1, { error: new Error('once'), retryAt: Date.now() + 1e6 })
        expect(await queue.find('a')).toMatchObject({
          ...{ state: 'held', attempts: 1, crashes: 0 },
          error: { message: 'once' },
        })
        await queue.begins(seq, 2, 2)
        expect(await queue.find('a')).toMatchObject({ state: 'running', attempts: 2 })
        await queue.begins(seq, 2, 2)
        await queue.attemptEnded(seq, 1, {})
        expect(await queue.find('a')).toMatchObject({ state: 'running', attempts: 2 })
        await queue.attemptEnded(seq, 2, {})
        await queue.attemptEnded(seq, 2, {})
        expect(await queue.find('a')).toMatchObject({ state: 'waiting', attempts: 2, crashes: 0 })
        await queue.ended(seq, completed('at last', 1))
        expect(await queue.find('a')).toMatchObject({ state: 'completed', attempts: 2, error: undefined })
      })

      test('without an end make a dead letter after so many executors; those that were parked do not count', async () => {
        const { store, queue: first } = await main()
        await admitted(first, 'poison')
        await admitted(first, 'deployed')
        await admitted(first, 'behind')
        first.release()
        for (let life = 1; life <= 4; life++) {
          const queue = store.queue('main', { maxAttempts: 3 })
          const live = new Map((await queue.recover()).records.map((each) => [each.id, each]))
          if (life === 4) {
            expect([...live.keys()]).toEqual(['deployed', 'behind'])
            expect(await store.find('poison')).toMatchObject({
              ...{ state: 'dead', reason: 'crashed', attempts: 3, crashes: 3 },
            })
            expect(live.get('deployed')).toMatchObject({ attempts: 3, crashes: 0 })
            // It is not counted again.
            expect((await queue.recover()).records).toHaveLength(2)
          } else {
            const { poison, deployed } = Object.fromEntries(live) as Record<string, LiveRecord>
            expect(poison).toMatchObject({ attempts: life - 1, crashes: life - 1 })
            await queue.begins(poison?.seq as number, life, life)
            await queue.begins(deployed?.seq as number, life, life)
            await queue.attemptEnded(deployed?.seq as number, life, {})
          }
          queue.release()
        }
      })
    })

    describe('a dead letter', () => {
      test('is requeued by its generation, once, with a new number, and told to its executor', async () => {
        const { store, queue } = await main()
        const limits = { cost: 3, after: ['x'] }
        const seq = await admitted(queue, 'a', { request: { n: 1 }, limits, priority: 'low', kind: 'k' })
        await queue.ended(seq, failed(new RangeError('far off'), 4))
        const letter = await store.find('a')
        expect(letter).toMatchObject({
          ...{ state: 'dead', reason: 'failed', attempts: 4 },
          error: { name: 'RangeError' },
        })
        expect(told(queue, letter?.payload)).toEqual({ n: 1 })
        expect(await queue.requeue('a', seq + 1)).toBe(undefined)
        const again = await queue.requeue('a', seq)
        expect(again).toMatchObject({
          ...{ id: 'a', attempts: 0, crashes: 0, limits: { cost: 3 }, priority: 'low', kind: 'k', isKey: true },
        })
        expect(told(queue, again?.payload)).toEqual({ n: 1 })
        expect(again?.limits.after).toBe(undefined)
        expect(again?.seq).toBeGreaterThan(seq)
        expect(await queue.requeue('a', seq)).toBe(undefined)
        await queue.ended(again?.seq as number, failed('again'))
        const arrived: LiveRecord[] = []
        queue.arrived = (each) => arrived.push(each)
        expect(await store.requeue('a', { generation: seq })).toBe(false)
        expect(await store.requeue('a')).toBe(true)
        expect(arrived).toHaveLength(1)
        expect(await store.requeue('nobody')).toBe(false)
        expect(await store.requeue('a', { queue: 'elsewhere' })).toBe(false)
      })

      test('waits for its executor where none is open', async () => {
        const { store, queue } = await main()
        await queue.ended(await admitted(queue, 'a'), failed(1))
        queue.release()
        expect(await store.requeue('a')).toBe(true)
        await vi.waitFor(() => expect(store.status().unopened).toEqual([{ queue: 'main', live: 1 }]))
        expect((await store.queue('main').recover()).records).toMatchObject([{ id: 'a', attempts: 0 }])
      })

      test('is not requeued while its id lives, and can be discarded', async () => {
        const { store, queue } = await main()
        const seq = await admitted(queue, 'a')
        await queue.ended(seq, failed(1))
        await admitted(queue, 'a')
        expect(await queue.requeue('a')).toBe(undefined)
        expect(await queue.discard('a', seq + 5)).toBe(false)
        expect(await queue.discard('a', seq)).toBe(true)
        expect(await queue.discard('a')).toBe(false)
        expect(await store.stats()).toMatchObject({ live: 1, dead: 0 })
      })

      test('of an id that has several is the youngest', async () => {
        const { queue } = await main()
        const seqs: number[] = []
        for (const request of [1, 2, 3]) {
          const seq = await admitted(queue, 'a', { request })
          await queue.ended(seq, failed(request))
          seqs.push(seq)
        }
        expect(await queue.discard('a', seqs[0])).toBe(false)
        expect(await queue.discard('a')).toBe(true)
        expect(await queue.find('a')).toMatchObject({ generation: seqs[1] })
        expect(told(queue, (await queue.requeue('a'))?.payload)).toBe(2)
        expect((await queue.list({ state: 'dead' })).records.map(({ generation }) => generation)).toEqual([seqs[0]])
      })

      test('is what becomes of a record that can’t be decoded, and is never requeued', async () => {
        const { store, queue } = await main()
        const seq = await admitted(queue, 'a')
        const running = await admitted(queue, 'b', { startedAt: 1 })
        await queue.unreadable(seq, new SyntaxError('no JSON'))
        await queue.unreadable(running, 'no')
        expect(await store.find('a')).toMatchObject({ state: 'dead', reason: 'corrupt', error: { message: 'no JSON' } })
        expect(await queue.requeue('a')).toBe(undefined)
        expect(await store.stats()).toMatchObject({ live: 0, dead: 2 })
      })
    })

    test('a change is there for the next executor: priority, start, limits, the pause', async () => {
      const { store, queue } = await main()
      const seq = await admitted(queue, 'a', { startAt: 1_900_000_000_000 })
      const started = await admitted(queue, 'b', { startedAt: 1 })
      await Promise.all([
        queue.changed(seq, { priority: 'urgent' }),
        queue.changed(seq, { startAt: null, limits: { timeoutMs: 9 } }),
        queue.changed(started, { priority: 'high', startAt: 5 }),
        queue.paused(true),
      ])
      expect(await store.stats()).toMatchObject({ isPaused: true })
      queue.release()
      const { records, isPaused } = await store.queue('main').recover()
      expect(records).toMatchObject([
        { priority: 'urgent', startAt: undefined, limits: { timeoutMs: 9 } },
        { priority: 'high', startAt: 5 },
      ])
      expect(isPaused).toBe(true)
    })

    test('records are listed the youngest first, by state, priority, id and error, page by page', async () => {
      const { store, queue } = await main()
      for (let i = 0; i < 12; i++) {
        const priority = i % 2 ? 'low' : 'high'
        const seq = await admitted(queue, `r${i}`, { priority, startedAt: i === 5 ? 1 : undefined })
        if (i < 2) await queue.ended(seq, completed(i))
        else if (i < 4) await queue.ended(seq, failed(Object.assign(new Error('x'), { code: i === 2 ? 'E2' : 'E3' })))
        else if (i === 4)
          await queue.ended(seq, { outcome: 'expired', endedAt: Date.now(), attempts: 0, error: new Error('late') })
        if (i === 6) await queue.changed(seq, { startAt: Date.now() + 1e6 })
      }
      const ids = async (query: StoreQuery & { queue?: string }) =>
        (await store.list(query)).records.map(({ id }) => id)
      expect(await ids({ state: 'live' })).toEqual(['r11', 'r10', 'r9', 'r8', 'r7', 'r6', 'r5'])
      expect(await ids({ state: 'running' })).toEqual(['r5'])
      expect(await ids({ state: 'held' })).toEqual(['r6'])
      expect(await ids({ state: 'waiting', priority: 'low' })).toEqual(['r11', 'r9', 'r7'])
      expect(await ids({ state: 'completed' })).toEqual(['r1', 'r0'])
      expect(await ids({ state: 'dead' })).toEqual(['r3', 'r2'])
      expect(await ids({ state: 'shed' })).toEqual([])
      expect(await ids({ error: 'E2' })).toEqual(['r2'])
      expect(await ids({ error: 'Error' })).toEqual(['r4'])
      expect(await ids({ id: 'r1' })).toEqual(['r11', 'r10', 'r1'])
      expect(await ids({ queue: 'other' })).toEqual([])
      await admitted(store.queue('other'), 'x')
      expect(await ids({ queue: 'other' })).toEqual(['x'])
      expect((await queue.list({ limit: 0 })).records.map(({ id }) => id)).toEqual(['r11'])
      const all: string[] = []
      let cursor: string | undefined
      do {
        const page = await queue.list({ limit: 5, ...(cursor === undefined ? {} : { cursor }) })
        all.push(...page.records.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(all).toEqual(Array.from({ length: 12 }, (_, i) => `r${11 - i}`))
      for (const query of [
        ...[{ cursor: 'no cursor!' }, { cursor: 7 }, { limit: Number.NaN }, { limit: '5' }, { state: 'failed' }],
        ...[{ priority: 'huge' }, { id: 7 }, { error: 7 }, { queue: 7 }, { states: ['dead'] }, 'dead'],
      ]) {
        await expect(store.list(query as never), JSON.stringify(query)).rejects.toThrow(OptionsError)
      }
      await expect(queue.list({ state: 'gone' as never })).rejects.toThrow("Option 'state': expected one of 'held', ")
      // The store is still open.
      expect((await store.stats()).expired).toBe(1)
    })

    test('no more is kept than was asked for', async () => {
      const { store, queue } = await main({ keep: { completed: { count: 5 }, dead: { count: 3 } } })
      const seqs = await Promise.all(Array.from({ length: 40 }, (_, i) => admitted(queue, `r${i}`)))
      await Promise.all(seqs.map((seq, i) => queue.ended(seq, i % 2 === 0 ? completed() : failed(1))))
      expect(await store.stats()).toMatchObject({ live: 0, completed: 5, dead: 3 })
      expect((await store.list()).records).toHaveLength(8)
    })

    test('a store that keeps no ends keeps none', async () => {
      const { queue } = await main({ keep: { completed: { count: 0 }, dead: { count: 0 } } })
      await queue.ended(await admitted(queue, 'a'), completed())
      await queue.ended(await admitted(queue, 'b'), failed(1))
      expect((await queue.list()).records).toEqual([])
    })

    test('several queues share a store, each under its own name', async () => {
      const { store, queue } = await main()
      expect(() => store.queue('main')).toThrow(OptionsError)
      queue.release()
      expect(() => store.queue('main')).not.toThrow()
      for (const name of ['', 7 as never]) expect(() => store.queue(name)).toThrow(OptionsError)
      expect(() => store.queue('x', { maxAttempts: 0 })).toThrow(OptionsError)
      const other = store.queue('other')
      const [first, second] = [await admitted(queue, 'a'), await admitted(other, 'a')]
      expect(second).toBeGreaterThan(first)
      expect(await store.find('a')).toMatchObject({ queue: 'other' })
      expect(await store.find('a', 'main')).toMatchObject({ queue: 'main' })
      expect(await store.find('a', 'nowhere')).toBe(undefined)
      expect([(await store.stats()).live, (await store.stats('other')).live]).toEqual([2, 1])
      other.release()
      // A store in a file says so a moment later.
      await vi.waitFor(() => expect(store.status().unopened).toEqual([{ queue: 'other', live: 1 }]))
      store.queue('other')
      expect(store.status().unopened).toEqual([])
    })

    test('a queue that was released twice is released once', async () => {
      const { store, queue } = await main()
      queue.release()
      store.queue('main')
      queue.release()
      expect(() => store.queue('main')).toThrow(OptionsError)
    })

    test('what is closed says so, and remembers nothing any more', async () => {
      const { store, queue } = await main()
      const events: StoreEvent[] = []
      const unwatched: StoreEvent[] = []
      store.watch((event) => events.push(event))
      store.watch((event) => unwatched.push(event))()
      const seq = await admitted(queue, 'a')
      expect(store.status()).toMatchObject({ state: 'open', error: undefined, pending: 0, isFull: false })
      await store.flushed()
      await store.close()
      await store.close()
      expect(events).toEqual([{ type: 'state', state: 'closed', error: undefined }])
      expect(unwatched).toEqual([])
      expect(store.status().state).toBe('closed')
      const gone = expect.objectContaining({
        code: 'TRIAGE_STORE_UNAVAILABLE',
        message: expect.stringContaining('closed'),
      })
      await expect(queue.admitted(record(queue, 'b'))).rejects.toEqual(gone)
      await expect(queue.begins(seq, 1, 1)).rejects.toEqual(gone)
      await expect(queue.ended(seq, completed())).rejects.toEqual(gone)
      await expect(queue.recover()).rejects.toEqual(gone)
      await expect(store.find('a')).rejects.toEqual(gone)
      await expect(store.list()).rejects.toEqual(gone)
      await expect(store.stats()).rejects.toEqual(gone)
      await store.flushed()
    })
  })
}

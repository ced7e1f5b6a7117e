/**
 * What `map()` does when its source is broken, slow or unwilling, and when its signal is aborted while it waits for room.
 */
import { memoryStore, QueuedExecutor, tokenBucket } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { busy, gated, turn, watch } from '../failures/support.ts'
import { unhandledIn } from '../laws/support/unhandled.ts'

/** A source whose every step the test decides. */
function source(steps: { next(): Promise<IteratorResult<string>>; close?(): Promise<IteratorResult<string>> }) {
  const told = { pulled: 0, closed: 0 }
  const iterator: AsyncIterableIterator<string> = {
    next: () => {
      told.pulled++
      return steps.next()
    },
    return: () => {
      told.closed++
      return steps.close?.() ?? Promise.resolve({ value: undefined, done: true })
    },
    [Symbol.asyncIterator]: () => iterator,
  }
  return { iterator, told }
}

async function collect<T>(results: AsyncIterable<T>, into: T[]): Promise<void> {
  for await (const result of results) into.push(result)
}

describe.each([true, false])('map, ordered: %s', (ordered) => {
  test('a source that throws ends it with its error, after the results of what it has given, and is not closed', async () => {
    const { gate, queue } = gated()
    const broken = new Error('broken')
    const given = ['a']
    const { iterator, told } = source({
      next: async () => {
        const value = given.shift()
        if (value === undefined) throw broken
        return { value, done: false }
      },
    })
    const results: unknown[] = []
    const done = watch(collect(queue.map(iterator, { ordered }), results))
    await turn()
    expect(done.state).toBe('pending')
    await gate.finish('a')
    expect([done.error, results]).toEqual([broken, ['a']])
    expect(told).toEqual({ pulled: 2, closed: 0 })
  })

  test('what a source gives after the consumer has left is not run', async () => {
    const { gate, queue } = gated()
    let give!: (result: IteratorResult<string>) => void
    const late = new Promise<IteratorResult<string>>((resolve) => {
      give = resolve
    })
    const first: IteratorResult<string>[] = [{ value: 'first', done: false }]
    const { iterator, told } = source({
      next: () => (first.length > 0 ? Promise.resolve(first.pop() as IteratorResult<string>) : late),
    })
    const results = queue.map(iterator, { ordered, window: 2 })
    const next = watch(results.next())
    await turn()
    await gate.finish('first')
    expect(next.value).toEqual({ value: 'first', done: false })
    await results.return()
    give({ value: 'late', done: false })
    await turn()
    expect(gate.started).toEqual(['first'])
    expect(told).toEqual({ pulled: 2, closed: 1 })
    expect(queue.getStatus().totals).toMatchObject({ admitted: 1, rejected: 0 })
  })

  test('when the consumer leaves while there is no room, the room that this makes is not for the next of the source', async () => {
    const { gate, queue } = gated({ maxQueueSize: 1 })
    const names = ['a', 'b', 'c', 'd']
    const { iterator, told } = source({ next: async () => ({ value: names.shift() as string, done: false }) })
    const results = queue.map(iterator, { ordered, window: 4 })
    const next = watch(results.next())
    await turn()
    await gate.finish('a')
    // Now b runs, c waits, and d must wait for room.
    expect([next.value, queue.getStatus().waiting, told.pulled]).toEqual([{ value: 'a', done: false }, 1, 3])
    await results.return()
    await turn()
    expect([told, queue.getStatus().waiting]).toEqual([{ pulled: 3, closed: 1 }, 0])
    await gate.finishAll()
    expect(gate.started).toEqual(['a', 'b'])
  })

  test('a source that fails to close hurts nobody', async () => {
    const { gate, queue } = gated()
    const { iterator, told } = source({
      next: async () => ({ value: 'x', done: false }),
      close: async () => {
        throw new Error('will not close')
      },
    })
    const unheard = await unhandledIn(async () => {
      const results = queue.map(iterator, { ordered, window: 1 })
      const next = watch(results.next())
      await turn()
      await gate.finish('x')
      expect(next.value).toEqual({ value: 'x', done: false })
      await results.return()
    })
    expect([unheard, told.closed]).toEqual([[], 1])
    await gate.finishAll()
  })
})

describe('while it waits for room', () => {
  test('an abort ends it at once with its reason; the source is closed unread', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1 })
    const waits = watch(queue.execute('waits'))
    const { iterator, told } = source({ next: async () => ({ value: 'x', done: false }) })
    const [left, stays] = [new AbortController(), new AbortController()]
    const end = watch(queue.map(iterator, { signal: left.signal }).next())
    const other = watch(queue.map(['y'], { signal: stays.signal }).next())
    await turn()
    left.abort('enough')
    await turn()
    expect([end.error, told]).toEqual(['enough', { pulled: 0, closed: 1 }])
    // Who waits beside it still hears of the room.
    expect(other.state).toBe('pending')
    await gate.finishAll()
    expect([waits.value, other.value]).toEqual(['waits', { value: 'y', done: false }])
    expect(gate.started).toEqual(['busy 0', 'waits', 'y'])
  })
})

describe('while the source is read, another may take the room', () => {
  test('then the request is blocked until there is some, though others are refused', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1 })
    const names = ['pulled']
    const { iterator } = source({
      next: async () => {
        const value = names.shift()
        if (value === undefined) return { value, done: true }
        queue.offer('other')
        return { value, done: false }
      },
    })
    queue.concurrency = 2
    const next = watch(queue.map(iterator, { window: 1 }).next())
    watch(queue.execute('waits'))
    await turn()
    expect(queue.getStatus()).toMatchObject({ running: 2, waiting: 1, blocked: 1, totals: { rejected: 0 } })
    await gate.finishAll()
    expect([next.value, gate.started]).toEqual([
      { value: 'pulled', done: false },
      ['busy 0', 'waits', 'other', 'pulled'],
    ])
  })
})

describe('map, what was refused or displaced comes again', () => {
  const sized = (validate: (value: unknown) => unknown) => ({
    '~standard': { version: 1 as const, vendor: 'mine', validate },
  })
  /** A schema that looks at one request at a time, for 5 ms each. */
  function oneAtATime() {
    const clock = new VirtualClock()
    let looks = 0
    const schema = sized(async (value) => {
      looks++
      await clock.sleep(5)
      return { value: { made: value } }
    })
    const queue = new QueuedExecutor(async (request: unknown) => request, {
      clock,
      schema: schema as never,
      maxChecking: 1,
    })
    return { clock, queue, looks: () => looks }
  }

  test('with a store: as it was submitted, since the schema looks at it again after a restart', async () => {
    const clock = new VirtualClock()
    const store = memoryStore()
    const seen: unknown[] = []
    const schema = sized((value) => {
      seen.push(value)
      return { value: { made: value } }
    })
    const rateLimit = tokenBucket({ perSecond: 1, burst: 1 })
    const queue = new QueuedExecutor(async (request: unknown) => request, {
      clock,
      store,
      rateLimit,
      schema: schema as never,
    })
    const results: unknown[] = []
    await clock.run({ until: collect(queue.map(['a', 'b', 'c'] as never[]), results) })
    expect(results).toEqual([{ made: 'a' }, { made: 'b' }, { made: 'c' }])
    expect(seen).toEqual(['a', 'b', 'c'])
    // What has failed for good is kept.
    const failing = new QueuedExecutor(async () => Promise.reject(new Error('mine')), {
      ...{ clock, store, rateLimit: tokenBucket({ perSecond: 1, burst: 1 }), schema: schema as never, name: 'failing' },
    })
    await watch(failing.execute('d' as never)).done
    const failed = watch(collect(failing.map(['e'] as never[]), []))
    await clock.run({ until: failed.done })
    const { records } = await store.list({ queue: 'failing', state: 'dead' })
    const kept = await Promise.all(records.map(({ id }) => store.find(id, 'failing')))
    expect(kept.map((view) => store.decode(view?.payload as never)).sort()).toEqual(['d', 'e'])
  })

  test('a schema that looks at as many as it may sees each of them once, and is asked for none meanwhile', async () => {
    const { clock, queue, looks } = oneAtATime()
    const results: unknown[] = []
    const given = [1, 2, 3, 4, 5]
    await clock.run({ until: collect(queue.map(given as never[], { window: 4 }), results) })
    expect(results).toEqual(given.map((made) => ({ made })))
    expect(looks()).toBe(5)
    expect(queue.getStatus().totals.rejected).toBeLessThan(5)
    expect(clock.now()).toBe(25)
  })

  test('two that ask for the same room: whoever is too late is seen by the schema when it comes again', async () => {
    const { clock, queue, looks } = oneAtATime()
    const results: unknown[] = []
    const both = [1, 4].map((first) => collect(queue.map([first, first + 1, first + 2] as never[]), results))
    await clock.run({ until: Promise.all(both) })
    expect(results.map((result) => (result as { made: number }).made).sort()).toEqual([1, 2, 3, 4, 5, 6])
    expect(looks()).toBe(6)
    expect(queue.getStatus().totals.rejected).toBeGreaterThan(0)
  })
})

/**
 * From when does time count? From the request's own submission, or from when it may start; and a pause is nobody's fault.
 */
import { type Clock, codel, QueuedExecutor } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { busy, gated, JumpingClock, turn, watch } from './support.ts'

describe('a long synchronous stretch', () => {
  test.each([{ timeoutMs: 50 }, { waitTimeoutMs: 50 }])(
    'does not count for those that are submitted at its end: %j',
    async (limits) => {
      for (const isOwn of [true, false]) {
        const clock = new JumpingClock()
        const queue = new QueuedExecutor<number, number>(async (n) => n, {
          clock,
          concurrency: 1,
          ...(isOwn ? undefined : limits),
        })
        queue.pause()
        const answers = Array.from({ length: 100 }, (_, n) => {
          clock.time += 10
          return watch(queue.execute(n, isOwn ? limits : undefined))
        })
        await clock.fire()
        queue.resume()
        await turn()
        // The time of the others is over, by the clock; those of the last 50 ms are answered.
        const answered = answers.flatMap(({ state }, n) => (state === 'fulfilled' ? [n] : []))
        expect(answered).toEqual([95, 96, 97, 98, 99])
      }
    },
  )

  test('counts for nobody who joins at its end', async () => {
    const clock = new JumpingClock()
    const queue = new QueuedExecutor<number, number>((n) => Promise.resolve(n), { clock })
    queue.pause()
    const first = watch(queue.execute(1, { id: 'a' }))
    clock.time += 1_000
    const second = watch(queue.execute(1, { id: 'a', waitTimeoutMs: 100 }))
    await clock.advanceTo(1_099)
    expect(second.state).toBe('pending')
    await clock.advanceTo(1_100)
    expect([first.state, second.outcome]).toEqual(['pending', 'TRIAGE_WAIT_TIMEOUT'])
    await queue.close({ drain: false })
  })

  test('has one instant where nothing has a time limit of its own', () => {
    let now = 0
    const clock: Clock = { now: () => now++, setTimeout: () => 0, clearTimeout: () => {} }
    const queue = new QueuedExecutor<number, number>(async (n) => n, { clock })
    queue.pause()
    const handles = [1, 2, 3].map((n) => queue.offer(n))
    expect(new Set(handles.map((handle) => handle?.enqueuedAt)).size).toBe(1)
  })
})

describe('a request that starts later', () => {
  test('was enqueued when it was submitted; its delay is told apart, and no part of its wait', async () => {
    const { clock, gate, queue } = gated()
    await clock.advance(7)
    const seen: unknown[] = []
    queue.on('started', ({ waitMs, delayMs }) => seen.push({ waitMs, delayMs }))
    const first = queue.offer('first', { delayMs: 100, waitTimeoutMs: 60 })
    const second = queue.offer('second', { startAt: new Date(Date.now() - 5), priority: 'low' })
    expect(first).toMatchObject({ enqueuedAt: 7, delayMs: 100 })
    expect(second).toMatchObject({ enqueuedAt: 7, delayMs: 0 })
    await turn()
    await clock.advance(150)
    expect(queue.getStatus().oldestWaitMsByPriority).toMatchObject({ normal: 50, low: 0 })
    await gate.finish('second')
    expect(gate.call('first').run).toMatchObject({ enqueuedAt: 7, delayMs: 100, waitMs: 50 })
    expect(seen).toEqual([
      { waitMs: 0, delayMs: 0 },
      { waitMs: 50, delayMs: 100 },
    ])
    expect(first).toMatchObject({ enqueuedAt: 7, delayMs: 100, startedAt: 157 })
    expect(queue.getStatus().wait).toMatchObject({ count: 2, maxMs: 50 })
    await gate.finishAll()
  })

  test('shares its delay with those who join it; their time counts from their own submission', async () => {
    const { clock, gate, queue } = gated()
    queue.offer('a', { delayMs: 100, id: 'a' })
    await clock.advance(10)
    const joined = queue.offer('a', { id: 'a', waitTimeoutMs: 50 })
    const result = watch(joined?.result as Promise<unknown>)
    expect(joined).toMatchObject({ enqueuedAt: 10, delayMs: 100 })
    await clock.advance(50)
    expect(result.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    await clock.advance(40)
    expect(gate.started).toEqual(['a'])
    await gate.finishAll()
  })

  test('and is tried again has its time limits from when it might start, too', async () => {
    const retry = { name: 'again', delayMs: () => 10 }
    const { clock, gate, queue } = gated({ retry })
    const result = watch(queue.execute('a', { delayMs: 1_000, timeoutMs: 100 }))
    await clock.advance(1_000)
    await gate.fail('a', new Error('no'))
    await clock.advance(10)
    expect(gate.started).toEqual(['a', 'a'])
    await clock.advance(89)
    expect(result.state).toBe('pending')
    await clock.advance(1)
    expect(result.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    await gate.finishAll()
  })
})

describe('codel()', () => {
  test('does not count the time of a pause', async () => {
    const { clock, gate, queue } = await busy({ overload: codel({ targetMs: 10, intervalMs: 50 }) })
    const names = Array.from({ length: 20 }, (_, n) => `${n}`)
    const all = names.map((name) => watch(queue.execute(name)))
    queue.pause()
    await gate.finish('busy 0')
    await clock.advance(10_000)
    queue.resume()
    await turn()
    for (const name of names) {
      await clock.advance(8)
      if (name !== '0' && !gate.started.includes(name)) continue
      await gate.finish(name)
    }
    // A hundred and sixty ms of waiting are enough to shed some, ten seconds of pause would have shed nearly all.
    expect(all.filter(({ state }) => state === 'fulfilled').length).toBeGreaterThan(5)
    await gate.finishAll()
  })

  test('sheds nobody after a pause who has waited for nothing else', async () => {
    const { clock, gate, queue } = await busy({ concurrency: 2, overload: codel({ targetMs: 10, intervalMs: 50 }) })
    queue.pause()
    await gate.finishAll()
    const all = ['a', 'b', 'c', 'd'].map((name) => watch(queue.execute(name)))
    await clock.advance(500)
    queue.resume()
    await turn()
    // The interval of the first is over, its least wait is known.
    for (const name of ['a', 'b']) await gate.finish(name)
    await clock.advance(60)
    queue.pause()
    const later = ['e', 'f', 'g'].map((name) => watch(queue.execute(name)))
    await clock.advance(500)
    queue.resume()
    await gate.finishAll()
    expect([...all, ...later].map(({ state }) => state)).toEqual(Array(7).fill('fulfilled'))
  })
})

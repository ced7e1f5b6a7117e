/**
 * An answer that streams: its caller has it at once, and its slot is busy until what `run.holdUntil()` named has settled.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import {
  batched,
  fairBy,
  type Guard,
  type GuardQuestion,
  type LimitSample,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RunContext,
  WorkerPool,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { unhandledIn } from '../laws/support/unhandled.ts'
import { turn, watch } from './support.ts'

interface Stream {
  readonly run: RunContext
  end(): Promise<void>
  fail(error: unknown): Promise<void>
}

/** Answers after `ms`, and holds its slot until the test ends the stream. */
function streaming(options: QueuedExecutorOptions<string> = {}, ms = 0) {
  const clock = new VirtualClock()
  const streams = new Map<string, Stream>()
  const started: string[] = []
  const events: string[] = []
  const queue = new QueuedExecutor<string, string>(
    async (name, run) => {
      started.push(name)
      const body = Promise.withResolvers<void>()
      const after = (settle: () => void): Promise<void> => {
        settle()
        return turn()
      }
      streams.set(name, {
        run,
        end: () => after(() => body.resolve()),
        fail: (error) => after(() => body.reject(error)),
      })
      if (ms > 0) await clock.sleep(ms)
      run.holdUntil(body.promise)
      return `head of ${name}`
    },
    { clock, concurrency: 1, debug: true, onListenerError: () => {}, ...options },
  )
  for (const event of ['started', 'completed', 'expired', 'cancelled', 'stuck', 'idle', 'closed'] as const) {
    queue.on(event, (about) => events.push('id' in about ? `${event} ${about.request}` : event))
  }
  const stream = (name: string): Stream => streams.get(name) as Stream
  const busy = (): number[] => {
    const { running, activeWorkers, stuckWorkers } = queue.getStatus()
    return [running, activeWorkers, stuckWorkers]
  }
  return { clock, queue, started, events, stream, busy }
}

const HELD = [0, 1, 0]
const STUCK = [0, 1, 1]
const FREE = [0, 0, 0]

describe('the answer', () => {
  test('is given at once, and the next one starts when the stream has been read', async () => {
    const { queue, started, events, stream, busy } = streaming()
    const [first, second] = [queue.execute('a'), watch(queue.execute('b'))]
    expect(await first).toBe('head of a')
    await turn()
    expect([started, second.state, busy()]).toEqual([['a'], 'pending', HELD])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, totals: { completed: 1 } })
    expect(events).toEqual(['started a', 'completed a'])
    await stream('a').end()
    expect([started, second.value]).toEqual([['a', 'b'], 'head of b'])
    await stream('b').end()
    expect(busy()).toEqual(FREE)
    expect(events.at(-1)).toBe('idle')
  })

  test('is the end of the request: nothing is left to cancel, and its id is free', async () => {
    const { queue, stream } = streaming({ concurrency: 2 })
    const request = await queue.submit('a', { id: 'mine' })
    expect(await request.result).toBe('head of a')
    expect([request.state, request.cancel(), queue.cancel('mine'), queue.get('mine')]).toEqual([
      ...['completed', false, false, undefined],
    ])
    expect(stream('a').run.signal.aborted).toBe(false)
    expect(await queue.execute('b', { id: 'mine' })).toBe('head of b')
  })

  test('of a synchronous executor is given at once, and its time goes on', async () => {
    const clock = new VirtualClock()
    const body = Promise.withResolvers<void>()
    const queue = new QueuedExecutor(
      (n: number, run) => {
        if (n === 1) run.holdUntil(body.promise)
        return n
      },
      { clock, concurrency: 1, runTimeoutMs: 50, debug: true },
    )
    const [first, second] = [watch(queue.execute(1)), watch(queue.execute(2))]
    await turn()
    expect([first.value, second.state, queue.getStatus().activeWorkers]).toEqual([1, 'pending', 1])
    await clock.advance(50)
    expect(queue.getStatus().stuckWorkers).toBe(1)
    body.resolve()
    await turn()
    expect([second.value, clock.timers]).toEqual([2, 0])
  })

  test('of a run whose caller has left is nobody’s, and the slot is held all the same', async () => {
    const { clock, queue, stream, busy, events } = streaming({}, 20)
    const request = await queue.submit('a')
    await clock.advance(10)
    expect(request.cancel()).toBe(true)
    await clock.advance(10)
    expect([events, busy()]).toEqual([['started a', 'cancelled a'], HELD])
    await stream('a').end()
    expect(busy()).toEqual(FREE)
  })

  test('goes to all who joined', async () => {
    const { queue, stream, busy } = streaming()
    const [one, other] = [queue.execute('a', { id: 'a' }), queue.execute('a', { id: 'a' })]
    expect(await Promise.all([one, other])).toEqual(['head of a', 'head of a'])
    expect(busy()).toEqual(HELD)
    await stream('a').end()
    expect(busy()).toEqual(FREE)
  })

  test('of each in a batch is its own', async () => {
    const clock = new VirtualClock()
    const bodies: PromiseWithResolvers<void>[] = []
    const queue = new QueuedExecutor(
      batched(
        async (names: string[], runs) => {
          for (const run of runs) {
            const body = Promise.withResolvers<void>()
            bodies.push(body)
            run.holdUntil(body.promise)
          }
          return names
        },
        { maxSize: 2, clock },
      ),
      { clock, concurrency: 2, debug: true },
    )
    expect(await Promise.all([queue.execute('a'), queue.execute('b')])).toEqual(['a', 'b'])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 2 })
    bodies[0]?.resolve()
    await turn()
    expect(queue.getStatus().activeWorkers).toBe(1)
    bodies[1]?.resolve()
    await turn()
    expect(queue.getStatus().activeWorkers).toBe(0)
  })
})

describe('durations', () => {
  test('of the request are until its answer, for events, status, guards and limits', async () => {
    const samples: LimitSample[] = []
    const heard: number[] = []
    const guard: Guard = { name: 'hears', settled: (_question, _ok, runMs) => heard.push(runMs) }
    const sample = (of: Readonly<LimitSample>): number => samples.push({ ...of })
    const limit = { name: 'hears', initial: 1, shadow: true, sample }
    const { clock, queue, stream } = streaming({ overload: guard, limit }, 20)
    const told: number[] = []
    queue.on('completed', ({ runMs }) => told.push(runMs))
    queue.execute('a')
    await clock.advance(1_000)
    await stream('a').end()
    expect([told, heard, samples.map(({ runMs }) => runMs)]).toEqual([[20], [20], [20]])
    expect(queue.getStatus().run).toMatchObject({ count: 1, maxMs: 20 })
  })

  test('of the slot are until it was free: for a key’s fair share, and for the time after which to try again', async () => {
    const questions: GuardQuestion[] = []
    const guard: Guard = { name: 'asks', admit: (question) => void questions.push({ ...question }) }
    const used: number[] = []
    const order = { ...fairBy(() => 'all'), name: 'hears', rank: () => 0, acrossTiers: false }
    const settled = (_question: unknown, _rank: number, runMs: number): number => used.push(runMs)
    const { clock, queue, stream } = streaming({ overload: guard, order: { ...order, settled } }, 20)
    queue.execute('a')
    await clock.advance(1_000)
    queue.execute('b')
    expect(used).toEqual([])
    // It still counts as running: no slot is free for another one.
    expect(questions.at(-1)).toMatchObject({ running: 1, recentRunMs: Number.NaN })
    await stream('a').end()
    expect(used).toEqual([1_000])
    queue.execute('c')
    expect(questions.at(-1)).toMatchObject({ recentRunMs: 1_000 })
  })
})

describe('the time of a run that is held', () => {
  test('goes on: then its signal is aborted and its slot is stuck, and its caller keeps the answer', async () => {
    const { clock, queue, stream, busy, events } = streaming({ runTimeoutMs: 100 }, 20)
    const answer = watch(queue.execute('a'))
    await clock.advance(99)
    const { signal } = stream('a').run
    expect([answer.value, busy(), signal.aborted]).toEqual(['head of a', HELD, false])
    await clock.advance(1)
    expect(signal.reason).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 100, timeoutMs: 100, started: true })
    expect(busy()).toEqual(STUCK)
    expect(queue.getWorkerHealth()).toMatchObject([{ healthy: false, since: 0 }])
    expect(events).toEqual(['started a', 'completed a', 'stuck a', 'idle'])
    await stream('a').end()
    expect([busy(), clock.timers]).toEqual([FREE, 0])
    expect(queue.getStatus().totals).toMatchObject({ completed: 1, expired: 0 })
  })

  test('is over with that of the whole request, too', async () => {
    const { clock, queue, stream, busy } = streaming({}, 20)
    queue.execute('a', { timeoutMs: 50 })
    await clock.advance(50)
    expect(stream('a').run.signal.reason).toMatchObject({ ranMs: 50, timeoutMs: 50 })
    expect(busy()).toEqual(STUCK)
  })

  test('is over with that of the last who joined', async () => {
    const { clock, queue, busy } = streaming({}, 20)
    queue.execute('a', { id: 'a', timeoutMs: 50 })
    queue.execute('a', { id: 'a', timeoutMs: 80 })
    await clock.advance(79)
    expect(busy()).toEqual(HELD)
    await clock.advance(1)
    expect(busy()).toEqual(STUCK)
  })

  test('is as long as it was when its caller had left before the answer', async () => {
    const { clock, queue, stream, busy, events } = streaming({ runTimeoutMs: 100 }, 20)
    const request = await queue.submit('a')
    await clock.advance(10)
    request.cancel('not needed')
    await clock.advance(89)
    expect(busy()).toEqual(HELD)
    await clock.advance(1)
    expect([busy(), events.at(-1)]).toEqual([STUCK, 'idle'])
    expect(stream('a').run.signal.reason).toMatchObject({ code: 'TRIAGE_CANCELLED' })
    await stream('a').end()
    expect(busy()).toEqual(FREE)
  })

  test('that answers only when it is stuck stays so until its stream has been read', async () => {
    const { clock, queue, stream, busy } = streaming({ runTimeoutMs: 10 }, 20)
    const answer = watch(queue.execute('a'))
    await clock.advance(20)
    expect([answer.outcome, busy()]).toEqual(['TRIAGE_RUN_TIMEOUT', STUCK])
    await stream('a').end()
    expect([busy(), clock.timers]).toEqual([FREE, 0])
  })

  test('is over once: who stops reading for it gives the slot back', async () => {
    const { clock, queue, stream, busy, started } = streaming({ runTimeoutMs: 100 })
    queue.execute('a')
    const next = watch(queue.execute('b'))
    await clock.settle()
    const { run, fail } = stream('a')
    run.signal.addEventListener('abort', () => void fail(run.signal.reason))
    await clock.advance(100)
    expect([started, next.value, busy()]).toEqual([['a', 'b'], 'head of b', HELD])
  })

  test('replace: one that is stuck has a substitute, which goes when the stream has been read', async () => {
    const { clock, queue, started, stream, busy } = streaming({ runTimeoutMs: 100, onStuck: 'replace' })
    for (const name of ['a', 'b', 'c']) queue.execute(name)
    await clock.advance(100)
    expect([started, queue.getStatus().replacedWorkers, busy()]).toEqual([['a', 'b'], 1, [0, 2, 1]])
    await stream('a').end()
    // The substitute is gone, and the one that it ran is held still.
    expect([started, queue.getStatus().replacedWorkers, busy()]).toEqual([['a', 'b'], 0, HELD])
    await stream('b').end()
    expect(started).toEqual(['a', 'b', 'c'])
  })
})

describe('the signal of a caller', () => {
  test('that is aborted after the answer aborts that of the run, and no listener is left on it', async () => {
    const { queue, stream, busy } = streaming()
    const controller = new AbortController()
    const { signal } = controller
    const answer = await queue.execute('a', { signal })
    expect([answer, getEventListeners(signal, 'abort').length]).toEqual(['head of a', 1])
    controller.abort('enough')
    const { run } = stream('a')
    expect([run.signal.aborted, run.signal.reason, busy()]).toEqual([true, 'enough', HELD])
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await stream('a').end()
    expect(busy()).toEqual(FREE)
  })

  test('has no listener any more when the slot is free', async () => {
    const { queue, stream } = streaming({ concurrency: 2 })
    const { signal } = new AbortController()
    await Promise.all([queue.execute('a', { signal }), queue.execute('b', { signal })])
    await stream('a').end()
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await stream('b').end()
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('counts when all who shared the answer have aborted theirs', async () => {
    const { queue, stream } = streaming()
    const controllers = [new AbortController(), new AbortController()]
    await Promise.all(controllers.map(({ signal }) => queue.execute('a', { id: 'a', signal })))
    controllers[0]?.abort('one')
    expect(stream('a').run.signal.aborted).toBe(false)
    controllers[1]?.abort('other')
    expect(stream('a').run.signal.reason).toBe('other')
    await stream('a').end()
    for (const { signal } of controllers) expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('does not count while one who shares the answer has none', async () => {
    const { queue, stream } = streaming()
    const controller = new AbortController()
    const { signal } = controller
    await Promise.all([queue.execute('a', { id: 'a', signal }), queue.execute('a', { id: 'a' })])
    expect(getEventListeners(signal, 'abort')).toEqual([])
    controller.abort()
    expect(stream('a').run.signal.aborted).toBe(false)
  })

  test('counts alone when the one who submitted it has left before the answer', async () => {
    const { clock, queue, stream } = streaming({}, 20)
    const controller = new AbortController()
    const first = await queue.submit('a', { id: 'a' })
    const second = watch(queue.execute('a', { id: 'a', signal: controller.signal }))
    await clock.advance(10)
    first.cancel()
    await clock.advance(10)
    expect(second.value).toBe('head of a')
    controller.abort('enough')
    expect(stream('a').run.signal.reason).toBe('enough')
  })

  test('is the reason for the run also when its time is over after that', async () => {
    const { clock, queue, stream, busy } = streaming({ runTimeoutMs: 100 })
    const controller = new AbortController()
    await queue.execute('a', { signal: controller.signal })
    controller.abort('enough')
    await clock.advance(100)
    // Read only now.
    expect([stream('a').run.signal.reason, busy()]).toEqual(['enough', STUCK])
  })

  test('that is aborted before the answer cancels the request, and no more', async () => {
    const { clock, queue, stream, busy } = streaming({}, 20)
    const controller = new AbortController()
    const answer = watch(queue.execute('a', { signal: controller.signal }))
    await clock.advance(10)
    controller.abort('never mind')
    await clock.advance(10)
    expect([answer.outcome, busy()]).toEqual(['never mind', HELD])
    await stream('a').end()
    expect(busy()).toEqual(FREE)
  })
})

describe('what holds', () => {
  test('is all of it: the slot is free when the last promise has settled', async () => {
    const bodies = [1, 2, 3].map(() => Promise.withResolvers<void>())
    const queue = new QueuedExecutor(
      (_: unknown, run) => {
        for (const { promise } of bodies) run.holdUntil(promise)
      },
      { debug: true },
    )
    await queue.execute(1)
    for (const { resolve } of bodies) {
      expect(queue.getStatus().activeWorkers).toBe(1)
      resolve()
      await turn()
    }
    expect(queue.getStatus().activeWorkers).toBe(0)
  })

  test('may have settled before the answer: then nothing is held', async () => {
    const queue = new QueuedExecutor(
      async (failure: unknown, run: RunContext) => {
        run.holdUntil(failure === undefined ? Promise.resolve() : Promise.reject(failure))
        await turn()
      },
      { debug: true },
    )
    await queue.execute(undefined)
    expect(queue.getStatus().activeWorkers).toBe(0)
    await queue.execute('broken')
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, totals: { completed: 2, failed: 0 } })
    expect(queue.getWorkerHealth()[0]).toMatchObject({ totalProcessed: 2, totalErrors: 1 })
  })

  test('may fail: the slot is free, its health counts it, and nothing else is told of it', async () => {
    const { queue, stream, busy } = streaming()
    const unheard = await unhandledIn(async () => {
      const request = await queue.submit('a')
      await request.result
      await stream('a').fail(new Error('broken off'))
      expect(request.state).toBe('completed')
    })
    expect([unheard, busy()]).toEqual([[], FREE])
    expect(queue.getStatus().totals).toMatchObject({ completed: 1, failed: 0 })
    expect(queue.getWorkerHealth()).toMatchObject([{ totalProcessed: 1, totalErrors: 1 }])
  })

  test('counts for nothing when the call fails: that is judged as ever, and tried again', async () => {
    const failures: PromiseWithResolvers<void>[] = []
    const retry = { name: 'twice', delayMs: ({ attempt }: { attempt: number }) => (attempt < 2 ? 0 : undefined) }
    const queue = new QueuedExecutor(
      (_: unknown, run) => {
        const body = Promise.withResolvers<void>()
        failures.push(body)
        run.holdUntil(body.promise)
        if (run.attempt === 1) return Promise.reject(new Error('refused'))
        throw new Error('refused again')
      },
      { retry, concurrency: 1, debug: true },
    )
    const unheard = await unhandledIn(async () => {
      await expect(queue.execute(1)).rejects.toThrow('refused again')
      expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, totals: { retries: 1, failed: 1 } })
      for (const { reject } of failures) reject(new Error('late'))
    })
    expect([failures.length, unheard]).toEqual([2, []])
    expect(queue.getStatus().activeWorkers).toBe(0)
    expect(queue.getWorkerHealth()[0]).toMatchObject({ totalProcessed: 2, totalErrors: 2 })
  })

  test('of an attempt that has failed does not hold the next one', async () => {
    const bodies: PromiseWithResolvers<void>[] = []
    const clock = new VirtualClock()
    const queue = new QueuedExecutor(
      async (_: unknown, run) => {
        const body = Promise.withResolvers<void>()
        bodies.push(body)
        run.holdUntil(body.promise)
        if (run.attempt === 1) throw new Error('refused')
        return run.attempt
      },
      { retry: { name: 'at once', delayMs: () => 0 }, concurrency: 1, clock, debug: true },
    )
    const answer = watch(queue.execute(1))
    await clock.advance(1)
    expect(answer.value).toBe(2)
    bodies[0]?.resolve()
    await turn()
    expect(queue.getStatus().activeWorkers).toBe(1)
    bodies[1]?.resolve()
    await turn()
    expect(queue.getStatus().activeWorkers).toBe(0)
  })

  test('is any thenable: its `then` is read and called once, and its first answer counts', async () => {
    let reads = 0
    let calls = 0
    let settle = (): void => {}
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: what is tested is what becomes of thenables
      get then() {
        reads++
        return (resolve: () => void, reject: (error: Error) => void) => {
          calls++
          settle = () => {
            resolve()
            reject(new Error('a second answer'))
            resolve()
          }
        }
      },
    }
    const queue = new QueuedExecutor((_: unknown, run) => run.holdUntil(thenable as PromiseLike<void>), { debug: true })
    await queue.execute(1)
    expect([reads, calls, queue.getStatus().activeWorkers]).toEqual([1, 1, 1])
    settle()
    await turn()
    expect(queue.getStatus().activeWorkers).toBe(0)
    expect(queue.getWorkerHealth()[0]).toMatchObject({ totalErrors: 0 })
  })

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['a text', 'text'],
    ['an object', {}],
    ['a function', () => {}],
    // biome-ignore lint/suspicious/noThenProperty: what is tested is what becomes of thenables
    ['an object whose `then` is no function', { then: 5 }],
  ])('is never %s: that is told to the executor, and nothing is lost', async (_name, nothing) => {
    const queue = new QueuedExecutor((_: unknown, run) => run.holdUntil(nothing as never), { debug: true })
    await expect(queue.execute(1)).rejects.toMatchObject({
      code: 'TRIAGE_INVALID_OPTIONS',
      message: expect.stringContaining("'holdUntil': expected a promise"),
    })
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, totals: { failed: 1 } })
  })

  test('is too late when the call has settled, whether or not its slot is held', async () => {
    const { queue, stream } = streaming()
    await queue.execute('a')
    const { run } = stream('a')
    const message = 'run.holdUntil() was called too late: call it before the executor has answered'
    const late = { code: 'TRIAGE_INVALID_OPTIONS', path: 'holdUntil', message }
    const hold = () => run.holdUntil(Promise.resolve())
    expect(hold).toThrow(expect.objectContaining(late))
    await stream('a').end()
    expect(hold).toThrow(expect.objectContaining(late))
    await queue.execute('b')
    expect(hold).toThrow(expect.objectContaining(late))
    expect(queue.getStatus().activeWorkers).toBe(1)
  })

  test('may be named from outside of the run', async () => {
    const clock = new VirtualClock()
    const runs: RunContext[] = []
    const queue = new QueuedExecutor(
      (_: unknown, run) => {
        runs.push(run)
        return clock.sleep(10)
      },
      { clock, concurrency: 2, debug: true },
    )
    const answers = Promise.all([queue.execute(1), queue.execute(2)])
    await clock.settle()
    const body = Promise.withResolvers<void>()
    runs[1]?.holdUntil(body.promise)
    await clock.advance(10)
    await answers
    expect(queue.getStatus().activeWorkers).toBe(1)
    body.resolve()
    await turn()
    expect(queue.getStatus().activeWorkers).toBe(0)
  })
})

describe('slots', () => {
  test('of a run that takes several are all held', async () => {
    const { queue, started, stream, busy } = streaming({ concurrency: 3 })
    await queue.execute('wide', { cost: 2 })
    await queue.execute('a')
    queue.execute('b')
    await turn()
    expect([started, busy()]).toEqual([
      ['wide', 'a'],
      [0, 3, 0],
    ])
    expect(queue.getWorkerHealth().map(({ currentRequest }) => currentRequest !== null)).toEqual([true, true, true])
    await stream('wide').end()
    expect([started, busy()]).toEqual([
      ['wide', 'a', 'b'],
      [0, 2, 0],
    ])
  })

  test('that are kept for a priority are taken by one of it that is held', async () => {
    const { queue, started, stream } = streaming({ concurrency: 2, reserve: { urgent: 1 } })
    await queue.execute('urgent', { priority: 'urgent' })
    await queue.execute('low', { priority: 'low' })
    queue.execute('next', { priority: 'low' })
    await turn()
    await stream('urgent').end()
    // The slot that is free now is kept for another urgent one.
    expect(started).toEqual(['urgent', 'low'])
    await stream('low').end()
    expect(started).toEqual(['urgent', 'low', 'next'])
  })

  test('show what holds them, since when', async () => {
    const { clock, queue, stream } = streaming()
    await clock.advance(5)
    await queue.execute('a', { id: 'mine' })
    await clock.advance(5)
    const slot = { slot: 0, healthy: true, totalProcessed: 1, totalErrors: 0, progress: null }
    expect(queue.getWorkerHealth()).toEqual([{ ...slot, currentRequest: 'mine', since: 5 }])
    await stream('a').end()
    expect(queue.getWorkerHealth()).toEqual([{ ...slot, currentRequest: null, since: null }])
  })

  test('are not taken by a pause, nor by a smaller limit', async () => {
    const { queue, started, stream, busy } = streaming({ concurrency: 2 })
    await Promise.all([queue.execute('a'), queue.execute('b')])
    queue.execute('c')
    queue.pause()
    await stream('a').end()
    expect([started, busy()]).toEqual([['a', 'b'], HELD])
    queue.concurrency = 1
    queue.resume()
    await turn()
    expect(started).toEqual(['a', 'b'])
    await stream('b').end()
    expect(started).toEqual(['a', 'b', 'c'])
  })

  test('are handed over: who waits goes before a newcomer that comes as the stream ends', async () => {
    const { queue, started, stream } = streaming()
    await queue.execute('a')
    queue.execute('b')
    const ended = stream('a').end()
    queue.execute('urgent', { priority: 'urgent' })
    await ended
    expect(started).toEqual(['a', 'urgent'])
    await stream('urgent').end()
    expect(started).toEqual(['a', 'urgent', 'b'])
  })

  test('of a pool are held, too', async () => {
    const clock = new VirtualClock()
    const body = Promise.withResolvers<void>()
    const signals: AbortSignal[] = []
    const pool = new WorkerPool(
      (n: number, run) => {
        signals.push(run.signal)
        run.holdUntil(body.promise)
        run.progress(n / 4, 'begun')
        return n
      },
      { clock, concurrency: 2, runTimeoutMs: 100 },
    )
    expect(await pool.run(2)).toBe(2)
    expect([pool.active, pool.free]).toEqual([1, 1])
    expect(pool.getHealth()[0]).toMatchObject({ progress: { fraction: 0.5, message: 'begun', at: 0 } })
    const idle = watch(pool.idle())
    await clock.advance(99)
    expect([idle.state, signals[0]?.aborted]).toEqual(['pending', false])
    await clock.advance(1)
    expect([idle.state, signals[0]?.aborted, pool.getHealth()[0]?.healthy]).toEqual(['fulfilled', true, false])
    body.resolve()
    await turn()
    expect([pool.active, pool.free, clock.timers]).toEqual([0, 2, 0])
  })

  test('of 10,000 that stream at once are each given back once', async () => {
    const clock = new VirtualClock()
    const bodies: PromiseWithResolvers<void>[] = []
    const queue = new QueuedExecutor(
      async (n: number, run: RunContext) => {
        const body = Promise.withResolvers<void>()
        bodies.push(body)
        run.holdUntil(body.promise)
        return n
      },
      { clock, concurrency: 1_000, maxQueueSize: 0 },
    )
    const answers = Promise.all(Array.from({ length: 10_000 }, (_, n) => queue.execute(n)))
    for (let lot = 0; lot < 10; lot++) {
      await turn()
      expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 1_000, waiting: 9_000 - lot * 1_000 })
      for (const { resolve } of bodies.splice(0)) resolve()
    }
    expect(await answers).toHaveLength(10_000)
    await turn()
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, stuckWorkers: 0, totals: { completed: 10_000 } })
    expect(clock.timers).toBe(0)
  })

  test('go on to the next one in the context of its own submitter, whoever has ended the stream', async () => {
    const context = new AsyncLocalStorage<string>()
    const found: unknown[] = []
    const body = Promise.withResolvers<void>()
    const queue = new QueuedExecutor(
      (name: string, run) => {
        found.push(context.getStore())
        if (name === 'a') run.holdUntil(body.promise)
      },
      { concurrency: 1, debug: true },
    )
    await context.run('of a', () => queue.execute('a'))
    const next = context.run('of b', () => queue.execute('b'))
    context.run('of the reader', () => body.resolve())
    await next
    expect(found).toEqual(['of a', 'of b'])
  })

  test('stay as they are whatever a listener does when the answer is given', async () => {
    const { queue, stream, started, busy } = streaming()
    const controller = new AbortController()
    queue.once('completed', ({ id }) => {
      expect(queue.cancel(id)).toBe(false)
      controller.abort('heard')
      queue.execute('b', { priority: 'urgent' })
      queue.pause()
      queue.resume()
      throw new Error('a listener')
    })
    queue.execute('c')
    await queue.execute('a', { signal: controller.signal, priority: 'high' })
    await turn()
    expect([stream('a').run.signal.reason, busy(), started]).toEqual(['heard', HELD, ['a']])
    await stream('a').end()
    await stream('b').end()
    await stream('c').end()
    expect([started, busy()]).toEqual([['a', 'b', 'c'], FREE])
  })
})

describe('the end of the whole', () => {
  test.each(['idle', 'drain', 'close'] as const)('%s() waits for a stream as for a call', async (wait) => {
    const { queue, stream } = streaming()
    await queue.execute('a')
    const end = watch(queue[wait]())
    await turn()
    expect(end.state).toBe('pending')
    await stream('a').end()
    expect(end.state).toBe('fulfilled')
  })

  test('close() without drain waits for it, too', async () => {
    const { queue, stream, events } = streaming()
    await queue.execute('a')
    const waiting = watch(queue.execute('b'))
    const closed = watch(queue.close({ drain: false }))
    await turn()
    expect([waiting.outcome, closed.state]).toEqual(['TRIAGE_CANCELLED', 'pending'])
    await stream('a').end()
    expect([closed.state, events.at(-1)]).toEqual(['fulfilled', 'closed'])
  })

  test('comes after `graceMs`: then its signal is aborted, and its caller keeps the answer', async () => {
    const { clock, queue, stream } = streaming()
    const request = await queue.submit('a')
    await request.result
    const closed = watch(queue.close({ graceMs: 50 }))
    await clock.advance(49)
    expect([closed.state, stream('a').run.signal.aborted]).toEqual(['pending', false])
    await clock.advance(1)
    expect([closed.state, request.state]).toEqual(['fulfilled', 'completed'])
    expect(stream('a').run.signal.reason).toMatchObject({ code: 'TRIAGE_CANCELLED' })
    await stream('a').end()
    expect([queue.getStatus().activeWorkers, clock.timers]).toEqual([0, 0])
  })

  test('leaves no listener on the signal of a caller whose stream outlives it', async () => {
    const { clock, queue, stream } = streaming()
    const { signal } = new AbortController()
    await queue.execute('a', { signal })
    const closed = queue.close({ graceMs: 5 })
    await clock.advance(5)
    await closed
    await stream('a').end()
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('does not wait for a stream that waits for it', async () => {
    const queue: QueuedExecutor<string, string> = new QueuedExecutor(
      async (name, run) => {
        run.holdUntil(queue.close())
        return name
      },
      { debug: true },
    )
    expect(await queue.execute('last')).toBe('last')
    await turn()
    expect(queue.getStatus()).toMatchObject({ state: 'closed', activeWorkers: 0 })
  })

  test('does not wait for one that is stuck', async () => {
    const { clock, queue, busy } = streaming({ runTimeoutMs: 100 })
    await queue.execute('a')
    const closed = watch(queue.close())
    await clock.advance(100)
    expect([closed.state, busy()]).toEqual(['fulfilled', STUCK])
  })
})

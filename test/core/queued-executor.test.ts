import {
  CancelledError,
  type ExecutorEvent,
  isTriageError,
  Priority,
  QueuedExecutor,
  type QueuedExecutorOptions,
  QueueFullError,
  ShedError,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import { z } from 'zod'

/** An executor whose runs take as long as the request says, on virtual time. */
function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const started: number[] = []
  const queue = new QueuedExecutor(
    async (ms: number, run) => {
      started.push(ms)
      await clock.sleep(ms, { signal: run.signal })
      return ms
    },
    { clock, concurrency: 1, ...options },
  )
  return { clock, queue, started }
}

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error) => (isTriageError(error) ? error.code : error),
  )

describe('execute', () => {
  test('fulfils with the executor’s answer, whatever it is', async () => {
    const queue = new QueuedExecutor((request: unknown) => request)
    for (const value of [undefined, null, 0, '', Number.NaN, {}, Symbol.iterator]) {
      await expect(queue.execute(value)).resolves.toBe(value)
    }
  })

  test('rejects with the executor’s own error, untouched', async () => {
    const error = new TypeError('mine')
    const queue = new QueuedExecutor((isAsync: boolean) => {
      if (isAsync) return Promise.reject(error)
      throw error
    })
    await expect(queue.execute(true)).rejects.toBe(error)
    await expect(queue.execute(false)).rejects.toBe(error)
  })

  test('a burst competes by priority, off its callers’ stacks', async () => {
    const { clock, queue, started } = timed()
    const burst = [4, 3, 2, 1].map((ms) => queue.execute(ms, { priority: ms === 1 ? Priority.URGENT : 'low' }))
    expect(started).toEqual([])
    await clock.run({ until: Promise.all(burst) })
    expect(started).toEqual([1, 4, 3, 2])
  })

  test('the run knows its request', async () => {
    const clock = new VirtualClock(1_000)
    const queue = new QueuedExecutor(
      async (_: string, run) => {
        const { id, priority, attempt, enqueuedAt, waitMs, deadline, metadata, signal } = run
        return { id, priority, attempt, enqueuedAt, waitMs, deadline, metadata, aborted: signal.aborted }
      },
      { clock, timeoutMs: 5_000 },
    )
    queue.pause()
    const answer = queue.execute('a', { id: 'mine', priority: 'high', metadata: { tenant: 7 } })
    await clock.advance(10)
    queue.resume()
    await expect(answer).resolves.toEqual({
      id: 'mine',
      priority: 'high',
      attempt: 1,
      enqueuedAt: 1_000,
      waitMs: 10,
      deadline: 6_000,
      metadata: { tenant: 7 },
      aborted: false,
    })
  })
})

describe('submit and the handle', () => {
  test('a handle tells where its request is, and when it was there', async () => {
    const { clock, queue } = timed()
    void queue.execute(10)
    const request = await queue.submit(5, { priority: 'low', metadata: 'm' })
    expect(request).toMatchObject({ request: 5, priority: 'low', state: 'waiting', metadata: 'm', enqueuedAt: 0 })
    expect(request.position()).toBe(0)
    await clock.advance(10)
    expect(request).toMatchObject({ state: 'running', startedAt: 10, endedAt: undefined })
    expect(request.position()).toBeUndefined()
    expect(request.setPriority('high')).toBe(false)
    await clock.advance(5)
    expect(request).toMatchObject({ state: 'completed', startedAt: 10, endedAt: 15 })
    await expect(request.result).resolves.toBe(5)
    expect(request.result).toBe(request.result)
    expect(request.cancel()).toBe(false)
  })

  test('a result that nobody reads is no unhandled rejection; read later, it still tells', async () => {
    const queue = new QueuedExecutor(async () => Promise.reject(new Error('mine')))
    const request = await queue.submit(undefined)
    await queue.idle()
    expect(request.state).toBe('failed')
    await expect(request.result).rejects.toThrow('mine')
  })

  test('a new priority places it where it would stand had it come with that one', async () => {
    const { clock, queue, started } = timed()
    void queue.execute(1)
    await clock.settle()
    const [first, second, third] = await Promise.all([
      queue.submit(11, { priority: 'low' }),
      queue.submit(12, { priority: 'high' }),
      queue.submit(13, { priority: 'low' }),
    ])
    expect([first, second, third].map((request) => request?.position())).toEqual([1, 0, 2])
    third?.setPriority('high')
    first?.setPriority('high')
    expect([first, second, third].map((request) => request?.position())).toEqual([0, 1, 2])
    await clock.run({ until: queue.idle() })
    expect(started).toEqual([1, 11, 12, 13])
    expect(() => first?.setPriority('first' as Priority)).toThrow("Option 'priority': expected one of")
  })

  test('cancel: waiting it never starts, running its signal is aborted and its slot held', async () => {
    const clock = new VirtualClock()
    const reasons: unknown[] = []
    const queue = new QueuedExecutor(
      async (ms: number, run) => {
        run.signal.addEventListener('abort', () => reasons.push(run.signal.reason))
        await clock.sleep(ms)
      },
      { clock, concurrency: 1 },
    )
    const [running, waiting] = [await queue.submit(10), await queue.submit(10)]
    expect(waiting.cancel('not needed')).toBe(true)
    expect(waiting.cancel('again')).toBe(false)
    await expect(waiting.result).rejects.toMatchObject({
      code: 'TRIAGE_CANCELLED',
      message: "Cancelled: 'not needed'",
      cause: 'not needed',
      started: false,
    })
    running.cancel()
    await expect(running.result).rejects.toMatchObject({ code: 'TRIAGE_CANCELLED', started: true })
    expect(reasons).toEqual([expect.any(CancelledError)])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 1, totals: { cancelled: 2 } })
    await clock.advance(10)
    expect(queue.getStatus().activeWorkers).toBe(0)
  })

  test('by id: get, position, cancel, while it is live', async () => {
    const { clock, queue } = timed()
    const running = queue.execute(5, { id: 'a' })
    const waiting = outcome(queue.execute(6, { id: 'b' }))
    await clock.settle()
    expect(queue.get('a')?.state).toBe('running')
    expect(queue.position('b')).toBe(0)
    expect(queue.position('a')).toBeUndefined()
    expect(queue.cancel('b')).toBe(true)
    expect(queue.cancel('b')).toBe(false)
    expect(await waiting).toBe('TRIAGE_CANCELLED')
    const handle = queue.get('a')
    const result = handle?.result
    await clock.advance(5)
    await expect(running).resolves.toBe(5)
    await expect(result).resolves.toBe(5)
    expect(queue.get('a')).toBeUndefined()
    expect(queue.cancel('nobody')).toBe(false)
  })
})

describe('backpressure', () => {
  test('slots and room together admit a burst; one more is refused with numbers', async () => {
    const { clock, queue } = timed({ concurrency: 2, maxQueueSize: 3, whenFull: 'reject', random: () => 0 })
    const burst = Array.from({ length: 5 }, () => queue.execute(10))
    expect(queue.getStatus()).toMatchObject({ waiting: 3, running: 2, activeWorkers: 2 })
    await expect(queue.execute(10, { priority: 'urgent' })).rejects.toMatchObject({
      code: 'TRIAGE_QUEUE_FULL',
      bound: 'total',
      size: 3,
      maxSize: 3,
      priority: 'urgent',
      started: false,
      // No run has ended: nothing is known of the pace.
      retryAfterMs: 1_000,
    })
    await clock.run({ until: Promise.all(burst) })
  })

  test('once the pace is known, a refusal says when to come back', async () => {
    const { clock, queue } = timed({ concurrency: 2, maxQueueSize: 4, whenFull: 'reject', random: () => 0 })
    const first = queue.execute(100)
    await clock.run({ until: first })
    for (let i = 0; i < 6; i++) void queue.execute(100)
    await clock.settle()
    // Four wait and two slots serve them at 100 ms each: the fifth place comes free in 250 ms.
    await expect(queue.execute(100)).rejects.toMatchObject({ retryAfterMs: 250 })
    await expect(queue.execute(100, { priority: 'urgent' })).rejects.toMatchObject({ retryAfterMs: 50 })
    await clock.run()
  })

  test('a priority may have a bound of its own', async () => {
    const { clock, queue } = timed({ maxQueueSize: { total: 10, low: 1 } })
    void queue.execute(1)
    await clock.settle()
    void queue.execute(1, { priority: 'low' })
    await expect(queue.execute(1, { priority: 'low' })).rejects.toMatchObject({
      bound: 'priority',
      size: 1,
      maxSize: 1,
      message: expect.stringContaining("full for priority 'low'"),
    })
    const normal = await queue.submit(1)
    expect(normal.setPriority('low')).toBe(false)
    await clock.run()
  })

  test('offer admits now or not at all, and never waits', async () => {
    const { clock, queue } = timed({ maxQueueSize: 1, whenFull: 'block' })
    const first = queue.offer(1)
    const second = queue.offer(2)
    expect(first?.state).toBe('waiting')
    expect(queue.offer(3)).toBeUndefined()
    await clock.advance(3)
    await expect(second?.result).resolves.toBe(2)
    await queue.close()
    expect(queue.offer(4)).toBeUndefined()
  })

  test('shed: the youngest of the lowest priority below the newcomer’s makes room', async () => {
    const { clock, queue, started } = timed({ maxQueueSize: 3, whenFull: 'shed' })
    void queue.execute(1)
    await clock.settle()
    const oldLow = outcome(queue.execute(11, { priority: 'low' }))
    const youngLow = outcome(queue.execute(12, { priority: 'low' }))
    const normal = outcome(queue.execute(13))
    const urgent = outcome(queue.execute(14, { priority: 'urgent' }))
    expect(await youngLow).toBe('TRIAGE_SHED')
    await expect(queue.execute(15, { priority: 'low' })).rejects.toBeInstanceOf(QueueFullError)
    const high = outcome(queue.execute(16, { priority: 'high' }))
    expect(await oldLow).toBe('TRIAGE_SHED')
    await clock.run({ until: Promise.all([normal, urgent, high]) })
    expect(started).toEqual([1, 14, 16, 13])
    expect(queue.getStatus().totals).toMatchObject({ admitted: 6, shed: 2, rejected: 1, completed: 4 })
  })

  test('a shed request knows who took its place', async () => {
    const { queue } = timed({ maxQueueSize: 1, whenFull: 'shed' })
    queue.pause()
    const low = queue.execute(1, { priority: 'low' })
    void queue.execute(1, { priority: 'high' }).catch(() => {})
    await expect(low).rejects.toBeInstanceOf(ShedError)
    await expect(low).rejects.toMatchObject({ displacedBy: 'high', started: false })
    await queue.close({ drain: false })
  })

  test('block: callers come in by priority, then first-in first-out, and no newcomer passes them', async () => {
    const { clock, queue } = timed({ maxQueueSize: 1, whenFull: 'block', maxBlocked: 3 })
    const admitted: string[] = []
    const submit = (name: string, priority: Priority) =>
      queue.submit(10, { priority, id: name }).then(
        () => admitted.push(name),
        (error) => admitted.push(`${name}: ${error.code}`),
      )
    void submit('running', 'low')
    await clock.settle()
    void submit('waiting', 'low')
    void submit('low', 'low')
    void submit('normal 1', 'normal')
    void submit('normal 2', 'normal')
    void submit('too many', 'urgent')
    await clock.settle()
    expect(admitted).toEqual(['running', 'waiting', 'too many: TRIAGE_QUEUE_FULL'])
    expect(queue.getStatus()).toMatchObject({ blocked: 3, blockedByPriority: { normal: 2, low: 1 } })
    expect(queue.get('low')?.state).toBe('blocked')
    await clock.advance(10)
    expect(admitted.at(-1)).toBe('normal 1')
    await clock.run({ until: queue.idle() })
    expect(admitted.slice(3)).toEqual(['normal 1', 'normal 2', 'low'])
  })

  test('while blocked, the wait timeout and the signal count, and it was never admitted', async () => {
    const { clock, queue } = timed({ maxQueueSize: 1, whenFull: 'block' })
    queue.pause()
    void queue.execute(1)
    const controller = new AbortController()
    const late = outcome(queue.execute(2, { waitTimeoutMs: 50 }))
    const aborted = outcome(queue.submit(3, { signal: controller.signal }))
    await clock.advance(20)
    controller.abort('mine')
    expect(await aborted).toBe('mine')
    await clock.advance(30)
    expect(await late).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ blocked: 0, waiting: 1, totals: { admitted: 1, rejected: 2 } })
    queue.resume()
    await clock.run()
  })

  test('ready resolves when there is room for that priority, and rejects when it closes', async () => {
    const { clock, queue } = timed({ maxQueueSize: { total: 2, low: 1 } })
    await queue.ready()
    queue.pause()
    void queue.execute(5, { priority: 'low' }).catch(() => {})
    const told: string[] = []
    void queue.ready('low').then(() => told.push('low'))
    await queue.ready('high')
    expect(told).toEqual([])
    queue.resume()
    await clock.settle()
    expect(told).toEqual(['low'])
    void queue.execute(5, { priority: 'low' }).catch(() => {})
    const never = queue.ready('low')
    void queue.close({ drain: false, graceMs: 0 })
    await expect(never).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
    await expect(queue.ready()).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
    await expect(queue.ready('now' as Priority)).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS' })
  })
})

describe('the admission check', () => {
  const schema = z.object({ prompt: z.string().min(1), tokens: z.number().default(100) })

  test('what it takes and what it makes are two types, and the executor is given what it makes', async () => {
    const queue = new QueuedExecutor(async (request) => request.tokens.toFixed(1), { schema })
    const completed = vi.fn(({ request, result }: { request: z.output<typeof schema>; result: string }) => [
      request,
      result,
    ])
    queue.on('completed', completed)
    expectTypeOf(queue.execute).parameter(0).toEqualTypeOf<z.input<typeof schema>>()
    expect(await queue.execute({ prompt: 'Hello' })).toBe('100.0')
    expect(completed).toHaveReturnedWith([{ prompt: 'Hello', tokens: 100 }, '100.0'])
  })

  test('an unfit request takes no room, is told why, and is announced; a fit one goes on as the schema made it', async () => {
    const queue = new QueuedExecutor((request: { prompt: string; tokens: number }) => request.tokens, { schema })
    const rejected = vi.fn()
    queue.on('rejected', rejected)
    await expect(queue.execute({ prompt: '' } as never, { id: 'bad' })).rejects.toMatchObject({
      code: 'TRIAGE_INVALID_REQUEST',
      issues: [expect.objectContaining({ path: ['prompt'] })],
      message: expect.stringContaining('prompt: '),
      requestId: 'bad',
    })
    expect(rejected).toHaveBeenCalledWith(
      expect.objectContaining({
        id: 'bad',
        priority: 'normal',
        error: expect.objectContaining({ issues: expect.anything() }),
      }),
    )
    expect(() => queue.offer({ prompt: '' } as never)).toThrow(
      expect.objectContaining({ code: 'TRIAGE_INVALID_REQUEST' }),
    )
    await expect(queue.execute({ prompt: 'a' } as never)).resolves.toBe(100)
    expect(queue.getStatus().totals).toMatchObject({ admitted: 1, rejected: 2 })
  })

  test('an asynchronous schema is awaited; offer can’t', async () => {
    const slow = z.object({ prompt: z.string().refine(async (prompt) => prompt !== 'bad') })
    const queue = new QueuedExecutor((request: { prompt: string }) => request.prompt, { schema: slow })
    await expect(queue.execute({ prompt: 'good' })).resolves.toBe('good')
    await expect(queue.execute({ prompt: 'bad' })).rejects.toMatchObject({ code: 'TRIAGE_INVALID_REQUEST' })
    expect(() => queue.offer({ prompt: 'good' })).toThrow("Option 'schema': expected a synchronous one for offer()")
    await queue.idle()
    expect(queue.getStatus().totals).toMatchObject({ admitted: 1, rejected: 2 })
  })
})

describe('duplicates', () => {
  test('a fit request does not share the fate of an unfit one with its id, while an asynchronous schema looks at both', async () => {
    const schema = z.object({ prompt: z.string().refine(async (prompt) => prompt !== 'bad') })
    const queue = new QueuedExecutor((request: { prompt: string }) => request.prompt, { schema })
    const [good, bad] = ['good', 'bad'].map((prompt) => outcome(queue.execute({ prompt }, { id: 'a' })))
    expect(await good).toBe('good')
    expect(await bad).toBe('TRIAGE_INVALID_REQUEST')
  })

  test('a second request with a live id shares the run; a failure is not kept', async () => {
    const { clock, queue, started } = timed()
    const [one, two] = [queue.execute(5, { id: 'a' }), queue.execute(5, { id: 'a' })]
    const handle = await queue.submit(5, { id: 'a' })
    await clock.advance(5)
    await expect(Promise.all([one, two, handle.result])).resolves.toEqual([5, 5, 5])
    expect(started).toEqual([5])
    expect(queue.getStatus().totals).toMatchObject({ admitted: 1, joined: 2, completed: 1 })
    const again = queue.execute(6, { id: 'a' })
    await clock.advance(6)
    await expect(again).resolves.toBe(6)
  })

  test('reject: a second one is refused', async () => {
    const { clock, queue } = timed({ onDuplicate: 'reject' })
    const one = queue.execute(5, { id: 'a' })
    await expect(queue.execute(5, { id: 'a' })).rejects.toMatchObject({
      code: 'TRIAGE_DUPLICATE_REQUEST',
      requestId: 'a',
    })
    await clock.run({ until: one })
  })

  test('a join by a higher priority lifts the request', async () => {
    const { clock, queue, started } = timed()
    void queue.execute(1)
    await clock.settle()
    void queue.execute(11)
    void queue.execute(12, { id: 'a', priority: 'low' })
    void queue.execute(12, { id: 'a', priority: 'urgent' })
    await clock.run()
    expect(started).toEqual([1, 12, 11])
  })

  test('each who joined may leave alone; when all have left, it is cancelled', async () => {
    const { clock, queue, started } = timed()
    void queue.execute(1)
    await clock.settle()
    const controller = new AbortController()
    const first = await queue.submit(11, { id: 'a' })
    const second = outcome(queue.execute(11, { id: 'a', signal: controller.signal }))
    const third = outcome(queue.execute(11, { id: 'a', waitTimeoutMs: 3 }))
    expect(first.cancel('mine')).toBe(true)
    expect(first.state).toBe('cancelled')
    expect(first.cancel()).toBe(false)
    controller.abort('second')
    expect(await second).toBe('second')
    expect(queue.getStatus()).toMatchObject({ waiting: 1, totals: { cancelled: 0 } })
    await expect(first.result).rejects.toMatchObject({ code: 'TRIAGE_CANCELLED', cause: 'mine' })
    queue.pause()
    await clock.advance(3)
    expect(await third).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { expired: 1 } })
    expect(started).toEqual([1])
    expect(clock.timers).toBe(0)
  })
})

describe('map', () => {
  test('results come in the order of the input, or as they come', async () => {
    const { clock, queue } = timed({ concurrency: 3 })
    const collect = async (ordered: boolean) => {
      const results: number[] = []
      for await (const ms of queue.map([30, 10, 20, 5], { ordered })) results.push(ms)
      return results
    }
    const both = Promise.all([collect(true)])
    await clock.run({ until: both })
    expect((await both)[0]).toEqual([30, 10, 20, 5])
    const asTheyCome = collect(false)
    await clock.run({ until: asTheyCome })
    expect(await asTheyCome).toEqual([10, 5, 20, 30])
  })

  test('the source is read only as fast as there are slots and room', async () => {
    const { clock, queue } = timed({ concurrency: 2, maxQueueSize: 1 })
    let pulled = 0
    function* source() {
      while (pulled < 20) {
        pulled++
        yield 10
      }
    }
    let fetched = 0
    const done = (async () => {
      for await (const _ of queue.map(source(), { window: 100 })) fetched++
    })()
    await clock.settle()
    expect(pulled).toBe(3)
    await clock.advance(10)
    expect(pulled).toBeLessThanOrEqual(5)
    await clock.run({ until: done })
    expect([pulled, fetched]).toEqual([20, 20])
  })

  test('results that nobody fetches bound what is pulled', async () => {
    const { clock, queue } = timed({ concurrency: 2 })
    let pulled = 0
    function* source() {
      for (;;) {
        pulled++
        yield 1
      }
    }
    const results = queue.map(source(), { window: 3 })
    const first = results.next()
    await clock.advance(100)
    await first
    await clock.advance(100)
    expect(pulled).toBeLessThanOrEqual(4)
    await results.return()
  })

  test('an error ends it: what is on its way is cancelled, and the source closed', async () => {
    const clock = new VirtualClock()
    let closed = false
    function* source() {
      try {
        yield* [1, 2, 3, 4, 5]
      } finally {
        closed = true
      }
    }
    const queue = new QueuedExecutor(
      async (n: number, run) => {
        await clock.sleep(n === 2 ? 5 : 10, { signal: run.signal })
        if (n === 2) throw new Error('two')
        return n
      },
      { clock, concurrency: 3 },
    )
    const results: number[] = []
    const done = (async () => {
      for await (const n of queue.map(source(), { ordered: false })) results.push(n)
    })()
    const caught = outcome(done)
    await clock.run()
    expect(await caught).toEqual(new Error('two'))
    expect([results, closed]).toEqual([[], true])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { failed: 1 } })
  })

  test('break cancels what is on its way; async sources and signals work', async () => {
    const { clock, queue } = timed({ concurrency: 2 })
    async function* source() {
      for (;;) yield 10
    }
    const done = (async () => {
      for await (const _ of queue.map(source(), { priority: 'low' })) break
    })()
    await clock.run({ until: done })
    await clock.run()
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0 })
    const controller = new AbortController()
    const aborted = outcome(queue.map([10, 10], { signal: controller.signal }).next())
    await clock.settle()
    controller.abort('enough')
    expect(await aborted).toBe('enough')
    expect(() => queue.map([], { window: 0 })).toThrow("Option 'window'")
    expect(() => queue.map([], { ordered: 1 as never })).toThrow("Option 'ordered'")
  })
})

describe('time', () => {
  test('wait, run and total timeouts, by executor, by priority and by request', async () => {
    const { clock, queue } = timed({
      concurrency: 1,
      waitTimeoutMs: { default: 100, low: 20 },
      runTimeoutMs: 50,
      timeoutMs: { urgent: 30, default: Number.POSITIVE_INFINITY },
    })
    const running = outcome(queue.execute(40))
    await clock.settle()
    const ends = Promise.all(
      [
        queue.execute(1, { priority: 'low' }),
        queue.execute(1, { priority: 'urgent' }),
        queue.execute(60, { priority: 'high' }),
        queue.execute(1, { waitTimeoutMs: 10 }),
        queue.execute(60, { runTimeoutMs: 70, waitTimeoutMs: Number.POSITIVE_INFINITY }),
        queue.execute(1),
      ].map(outcome),
    )
    await clock.run({ until: ends })
    expect(await running).toBe(40)
    expect(await ends).toEqual([
      'TRIAGE_WAIT_TIMEOUT', // at 20
      'TRIAGE_WAIT_TIMEOUT', // at 30
      'TRIAGE_RUN_TIMEOUT', // at 90
      'TRIAGE_WAIT_TIMEOUT', // at 10
      60, // from 90 on
      'TRIAGE_WAIT_TIMEOUT', // at 100
    ])
    expect(clock.timers).toBe(0)
  })

  test('the total runs on while it runs, and the run knows the earlier of the two', async () => {
    const clock = new VirtualClock()
    const deadlines: number[] = []
    const queue = new QueuedExecutor(
      async (ms: number, run) => {
        deadlines.push(run.deadline)
        await clock.sleep(ms, { signal: run.signal })
      },
      { clock, runTimeoutMs: 50 },
    )
    const [short, long] = [outcome(queue.execute(60, { timeoutMs: 30 })), outcome(queue.execute(60))]
    await clock.advance(30)
    expect(await short).toBe('TRIAGE_RUN_TIMEOUT')
    await clock.advance(20)
    expect(await long).toBe('TRIAGE_RUN_TIMEOUT')
    expect(deadlines).toEqual([30, 50])
  })

  test('one timer serves them all, and is gone when nothing is left', async () => {
    const { clock, queue } = timed({ concurrency: 3, waitTimeoutMs: 1_000, timeoutMs: 5_000 })
    const all = Promise.all(
      Array.from({ length: 100 }, (_, i) => outcome(queue.execute(10 + i, { runTimeoutMs: 400 + i }))),
    )
    await clock.settle()
    // Three runs sleep on this clock too.
    expect(clock.timers).toBe(3 + 1)
    await clock.run({ until: all })
    expect(clock.timers).toBe(0)
  })
})

describe('slots', () => {
  test('a run that timed out holds its slot until the call settles; health shows it', async () => {
    const clock = new VirtualClock()
    const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), { clock, concurrency: 1, runTimeoutMs: 10 })
    const stuck = vi.fn()
    queue.on('stuck', stuck)
    const first = outcome(queue.execute(50, { id: 'first' }))
    const second = queue.execute(1)
    await clock.advance(10)
    expect(await first).toBe('TRIAGE_RUN_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 0, activeWorkers: 1, stuckWorkers: 1 })
    expect(queue.getWorkerHealth()).toEqual([
      { slot: 0, healthy: false, totalProcessed: 0, totalErrors: 0, currentRequest: 'first', since: 0, progress: null },
    ])
    expect(stuck).toHaveBeenCalledWith(expect.objectContaining({ id: 'first', slot: 0, runMs: 10, stuckWorkers: 1 }))
    await clock.advance(41)
    await second
    expect(queue.getWorkerHealth()).toEqual([
      { slot: 0, healthy: true, totalProcessed: 2, totalErrors: 0, currentRequest: null, since: null, progress: null },
    ])
  })

  test('replace: a stuck slot has a substitute, up to the cap', async () => {
    const clock = new VirtualClock()
    let calls = 0
    let most = 0
    const queue = new QueuedExecutor(
      async (ms: number) => {
        most = Math.max(most, ++calls)
        await clock.sleep(ms)
        calls--
      },
      { clock, concurrency: 2, runTimeoutMs: 10, onStuck: 'replace', maxReplaced: 1 },
    )
    const all = Promise.all(Array.from({ length: 5 }, () => outcome(queue.execute(100))))
    await clock.advance(10)
    expect(queue.getStatus()).toMatchObject({
      maxWorkers: 2,
      activeWorkers: 3,
      stuckWorkers: 2,
      replacedWorkers: 1,
      maxReplacedWorkers: 1,
    })
    await clock.run({ until: all })
    expect(most).toBe(3)
    await clock.run()
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, stuckWorkers: 0, replacedWorkers: 0 })
  })

  test('concurrency is live: growing starts more, shrinking waits for runs to end', async () => {
    const { clock, queue, started } = timed({ concurrency: 1 })
    const all = Promise.all([10, 20, 30, 40].map((ms) => queue.execute(ms)))
    await clock.settle()
    queue.concurrency = 3
    await clock.settle()
    expect(started).toEqual([10, 20, 30])
    queue.concurrency = 1
    await clock.advance(20)
    expect(started).toHaveLength(3)
    await clock.advance(10)
    expect(started).toHaveLength(4)
    expect(queue.getWorkerHealth().filter((slot) => slot.currentRequest !== null)).toHaveLength(1)
    await clock.run({ until: all })
    for (const bad of [0, Number.NaN, 2.5, '5', Number.POSITIVE_INFINITY]) {
      expect(() => {
        queue.concurrency = bad as number
      }).toThrow("Option 'concurrency': expected an integer of at least 1")
    }
    expect(queue.concurrency).toBe(1)
  })

  test('pause starts nothing, resume goes on by priority', async () => {
    const { clock, queue, started } = timed()
    const events: ExecutorEvent[] = []
    queue.on('paused', () => events.push('paused')).on('resumed', () => events.push('resumed'))
    queue.pause()
    queue.pause()
    const all = Promise.all([queue.execute(1), queue.execute(2, { priority: 'urgent' })])
    await clock.advance(1_000)
    expect(started).toEqual([])
    expect(queue.getStatus()).toMatchObject({ state: 'paused', waiting: 2 })
    queue.resume()
    queue.resume()
    await clock.run({ until: all })
    expect(started).toEqual([2, 1])
    expect(events).toEqual(['paused', 'resumed'])
  })
})

describe('close', () => {
  test('drains by default: what was admitted is finished, paused or not; new ones are refused', async () => {
    const { clock, queue } = timed({ maxQueueSize: 1, whenFull: 'block' })
    queue.pause()
    const first = queue.execute(10)
    const blocked = outcome(queue.execute(11))
    const closed = queue.close()
    expect(await blocked).toBe('TRIAGE_QUEUE_CLOSED')
    await expect(queue.execute(1)).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED', started: false })
    expect(queue.getStatus().state).toBe('closing')
    await clock.run({ until: closed })
    await expect(first).resolves.toBe(10)
    expect(queue.getStatus().state).toBe('closed')
    expect(queue.close()).toBe(closed)
    await queue.drain()
    await queue.idle()
  })

  test('without drain, the waiting are cancelled and the running finished', async () => {
    const { clock, queue } = timed()
    const [running, waiting] = [queue.execute(10), outcome(queue.execute(10))]
    await clock.settle()
    const closed = queue.close({ drain: false })
    expect(await waiting).toBe('TRIAGE_CANCELLED')
    await clock.run({ until: closed })
    await expect(running).resolves.toBe(10)
  })

  test('after the grace, what is left is cancelled and signals aborted, even if a call never ends', async () => {
    const clock = new VirtualClock()
    const signals: AbortSignal[] = []
    const queue = new QueuedExecutor(
      (_: number, run) => {
        signals.push(run.signal)
        return new Promise<never>(() => {})
      },
      { clock, concurrency: 1 },
    )
    const ends = [outcome(queue.execute(1)), outcome(queue.execute(2))]
    await clock.settle()
    const closed = queue.close({ graceMs: 100 })
    await clock.run({ until: closed })
    expect(clock.now()).toBe(100)
    expect(await Promise.all(ends)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
    expect(signals.map((signal) => signal.aborted)).toEqual([true])
    expect(clock.timers).toBe(0)
  })

  test('a second close may ask for less patience', async () => {
    const { clock, queue } = timed()
    const ends = [outcome(queue.execute(1_000)), outcome(queue.execute(1_000))]
    await clock.settle()
    void queue.close()
    const closed = queue.close({ drain: false, graceMs: 0 })
    await clock.run({ until: closed })
    expect(clock.now()).toBe(0)
    expect(await Promise.all(ends)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
  })

  test('awaited inside its own executor it does not deadlock', async () => {
    const clock = new VirtualClock()
    const ended: string[] = []
    const queue: QueuedExecutor<string, void> = new QueuedExecutor(
      async (name: string) => {
        await clock.sleep(name === 'closer' ? 1 : 10)
        if (name === 'closer') await queue.close()
        ended.push(name)
      },
      { clock, concurrency: 2 },
    )
    const all = Promise.all(['closer', 'other', 'waiting'].map((name) => queue.execute(name)))
    await clock.run({ until: all })
    await all
    expect(ended.at(-1)).toBe('closer')
    await queue.close()
    expect(queue.getStatus().state).toBe('closed')
  })

  test('bad options are refused, and nothing is closed', async () => {
    const queue = new QueuedExecutor(() => 1)
    await expect(queue.close({ graceMs: -1 })).rejects.toMatchObject({ path: 'graceMs' })
    await expect(queue.close({ drain: 'yes' as never })).rejects.toMatchObject({ path: 'drain' })
    await expect(queue.execute(undefined)).resolves.toBe(1)
  })

  test('await using closes', async () => {
    let queue: QueuedExecutor<number, number>
    {
      await using scoped = new QueuedExecutor(async (n: number) => n)
      queue = scoped
      void scoped.execute(1)
    }
    expect(queue.getStatus()).toMatchObject({ state: 'closed', totals: { completed: 1 } })
  })
})

describe('events', () => {
  test('one for each transition, in order, about the right request', async () => {
    const { clock, queue } = timed({ maxQueueSize: 2, waitTimeoutMs: 15 })
    const told: string[] = []
    const names = [
      'queued',
      'rejected',
      'started',
      'completed',
      'failed',
      'expired',
      'cancelled',
      'shed',
      'full',
      'idle',
      'closed',
    ] as const
    for (const name of names)
      queue.on(name, (event) => told.push(`${event.at} ${name} ${'id' in event ? event.id : ''}`.trim()))
    void queue.execute(10, { id: 'a' })
    await clock.settle()
    void outcome(queue.execute(10, { id: 'b' }))
    const c = outcome(queue.execute(10, { id: 'c' }))
    void outcome(queue.execute(10, { id: 'd' }))
    queue.cancel('c')
    await c
    void outcome(queue.execute(10, { id: 'e' }))
    await clock.run({ until: queue.close() })
    expect(told).toEqual([
      '0 queued a',
      '0 started a',
      '0 queued b',
      '0 queued c',
      '0 full',
      '0 rejected d',
      '0 cancelled c',
      '0 queued e',
      '0 full',
      '10 completed a',
      '10 started b',
      '15 expired e',
      '20 completed b',
      '20 idle',
      '20 closed',
    ])
  })

  test('once and off; an unknown event or a listener that is none is refused', async () => {
    const queue = new QueuedExecutor(() => 1)
    const [once, off] = [vi.fn(), vi.fn()]
    queue.once('completed', once).on('completed', off).off('completed', off)
    await queue.execute(undefined)
    await queue.execute(undefined)
    expect(once).toHaveBeenCalledTimes(1)
    expect(off).not.toHaveBeenCalled()
    expect(() => queue.on('error' as never, once)).toThrow("There is no event 'error'; the events are queued")
    expect(() => queue.on('idle', 'log' as never)).toThrow("The listener of 'idle': expected a function")
  })
})

describe('under fake timers', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('a service is tested as its users test it', async () => {
    vi.useFakeTimers()
    const queue = new QueuedExecutor((ms: number) => new Promise((resolve) => setTimeout(resolve, ms, ms)), {
      concurrency: 1,
      waitTimeoutMs: 50,
    })
    const ends = [outcome(queue.execute(100)), outcome(queue.execute(100))]
    await vi.advanceTimersByTimeAsync(49)
    expect(queue.getStatus()).toMatchObject({ running: 1, waiting: 1 })
    await vi.advanceTimersByTimeAsync(1)
    expect(await ends[1]).toBe('TRIAGE_WAIT_TIMEOUT')
    await vi.advanceTimersByTimeAsync(50)
    expect(await ends[0]).toBe(100)
    expect(vi.getTimerCount()).toBe(0)
  })
})

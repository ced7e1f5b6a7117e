/**
 * How a call of the executor may end, and what its caller and its slot make of it.
 */
import { QueuedExecutor, WorkerPool } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { Gate, gated, JumpingClock, lost, turn, watch } from './support.ts'

/** Throws any value, which a linter would not let us write down. */
function raise(value: unknown): never {
  throw value
}

describe('F1: a synchronous throw', () => {
  test('F1: is the same to the caller as a rejection, and frees the slot', async () => {
    const errors = { sync: new TypeError('sync'), async: new TypeError('async') }
    const queue = new QueuedExecutor(
      (how: 'sync' | 'async' | 'fine') => {
        if (how === 'sync') throw errors.sync
        return how === 'async' ? Promise.reject(errors.async) : how
      },
      { concurrency: 1 },
    )
    const failed: unknown[] = []
    queue.on('failed', (event) => failed.push(event.error))
    const sync = watch(queue.execute('sync'))
    const async = watch(queue.execute('async'))
    const fine = watch(queue.execute('fine'))
    await queue.idle()
    expect([sync.error, async.error, fine.value]).toEqual([errors.sync, errors.async, 'fine'])
    expect(sync.error).toBe(errors.sync)
    expect(failed).toEqual([errors.sync, errors.async])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0, totals: { failed: 2, completed: 1 } })
    expect(queue.getWorkerHealth()).toMatchObject([{ totalProcessed: 3, totalErrors: 2, currentRequest: null }])
  })

  test('F1: ten thousand of them leave every slot free', async () => {
    const queue = new QueuedExecutor((n: number) => raise(n), { concurrency: 3, maxQueueSize: 0 })
    const errors = await Promise.all(Array.from({ length: 10_000 }, (_, n) => queue.execute(n).catch((error) => error)))
    expect(errors).toEqual(Array.from({ length: 10_000 }, (_, n) => n))
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, activeWorkers: 0, totals: { failed: 10_000 } })
  })

  test('F1: frees the slot of a pool, too', async () => {
    const pool = new WorkerPool((n: number) => (n < 2 ? raise(new Error(`${n}`)) : n), { concurrency: 1 })
    for (const n of [0, 1]) await expect(pool.run(n)).rejects.toThrow(`${n}`)
    await expect(pool.run(2)).resolves.toBe(2)
    expect([pool.active, pool.free]).toEqual([0, 1])
  })
})

describe('F2: a falsy or odd error', () => {
  const values = [undefined, null, 0, '', Number.NaN, false, Symbol('odd'), 0n, Object.create(null)]

  test.each(values.map((value, i) => [i, value]))('F2: rejects with the identical value (%i)', async (_, value) => {
    const queue = new QueuedExecutor((how: 'sync' | 'async') => (how === 'sync' ? raise(value) : Promise.reject(value)))
    const told: unknown[] = []
    queue.on('failed', (event) => told.push(event.error))
    const callers = [watch(queue.execute('sync')), watch(queue.execute('async'))]
    const early = await queue.submit('async')
    const late = await queue.submit('sync')
    callers.push(watch(early.result))
    await queue.idle()
    callers.push(watch(late.result))
    const pool = new WorkerPool(() => raise(value), { concurrency: 1 })
    callers.push(watch(pool.run(0)))
    await Promise.all(callers.map((caller) => caller.done))
    for (const caller of callers) {
      expect(caller.state).toBe('rejected')
      expect(caller.error).toBe(value)
    }
    for (const error of told) expect(error).toBe(value)
    expect(told).toHaveLength(4)
    expect(queue.getStatus().totals).toMatchObject({ completed: 0, failed: 4 })
  })
})

describe('F3: a call that never settles', () => {
  test('F3: its caller is answered in time, and by default its slot is held, visibly', async () => {
    const { clock, gate, queue } = gated({ runTimeoutMs: 100 })
    const stuck: unknown[] = []
    queue.on('stuck', (event) => stuck.push(event.slot))
    const hung = watch(queue.execute('hung'))
    const next = watch(queue.execute('next', { runTimeoutMs: 1_000 }))
    await clock.advance(99)
    expect(hung.state).toBe('pending')
    await clock.advance(1)
    expect(hung.error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 100, timeoutMs: 100, started: true })
    expect(gate.call('hung').run.signal.reason).toBe(hung.error)
    await clock.advance(10_000)
    expect(next.state).toBe('pending')
    expect(gate.started).toEqual(['hung'])
    expect(stuck).toEqual([0])
    expect(queue.getStatus()).toMatchObject({
      waiting: 1,
      running: 0,
      activeWorkers: 1,
      stuckWorkers: 1,
      replacedWorkers: 0,
      maxReplacedWorkers: 0,
    })
    expect(queue.getWorkerHealth()).toMatchObject([{ healthy: false, since: 0 }])
    await gate.finish('hung')
    expect(gate.started).toEqual(['hung', 'next'])
    expect(queue.getStatus()).toMatchObject({ running: 1, activeWorkers: 1, stuckWorkers: 0 })
  })

  test('F3: a substitute is granted only when asked for, and never beyond the stated cap', async () => {
    const { clock, gate, queue } = gated({ concurrency: 2, runTimeoutMs: 100, onStuck: 'replace', maxReplaced: 3 })
    const callers = Array.from({ length: 10 }, (_, i) => watch(queue.execute(`${i}`)))
    await clock.advance(10_000)
    expect(gate.started).toEqual(['0', '1', '2', '3', '4'])
    expect(queue.getStatus()).toMatchObject({
      activeWorkers: 5,
      maxWorkers: 2,
      stuckWorkers: 5,
      replacedWorkers: 3,
      maxReplacedWorkers: 3,
      waiting: 5,
    })
    // As the hung calls come back, the substitutes go: never more calls than both numbers together.
    await gate.finishAll()
    expect(gate.mostRunning).toBe(5)
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, stuckWorkers: 0, replacedWorkers: 0 })
    expect(callers.map((caller) => caller.outcome)).toEqual([
      ...Array(5).fill('TRIAGE_RUN_TIMEOUT'),
      ...Array(5).fill('fulfilled'),
    ])
  })

  test('F3: a pool holds the slot as well', async () => {
    const clock = new VirtualClock()
    const gate = new Gate()
    const pool = new WorkerPool(gate.executor, { concurrency: 1, runTimeoutMs: 100, clock })
    const hung = watch(pool.run('hung'))
    await clock.advance(100)
    expect(hung.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    expect([pool.active, pool.free]).toEqual([1, 0])
    expect(watch(pool.run('next')).state).toBe('pending')
    await turn()
    expect(gate.started).toEqual(['hung'])
    expect(pool.getHealth()).toMatchObject([{ healthy: false }])
    await gate.finish('hung')
    expect([pool.active, pool.free]).toEqual([0, 1])
  })
})

describe('F4: a call that settles after its caller was answered', () => {
  const endings = ['timeout', 'signal', 'handle', 'close'] as const
  const settlings = ['finish', 'fail'] as const

  test.each(endings.flatMap((ending) => settlings.map((settling) => [ending, settling] as const)))(
    'F4: is ignored (%s, then %s): one outcome, one event, and the slot is free again',
    async (ending, settling) => {
      const { clock, gate, queue } = gated({ runTimeoutMs: 100 })
      const told: string[] = []
      for (const event of ['completed', 'failed', 'expired', 'cancelled'] as const)
        queue.on(event, () => told.push(event))
      const abort = new AbortController()
      const caller = watch(queue.execute('late', { id: 'late', signal: abort.signal }))
      const second = watch((queue.get('late') as NonNullable<ReturnType<typeof queue.get>>).result)
      await turn()
      if (ending === 'timeout') await clock.advance(100)
      if (ending === 'signal') abort.abort('enough')
      if (ending === 'handle') queue.get('late')?.cancel('enough')
      const closing = ending === 'close' ? watch(queue.close({ graceMs: 0 })) : undefined
      await clock.advance(1)
      const { error } = caller
      expect(caller.state).toBe('rejected')
      await gate[settling]('late', 'too late')
      expect(caller.error).toBe(error)
      expect(second.error).toBe(error)
      expect(told).toEqual([ending === 'timeout' ? 'expired' : 'cancelled'])
      expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0, stuckWorkers: 0 })
      expect(lost(queue.getStatus())).toBe(0)
      await closing?.done
      if (closing !== undefined) return
      // What settled late still counts for the slot's health.
      expect(queue.getWorkerHealth()).toMatchObject([
        { healthy: true, totalProcessed: 1, totalErrors: settling === 'fail' ? 1 : 0 },
      ])
      const next = watch(queue.execute('next'))
      await turn()
      await gate.finish('next')
      expect(next.value).toBe('next')
    },
  )
})

describe('F5: a thenable', () => {
  const first = (settle: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void) => ({
    // biome-ignore lint/suspicious/noThenProperty: thenables are what this is about
    then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => settle(resolve, reject),
  })

  class Loud extends Promise<unknown> {
    // biome-ignore lint/suspicious/noThenProperty: a subclass that calls back twice, the second time otherwise
    override then<A, B>(
      fulfilled?: ((value: unknown) => A | PromiseLike<A>) | null,
      rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
    ): Promise<A | B> {
      fulfilled?.('first')
      rejected?.('second')
      return super.then(fulfilled, rejected)
    }
  }

  const throwingConstructor = Promise.resolve('unreachable')
  Object.defineProperty(throwingConstructor, 'constructor', { get: () => raise('constructor') })

  const cases: [string, () => unknown, { value: unknown } | { error: unknown }][] = [
    ['is awaited', () => first((resolve) => resolve('answer')), { value: 'answer' }],
    ['may reject', () => first((_, reject) => reject('no')), { error: 'no' }],
    ['may throw from then()', () => first(() => raise('thrown')), { error: 'thrown' }],
    [
      'whose getter of then throws rejects',
      () => Object.defineProperty({}, 'then', { get: () => raise('getter') }),
      { error: 'getter' },
    ],
    [
      'that fulfils twice counts once',
      () => first((resolve) => void [resolve('first'), resolve('second')]),
      { value: 'first' },
    ],
    [
      'that fulfils and rejects counts once',
      () => first((resolve, reject) => void [resolve('first'), reject('second')]),
      { value: 'first' },
    ],
    [
      'that rejects and throws counts once',
      () => first((_, reject) => [reject('first'), raise('second')]),
      { error: 'first' },
    ],
    [
      'of a thenable is followed',
      () => first((resolve) => resolve(first((again) => again('deep')))),
      { value: 'deep' },
    ],
    [
      'that is a function is awaited',
      () =>
        Object.assign(
          () => {},
          first((resolve) => resolve('function')),
        ),
      { value: 'function' },
    ],
    ['that is a subclass of Promise counts once', () => new Loud((resolve) => resolve('own')), { value: 'first' }],
    ['whose constructor throws rejects', () => throwingConstructor, { error: 'constructor' }],
    ['that is a hostile proxy rejects', () => new Proxy({}, { get: () => raise('trap') }), { error: 'trap' }],
  ]

  test.each(cases)('F5: %s', async (_, value, expected) => {
    const queue = new QueuedExecutor((how: number) => (how === 0 ? value() : 'next'), { concurrency: 1 })
    const ends: string[] = []
    for (const event of ['completed', 'failed'] as const) queue.on(event, () => ends.push(event))
    const adopted = watch(queue.execute(0))
    const next = watch(queue.execute(1))
    await Promise.all([adopted.done, next.done])
    await turn()
    expect('value' in expected ? { value: adopted.value } : { error: adopted.error }).toEqual(expected)
    expect(adopted.state).toBe('value' in expected ? 'fulfilled' : 'rejected')
    expect(next.value).toBe('next')
    expect(ends).toEqual(['value' in expected ? 'completed' : 'failed', 'completed'])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0, waiting: 0 })
    expect(lost(queue.getStatus())).toBe(0)
  })

  type Answering = (settle: (answer: (value: unknown) => void) => void) => unknown
  const twice: [string, Answering][] = [
    ['a plain thenable', (settle) => first(settle)],
    [
      'a promise with a `then` of its own making',
      (settle) => Object.defineProperty(Promise.resolve('once'), 'then', { value: settle }),
    ],
  ]

  test.each(twice)(
    'F5: that answers again, later, does not answer for whoever has its slot then: %s',
    async (_, thenable) => {
      let again: () => void = () => {}
      const gate = new Gate()
      const queue = new QueuedExecutor<string, unknown>(
        (name, run) => {
          if (name !== 'twice') return gate.executor(name, run)
          return thenable((answer) => {
            again = () => answer('again')
            queueMicrotask(() => answer('once'))
          })
        },
        { concurrency: 1 },
      )
      const caller = watch(queue.execute('twice'))
      const next = watch(queue.execute('next'))
      await turn()
      expect([caller.value, gate.started]).toEqual(['once', ['next']])
      again()
      await turn()
      expect(next.state).toBe('pending')
      expect(queue.getStatus()).toMatchObject({ running: 1, activeWorkers: 1 })
      await gate.finish('next')
      expect([caller.value, next.value]).toEqual(['once', 'next'])
    },
  )

  test('F5: that never calls back is a call that never settles', async () => {
    const clock = new VirtualClock()
    const queue = new QueuedExecutor(() => first(() => {}), { concurrency: 1, runTimeoutMs: 50, clock })
    const caller = watch(queue.execute(0))
    await clock.advance(50)
    expect(caller.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 1, stuckWorkers: 1 })
  })
})

describe('F6: an executor that awaits a request of its own queue', () => {
  /** At limit 1 the inner request waits for the slot that the outer one holds. */
  function nested(options: { onStuck?: 'hold' | 'replace'; passSignal?: boolean; innerWaitMs?: number }) {
    const clock = new VirtualClock()
    const { onStuck = 'hold', passSignal = false, innerWaitMs = Number.POSITIVE_INFINITY } = options
    const queue: QueuedExecutor<string, unknown> = new QueuedExecutor<string, unknown>(
      (name, run) => {
        if (name !== 'outer') return name
        return queue.execute('inner', { waitTimeoutMs: innerWaitMs, ...(passSignal ? { signal: run.signal } : {}) })
      },
      { concurrency: 1, runTimeoutMs: 100, onStuck, clock },
    )
    return { clock, queue }
  }

  test('F6: deadlocks at limit 1 until the run timeout answers its caller', async () => {
    const { clock, queue } = nested({})
    const outer = watch(queue.execute('outer'))
    await clock.advance(99)
    expect(outer.state).toBe('pending')
    await clock.advance(1)
    expect(outer.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ stuckWorkers: 1, waiting: 1 })
  })

  test('F6: the run timeout ends the deadlock when the inner request has the signal of the run', async () => {
    const { clock, queue } = nested({ passSignal: true })
    const outer = watch(queue.execute('outer'))
    await clock.advance(100)
    expect(outer.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    await turn()
    expect(queue.getStatus()).toMatchObject({ stuckWorkers: 0, activeWorkers: 0, waiting: 0 })
    await expect(queue.execute('next')).resolves.toBe('next')
  })

  test('F6: so does a wait timeout of the inner request', async () => {
    const { clock, queue } = nested({ innerWaitMs: 20 })
    const outer = watch(queue.execute('outer'))
    await clock.advance(20)
    expect(outer.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, waiting: 0 })
  })

  test('F6: and so does a substitute for the stuck slot', async () => {
    const { clock, queue } = nested({ onStuck: 'replace' })
    const outer = watch(queue.execute('outer'))
    await clock.advance(100)
    expect(outer.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, waiting: 0, totals: { completed: 1, expired: 1 } })
  })
})

describe('F8: an executor that blocks the event loop', () => {
  test('F8: makes timeouts late, but each fires once, and nothing runs twice', async () => {
    const clock = new JumpingClock()
    const gate = new Gate()
    const queue = new QueuedExecutor<string, unknown>(
      (name, run) => {
        if (name !== 'blocks') return gate.executor(name, run)
        clock.time += 10_000
        return 'done'
      },
      { concurrency: 2, clock, runTimeoutMs: 1_000, waitTimeoutMs: 500 },
    )
    const ends: string[] = []
    queue.on('expired', (event) => ends.push(`expired ${event.id}`))
    queue.on('completed', (event) => ends.push(`completed ${event.id}`))
    queue.on('stuck', (event) => ends.push(`stuck ${event.id}`))
    const hung = watch(queue.execute('hung', { id: 'hung' }))
    const blocks = watch(queue.execute('blocks', { id: 'blocks' }))
    const waits = watch(queue.execute('waits', { id: 'waits' }))
    await turn()
    // It blocked for ten seconds; the timers could not fire meanwhile, and its own answer counts.
    expect(blocks.value).toBe('done')
    for (let i = 0; i < 3; i++) await clock.fire()
    expect(hung.error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 10_000 })
    // The slot came free before any timer could fire, so the one that waited has started, once.
    expect(gate.started).toEqual(['hung', 'waits'])
    expect(waits.state).toBe('pending')
    await gate.finish('waits')
    await clock.fire()
    expect(waits.value).toBe('waits')
    expect(ends).toEqual(['completed blocks', 'expired hung', 'stuck hung', 'completed waits'])
  })

  test('F8: a request that waited behind it beyond its time ends once, late', async () => {
    const clock = new JumpingClock()
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, { concurrency: 1, waitTimeoutMs: 500, clock })
    const ends: string[] = []
    queue.on('expired', (event) => ends.push(event.id))
    watch(queue.execute('runs'))
    const waits = watch(queue.execute('waits', { id: 'waits' }))
    await turn()
    clock.time += 10_000
    for (let i = 0; i < 3; i++) await clock.fire()
    expect(waits.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 10_000, timeoutMs: 500, started: false })
    await gate.finish('runs')
    expect(ends).toEqual(['waits'])
    expect(gate.started).toEqual(['runs'])
  })
})

/**
 * Signals and timers: when they end a request, and what they leave behind.
 */
import { getEventListeners } from 'node:events'
import { type Clock, QueuedExecutor, RequestQueue, type StandardSchema, WorkerPool } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { answerOf, busy, countOperations, Gate, gated, JumpingClock, lost, turn, watch } from './support.ts'

// Some start a process.
vi.setConfig({ testTimeout: 30_000 })

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

describe('F9: an aborted signal', () => {
  const reasons: [string, unknown][] = [
    ['none given', undefined],
    ['null', null],
    ['zero', 0],
    ['an error', new Error('mine')],
    ['an object', { mine: true }],
  ]

  test.each(reasons)('F9: rejects with signal.reason itself (%s)', async (_, reason) => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const abort = new AbortController()
    const options = { signal: abort.signal }
    watch(queue.execute('stays'))
    const callers = [watch(queue.execute('blocked', options)), watch(queue.submit('blocked', options))]
    abort.abort(reason)
    callers.push(watch(queue.execute('late', options)), watch(queue.submit('late', options)))
    const second = new AbortController()
    const waits = await busy()
    const waiting = watch(waits.queue.execute('waits', { signal: second.signal }))
    const running = watch(gated().queue.execute('runs', { signal: second.signal }))
    await turn()
    second.abort(reason)
    await turn()
    for (const { state } of [...callers, waiting, running]) expect(state).toBe('rejected')
    for (const { error } of callers) expect(error).toBe(abort.signal.reason)
    for (const { error } of [waiting, running]) expect(error).toBe(second.signal.reason)
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'stays'])
  })

  test('F9: admits no blocked caller any more, though the same abort makes room', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const admitted: string[] = []
    queue.on('queued', ({ id }) => admitted.push(id))
    const abort = new AbortController()
    watch(queue.execute('waits', { id: 'waits', signal: abort.signal }))
    const blocked = ['b1', 'b2', 'b3'].map((id) => watch(queue.submit(id, { id, signal: abort.signal })))
    const other = watch(queue.submit('other', { id: 'other' }))
    abort.abort('gone')
    await turn()
    expect(admitted).toEqual(['waits', 'other'])
    expect(blocked.map((caller) => caller.outcome)).toEqual(['gone', 'gone', 'gone'])
    expect(other.state).toBe('fulfilled')
    expect(queue.getStatus().totals).toMatchObject({ admitted: 3, cancelled: 1, rejected: 3 })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'other'])
  })

  test('F9: before submit refuses at once, by every way in', async () => {
    const { gate, queue } = gated()
    const rejected: unknown[] = []
    queue.on('rejected', (event) => rejected.push(event.error))
    const signal = AbortSignal.abort('early')
    const callers = [watch(queue.execute('a', { signal })), watch(queue.submit('b', { signal }))]
    expect(queue.offer('c', { signal })).toBeUndefined()
    callers.push(watch(queue.map(['d'], { signal }).next()))
    await turn()
    expect(callers.map((caller) => caller.error)).toEqual(['early', 'early', 'early'])
    expect(gate.started).toEqual([])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0 } })
    expect(rejected.slice(0, 3)).toEqual(['early', 'early', 'early'])
  })

  test('F9: while blocked refuses the caller, who was never admitted', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('waiting'))
    const abort = new AbortController()
    const blocked = watch(queue.execute('blocked', { signal: abort.signal }))
    expect(queue.getStatus().blocked).toBe(1)
    abort.abort('gone')
    await turn()
    expect(blocked.error).toBe('gone')
    expect(queue.getStatus()).toMatchObject({ blocked: 0, totals: { admitted: 2, rejected: 1, cancelled: 0 } })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'waiting'])
  })

  test('F9: while waiting cancels it; it never starts', async () => {
    const { gate, queue } = await busy()
    const cancelled: unknown[] = []
    queue.on('cancelled', ({ error, started }) => cancelled.push({ error, started }))
    const abort = new AbortController()
    const handle = await queue.submit('waiting', { signal: abort.signal })
    const result = watch(handle.result)
    abort.abort('gone')
    await turn()
    expect(result.error).toBe('gone')
    expect(handle.state).toBe('cancelled')
    expect(cancelled).toEqual([{ error: 'gone', started: false }])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0'])
  })

  test('F9: while running answers the caller at once and aborts the signal of the run', async () => {
    const { gate, queue } = gated()
    const abort = new AbortController()
    const running = watch(queue.execute('running', { signal: abort.signal }))
    await turn()
    const { signal } = gate.call('running').run
    abort.abort('gone')
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toBe('gone')
    await turn()
    expect(running.error).toBe('gone')
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 1 })
  })

  test('F9: during a drain ends what waits and what runs, and the drain goes on', async () => {
    const { gate, queue } = gated()
    const abort = new AbortController()
    const callers = ['running', 'waiting'].map((name) => watch(queue.execute(name, { signal: abort.signal })))
    const other = watch(queue.execute('other'))
    await turn()
    const drained = watch(queue.drain())
    abort.abort('gone')
    await turn()
    expect(callers.map((caller) => caller.error)).toEqual(['gone', 'gone'])
    expect(drained.state).toBe('pending')
    await gate.finishAll()
    expect(gate.started).toEqual(['running', 'other'])
    expect([other.state, drained.state]).toEqual(['fulfilled', 'fulfilled'])
  })

  test('F9: after the end changes nothing', async () => {
    const { gate, queue } = gated()
    const told: string[] = []
    for (const event of ['cancelled', 'completed', 'failed', 'rejected'] as const)
      queue.on(event, () => told.push(event))
    const abort = new AbortController()
    const good = await queue.submit('good', { signal: abort.signal })
    const bad = await queue.submit('bad', { signal: abort.signal })
    const ends = [watch(good.result), watch(bad.result)]
    await turn()
    await gate.finish('good', 42)
    await gate.fail('bad', 'broken')
    abort.abort('too late')
    await turn()
    expect([good.state, bad.state]).toEqual(['completed', 'failed'])
    expect([ends[0]?.value, ends[1]?.error]).toEqual([42, 'broken'])
    expect(told).toEqual(['completed', 'failed'])
  })

  test('F9: while an asynchronous schema looks at the request refuses it; it never runs', async () => {
    let answer: (() => void) | undefined
    const schema: StandardSchema<string> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) =>
          new Promise((resolve) => {
            answer = () => resolve({ value: value as string })
          }),
      },
    }
    const { gate, queue } = gated({ schema })
    const abort = new AbortController()
    const caller = watch(queue.execute('checked', { signal: abort.signal }))
    await turn()
    abort.abort('gone')
    answer?.()
    await turn()
    expect(caller.error).toBe('gone')
    expect(gate.started).toEqual([])
    expect(listenersOf(abort.signal)).toBe(0)
  })

  test.each(['waiting', 'running'])(
    'F9: counts as before when an asynchronous schema has let the request pass (%s)',
    async (stage) => {
      const schema: StandardSchema<string> = {
        '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value: value as string }) },
      }
      const { gate, queue } = stage === 'waiting' ? await busy({ schema }) : gated({ schema })
      const abort = new AbortController()
      const caller = watch(queue.execute('checked', { id: 'checked', signal: abort.signal }))
      await turn()
      expect(queue.get('checked')?.state).toBe(stage)
      expect(listenersOf(abort.signal)).toBe(1)
      abort.abort('gone')
      await turn()
      expect(caller.outcome).toBe('gone')
      if (stage === 'running') expect(gate.call('checked').run.signal.reason).toBe('gone')
      expect(listenersOf(abort.signal)).toBe(0)
    },
  )

  test('F9: answers a caller whose asynchronous schema never does', async () => {
    const schema: StandardSchema<string> = {
      '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => {}) },
    }
    const { queue } = gated({ schema })
    const abort = new AbortController()
    const caller = watch(queue.execute('checked', { signal: abort.signal }))
    await turn()
    abort.abort('gone')
    await turn()
    expect(caller.outcome).toBe('gone')
  })

  test('F9: frees whoever takes from a queue used on its own', async () => {
    const queue = new RequestQueue<string>()
    const abort = new AbortController()
    const early = watch(queue.take({ signal: AbortSignal.abort('early') }))
    const taker = watch(queue.take({ signal: abort.signal }))
    const other = watch(queue.take())
    abort.abort('gone')
    await turn()
    expect([early.error, taker.error]).toEqual(['early', 'gone'])
    queue.enqueue('one')
    await turn()
    expect(other.value).toBe('one')
    expect(listenersOf(abort.signal)).toBe(0)
  })
})

describe('F10: the caller’s own signal', () => {
  test('F10: keeps no listener of ours, however the request ends', async () => {
    const ends: string[] = []
    const one = async (expected: string, act: (signal: AbortSignal) => Promise<unknown>) => {
      const { signal } = new AbortController()
      await act(signal)
      ends.push(`${expected}: ${listenersOf(signal)}`)
    }
    const { clock, gate, queue } = gated({ concurrency: 3, runTimeoutMs: 100 })
    await one('completed', async (signal) => {
      watch(queue.execute('completed', { signal }))
      await turn()
      expect(listenersOf(signal)).toBe(1)
      await gate.finish('completed')
    })
    await one('failed', async (signal) => {
      watch(queue.execute('failed', { signal }))
      await turn()
      await gate.fail('failed', 'x')
    })
    await one('expired while running', async (signal) => {
      watch(queue.execute('expired', { signal }))
      await clock.advance(100)
    })
    await one('cancelled while running', async (signal) => {
      const handle = await queue.submit('cancelled', { signal })
      await turn()
      handle.cancel()
    })
    await one('invalid options', async (signal) => {
      watch(queue.execute('x', { signal, timeoutMs: -1 }))
    })

    const full = await busy({ maxQueueSize: 1, whenFull: 'block', maxBlocked: 2 })
    await one('expired while waiting', async (signal) => {
      watch(full.queue.execute('waits', { signal, waitTimeoutMs: 10 }))
      await full.clock.advance(10)
    })
    const waits = await full.queue.submit('waits')
    await one('expired while blocked', async (signal) => {
      watch(full.queue.execute('blocked', { signal, waitTimeoutMs: 10 }))
      await full.clock.advance(10)
    })
    await one('joined', async (signal) => {
      watch(full.queue.execute('first', { id: 'shared', signal }))
      watch(full.queue.execute('first', { id: 'shared', signal }))
      expect(listenersOf(signal)).toBe(1)
      full.queue.cancel('shared')
    })
    await one('too many blocked', async (signal) => {
      const others = new AbortController()
      for (const name of ['1', '2']) watch(full.queue.execute(name, { signal: others.signal }))
      watch(full.queue.execute('3', { signal }))
      others.abort()
    })
    await one('closed while blocked', async (signal) => {
      watch(full.queue.execute('blocked', { signal }))
      watch(full.queue.close())
    })
    waits.cancel()

    const shedding = await busy({ maxQueueSize: 1, whenFull: 'shed' })
    await one('shed', async (signal) => {
      watch(shedding.queue.execute('low', { priority: 'low', signal }))
      watch(shedding.queue.execute('high', { priority: 'high' }))
    })
    await one('refused', async (signal) => {
      watch(shedding.queue.execute('low', { priority: 'low', signal }))
    })
    await one('closed without drain', async (signal) => {
      const { queue: closing } = await busy()
      watch(closing.execute('waits', { signal }))
      watch(closing.close({ drain: false }))
    })
    expect(ends.filter((end) => !end.endsWith(': 0'))).toEqual([])
    expect(ends).toHaveLength(13)
  })

  test('F10: is kept clean by map(), whether it has to wait for room, ends, breaks or fails', async () => {
    const { signal } = new AbortController()
    const queue = new QueuedExecutor(
      async (n: number) => {
        await turn()
        if (n === 13) throw new Error('thirteen')
        return n
      },
      { concurrency: 1, maxQueueSize: 1 },
    )
    const seen: number[] = []
    const most: number[] = []
    for await (const n of queue.map([1, 2, 3, 4, 5, 6], { signal, window: 6 })) {
      seen.push(n)
      most.push(listenersOf(signal))
    }
    for await (const n of queue.map([7, 8, 9], { signal })) {
      seen.push(n)
      break
    }
    await watch(queue.map([13, 14], { signal }).next()).done
    await queue.idle()
    await turn()
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7])
    // It did listen, for as long as it waited for room.
    expect(Math.max(...most)).toBe(1)
    expect(listenersOf(signal)).toBe(0)
  })

  test('F10: is never what the executor gets: that is the run’s own, and dies with it', async () => {
    const signals: AbortSignal[] = []
    const queue = new QueuedExecutor((_: string, run) => {
      run.signal.addEventListener('abort', () => {})
      signals.push(run.signal)
    })
    const { signal } = new AbortController()
    for (const name of ['a', 'b']) await queue.execute(name, { signal })
    expect(signals).not.toContain(signal)
    expect(signals[0]).not.toBe(signals[1])
    expect(listenersOf(signal)).toBe(0)
  })
})

describe('F11: one signal for 100,000 requests', () => {
  test('F11: has one listener; abort answers all, and leaves nothing behind', async () => {
    const warnings: unknown[] = []
    const warned = (warning: unknown): void => void warnings.push(warning)
    process.on('warning', warned)
    const { clock, gate, queue } = await busy({ maxQueueSize: 0, waitTimeoutMs: 60_000 })
    const abort = new AbortController()
    const { signal } = abort
    let right = 0
    const callers: Promise<unknown>[] = []
    for (let i = 0; i < 100_000; i++) {
      const caller = queue.execute(`${i}`, { signal, priority: i % 2 === 0 ? 'low' : 'high' })
      callers.push(
        caller.then(undefined, (reason) => {
          if (reason === 'all') right++
        }),
      )
    }
    expect(listenersOf(signal)).toBe(1)
    expect(queue.getStatus().waiting).toBe(100_000)
    abort.abort('all')
    expect(queue.getStatus().waiting).toBe(0)
    await Promise.all(callers)
    expect(right).toBe(100_000)
    expect(listenersOf(signal)).toBe(0)
    await gate.finishAll()
    expect(clock.timers).toBe(0)
    expect(gate.started).toEqual(['busy 0'])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { cancelled: 100_000, completed: 1 } })
    await turn()
    process.off('warning', warned)
    expect(warnings).toEqual([])
  })

  test.each(['waiting', 'running'])(
    'F11: the work of an abort grows with the number of its requests (%s)',
    async (stage) => {
      const [few = 0, many = 0] = await countOperations(['abort', stage, '500', '2000'])
      // Four times as many may cost a little more than four times as much, but not sixteen times.
      expect(many / few).toBeLessThan(6)
    },
  )

  test('F11: has one listener also when all of them join one id', async () => {
    const { gate, queue } = gated()
    const abort = new AbortController()
    const callers = Array.from({ length: 1_000 }, () => watch(queue.execute('x', { id: 'x', signal: abort.signal })))
    await turn()
    expect(listenersOf(abort.signal)).toBe(1)
    abort.abort('all')
    await turn()
    expect(new Set(callers.map((caller) => caller.error))).toEqual(new Set(['all']))
    expect(listenersOf(abort.signal)).toBe(0)
    expect(gate.call('x').run.signal.aborted).toBe(true)
  })
})

describe('F12: abort and start in the same tick', () => {
  type Act = (abort: () => void, queue: QueuedExecutor<string, unknown>) => void
  const cases: [string, { before?: Act; after?: Act; inside?: boolean; runs: boolean }][] = [
    ['right after the submit', { after: (abort) => abort(), runs: false }],
    ['in a microtask before the dispatch', { before: (abort) => queueMicrotask(abort), runs: false }],
    ['in a microtask after the dispatch', { after: (abort) => queueMicrotask(abort), runs: true }],
    ['in a listener of queued', { before: (abort, queue) => queue.on('queued', abort), runs: false }],
    ['in a listener of started', { before: (abort, queue) => queue.on('started', abort), runs: false }],
    ['in the executor itself', { inside: true, runs: true }],
    ['in process.nextTick', { after: (abort) => process.nextTick(abort), runs: true }],
  ]

  test.each(cases)(
    'F12: %s: exactly one outcome, and it fits whether the request ran',
    async (_, { before, after, inside, runs }) => {
      let calls = 0
      const abort = new AbortController()
      const queue = new QueuedExecutor<string, unknown>(
        () => {
          calls++
          if (inside) abort.abort('now')
          return new Promise((resolve) => setImmediate(resolve))
        },
        { concurrency: 1 },
      )
      const ends: unknown[] = []
      queue.on('cancelled', ({ started }) => ends.push({ started }))
      queue.on('completed', () => ends.push('completed'))
      queue.on('rejected', () => ends.push('rejected'))
      before?.(() => abort.abort('now'), queue)
      const caller = watch(queue.execute('x', { signal: abort.signal }))
      after?.(() => abort.abort('now'), queue)
      await turn()
      await queue.idle()
      expect(caller.error).toBe('now')
      expect(calls).toBe(runs ? 1 : 0)
      expect(ends).toEqual([{ started: runs }])
      expect(queue.getStatus()).toMatchObject({ running: 0, waiting: 0, activeWorkers: 0 })
      expect(lost(queue.getStatus())).toBe(0)
      await expect(queue.execute('next')).resolves.toBeUndefined()
    },
  )
})

describe('F13: an abort listener that throws', () => {
  test('F13: stops neither the other listeners nor us', async () => {
    const seen = await answerOf<Record<string, unknown>>('abort-listener-throws')
    expect(seen).toEqual({
      uncaught: ['the caller’s listener', 'the run’s listener'],
      told: ['second listener of the run', 'second listener of the caller'],
      outcomes: ['gone', 'gone'],
      next: 'next',
      active: 0,
      listeners: 2,
    })
  })
})

describe('F14: a timeout above 2^31-1 ms', () => {
  const beyond = 2 ** 31 + 1_000
  const kinds = ['waitTimeoutMs', 'runTimeoutMs', 'timeoutMs'] as const

  test.each(kinds)('F14: is honoured by re-arming: %s', async (kind) => {
    const clock = new JumpingClock(5)
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, { concurrency: 1, runTimeoutMs: Number.POSITIVE_INFINITY, clock })
    if (kind === 'waitTimeoutMs') watch(queue.execute('busy'))
    const caller = watch(queue.execute('long', { [kind]: beyond }))
    await clock.advanceTo(5 + beyond - 1)
    expect(caller.state).toBe('pending')
    await clock.advanceTo(5 + beyond)
    expect(caller.outcome).toBe(kind === 'waitTimeoutMs' ? 'TRIAGE_WAIT_TIMEOUT' : 'TRIAGE_RUN_TIMEOUT')
    expect(clock.outOfRange).toEqual([])
    expect(clock.mostTimers).toBe(1)
  })

  test.each(kinds)('F14: does not fire after 1 ms on Node’s timers: %s', async (kind) => {
    vi.useFakeTimers()
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, { concurrency: 1, runTimeoutMs: Number.POSITIVE_INFINITY })
    if (kind === 'waitTimeoutMs') watch(queue.execute('busy'))
    const caller = watch(queue.execute('long', { [kind]: beyond }))
    await vi.advanceTimersByTimeAsync(beyond - 1)
    expect(caller.state).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    expect(caller.state).toBe('rejected')
  })

  test('F14: is honoured by a pool and by close()', async () => {
    const clock = new JumpingClock()
    const gate = new Gate()
    const pool = new WorkerPool(gate.executor, { concurrency: 1, runTimeoutMs: beyond, clock })
    const run = watch(pool.run('long'))
    const queue = new QueuedExecutor(gate.executor, { runTimeoutMs: Number.POSITIVE_INFINITY, clock })
    const caller = watch(queue.execute('longer'))
    await turn()
    const closed = watch(queue.close({ graceMs: beyond }))
    await clock.advanceTo(beyond - 1)
    expect([run.state, caller.state, closed.state]).toEqual(['pending', 'pending', 'pending'])
    await clock.advanceTo(beyond)
    expect([run.outcome, caller.outcome, closed.state]).toEqual(['TRIAGE_RUN_TIMEOUT', 'TRIAGE_CANCELLED', 'fulfilled'])
    expect(clock.outOfRange).toEqual([])
  })
})

describe('F15: a timeout that is no time', () => {
  const bad = [0, -0, -1, Number.NaN, Number.NEGATIVE_INFINITY, '5', null, true, 5n, {}, [5], new Date(5)]
  const kinds = ['waitTimeoutMs', 'runTimeoutMs', 'timeoutMs'] as const

  test.each(kinds)('F15: is refused when it is submitted, and nothing has changed: %s', async (kind) => {
    const { clock, gate, queue } = gated()
    for (const value of bad) {
      const options = { [kind]: value } as never
      const refused = { code: 'TRIAGE_INVALID_OPTIONS', path: kind, received: value }
      await expect(queue.execute('x', options)).rejects.toMatchObject(refused)
      await expect(queue.submit('x', options)).rejects.toMatchObject(refused)
      expect(() => queue.offer('x', options)).toThrow(expect.objectContaining(refused))
    }
    await clock.advance(1_000)
    expect(gate.started).toEqual([])
    expect(clock.timers).toBe(0)
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, blocked: 0, totals: { admitted: 0 } })
  })

  test.each(kinds)('F15: is refused when the executor is made: %s', (kind) => {
    for (const value of bad) {
      const invalid = expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS' })
      for (const options of [{ [kind]: value }, { [kind]: { default: value } }, { [kind]: { low: value } }]) {
        // An empty object names no priority, and is fine.
        if (typeof value === 'object' && value !== null && Object.keys(value).length === 0 && options[kind] === value)
          continue
        expect(() => new QueuedExecutor(() => 0, options as never)).toThrow(invalid)
      }
    }
  })

  test('F15: is refused by a pool and by close()', async () => {
    const { queue } = gated()
    for (const value of bad) {
      const invalid = expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS', path: 'runTimeoutMs' })
      expect(() => new WorkerPool(() => 0, { concurrency: 1, runTimeoutMs: value as never })).toThrow(invalid)
    }
    for (const graceMs of [-1, Number.NaN, '5', null, 5n]) {
      await expect(queue.close({ graceMs: graceMs as never })).rejects.toMatchObject({ path: 'graceMs' })
    }
    // A close that was refused closes nothing.
    expect(queue.getStatus().state).toBe('open')
  })

  test('F15: Infinity is a timeout that never comes', async () => {
    const { clock, gate, queue } = await busy({ waitTimeoutMs: 10, runTimeoutMs: Number.POSITIVE_INFINITY })
    const never = Number.POSITIVE_INFINITY
    const caller = watch(queue.execute('x', { waitTimeoutMs: never, timeoutMs: never }))
    await clock.advance(2 ** 33)
    expect(caller.state).toBe('pending')
    await gate.finishAll()
    expect(caller.value).toBe('x')
  })
})

describe('F16: a wait that times out at the instant of its start', () => {
  test.each(['the slot first', 'the timeout first'])('F16: has one outcome: %s', async (order) => {
    const clock = new VirtualClock()
    const started: string[] = []
    const ends: string[] = []
    const queue = new QueuedExecutor(
      async (name: string) => {
        started.push(name)
        await clock.sleep(100)
        return name
      },
      { concurrency: 1, clock },
    )
    queue.on('completed', ({ id }) => ends.push(`completed ${id}`))
    queue.on('expired', ({ id }) => ends.push(`expired ${id}`))
    if (order === 'the timeout first') queue.pause()
    watch(queue.execute('first', { id: 'first' }))
    if (order === 'the slot first') await turn()
    const second = watch(queue.execute('second', { id: 'second', waitTimeoutMs: 100 }))
    queue.resume()
    await clock.advance(100)
    const ran = started.includes('second')
    await clock.run()
    expect(second.outcome).toBe(ran ? 'fulfilled' : 'TRIAGE_WAIT_TIMEOUT')
    expect(ends.sort()).toEqual(['completed first', ran ? 'completed second' : 'expired second'].sort())
    expect(lost(queue.getStatus())).toBe(0)
    expect(clock.timers).toBe(0)
  })

  test('F16: a request that has started is out of reach of its wait timeout', async () => {
    const { clock, gate, queue } = await busy()
    const caller = watch(queue.execute('starts', { waitTimeoutMs: 100 }))
    await clock.advance(99)
    await gate.finish('busy 0')
    expect(gate.started).toEqual(['busy 0', 'starts'])
    await clock.advance(10_000)
    expect(caller.state).toBe('pending')
    await gate.finish('starts')
    expect(caller.value).toBe('starts')
    expect(clock.timers).toBe(0)
  })

  test('F16: a request that was just handed its slot by a listener’s doing is not expired as waiting', async () => {
    const { clock, gate, queue } = await busy({ runTimeoutMs: 50 })
    const ends: unknown[] = []
    queue.on('expired', ({ id, started }) => ends.push({ id, started }))
    // Both are over at the same ring of the same alarm: the run of the one, the wait of the other.
    const waits = watch(queue.execute('waits', { id: 'waits', waitTimeoutMs: 50 }))
    await clock.advance(50)
    expect(waits.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(gate.started).toEqual(['busy 0'])
    expect(ends).toHaveLength(2)
    expect(ends).toContainEqual({ id: 'waits', started: false })
  })
})

describe('F17: the total deadline', () => {
  test('F17: covers the time blocked, waiting and running together', async () => {
    const { clock, gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('before'))
    const caller = watch(queue.execute('all', { timeoutMs: 100 }))
    expect(queue.getStatus().blocked).toBe(1)
    await clock.advance(40)
    await gate.finish('busy 0')
    expect(queue.getStatus()).toMatchObject({ blocked: 0, waiting: 1 })
    await clock.advance(40)
    await gate.finish('before')
    expect(gate.call('all').run).toMatchObject({ enqueuedAt: 0, waitMs: 80, deadline: 100 })
    await clock.advance(19)
    expect(caller.state).toBe('pending')
    await clock.advance(1)
    expect(caller.error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 20, timeoutMs: 100, started: true })
    expect(gate.call('all').run.signal.reason).toBe(caller.error)
  })

  test.each(['waitTimeoutMs', 'timeoutMs'])(
    'F17: ends a caller who is blocked beyond it, and was never admitted: %s',
    async (kind) => {
      const { clock, gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
      watch(queue.execute('waits'))
      const callers = [watch(queue.execute('blocked', { [kind]: 30 })), watch(queue.submit('blocked', { [kind]: 30 }))]
      await clock.advance(30)
      for (const { error } of callers) {
        expect(error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 30, timeoutMs: 30, started: false })
      }
      expect(queue.getStatus()).toMatchObject({ blocked: 0, totals: { admitted: 2, rejected: 2, expired: 0 } })
      await gate.finishAll()
      expect(gate.started).toEqual(['busy 0', 'waits'])
    },
  )

  test('F17: and waitTimeoutMs covers the time blocked and waiting', async () => {
    const { clock, gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('before', { priority: 'high' }))
    const caller = watch(queue.execute('late', { waitTimeoutMs: 100 }))
    await clock.advance(40)
    await gate.finish('busy 0')
    expect(queue.getStatus()).toMatchObject({ blocked: 0, waiting: 1, running: 1 })
    await clock.advance(59)
    expect(caller.state).toBe('pending')
    await clock.advance(1)
    expect(caller.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 100, timeoutMs: 100 })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'before'])
  })

  test('F17: of a run counts when it is the earlier one, and the run’s when that is', async () => {
    const { clock, gate, queue } = gated({ concurrency: 2, runTimeoutMs: 50 })
    const total = watch(queue.execute('total', { timeoutMs: 30 }))
    const run = watch(queue.execute('run', { timeoutMs: 80 }))
    await turn()
    expect([gate.call('total').run.deadline, gate.call('run').run.deadline]).toEqual([30, 50])
    await clock.advance(30)
    expect([total.outcome, run.state]).toEqual(['TRIAGE_RUN_TIMEOUT', 'pending'])
    await clock.advance(20)
    expect(run.error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', timeoutMs: 50 })
    await clock.advance(100)
    expect(queue.getStatus().totals.expired).toBe(2)
  })
})

describe('F18: wall time that jumps', () => {
  const jumps: [string, number][] = [
    ['an hour back', -3_600_000],
    ['an hour on', 3_600_000],
    ['fifty years back', -50 * 365 * 86_400_000],
    ['fifty years on', 50 * 365 * 86_400_000],
    ['to no time at all', Number.NaN],
  ]

  test.each(jumps)('F18: moves no timeout and no duration: %s', async (_, jump) => {
    vi.useFakeTimers()
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, { concurrency: 1, runTimeoutMs: 5_000 })
    const runs = watch(queue.execute('runs'))
    const waits = watch(queue.execute('waits', { waitTimeoutMs: 1_000 }))
    await vi.advanceTimersByTimeAsync(500)
    const wall = Date.now()
    vi.spyOn(Date, 'now').mockImplementation(() => wall + jump)
    if (!Number.isNaN(jump)) vi.setSystemTime(wall + jump)
    await vi.advanceTimersByTimeAsync(499)
    expect(waits.state).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    expect(waits.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 1_000 })
    await vi.advanceTimersByTimeAsync(3_999)
    expect(runs.state).toBe('pending')
    await vi.advanceTimersByTimeAsync(1)
    expect(runs.error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 5_000 })
  })

  test.each(jumps.filter(([, jump]) => !(jump > 0)))(
    'F18: an injected clock made of it does no harm: %s',
    async (_, jump) => {
      const inner = new VirtualClock(1_000_000)
      let offset = 0
      const clock: Clock = {
        now: () => inner.now() + offset,
        setTimeout: (callback, delayMs) => {
          expect(delayMs).toBeGreaterThanOrEqual(0)
          return inner.setTimeout(callback, delayMs)
        },
        clearTimeout: (timer) => inner.clearTimeout(timer),
      }
      const gate = new Gate()
      const queue = new QueuedExecutor(gate.executor, {
        concurrency: 1,
        waitTimeoutMs: 1_000,
        runTimeoutMs: 10_000,
        clock,
      })
      watch(queue.execute('runs'))
      const before = watch(queue.execute('before the step'))
      await inner.advance(500)
      offset = jump
      const after = watch(queue.execute('after the step'))
      await inner.advance(500)
      expect(before.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
      await inner.advance(1_000)
      expect(after.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
      await gate.finishAll()
      const { wait, run } = queue.getStatus()
      for (const { averageMs, maxMs } of [wait, run]) {
        expect(averageMs).toBeGreaterThanOrEqual(0)
        expect(maxMs).toBeLessThanOrEqual(3_000)
      }
      await expect(Promise.race([queue.idle(), turn()])).resolves.toBeUndefined()
    },
  )

  test('F18: only differences count: a clock may count from below zero', async () => {
    const clock = new VirtualClock(-1_000_000_000)
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, {
      concurrency: 1,
      waitTimeoutMs: 1_000,
      runTimeoutMs: 5_000,
      clock,
    })
    const runs = watch(queue.execute('runs'))
    const waits = watch(queue.execute('waits'))
    await clock.advance(999)
    expect(gate.started).toEqual(['runs'])
    expect(waits.state).toBe('pending')
    await clock.advance(1)
    expect(waits.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    await clock.advance(4_000)
    expect(runs.error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 5_000 })
  })

  test('F18: a clock without an answer at the first question poisons nothing', async () => {
    const inner = new VirtualClock()
    let isReady = false
    const clock: Clock = {
      now: () => (isReady ? inner.now() : Number.NaN),
      setTimeout: (callback, delayMs) => inner.setTimeout(callback, delayMs),
      clearTimeout: (timer) => inner.clearTimeout(timer),
    }
    const { started, executor } = new Gate()
    const queue = new QueuedExecutor<string, unknown>((name, run) => (name === 'runs' ? executor(name, run) : name), {
      concurrency: 1,
      waitTimeoutMs: 1_000,
      clock,
    })
    await expect(queue.execute('early')).resolves.toBe('early')
    isReady = true
    watch(queue.execute('runs'))
    const waits = watch(queue.execute('waits'))
    await inner.advance(1_000)
    expect(started).toEqual(['runs'])
    expect(waits.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(queue.getStatus().wait.averageMs).toBeGreaterThanOrEqual(0)
  })
})

describe('F19: a machine that slept', () => {
  test('F19: fires each timeout once on waking, and starts nothing twice', async () => {
    const clock = new JumpingClock()
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, {
      concurrency: 2,
      runTimeoutMs: 10_000,
      waitTimeoutMs: 5_000,
      clock,
    })
    const ends = new Map<string, number>()
    queue.on('expired', ({ id }) => ends.set(id, (ends.get(id) ?? 0) + 1))
    const names = Array.from({ length: 20 }, (_, i) => `${i}`)
    const callers = names.map((name) => watch(queue.execute(name, { id: name })))
    await turn()
    clock.time += 3_600_000
    for (let i = 0; i < 5; i++) await clock.fire()
    expect(callers.map((caller) => caller.outcome)).toEqual([
      ...Array(2).fill('TRIAGE_RUN_TIMEOUT'),
      ...Array(18).fill('TRIAGE_WAIT_TIMEOUT'),
    ])
    expect([...ends.values()]).toEqual(Array(20).fill(1))
    expect(clock.mostTimers).toBe(1)
    await gate.finishAll()
    expect(gate.started).toEqual(['0', '1'])
    expect(clock.timers).toBe(0)
  })

  test('F19: does not time out what is submitted after it', async () => {
    const clock = new JumpingClock()
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, { concurrency: 1, waitTimeoutMs: 5_000, clock })
    watch(queue.execute('runs'))
    const before = watch(queue.execute('before'))
    await turn()
    clock.time += 3_600_000
    const after = watch(queue.execute('after'))
    await clock.fire()
    expect([before.outcome, after.state]).toEqual(['TRIAGE_WAIT_TIMEOUT', 'pending'])
    await clock.advanceTo(clock.time + 4_999)
    expect(after.state).toBe('pending')
    await clock.advanceTo(clock.time + 1)
    expect(after.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
  })
})

describe('F20: the timers of many requests', () => {
  test('F20: are one timer, however many requests and timeouts there are', async () => {
    const clock = new JumpingClock()
    const gate = new Gate()
    const queue = new QueuedExecutor(gate.executor, { concurrency: 100, maxQueueSize: 0, clock })
    const callers: Promise<unknown>[] = []
    for (let i = 0; i < 50_000; i++) {
      const scattered = 1_000 + ((i * 7_919) % 10_007)
      const options = { waitTimeoutMs: scattered, runTimeoutMs: 2 * scattered, timeoutMs: 3 * scattered }
      callers.push(queue.execute(`${i}`, options).catch((error) => error.code))
    }
    await turn()
    expect(clock.timers).toBe(1)
    await clock.advanceTo(100_000)
    const outcomes = await Promise.all(callers)
    expect(outcomes.filter((code) => code === 'TRIAGE_RUN_TIMEOUT')).toHaveLength(100)
    expect(outcomes.filter((code) => code === 'TRIAGE_WAIT_TIMEOUT')).toHaveLength(49_900)
    expect(clock.mostTimers).toBe(1)
  })

  test('F20: none is left when nothing is live, and none when all deadlines are off', async () => {
    const { clock, gate, queue } = gated({ concurrency: 4, waitTimeoutMs: 1_000, timeoutMs: 5_000 })
    const callers = Array.from({ length: 100 }, (_, i) => watch(queue.execute(`${i}`)))
    await gate.finishAll()
    expect(callers.every((caller) => caller.state === 'fulfilled')).toBe(true)
    expect(clock.timers).toBe(0)
  })
})

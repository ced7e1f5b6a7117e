/**
 * What users do in the middle of our steps: in listeners, in executors, in options.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type ExecutorEvent,
  QueuedExecutor,
  type QueuedExecutorOptions,
  QueueFullError,
  type RequestOptions,
  RequestQueue,
  WorkerPool,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { answerOf, busy, Gate, gated, lost, turn, watch } from './support.ts'

// Some start a process.
vi.setConfig({ testTimeout: 30_000 })

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** The events that requests bring about, and those of the whole that any of the storms below can bring about. */
const storms: ExecutorEvent[] = [
  'queued',
  'rejected',
  'blocked',
  'started',
  'completed',
  'failed',
  'expired',
  'cancelled',
  'shed',
  'full',
  'idle',
  'paused',
  'resumed',
  'stuck',
  'closed',
]

describe('F21: calls from inside a listener or the executor', () => {
  type Queue = QueuedExecutor<string, unknown>
  const actions: Record<string, (queue: Queue, id: string) => void> = {
    execute: (queue) => void watch(queue.execute('inner', { priority: 'urgent' })),
    submit: (queue) => void watch(queue.submit('inner', { priority: 'low' })),
    offer: (queue) => void queue.offer('inner', { priority: 'high' }),
    cancel: (queue, id) => void queue.cancel(id, 'by listener'),
    'cancel others': (queue) => {
      for (let i = 0; i < 24; i += 3) queue.cancel(`r${i}`, 'by listener')
    },
    'pause and resume': (queue) => void [queue.pause(), queue.resume()],
    pause: (queue) => void queue.pause(),
    'set concurrency': (queue) => {
      queue.concurrency = queue.concurrency === 2 ? 3 : 2
    },
    'set priority': (queue) => {
      for (let i = 0; i < 24; i += 2) queue.get(`r${i}`)?.setPriority(i % 4 === 0 ? 'urgent' : 'low')
    },
    'close with drain': (queue) => void watch(queue.close()),
    'close at once': (queue) => void watch(queue.close({ drain: false, graceMs: 5 })),
  }
  const modes: QueuedExecutorOptions['whenFull'][] = ['reject', 'block', 'shed']

  /** Two dozen requests of all kinds and priorities on two slots, with an action at every step; all must hold at all times. */
  async function storm(
    whenFull: QueuedExecutorOptions['whenFull'] & string,
    act: (queue: Queue, id: string) => void,
    where: ExecutorEvent | 'executor',
  ) {
    const clock = new VirtualClock()
    const limit = 3
    const maxQueueSize = 5
    let running = 0
    let actions = 0
    const wrongs = new Set<string>()
    const watched: ReturnType<typeof watch>[] = []
    const queue: Queue = new QueuedExecutor<string, unknown>(
      async (name, run) => {
        running++
        if (where === 'executor') react(name)
        look('executor')
        try {
          await clock.sleep(10 + ((Number(name.slice(1)) || 0) % 7))
          if (name.endsWith('5')) throw new Error(name)
          return run.id
        } finally {
          running--
        }
      },
      {
        concurrency: 2,
        maxQueueSize,
        maxBlocked: 10,
        whenFull,
        clock,
        runTimeoutMs: 14,
        onListenerError: (error) => wrongs.add(`listener error: ${error}`),
      },
    )
    let depth = 0
    const react = (id: string): void => {
      // A chain of reactions to reactions must end somewhere.
      if (depth >= 3 || actions >= 200) return
      depth++
      actions++
      act(queue, id)
      depth--
    }
    const look = (when: string): void => {
      const status = queue.getStatus()
      if (running > limit) wrongs.add(`${when}: ${running} run`)
      if (status.waiting > maxQueueSize || status.waiting < 0) wrongs.add(`${when}: ${status.waiting} wait`)
      if (status.blocked > 10) wrongs.add(`${when}: ${status.blocked} are blocked`)
      if (lost(status) !== 0) wrongs.add(`${when}: ${lost(status)} lost`)
    }
    for (const event of storms) {
      queue.on(event, (payload) => {
        if (event === where) react('id' in payload && payload.id !== undefined ? payload.id : 'r0')
        look(event)
      })
    }
    const priorities = ['low', 'normal', 'high', 'urgent'] as const
    for (let i = 0; i < 24; i++) {
      const options: RequestOptions = { id: `r${i}`, priority: priorities[(i * 7) % 4] as 'low' }
      if (i % 6 === 0) options.waitTimeoutMs = 15
      watched.push(i % 4 === 1 ? watch(queue.submit(`r${i}`, options)) : watch(queue.execute(`r${i}`, options)))
      if (i % 8 === 7) await clock.advance(12)
    }
    await clock.advance(50)
    queue.resume()
    await clock.advance(1_000)
    queue.resume()
    const closed = watch(queue.close({ graceMs: 10_000 }))
    await clock.advance(20_000)
    return { wrong: [...wrongs], queue, watched, closed, actions }
  }

  const cases = Object.keys(actions).flatMap((action) => modes.map((mode) => [action, mode as 'reject'] as const))

  test.each(cases)(
    'F21: %s (%s), at every step: the bounds hold, all settle, nothing is lost',
    async (action, whenFull) => {
      let acted = 0
      const problems: string[] = []
      for (const where of [...storms, 'executor'] as const) {
        const { wrong, queue, watched, closed, actions: times } = await storm(whenFull, actions[action] as never, where)
        acted += times
        const { state, waiting, running, blocked, activeWorkers } = queue.getStatus()
        const pending = watched.filter((caller) => caller.state === 'pending').length
        if (pending > 0) wrong.push(`${pending} callers were never answered`)
        if (closed.state !== 'fulfilled' || state !== 'closed') wrong.push(`it is ${state}`)
        if (waiting + running + blocked + activeWorkers > 0)
          wrong.push(`${[waiting, running, blocked, activeWorkers]} are left`)
        problems.push(...wrong.map((problem) => `acting at ${where}: ${problem}`))
      }
      expect(problems).toEqual([])
      expect(acted).toBeGreaterThan(0)
    },
  )

  test('F21: at limit 1, requests made in listeners and in the executor run one after another', async () => {
    const gate = new Gate()
    const queue: Queue = new QueuedExecutor<string, unknown>(
      (name, run) => {
        if (name.length < 3) watch(queue.execute(`${name}x`))
        return gate.executor(name, run)
      },
      { concurrency: 1 },
    )
    queue.on('started', ({ metadata }) => metadata === 'first' && watch(queue.execute('l')))
    queue.on('completed', ({ metadata }) => metadata === 'first' && watch(queue.execute('m', { priority: 'urgent' })))
    watch(queue.execute('a', { metadata: 'first' }))
    await gate.finishAll()
    expect(gate.mostRunning).toBe(1)
    expect(gate.started).toEqual(['a', 'm', 'l', 'ax', 'mx', 'lx', 'axx', 'mxx', 'lxx'])
  })

  test('F21: a request that a listener cancels on its way to its slot is not announced as started', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const told: string[] = []
    for (const event of ['started', 'cancelled', 'completed'] as const)
      queue.on(event, ({ id }) => told.push(`${event} ${id}`))
    const next = watch(queue.execute('next', { id: 'next' }))
    watch(queue.execute('blocked', { id: 'blocked' }))
    // Its start makes room for the blocked one, and the listener of that admission cancels it.
    queue.once('queued', () => queue.cancel('next'))
    await gate.finish('busy 0')
    expect(next.outcome).toBe('TRIAGE_CANCELLED')
    expect(told).toEqual([expect.stringMatching(/^completed /), 'cancelled next', 'started blocked'])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'blocked'])
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('F21: a request that is cancelled in its own started event never runs, and the slot goes on', async () => {
    const { gate, queue } = gated()
    queue.on('started', ({ id }) => {
      if (id === 'no') queue.cancel('no')
    })
    const no = watch(queue.execute('no', { id: 'no' }))
    const yes = watch(queue.execute('yes', { id: 'yes' }))
    await gate.finishAll()
    expect([no.outcome, yes.value]).toEqual(['TRIAGE_CANCELLED', 'yes'])
    expect(gate.started).toEqual(['yes'])
  })
})

describe('F22: a listener that throws', () => {
  const hostile: [string, () => unknown][] = [
    ['an error', () => new Error('listener')],
    ['undefined', () => undefined],
    ['a symbol', () => Symbol('listener')],
    ['an object without a prototype', () => Object.create(null)],
    [
      'an error whose stack throws',
      () => Object.defineProperty(new Error('x'), 'stack', { get: () => raise('stack') }),
    ],
    [
      'a proxy that throws at every touch',
      () => new Proxy({}, { get: () => raise('get'), getPrototypeOf: () => raise('proto') }),
    ],
  ]

  function raise(value: unknown): never {
    throw value
  }

  test.each(hostile)('F22: is isolated, and changes no outcome: %s', async (_, thrown) => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { clock, gate, queue } = gated({ maxQueueSize: 2, whenFull: 'shed', runTimeoutMs: 1_000 })
    const told = new Set<string>()
    for (const event of storms) {
      queue.on(event, () => raise(thrown()))
      queue.on(event, () => told.add(event))
    }
    const abort = new AbortController()
    const callers = {
      completed: watch(queue.execute('completed')),
      cancelled: watch(queue.execute('cancelled', { signal: abort.signal })),
      shed: watch(queue.execute('shed', { priority: 'low' })),
      expired: watch(queue.execute('expired', { priority: 'high', runTimeoutMs: 10 })),
      rejected: watch(queue.execute('rejected', { priority: 'low' })),
    }
    abort.abort('gone')
    queue.pause()
    queue.resume()
    await gate.finishAll()
    const failed = watch(queue.execute('failed'))
    await turn()
    await gate.fail('failed', 'broken')
    watch(queue.execute('hung', { runTimeoutMs: 10 }))
    await clock.advance(10)
    await gate.finishAll()
    const closed = watch(queue.close())
    await turn()
    expect(Object.values(callers).map((caller) => caller.outcome)).toEqual([
      'fulfilled',
      'gone',
      'TRIAGE_SHED',
      'fulfilled',
      'TRIAGE_QUEUE_FULL',
    ])
    expect([failed.outcome, closed.state]).toEqual(['broken', 'fulfilled'])
    expect([...told].sort()).toEqual(storms.filter((event) => event !== 'blocked').sort())
    expect(queue.getStatus().listenerErrors).toBeGreaterThanOrEqual(told.size)
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('F22: is reported to onListenerError with its event, and counted', async () => {
    const reported: unknown[] = []
    const queue = new QueuedExecutor((n: number) => n, {
      onListenerError: (error, event) => reported.push([error, event]),
    })
    const error = new Error('listener')
    queue.on('completed', () => raise(error))
    queue.on('queued', () => raise(undefined))
    await expect(queue.execute(1)).resolves.toBe(1)
    expect(reported).toEqual([
      [undefined, 'queued'],
      [error, 'completed'],
    ])
    expect(queue.getStatus().listenerErrors).toBe(2)
  })

  test('F22: does no harm when the one that it is reported to throws as well', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const queue = new QueuedExecutor((n: number) => n, { onListenerError: () => raise(new Error('second')) })
    queue.on('completed', () => raise(new Error('first')))
    await expect(queue.execute(1)).resolves.toBe(1)
    expect(emitWarning.mock.calls).toEqual([
      [expect.stringContaining('second'), expect.objectContaining({ code: 'TRIAGE_LISTENER_ERROR' })],
    ])
  })

  test('F22: leaves the process alive, with a warning of its own code', async () => {
    const seen = await answerOf('listener-throws')
    expect(seen).toEqual({
      uncaught: 0,
      unhandled: 0,
      answers: 1_000,
      listenerErrors: 5_000,
      codes: ['TRIAGE_LISTENER_ERROR'],
      // The 1st, 2nd, 4th, 8th … error: not a flood.
      warnings: 13,
    })
  })
})

describe('F23: listeners that change during an event', () => {
  test('F23: the event is told to those who listened when it began', async () => {
    const { gate, queue } = gated()
    const told: string[] = []
    const second = (): void => void told.push('second')
    const late = (): void => void told.push('late')
    queue.on('completed', () => {
      told.push('first')
      queue.off('completed', second)
      queue.on('completed', late)
    })
    queue.on('completed', second)
    watch(queue.execute('a'))
    await gate.finishAll()
    expect(told).toEqual(['first', 'second'])
    watch(queue.execute('b'))
    await gate.finishAll()
    expect(told).toEqual(['first', 'second', 'first', 'late'])
  })

  test('F23: once means once, also when the event comes again from inside', async () => {
    const { gate, queue } = await busy()
    let times = 0
    const once = (): void => {
      times++
      watch(queue.execute(`again ${times}`))
    }
    queue.once('queued', once)
    watch(queue.execute('a'))
    watch(queue.execute('b'))
    expect(times).toBe(1)
    queue.once('completed', once)
    queue.off('completed', once)
    await gate.finishAll()
    expect(times).toBe(1)
    expect(gate.started).toEqual(['busy 0', 'a', 'again 1', 'b'])
  })
})

describe('F24: an asynchronous listener that rejects', () => {
  test('F24: is caught and reported; no rejection is unhandled', async () => {
    const reported: unknown[] = []
    const unhandled: unknown[] = []
    const note = (error: unknown): void => void unhandled.push(error)
    process.on('unhandledRejection', note)
    const queue = new QueuedExecutor((n: number) => n, {
      onListenerError: (error, event) => reported.push([error, event]),
    })
    queue.on('completed', async () => {
      await null
      throw new Error('late')
    })
    // biome-ignore lint/suspicious/noThenProperty: a thenable, as some promise libraries return
    queue.on('started', () => ({ then: (_: unknown, reject: (error: unknown) => void) => reject('thenable') }))
    await expect(queue.execute(1)).resolves.toBe(1)
    await turn()
    await turn()
    process.off('unhandledRejection', note)
    expect(reported).toEqual([
      ['thenable', 'started'],
      [new Error('late'), 'completed'],
    ])
    expect(unhandled).toEqual([])
    expect(queue.getStatus().listenerErrors).toBe(2)
  })

  test('F24: nor is one when onListenerError itself is asynchronous and rejects', async () => {
    expect(await answerOf('reporter-rejects')).toEqual({ unhandled: 0, answer: 'answer' })
  })
})

describe('F25: deep recursion', () => {
  test('F25: 100,000 synchronous runs end without a stack overflow', async () => {
    const queue = new QueuedExecutor((n: number) => n, { concurrency: 1, maxQueueSize: 0 })
    const answers = await Promise.all(Array.from({ length: 100_000 }, (_, n) => queue.execute(n)))
    expect(answers.every((answer, n) => answer === n)).toBe(true)
  })

  test('F25: nor when each run’s end submits the next, 100,000 times', async () => {
    const queue: QueuedExecutor<number, number> = new QueuedExecutor((n: number) => n, { concurrency: 1 })
    queue.on('completed', ({ metadata }) => {
      const n = metadata as number
      if (n < 100_000) watch(queue.execute(n + 1, { metadata: n + 1 }))
    })
    watch(queue.execute(1, { metadata: 1 }))
    await queue.idle()
    expect(queue.getStatus()).toMatchObject({ listenerErrors: 0, totals: { completed: 100_000 } })
  })

  test('F25: nor when each cancelled request’s listener cancels the next, 20,000 times', async () => {
    const reported = new Set<unknown>()
    const { gate, queue } = await busy({ maxQueueSize: 0, onListenerError: (error) => reported.add(String(error)) })
    const handles = Array.from({ length: 20_000 }, (_, i) => queue.offer(`${i}`))
    let next = 0
    queue.on('cancelled', () => handles[++next]?.cancel())
    handles[0]?.cancel()
    await turn()
    expect([...reported]).toEqual([])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { cancelled: 20_000 } })
    await gate.finishAll()
    expect(lost(queue.getStatus())).toBe(0)
  })
})

describe('F26: runs that need no other turn of the event loop', () => {
  const executors: [string, (n: number) => number | Promise<number>][] = [
    ['synchronous', (n) => n],
    ['asynchronous in name', async (n) => n],
  ]

  test.each(executors)('F26: 300,000 of them leave turns to others: %s', async (_, executor) => {
    const queue = new QueuedExecutor(executor, { concurrency: 4, maxQueueSize: 0 })
    let turns = 0
    let isDone = false
    const count = (): void => {
      turns++
      if (!isDone) setImmediate(count)
    }
    const runs = Array.from({ length: 300_000 }, (_, n) => queue.execute(n))
    setImmediate(count)
    await Promise.all(runs)
    const turnsMeanwhile = turns
    isDone = true
    // On any machine, so many runs take several times as long as one may keep the loop to itself.
    expect(turnsMeanwhile).toBeGreaterThanOrEqual(3)
  })

  test.each(executors)(
    'F26: and where the timers are fake, they need not be advanced for that: %s',
    async (_, executor) => {
      vi.useFakeTimers()
      const queue = new QueuedExecutor(executor, { concurrency: 4, maxQueueSize: 0 })
      const all = watch(Promise.all(Array.from({ length: 50_000 }, (_, n) => queue.execute(n))))
      for (let i = 0; i < 100 && all.state === 'pending'; i++) await turn()
      expect(all.state).toBe('fulfilled')
    },
  )
})

describe('F27: the AsyncLocalStorage context', () => {
  const context = new AsyncLocalStorage<string>()

  test('F27: of the executor and of the listeners is the submitter’s, not the finisher’s', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const queue = new QueuedExecutor<string, string>(
      async (name, run) => {
        seen.push(`runs ${name} in ${context.getStore()}`)
        await clock.sleep(10)
        seen.push(`ends ${name} in ${context.getStore()}`)
        if (name === 'C') run.signal.throwIfAborted()
        return name
      },
      { concurrency: 1, maxQueueSize: 1, whenFull: 'block', clock },
    )
    for (const event of ['queued', 'started', 'completed', 'expired', 'blocked'] as const) {
      queue.on(event, ({ metadata }) => seen.push(`${event} ${metadata} in ${context.getStore()}`))
    }
    for (const name of ['A', 'B', 'C']) {
      context.run(
        name,
        () => void watch(queue.execute(name, { metadata: name, ...(name === 'B' ? { timeoutMs: 15 } : {}) })),
      )
    }
    await context.run('the one who turns the clock', () => clock.run())
    expect(seen.filter((line) => !/(\w) in \1$/.test(line))).toEqual([])
    expect(seen).toContain('blocked C in C')
    expect(seen).toContain('expired B in B')
    expect(seen).toContain('completed C in C')
    expect(seen).toHaveLength(16)
  })

  test('F27: is none where the submitter had none, whoever finished before', async () => {
    const seen: unknown[] = []
    const gate = new Gate()
    const queue = new QueuedExecutor<string, unknown>(
      (name, run) => {
        seen.push(context.getStore())
        return gate.executor(name, run)
      },
      { concurrency: 1 },
    )
    context.run('first', () => void watch(queue.execute('a')))
    watch(queue.execute('b'))
    context.run('third', () => void watch(queue.execute('c')))
    watch(queue.execute('d'))
    await gate.finishAll()
    expect(seen).toEqual(['first', undefined, 'third', undefined])
  })

  test('F27: is not what an earlier run has entered and left behind', async () => {
    const seen: unknown[] = []
    const queue = new QueuedExecutor<string, string>(
      (name) => {
        seen.push(context.getStore())
        context.enterWith(`left behind by ${name}`)
        return name === 'b' ? name : new Promise((resolve) => setImmediate(resolve, name))
      },
      { concurrency: 1 },
    )
    queue.on('completed', () => seen.push(context.getStore()))
    await Promise.all([...'abcd'].map((name) => watch(queue.execute(name)).done))
    expect(seen).toEqual(Array(8).fill(undefined))
    expect(context.getStore()).toBeUndefined()
  })

  test('F27: of a request that a run submits is that run’s', async () => {
    const seen: unknown[] = []
    const queue: QueuedExecutor<string, unknown> = new QueuedExecutor<string, unknown>(
      (name) => {
        seen.push(`${name} in ${context.getStore()}`)
        return name === 'outer' ? context.run('inner', () => void watch(queue.execute('inner'))) : name
      },
      { concurrency: 2 },
    )
    context.run('outer', () => void watch(queue.execute('outer')))
    await queue.idle()
    expect(seen).toEqual(['outer in outer', 'inner in inner'])
  })
})

describe('F28: options that change after they were given', () => {
  test('F28: those of a request are as they were when it was submitted', async () => {
    const { clock, gate, queue } = await busy()
    const options: RequestOptions = { priority: 'low', id: 'mine', waitTimeoutMs: 1_000 }
    const first = watch(queue.execute('first', options))
    Object.assign(options, { priority: 'urgent', id: 'other', waitTimeoutMs: 1, timeoutMs: 1 })
    const second = watch(queue.execute('second', { priority: 'normal' }))
    expect([queue.get('mine')?.priority, queue.get('other')]).toEqual(['low', undefined])
    await clock.advance(10)
    await gate.finish('busy 0')
    await gate.finish('second')
    await clock.advance(100)
    await gate.finish('first')
    expect([first.value, second.value]).toEqual(['first', 'second'])
    expect(gate.started).toEqual(['busy 0', 'second', 'first'])
  })

  test('F28: those of an executor are as they were when it was made', async () => {
    const maxQueueSize = { total: 2, low: 1 }
    const waitTimeoutMs = { default: 100, low: 50 }
    const options = {
      concurrency: 1,
      maxQueueSize,
      waitTimeoutMs,
      whenFull: 'reject' as QueuedExecutorOptions['whenFull'],
    }
    const { clock, queue } = await busy(options as QueuedExecutorOptions<string>)
    Object.assign(maxQueueSize, { total: 1_000, low: 1_000 })
    Object.assign(waitTimeoutMs, { default: 1, low: 1 })
    Object.assign(options, { concurrency: 1_000, whenFull: 'shed' })
    const callers = ['low', 'low', 'normal', 'normal'].map((priority) => {
      return watch(queue.execute(priority, { priority: priority as 'low' }))
    })
    await clock.advance(49)
    expect(callers.map((caller) => caller.outcome)).toEqual([
      'pending',
      'TRIAGE_QUEUE_FULL',
      'pending',
      'TRIAGE_QUEUE_FULL',
    ])
    await clock.advance(1)
    expect(callers[0]?.outcome).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(queue.concurrency).toBe(1)
  })
})

describe('F29: options that throw when they are read', () => {
  const names = ['priority', 'id', 'signal', 'waitTimeoutMs', 'runTimeoutMs', 'timeoutMs', 'metadata'] as const
  const error = new Error('getter')
  const throwing = (name: string): RequestOptions => {
    return Object.defineProperty({ priority: 'high', id: 'x' }, name, {
      get: () => {
        throw error
      },
    }) as RequestOptions
  }
  const proxy = new Proxy({} as RequestOptions, {
    get: () => {
      throw error
    },
  })

  test.each([...names.map((name) => [name, throwing(name)] as const), ['any, of a proxy', proxy] as const])(
    'F29: refuse the request, and nothing has changed: %s',
    async (_, options) => {
      const { clock, gate, queue } = gated()
      const [execute, submit] = [watch(queue.execute('x', options)), watch(queue.submit('x', options))]
      expect(() => queue.offer('x', options)).toThrow(error)
      await turn()
      expect([execute.error, submit.error]).toEqual([error, error])
      expect(gate.started).toEqual([])
      expect(queue.get('x')).toBeUndefined()
      expect(clock.timers).toBe(0)
      expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, blocked: 0, totals: { admitted: 0 } })
    },
  )

  const unfit: [string, unknown][] = [
    ['null', null],
    ['a string', 'urgent'],
    ['a signal without its methods', { signal: { aborted: false } }],
    [
      'a signal that throws when it is asked',
      {
        signal: new Proxy(new AbortController().signal, {
          get: () => {
            throw error
          },
        }),
      },
    ],
    ['an id that is empty', { id: '' }],
    ['an id that is a number', { id: 7 }],
  ]

  test.each(unfit)('F29: so do options that are none: %s', async (_, options) => {
    const { gate, queue } = gated()
    const callers = [watch(queue.execute('x', options as never)), watch(queue.submit('x', options as never))]
    expect(() => queue.offer('x', options as never)).toThrow()
    await turn()
    for (const { state } of callers) expect(state).toBe('rejected')
    expect(gate.started).toEqual([])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0 } })
  })

  test('F29: a signal that can’t be listened to refuses the request, and nothing has changed', async () => {
    const signal = {
      aborted: false,
      addEventListener: () => {
        throw error
      },
      removeEventListener: () => {},
    } as unknown as AbortSignal
    const { clock, gate, queue } = gated()
    let execute: ReturnType<typeof watch> | undefined
    // It is never a synchronous throw: what goes wrong goes wrong through the promise.
    expect(() => {
      execute = watch(queue.execute('x', { signal, id: 'x' }))
    }).not.toThrow()
    await turn()
    expect(execute?.error).toBe(error)
    expect(gate.started).toEqual([])
    expect(queue.get('x')).toBeUndefined()
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0 } })
    expect(clock.timers).toBe(0)
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('F29: those of an executor leave no executor behind', () => {
    for (const name of ['concurrency', 'maxQueueSize', 'clock', 'order']) {
      const options = Object.defineProperty({}, name, {
        enumerable: true,
        get: () => {
          throw error
        },
      })
      expect(() => new QueuedExecutor(() => 0, options)).toThrow(error)
    }
  })

  test('F29: those of a pool’s run() reject, and take no slot', async () => {
    const gate = new Gate()
    const pool = new WorkerPool(gate.executor, { concurrency: 1 })
    let run: ReturnType<typeof watch> | undefined
    expect(() => {
      run = watch(pool.run('x', proxy as never))
    }).not.toThrow()
    await turn()
    expect(run?.error).toBe(error)
    expect([pool.active, pool.free, gate.started]).toEqual([0, 1, []])
  })

  test('F29: an order policy that throws leaves a queue used on its own as it was', () => {
    let throws = false
    const rank = ({ sequence }: { sequence: number }): number => {
      if (throws) throw error
      return sequence
    }
    const queue = new RequestQueue<string>({ order: { name: 'throws', acrossTiers: false, rank } })
    const ticket = queue.enqueue('waits')
    throws = true
    expect(() => queue.enqueue('x')).toThrow(error)
    expect(() => queue.setPriority(ticket, 'high')).toThrow(error)
    throws = false
    const { size, sizes, enqueued } = queue.getStatus()
    expect({ size, sizes, enqueued }).toEqual({
      size: 1,
      sizes: { urgent: 0, high: 0, normal: 1, low: 0 },
      enqueued: 1,
    })
    expect([queue.position(ticket), ticket.priority]).toEqual([0, 'normal'])
    expect([queue.dequeue(), queue.dequeue()]).toEqual(['waits', undefined])
  })

  test('F29: an order policy that throws at a new priority leaves the request where it was', async () => {
    let throws = false
    const rank = ({ sequence }: { sequence: number }): number => {
      if (throws) throw error
      return sequence
    }
    const { gate, queue } = await busy({ order: { name: 'throws', acrossTiers: false, rank } })
    const handle = queue.offer('waits')
    throws = true
    expect(() => handle?.setPriority('high')).toThrow(error)
    throws = false
    expect([handle?.priority, handle?.state, handle?.position()]).toEqual(['normal', 'waiting', 0])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, waitingByPriority: { high: 0, normal: 1 } })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'waits'])
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('F29: those of close() reject, and close nothing', async () => {
    const { gate, queue } = gated()
    for (const options of [
      null,
      'now',
      Object.defineProperty({}, 'drain', {
        get: () => {
          throw error
        },
      }),
    ]) {
      let closed: ReturnType<typeof watch> | undefined
      expect(() => {
        closed = watch(queue.close(options as never))
      }).not.toThrow()
      await turn()
      expect(closed?.state).toBe('rejected')
    }
    expect(queue.getStatus().state).toBe('open')
    const caller = watch(queue.execute('still open'))
    await gate.finishAll()
    expect(caller.state).toBe('fulfilled')
  })

  test('F29: an order policy that throws refuses the request, and nothing has changed', async () => {
    let throws = true
    const rank = ({ sequence }: { sequence: number }): number => {
      if (throws) throw error
      return sequence
    }
    const { gate, queue } = gated({ order: { name: 'throws', acrossTiers: false, rank } })
    let execute: ReturnType<typeof watch> | undefined
    expect(() => {
      execute = watch(queue.execute('x'))
    }).not.toThrow()
    await turn()
    expect(execute?.error).toBe(error)
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0 } })
    throws = false
    const next = watch(queue.execute('next'))
    await gate.finishAll()
    expect(next.value).toBe('next')
    expect(gate.started).toEqual(['next'])
  })
})

test('F22 and F34: QueueFullError of a listener’s own request reaches that request only', async () => {
  const { gate, queue } = await busy({ maxQueueSize: 1 })
  const inner: ReturnType<typeof watch>[] = []
  queue.on('queued', () => inner.push(watch(queue.execute('inner'))))
  const outer = watch(queue.execute('outer'))
  await turn()
  expect(inner[0]?.error).toBeInstanceOf(QueueFullError)
  await gate.finishAll()
  expect(outer.value).toBe('outer')
  expect(gate.started).toEqual(['busy 0', 'outer'])
})

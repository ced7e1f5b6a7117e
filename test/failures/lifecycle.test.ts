/**
 * Closing, pausing, resizing; and what the process sees of it: exits, signals, rejections, memory.
 */
import { QueuedExecutor, RequestQueue, type StandardSchema, WorkerPool } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test, vi } from 'vitest'
import { answerOf, busy, Gate, gated, lost, runFixture, turn, watch } from './support.ts'

// Some start a process.
vi.setConfig({ testTimeout: 30_000 })

describe('F43: closing twice', () => {
  test('F43: is closing once: all who asked are told together, when nothing runs any more', async () => {
    const { gate, queue } = await busy()
    let closed = 0
    queue.on('closed', () => closed++)
    const waits = watch(queue.execute('waits'))
    const order: string[] = []
    const asked = [queue.close(), queue.drain(), queue.close({ drain: true }), queue[Symbol.asyncDispose]()]
    const told = asked.map((promise, i) => watch(promise.then(() => order.push(`${i}`))))
    await gate.finish('busy 0')
    expect(told.map((one) => one.state)).toEqual(Array(4).fill('pending'))
    await gate.finish('waits')
    expect(waits.value).toBe('waits')
    expect(order).toEqual(['0', '1', '2', '3'])
    await expect(queue.close()).resolves.toBeUndefined()
    await expect(queue.close({ drain: false, graceMs: 0 })).resolves.toBeUndefined()
    expect(closed).toBe(1)
    expect(queue.getStatus().state).toBe('closed')
  })

  test('F43: a second call may ask for less patience, never for more', async () => {
    const { clock, gate, queue } = await busy()
    const waits = watch(queue.execute('waits'))
    const patient = watch(queue.close())
    const lessPatient = watch(queue.close({ graceMs: 10_000 }))
    const hasty = watch(queue.close({ graceMs: 100 }))
    const morePatient = watch(queue.close({ graceMs: 50_000 }))
    await clock.advance(99)
    expect(waits.state).toBe('pending')
    await clock.advance(1)
    expect(waits.outcome).toBe('TRIAGE_CANCELLED')
    expect(gate.call('busy 0').run.signal.aborted).toBe(true)
    for (const { state } of [patient, lessPatient, hasty, morePatient]) expect(state).toBe('fulfilled')
    expect(clock.timers).toBe(0)
  })

  test('F43: with drain and then without cancels what still waits', async () => {
    const { gate, queue, blockers } = await busy()
    const waits = watch(queue.execute('waits'))
    const closed = watch(queue.close())
    await turn()
    expect(waits.state).toBe('pending')
    watch(queue.close({ drain: false }))
    await turn()
    expect([waits.outcome, blockers[0]?.state, closed.state]).toEqual(['TRIAGE_CANCELLED', 'pending', 'pending'])
    await gate.finishAll()
    expect([blockers[0]?.value, closed.state]).toEqual(['busy 0', 'fulfilled'])
  })
})

describe('F44: close() awaited inside the executor', () => {
  type Step = (queue: QueuedExecutor<string, unknown>) => unknown

  /** Requests named `closes…` do a step; all others are settled by the test. */
  function closing(step: Step, concurrency: number) {
    const clock = new VirtualClock()
    const gate = new Gate()
    const log: string[] = []
    const queue: QueuedExecutor<string, unknown> = new QueuedExecutor<string, unknown>(
      async (name, run) => {
        if (!name.startsWith('closes')) return gate.executor(name, run)
        log.push(`${name}: asks`)
        await step(queue)
        log.push(`${name}: told`)
        return name
      },
      { concurrency, clock },
    )
    return { clock, gate, queue, log }
  }

  test.each([1, 2])('F44: does not wait for its own run (limit %i)', async (concurrency) => {
    const { gate, queue, log } = closing((queue) => queue.close(), concurrency)
    const closes = watch(queue.execute('closes'))
    await turn()
    await gate.finishAll()
    expect(log).toEqual(['closes: asks', 'closes: told'])
    expect(closes.value).toBe('closes')
    const outside = watch(queue.close())
    await turn()
    expect(outside.state).toBe('fulfilled')
    expect(queue.getStatus().state).toBe('closed')
  })

  test('F44: waits for the other runs', async () => {
    const { gate, queue, log } = closing((queue) => queue.drain(), 2)
    watch(queue.execute('other'))
    watch(queue.execute('closes'))
    await turn()
    expect(log).toEqual(['closes: asks'])
    await gate.finish('other')
    expect(log).toEqual(['closes: asks', 'closes: told'])
    expect(queue.getStatus().state).toBe('closed')
  })

  test('F44: does not deadlock with what waits for its slot', async () => {
    const { clock, gate, queue, log } = closing((queue) => queue.close(), 1)
    const closes = watch(queue.execute('closes'))
    const waits = watch(queue.execute('waits'))
    await clock.advance(1_000)
    await gate.finishAll()
    // Long before any timeout: the run goes on, and what was admitted is finished after it.
    expect(log).toEqual(['closes: asks', 'closes: told'])
    expect([closes.value, waits.value]).toEqual(['closes', 'waits'])
    expect(queue.getStatus().state).toBe('closed')
  })

  test('F44: of two runs at once does not make them wait for each other', async () => {
    const { queue, log } = closing((queue) => queue.close(), 2)
    const callers = ['closes 1', 'closes 2'].map((name) => watch(queue.execute(name)))
    await turn()
    expect(log).toHaveLength(4)
    expect(callers.map((caller) => caller.state)).toEqual(['fulfilled', 'fulfilled'])
    expect(queue.getStatus().state).toBe('closed')
  })

  test('F44: and asked for twice still waits for the other runs', async () => {
    const { gate, queue, log } = closing((queue) => Promise.all([queue.close(), queue.drain()]), 2)
    watch(queue.execute('other'))
    watch(queue.execute('closes'))
    await turn()
    expect(log).toEqual(['closes: asks'])
    await gate.finishAll()
    expect(log).toEqual(['closes: asks', 'closes: told'])
  })

  test.each(['handed to the outside', 'from a task that outlives the run'])(
    'F44: but not awaited there, it waits for all runs: %s',
    async (how) => {
      let closed: ReturnType<typeof watch> | undefined
      let later: (() => void) | undefined
      const step: Step = (queue) => {
        if (how === 'handed to the outside') closed = watch(queue.close())
        else new Promise<void>((resolve) => (later = resolve)).then(() => (closed = watch(queue.close())))
      }
      const { gate, queue } = closing(step, 2)
      watch(queue.execute('other'))
      const closes = watch(queue.execute('closes'))
      await turn()
      later?.()
      await turn()
      expect(closes.state).toBe('fulfilled')
      expect(gate.running).toBe(1)
      expect(closed?.state).toBe('pending')
      await gate.finishAll()
      expect(closed?.state).toBe('fulfilled')
    },
  )

  test('F44: of another queue’s executor waits as it should', async () => {
    const inner = await busy()
    const outer = new QueuedExecutor(() => inner.queue.close(), { concurrency: 1 })
    const closes = watch(outer.execute('closes the inner one'))
    await turn()
    expect(closes.state).toBe('pending')
    await inner.gate.finishAll()
    expect(closes.state).toBe('fulfilled')
  })
})

describe('F45: closing with blocked callers', () => {
  test('F45: refuses them at once, and everyone who waits for room', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const waits = watch(queue.execute('waits'))
    const blocked = [watch(queue.execute('b')), watch(queue.submit('c')), watch(queue.ready())]
    blocked.push(watch(queue.map(['d']).next()))
    await turn()
    const closed = watch(queue.close())
    await turn()
    expect(blocked.map((caller) => caller.outcome)).toEqual(Array(4).fill('TRIAGE_QUEUE_CLOSED'))
    expect([waits.state, closed.state]).toEqual(['pending', 'pending'])
    expect(queue.getStatus()).toMatchObject({ state: 'closing', blocked: 0, waiting: 1, running: 1 })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'waits'])
    expect(closed.state).toBe('fulfilled')
  })

  test('F45: answers a caller whose asynchronous schema never does', async () => {
    const schema: StandardSchema<string> = {
      '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => {}) },
    }
    const { queue } = gated({ schema })
    const checked = [watch(queue.execute('a')), watch(queue.submit('b'))]
    await turn()
    const closed = watch(queue.close({ graceMs: 0 }))
    await turn()
    expect(closed.state).toBe('fulfilled')
    expect(checked.map((caller) => caller.outcome)).toEqual(['TRIAGE_QUEUE_CLOSED', 'TRIAGE_QUEUE_CLOSED'])
  })
})

describe('F46: closing while paused', () => {
  test('F46: resumes, finishes what was admitted, and settles', async () => {
    const { gate, queue } = gated()
    queue.pause()
    const waits = watch(queue.execute('waits'))
    const closed = watch(queue.close())
    queue.pause()
    await turn()
    expect(queue.getStatus().state).toBe('closing')
    await gate.finishAll()
    expect([waits.value, closed.state]).toEqual(['waits', 'fulfilled'])
  })

  test('F46: without drain starts nothing, and settles', async () => {
    const { gate, queue } = gated()
    queue.pause()
    const waits = watch(queue.execute('waits'))
    const closed = watch(queue.close({ drain: false }))
    await turn()
    expect([waits.outcome, closed.state]).toEqual(['TRIAGE_CANCELLED', 'fulfilled'])
    expect(gate.started).toEqual([])
  })

  test('F46: an idle one settles as well', async () => {
    const { queue } = gated()
    queue.pause()
    await expect(queue.close()).resolves.toBeUndefined()
    expect(queue.getStatus().state).toBe('closed')
  })
})

describe('F47: closing with a call that hangs', () => {
  test('F47: aborts it after graceMs, and cancels everyone who still waits for an answer', async () => {
    const { clock, gate, queue, blockers } = await busy({ runTimeoutMs: Number.POSITIVE_INFINITY })
    const waits = watch(queue.execute('waits'))
    const handle = queue.get(gate.call('busy 0').run.id)
    const closed = watch(queue.close({ graceMs: 500 }))
    await clock.advance(499)
    expect([blockers[0]?.state, waits.state, closed.state]).toEqual(['pending', 'pending', 'pending'])
    await clock.advance(1)
    expect(blockers[0]?.error).toMatchObject({ code: 'TRIAGE_CANCELLED', started: true })
    expect(waits.error).toMatchObject({ code: 'TRIAGE_CANCELLED', started: false })
    expect(gate.call('busy 0').run.signal.reason).toBe(blockers[0]?.error)
    expect(closed.state).toBe('fulfilled')
    expect(handle?.state).toBe('cancelled')
    expect(clock.timers).toBe(0)
    // What it answers in the end changes nothing, and tells nobody anything.
    const told: string[] = []
    for (const event of ['completed', 'closed', 'cancelled'] as const) queue.on(event, () => told.push(event))
    await gate.finishAll()
    expect(told).toEqual([])
    expect(gate.started).toEqual(['busy 0'])
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('F47: waits for it without graceMs, until its run timeout has shown that it is stuck', async () => {
    const { clock, queue, blockers } = await busy({ runTimeoutMs: 1_000 })
    const closed = watch(queue.close())
    const idle = watch(queue.idle())
    await clock.advance(999)
    expect([closed.state, idle.state]).toEqual(['pending', 'pending'])
    await clock.advance(1)
    expect(blockers[0]?.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    expect([closed.state, idle.state]).toEqual(['fulfilled', 'fulfilled'])
  })

  test('F47: waits also for a call whose caller has left', async () => {
    const { gate, queue } = gated()
    const handle = await queue.submit('left')
    await turn()
    handle.cancel()
    const closed = watch(queue.close())
    await turn()
    expect(closed.state).toBe('pending')
    await gate.finish('left')
    expect(closed.state).toBe('fulfilled')
  })
})

describe('F48: submitting after close', () => {
  test.each(['closing', 'closed'])('F48: is refused through the promise, never by a throw: %s', async (state) => {
    const { gate, queue } = await busy()
    const rejected: unknown[] = []
    queue.on('rejected', ({ error }) => rejected.push(error))
    watch(queue.close())
    if (state === 'closed') await gate.finishAll()
    expect(queue.getStatus().state).toBe(state)
    const late = [
      watch(queue.execute('a')),
      watch(queue.submit('b')),
      watch(queue.ready()),
      watch(queue.map(['c']).next()),
    ]
    expect(queue.offer('d')).toBeUndefined()
    // Its own running request can still be joined by nobody.
    late.push(watch(queue.execute('busy 0', { id: 'busy 0' })))
    await turn()
    expect(late.map((caller) => caller.outcome)).toEqual(Array(5).fill('TRIAGE_QUEUE_CLOSED'))
    expect(rejected.length).toBeGreaterThanOrEqual(4)
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0'])
    queue.pause()
    queue.resume()
    queue.concurrency = 5
    expect(queue.cancel('x')).toBe(false)
    expect(queue.getStatus().state).toBe('closed')
  })
})

describe('F49: what close() leaves behind', () => {
  test('F49: no promise that is pending', async () => {
    const { clock, gate, queue, blockers } = await busy({ maxQueueSize: 2, whenFull: 'block' })
    const watched = [...blockers]
    for (let i = 0; i < 3; i++) watched.push(watch(queue.execute(`${i}`)))
    watched.push(watch(queue.submit('submitted')), watch(queue.ready()), watch(queue.idle()))
    watched.push(watch(queue.execute('0', { id: 'twin' })), watch(queue.execute('0', { id: 'twin' })))
    const iterator = queue.map(['m', 'n'], { signal: new AbortController().signal })
    watched.push(watch(iterator.next()))
    await turn()
    watched.push(watch(queue.close({ drain: false, graceMs: 10 })))
    await clock.advance(10)
    expect(watched.filter((caller) => caller.state === 'pending')).toEqual([])
    expect(clock.timers).toBe(0)
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0'])
  })

  test('F49: nor do clear() and close() of a queue used on its own', async () => {
    const queue = new RequestQueue<string>()
    for (const name of ['a', 'b']) queue.enqueue(name)
    expect(queue.clear()).toEqual(['a', 'b'])
    const takers = [watch(queue.take()), watch(queue.take({ signal: new AbortController().signal }))]
    const iterated: string[] = []
    const loop = watch(
      (async () => {
        for await (const name of queue) iterated.push(name)
      })(),
    )
    await turn()
    queue.close()
    await turn()
    expect(takers.map((taker) => taker.outcome)).toEqual(['TRIAGE_QUEUE_CLOSED', 'TRIAGE_QUEUE_CLOSED'])
    expect([loop.state, iterated]).toEqual(['fulfilled', []])
    expect(watch(queue.take()).state).toBe('pending')
    expect(() => queue.enqueue('late')).toThrow(expect.objectContaining({ code: 'TRIAGE_QUEUE_CLOSED' }))
    await expect(queue.take()).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
  })

  test.each(['is left early', 'is closed under it'])(
    'F49: nor a source that is open, when a map() over it %s',
    async (how) => {
      const { gate, queue } = gated({ concurrency: 2 })
      let returned = 0
      const source = {
        *[Symbol.iterator]() {
          try {
            for (let i = 0; ; i++) yield `${i}`
          } finally {
            returned++
          }
        },
      }
      const iterator = queue.map(source)
      const first = watch(iterator.next())
      await turn()
      expect(gate.started).toEqual(['0', '1'])
      await gate.finish('0')
      expect(first.value).toEqual({ value: '0', done: false })
      const ended = watch<unknown>(how === 'is left early' ? iterator.return() : queue.close())
      await gate.finishAll()
      let next = watch(iterator.next())
      await turn()
      while (next.state === 'fulfilled' && next.value?.done === false) {
        next = watch(iterator.next())
        await turn()
      }
      expect(ended.state).toBe('fulfilled')
      expect(next.outcome).toBe(how === 'is left early' ? 'fulfilled' : 'TRIAGE_QUEUE_CLOSED')
      expect(returned).toBe(1)
      expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0 })
    },
  )

  test.each(['is left', 'is closed under it'])(
    'F49: nor a source that has not answered yet, when a map() over it %s',
    async (how) => {
      const { clock, gate, queue } = gated({ concurrency: 2 })
      let returned = 0
      let asked = 0
      const source: AsyncIterable<string> = {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            // One request, and then none for a long time.
            if (asked++ === 0) return Promise.resolve({ value: 'a', done: false })
            return new Promise(() => {})
          },
          return: async () => {
            returned++
            return { value: undefined, done: true }
          },
        }),
      }
      const iterator = queue.map(source)
      const first = watch(iterator.next())
      await turn()
      expect(asked).toBe(2)
      if (how === 'is closed under it') {
        watch(queue.close({ graceMs: 0 }))
        await clock.advance(1)
      } else {
        await gate.finish('a')
        watch(iterator.return())
      }
      await turn()
      await gate.finishAll()
      expect(first.state).not.toBe('pending')
      expect(returned).toBe(1)
    },
  )
})

describe('F50: the limit', () => {
  const bad = [0, -1, 2.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, undefined, 5n, [5]]

  test('F50: shrinks as runs end, and preempts nothing', async () => {
    const { gate, queue } = gated({ concurrency: 4 })
    const callers = Array.from({ length: 8 }, (_, i) => watch(queue.execute(`${i}`)))
    await turn()
    queue.concurrency = 1
    await turn()
    expect(gate.running).toBe(4)
    for (const name of ['0', '1', '2']) await gate.finish(name)
    expect(gate.started).toEqual(['0', '1', '2', '3'])
    await gate.finish('3')
    expect(gate.started).toEqual(['0', '1', '2', '3', '4'])
    queue.concurrency = 3
    await turn()
    expect(gate.running).toBe(3)
    await gate.finishAll()
    expect(callers.every((caller) => caller.state === 'fulfilled')).toBe(true)
  })

  test('F50: that is no whole number of slots is refused, and nothing has changed', async () => {
    const { gate, queue } = gated({ concurrency: 2 })
    const pool = new WorkerPool(gate.executor, { concurrency: 2 })
    for (const concurrency of bad as never[]) {
      const invalid = expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS', path: 'concurrency' })
      expect(() => {
        queue.concurrency = concurrency
      }).toThrow(invalid)
      expect(() => {
        pool.concurrency = concurrency
      }).toThrow(invalid)
      expect(() => new WorkerPool(gate.executor, { concurrency })).toThrow(invalid)
      // To set an option to undefined is not to set it.
      if (concurrency !== undefined) expect(() => gated({ concurrency })).toThrow(invalid)
    }
    for (let i = 0; i < 3; i++) watch(queue.execute(`${i}`))
    await turn()
    expect([queue.concurrency, pool.concurrency, gate.running]).toEqual([2, 2, 2])
  })

  test('F50: other sizes that are none are refused as well', () => {
    for (const size of [-1, 2.5, Number.NaN, '5', null, 5n] as never[]) {
      for (const options of [
        { maxQueueSize: size },
        { maxQueueSize: { low: size } },
        { maxBlocked: size },
        { maxReplaced: size },
      ]) {
        expect(() => gated(options), JSON.stringify(Object.keys(options))).toThrow(
          expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS' }),
        )
      }
      expect(() => new RequestQueue({ maxQueueSize: size })).toThrow(expect.objectContaining({ path: 'maxQueueSize' }))
      expect(() => new WorkerPool(() => 0, { concurrency: 1, maxReplaced: size }), `maxReplaced ${size}`).toThrow(
        expect.objectContaining({ path: 'maxReplaced' }),
      )
    }
  })

  test('F50: a pool keeps to it as runs end', async () => {
    const gate = new Gate()
    const pool = new WorkerPool(gate.executor, { concurrency: 3 })
    for (const name of ['a', 'b', 'c']) watch(pool.run(name))
    await turn()
    pool.concurrency = 1
    expect(pool.free).toBe(0)
    await gate.finish('a')
    await gate.finish('b')
    expect([pool.active, pool.free]).toEqual([1, 0])
    await gate.finish('c')
    expect([pool.active, pool.free]).toEqual([0, 1])
  })
})

describe('F51: storms of pause and resume', () => {
  test('F51: start nothing twice, nothing while paused, and in the end everything', async () => {
    const { gate, queue } = gated({ concurrency: 3, maxQueueSize: 0 })
    let isPaused = false
    let startedWhilePaused = 0
    queue.on('started', () => {
      if (isPaused) startedWhilePaused++
    })
    queue.on('paused', () => {
      isPaused = true
    })
    queue.on('resumed', () => {
      isPaused = false
    })
    const names = Array.from({ length: 200 }, (_, i) => `${i}`)
    for (const [i, name] of names.entries()) {
      watch(queue.execute(name))
      for (let j = 0; j <= i % 4; j++) {
        queue.pause()
        if (j % 2 === 0) queue.pause()
        // Sometimes within a microtask, sometimes after a whole turn, in which nothing may start.
        if (i % 3 === 0) await null
        if (i % 7 === 0) await turn()
        queue.resume()
        if (i % 5 === 0) await null
        if (j % 3 === 0) queue.resume()
      }
      if (i % 11 === 0) gate.call(gate.started.at(-1) ?? '0').finish()
      expect(gate.running).toBeLessThanOrEqual(3)
    }
    await gate.finishAll()
    expect(gate.started).toEqual(names)
    expect(startedWhilePaused).toBe(0)
    expect(queue.getStatus()).toMatchObject({ state: 'open', totals: { admitted: 200, completed: 200 } })
  })
})

describe('F52: a process', () => {
  const idle = ['answered', 'paused', 'timeouts', 'cancelled', 'hung', 'closed', 'ready', 'pool', 'taker', 'never used']
  const live = [
    'running',
    'running without a timeout',
    'waiting while paused',
    'blocked',
    'looked at by its schema',
    'in a pool',
  ]

  test.concurrent.each(idle)('F52: exits by itself when its executor is idle: %s', async (mode) => {
    const { code, signal, stdout, stderr } = await runFixture('process-ends', [mode])
    expect({ code, signal, stdout, stderr }).toEqual({
      code: 0,
      signal: null,
      stdout: 'end of the program\n',
      stderr: '',
    })
  })

  test.concurrent.each(live)('F52: is kept alive by a live request: %s', async (mode) => {
    const { code, signal, stdout, stderr } = await runFixture('process-ends', [mode])
    expect({ code, signal, stdout, stderr }).toEqual({
      code: 0,
      signal: null,
      stdout: 'end of the program\nanswered\n',
      stderr: '',
    })
  })
})

describe('F53: rejections that nobody handles', () => {
  test('F53: are those of the caller’s own promises, once each, and never ours', async () => {
    const counts = await answerOf<Record<string, number>>('unhandled-rejections')
    expect(counts).toEqual({
      // The promise of execute() belongs to its caller.
      'execute, ignored': 1,
      'execute, ignored, then late': 1,
      'execute, ignored, twice the same id': 2,
      'execute, handled': 0,
      'execute, handled, then late': 0,
      'execute, handled, and aborted': 0,
      'execute, handled, schema that throws': 0,
      'execute, handled, schema that rejects': 0,
      // To be silent about an outcome: submit() and don't read `result`.
      'submit, result never read': 0,
      'submit, result never read, cancelled': 0,
      'submit, result never read, then late': 0,
      'submit, result read and ignored': 1,
      'submit, refused and ignored': 1,
      'offer, result never read': 0,
      'map, left early': 0,
      'map, failed and handled': 0,
      'map, closed under it': 0,
      'close, drain and idle, ignored': 0,
      'ready, handled': 0,
      'pool, ignored': 1,
      'pool, handled, then late': 0,
    })
  })
})

describe('F54: SIGTERM', () => {
  test('F54: stops admission, finishes what was admitted, and the process ends well', async () => {
    const { code, signal, stdout } = await runFixture('sigterm', ['finishes'], {
      onLine: (line, kill) => {
        if (line === 'ready') kill('SIGTERM')
      },
    })
    expect(stdout.trim().split('\n')).toEqual([
      'ready',
      'closing',
      'late: TRIAGE_QUEUE_CLOSED',
      'a: done',
      'b: done',
      'closed',
    ])
    expect([code, signal]).toEqual([0, null])
  })

  test('F54: a second one means now', async () => {
    const { code, signal, stdout } = await runFixture('sigterm', ['hangs'], {
      onLine: (line, kill) => {
        if (line === 'ready' || line === 'closing') kill('SIGTERM')
      },
    })
    expect(stdout.trim().split('\n')).toEqual([
      'ready',
      'closing',
      'late: TRIAGE_QUEUE_CLOSED',
      'now',
      'b: TRIAGE_CANCELLED',
      'a: TRIAGE_CANCELLED, its signal is aborted',
      'closed',
    ])
    expect([code, signal]).toEqual([0, null])
  })
})

describe('F55: more than one in a process', () => {
  test('F55: two executors share nothing', async () => {
    const one = gated()
    const two = gated()
    watch(one.queue.execute('a', { id: 'same' }))
    watch(two.queue.execute('b', { id: 'same' }))
    await turn()
    one.queue.pause()
    expect(one.queue.getStatus()).toMatchObject({ state: 'paused', totals: { admitted: 1, joined: 0 } })
    expect(two.queue.getStatus()).toMatchObject({ state: 'open', totals: { admitted: 1, joined: 0 } })
    expect([one.queue.get('same')?.request, two.queue.get('same')?.request]).toEqual(['a', 'b'])
    expect(two.queue.cancel('same')).toBe(true)
    expect(one.queue.get('same')?.state).toBe('running')
    watch(one.queue.close({ drain: false }))
    expect(two.queue.getStatus().state).toBe('open')
  })

  test('F55: two copies of the package know each other’s errors by their codes, and mix up no ids', async () => {
    const first = await import('triage-queue')
    vi.resetModules()
    const second = await import('triage-queue')
    expect(second.QueuedExecutor).not.toBe(first.QueuedExecutor)
    const copies = [first, second].map(({ QueuedExecutor }) => {
      const queue = new QueuedExecutor((_: string, run) => run.id, { maxQueueSize: 1 })
      return { queue, ids: new Set<string>() }
    })
    for (const { queue, ids } of copies) {
      for (let i = 0; i < 100; i++) ids.add(await queue.execute('x'))
      queue.pause()
      watch(queue.execute('waits'))
    }
    expect(new Set(copies.flatMap(({ ids }) => [...ids])).size).toBe(200)
    for (const { queue } of copies) {
      const error = await queue.execute('refused').catch((reason) => reason)
      expect(error.code).toBe('TRIAGE_QUEUE_FULL')
      expect([first.isTriageError(error), second.isTriageError(error)]).toEqual([true, true])
    }
    // An order policy, a clock, a nested executor of the other copy: plain objects and promises, all the same.
    const inner = new second.QueuedExecutor((n: number) => n + 1)
    const outer = new first.QueuedExecutor((n: number) => inner.execute(n), {
      order: second.strict(),
      clock: second.systemClock,
    })
    await expect(outer.execute(1)).resolves.toBe(2)
  })

  test('F55: threads and global names: it leaves none behind', async () => {
    const seen = await answerOf('threads-and-globals')
    expect(seen).toEqual({ newGlobals: [], changed: [], answers: 400, distinctIds: 400, main: 100 })
  })
})

describe('F56: memory', () => {
  test('F56: stays flat over 200,000 requests that end in every way', async () => {
    const { medianGrownBytes, timers, live } = await answerOf<Record<string, number>>('heap', ['flat'], ['--expose-gc'])
    // For 40,000 requests each: one entry in a map would be ten times as much.
    expect(medianGrownBytes).toBeLessThan(200_000)
    expect([timers, live]).toEqual([0, 0])
  })

  test('F56: holds nothing of a request that has ended', async () => {
    const kept = await answerOf<string[]>('heap', ['ended'], ['--expose-gc'])
    expect(kept).toEqual([])
  })

  test('F56: holds nothing of the very last request, nor of its answer', async () => {
    const kept = await answerOf<string[]>('heap', ['last'], ['--expose-gc'])
    expect(kept).toEqual([])
  })

  test('F56: of a call that never settles holds its own request only', async () => {
    const kept = await answerOf<string[]>('heap', ['hung'], ['--expose-gc'])
    expect(kept).toEqual([])
  })
})

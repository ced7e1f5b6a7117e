import { type Clock, type RunContext, WorkerPool, type WorkerPoolOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { JumpingClock } from '../../failures/support.ts'

function timed(options: Partial<WorkerPoolOptions> = {}) {
  const clock = new VirtualClock()
  const pool = new WorkerPool(
    async (ms: number, run) => {
      if (ms < 0) throw new RangeError(`${run.metadata}`)
      await clock.sleep(ms)
      return ms
    },
    { clock, concurrency: 2, ...options },
  )
  return { clock, pool }
}

test('a run that takes its time synchronously takes it from nobody: the time of the next one begins when it is called', async () => {
  const clock = new JumpingClock()
  const pool = new WorkerPool(
    (ms: number, { deadline }) => {
      clock.time += ms
      return deadline
    },
    { clock, concurrency: 2, runTimeoutMs: 10 },
  )
  expect(await Promise.all([pool.run(8), pool.run(0)])).toEqual([10, 18])
})

test('as many run as there are slots; one more is refused, for a pool has no queue', async () => {
  const { clock, pool } = timed()
  const runs = [pool.run(10), pool.run(20)]
  expect([pool.active, pool.free]).toEqual([2, 0])
  await expect(pool.run(1)).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_FULL', size: 0, maxSize: 0, bound: 'total' })
  const available = pool.available().then(() => clock.now())
  const idle = pool.idle().then(() => clock.now())
  await clock.run()
  expect(await Promise.all(runs)).toEqual([10, 20])
  expect(await Promise.all([available, idle])).toEqual([10, 20])
  expect(clock.timers).toBe(0)
})

test('the function’s own error comes through, and its context is there', async () => {
  const { pool } = timed()
  await expect(pool.run(-1, { metadata: 'mine', priority: 'high' })).rejects.toThrow(new RangeError('mine'))
  expect(pool.getHealth()[0]).toMatchObject({ totalProcessed: 1, totalErrors: 1 })
  await expect(pool.run(1, { priority: 'first' as never })).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS' })
})

test('a run that is over its time is answered, its slot held until it settles', async () => {
  const { clock, pool } = timed({ concurrency: 1, runTimeoutMs: 5 })
  const run = pool.run(10).catch((error) => error.code)
  await clock.advance(5)
  expect(await run).toBe('TRIAGE_RUN_TIMEOUT')
  expect([pool.active, pool.free]).toEqual([1, 0])
  expect(pool.getHealth()[0]).toMatchObject({ healthy: false, since: 0 })
  await pool.idle()
  await clock.advance(5)
  expect([pool.active, pool.free]).toEqual([0, 1])
})

test('a run knows when it must be over, and by which id it is known', async () => {
  const clock = new VirtualClock(100)
  const told = async (_: string, { deadline, id, waitMs }: RunContext) => ({ deadline, id, waitMs })
  const pool = new WorkerPool(told, { clock, concurrency: 1, runTimeoutMs: 50 })
  expect(await pool.run('a')).toEqual({ deadline: 150, id: expect.stringMatching(/./), waitMs: 0 })
  const patient = new WorkerPool(told, { clock, concurrency: 1, runTimeoutMs: Number.POSITIVE_INFINITY })
  expect(await patient.run('a')).toMatchObject({ deadline: Number.POSITIVE_INFINITY })
})

test('replace grants a substitute, up to the cap', async () => {
  const { clock, pool } = timed({ concurrency: 1, runTimeoutMs: 5, onStuck: 'replace', maxReplaced: 1 })
  pool.run(100).catch(() => {})
  await clock.advance(5)
  expect(pool.free).toBe(1)
  pool.run(100).catch(() => {})
  await clock.advance(5)
  expect(pool.free).toBe(0)
})

test('concurrency is live, and checked', async () => {
  const { clock, pool } = timed({ concurrency: 1 })
  const first = pool.run(10)
  pool.concurrency = 2
  const second = pool.run(10)
  pool.concurrency = 1
  expect([pool.concurrency, pool.free]).toEqual([1, 0])
  await clock.run({ until: Promise.all([first, second]) })
  expect(() => {
    pool.concurrency = 0
  }).toThrow("Option 'concurrency': expected an integer of at least 1, got 0")
  expect(() => new WorkerPool(() => 1, {} as WorkerPoolOptions)).toThrow("Option 'concurrency'")
  expect(() => new WorkerPool(() => 1, { concurrency: 0, maxReplaced: 1 })).toThrow("Option 'concurrency'")
  expect(() => new WorkerPool(() => 1, { concurrency: 1, runTimeoutMs: 0 })).toThrow("Option 'runTimeoutMs'")
  expect(() => new WorkerPool(() => 1, { concurrency: 1, onStuck: 'kill' as never })).toThrow(
    "Option 'onStuck': expected one of 'hold', 'replace', got 'kill'",
  )
  expect(() => new WorkerPool(1 as never, { concurrency: 1 })).toThrow("Option 'executor'")
})

test('it has no others to give a turn to: any number of runs follow each other', async () => {
  const pool = new WorkerPool(async (n: number) => n, { concurrency: 1 })
  let isAnotherTurn = false
  setImmediate(() => {
    isAnotherTurn = true
  })
  let sum = 0
  for (let n = 1; n <= 10_001; n++) sum += await pool.run(n)
  expect([sum, isAnotherTurn]).toEqual([(10_001 * 10_002) / 2, false])
})

test('time does not begin anew while a run is about to start: none has waited for less than nothing', async () => {
  const clock = new JumpingClock(100)
  const waits: number[] = []
  const first = Promise.withResolvers<void>()
  const pool = new WorkerPool(
    async (until: Promise<void>, run) => {
      waits.push(run.waitMs)
      await until
    },
    { clock, concurrency: 2 },
  )
  const runs = [pool.run(first.promise)]
  await Promise.resolve()
  clock.time = 50
  first.resolve()
  await Promise.resolve()
  // The first one's slot is let go between this call and the microtask in which it starts.
  runs.push(pool.run(Promise.resolve()))
  await Promise.all(runs)
  expect(waits).toEqual([0, 0])
})

test.each<[Partial<WorkerPoolOptions>, string]>([
  [{ runTimeoutMs: 0 }, "Option 'runTimeoutMs': expected a number greater than 0, or Infinity, got 0"],
  [{ runTimeoutMs: '5' as never }, "Option 'runTimeoutMs': expected a number greater than 0, or Infinity, got '5'"],
  [{ onStuck: 'kill' as never }, "Option 'onStuck': expected one of 'hold', 'replace', got 'kill'"],
  [{ maxReplaced: -1 }, "Option 'maxReplaced': expected an integer of at least 0, got -1"],
])('%j is refused', (options, message) => {
  expect(() => timed(options)).toThrow(message)
  expect(() => new WorkerPool(5 as never, { concurrency: 1 })).toThrow("Option 'executor': expected a function, got 5")
})

test('a run times out after five minutes, if nothing else was said; with Infinity, never', async () => {
  const { clock, pool } = timed()
  const run = pool.run(300_001).catch((error) => error)
  await clock.run({ until: run })
  expect(clock.now()).toBe(300_000)
  const endless = timed({ runTimeoutMs: Number.POSITIVE_INFINITY })
  const long = endless.pool.run(3_000_000)
  await endless.clock.run({ until: long })
  expect(await long).toBe(3_000_000)
})

test('who is answered by a timeout hears which, and the run’s signal with him; the call’s own end changes nothing', async () => {
  const clock = new VirtualClock(50)
  const reasons: unknown[] = []
  const pool = new WorkerPool(
    async (ms: number, run) => {
      run.signal.addEventListener('abort', () => reasons.push(run.signal.reason))
      await clock.sleep(ms)
      throw new Error('late')
    },
    { clock, concurrency: 1, runTimeoutMs: 5 },
  )
  const error = pool.run(10, { priority: 'low' }).catch((reason) => reason)
  await clock.advance(5)
  expect(await error).toMatchObject({
    code: 'TRIAGE_RUN_TIMEOUT',
    ranMs: 5,
    timeoutMs: 5,
    priority: 'low',
    requestId: expect.any(String),
    started: true,
  })
  expect(reasons).toEqual([await error])
  await clock.advance(5)
  expect(pool.getHealth()).toMatchObject([{ healthy: true, totalProcessed: 1 }])
  expect(clock.timers).toBe(0)
})

test('no substitute is granted when none may be; as many as there are slots, when nothing was said', async () => {
  for (const [maxReplaced, free] of [
    [0, 0],
    [undefined, 2],
  ] as const) {
    const { clock, pool } = timed({ runTimeoutMs: 5, onStuck: 'replace', ...(maxReplaced === 0 && { maxReplaced }) })
    for (const ms of [100, 100]) pool.run(ms).catch(() => {})
    await clock.advance(5)
    expect(pool.free).toBe(free)
  }
})

test('who waits for a slot is told at once when there is one: free, vacated, granted or added', async () => {
  const { clock, pool } = timed({ concurrency: 1, runTimeoutMs: 20, onStuck: 'replace' })
  const told: string[] = []
  const ask = (name: string) => pool.available().then(() => told.push(`${name} at ${clock.now()}`))
  await ask('free')
  pool.run(10)
  await Promise.all([ask('vacated'), clock.advance(15)])
  pool.run(1_000).catch(() => {})
  await Promise.all([ask('granted'), clock.advance(30)])
  pool.run(1_000).catch(() => {})
  const added = ask('added')
  await clock.advance(5)
  pool.concurrency = 2
  await added
  expect(told).toEqual(['free at 0', 'vacated at 10', 'granted at 35', 'added at 50'])
})

test('it is idle when nothing starts, runs or is to be waited for', async () => {
  const { clock, pool } = timed()
  await pool.idle()
  const runs = [pool.run(10), pool.run(20)]
  let idleAt = Number.NaN
  pool.idle().then(() => {
    idleAt = clock.now()
  })
  // A slot is free, which is not idle.
  await clock.advance(15)
  expect([pool.free, idleAt]).toEqual([1, Number.NaN])
  await clock.run({ until: Promise.all(runs) })
  expect(idleAt).toBe(20)
})

test('a run starts a microtask later, never on its caller’s stack', async () => {
  const calls: number[] = []
  const pool = new WorkerPool((n: number) => calls.push(n), { concurrency: 3 })
  const run = pool.run(1)
  expect(calls).toEqual([])
  expect([pool.active, pool.free]).toEqual([1, 2])
  await run
  expect(calls).toEqual([1])
  expect([pool.active, pool.free]).toEqual([0, 3])
})

test('nothing is left armed when nothing runs, and the clock begins anew', async () => {
  let at = 1_000
  const timers = new Set<object>()
  const clock: Clock = {
    now: () => at,
    setTimeout: () => {
      const timer = {}
      timers.add(timer)
      return timer
    },
    clearTimeout: (timer) => void timers.delete(timer as object),
  }
  const ends: (() => void)[] = []
  const startedAt: number[] = []
  const pool = new WorkerPool(
    (_: string, run) =>
      new Promise<void>((resolve) => {
        startedAt.push(run.enqueuedAt)
        ends.push(resolve)
      }),
    { clock, concurrency: 2 },
  )
  const runs = [pool.run('a'), pool.run('b')]
  await undefined
  expect(timers.size).toBe(1)
  ends[0]?.()
  await runs[0]
  expect(timers.size).toBe(1)
  ends[1]?.()
  await runs[1]
  expect(timers.size).toBe(0)
  // While nothing ran, the clock was set back: that is no correction to be kept.
  at = 400
  const next = pool.run('c')
  await undefined
  expect(startedAt.at(-1)).toBe(400)
  ends[2]?.()
  await next
})

test('each run that is over its time is found, one after the other', async () => {
  const { clock, pool } = timed({ runTimeoutMs: 10 })
  const ends: string[] = []
  const run = (name: string) => pool.run(100).catch(() => ends.push(`${name} at ${clock.now()}`))
  run('a')
  await clock.advance(4)
  run('b')
  await clock.advance(20)
  expect(ends).toEqual(['a at 10', 'b at 14'])
  expect(clock.timers).toBe(2)
})

test('slots that are stuck and replaced are not waited for; those that run are', async () => {
  const { clock, pool } = timed({ concurrency: 1, runTimeoutMs: 5, onStuck: 'replace' })
  pool.run(100).catch(() => {})
  await clock.advance(5)
  const second = pool.run(3)
  let idleAt = Number.NaN
  pool.idle().then(() => {
    idleAt = clock.now()
  })
  await clock.advance(2)
  expect(idleAt).toBeNaN()
  await clock.advance(1)
  await second
  expect(idleAt).toBe(8)
})

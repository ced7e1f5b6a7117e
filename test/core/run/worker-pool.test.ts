import { type RunContext, WorkerPool, type WorkerPoolOptions } from 'triage-queue'
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

test('as many run as there are slots; one more is refused, for a pool has no queue', async () => {
  const { clock, pool } = timed()
  const runs = [pool.run(10), pool.run(20)]
  expect([pool.active, pool.free]).toEqual([2, 0])
  await expect(pool.run(1)).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_FULL', size: 2, maxSize: 2 })
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
  }).toThrow("Option 'concurrency' must be an integer of at least 1, but is 0")
  expect(() => new WorkerPool(() => 1, {} as WorkerPoolOptions)).toThrow("Option 'concurrency'")
  expect(() => new WorkerPool(() => 1, { concurrency: 0, maxReplaced: 1 })).toThrow("Option 'concurrency'")
  expect(() => new WorkerPool(() => 1, { concurrency: 1, runTimeoutMs: 0 })).toThrow("Option 'runTimeoutMs'")
  expect(() => new WorkerPool(() => 1, { concurrency: 1, onStuck: 'kill' as never })).toThrow(
    "Option 'onStuck' must be one of 'hold', 'replace', but is 'kill'",
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

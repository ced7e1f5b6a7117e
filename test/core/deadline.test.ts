/**
 * A deadline as an absolute time: of a request, and what is left of it in a run.
 */
import { fairBy, QueuedExecutor, tokenBucket, WorkerPool } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { busy, gated, JumpingClock, lost, turn, watch } from '../failures/support.ts'

afterEach(() => void vi.useRealTimers())

/** In so many ms; the wall clock stands still. */
const within = (ms: number): number => {
  vi.useFakeTimers({ toFake: ['Date'] })
  return Date.now() + ms
}

describe('the option `deadline`', () => {
  test.each([
    ['a Date', (ms: number) => new Date(ms)],
    ['ms since 1970', (ms: number) => ms],
  ])('%s ends what waits, and is no earlier and no later', async (_, made) => {
    const { clock, queue } = await busy()
    const end = watch(queue.execute('late', { deadline: made(within(100)) }))
    await clock.advance(99)
    expect(end.state).toBe('pending')
    await clock.advance(1)
    expect(end.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 100, timeoutMs: 100, started: false })
  })

  test('ends what runs, and is the deadline of the run', async () => {
    const { clock, gate, queue } = gated()
    const end = watch(queue.execute('a', { deadline: within(100), runTimeoutMs: 500 }))
    await turn()
    const { run } = gate.call('a')
    expect([run.deadline, run.remainingMs]).toEqual([100, 100])
    await clock.advance(60)
    expect(run.remainingMs).toBe(40)
    await clock.advance(40)
    expect(end.error).toMatchObject({ code: 'TRIAGE_RUN_TIMEOUT', timeoutMs: 100 })
    expect([run.remainingMs, run.signal.aborted]).toEqual([0, true])
    await clock.advance(50)
    expect(run.remainingMs).toBe(0)
  })

  test('holds beside timeoutMs and waitTimeoutMs: what is over first counts', async () => {
    const { clock, queue } = await busy({ timeoutMs: 70 })
    const all = [
      watch(queue.execute('a', { deadline: within(50) })),
      watch(queue.execute('b', { deadline: within(100) })),
      watch(queue.execute('c', { deadline: within(100), waitTimeoutMs: 60 })),
      watch(queue.execute('d', { deadline: Number.POSITIVE_INFINITY })),
    ]
    const states = () => all.map(({ state }) => state === 'rejected')
    await clock.advance(50)
    expect(states()).toEqual([true, false, false, false])
    await clock.advance(10)
    expect(states()).toEqual([true, false, true, false])
    await clock.advance(10)
    expect(states()).toEqual([true, true, true, true])
  })

  test('does not move when the request starts later, by itself or by a rate', async () => {
    const { clock, queue } = gated({ rateLimit: tokenBucket({ perSecond: 1, burst: 1, over: 'wait' }) })
    const first = watch(queue.execute('first'))
    const rated = watch(queue.execute('rated', { deadline: within(300) }))
    const put = watch(queue.execute('put off', { deadline: within(2_400), delayMs: 2_000 }))
    await clock.advance(299)
    expect(rated.state).toBe('pending')
    await clock.advance(1)
    expect(rated.error).toMatchObject({ code: 'TRIAGE_WAIT_TIMEOUT', waitedMs: 300, timeoutMs: 300 })
    await clock.advance(2_099)
    expect(put.state).toBe('pending')
    await clock.advance(1)
    expect([put.outcome, first.state]).toEqual(['TRIAGE_WAIT_TIMEOUT', 'pending'])
  })

  test('that has passed refuses at once, whichever way it comes; nothing runs', async () => {
    const { gate, queue } = gated()
    const deadline = within(0)
    const refused = {
      code: 'TRIAGE_WAIT_TIMEOUT',
      started: false,
      message: 'Its deadline was over before it could start',
    }
    await expect(queue.execute('a', { deadline })).rejects.toMatchObject(refused)
    await expect(queue.submit('a', { deadline: new Date(deadline - 5_000), id: 'mine' })).rejects.toMatchObject(refused)
    expect(queue.offer('a', { deadline })).toBeUndefined()
    await expect(queue.execute('a', { deadline: deadline + 50, delayMs: 50 })).rejects.toMatchObject(refused)
    await expect(queue.map(['a'], { deadline }).next()).rejects.toMatchObject(refused)
    await turn()
    expect([gate.started, queue.get('mine'), lost(queue.getStatus())]).toEqual([[], undefined, 0])
    expect(queue.getStatus().rejectedByPriority.normal).toEqual({ wait_timeout: 5 })
    expect(queue.offer('b', { deadline: deadline + 50 })).toBeDefined()
  })

  test('counts from its own submission, however long the burst takes', async () => {
    const clock = new JumpingClock()
    const queue = new QueuedExecutor(() => new Promise(() => {}), { clock, concurrency: 1 })
    void queue.execute('busy')
    clock.time = 40
    // The wall clock has moved as well.
    const [end, later] = [
      watch(queue.execute('a', { deadline: within(100) })),
      watch(queue.execute('b', { deadline: within(100), delayMs: 20 })),
    ]
    clock.time = 139
    await clock.fire()
    expect([end.state, later.state]).toEqual(['pending', 'pending'])
    clock.time = 140
    await clock.fire()
    expect([end.outcome, later.outcome]).toEqual(['TRIAGE_WAIT_TIMEOUT', 'TRIAGE_WAIT_TIMEOUT'])
  })

  test('stays with another priority, through retries, and for each who shares a run', async () => {
    const retry = { name: 'again', delayMs: () => 30 }
    const { clock, gate, queue } = gated({ timeoutMs: { urgent: 500, default: 1_000 }, retry })
    const deadline = within(100)
    const handle = await queue.submit('a', { deadline, id: 'x' })
    handle.setPriority('urgent')
    const [own, joined] = [watch(handle.result), watch(queue.execute('a', { id: 'x', deadline: deadline + 50 }))]
    await turn()
    await gate.fail('a', new Error('once'))
    await clock.advance(99)
    expect(gate.started).toEqual(['a', 'a'])
    await clock.advance(1)
    expect([own.outcome, joined.state]).toEqual(['TRIAGE_RUN_TIMEOUT', 'pending'])
    await clock.advance(50)
    expect(joined.outcome).toBe('TRIAGE_RUN_TIMEOUT')
  })

  test('is what an order and a guard are told', async () => {
    const told: number[] = []
    const { queue } = await busy({
      order: { name: 'mine', acrossTiers: true, rank: ({ deadline }) => told.push(deadline) },
      overload: { name: 'mine', admit: ({ deadline }) => void told.push(deadline) },
    })
    told.length = 0
    void queue.execute('a', { deadline: within(100) }).catch(() => {})
    expect(told).toEqual([100, 100])
  })

  test('counts while it is blocked, and while a schema looks at it', async () => {
    const schema = {
      '~standard': { version: 1 as const, vendor: 'test', validate: () => new Promise<never>(() => {}) },
    }
    const looks = gated({ schema })
    const checked = watch(looks.queue.execute('a', { deadline: within(100) }))
    const { clock, queue } = await busy({ maxQueueSize: 'none', whenFull: 'block' })
    const blocked = watch(queue.execute('b', { deadline: within(100) }))
    await Promise.all([clock.advance(100), looks.clock.advance(100)])
    expect([checked.outcome, blocked.outcome]).toEqual(['TRIAGE_WAIT_TIMEOUT', 'TRIAGE_WAIT_TIMEOUT'])
  })

  test('under fake timers', async () => {
    vi.useFakeTimers()
    const queue = new QueuedExecutor(() => new Promise(() => {}), { concurrency: 1 })
    const end = watch(queue.execute('a', { deadline: Date.now() + 1_000 }))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(end.outcome).toBe('TRIAGE_RUN_TIMEOUT')
  })

  test.each([
    ['soon', "expected a Date, or ms since 1970, got 'soon'"],
    [Number.NaN, 'got NaN'],
    [Number.NEGATIVE_INFINITY, 'got -Infinity'],
    [new Date(Number.NaN), 'expected a Date, or ms since 1970'],
    [null, 'got null'],
    [12_345.6, 'got 12345.6; if it is `run.deadline`, give `timeoutMs: run.remainingMs` instead'],
  ])('%s is none', async (deadline, message) => {
    const { queue } = gated()
    const error = (await queue.execute('a', { deadline: deadline as never }).catch((error) => error)) as Error
    expect(error).toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'deadline', queue: 'triage' })
    expect(error.message).toContain(message)
  })

  test('costs a request without one nothing: a fair order is asked no more often', async () => {
    const { queue } = gated({ order: fairBy((name: string) => name) })
    await expect(Promise.race([queue.execute('a', { timeoutMs: 5 }), 0])).resolves.toBe(0)
  })
})

describe('run.remainingMs', () => {
  test('is Infinity where there is no end', async () => {
    const { gate, queue } = gated({ runTimeoutMs: Number.POSITIVE_INFINITY })
    void queue.execute('a')
    await turn()
    expect(gate.call('a').run.remainingMs).toBe(Number.POSITIVE_INFINITY)
  })

  test('is the earlier of the run and the whole, read when it is asked for', async () => {
    const { clock, gate, queue } = await busy({ runTimeoutMs: 80, timeoutMs: 100 })
    void queue.execute('a').catch(() => {})
    await clock.advance(50)
    await gate.finish('busy 0')
    expect(gate.call('a').run.remainingMs).toBe(50)
    await clock.advance(30)
    expect(gate.call('a').run.remainingMs).toBe(20)
  })

  test('of a pool, too', async () => {
    const clock = new VirtualClock()
    let left = 0
    const pool = new WorkerPool((_: number, run) => clock.sleep(30).then(() => (left = run.remainingMs)), {
      concurrency: 1,
      runTimeoutMs: 100,
      clock,
    })
    void pool.run(1)
    await clock.advance(30)
    expect(left).toBe(70)
  })
})

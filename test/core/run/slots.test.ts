/**
 * The slots of an executor: which of them are used, when they are stuck, what their health says, and when others have a turn.
 */
import { type Clock, QueuedExecutor, type QueuedExecutorOptions, type WorkerHealth } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

/** Runs of so many ms, or those that never end, whatever their signal says. */
function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    (ms: number) => (ms === Number.POSITIVE_INFINITY ? new Promise<void>(() => {}) : clock.sleep(ms)),
    { clock, concurrency: 3, ...options },
  )
  return { clock, queue }
}

const deaf = Number.POSITIVE_INFINITY
const processed = (health: readonly WorkerHealth[]) => health.map(({ totalProcessed }) => totalProcessed)

describe('which slot', () => {
  test('the one that was freed last is taken first', async () => {
    const { clock, queue } = timed()
    for (let i = 0; i < 4; i++) await clock.run({ until: queue.execute(1) })
    expect(processed(queue.getWorkerHealth())).toEqual([4, 0, 0])
  })

  test('those that a run of several gave back are used again', async () => {
    const { clock, queue } = timed()
    await clock.run({ until: queue.execute(1, { cost: 3 }) })
    await clock.run({ until: Promise.all([1, 1, 1].map((ms) => queue.execute(ms))) })
    expect(processed(queue.getWorkerHealth()).reduce((sum, each) => sum + each)).toBe(4)
  })
})

describe('health', () => {
  const unused = { healthy: true, totalProcessed: 0, totalErrors: 0, currentRequest: null, since: null, progress: null }

  test('shows slots that were never used', () => {
    expect(timed().queue.getWorkerHealth()).toEqual([0, 1, 2].map((slot) => ({ slot, ...unused })))
  })

  test('shows slots beyond a limit that was lowered for as long as they are busy', async () => {
    const { clock, queue } = timed()
    const ends = Promise.all([5, 5, 10].map((ms) => queue.execute(ms)))
    await clock.advance(1)
    queue.concurrency = 1
    expect(queue.getWorkerHealth().map(({ slot }) => slot)).toEqual([0, 1, 2])
    await clock.advance(5)
    expect(queue.getWorkerHealth().map(({ slot, since }) => [slot, since])).toEqual([
      [0, null],
      [2, 0],
    ])
    await clock.run({ until: ends })
    expect(queue.getWorkerHealth().map(({ slot }) => slot)).toEqual([0])
  })
})

describe('a slot is stuck', () => {
  const stuck = (queue: QueuedExecutor<number, void>) => queue.getStatus().stuckWorkers

  test.each([
    [{ runTimeoutMs: 50, timeoutMs: 100 }, 50],
    [{ runTimeoutMs: 100, timeoutMs: 50 }, 50],
  ])('when the run was cancelled, at the earlier end of its time: %j', async (limits, end) => {
    const { clock, queue } = timed()
    const request = await queue.submit(deaf, limits)
    request.result.catch(() => {})
    await clock.advance(10)
    expect(request.cancel()).toBe(true)
    await clock.advance(end - 11)
    expect(stuck(queue)).toBe(0)
    await clock.advance(1)
    expect(stuck(queue)).toBe(1)
  })

  test('as soon as the time of the whole request is over, and once', async () => {
    const { clock, queue } = timed()
    const told: number[] = []
    queue.on('stuck', ({ runMs }) => told.push(runMs))
    queue.execute(deaf, { timeoutMs: 50, runTimeoutMs: 80 }).catch(() => {})
    await clock.advance(50)
    expect([stuck(queue), told]).toEqual([1, [50]])
    await clock.advance(100)
    expect([stuck(queue), told]).toEqual([1, [50]])
  })

  test('as soon as nobody waits for it any more, those who have joined it included', async () => {
    const { clock, queue } = timed()
    const first = await queue.submit(deaf, { id: 'shared', timeoutMs: 100 })
    first.result.catch(() => {})
    queue.execute(deaf, { id: 'shared', timeoutMs: 50 }).catch(() => {})
    await clock.advance(10)
    expect(first.cancel()).toBe(true)
    await clock.advance(39)
    expect(stuck(queue)).toBe(0)
    await clock.advance(1)
    expect(stuck(queue)).toBe(1)
  })

  test('each at its own time, in whatever slot', async () => {
    const { clock, queue } = timed()
    const expired: number[] = []
    queue.on('expired', ({ at }) => expired.push(at))
    for (const runTimeoutMs of [20, 50, 100]) queue.execute(deaf, { runTimeoutMs }).catch(() => {})
    await clock.advance(200)
    expect(expired).toEqual([20, 50, 100])
  })
})

test('closing ends what runs after its grace, though other slots are free', async () => {
  const { clock, queue } = timed()
  const short = queue.execute(5)
  const end = queue.execute(deaf).catch(({ code }) => code)
  await clock.advance(6)
  const closed = queue.close({ graceMs: 5 })
  await clock.advance(5)
  expect([await short, await end]).toEqual([undefined, 'TRIAGE_CANCELLED'])
  await closed
})

describe('a function as the answer', () => {
  test('is one', async () => {
    const answer = () => 5
    const queue = new QueuedExecutor((request: unknown) => request)
    expect(await queue.submit(answer).then(({ result }) => result)).toBe(answer)
  })

  test('that has a `then` is a promise: its slot is busy until that has settled', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const answer = Object.defineProperty(() => 5, 'then', { value: promise.then.bind(promise) })
    const clock = new VirtualClock()
    const queue = new QueuedExecutor((request: unknown) => request, { clock })
    const end = queue.execute(answer)
    await clock.settle()
    expect(queue.getStatus()).toMatchObject({ running: 1, activeWorkers: 1 })
    resolve('adopted')
    expect(await end).toBe('adopted')
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0 })
  })
})

describe('others have a turn of the event loop', () => {
  /** A clock that stands still but for what the runs take, and counts the turns. */
  function counting() {
    let now = 1_000
    let turns = 0
    const clock: Clock = {
      now: () => now,
      setTimeout: () => 0,
      clearTimeout: () => {},
      defer(callback) {
        turns++
        queueMicrotask(callback)
      },
    }
    const pass = (ms: number): void => {
      now += ms
    }
    return { clock, pass, turns: () => turns }
  }

  /** How often, when so many runs come in a row. */
  async function turnsOf(count: number, executor: (pass: (ms: number) => void) => unknown): Promise<number> {
    const { clock, pass, turns } = counting()
    const queue = new QueuedExecutor(() => executor(pass), { clock, concurrency: 1, maxQueueSize: 0 })
    await Promise.all(Array.from({ length: count }, () => queue.execute(1)))
    return turns()
  }

  test('when synchronous runs have taken more than 10 ms after the first of them', async () => {
    expect(await turnsOf(100, () => {})).toBe(0)
    expect(await turnsOf(3, (pass) => pass(5))).toBe(0)
    expect(await turnsOf(4, (pass) => pass(5))).toBe(1)
  })

  test('after 10,000 runs that are asynchronous in name only', async () => {
    expect(await turnsOf(9_999, async () => {})).toBe(0)
    expect(await turnsOf(10_000, async () => {})).toBe(1)
    expect(await turnsOf(25_000, async () => {})).toBe(2)
  })
})

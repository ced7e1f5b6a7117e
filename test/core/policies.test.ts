/**
 * The seams: what an executor asks its policies, and what it does with their answers.
 */
import {
  type ExecutorEvents,
  type LimitPolicy,
  type LimitSample,
  OptionsError,
  type OrderPolicy,
  type OrderQuestion,
  QueuedExecutor,
  type QueuedExecutorOptions,
  weighted,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

class Overloaded extends Error {}

function scripted(answers: (sample: LimitSample) => number, more: Partial<LimitPolicy> = {}) {
  const samples: LimitSample[] = []
  const limit: LimitPolicy = {
    name: 'scripted',
    initial: 2,
    sample(sample) {
      samples.push({ ...sample })
      return answers(sample)
    },
    ...more,
  }
  return { limit, samples }
}

function timed(options: QueuedExecutorOptions<number>) {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    async (ms: number) => {
      await clock.sleep(Math.abs(ms))
      if (ms < 0) throw new Overloaded()
      return ms
    },
    { clock, ...options },
  )
  const ends = (...requests: number[]) => Promise.allSettled(requests.map((ms) => queue.execute(ms)))
  return { clock, queue, ends }
}

describe('a limit policy', () => {
  test('begins with its own limit, hears of each success, and is followed at once', async () => {
    const { limit, samples } = scripted(({ at }) => (at < 20 ? 3.9 : 0))
    const { clock, queue, ends } = timed({ limit })
    const resized: ExecutorEvents['resized'][] = []
    queue.on('resized', (event) => resized.push(event))
    expect(queue.concurrency).toBe(2)
    const all = ends(10, 10, 10, 10, 10)
    await clock.advance(5)
    expect(queue.getStatus()).toMatchObject({ running: 2, limit: { name: 'scripted', limit: 2, shadow: false } })
    await clock.advance(10)
    expect(queue.getStatus()).toMatchObject({ running: 3, maxWorkers: 3, limit: { limit: 3 } })
    await clock.run({ until: all })
    expect(queue.concurrency).toBe(1)
    expect(resized).toEqual([
      { at: 10, from: 2, to: 3 },
      { at: 20, from: 3, to: 1 },
    ])
    expect(samples).toEqual([
      { at: 10, runMs: 10, inflight: 1, dropped: false },
      { at: 10, runMs: 10, inflight: 2, dropped: false },
      { at: 20, runMs: 10, inflight: 2, dropped: false },
      { at: 20, runMs: 10, inflight: 3, dropped: false },
      { at: 20, runMs: 10, inflight: 3, dropped: false },
    ])
  })

  test('does not learn from failures of their own, cancelled runs, or requests that never ran', async () => {
    const { limit, samples } = scripted(() => 2)
    const errors: unknown[] = []
    const { clock, queue, ends } = timed({ limit, onListenerError: (error) => errors.push(error) })
    const all = ends(-5, 10, 10)
    const waiting = queue.execute(1, { waitTimeoutMs: 1 }).catch(() => {})
    const running = await queue.submit(7, { priority: 'urgent' })
    running.result.catch(() => {})
    await clock.advance(2)
    running.cancel()
    await clock.run({ until: Promise.all([all, waiting]) })
    expect(samples.map(({ runMs }) => runMs)).toEqual([10, 10])
    expect(errors).toEqual([])
  })

  test('hears of overload: a run timeout, when it is over, and what it says is a drop', async () => {
    const { limit, samples } = scripted(() => 2, { isDropped: (error) => error instanceof Overloaded })
    const { clock, ends } = timed({ limit, runTimeoutMs: 50 })
    await clock.run({ until: ends(-5, 80, 10) })
    await clock.advance(100)
    expect(samples).toEqual([
      { at: 5, runMs: 5, inflight: 1, dropped: true },
      { at: 15, runMs: 10, inflight: 2, dropped: false },
      { at: 50, runMs: 50, inflight: 2, dropped: true },
    ])
  })

  test('in shadow mode only says what it would set', async () => {
    const { limit } = scripted(() => 7, { shadow: true })
    const { clock, queue, ends } = timed({ limit, concurrency: 3 })
    await clock.run({ until: ends(1, 1) })
    expect(queue.concurrency).toBe(3)
    expect(queue.getStatus()).toMatchObject({ maxWorkers: 3, limit: { name: 'scripted', limit: 7, shadow: true } })
  })

  test('that throws, or answers nonsense, changes nothing and is reported', async () => {
    const errors: unknown[] = []
    const broken = new Error('broken')
    const { limit } = scripted(({ at }) => {
      if (at < 5) throw broken
      return Number.NaN
    })
    const { clock, queue, ends } = timed({ limit, onListenerError: (...told) => errors.push(told) })
    await clock.run({ until: ends(1, 10) })
    expect(errors).toEqual([[broken, 'resized']])
    expect(queue.concurrency).toBe(2)
  })

  test.each([
    [{ limit: {} }, 'limit'],
    [{ limit: { sample: (): number => 1, initial: 0 } }, 'concurrency'],
    [{ limit: { sample: (): number => 1, initial: 2 }, concurrency: 2 }, 'concurrency'],
  ] as [object, string][])('%j is refused', (options, path) => {
    expect(() => new QueuedExecutor(() => 1, options as QueuedExecutorOptions)).toThrow(OptionsError)
    expect(() => new QueuedExecutor(() => 1, options as QueuedExecutorOptions)).toThrow(`Option '${path}'`)
  })
})

describe('an order policy', () => {
  function recorded(more: Partial<OrderPolicy> = {}) {
    const questions: OrderQuestion[] = []
    const told: (string | number)[][] = []
    const order: OrderPolicy = {
      name: 'recorded',
      acrossTiers: true,
      rank(question) {
        questions.push({ ...question })
        return -question.sequence
      },
      started: ({ request }, rank) => told.push(['started', request as number, rank]),
      settled: ({ request }, rank, runMs) => told.push(['settled', request as number, rank, runMs]),
      ...more,
    }
    return { order, questions, told }
  }

  test('is asked at admission, with the deadline of the wait, and told of starts and settled calls', async () => {
    const { order, questions, told } = recorded()
    const { clock, queue } = timed({ order, concurrency: 1, waitTimeoutMs: 500 })
    const ends = [
      queue.execute(10, { priority: 'low', metadata: 'm' }),
      queue.execute(-20, { timeoutMs: 100 }),
      queue.execute(1, { waitTimeoutMs: Number.POSITIVE_INFINITY }),
    ]
    await clock.run({ until: Promise.allSettled(ends) })
    expect(questions).toEqual([
      { tier: 3, sequence: 1, admittedAt: 0, deadline: 500, cost: 1, attempt: 1, request: 10, metadata: 'm' },
      { tier: 2, sequence: 2, admittedAt: 0, deadline: 100, cost: 1, attempt: 1, request: -20, metadata: undefined },
      {
        tier: 2,
        sequence: 3,
        admittedAt: 0,
        deadline: Number.POSITIVE_INFINITY,
        cost: 1,
        attempt: 1,
        request: 1,
        metadata: undefined,
      },
    ])
    expect(told).toEqual([
      ['started', 1, -3],
      ['settled', 1, -3, 1],
      ['started', -20, -2],
      ['settled', -20, -2, 20],
      ['started', 10, -1],
      ['settled', 10, -1, 10],
    ])
  })

  test('is told of those who leave without having started, or have another rank from now on', async () => {
    const left: (string | number)[][] = []
    const { order, told } = recorded({ left: ({ tier, request }, rank) => left.push([request as number, tier, rank]) })
    const { clock, queue } = timed({ order, concurrency: 1 })
    const [first, moved, cancelled] = [await queue.submit(10), await queue.submit(1), await queue.submit(2)]
    const expired = queue.execute(3, { waitTimeoutMs: 5 }).catch(() => {})
    cancelled.result.catch(() => {})
    await clock.advance(1)
    expect(moved.setPriority('low')).toBe(true)
    cancelled.cancel()
    await clock.run({ until: Promise.all([first.result, moved.result, expired]) })
    expect(left).toEqual([
      [1, 2, -2],
      [2, 2, -3],
      [3, 2, -4],
    ])
    expect(told.map(([what, request]) => `${what} ${request}`)).toEqual([
      'started 10',
      'settled 10',
      'started 1',
      'settled 1',
    ])
  })

  test('weighted: the shares hold, also for a priority whose requests mostly give up', async () => {
    const { clock, queue } = timed({ order: weighted({ urgent: 3, low: 1 }), concurrency: 1, maxQueueSize: 0 })
    const starts = { urgent: 0, high: 0, normal: 0, low: 0 }
    queue.on('started', ({ priority }) => starts[priority]++)
    for (let i = 0; i < 2_400; i++) {
      // The policy learns at first how few of them stay.
      if (i === 1_200) Object.assign(starts, { urgent: 0, low: 0 })
      queue.execute(10, { priority: 'urgent' }).catch(() => {})
      for (let n = 0; n < 5; n++) queue.execute(10, { priority: 'low', waitTimeoutMs: 200 }).catch(() => {})
      await clock.advance(10)
    }
    expect(starts.low / (starts.urgent + starts.low)).toBeGreaterThan(0.23)
    expect(starts.low / (starts.urgent + starts.low)).toBeLessThan(0.27)
    await clock.run({ until: queue.close({ drain: false }) })
  })

  test('that throws when it is told something stops nothing, and is reported', async () => {
    const errors: unknown[] = []
    const throws = (): never => {
      throw new Error('broken')
    }
    const { order } = recorded({ started: throws, settled: throws, left: throws })
    const { clock, queue, ends } = timed({ order, concurrency: 1, onListenerError: (_, event) => errors.push(event) })
    const all = ends(1, 2)
    await clock.advance(0.2)
    const gone = queue.execute(3, { waitTimeoutMs: 0.1 }).catch(() => {})
    await clock.run({ until: Promise.all([all, gone]) })
    expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
    expect(errors).toEqual(Array.from({ length: 5 }, () => 'started'))
  })
})

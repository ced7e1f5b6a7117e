import { batched, type Clock, QueuedExecutor, type RunContext } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

function batching({ maxSize = 3, maxWaitMs = 0, concurrency = 6, fail = new Set<number>() } = {}) {
  const clock = new VirtualClock()
  const batches: [requests: number[], at: number][] = []
  const fn = async (requests: number[]) => {
    batches.push([requests, clock.now()])
    await clock.sleep(10)
    if (requests.includes(99)) throw new Error('the whole batch')
    return requests.map((n) => (fail.has(n) ? new Error(`only ${n}`) : n * 2))
  }
  const queue = new QueuedExecutor(batched(fn, { maxSize, maxWaitMs, clock }), { clock, concurrency })
  return { clock, queue, batches }
}

describe('batched()', () => {
  test('calls once for what starts in one burst, in the order of priority, and answers each', async () => {
    const { clock, queue, batches } = batching({ concurrency: 4 })
    const answers = Promise.all([
      queue.execute(1, { priority: 'low' }),
      ...[2, 3, 4].map((n) => queue.execute(n)),
      queue.execute(5, { priority: 'urgent' }),
    ])
    await clock.run({ until: answers })
    expect(await answers).toEqual([2, 4, 6, 8, 10])
    expect(batches).toEqual([
      [[5, 2, 3], 0],
      [[4], 0],
      [[1], 10],
    ])
  })

  test('waits for more, but not for longer than it may', async () => {
    const { clock, queue, batches } = batching({ maxWaitMs: 5 })
    const answers = [queue.execute(1)]
    await clock.advance(3)
    answers.push(queue.execute(2))
    await clock.advance(4)
    answers.push(queue.execute(3), queue.execute(4), queue.execute(5))
    await clock.run({ until: Promise.all(answers) })
    expect(batches).toEqual([
      [[1, 2], 5],
      [[3, 4, 5], 7],
    ])
    expect(clock.timers).toBe(0)
  })

  test('one failure does not fail its neighbours; that of the call fails its own batch', async () => {
    const { clock, queue } = batching({ fail: new Set([2]) })
    const ends = Promise.allSettled([1, 2, 3, 99, 5].map((n) => queue.execute(n)))
    await clock.run({ until: ends })
    expect((await ends).map((end) => (end.status === 'fulfilled' ? end.value : end.reason.message))).toEqual([
      2,
      'only 2',
      6,
      'the whole batch',
      'the whole batch',
    ])
    expect(queue.getStatus().totals).toMatchObject({ completed: 2, failed: 3 })
  })

  test('who has left before the call is not in it', async () => {
    const { clock, queue, batches } = batching({ maxWaitMs: 5 })
    const [first, second] = [await queue.submit(1), await queue.submit(2)]
    second.result.catch(() => {})
    await clock.advance(1)
    second.cancel()
    await clock.run({ until: first.result })
    expect(batches).toEqual([[[1], 5]])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0 })
  })

  test('when all have left, nothing is called', async () => {
    const { clock, queue, batches } = batching({ maxWaitMs: 5 })
    const requests = [await queue.submit(1), await queue.submit(2)]
    for (const { result } of requests) result.catch(() => {})
    await clock.advance(1)
    for (const request of requests) request.cancel()
    await clock.advance(10)
    expect(batches).toEqual([])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0, totals: { cancelled: 2 } })
    // The next one begins a batch of its own.
    await clock.run({ until: queue.execute(3) })
    expect(batches).toEqual([[[3], 16]])
  })

  test('too few answers, or none, fail the batch and free its slots', async () => {
    for (const answers of [[1], 'many', undefined]) {
      const queue = new QueuedExecutor(batched(() => answers as never, { maxSize: 2 }))
      const ends = await Promise.allSettled([queue.execute(1), queue.execute(2)])
      expect(ends).toEqual(
        [1, 2].map(() =>
          expect.objectContaining({ reason: new TypeError('A batch of 2 must have as many answers, in an array') }),
        ),
      )
      await queue.close()
    }
  })

  test('the function is told which runs it is called for', async () => {
    const told: unknown[] = []
    const fn = async (requests: number[], runs: readonly RunContext[]) => {
      told.push(...runs.map(({ metadata }, index) => [requests[index], metadata]))
      return requests
    }
    const queue = new QueuedExecutor(batched(fn, { maxSize: 2 }))
    await Promise.all([queue.execute(1, { metadata: 'one' }), queue.execute(2, { metadata: 'two' })])
    expect(told).toEqual([
      [1, 'one'],
      [2, 'two'],
    ])
  })

  test('a batch of which all have left is not called', async () => {
    const { clock, queue, batches } = batching({ maxWaitMs: 5 })
    const request = await queue.submit(1)
    request.result.catch(() => {})
    await clock.advance(1)
    request.cancel()
    await clock.advance(10)
    expect(batches).toEqual([])
  })

  test('a full batch takes its timer along: the next one has its own time', async () => {
    const { clock, queue, batches } = batching({ maxSize: 2, maxWaitMs: 5 })
    const answers = [queue.execute(1)]
    await clock.advance(3)
    answers.push(queue.execute(2))
    await clock.advance(1)
    answers.push(queue.execute(3))
    await clock.run({ until: Promise.all(answers) })
    expect(batches).toEqual([
      [[1, 2], 3],
      [[3], 9],
    ])
  })

  test('a full batch within a burst leaves what comes after it to a batch of its own burst', async () => {
    const batches: number[][] = []
    const execute = batched(
      async (requests: number[]) => {
        batches.push(requests)
        return requests
      },
      { maxSize: 2 },
    )
    const run = { signal: new AbortController().signal } as RunContext
    const answers = [1, 2].map((n) => execute(n, run))
    const fourth = Promise.resolve().then(() => execute(4, run))
    answers.push(execute(3, run), fourth)
    await Promise.all(answers)
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
    ])
  })

  test('what is 0 ms is no timer', async () => {
    const clock: Clock = {
      now: () => 0,
      setTimeout: () => {
        throw new Error('a timer was set')
      },
      clearTimeout: () => {},
    }
    const execute = batched(async (requests: number[]) => requests, { maxSize: 5, clock })
    const run = { signal: new AbortController().signal } as RunContext
    expect(await Promise.all([1, 2].map((n) => execute(n, run)))).toEqual([1, 2])
  })

  test('one timer for a batch: that of its first request', async () => {
    const { clock, queue, batches } = batching({ maxSize: 9, maxWaitMs: 5 })
    const answers: Promise<number>[] = []
    for (const n of [1, 2, 3]) {
      answers.push(queue.execute(n))
      await clock.advance(1)
    }
    await clock.advance(2.5)
    answers.push(queue.execute(4))
    await clock.run({ until: Promise.all(answers) })
    expect(batches).toEqual([
      [[1, 2, 3], 5],
      [[4], 10.5],
    ])
  })

  test.each([
    [{ maxSize: 0 }, "Option 'batched.maxSize' must be an integer of at least 1, but is 0"],
    [{ maxSize: 2.5 }, "Option 'batched.maxSize' must be an integer of at least 1, but is 2.5"],
    [{ maxSize: 2, maxWaitMs: -1 }, "Option 'batched.maxWaitMs' must be a number of ms of at least 0, but is -1"],
    [{ maxSize: 2, maxWaitMs: '5' }, "Option 'batched.maxWaitMs' must be a number of ms of at least 0, but is '5'"],
  ])('%j is refused', (options, message) => {
    expect(() => batched(async () => [], options as never)).toThrow(message)
    expect(() => batched('f' as never, { maxSize: 1 })).toThrow("Option 'batched' must be a function")
  })

  test('a batch of one is one', async () => {
    const queue = new QueuedExecutor(batched(async (requests: number[]) => requests, { maxSize: 1 }))
    expect(await queue.execute(1)).toBe(1)
  })
})

import { batched, OptionsError, QueuedExecutor } from 'triage-queue'
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
      expect(ends).toEqual([1, 2].map(() => expect.objectContaining({ reason: expect.any(TypeError) })))
      await queue.close()
    }
  })

  test.each([[{ maxSize: 0 }], [{ maxSize: 2.5 }], [{ maxSize: 2, maxWaitMs: -1 }]])('%j is refused', (options) => {
    expect(() => batched(async () => [], options)).toThrow(OptionsError)
    expect(() => batched('f' as never, { maxSize: 1 })).toThrow("Option 'batched' must be a function")
  })
})

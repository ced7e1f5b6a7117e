import { runInNewContext } from 'node:vm'
import { type BatchOptions, batched, type Clock, OptionsError, QueuedExecutor, type RunContext } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test } from 'vitest'
import { JumpingClock, turn, watch } from '../../failures/support.ts'
import { unhandledIn } from '../../laws/support/unhandled.ts'

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

  test('too few answers, too many, or none, fail the batch, say how many came, and free its slots', async () => {
    for (const [answers, came] of [
      [[1], '1'],
      [[1, 2, 3], '3'],
      ['many', "'many'"],
      [undefined, 'undefined'],
      [null, 'null'],
    ]) {
      const queue = new QueuedExecutor(batched(() => answers as never, { maxSize: 2 }))
      const ends = await Promise.allSettled([queue.execute(1), queue.execute(2)])
      const error = new TypeError(`A batch of 2 needs an array of 2 answers, but got ${came}`)
      expect(ends).toEqual([1, 2].map(() => expect.objectContaining({ reason: error })))
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
    [{ maxSize: 0 }, "Option 'batched.maxSize': expected an integer of at least 1, got 0"],
    [{ maxSize: 2.5 }, "Option 'batched.maxSize': expected an integer of at least 1, got 2.5"],
    [{ maxWaitMs: -1 }, "Option 'batched.maxWaitMs': expected a number of ms of at least 0, got -1"],
    [{ maxSize: 0, clock: {} }, "Option 'batched.clock': expected a clock with setTimeout and clearTimeout, got {}"],
    [{ maxSize: 2, maxWaitMs: -1 }, "Option 'batched.maxWaitMs': expected a number of ms of at least 0, got -1"],
    [{ maxSize: 2, maxWaitMs: '5' }, "Option 'batched.maxWaitMs': expected a number of ms of at least 0, got '5'"],
    [
      { maxSize: 2, maxWaitMs: Number.NaN },
      "Option 'batched.maxWaitMs': expected a number of ms of at least 0, got NaN",
    ],
    [{}, "Option 'batched.maxSize': expected an integer of at least 1, got undefined"],
    [undefined, "Option 'batched': expected an object, got undefined"],
    [null, "Option 'batched': expected an object, got null"],
    [{ maxSize: 2, maxWait: 5 }, "Unknown option 'batched.maxWait'"],
    [
      { maxSize: 2, clock: null },
      "Option 'batched.clock': expected a clock with setTimeout and clearTimeout, got null",
    ],
    [
      { maxSize: 2, clock: { setTimeout } },
      "Option 'batched.clock': expected a clock with setTimeout and clearTimeout, got {}",
    ],
  ])('%j is refused', (options, message) => {
    expect(() => batched(async () => [], options as never)).toThrow(OptionsError)
    expect(() => batched(async () => [], options as never)).toThrow(message)
    expect(() => batched('f' as never, { maxSize: 1 })).toThrow("Option 'batched': expected a function")
  })

  test('a batch of one is one', async () => {
    const clock = new JumpingClock()
    const options = { maxSize: 1, maxWaitMs: 5, clock }
    const queue = new QueuedExecutor(batched(async (requests: number[]) => requests, options))
    expect(await queue.execute(1)).toBe(1)
    expect(clock.mostTimers).toBe(0)
  })
})

describe('a batch that waits', () => {
  test('for ever is called when it is full, and sets no timer', async () => {
    const { clock, queue, batches } = batching({ maxSize: 2, maxWaitMs: Number.POSITIVE_INFINITY })
    const first = watch(queue.execute(1))
    await clock.advance(1_000)
    expect([batches, clock.timers]).toEqual([[], 1])
    const second = queue.execute(2)
    await clock.run({ until: second })
    expect([first.value, await second, batches]).toEqual([2, 4, [[[1, 2], 1_000]]])
    expect(clock.timers).toBe(0)
  })

  test.each([2 ** 31, 2 ** 33])(
    'for %d ms, beyond the reach of timers, waits for as long as that',
    async (maxWaitMs) => {
      const clock = new JumpingClock()
      const batches: [requests: number[], at: number][] = []
      const fn = async (requests: number[]) => {
        batches.push([requests, clock.now()])
        return requests
      }
      const execute = batched(fn, { maxSize: 2, maxWaitMs, clock })
      const answer = execute(1, { signal: new AbortController().signal } as RunContext)
      await clock.advanceTo(maxWaitMs - 1)
      expect([batches, clock.outOfRange]).toEqual([[], []])
      await clock.advanceTo(maxWaitMs)
      expect([await answer, batches, clock.timers]).toEqual([1, [[[1], maxWaitMs]], 0])
    },
  )

  test('gives back the slot of a request whose caller leaves, at once', async () => {
    const { clock, queue, batches } = batching({ maxWaitMs: 50, concurrency: 2 })
    const control = new AbortController()
    const left = watch(queue.execute(1, { signal: control.signal }))
    const stays = watch(queue.execute(2))
    const next = watch(queue.execute(3))
    await clock.advance(1)
    control.abort('left')
    await clock.settle()
    // The third has the slot of the first, and is of the same batch.
    expect([left.error, queue.getStatus().activeWorkers, batches]).toEqual(['left', 2, []])
    await clock.run({ until: next.done })
    expect([stays.value, next.value, batches]).toEqual([4, 6, [[[2, 3], 50]]])
  })

  test.each<[string, (control: AbortController, clock: VirtualClock) => unknown, number]>([
    ['aborted', (control) => control.abort('left'), 1],
    ['timed out', (_, clock) => clock.advance(20), 21],
  ])(
    'gives up its slots and its timer when all of it have left (%s); the next request opens another',
    async (_, leave, at) => {
      const { clock, queue, batches } = batching({ maxWaitMs: 1_000, concurrency: 2 })
      const control = new AbortController()
      const both = [1, 2].map((n) => watch(queue.execute(n, { signal: control.signal, runTimeoutMs: 20 })))
      await clock.advance(1)
      await leave(control, clock)
      await clock.settle()
      expect(both.map(({ state }) => state)).toEqual(['rejected', 'rejected'])
      expect([clock.timers, queue.getStatus().activeWorkers]).toEqual([0, 0])
      const next = queue.execute(3)
      await clock.run({ until: next })
      expect([await next, batches]).toEqual([6, [[[3], at + 1_000]]])
    },
  )

  test('counts only those who are still there', async () => {
    const { clock, queue, batches } = batching({ maxSize: 3, maxWaitMs: 50 })
    const control = new AbortController()
    const left = watch(queue.execute(1, { signal: control.signal }))
    const stay = [watch(queue.execute(2))]
    await clock.advance(1)
    control.abort('left')
    stay.push(watch(queue.execute(3)))
    await clock.settle()
    expect(batches).toEqual([])
    const last = queue.execute(4)
    await clock.run({ until: last })
    expect([left.error, batches]).toEqual(['left', [[[2, 3, 4], 1]]])
  })

  test('only for its burst is not called when all of it leave in that burst', async () => {
    const batches: number[][] = []
    const fn = async (requests: number[]) => {
      batches.push(requests)
      return requests
    }
    const execute = batched(fn, { maxSize: 2 })
    const control = new AbortController()
    const left = watch(execute(1, { signal: control.signal } as RunContext))
    control.abort('left')
    await turn()
    expect([left.error, batches]).toEqual(['left', []])
  })

  test('does not take in a request whose caller has left before it came', async () => {
    const batches: number[][] = []
    const execute = batched(
      async (requests: number[]) => {
        batches.push(requests)
        return requests
      },
      { maxSize: 2 },
    )
    const run = { signal: AbortSignal.abort('left') } as RunContext
    const stays = { signal: new AbortController().signal } as RunContext
    const left = watch(execute(1, run))
    expect([await execute(2, stays), left.error, batches]).toEqual([2, 'left', [[2]]])
  })
})

describe('an error among the answers', () => {
  // Not every Node has it.
  const errors = Error as { isError?: unknown }
  const { isError } = errors
  afterEach(() => {
    errors.isError = isError
  })

  const others: [string, unknown][] = [
    ['of this realm', new TypeError('failed')],
    ['of another realm', runInNewContext('new TypeError("failed")')],
    ['of another realm, and of a class of its own', runInNewContext('new (class extends Error {})("failed")')],
    ['of the platform', new DOMException('failed')],
  ]

  test.each(others)('%s fails its own request only', async (_, error) => {
    for (const known of [isError, undefined]) {
      errors.isError = known
      const queue = new QueuedExecutor(batched(async (_: number[]) => [error, 2], { maxSize: 2 }))
      const [failed, answered] = [watch(queue.execute(1)), watch(queue.execute(2))]
      await queue.idle()
      expect([failed.error, answered.value]).toEqual([error, 2])
      expect(failed.error).toBe(error)
    }
  })

  test('is one with a stack: an object with a message is an answer', async () => {
    const answer = { name: 'Error', message: 'not an error', stack: '' }
    const queue = new QueuedExecutor(batched(async () => [answer], { maxSize: 1 }))
    expect(await queue.execute(1)).toBe(answer)
  })
})

describe('every member settles', () => {
  const broken = new Error('broken')
  const getter = Object.defineProperty([0, 2], 0, {
    get: () => {
      throw broken
    },
  })
  const short = Object.defineProperty([0], 0, {
    get: () => {
      throw broken
    },
  })
  const proxy = new Proxy([1, 2], {
    get: () => {
      throw broken
    },
  })
  const { proxy: revoked, revoke } = Proxy.revocable([1, 2], {})
  revoke()
  const wrong = new TypeError('A batch of 2 needs an array of 2 answers, but got 1')

  test.each<[string, () => unknown, [unknown, unknown]]>([
    [
      'throws',
      () => {
        throw broken
      },
      [broken, broken],
    ],
    ['rejects', () => Promise.reject(broken), [broken, broken]],
    ['answers with a getter that throws', () => getter, [broken, 2]],
    ['answers with too few, one of which throws', () => short, [wrong, wrong]],
    ['answers with a proxy that throws', () => proxy, [broken, broken]],
    ['answers with a revoked proxy', () => revoked, [expect.any(TypeError), expect.any(TypeError)]],
    ['answers with promises', () => [Promise.reject(broken), Promise.resolve(2)], [broken, 2]],
  ])('when the function %s', async (_, fn, expected) => {
    const queue = new QueuedExecutor(batched(fn as never, { maxSize: 2 }))
    const both = [watch(queue.execute(1)), watch(queue.execute(2))]
    await queue.idle()
    expect(both.map(({ value, error }) => value ?? error)).toEqual(expected)
  })

  test.each([
    ['too few', () => [Promise.reject(broken)]],
    ['too many', () => [1, Promise.reject(broken), Promise.reject(broken)]],
    ['no array', () => ({ 0: Promise.reject(broken), 1: Promise.reject(broken) })],
  ])('and rejected promises among %s answers are nobody’s', async (_, fn) => {
    const unheard = await unhandledIn(async () => {
      const queue = new QueuedExecutor(batched(fn as never, { maxSize: 2 }))
      const both = [watch(queue.execute(1)), watch(queue.execute(2))]
      await queue.idle()
      await turn()
      expect(both.map(({ error }) => (error as Error).name)).toEqual(['TypeError', 'TypeError'])
    })
    expect(unheard).toEqual([])
  })

  test('when the clock throws, those that it threw for; and the others are called', async () => {
    const clock = new VirtualClock()
    const throws = { setTimeout: true, clearTimeout: false }
    const batches: number[][] = []
    const options: BatchOptions = {
      maxSize: 2,
      maxWaitMs: 5,
      clock: {
        now: () => clock.now(),
        setTimeout: (callback, delayMs) => {
          if (throws.setTimeout) throw broken
          return clock.setTimeout(callback, delayMs)
        },
        clearTimeout: (timer) => {
          if (throws.clearTimeout) throw broken
          clock.clearTimeout(timer)
        },
      },
    }
    const fn = async (requests: number[]) => {
      batches.push(requests)
      return requests
    }
    const queue = new QueuedExecutor(batched(fn, options), { clock })
    const first = watch(queue.execute(1))
    await clock.settle()
    expect([first.error, queue.getStatus().activeWorkers]).toEqual([broken, 0])
    throws.setTimeout = false
    throws.clearTimeout = true
    const both = [watch(queue.execute(2)), watch(queue.execute(3))]
    await clock.settle()
    expect(batches).toEqual([[2, 3]])
    expect(both.map(({ value, error }) => value ?? error)).toEqual([2, broken])
  })
})

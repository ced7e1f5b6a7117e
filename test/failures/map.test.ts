/**
 * `map()`, whatever its source, its consumer, its signal and the guards do: it ends, closes what it reads, and leaves nothing.
 */
import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import {
  backoff,
  type Guard,
  type MapOptions,
  OptionsError,
  OverloadedError,
  QueuedExecutor,
  RateLimitedError,
  type Source,
  type StandardSchema,
  tokenBucket,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { unhandledIn } from '../laws/support/unhandled.ts'
import { busy, gated, turn, watch } from './support.ts'

async function collect<T>(results: AsyncIterable<T>, into: T[] = []): Promise<T[]> {
  for await (const result of results) into.push(result)
  return into
}

/** A queue whose requests take 1 ms of virtual time. */
function quick(options: ConstructorParameters<typeof QueuedExecutor<number, number>>[1] = {}) {
  const clock = new VirtualClock()
  const started: [n: number, at: number][] = []
  const executor = async (n: number) => {
    started.push([n, clock.now()])
    await clock.sleep(1)
    return n * 10
  }
  return { clock, started, queue: new QueuedExecutor(executor, { clock, concurrency: 2, ...options }) }
}

interface Quiet {
  readonly source: Source<string>
  closed(): boolean
}

/** Sources that give `'a'`, and then nothing, for ever. */
const quiet: Record<string, () => Quiet> = {
  'an iterator': () => {
    let closed = false
    let given = false
    const source: AsyncIterableIterator<string> = {
      next: () => {
        if (given) return new Promise(() => {})
        given = true
        return Promise.resolve({ done: false, value: 'a' })
      },
      return: async () => {
        closed = true
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]: () => source,
    }
    return { source, closed: () => closed }
  },
  'a Node stream': () => {
    const source = new Readable({ objectMode: true, read() {} })
    source.push('a')
    return { source, closed: () => source.destroyed }
  },
  'a web stream': () => {
    let closed = false
    const source = new ReadableStream<string>({
      start: (controller) => controller.enqueue('a'),
      cancel: () => {
        closed = true
      },
    })
    return { source, closed: () => closed && !source.locked }
  },
}

/** Ways to end an iteration whose source is quiet, and with what its next result then ends. */
type Iteration = AsyncGenerator<unknown, void, undefined>
const ends: Record<string, [end: (made: Made) => unknown, outcome: unknown]> = {
  'an abort': [({ control }) => control.abort('enough'), 'enough'],
  'close()': [({ queue }) => watch(queue.close()), 'TRIAGE_QUEUE_CLOSED'],
  'close() without drain': [({ queue }) => watch(queue.close({ drain: false })), 'TRIAGE_QUEUE_CLOSED'],
  'return()': [({ results }) => watch(results.return()), 'fulfilled'],
  'throw()': [({ results }) => watch(results.throw('thrown')), 'fulfilled'],
}
interface Made {
  readonly control: AbortController
  readonly queue: QueuedExecutor<string, unknown>
  readonly results: Iteration
}

describe.each(Object.keys(quiet))('while its source, %s, is quiet', (kind) => {
  const made = () => {
    const { source, closed } = (quiet[kind] as () => Quiet)()
    const control = new AbortController()
    const { queue, gate, clock } = gated()
    const results: Iteration = queue.map(source, { signal: control.signal })
    return { control, queue, gate, clock, results, closed }
  }

  test.each(Object.keys(ends))('%s ends it at once, and closes the source', async (name) => {
    const [end, outcome] = ends[name] as (typeof ends)[string]
    const unheard = await unhandledIn(async () => {
      const { control, queue, gate, clock, results, closed } = made()
      const first = watch(results.next())
      await turn()
      await gate.finish('a')
      const next = watch(results.next())
      await turn()
      expect([first.value, next.state, closed()]).toEqual([{ done: false, value: 'a' }, 'pending', false])
      end({ control, queue, results })
      await turn()
      expect([next.outcome, closed()]).toEqual([outcome, true])
      expect(await results.next()).toEqual({ done: true, value: undefined })
      expect([getEventListeners(control.signal, 'abort').length, clock.timers]).toEqual([0, 0])
    })
    expect(unheard).toEqual([])
  })

  test.each(['an abort', 'return()', 'throw()'])('%s ends what runs, too', async (name) => {
    const [end, outcome] = ends[name] as (typeof ends)[string]
    const { control, queue, gate, clock, results, closed } = made()
    const next = watch(results.next())
    await turn()
    const { signal } = gate.call('a').run
    end({ control, queue, results })
    await turn()
    expect([next.outcome, closed(), signal.aborted]).toEqual([outcome, true, true])
    await gate.finishAll()
    expect([getEventListeners(control.signal, 'abort').length, clock.timers]).toEqual([0, 0])
  })

  test('break closes the source, and an error that its results end with does so, too', async () => {
    const broken = made()
    const failed = watch(collect(broken.results))
    await turn()
    await broken.gate.fail('a', 'failed')
    expect([failed.error, broken.closed()]).toEqual(['failed', true])

    const left = made()
    const consumed = (async () => {
      for await (const _ of left.results) break
    })()
    await turn()
    await left.gate.finish('a')
    await consumed
    expect(left.closed()).toBe(true)
  })

  test('a signal that was aborted before closes the source unread', async () => {
    const { control, gate, results, closed, clock } = made()
    control.abort('early')
    const next = watch(results.next())
    await turn()
    expect([next.error, closed(), gate.started]).toEqual(['early', true, []])
    expect([getEventListeners(control.signal, 'abort').length, clock.timers]).toEqual([0, 0])
  })
})

describe('what it reads', () => {
  test.each<[string, () => Source<number>]>([
    ['an array', () => [1, 2, 3]],
    ['a set', () => new Set([1, 2, 3])],
    ['numbers in a row', () => Uint8Array.of(1, 2, 3)],
    ['promises', () => [Promise.resolve(1), 2, Promise.resolve(3)]],
    ['a generator', () => [1, 2, 3].values()],
    [
      'an async generator',
      async function* () {
        yield* [1, 2, 3]
      },
    ],
    ['a Node stream', () => Readable.from([1, 2, 3])],
    ['a web stream', () => ReadableStream.from([1, 2, 3])],
    // As in a browser that can't iterate streams.
    [
      'a web stream without an iterator',
      () => Object.assign(ReadableStream.from([1, 2, 3]), { [Symbol.asyncIterator]: 0 }),
    ],
  ])('may be %s', async (_, source) => {
    const { clock, queue } = quick()
    const read = source()
    const all = collect(queue.map(read))
    await clock.run({ until: all })
    expect(await all).toEqual([10, 20, 30])
    if (read instanceof ReadableStream) expect(read.locked).toBe(false)
  })

  test.each<[unknown, string]>([
    ['abc', "'abc'"],
    ['', "''"],
    [3, '3'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{ length: 3 }, '{"length":3}'],
    [{ next: () => ({ done: true }) }, '{}'],
    [() => [1], 'a function'],
  ])('is refused when it can’t be read: %s', (source, received) => {
    const { queue } = quick()
    const map = () => queue.map(source as never)
    expect(map).toThrow(OptionsError)
    expect(map).toThrow(
      `Option 'requests': expected an iterable object, such as an array, a generator or a stream, got ${received}`,
    )
  })

  test('ends the results with the error of a promise among its items, and is closed', async () => {
    const { clock, queue } = quick()
    let closed = false
    function* source() {
      try {
        yield 1
        yield Promise.reject(new Error('no request'))
        yield 3
      } finally {
        closed = true
      }
    }
    const got: number[] = []
    const end = watch(collect(queue.map(source()), got))
    await clock.run({ until: end.done })
    expect([got, end.error, closed]).toEqual([[10], new Error('no request'), true])
  })

  test('is not run any more when a promise among its items is kept after the end', async () => {
    const { gate, queue } = gated()
    const control = new AbortController()
    let keep!: (request: string) => void
    const promise = new Promise<string>((resolve) => {
      keep = resolve
    })
    const next = watch(queue.map([promise, 'b'], { signal: control.signal }).next())
    await turn()
    control.abort('enough')
    keep('a')
    await turn()
    expect([next.error, gate.started, queue.getStatus().totals.admitted]).toEqual(['enough', [], 0])
  })

  test('ends the results with its error when it can’t even be opened, or answers with nothing', async () => {
    const { queue } = quick()
    const broken = new Error('broken')
    const source = {
      [Symbol.iterator]: () => {
        throw broken
      },
    }
    await expect(queue.map(source as never).next()).rejects.toBe(broken)
    const nothing = { [Symbol.iterator]: () => ({ next: () => null, return: () => ({ done: true }) }) }
    await expect(queue.map(nothing as never).next()).rejects.toThrow(TypeError)
    expect(queue.getStatus().totals.admitted).toBe(0)
  })
})

describe('its options', () => {
  test.each<[unknown, string]>([
    [{ windw: 3 }, "Unknown option 'map.windw'"],
    [{ id: 'one for all' }, "Unknown option 'map.id'"],
    [null, "Option 'map': expected an object"],
    [{ ordered: 1 }, "Option 'ordered': expected a boolean"],
    [{ window: 0 }, "Option 'window': expected an integer of at least 1"],
    [{ priority: 'soon' }, "Option 'priority': expected one of"],
    [{ signal: {} }, "Option 'signal': expected an AbortSignal"],
    [{ timeoutMs: 0 }, "Option 'timeoutMs': expected a number of ms greater than 0"],
    [{ cost: 3 }, "Option 'cost': expected at most 2"],
  ])('are looked at when it is called: %j', (options, message) => {
    const { queue } = quick()
    const map = () => queue.map([1], options as never)
    expect(map).toThrow(OptionsError)
    expect(map).toThrow(message)
    expect(queue.getStatus().totals.rejected).toBe(0)
  })

  test('that turn bad later end the results', async () => {
    const { queue } = quick()
    const startAt = new Date()
    const next = watch(queue.map([1], { startAt }).next())
    startAt.setTime(Number.NaN)
    await next.done
    expect(next.error).toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'startAt' })
  })

  test('are read once, own or inherited', async () => {
    const { clock, queue } = quick()
    class Options {
      reads = 0
      get ordered() {
        this.reads++
        return true
      }
    }
    const options = Object.create({ priority: 'urgent', metadata: 'all of them', cost: 2 }) as MapOptions
    const priorities: unknown[] = []
    queue.on('started', ({ priority, metadata }) => priorities.push(priority, metadata))
    const all = collect(queue.map([1], options))
    await clock.run({ until: all })
    expect(priorities).toEqual(['urgent', 'all of them'])
    const own = new Options()
    Object.defineProperty(own, 'reads', { enumerable: false })
    const others = collect(queue.map([1, 2], own as MapOptions))
    await clock.run({ until: others })
    expect(own.reads).toBe(1)
  })
})

describe('the error of the executor', () => {
  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('will not close')
      },
    ],
    ['rejects', () => Promise.reject(new Error('will not close'))],
    [
      'answers with a thenable that throws',
      () =>
        Object.defineProperty({}, 'then', {
          get: () => {
            throw new Error('will not close')
          },
        }),
    ],
  ])('is kept when the `return()` of the source %s', async (_, close) => {
    for (const ordered of [true, false]) {
      const unheard = await unhandledIn(async () => {
        const { gate, queue } = gated()
        const source = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 'a' }), return: close }) }
        const end = watch(collect(queue.map(source as Source<string>, { ordered })))
        await turn()
        await gate.fail('a', 'its own error')
        expect(end.error).toBe('its own error')
      })
      expect(unheard).toEqual([])
    }
  })
})

describe('close()', () => {
  for (const ordered of [true, false]) {
    test(`gives the results of what was admitted first, and also when it was paused, ordered: ${ordered}`, async () => {
      const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 2 })
      queue.pause()
      const got: unknown[] = []
      const end = watch(collect(queue.map(['a', 'b', 'c', 'd', 'e', 'f'], { ordered }), got))
      await turn()
      expect(queue.getStatus()).toMatchObject({ waiting: 2, running: 0 })
      const closed = watch(queue.close())
      await turn()
      expect([end.state, gate.started]).toEqual(['pending', ['a', 'b']])
      await gate.finish('b')
      await gate.finish('a')
      expect([end.outcome, closed.state]).toEqual(['TRIAGE_QUEUE_CLOSED', 'fulfilled'])
      expect(got).toEqual(ordered ? ['a', 'b'] : ['b', 'a'])
    })

    test(`does not cut them off for one that is blocked, or that its schema looks at, ordered: ${ordered}`, async () => {
      const checks: (() => void)[] = []
      const schema: StandardSchema<string> = {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value) =>
            value === 'c'
              ? new Promise((resolve) => checks.push(() => resolve({ value })))
              : { value: value as string },
        },
      }
      const { gate, queue } = gated({ maxQueueSize: 1, maxChecking: 5, schema })
      function* source() {
        yield* ['a', 'c']
        // It takes the room that was there when this was read.
        queue.offer('other')
        yield 'b'
      }
      const got: unknown[] = []
      const end = watch(collect(queue.map(source(), { ordered, window: 5 }), got))
      await turn()
      expect(queue.getStatus()).toMatchObject({ running: 1, waiting: 1, blocked: 1 })
      watch(queue.close())
      await turn()
      expect(end.state).toBe('pending')
      await gate.finishAll()
      expect([end.outcome, got]).toEqual(['TRIAGE_QUEUE_CLOSED', ['a']])
      checks[0]?.()
      await turn()
      expect(gate.started).toEqual(['a', 'other'])
    })
  }

  test('does not cut off what comes behind one that its schema still looks at', async () => {
    const schema: StandardSchema<string> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => (value === 'slow' ? new Promise(() => {}) : { value: value as string }),
      },
    }
    const { gate, queue } = gated({ schema })
    const got: unknown[] = []
    const end = watch(collect(queue.map(['slow', 'a'], { window: 3 }), got))
    await turn()
    watch(queue.close())
    await turn()
    expect([end.state, gate.started]).toEqual(['pending', ['a']])
    await gate.finish('a')
    expect([end.outcome, got]).toEqual(['TRIAGE_QUEUE_CLOSED', ['a']])
  })

  test('is told when the last one of the source has not come in yet', async () => {
    const clock = new VirtualClock()
    const rateLimit = tokenBucket({ perSecond: 1, burst: 1 })
    const validate = async (value: unknown) => {
      await clock.sleep(1)
      return { value: value as number }
    }
    const schema: StandardSchema<number> = { '~standard': { version: 1, vendor: 'test', validate } }
    const queue = new QueuedExecutor(async (n: number) => n * 10, { clock, rateLimit, schema })
    const got: number[] = []
    const end = watch(collect(queue.map([1, 2], { window: 5 }), got))
    await clock.advance(10)
    expect([got, end.state]).toEqual([[10], 'pending'])
    watch(queue.close())
    await turn()
    expect(end.outcome).toBe('TRIAGE_QUEUE_CLOSED')
  })

  test('changes nothing for a source that was read to its end', async () => {
    const { gate, queue } = gated()
    const end = watch(collect(queue.map(['a', 'b'], { window: 3 })))
    await turn()
    watch(queue.close())
    await gate.finishAll()
    expect(end.value).toEqual(['a', 'b'])
  })

  test('without drain cancels what waits', async () => {
    const { gate, queue } = gated()
    const end = watch(collect(queue.map(['a', 'b', 'c'])))
    await turn()
    watch(queue.close({ drain: false }))
    await gate.finish('a')
    expect(end.outcome).toBe('TRIAGE_CANCELLED')
  })

  test('before it begins lets nothing be read', async () => {
    const { queue } = gated()
    await queue.close()
    const source = Readable.from(['a'])
    const next = watch(queue.map(source).next())
    await turn()
    expect([next.outcome, source.destroyed]).toEqual(['TRIAGE_QUEUE_CLOSED', true])
  })
})

describe('while it is full', () => {
  test.each([
    ['of answers that nobody has fetched', { concurrency: 4 }, { window: 2 }],
    ['for want of room', { maxQueueSize: 1 }, { window: 9 }],
  ])('%s, an abort ends it, closes the source, and leaves nothing', async (_, options, how) => {
    const { gate, queue, clock } = gated(options)
    const control = new AbortController()
    const source = Readable.from(['a', 'b', 'c', 'd', 'e'], { highWaterMark: 1 })
    const results = queue.map(source, { ...how, signal: control.signal })
    const first = watch(results.next())
    await turn()
    await gate.finishAll()
    expect(first.value).toEqual({ done: false, value: 'a' })
    control.abort('enough')
    await turn()
    expect(source.destroyed).toBe(true)
    await expect(results.next()).rejects.toBe('enough')
    expect(await results.next()).toEqual({ done: true, value: undefined })
    await gate.finishAll()
    expect([getEventListeners(control.signal, 'abort').length, clock.timers]).toEqual([0, 0])
  })

  test('and others are refused (`reject`), it waits for room', async () => {
    const { clock, queue, started } = quick({ concurrency: 1, maxQueueSize: 1, whenFull: 'reject' })
    const all = collect(queue.map([1, 2, 3, 4, 5], { window: 5 }))
    await clock.run({ until: all })
    expect(await all).toEqual([10, 20, 30, 40, 50])
    expect(started.map(([n]) => n)).toEqual([1, 2, 3, 4, 5])
    expect(queue.getStatus().totals.rejected).toBe(0)
  })

  test('and others are blocked (`block`), it comes in behind them, also when no more may be blocked', async () => {
    const { gate, queue } = await busy({ whenFull: 'block', maxQueueSize: 1, maxBlocked: 1 })
    function* source() {
      // They take the room that was there when this was read.
      watch(queue.execute('waits'))
      watch(queue.execute('blocked'))
      yield 'mine'
    }
    const end = watch(collect(queue.map(source())))
    await turn()
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    await gate.finishAll()
    expect([end.value, gate.started]).toEqual([['mine'], ['busy 0', 'waits', 'blocked', 'mine']])
  })
})

describe('refusals by a rate or a guard', () => {
  for (const ordered of [true, false]) {
    test(`of a rate are waited out, in the order of the input, ordered: ${ordered}`, async () => {
      const { clock, queue, started } = quick({ rateLimit: tokenBucket({ perSecond: 10, burst: 1 }) })
      const control = new AbortController()
      let read = 0
      let mostAhead = 0
      function* source() {
        for (let n = 1; n <= 5; n++) {
          read++
          mostAhead = Math.max(mostAhead, read - started.length)
          yield n
        }
      }
      const all = collect(queue.map(source(), { ordered, signal: control.signal }))
      await clock.run({ until: all })
      expect(await all).toEqual([10, 20, 30, 40, 50])
      expect(started).toEqual([1, 2, 3, 4, 5].map((n) => [n, (n - 1) * 100]))
      // The guards were asked before: nobody was refused.
      expect([queue.getStatus().totals.rejected, mostAhead]).toEqual([0, 1])
      expect([getEventListeners(control.signal, 'abort').length, clock.timers]).toEqual([0, 0])
    })
  }

  test('of a rate that lets wait are waited out beyond its own patience', async () => {
    const rateLimit = tokenBucket({ perSecond: 10, burst: 1, over: 'wait', maxDelayMs: 150 })
    const { clock, queue, started } = quick({ rateLimit })
    const all = collect(queue.map([1, 2, 3, 4, 5], { window: 5 }))
    await clock.run({ until: all })
    expect(await all).toEqual([10, 20, 30, 40, 50])
    expect(started).toEqual([1, 2, 3, 4, 5].map((n) => [n, (n - 1) * 100]))
  })

  test('are about each request: a guard is asked with it, and with its metadata', async () => {
    const asked: unknown[] = []
    const per = (request: unknown, metadata: unknown) => {
      asked.push([request, metadata])
      return String((request as { tenant: string }).tenant)
    }
    const clock = new VirtualClock()
    const rateLimit = tokenBucket({ perSecond: 10, burst: 1, per })
    const queue = new QueuedExecutor(async ({ tenant }: { tenant: string }) => tenant, { clock, rateLimit })
    const all = collect(queue.map([{ tenant: 'a' }, { tenant: 'b' }, { tenant: 'a' }], { metadata: 'm' }))
    await clock.run({ until: all })
    expect([await all, clock.now()]).toEqual([['a', 'b', 'a'], 100])
    expect(asked.every((each) => (each as unknown[])[0] !== undefined && (each as unknown[])[1] === 'm')).toBe(true)
  })

  test('that name no time are asked about again after a second', async () => {
    const { clock, queue, started } = quick({
      overload: { name: 'closed', admit: ({ at }) => (at < 2_500 ? refusal(undefined) : undefined) },
    })
    const all = collect(queue.map([1, 2]))
    await clock.run({ until: all })
    expect([await all, started]).toEqual([
      [10, 20],
      [
        [1, 3_000],
        [2, 3_000],
      ],
    ])
  })

  test('again go on waiting', async () => {
    let tries = 0
    // It says yes when it is only asked, and then no.
    const guard: Guard = {
      name: 'moody',
      admit: ({ probe }) => (probe || ++tries % 20 === 0 ? undefined : refusal(5)),
    }
    const { clock, queue, started } = quick({ overload: guard })
    const all = collect(queue.map([1, 2, 3], { window: 3 }))
    await clock.run({ until: all })
    expect([await all, started.map(([n]) => n), tries]).toEqual([[10, 20, 30], [1, 2, 3], 60])
    expect(queue.getStatus().totals.rejected).toBe(57)
  })

  test('again and again leave the event loop to others between one try and the next', async () => {
    let hasTurned = false
    const guard: Guard = { name: 'moody', admit: ({ probe }) => (probe || hasTurned ? undefined : refusal(5)) }
    const queue = new QueuedExecutor(async (n: number) => n, { overload: guard })
    const all = collect(queue.map([1, 2, 3]))
    setImmediate(() => {
      hasTurned = true
    })
    expect(await all).toEqual([1, 2, 3])
  })

  test('keep nothing back once they have come in', async () => {
    let tries = 0
    const guard: Guard = { name: 'moody', admit: ({ probe }) => (probe || tries++ > 0 ? undefined : refusal(5)) }
    const { gate, queue } = gated({ concurrency: 2, overload: guard })
    const all = watch(collect(queue.map(['a', 'b'])))
    await turn()
    await turn()
    expect([gate.started, queue.getStatus().totals.rejected]).toEqual([['a', 'b'], 1])
    await gate.finishAll()
    expect(all.value).toEqual(['a', 'b'])
  })

  test('after an asynchronous schema keep the order of the results, and ask about what the schema has made', async () => {
    let checked = 0
    const asked = new Set<unknown>()
    const per = (request: unknown) => {
      asked.add(request)
      return 'all'
    }
    const clock = new VirtualClock()
    const schema: StandardSchema<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        // The later ones are looked at for less time.
        validate: async (value) => {
          checked++
          await clock.sleep(10 - Number(value))
          return { value: Number(value) }
        },
      },
    }
    const started: number[] = []
    const executor = async (n: number) => {
      started.push(n)
      return n * 10
    }
    const rateLimit = tokenBucket({ perSecond: 10, burst: 1, per })
    const queue = new QueuedExecutor(executor, { clock, schema, rateLimit })
    const all = collect(queue.map(['1', '2', '3', '4'] as never[], { window: 4 }))
    await clock.run({ until: all })
    expect(await all).toEqual([10, 20, 30, 40])
    // As they have passed the schema, which looks at each once.
    expect(started).toEqual([4, 3, 2, 1])
    expect(checked).toBe(4)
    expect([...asked].every((request) => typeof request === 'number')).toBe(true)
    expect(clock.timers).toBe(0)
  })

  test.each(['close', 'abort', 'return'] as const)('end with it: %s', async (how) => {
    for (const schema of [undefined, anything]) {
      const { clock, queue, started } = quick({
        rateLimit: tokenBucket({ perSecond: 1, burst: 1 }),
        ...(schema && { schema }),
      })
      const control = new AbortController()
      const source = Readable.from([1, 2, 3])
      const results = queue.map(source, { signal: control.signal })
      const first = watch(results.next())
      const second = watch(results.next())
      await clock.advance(10)
      expect([first.value, second.state]).toEqual([{ done: false, value: 10 }, 'pending'])
      if (how === 'close') watch(queue.close())
      else if (how === 'abort') control.abort('enough')
      else watch(results.return())
      await turn()
      expect(second.outcome).toBe({ close: 'TRIAGE_QUEUE_CLOSED', abort: 'enough', return: 'fulfilled' }[how])
      expect([source.destroyed, started.length, clock.timers]).toEqual([true, 1, 0])
      expect(getEventListeners(control.signal, 'abort')).toHaveLength(0)
    }
  })

  test('are none when a guard throws: that is the end of the results', async () => {
    const broken = new Error('broken')
    for (const schema of [undefined, anything]) {
      const guard: Guard = {
        name: 'broken',
        admit: ({ request, probe }) => {
          if (request === 2 && (probe || schema === undefined)) throw broken
          return request === 2 ? refusal(5) : undefined
        },
      }
      const { clock, queue } = quick({ overload: guard, ...(schema && { schema }) })
      const got: number[] = []
      const end = watch(collect(queue.map([1, 2, 3]), got))
      await clock.run({ until: end.done })
      expect([got, end.error]).toEqual([[10], broken])
    }
  })

  test('are none of ours when the executor itself has met with them: it is not called again', async () => {
    const explain = refusal(5)
    for (const error of [new RateLimitedError(explain), new OverloadedError(explain)]) {
      const { gate, queue } = gated()
      const end = watch(collect(queue.map(['a', 'b'])))
      await turn()
      await gate.fail('a', error)
      expect([end.error === error, gate.started.filter((name) => name === 'a').length]).toEqual([true, 1])
    }
  })

  test('are none when a guard sheds what was admitted', async () => {
    const late: Guard = { name: 'late', drop: () => refusal(5) }
    const { clock, queue } = quick({ overload: late })
    const end = watch(collect(queue.map([1])))
    await clock.run({ until: end.done })
    expect([end.outcome, queue.getStatus().totals.shed]).toEqual(['TRIAGE_OVERLOADED', 1])
  })
})

describe('the other policies', () => {
  test('a request that does not fit the schema ends the results after those before it', async () => {
    const schema: StandardSchema<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => (value === 3 ? { issues: [{ message: 'not three' }] } : { value: value as number }),
      },
    }
    const { clock, queue } = quick({ schema })
    const got: number[] = []
    const end = watch(collect(queue.map([1, 2, 3, 4]), got))
    await clock.run({ until: end.done })
    expect([got, end.outcome]).toEqual([[10, 20], 'TRIAGE_INVALID_REQUEST'])
  })

  test('a request that is tried again keeps its place in the order', async () => {
    const clock = new VirtualClock()
    const retry = backoff({ attempts: 3 })
    const queue = new QueuedExecutor<number, string>(
      (n, { attempt }) => {
        if (n === 2 && attempt < 3) throw new Error('not yet')
        return `${n}, attempt ${attempt}`
      },
      { clock, retry },
    )
    const all = collect(queue.map([1, 2, 3]))
    await clock.run({ until: all })
    expect(await all).toEqual(['1, attempt 1', '2, attempt 3', '3, attempt 1'])
  })
})

test('a consumer that never comes back leaves no rejection unheard', async () => {
  for (const ordered of [true, false]) {
    const unheard = await unhandledIn(async () => {
      const { clock, gate, queue } = gated({ concurrency: 3 })
      const first = watch(queue.map(['a', 'b', 'c', 'd', 'e'], { ordered }).next())
      const broken = watch(queue.map([Promise.reject(new Error('never asked for'))]).next())
      await turn()
      await gate.finish('a')
      for (const name of ['b', 'c']) await gate.fail(name, new Error('never asked for'))
      await clock.run({ until: queue.close({ graceMs: 0, drain: false }) })
      expect([first.state, broken.state]).toEqual(['fulfilled', 'rejected'])
    })
    expect(unheard).toEqual([])
  }
})

test('a stream that is made of its results closes its source when it is destroyed, though that is quiet', async () => {
  for (const error of [undefined, new Error('broken')]) {
    const { gate, queue } = gated()
    const source = new Readable({ objectMode: true, read() {} })
    const results = Readable.from(queue.map(source as Source<string>))
    const told: unknown[] = []
    results.on('data', (value) => told.push(value)).on('error', (reason) => told.push(reason))
    source.push('a')
    await turn()
    await gate.finish('a')
    results.destroy(error)
    await turn()
    expect([told, source.destroyed]).toEqual([error === undefined ? ['a'] : ['a', error], true])
  }
})

test('an iteration that never began reads nothing, and ends at once', async () => {
  const { queue } = gated()
  const source = Readable.from(['a'])
  const results = queue.map(source)
  expect(await results.return()).toEqual({ done: true, value: undefined })
  expect(await results.next()).toEqual({ done: true, value: undefined })
  await turn()
  expect([source.destroyed, queue.getStatus().totals.admitted]).toEqual([false, 0])
  source.destroy()
})

const anything: StandardSchema<number> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as number }) },
}

function refusal(retryAfterMs: number | undefined) {
  const explain = { rule: 'closed', compared: { load: 1 }, wouldAdmit: 'less load' }
  return retryAfterMs === undefined ? explain : { ...explain, retryAfterMs }
}

describe('a web stream is read to its end', () => {
  const sources: { readonly [name: string]: () => ReadableStream<string> } = {
    'closed before it is read': () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue('a')
          controller.enqueue('b')
          controller.close()
        },
      }),
    'closed with its last chunk': () => {
      const left = ['a', 'b']
      return new ReadableStream({
        pull(controller) {
          controller.enqueue(left.shift() as string)
          if (left.length === 0) controller.close()
        },
      })
    },
    'closed after its last chunk': () => {
      const left = ['a', 'b']
      return new ReadableStream({
        pull(controller) {
          const next = left.shift()
          if (next === undefined) controller.close()
          else controller.enqueue(next)
        },
      })
    },
    'the readable side of a TransformStream': () => {
      const { readable, writable } = new TransformStream<string, string>()
      const writer = writable.getWriter()
      void writer.write('a')
      void writer.write('b')
      void writer.close()
      return readable
    },
  }
  test.each(Object.entries(sources))('%s, and its lock is let go', async (_, make) => {
    const queue = new QueuedExecutor<string, string>(async (name) => name)
    const stream = make()
    const got: string[] = []
    for await (const name of queue.map(stream)) got.push(name)
    expect([got, stream.locked]).toEqual([['a', 'b'], false])
  })

  test('also when it has nothing, and the body of a Response', async () => {
    const queue = new QueuedExecutor<unknown, unknown>(async (chunk) => chunk)
    const empty = new ReadableStream({ start: (controller) => controller.close() })
    for await (const _ of queue.map(empty)) expect.unreachable()
    const chunks: unknown[] = []
    for await (const chunk of queue.map(new Response('abc').body as ReadableStream)) chunks.push(chunk)
    expect(new TextDecoder().decode(chunks[0] as Uint8Array)).toBe('abc')
  })
})

test('what is to start later never fits where nothing may wait: the iteration ends with that, and does not try for ever', async () => {
  const { queue } = gated({ maxQueueSize: 'none' })
  const end = watch(collect(queue.map(['a'], { delayMs: 5 }), []))
  await turn()
  expect([end.outcome, (end.error as { neverFits?: boolean }).neverFits]).toEqual(['TRIAGE_QUEUE_FULL', true])
})

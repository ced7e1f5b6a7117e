import fc from 'fast-check'
import {
  OptionsError,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RequestOptions,
  strict,
  systemClock,
} from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { readRequestOptions } from '../../src/core/request-options.ts'
import { RequestRecord } from '../../src/core/request-record.ts'
import { readSettings } from '../../src/core/settings.ts'

const executor = (request: unknown): unknown => request

// The same options, said a second time and by other means: the reader of options is held against this.
const bound = z.union([z.int().min(0), z.literal(Number.POSITIVE_INFINITY)])
const size = z.union([bound, z.literal('none')])
const timeout = z.union([z.number().positive(), z.literal(Number.POSITIVE_INFINITY)])
const byPriority = <T extends z.ZodType>(each: T) => ({
  urgent: each.optional(),
  high: each.optional(),
  normal: each.optional(),
  low: each.optional(),
})
const timeouts = z.union([timeout, z.strictObject({ default: timeout.optional(), ...byPriority(timeout) })])
const schema = z.strictObject({
  name: z.string().min(1).optional(),
  concurrency: z.int().min(1).optional(),
  maxQueueSize: z.union([size, z.strictObject({ total: size.optional(), ...byPriority(size) })]).optional(),
  maxChecking: bound.optional(),
  whenFull: z.enum(['reject', 'block', 'shed']).optional(),
  maxBlocked: bound.optional(),
  maxRetrying: bound.optional(),
  waitTimeoutMs: timeouts.optional(),
  runTimeoutMs: timeouts.optional(),
  timeoutMs: timeouts.optional(),
  onStuck: z.enum(['hold', 'replace']).optional(),
  maxReplaced: z.int().min(0).optional(),
  onDuplicate: z.enum(['join', 'reject']).optional(),
})

const odd = fc.oneof(
  fc.constantFrom(0, -1, 1, 2.5, 1e9, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0),
  fc.constantFrom(
    '',
    '5',
    'reject',
    'block',
    'shed',
    'hold',
    'replace',
    'join',
    'none',
    'constructor',
    null,
    true,
    undefined,
  ),
  fc.constant([]),
  fc.dictionary(
    fc.constantFrom('total', 'default', 'urgent', 'high', 'normal', 'low', 'loww', 'constructor'),
    fc.constantFrom(0, 1, -1, 2.5, Number.POSITIVE_INFINITY, Number.NaN, '5', 'none', null),
    { maxKeys: 3 },
  ),
)

test('the table of options accepts and refuses what a zod schema of them does', () => {
  const names = [...Object.keys(schema.shape), 'maxQueueSzie', 'toString']
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), odd, { maxKeys: 3, noNullPrototype: true }), (options) => {
      const read = () => readSettings(options as QueuedExecutorOptions)
      if (schema.safeParse(options).success) expect(read).not.toThrow()
      else expect(read).toThrow(OptionsError)
    }),
    { numRuns: 2_000 },
  )
})

describe('an OptionsError names the option, what it must be, and what it is', () => {
  test.each<[unknown, string, string]>([
    [{ concurrency: 0 }, 'concurrency', "Option 'concurrency': expected an integer of at least 1, got 0"],
    [{ concurrency: '5' }, 'concurrency', "Option 'concurrency': expected an integer of at least 1, got '5'"],
    [{ concurrency: Number.POSITIVE_INFINITY }, 'concurrency', 'an integer of at least 1, got Infinity'],
    [{ maxQueueSize: { low: -1 } }, 'maxQueueSize.low', "Option 'maxQueueSize.low': expected an integer of at least 0"],
    [{ maxQueueSize: { lwo: 1 } }, 'maxQueueSize.lwo', "did you mean 'low'?"],
    [{ maxQueueSzie: 1 }, 'maxQueueSzie', "did you mean 'maxQueueSize'?"],
    [{ whenFull: 'drop' }, 'whenFull', "expected one of 'reject', 'block', 'shed', got 'drop'"],
    [{ runTimeoutMs: 0 }, 'runTimeoutMs', 'expected a number of ms greater than 0, or Infinity, got 0'],
    [{ timeoutMs: { urgent: Number.NaN } }, 'timeoutMs.urgent', 'got NaN'],
    [{ schema: {} }, 'schema', "expected a Standard Schema, with a '~standard' property, got {}"],
    [{ order: { name: 'mine' } }, 'order', 'expected an order policy'],
    [{ clock: { now: 1 } }, 'clock', 'expected a clock'],
    [{ onListenerError: 'log' }, 'onListenerError', "expected a function, got 'log'"],
    [null, 'options', "Option 'options': expected an object, got null"],
    [[], 'options', "Option 'options': expected an object, got []"],
  ])('%j', (options, path, message) => {
    expect.assertions(3)
    try {
      new QueuedExecutor(executor, options as QueuedExecutorOptions)
    } catch (error) {
      expect(error).toBeInstanceOf(OptionsError)
      expect((error as OptionsError).path).toBe(path)
      expect((error as OptionsError).message).toContain(message)
    }
  })

  test('the executor itself', () => {
    expect(() => new QueuedExecutor('run' as never)).toThrow("Option 'executor': expected a function, got 'run'")
  })
})

test('the defaults are bounded', () => {
  expect(readSettings()).toMatchObject({
    name: 'triage',
    concurrency: 10,
    total: 10_000,
    byTier: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    whenFull: 'shed',
    maxBlocked: 10_000,
    maxRetrying: 10_000,
    runTimeoutMs: [300_000, 300_000, 300_000, 300_000],
    onStuck: 'hold',
    maxReplaced: 10,
    onDuplicate: 'join',
    clock: systemClock,
    rateLimits: [],
    overload: [],
  })
  expect(readSettings().random()).toBeGreaterThanOrEqual(0)
})

test('the environment asks for debug where the options do not', () => {
  const debugs = (env: string) => {
    vi.stubEnv('TRIAGE_DEBUG', env)
    return [undefined, true, false].map((debug) => readSettings({ debug } as QueuedExecutorOptions).debug)
  }
  expect([debugs('1'), debugs('true'), debugs('')]).toEqual([
    [true, true, false],
    [false, true, false],
    [false, true, false],
  ])
  vi.unstubAllEnvs()
})

test('0 and Infinity ask for no bound', () => {
  expect(readSettings({ maxQueueSize: 0, maxBlocked: Number.POSITIVE_INFINITY })).toMatchObject({
    total: Number.POSITIVE_INFINITY,
    maxBlocked: Number.POSITIVE_INFINITY,
    maxRetrying: Number.POSITIVE_INFINITY,
  })
  expect(readSettings({ maxQueueSize: 0, maxRetrying: 3 })).toMatchObject({ maxRetrying: 3 })
  expect(readSettings({ maxRetrying: 0 })).toMatchObject({ total: 10_000, maxRetrying: Number.POSITIVE_INFINITY })
})

test('as many may be retried at a time as may wait in all, unless it is said', () => {
  expect(readSettings({ maxQueueSize: 7 })).toMatchObject({ total: 7, maxRetrying: 7 })
  expect(readSettings({ maxQueueSize: { total: 8, low: 2 } })).toMatchObject({ maxRetrying: 8 })
  expect(readSettings({ maxQueueSize: { low: 2 } })).toMatchObject({ maxRetrying: 10_000 })
})

test("'none' is a bound of 0, of all or of a priority; what is 0 was asked for, and is remembered", () => {
  const never = Number.POSITIVE_INFINITY
  const sizes: [QueuedExecutorOptions['maxQueueSize'], object][] = [
    ['none', { total: 0, byTier: [0, 0, 0, 0], zeroSizes: [], unusedSizes: [] }],
    [
      { total: 'none', low: 5, normal: 0, high: 'none' },
      { total: 0, byTier: [0, 0, 0, 0], zeroSizes: [], unusedSizes: ['normal', 'low'] },
    ],
    [
      { total: 9, low: 'none', high: 3 },
      { total: 9, byTier: [never, 3, never, 0], zeroSizes: [], unusedSizes: [] },
    ],
    [
      { low: 'none', high: 0 },
      { total: 10_000, byTier: [never, never, never, 0], zeroSizes: ['maxQueueSize.high'] },
    ],
    [{ total: 0 }, { total: never, byTier: [never, never, never, never], zeroSizes: ['maxQueueSize'] }],
    [0, { total: never, byTier: [never, never, never, never], zeroSizes: ['maxQueueSize'] }],
  ]
  for (const [maxQueueSize, settings] of sizes) {
    expect(readSettings({ maxQueueSize } as QueuedExecutorOptions)).toMatchObject(settings)
  }
})

test('an asynchronous schema may look at as many as may wait, and as many may be retried, unless it is said', () => {
  const most = (options: QueuedExecutorOptions) => readSettings(options).maxChecking
  expect(readSettings({ maxQueueSize: 'none' }).maxRetrying).toBe(10_000)
  expect([{}, { maxQueueSize: 5 }, { maxQueueSize: { low: 5 } }, { maxQueueSize: 'none' } as const].map(most)).toEqual([
    ...[10_000, 5, 10_000, 10_000],
  ])
  const all = [{ maxQueueSize: 0 }, { maxChecking: 0 }, { maxChecking: 7, maxQueueSize: 5 }]
  expect(all.map(most)).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 7])
})

test('one value is for all priorities; an object names some, and the others have its default, or the option’s own', () => {
  const { waitTimeoutMs, runTimeoutMs, timeoutMs } = readSettings({
    waitTimeoutMs: 5,
    runTimeoutMs: { urgent: 1, default: 7 },
    timeoutMs: { low: 9 },
  })
  expect(waitTimeoutMs).toEqual([5, 5, 5, 5])
  expect(runTimeoutMs).toEqual([1, 7, 7, 7])
  expect(timeoutMs.at(0)).toBe(Number.POSITIVE_INFINITY)
  expect(timeoutMs.at(3)).toBe(9)
})

test('the default order is strict', () => {
  expect(readSettings().order.name).toBe(strict().name)
})

describe('what one request asks for', () => {
  const bad: [unknown, string][] = [
    [{ priority: 'constructor' }, 'priority'],
    [{ priority: 'URGENT' }, 'priority'],
    [{ priority: 1 }, 'priority'],
    [{ id: '' }, 'id'],
    [{ id: 7 }, 'id'],
    [{ signal: {} }, 'signal'],
    [{ signal: null }, 'signal'],
    [{ waitTimeoutMs: 0 }, 'waitTimeoutMs'],
    [{ runTimeoutMs: -5 }, 'runTimeoutMs'],
    [{ timeoutMs: '5' }, 'timeoutMs'],
    [{ onDuplicate: 'run' }, 'onDuplicate'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs'],
    ['urgent', 'options'],
    [null, 'options'],
  ]

  test.each(bad)('%j is refused through the promise, and changes nothing', async (options, path) => {
    const queue = new QueuedExecutor(executor)
    const refused = { code: 'TRIAGE_INVALID_OPTIONS', path }
    await expect(queue.execute(1, options as RequestOptions)).rejects.toMatchObject(refused)
    await expect(queue.submit(1, options as RequestOptions)).rejects.toMatchObject(refused)
    expect(() => queue.offer(1, options as RequestOptions)).toThrow(expect.objectContaining(refused))
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0, rejected: 3 } })
  })

  const read = (options: RequestOptions): RequestRecord => {
    const record = new RequestRecord(undefined, 2, { at: 7, owner: {} })
    readRequestOptions(options, record)
    return record
  }

  test.each<[RequestOptions]>([[{}], [{ priority: 'low' }], [{ cost: 1 }]])(
    '%j needs no room of its own',
    (options) => {
      const { id, metadata, signal, delayMs, timeoutMs } = options
      expect(read({ id, metadata, signal, delayMs, timeoutMs, ...options } as RequestOptions).extras).toBeUndefined()
    },
  )

  test('a date and a delay: it starts at the later of both', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 5_000 })
    const startAt = (ms: number, delayMs?: number) =>
      read({ startAt: new Date(ms), delayMs } as RequestOptions).extras?.later?.startAt
    expect([startAt(6_000), startAt(6_000, 400), startAt(6_000, 1_400), startAt(1)]).toEqual([1_007, 1_007, 1_407, 7])
    expect(read({ delayMs: 30 }).extras?.later?.startAt).toBe(37)
    vi.useRealTimers()
  })

  test('options may be changed as soon as they were handed over', async () => {
    const queue = new QueuedExecutor((_: number, run) => run.priority)
    const options: RequestOptions = { priority: 'high' }
    const answer = queue.execute(1, options)
    options.priority = 'low'
    await expect(answer).resolves.toBe('high')
  })

  test('each option is read once: a getter may answer something else the second time', async () => {
    const options = {
      ...{ priority: 'high', id: 'x', signal: new AbortController().signal, metadata: {}, cost: 2, delayMs: 0 },
      ...{ waitTimeoutMs: 9_000, runTimeoutMs: 9_000, timeoutMs: 9_000, startAt: new Date(0), after: [] },
      onDuplicate: 'join',
      deadline: new Date(Date.now() + 60_000),
      kind: undefined,
    }
    const reads: string[] = []
    const counted = new Proxy(options, {
      get(target, name) {
        reads.push(String(name))
        return Reflect.get(target, name)
      },
    })
    const queue = new QueuedExecutor(executor, { concurrency: 2 })
    await queue.execute(1, counted as RequestOptions)
    expect(reads.sort()).toEqual(Object.keys(options).sort())
  })

  test('a getter that throws refuses the request with what it threw', async () => {
    const queue = new QueuedExecutor(executor)
    const options = {
      get priority(): never {
        throw new Error('no priority today')
      },
    }
    await expect(queue.execute(1, options)).rejects.toThrow('no priority today')
    expect(queue.getStatus().totals).toMatchObject({ admitted: 0, rejected: 1 })
  })
})

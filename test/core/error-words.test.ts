/**
 * What each error says: its code, its words, its numbers; and what it costs.
 */
import {
  CancelledError,
  DuplicateRequestError,
  InvalidRequestError,
  InvariantError,
  isTriageError,
  NotAdmittedError,
  OptionsError,
  OverloadedError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  RunTimeoutError,
  ShedError,
  TriageError,
  WaitTimeoutError,
} from 'triage-queue'
import { expect, describe as group, test } from 'vitest'
import { describe, stackOf } from '../../src/core/any-value.ts'
import { reasonOf } from '../../src/core/errors.ts'

const subject = { requestId: 'r1', priority: 'low', started: true } as const
const explain = { rule: 'tokenBucket', compared: { tokens: 0, cost: 2 }, wouldAdmit: 'at least 2 tokens' }

group('each error', () => {
  test.each<[TriageError, string, string, string, object]>([
    [
      new QueueFullError('total', 10, 10, subject),
      'QueueFullError',
      'TRIAGE_QUEUE_FULL',
      'The queue is full: 10 of at most 10 requests wait',
      {
        bound: 'total',
        size: 10,
        maxSize: 10,
        retryAfterMs: undefined,
        explain: {
          rule: 'maxQueueSize',
          compared: { bound: 'total', size: 10, maxSize: 10 },
          wouldAdmit: 'fewer than 10',
        },
      },
    ],
    [
      new QueueFullError('priority', 3, 2, subject, 250),
      'QueueFullError',
      'TRIAGE_QUEUE_FULL',
      "The queue is full for priority 'low': 3 of at most 2 requests wait; retry in about 250 ms",
      { bound: 'priority', retryAfterMs: 250, explain: { rule: 'maxQueueSize' } },
    ],
    [
      new QueueFullError('checking', 4, 4, subject, 20),
      'QueueFullError',
      'TRIAGE_QUEUE_FULL',
      'The queue is full: 4 of at most 4 requests are being checked; retry in about 20 ms',
      { bound: 'checking', size: 4, maxSize: 4, explain: { rule: 'maxChecking', wouldAdmit: 'fewer than 4' } },
    ],
    [
      new QueueFullError('total', 0, 0, subject, 20),
      'QueueFullError',
      'TRIAGE_QUEUE_FULL',
      "No slot is free, and nothing may wait (maxQueueSize is 'none'); retry in about 20 ms",
      { bound: 'total', explain: { rule: 'maxQueueSize', wouldAdmit: 'one for which a slot is free' } },
    ],
    [
      new QueueFullError('priority', 0, 0, subject, undefined, true),
      'QueueFullError',
      'TRIAGE_QUEUE_FULL',
      "It is to start later, and nothing may wait for priority 'low' (maxQueueSize.low is 'none')",
      { bound: 'priority', explain: { rule: 'maxQueueSize', wouldAdmit: 'one that starts at once' } },
    ],
    [
      new QueueFullError('blocked', 5, 5, subject),
      'QueueFullError',
      'TRIAGE_QUEUE_FULL',
      'The queue is full: 5 of at most 5 callers are blocked',
      { bound: 'blocked', explain: { rule: 'maxBlocked' } },
    ],
    [
      new RateLimitedError(explain, subject, 20),
      'RateLimitedError',
      'TRIAGE_RATE_LIMITED',
      'Refused by tokenBucket (tokens 0, cost 2); it would admit at least 2 tokens',
      { explain, retryAfterMs: 20 },
    ],
    [
      new OverloadedError(explain, subject, 20),
      'OverloadedError',
      'TRIAGE_OVERLOADED',
      'Refused by tokenBucket (tokens 0, cost 2); it would admit at least 2 tokens',
      { explain, retryAfterMs: 20 },
    ],
    [
      new InvalidRequestError([{ message: 'too long' }], subject),
      'InvalidRequestError',
      'TRIAGE_INVALID_REQUEST',
      'The request does not fit the schema: too long',
      { issues: [{ message: 'too long' }], explain: undefined },
    ],
    [
      new QueueClosedError(subject),
      'QueueClosedError',
      'TRIAGE_QUEUE_CLOSED',
      'The executor is closed and admits no more requests',
      {},
    ],
    [
      new DuplicateRequestError(subject),
      'DuplicateRequestError',
      'TRIAGE_DUPLICATE_REQUEST',
      "A request with the id 'r1' is live already",
      {},
    ],
    [
      new WaitTimeoutError(100.06, 100, subject),
      'WaitTimeoutError',
      'TRIAGE_WAIT_TIMEOUT',
      'No slot was free for it in time: waited 100.1 of at most 100 ms',
      { waitedMs: 100.06, timeoutMs: 100 },
    ],
    [
      new ShedError('urgent', subject, 40),
      'ShedError',
      'TRIAGE_SHED',
      "Displaced from a full queue by a request of priority 'urgent' that goes before it",
      { displacedBy: 'urgent', retryAfterMs: 40 },
    ],
    [
      new RunTimeoutError(50.04, 50, { ...subject, started: false }),
      'RunTimeoutError',
      'TRIAGE_RUN_TIMEOUT',
      'The executor did not answer in time: ran 50 ms, the timeout is 50 ms',
      { ranMs: 50.04, timeoutMs: 50 },
    ],
    [
      new CancelledError('enough', subject),
      'CancelledError',
      'TRIAGE_CANCELLED',
      "Cancelled: 'enough'",
      { reason: 'enough', cause: 'enough' },
    ],
  ])('%s', (error, name, code, message, more) => {
    expect(error).toMatchObject({ name, code, message, ...subject, ...more })
    expect(String(error)).toBe(`${name}: ${message}`)
    expect(isTriageError(error)).toBe(true)
  })

  test('of a law that is broken tells how the executor stood', () => {
    const state = { waiting: -1 }
    expect(new InvariantError(4, 'less than none waits', state)).toMatchObject({
      name: 'InvariantError',
      code: 'TRIAGE_INVARIANT',
      message: 'Law 4 is broken: less than none waits',
      law: 4,
      state,
    })
  })

  test('of an option names it, what it must be, and what it is', () => {
    expect(new OptionsError('maxQueueSize.low', 'an integer', 2.5)).toMatchObject({
      name: 'OptionsError',
      code: 'TRIAGE_INVALID_OPTIONS',
      message: "Option 'maxQueueSize.low': expected an integer, got 2.5",
      path: 'maxQueueSize.low',
      expected: 'an integer',
      received: 2.5,
    })
  })

  test('has a reason in one word, as refusals are counted', () => {
    expect(reasonOf(new QueueFullError('total', 1, 1))).toBe('queue_full')
    expect(reasonOf(new InvalidRequestError([]))).toBe('invalid_request')
    expect(reasonOf(new Error('x'))).toBe('error')
    expect(reasonOf(undefined)).toBe('error')
  })

  test('without a subject it says so', () => {
    expect(new QueueClosedError()).toMatchObject({ requestId: undefined, priority: undefined, started: false })
    expect(new QueueFullError('priority', 1, 1)).toMatchObject({ priority: undefined, bound: 'priority' })
    const cancelled = new CancelledError()
    expect(cancelled).toMatchObject({ message: 'Cancelled', reason: undefined })
    expect('cause' in cancelled).toBe(false)
  })

  test('of a refusal is a NotAdmittedError, of an end is none', () => {
    expect(new QueueFullError('total', 1, 1)).toBeInstanceOf(NotAdmittedError)
    expect(new WaitTimeoutError(1, 1)).not.toBeInstanceOf(NotAdmittedError)
    expect(new NotAdmittedError('TRIAGE_OVERLOADED', 'x').name).toBe('NotAdmittedError')
    expect(new TriageError('TRIAGE_OVERLOADED', 'x').name).toBe('TriageError')
  })

  test('has a name that can be changed, as that of any error', () => {
    const error = new QueueClosedError()
    error.name = 'Mine'
    expect(error.name).toBe('Mine')
    expect(Object.keys(Object.getOwnPropertyDescriptors(new QueueClosedError()))).not.toContain('name')
    expect(Object.getOwnPropertyDescriptor(QueueClosedError.prototype, 'name')).toMatchObject({ configurable: true })
  })
})

group('over HTTP', () => {
  const load = [503, { 'retry-after': '2' }, 2, false] as const
  test.each<[TriageError, number, object, number | undefined, boolean]>([
    [new QueueFullError('total', 1, 1, subject, 1_001), ...load],
    [new OverloadedError(explain, subject, 1_001), ...load],
    [new ShedError('high', subject, 1_001), ...load],
    [new WaitTimeoutError(1, 1, subject, 1_001), ...load],
    [new RateLimitedError(explain, subject, 1_001), 429, { 'retry-after': '2' }, 2, true],
    [new QueueClosedError(subject), 503, {}, undefined, false],
    [new RunTimeoutError(1, 1, subject), 504, {}, undefined, false],
    [new InvalidRequestError([{ message: 'no' }], subject), 400, {}, undefined, true],
    [new DuplicateRequestError(subject), 409, {}, undefined, true],
    [new DuplicateRequestError(subject, 'payload'), 422, {}, undefined, true],
    // Its message quotes a reason that is nobody's but ours.
    [new CancelledError('secret', subject), 409, {}, undefined, false],
    [new OptionsError('a', 'b', 'c', subject), 500, {}, undefined, false],
    [new InvariantError(1, 'x', {}), 500, {}, undefined, false],
    [new TriageError('TRIAGE_OF_TOMORROW' as 'TRIAGE_SHED', 'x'), 500, {}, undefined, false],
  ])('%s', (error, statusCode, headers, retryAfterSeconds, expose) => {
    expect(error.statusCode).toBe(statusCode)
    expect(error.headers).toEqual(headers)
    expect(error.retryAfterSeconds).toBe(retryAfterSeconds)
    expect(error.expose).toBe(expose)
  })

  test.each([
    [0, 1],
    [0.4, 1],
    [1, 1],
    [1_000, 1],
    [1_000.1, 2],
    [59_999, 60],
    [Number.POSITIVE_INFINITY, undefined],
    [1e25, undefined],
    [Number.NaN, undefined],
    [undefined, undefined],
  ])('%s ms are %s whole seconds', (ms, seconds) => {
    const error = new OverloadedError(explain, subject, ms)
    expect(error.retryAfterSeconds).toBe(seconds)
    expect(error.headers).toEqual(seconds === undefined ? {} : { 'retry-after': String(seconds) })
    expect(() => new Headers(error.headers)).not.toThrow()
  })

  test('costs nothing until it is read: no error has a property of its own for it', () => {
    const own = Object.keys(new QueueFullError('total', 1, 1, subject, 1))
    expect(own).not.toEqual(expect.arrayContaining([expect.stringMatching(/status|headers|expose|Seconds/)]))
  })
})

group('as JSON', () => {
  test('it is its text and its numbers, and why; no stack, and nothing of whoever cancelled', () => {
    const error = new QueueFullError('total', 2, 2, subject, 250)
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'QueueFullError',
      message: error.message,
      statusCode: 503,
      code: 'TRIAGE_QUEUE_FULL',
      ...subject,
      retryAfterMs: 250,
      explain: error.explain,
      bound: 'total',
      size: 2,
      maxSize: 2,
      neverFits: false,
    })
    const tangled: { self?: object } = {}
    tangled.self = tangled
    const shown = JSON.parse(JSON.stringify(new CancelledError(tangled, subject)))
    expect(shown).toMatchObject({ code: 'TRIAGE_CANCELLED', statusCode: 409 })
    expect(shown).not.toHaveProperty('reason')
    expect(() => JSON.stringify(new OptionsError('a', 'b', 5n))).not.toThrow()
  })
})

group('the stack', () => {
  const overload: [string, () => Error][] = [
    ['QueueFullError', () => new QueueFullError('total', 1, 1)],
    ['RateLimitedError', () => new RateLimitedError(explain)],
    ['OverloadedError', () => new OverloadedError(explain)],
    ['WaitTimeoutError', () => new WaitTimeoutError(1, 1)],
    ['ShedError', () => new ShedError('high')],
    ['RunTimeoutError', () => new RunTimeoutError(1, 1)],
    ['CancelledError', () => new CancelledError()],
  ]

  test.each(overload)('of %s is left out, and others have theirs before and after', (_name, make) => {
    const limit = Error.stackTraceLimit
    expect(make().stack).not.toContain('error-words.test.ts')
    expect(Error.stackTraceLimit).toBe(limit)
    expect(new OptionsError('a', 'b', 'c').stack).toContain('error-words.test.ts')
  })

  test('is there when the limit can not be written', () => {
    const limit = Error.stackTraceLimit
    Object.defineProperty(Error, 'stackTraceLimit', { writable: false, configurable: true, value: limit })
    try {
      expect(new WaitTimeoutError(1, 1).stack).toContain('error-words.test.ts')
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', { writable: true, configurable: true, value: limit })
    }
  })

  test('of anything thrown is shown, or what there is instead', () => {
    const error = new Error('x')
    expect(stackOf(error)).toBe(error.stack)
    expect(stackOf('x')).toBe("'x'")
    expect(stackOf({ stack: 'not an error' })).toBe('{"stack":"not an error"}')
    expect(stackOf(Object.assign(new Error('x'), { stack: undefined }))).toBe('Error: x')
    const hostile = new Error('x')
    Object.defineProperty(hostile, 'stack', {
      get() {
        throw new Error('no')
      },
    })
    expect(stackOf(hostile)).toBe('Error: x')
  })
})

group('isTriageError', () => {
  test('knows one of another copy of the package by its brand', () => {
    expect(isTriageError({ [Symbol.for('triage-queue.error')]: true })).toBe(true)
  })

  test.each([[undefined], [null], ['TRIAGE_SHED'], [new Error('x')], [{ code: 'TRIAGE_SHED' }], [() => {}]])(
    '%s is none',
    (value) => {
      expect(isTriageError(value)).toBe(false)
    },
  )
})

group('a value in a message', () => {
  const long = 'x'.repeat(61)
  const tangled: { self?: object } = {}
  tangled.self = tangled

  test.each<[unknown, string]>([
    ['text', "'text'"],
    ['x'.repeat(60), `'${'x'.repeat(60)}'`],
    [long, `'${'x'.repeat(57)}…'`],
    [() => {}, 'a function'],
    [new TypeError('bad'), 'TypeError: bad'],
    [{ a: [1] }, '{"a":[1]}'],
    [['x'.repeat(56)], `["${'x'.repeat(56)}"]`],
    [['x'.repeat(57)], `["${'x'.repeat(55)}…`],
    [null, 'null'],
    [undefined, 'undefined'],
    [Number.NaN, 'NaN'],
    [5n, '5'],
    [Symbol('s'), 'Symbol(s)'],
    [tangled, 'a value of type object'],
  ])('%# is one short line', (value, text) => {
    expect(describe(value)).toBe(text)
  })
})

test('an issue is told with its path', () => {
  const { message } = new InvalidRequestError([
    { message: 'is missing', path: ['user', { key: 'name' }, 0] },
    { message: 'too big', path: [] },
    { message: 'odd' },
  ])
  expect(message).toBe('The request does not fit the schema: user.name.0: is missing; too big; odd')
})

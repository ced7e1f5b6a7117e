/**
 * What is said of each option that is not what it must be, and that its neighbours are taken.
 */
import { QueuedExecutor, systemClock } from 'triage-queue'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'

const make = (options: object) => new QueuedExecutor((request: unknown) => request, options as never)
const method = (): number => 1

test.each<[string, string, unknown[], unknown[]]>([
  ['name', 'a string that is not empty', ['', 5, ['n']], ['n']],
  ['maxReplaced', 'an integer of at least 0', [-1, 0.5, Number.POSITIVE_INFINITY], [0, 1]],
  ['limit', 'a limit policy, such as adaptive()', [{}, null, { sample: 1 }], [{ sample: method, initial: 2 }]],
  [
    'reserve',
    'an object with a number of slots for each priority',
    [5, [], null],
    [{}, { low: 0 }, { urgent: undefined }],
  ],
  ['reserve.low', 'an object with a number of slots for each priority', [{ low: -1 }, { low: '1' }], []],
  ['lendReserve', 'a boolean', [1, 'yes', null], [true, false]],
  ['debug', 'a boolean', [1, 'yes'], [true, false]],
  ['rateLimit', 'a rate limit, such as tokenBucket(), or an array of them', [{}, [{}], { name: '' }, 'x', null], [[]]],
  ['overload', 'a guard, such as codel(), or an array of them', [{}, [{ name: 'g' }, {}], 5], [[], { name: 'g' }]],
  ['retry', 'a retry policy, such as backoff()', [{}, method, { delayMs: 5 }], [{ delayMs: method }]],
  ['order', 'an order policy, such as strict()', [{}, 'strict', null], [{ rank: method }]],
  [
    'clock',
    'a clock with now, setTimeout and clearTimeout',
    [
      { setTimeout: method, clearTimeout: method },
      { now: method, clearTimeout: method },
      { now: method, setTimeout: method },
      null,
    ],
    [systemClock, new VirtualClock()],
  ],
  ['schema', "a Standard Schema, with a '~standard' property", [{}, null, { '~standard': {} }], []],
  ['onListenerError', 'a function', ['log', {}], [method]],
  ['random', 'a function', [0.5, null], [method]],
  ['onStuck', "one of 'hold', 'replace'", ['free', ''], ['hold', 'replace']],
  ['onDuplicate', "one of 'join', 'join-by-id', 'reject'", ['both', null], ['join', 'join-by-id', 'reject']],
  ['whenFull', "one of 'reject', 'block', 'shed'", [''], ['block', 'shed']],
  [
    'maxQueueSize',
    "an integer of at least 0, Infinity, or 'none'",
    [-1, 1.5, 'some', null],
    [0, Number.POSITIVE_INFINITY, 'none', { total: 'none', low: 'none' }],
  ],
  ['maxQueueSize.low', "an integer of at least 0, Infinity, or 'none'", [{ low: 'no' }, { low: -1 }], []],
  ['maxChecking', 'an integer of at least 0, or Infinity', [-1, 1.5, 'none'], [0, Number.POSITIVE_INFINITY]],
  ['maxBlocked', 'an integer of at least 0, or Infinity', [-1, 1.5, '1'], [0, Number.POSITIVE_INFINITY]],
])('%s must be %s', (path, expected, wrong, right) => {
  const [option] = path.split('.') as [string]
  for (const value of wrong) {
    expect(() => make({ [option]: value })).toThrow(expect.objectContaining({ path, expected }))
  }
  for (const value of [...right, undefined]) expect(() => make({ [option]: value })).not.toThrow()
})

test('what a limit decides can not be set as well, unless it is only a shadow', () => {
  const limit = { name: 'mine', initial: 2, sample: method }
  const error = { path: 'concurrency', expected: 'nothing, since `limit` decides', received: 5 }
  expect(() => make({ limit, concurrency: 5 })).toThrow(expect.objectContaining(error))
  expect(make({ limit }).concurrency).toBe(2)
  expect(make({ limit: { ...limit, shadow: true }, concurrency: 5 }).concurrency).toBe(5)
  expect(make({ limit: { ...limit, shadow: true } }).concurrency).toBe(10)
})

test('reserved slots may be all that there are, if every priority has one, or if they are lent', () => {
  const reserve = { urgent: 2, low: 1 }
  expect(() => make({ concurrency: 4, reserve })).not.toThrow()
  expect(() => make({ concurrency: 3, reserve, lendReserve: true })).not.toThrow()
  expect(() => make({ concurrency: 5, reserve: { ...reserve, high: 1, normal: 1 } })).not.toThrow()
  const of = (concurrency: number) => () => make({ concurrency, reserve })
  expect(of(2)).toThrow(expect.objectContaining({ expected: 'at most 2 slots in all (concurrency)' }))
  const expected = 'fewer than 3 slots in all (concurrency), since without one high, normal would never run'
  expect(of(3)).toThrow(expect.objectContaining({ path: 'reserve', expected, received: reserve }))
  const limit = (initial: number) => ({ name: 'mine', initial, sample: () => 1 })
  expect(() => make({ limit: limit(3), reserve })).toThrow(expect.objectContaining({ expected }))
  expect(() => make({ limit: limit(4), reserve })).not.toThrow()
})

test.each<[string, string, unknown[], unknown[]]>([
  ['id', 'a string that is not empty', ['', 7], ['mine']],
  [
    'signal',
    'an AbortSignal',
    [
      { aborted: false, addEventListener: method },
      { aborted: false, removeEventListener: method },
      { addEventListener: method, removeEventListener: method },
    ],
    [new AbortController().signal],
  ],
  ['cost', 'an integer of at least 1', [0, 1.5, '2'], [1, 10]],
  ['after', 'an array of requests or promises', [{}, Promise.resolve()], [[]]],
  ['delayMs', 'a finite number of ms of at least 0', [-1, '5', Number.NaN, Number.POSITIVE_INFINITY], [0]],
  ['startAt', 'a Date', [5, '2030-01-01', new Date(Number.NaN)], [new Date(0)]],
  [
    'waitTimeoutMs',
    'a number of ms greater than 0, or Infinity',
    [0, '5', Number.NaN],
    [0.5, Number.POSITIVE_INFINITY],
  ],
  ['runTimeoutMs', 'a number of ms greater than 0, or Infinity', [0, '5', Number.NaN], [0.5, Number.POSITIVE_INFINITY]],
  ['timeoutMs', 'a number of ms greater than 0, or Infinity', [0, '5', Number.NaN], [5_000, Number.POSITIVE_INFINITY]],
])('of a request, %s must be %s', async (path, expected, wrong, right) => {
  const queue = make({})
  await expect(queue.execute(1, 5 as never)).rejects.toMatchObject({ path: 'options', expected: 'an object' })
  for (const value of wrong) {
    await expect(queue.execute(1, { [path]: value })).rejects.toMatchObject({ path, expected, received: value })
  }
  for (const value of [...right, undefined]) await expect(queue.execute(1, { [path]: value })).resolves.toBe(1)
})

test.each<[string, string, unknown]>([
  ['options', 'an object', 5],
  ['options', 'an object', []],
  ['drain', 'a boolean', { drain: 1 }],
  ['graceMs', 'a number of ms of at least 0, or Infinity', { graceMs: -1 }],
  ['graceMs', 'a number of ms of at least 0, or Infinity', { graceMs: '5' }],
  ['graceMs', 'a number of ms of at least 0, or Infinity', { graceMs: Number.NaN }],
])('of close(), %s must be %s', async (path, expected, options) => {
  const queue = make({})
  await expect(queue.close(options as object)).rejects.toMatchObject({ path, expected })
  expect(queue.getStatus().state).toBe('open')
  await queue.close({ drain: true, graceMs: 0 })
})

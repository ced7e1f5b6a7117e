/**
 * What may not be asked for? Each refusal names the option, what it must be, and what it is; and registers nothing.
 */
import { Registry } from 'prom-client'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { expect, test } from 'vitest'
import { Exposition } from './exposition.ts'

const bad: readonly [path: string, options: unknown, expected: RegExp][] = [
  ['options', null, /an object/],
  ['options', [], /an object/],
  ['options', 'registry', /an object/],
  ['register', { register: new Registry() }, /'registry'/],
  ['registry', { registry: null }, /a Registry of prom-client/],
  ['registry', { registry: {} }, /a Registry of prom-client/],
  ['registry', { registry: Registry }, /a Registry of prom-client/],
  ['prefix', { prefix: 1 }, /letters, digits/],
  ['prefix', { prefix: '1a_' }, /letters, digits/],
  ['prefix', { prefix: 'a-' }, /letters, digits/],
  ['prefix', { prefix: 'a\n' }, /letters, digits/],
  ['labels', { labels: null }, /an object/],
  ['labels', { labels: ['a'] }, /an object/],
  ['labels.queue', { labels: { queue: 'a' } }, /this one is taken/],
  ['labels.priority', { labels: { priority: 'a' } }, /this one is taken/],
  ['labels.reason', { labels: { reason: 'a' } }, /this one is taken/],
  ['labels.outcome', { labels: { outcome: 'a' } }, /this one is taken/],
  ['labels.quantile', { labels: { quantile: 'a' } }, /this one is taken/],
  ['labels.le', { labels: { le: 'a' } }, /this one is taken/],
  ['labels.__a', { labels: { __a: 'a' } }, /without a digit or __ in front/],
  ['labels.a-b', { labels: { 'a-b': 'a' } }, /letters, digits and _/],
  ['labels.', { labels: { '': 'a' } }, /letters, digits and _/],
  ['labels.a', { labels: { a: '' } }, /a string that is not empty/],
  ['labels.a', { labels: { a: 1 } }, /a string that is not empty/],
  ['labels.a', { labels: { a: undefined } }, /a string that is not empty/],
  ['buckets', { buckets: 1 }, /an array of 1 to 100/],
  ['buckets', { buckets: null }, /an array of 1 to 100/],
  ['buckets', { buckets: [] }, /an array of 1 to 100/],
  ['buckets', { buckets: Array.from({ length: 101 }, (_, i) => i + 1) }, /an array of 1 to 100/],
  ['buckets[0]', { buckets: [0, 1] }, /greater than 0/],
  ['buckets[0]', { buckets: [-1] }, /greater than 0/],
  ['buckets[1]', { buckets: [1, 1] }, /greater than 1/],
  ['buckets[2]', { buckets: [1, 2, 1.5] }, /greater than 2/],
  ['buckets[1]', { buckets: [1, Number.POSITIVE_INFINITY] }, /a number of seconds/],
  ['buckets[0]', { buckets: [Number.NaN] }, /a number of seconds/],
  ['buckets[0]', { buckets: ['1'] }, /a number of seconds/],
  ['buckets.waits', { buckets: { waits: [1] } }, /'wait'/],
  ['buckets.wait', { buckets: { wait: [] } }, /an array of 1 to 100/],
  ['buckets.run[1]', { buckets: { wait: [1], run: [2, 1] } }, /greater than 2/],
  ['exemplars', { exemplars: 1 }, /a boolean/],
  ['traceApi', { traceApi: {} }, /the trace of @opentelemetry\/api/],
]

test('a registry in place of the options: the message says where it belongs', () => {
  const registry = new Registry()
  const queue = new QueuedExecutor(async () => 1)
  expect(() => prometheus(queue, registry as object)).toThrow(
    "Option 'options': expected an object, got a registry: give `{ registry }`",
  )
})

test.each(bad)('%s may not be %j', (path, options, expected) => {
  const registry = new Registry()
  const given =
    typeof options === 'object' && options !== null && !Array.isArray(options) ? { registry, ...options } : options
  const queue = new QueuedExecutor(async () => 1)
  let error: unknown
  try {
    prometheus(queue, given as object)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(OptionsError)
  expect(error).toMatchObject({ path, code: 'TRIAGE_INVALID_OPTIONS' })
  expect((error as OptionsError).expected).toMatch(expected)
  expect(registry.getMetricsAsArray()).toEqual([])
})

test.each([undefined, null, {}, async () => 1, { getStatus: () => ({}) }])('an executor may not be %j', (executor) => {
  expect(() => prometheus(executor as never, { registry: new Registry() })).toThrow(
    expect.objectContaining({ path: 'executor', expected: 'a QueuedExecutor' }),
  )
})

test('what is set to undefined is not set, and what was given may be changed afterwards', async () => {
  const registry = new Registry()
  const queue = new QueuedExecutor(async () => 1)
  const labels: Record<string, string> = { region: 'eu' }
  const buckets = [1, 2]
  prometheus(queue, { registry, labels, buckets, ...({ prefix: undefined, exemplars: undefined } as object) })
  labels.region = 'us'
  buckets.push(1)
  const text = new Exposition(await registry.metrics())
  expect(text.value('triage_queue_running', { queue: 'triage', region: 'eu' })).toBe(0)
})

test('buckets are for both histograms, or for each its own; the default suits 1 ms to minutes', async () => {
  const bounds = async (buckets?: object): Promise<unknown> => {
    const registry = new Registry()
    prometheus(new QueuedExecutor(async () => 1), { registry, ...(buckets === undefined ? {} : { buckets }) })
    const text = new Exposition(await registry.metrics())
    const of = (name: string, labels: Record<string, string>) =>
      text.having(`triage_${name}_bucket`, labels).map(({ labels }) => labels.le)
    return {
      wait: of('queue_wait_time_seconds', { priority: 'low' }),
      run: of('run_time_seconds', { priority: 'low', outcome: 'failed' }),
    }
  }
  const both = [
    '0.001',
    '0.0025',
    '0.005',
    '0.01',
    '0.025',
    '0.05',
    '0.1',
    '0.25',
    '0.5',
    '1',
    '2.5',
    '5',
    '10',
    '30',
    '60',
  ]
  const defaults = { wait: [...both, '+Inf'], run: [...both, '120', '300', '+Inf'] }
  expect(await bounds()).toEqual(defaults)
  expect(await bounds([0.5, 1])).toEqual({ wait: ['0.5', '1', '+Inf'], run: ['0.5', '1', '+Inf'] })
  expect(await bounds({ run: [1] })).toEqual({ ...defaults, run: ['1', '+Inf'] })
  expect(await bounds({ wait: [1], run: undefined })).toEqual({ ...defaults, wait: ['1', '+Inf'] })
})

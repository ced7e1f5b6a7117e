/**
 * Who is on a registry, under which names, and what is left when they have gone?
 */
import { AggregatorRegistry, Counter, Gauge, type OpenMetricsContentType, Registry, register } from 'prom-client'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { type MetricsRegistry, prometheus } from 'triage-queue/prometheus'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Exposition } from './exposition.ts'

const names = [
  'concurrency_limit',
  'listener_errors_total',
  'oldest_waiting_seconds',
  'queue_active_workers',
  'queue_blocked',
  'queue_checking',
  'queue_max_size',
  'queue_max_workers',
  'queue_requests_joined_total',
  'queue_requests_parked_total',
  'queue_requests_rejected_total',
  'queue_requests_total',
  'queue_retrying',
  'queue_running',
  'queue_size',
  'queue_wait_time_seconds',
  'requests_ended_total',
  'retries_total',
  'run_time_seconds',
  'store_bytes',
  'store_commit_seconds',
  'store_pending',
  'store_storing',
  'store_unhandled',
  'store_up',
  'stuck_workers',
]

function executor(name?: string): QueuedExecutor<number, number> {
  return new QueuedExecutor(async (n: number) => n, { concurrency: 2, ...(name === undefined ? {} : { name }) })
}

async function scraped(registry: Registry): Promise<Exposition> {
  return new Exposition(await registry.metrics())
}

function namesOf(registry: Pick<Registry, 'getMetricsAsArray'>): string[] {
  return registry
    .getMetricsAsArray()
    .map(({ name }) => name)
    .sort()
}

function openMetricsRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  return registry
}

function refusal(refused: () => unknown): OptionsError {
  try {
    refused()
  } catch (error) {
    if (error instanceof OptionsError) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe('on a registry', () => {
  test('each metric has its name, and each series is there from the start with 0', async () => {
    const registry = new Registry()
    prometheus(executor(), { registry })
    expect(namesOf(registry)).toEqual(names.map((name) => `triage_${name}`))
    const text = await scraped(registry)
    const filled = text.samples.filter(({ value }) => value !== 0).map(({ name, value }) => [name, value])
    expect(filled).toEqual([
      ['triage_queue_max_size', 10_000],
      ['triage_queue_max_workers', 2],
      ['triage_concurrency_limit', 2],
    ])
    expect(text.having('triage_queue_size', { queue: 'triage' }).map(({ labels }) => labels.priority)).toEqual([
      'urgent',
      'high',
      'normal',
      'low',
      'all',
    ])
    expect(text.having('triage_requests_ended_total', { priority: 'low' }).map(({ labels }) => labels.outcome)).toEqual(
      ['completed', 'failed', 'expired', 'cancelled', 'shed'],
    )
    expect(text.having('triage_queue_wait_time_seconds_count', {})).toHaveLength(4)
    expect(text.having('triage_run_time_seconds_count', {})).toHaveLength(16)
    expect(text.having('triage_queue_requests_rejected_total', {})).toEqual([])
  })

  test('a queue without a bound has no bound to show', async () => {
    const registry = new Registry()
    prometheus(new QueuedExecutor(async () => 1, { maxQueueSize: 0 }), { registry })
    expect((await scraped(registry)).having('triage_queue_max_size', {})).toEqual([])
  })

  test('a queue in which nothing may wait has 0, and what a schema looks at is seen', async () => {
    const registry = new Registry()
    const schema = {
      '~standard': { version: 1 as const, vendor: 'test', validate: () => new Promise<never>(() => {}) },
    }
    const queue = new QueuedExecutor(async () => 1, { maxQueueSize: 'none', schema })
    prometheus(queue, { registry })
    for (const _ of [1, 2]) queue.execute(1).catch(() => {})
    const text = await scraped(registry)
    expect(text.having('triage_queue_max_size', {}).map(({ value }) => value)).toEqual([0])
    expect(text.having('triage_queue_checking', {}).map(({ value }) => value)).toEqual([2])
    await queue.close()
    expect((await scraped(registry)).having('triage_queue_checking', {}).map(({ value }) => value)).toEqual([0])
  })

  test('a new concurrency is seen', async () => {
    const registry = new Registry()
    const queue = executor()
    prometheus(queue, { registry })
    queue.concurrency = 7
    expect((await scraped(registry)).value('triage_concurrency_limit', { queue: 'triage' })).toBe(7)
  })

  test('the limit is that of the limit policy, also of one in its shadow', async () => {
    const registry = new Registry()
    const limit = { name: 'four', initial: 3, shadow: true, sample: () => 4 }
    const queue = new QueuedExecutor(async () => 1, { concurrency: 9, limit })
    prometheus(queue, { registry })
    await queue.execute(1)
    const text = await scraped(registry)
    expect(text.value('triage_concurrency_limit', { queue: 'triage' })).toBe(4)
    expect(text.value('triage_queue_max_workers', { queue: 'triage' })).toBe(9)
  })

  test('executors share the metrics, each with its own series and labels', async () => {
    const registry = new Registry()
    const [a, b] = [executor('a'), executor('b')]
    prometheus(a, { registry, labels: { region: 'eu' } })
    prometheus(b, { registry })
    prometheus(b, { registry, labels: { shard: 'x', region: 'eu' } })
    await Promise.all([a.execute(1), a.execute(2), b.execute(3)])
    const text = await scraped(registry)
    const completed = { priority: 'normal', outcome: 'completed' }
    const name = 'triage_requests_ended_total'
    expect(text.value(name, { queue: 'a', region: 'eu', ...completed })).toBe(2)
    expect(text.value(name, { queue: 'b', ...completed })).toBe(1)
    expect(text.value(name, { queue: 'b', region: 'eu', shard: 'x', ...completed })).toBe(1)
    expect(namesOf(registry)).toHaveLength(names.length)
  })

  test('a name and labels of any kind come out as they were given', async () => {
    const registry = new Registry()
    const hostile = 'a "b" \\ c\n{d="e"} # é'
    prometheus(executor(hostile), { registry, labels: { constructor: hostile } })
    const text = await scraped(registry)
    expect(text.value('triage_queue_running', { queue: hostile, constructor: hostile })).toBe(0)
  })

  test('with another prefix, an executor is there twice', async () => {
    const registry = new Registry()
    const queue = executor()
    prometheus(queue, { registry, prefix: '' })
    prometheus(queue, { registry, prefix: 'my:app_' })
    expect(namesOf(registry)).toEqual([...names, ...names.map((name) => `my:app_${name}`)].sort())
    await scraped(registry)
  })

  test('a second executor with the same name and labels is refused; the first one stays', async () => {
    const registry = new Registry()
    prometheus(executor(), { registry, labels: { a: '1', b: '2' } })
    const error = refusal(() => prometheus(executor(), { registry, labels: { b: '2', a: '1' } }))
    expect(error.path).toBe('labels')
    expect(error.message).toBe(
      "Option 'labels': expected others than those of the executor that is on this registry already: " +
        'a="1", b="2", queue="triage"; give each executor a `name` of its own, or `labels`',
    )
    expect((await scraped(registry)).having('triage_queue_running', {})).toHaveLength(1)
    prometheus(executor(), { registry, labels: { a: '1' } })
    expect((await scraped(registry)).having('triage_queue_running', {})).toHaveLength(2)
  })

  test('a name that another metric has is refused, and nothing is registered', () => {
    const registry = new Registry()
    new Gauge({ name: 'triage_run_time_seconds', help: 'Of somebody else.', registers: [registry] })
    const error = refusal(() => prometheus(executor(), { registry }))
    expect(error).toMatchObject({ path: 'prefix', received: 'triage_' })
    expect(error.message).toContain('triage_run_time_seconds is taken')
    expect(namesOf(registry)).toEqual(['triage_run_time_seconds'])
    prometheus(executor(), { registry, prefix: 'other_' })
  })

  test('the metrics of another registry that were merged into this one are not its own', () => {
    const merged = Registry.merge([new Registry()])
    const registry = new Registry()
    prometheus(executor('a'), { registry })
    for (const metric of registry.getMetricsAsArray()) merged.registerMetric(metric as never)
    expect(refusal(() => prometheus(executor('b'), { registry: merged })).path).toBe('prefix')
  })

  test('a metric that somebody has removed stays away until the last executor has gone', async () => {
    const registry = new Registry()
    const first = prometheus(executor('a'), { registry })
    registry.removeSingleMetric('triage_run_time_seconds')
    const second = prometheus(executor('b'), { registry })
    expect((await scraped(registry)).families.has('triage_run_time_seconds')).toBe(false)
    first()
    second()
    prometheus(executor('a'), { registry })
    expect((await scraped(registry)).families.has('triage_run_time_seconds')).toBe(true)
  })
})

describe('the global registry', () => {
  afterEach(() => register.clear())

  test('is the default', async () => {
    const dispose = prometheus(executor())
    expect(namesOf(register)).toEqual(names.map((name) => `triage_${name}`))
    dispose()
    expect(namesOf(register)).toEqual([])
  })
})

describe('dispose', () => {
  test('takes away the series; with the last executor the metrics go too, and those of others stay', async () => {
    const registry = new Registry()
    new Gauge({ name: 'mine', help: 'Of somebody else.', registers: [registry] })
    const [a, b] = [prometheus(executor('a'), { registry }), prometheus(executor('b'), { registry })]
    a()
    a()
    const text = await scraped(registry)
    expect(text.having('triage_queue_running', {}).map(({ labels }) => labels.queue)).toEqual(['b'])
    b[Symbol.dispose]()
    expect(namesOf(registry)).toEqual(['mine'])
    // Its name is free again.
    prometheus(executor('a'), { registry })
  })

  test('happens at the end of a scope', () => {
    const registry = new Registry()
    {
      using handle = prometheus(executor(), { registry })
      expect(handle).toBeTypeOf('function')
      expect(namesOf(registry)).toHaveLength(names.length)
    }
    expect(namesOf(registry)).toEqual([])
  })

  test('leaves no listener, since there was none', async () => {
    const queue = executor()
    const on = vi.spyOn(queue, 'on')
    const registry = new Registry()
    const dispose = prometheus(queue, { registry })
    await queue.execute(1)
    await registry.metrics()
    dispose()
    expect(on).not.toHaveBeenCalled()
  })

  test('does not touch what came after the registry was cleared', async () => {
    const registry = new Registry()
    const before = prometheus(executor('a'), { registry })
    registry.clear()
    prometheus(executor('a'), { registry })
    before()
    expect((await scraped(registry)).having('triage_queue_running', { queue: 'a' })).toHaveLength(1)
  })

  test('a closed executor shows its last values until then', async () => {
    const registry = new Registry()
    const queue = executor()
    const dispose = prometheus(queue, { registry })
    await queue.execute(1)
    await queue.close()
    const completed = { queue: 'triage', priority: 'normal', outcome: 'completed' }
    expect((await scraped(registry)).value('triage_requests_ended_total', completed)).toBe(1)
    dispose()
    expect(namesOf(registry)).toEqual([])
  })
})

describe('prom-client', () => {
  async function busy(registry: MetricsRegistry, name = 'triage'): Promise<QueuedExecutor<number, number>> {
    const queue = executor(name)
    prometheus(queue, { registry })
    await Promise.all([queue.execute(1), queue.execute(2, { priority: 'low' })])
    await queue.execute(3, { timeoutMs: -1 }).catch(() => {})
    return queue
  }

  const admitted = { queue: 'triage', priority: 'low' }
  const rejected = { queue: 'triage', priority: 'normal', reason: 'invalid_options' }

  test('writes both formats, and the same registry in turns', async () => {
    const registry = openMetricsRegistry() as Registry<never>
    await busy(registry)
    for (const format of ['openmetrics', 'prometheus', 'openmetrics'] as const) {
      const isOpen = format === 'openmetrics'
      registry.setContentType((isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE) as never)
      const raw = await registry.metrics()
      expect(raw.endsWith('\n# EOF\n')).toBe(isOpen)
      const text = new Exposition(raw, format)
      expect(text.families.has('triage_queue_requests_total')).toBe(!isOpen)
      expect(text.value('triage_queue_requests_total', admitted)).toBe(1)
      expect(text.value('triage_queue_requests_rejected_total', rejected)).toBe(1)
      expect(text.value('triage_run_time_seconds_count', { ...admitted, outcome: 'completed' })).toBe(1)
    }
  })

  test('finds a single metric by its name, in both formats', async () => {
    for (const registry of [new Registry(), openMetricsRegistry()]) {
      await busy(registry)
      for (const _ of [1, 2]) {
        expect(registry.getSingleMetric('triage_retries_total')).toMatchObject({ name: 'triage_retries_total' })
        const text = await registry.getSingleMetricAsString('triage_queue_requests_total')
        expect(text).toContain('triage_queue_requests_total{queue="triage",priority="low"} 1')
        await registry.metrics()
      }
    }
  })

  test('hands over JSON, of full names and plain labels, whatever the format', async () => {
    for (const registry of [new Registry(), openMetricsRegistry()]) {
      await busy(registry)
      registry.setDefaultLabels({ host: 'h', queue: 'not this one' })
      for (const _ of [1, 2]) {
        const json = await registry.getMetricsAsJSON()
        const find = (name: string) => json.find((metric) => metric.name === name)
        expect(find('triage_queue_requests_total')).toMatchObject({ type: 'counter', aggregator: 'sum' })
        expect(find('triage_queue_requests_total')?.values).toContainEqual({
          value: 1,
          labels: { ...admitted, host: 'h' },
        })
        expect(find('triage_queue_wait_time_seconds')?.values).toContainEqual({
          metricName: 'triage_queue_wait_time_seconds_bucket',
          value: 1,
          labels: { ...admitted, host: 'h', le: '+Inf' },
        })
        await registry.metrics()
      }
    }
  })

  test('adds default labels where a series has none of its own', async () => {
    const registry = new Registry()
    await busy(registry)
    registry.setDefaultLabels({ host: 'h', queue: 'not this one' })
    const text = await scraped(registry)
    expect(text.value('triage_queue_requests_total', { ...admitted, host: 'h' })).toBe(1)
    expect(text.value('triage_queue_wait_time_seconds_count', { ...admitted, host: 'h' })).toBe(1)
  })

  test('resets its own metrics, and none of the engine’s', async () => {
    const registry = new Registry()
    await busy(registry)
    const own = new Counter({ name: 'own_total', help: 'Its own.', registers: [registry] })
    own.inc()
    registry.resetMetrics()
    const text = await scraped(registry)
    expect(text.value('own_total')).toBe(0)
    expect(text.value('triage_queue_requests_total', admitted)).toBe(1)
  })

  test('merges registries, and the merged one may be of either format', async () => {
    const [ours, other] = [new Registry(), new Registry()]
    await busy(ours)
    new Gauge({ name: 'other', help: 'Of another registry.', registers: [other] })
    const merged = Registry.merge([ours, other]) as Registry<never>
    expect(new Exposition(await merged.metrics()).value('triage_queue_requests_total', admitted)).toBe(1)
    merged.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
    const text = new Exposition(await merged.metrics(), 'openmetrics')
    expect(text.value('triage_queue_requests_total', admitted)).toBe(1)
    expect(text.families.has('other')).toBe(true)
    expect((await scraped(ours)).value('triage_queue_requests_total', admitted)).toBe(1)
  })

  test('sums up the processes of a cluster; of those who wait longest, the longest', async () => {
    const registries = [new Registry(), new Registry()]
    for (const [i, registry] of registries.entries()) {
      const queue = await busy(registry)
      queue.concurrency = 3 + i
    }
    // They come as messages from other processes.
    const messages = await Promise.all(registries.map((registry) => registry.getMetricsAsJSON()))
    const oldest = messages.map((metrics) => metrics.find(({ name }) => name === 'triage_oldest_waiting_seconds'))
    for (const [i, metric] of oldest.entries()) for (const value of metric?.values ?? []) value.value = 10 + i
    const all = AggregatorRegistry.aggregate(structuredClone(messages))
    const text = new Exposition(await all.metrics())
    expect(text.value('triage_queue_requests_total', admitted)).toBe(2)
    expect(text.value('triage_concurrency_limit', { queue: 'triage' })).toBe(7)
    expect(text.value('triage_queue_wait_time_seconds_count', admitted)).toBe(2)
    expect(text.value('triage_queue_wait_time_seconds_bucket', { ...admitted, le: '+Inf' })).toBe(2)
    expect(text.value('triage_oldest_waiting_seconds', admitted)).toBe(11)
  })
})

/**
 * What does one scrape see? All of an executor at one instant, and never what was before.
 */
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { QueuedExecutor } from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test, vi } from 'vitest'
import { Exposition } from './exposition.ts'

const all = { queue: 'triage', priority: 'all' }

test('a scrape in the middle of a burst, in a call or in a listener finds every request once', async () => {
  const registry = new Registry()
  const scrapes: Promise<string>[] = []
  const scrape = (): void => void scrapes.push(registry.metrics())
  const queue = new QueuedExecutor(
    async (n: number) => {
      if (n % 7 === 0) scrape()
      if (n % 3 === 0) throw new Error('it failed')
      return n
    },
    { concurrency: 4, maxQueueSize: 50, whenFull: 'shed' },
  )
  prometheus(queue, { registry, buckets: [1] })
  queue.on('shed', scrape).on('failed', scrape).on('rejected', scrape)
  const answers: Promise<unknown>[] = []
  for (let n = 0; n < 200; n++) {
    answers.push(queue.execute(n, { priority: n % 5 === 0 ? 'urgent' : 'low' }).catch(() => {}))
    if (n % 10 === 0) scrape()
  }
  await Promise.all(answers)
  scrape()
  expect(scrapes.length).toBeGreaterThan(100)
  const seen = new Set<number>()
  for (const raw of scrapes) {
    const text = new Exposition(await raw)
    const waiting = text.value('triage_queue_size', all) as number
    const running = text.value('triage_queue_running', { queue: 'triage' }) as number
    const ended = text.sum('triage_requests_ended_total', {})
    const rejected = text.sum('triage_queue_requests_rejected_total', {})
    expect(text.sum('triage_queue_requests_total', {})).toBe(waiting + running + ended + rejected)
    const left = text.sum('triage_queue_wait_time_seconds_count', {})
    expect(left).toBeLessThanOrEqual(running + ended)
    seen.add(waiting)
  }
  expect(seen.size).toBeGreaterThan(5)
}, 60_000)

test('an executor is read once for each scrape', async () => {
  const registry = new Registry()
  const queues = ['a', 'b'].map((name) => new QueuedExecutor(async (n: number) => n, { name }))
  for (const queue of queues) prometheus(queue, { registry })
  const reads = queues.map((queue) => vi.spyOn(queue, 'getStatus'))
  await registry.metrics()
  expect(reads.map(({ mock }) => mock.calls.length)).toEqual([1, 1])
  await registry.getMetricsAsJSON()
  expect(reads.map(({ mock }) => mock.calls.length)).toEqual([2, 2])
})

test('what happens between two scrapes is seen by the second, also when both are asked for at once', async () => {
  const registry = new Registry()
  const queue = new QueuedExecutor(async (n: number) => n)
  prometheus(queue, { registry })
  queue.pause()
  const offer = (): unknown => queue.offer(1)
  const size = async (text: Promise<string>): Promise<number | undefined> =>
    new Exposition(await text).value('triage_queue_size', all)

  const scrapes = [registry.metrics(), offer(), registry.metrics(), offer(), registry.metrics()]
  const texts = scrapes.filter((each) => each instanceof Promise) as Promise<string>[]
  expect(await Promise.all(texts.map(size))).toEqual([0, 1, 2])

  const single = (): Promise<string> =>
    registry.getSingleMetricAsString('triage_queue_size').then((text) => `${text}\n`)
  const singles = [single(), offer(), single()].filter((each) => each instanceof Promise) as Promise<string>[]
  expect(await Promise.all(singles.map(size))).toEqual([2, 3])

  // Of two metrics, not as a scrape asks for them.
  const started = registry.getSingleMetricAsString('triage_queue_running')
  offer()
  const later = registry.getSingleMetricAsString('triage_queue_requests_total')
  await started
  expect(await later).toContain('priority="normal"} 4')
  await queue.close()
})

test('one metric and then the next, each on its own, are not of the same instant', async () => {
  const registry = new Registry()
  const queue = new QueuedExecutor(async (n: number) => n)
  prometheus(queue, { registry })
  await registry.getSingleMetricAsString('triage_queue_requests_total')
  await queue.execute(1, { timeoutMs: -1 }).catch(() => {})
  const text = await registry.getSingleMetricAsString('triage_queue_requests_rejected_total')
  expect(text).toContain('reason="invalid_options"} 1')
})

test('who waits longest is shown in seconds, by the executor’s own clock', async () => {
  const clock = new VirtualClock()
  const registry = new Registry()
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), { clock, concurrency: 1 })
  prometheus(queue, { registry })
  void queue.execute(10_000)
  void queue.execute(1, { priority: 'low' })
  await clock.advance(2_500)
  void queue.execute(1, { priority: 'high' })
  await clock.advance(1_500)
  const text = new Exposition(await registry.metrics())
  const oldest = text.having('triage_oldest_waiting_seconds', {}).map(({ value }) => value)
  expect(oldest).toEqual([0, 1.5, 0, 4])
  await clock.run({ until: queue.close() })
})

test('a bucket has nothing above its bound, and lacks at most a sixteenth below; sums are exact', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: 0.01, max: 400_000, noNaN: true }), { minLength: 1, maxLength: 30 }),
      fc.option(fc.uniqueArray(fc.double({ min: 1e-4, max: 500, noNaN: true }), { minLength: 1, maxLength: 8 })),
      async (durations, bounds) => {
        const clock = new VirtualClock()
        const registry = new Registry()
        const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), {
          clock,
          concurrency: 100,
          runTimeoutMs: Number.POSITIVE_INFINITY,
        })
        prometheus(queue, { registry, ...(bounds === null ? {} : { buckets: bounds.sort((a, b) => a - b) }) })
        for (const ms of durations) void queue.execute(ms)
        await clock.run({ until: queue.close() })

        const text = new Exposition(await registry.metrics())
        const completed = { queue: 'triage', priority: 'normal', outcome: 'completed' }
        for (const { labels, value } of text.having('triage_run_time_seconds_bucket', completed)) {
          const ms = Number(labels.le === '+Inf' ? 'Infinity' : labels.le) * 1_000
          expect(value).toBeLessThanOrEqual(durations.filter((each) => each <= ms).length)
          expect(value).toBeGreaterThanOrEqual(durations.filter((each) => each * (1 + 1 / 16) < ms).length)
        }
        expect(text.value('triage_run_time_seconds_count', completed)).toBe(durations.length)
        const seconds = durations.reduce((sum, ms) => sum + ms, 0) / 1_000
        expect(text.value('triage_run_time_seconds_sum', completed)).toBeCloseTo(seconds, 6)
      },
    ),
    { numRuns: 40 },
  )
}, 60_000)

test('below the round bounds from 1 to 100 ms, and below powers of two, every duration counts', async () => {
  const clock = new VirtualClock()
  const registry = new Registry()
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), { clock, concurrency: 100 })
  const bounds = [1, 2.5, 5, 10, 25, 50, 100, 128, 256, 512, 1_024]
  prometheus(queue, { registry, buckets: bounds.map((ms) => ms / 1_000) })
  for (const ms of bounds) void queue.execute(ms * 0.9999)
  await clock.run({ until: queue.close() })
  const buckets = new Exposition(await registry.metrics()).having('triage_run_time_seconds_bucket', {
    priority: 'normal',
    outcome: 'completed',
  })
  expect(buckets.map(({ value }) => value)).toEqual([...bounds.map((_, i) => i + 1), bounds.length])
})

/**
 * The metrics API says what the executor's own status says.
 */
import type { Attributes } from '@opentelemetry/api'
import {
  type DataPoint,
  type Histogram,
  MeterProvider,
  type MetricData,
  MetricReader,
} from '@opentelemetry/sdk-metrics'
import { backoff, priorities, QueuedExecutor } from 'triage-queue'
import { otel } from 'triage-queue/otel'
import { expect, test } from 'vitest'
import { HandStore } from '../core/keep/hand-store.ts'
import { turn } from '../failures/support.ts'
import { settled, traced } from './support.ts'

class ManualReader extends MetricReader {
  protected async onShutdown(): Promise<void> {}
  protected async onForceFlush(): Promise<void> {}
}

/** A meter provider, and what it says now: a number for each series, by name and labels. */
function metered() {
  const reader = new ManualReader()
  const meterProvider = new MeterProvider({ readers: [reader] })
  const collect = async (): Promise<MetricData[]> => {
    const { resourceMetrics, errors } = await reader.collect()
    expect(errors).toEqual([])
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
  }
  const series = async (): Promise<Record<string, number>> => {
    const found: Record<string, number> = {}
    for (const { descriptor, dataPoints } of await collect()) {
      for (const { attributes, value } of dataPoints as DataPoint<number | Histogram>[]) {
        found[`${descriptor.name}${labels(attributes)}`] = typeof value === 'number' ? value : value.count
      }
    }
    return found
  }
  return { meterProvider, collect, series }
}

function labels({ 'messaging.destination.name': queue, ...others }: Attributes): string {
  return `{${[queue, ...Object.values(others)].join(',')}}`
}

async function mixed(): Promise<ReturnType<typeof traced> & ReturnType<typeof metered>> {
  const metrics = metered()
  const world = traced(
    {
      concurrency: 3,
      maxQueueSize: 12,
      whenFull: 'shed',
      onDuplicate: 'join-by-id',
      runTimeoutMs: 30,
      retry: backoff({ baseMs: 4, jitter: 'none' }),
    },
    {
      meterProvider: metrics.meterProvider,
      meter: undefined,
    } as never,
  )
  const { queue, clock } = world
  const answers: Promise<unknown>[] = []
  for (let i = 0; i < 600; i++) {
    const priority = priorities[(i * 7) % 4] as 'low'
    const ms = i % 11 === 0 ? -3 : i % 17 === 0 ? 50 : i % 7
    const more = { ...(i % 13 === 0 && { waitTimeoutMs: 15 }), ...(i % 6 === 0 && { id: `${i % 24}` }) }
    answers.push(settled(queue.execute(ms, { priority, ...more })))
    if (i % 23 === 0) queue.cancel('18')
    if (i % 5 === 0) await clock.advance(7)
  }
  await clock.run({ until: Promise.all(answers) })
  await clock.advance(1_000)
  return { ...world, ...metrics }
}

test('counters equal the totals, and histograms count each wait and each run', async () => {
  const { queue, series, errors } = await mixed()
  const found = await series()
  const { totals, totalsByPriority, rejectedByPriority } = queue.getStatus()
  // All that can happen has happened, or the comparison would say little.
  const { retries, joined, rejected, completed, failed, expired, cancelled, shed } = totals
  expect(Math.min(retries, joined, rejected, completed, failed, expired, cancelled, shed)).toBeGreaterThan(0)
  const histograms = queue.getHistograms()
  for (const priority of priorities) {
    const { admitted, rejected, ...ended } = totalsByPriority[priority]
    expect(found[`triage.queue.requests{llm,${priority}}`]).toBe(admitted + rejected)
    for (const [outcome, count] of Object.entries(ended)) {
      expect(found[`triage.requests_ended{llm,${priority},${outcome}}`]).toBe(count)
      expect(found[`triage.run_time{llm,${priority},${outcome}}`] ?? 0).toBe(
        histograms.runByPriority[priority][outcome as 'completed']?.count ?? 0,
      )
    }
    for (const [reason, count] of Object.entries(rejectedByPriority[priority])) {
      expect(found[`triage.queue.requests_rejected{llm,${priority},${reason}}`]).toBe(count)
    }
    expect(found[`triage.queue.wait_time{llm,${priority}}`]).toBe(histograms.waitByPriority[priority].count)
  }
  expect(found['triage.queue.requests_joined{llm}']).toBe(joined)
  expect(found['triage.retries{llm}']).toBe(retries)
  expect(errors).toEqual([])
})

test('levels are those of the moment, by priority', async () => {
  const { meterProvider, series } = metered()
  const { queue, clock } = traced({ concurrency: 1, maxQueueSize: 2, whenFull: 'block', runTimeoutMs: 10 }, {
    meterProvider,
    meter: undefined,
  } as never)
  const stuck = new QueuedExecutor(() => new Promise<void>(() => {}), { clock, name: 'stuck', runTimeoutMs: 5 })
  const detach = otel(stuck, { meterProvider, tracer: false, clock })
  const fails = () => {
    throw new Error('broken')
  }
  const again = new QueuedExecutor(fails, { clock, name: 'again', retry: backoff({ baseMs: 9, jitter: 'none' }) })
  otel(again, { meterProvider, tracer: false, clock })
  void settled(again.execute(undefined))
  const all = [queue.execute(8), queue.execute(8), queue.execute(8, { priority: 'low' }), queue.execute(8)].map(settled)
  void settled(stuck.execute(undefined))
  await clock.advance(6)
  expect(await series()).toMatchObject({
    'triage.queue.size{llm,urgent}': 0,
    'triage.queue.size{llm,normal}': 1,
    'triage.queue.size{llm,low}': 1,
    'triage.queue.max_size{llm}': 2,
    'triage.queue.checking{llm}': 0,
    'triage.queue.blocked{llm}': 1,
    'triage.queue.running{llm}': 1,
    'triage.queue.retrying{llm}': 0,
    'triage.queue.retrying{again}': 1,
    'triage.queue.active_workers{llm}': 1,
    'triage.queue.max_workers{llm}': 1,
    'triage.stuck_workers{llm}': 0,
    'triage.stuck_workers{stuck}': 1,
    'triage.concurrency_limit{llm}': 1,
    'triage.oldest_waiting{llm,low}': 0.006,
    'triage.oldest_waiting{llm,high}': 0,
    'triage.retries{llm}': 0,
    'triage.listener_errors{llm}': 0,
  })
  queue.concurrency = 4
  expect((await series())['triage.concurrency_limit{llm}']).toBe(4)
  detach()
  await clock.run({ until: Promise.all(all) })
})

test('an unbounded queue has no greatest size', async () => {
  const { meterProvider, series } = metered()
  otel(new QueuedExecutor(async () => {}, { maxQueueSize: 0 }), { meterProvider })
  expect(Object.keys(await series()).some((name) => name.includes('max_size'))).toBe(false)
})

test('a store is seen, from the start and as it is', async () => {
  const { meterProvider, collect, series } = metered()
  const store = new HandStore()
  const status = store.status()
  const { queue, errors } = traced({ store }, { meterProvider, meter: undefined } as never)
  const ofStore = async () =>
    Object.entries(await series()).filter(([name]) => name.startsWith('triage.store.') || name.includes('parked'))
  const unhandled = 'triage.store.unhandled{llm,unhandled_kind}'
  expect(await ofStore()).toEqual([
    ['triage.store.up{llm}', 1],
    ['triage.store.storing{llm}', 0],
    ['triage.store.pending{llm}', 0],
    ['triage.store.bytes{llm}', 0],
    [unhandled, 0],
    ['triage.store.unhandled{llm,unopened_queue}', 0],
    ['triage.queue.requests_parked{llm}', 0],
  ])
  await turn()
  for (let i = 0; i < 3; i++) void settled(queue.execute(5))
  await turn()
  const more = { bytes: 4_096, commitMs: { p50: 0.5, p99: 40 }, unopened: [{ queue: 'old', live: 3 }] }
  store.status = () => ({ ...status, pending: 4, ...more }) as never
  expect(Object.fromEntries(await ofStore())).toMatchObject({
    'triage.store.storing{llm}': 3,
    'triage.store.pending{llm}': 4,
    'triage.store.bytes{llm}': 4_096,
    'triage.store.unhandled{llm,unopened_queue}': 3,
    'triage.store.commit{llm,0.5}': 0.0005,
    'triage.store.commit{llm,0.99}': 0.04,
  })
  store.status = () => ({ ...status, state: 'faulty', error: 'EIO' }) as never
  const shown = queue.getStatus()
  const kinds = [
    { kind: 'clash', live: 2 },
    { kind: 'convert', live: 5 },
  ]
  queue.getStatus = () => ({
    ...shown,
    store: { ...(shown.store as NonNullable<typeof shown.store>), unhandled: kinds },
  })
  expect(Object.fromEntries(await ofStore())).toMatchObject({ 'triage.store.up{llm}': 0, [unhandled]: 7 })
  const units = Object.fromEntries((await collect()).map(({ descriptor: { name, unit } }) => [name, unit]))
  expect(units).toMatchObject({ 'triage.store.bytes': 'By', 'triage.store.up': '{store}' })
  expect(errors).toEqual([])
})

test('without a store nothing is said of one', async () => {
  const { meterProvider, series } = metered()
  otel(new QueuedExecutor(async () => {}), { meterProvider })
  expect(Object.keys(await series()).some((name) => name.includes('store') || name.includes('parked'))).toBe(false)
})

test('durations are in seconds, in buckets that fit seconds', async () => {
  const { meterProvider, collect } = metered()
  const { queue, clock } = traced({}, { meterProvider, meter: undefined, attributes: { zone: 'a' } } as never)
  await clock.run({ until: Promise.all([queue.execute(40), queue.execute(60)]) })
  const waits = (await collect()).find(({ descriptor }) => descriptor.name === 'triage.queue.wait_time')
  expect(waits?.descriptor.unit).toBe('s')
  const point = waits?.dataPoints[0] as DataPoint<Histogram> | undefined
  expect(point?.attributes).toEqual({
    zone: 'a',
    'messaging.destination.name': 'llm',
    'triage.priority': 'normal',
  })
  expect(point?.value).toMatchObject({ count: 2, sum: 0.04, max: 0.04 })
  const { boundaries, counts } = point?.value.buckets ?? { boundaries: [], counts: [] }
  expect(boundaries.filter((_, i) => counts[i] === 1)).toEqual([0.001, 0.05])
})

test('histograms are recorded only where they are wanted', async () => {
  const { meterProvider, series } = metered()
  const { queue, clock } = traced({}, { meterProvider, meter: undefined, histograms: false } as never)
  await clock.run({ until: queue.execute(1) })
  const found = await series()
  expect(found['triage.queue.requests{llm,normal}']).toBe(1)
  expect(Object.keys(found).some((name) => name.includes('_time'))).toBe(false)
})

test('after detaching nothing is observed any more', async () => {
  const { meterProvider, series } = metered()
  const queue = new QueuedExecutor(async () => {}, { name: 'gone' })
  let asked = 0
  const { getStatus } = queue
  queue.getStatus = () => {
    asked++
    return getStatus.call(queue)
  }
  const detach = otel(queue, { meterProvider, histograms: false })
  otel(new QueuedExecutor(async () => {}, { name: 'stays' }), { meterProvider, histograms: false })
  await series()
  const askedBefore = asked
  expect(askedBefore).toBe(2)
  detach()
  await series()
  expect(asked).toBe(askedBefore)
})

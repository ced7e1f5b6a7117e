/**
 * What do the metrics say of a store? Of an executor without one nothing, not even zeros.
 */
import { AggregatorRegistry, Registry } from 'prom-client'
import { QueuedExecutor, type Store, type StoreStatus } from 'triage-queue'
import { type ObservedExecutor, prometheus } from 'triage-queue/prometheus'
import { expect, test } from 'vitest'
import { HandStore } from '../core/keep/hand-store.ts'
import { storing } from '../core/keep/support.ts'
import { turn } from '../failures/support.ts'
import { Exposition } from './exposition.ts'

const names = [
  'triage_store_up',
  'triage_store_storing',
  'triage_store_pending',
  'triage_store_bytes',
  'triage_store_unhandled',
  'triage_store_commit_seconds',
  'triage_queue_requests_parked_total',
]
const queue = { queue: 'triage' }

/** A store that says what it is told to say. */
class SaidStore extends HandStore {
  said: Partial<StoreStatus> = {}
  override status(): ReturnType<HandStore['status']> {
    return { ...super.status(), ...this.said } as never
  }
}

async function observed(executor: ObservedExecutor, format: 'prometheus' | 'openmetrics' = 'prometheus') {
  const registry = new Registry() as Registry<never>
  if (format === 'openmetrics') registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  prometheus(executor, { registry })
  const scrape = async () => new Exposition(await registry.metrics(), format)
  return { registry, scrape, text: await scrape() }
}

test('an executor without a store has no such series', async () => {
  const { text } = await observed(new QueuedExecutor(() => 0))
  for (const name of names) {
    expect([...text.families.keys()]).toContain(name)
    expect(text.having(name, {})).toEqual([])
  }
})

test('one with a store has all of them from the start, but for the time of commits', async () => {
  const { queue: executor } = storing()
  const { text } = await observed(executor)
  const all = names.flatMap((name) => text.having(name, {})).map(({ name, value, labels }) => [name, value, labels])
  expect(all).toEqual([
    ['triage_store_up', 1, queue],
    ['triage_store_storing', 0, queue],
    ['triage_store_pending', 0, queue],
    ['triage_store_bytes', 0, queue],
    ['triage_store_unhandled', 0, { ...queue, reason: 'unhandled_kind' }],
    ['triage_store_unhandled', 0, { ...queue, reason: 'unopened_queue' }],
    ['triage_queue_requests_parked_total', 0, queue],
  ])
})

test('they are those of the status', async () => {
  const store = new SaidStore()
  const { queue: executor } = storing({}, store)
  await turn()
  void executor.execute('a').catch(() => {})
  void executor.execute('b').catch(() => {})
  await turn()
  store.said = {
    bytes: 61_440,
    commitMs: { p50: 0.5, p99: 40 },
    unopened: [
      { queue: 'old', live: 3 },
      { queue: 'older', live: 4 },
    ],
  }
  for (const format of ['prometheus', 'openmetrics'] as const) {
    const { text } = await observed(executor, format)
    expect(text.value('triage_store_storing', queue)).toBe(2)
    expect(text.value('triage_store_pending', queue)).toBe(executor.getStatus().store?.pending)
    expect(text.value('triage_store_bytes', queue)).toBe(61_440)
    expect(text.value('triage_store_unhandled', { ...queue, reason: 'unopened_queue' })).toBe(7)
    expect(text.families.get('triage_store_commit_seconds')?.type).toBe('summary')
    expect(text.value('triage_store_commit_seconds', { ...queue, quantile: '0.5' })).toBe(0.0005)
    expect(text.value('triage_store_commit_seconds', { ...queue, quantile: '0.99' })).toBe(0.04)
  }
  expect(executor.getStatus().store?.pending).toBeGreaterThan(0)
})

test('requests of kinds that nobody handles are counted, and no label says which', async () => {
  const store: Store = new HandStore()
  const executor = new QueuedExecutor(() => 0, { store })
  const status = { ...executor.getStatus() }
  const unhandled = [
    { kind: 'clash', live: 2 },
    { kind: 'convert', live: 3 },
  ]
  executor.getStatus = () => ({
    ...status,
    store: { ...(status.store as NonNullable<typeof status.store>), unhandled },
  })
  const { text } = await observed(executor)
  expect(text.value('triage_store_unhandled', { ...queue, reason: 'unhandled_kind' })).toBe(5)
})

test.each([
  ['open', 1],
  ['faulty', 0],
  ['closed', 0],
] as const)('while the store is %s, it is up: %i', async (state, up) => {
  const { queue: executor, store } = storing()
  const { scrape } = await observed(executor)
  await store.becomes(state)
  expect((await scrape()).value('triage_store_up', queue)).toBe(up)
})

test('what is parked is counted', async () => {
  const { clock, queue: executor, store } = storing()
  store.auto()
  await turn()
  const ends = ['a', 'b', 'c'].map((request) => executor.execute(request).catch(({ code }) => code))
  await turn()
  await clock.run({ until: executor.close({ drain: false, graceMs: 0 }) })
  const { scrape } = await observed(executor)
  expect(await Promise.all(ends)).toEqual(ends.map(() => 'TRIAGE_PARKED'))
  expect((await scrape()).value('triage_queue_requests_parked_total', queue)).toBe(3)
})

test('of several processes the slowest commit counts, and one store that is down', async () => {
  const messages = await Promise.all(
    [40, 10].map(async (p99) => {
      const store = new SaidStore()
      store.said = { commitMs: { p50: 1, p99 }, bytes: p99, state: p99 === 40 ? 'open' : 'faulty' }
      const { registry } = await observed(storing({}, store).queue)
      return registry.getMetricsAsJSON()
    }),
  )
  const all = AggregatorRegistry.aggregate(structuredClone(messages))
  const text = new Exposition(await all.metrics())
  expect(text.value('triage_store_up', queue)).toBe(0)
  expect(text.value('triage_store_bytes', queue)).toBe(50)
  expect(text.value('triage_store_commit_seconds', { ...queue, quantile: '0.99' })).toBe(0.04)
})

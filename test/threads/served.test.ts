/** Shards behind a service, and on a registry: each is to be told apart. */
import { Registry } from 'prom-client'
import { QueuedExecutor } from 'triage-queue'
import { type HttpApp, httpApp } from 'triage-queue/http'
import { prometheus } from 'triage-queue/prometheus'
import { type Shards, shards } from 'triage-queue/threads'
import { expect, onTestFinished, test, vi } from 'vitest'
import { turn, watch } from '../failures/support.ts'
import { fixture, until } from './support.ts'

vi.setConfig({ testTimeout: 60_000 })

const token = 'token-of-the-shards'

function served(all: Shards<never, unknown>) {
  const app: HttpApp = httpApp({ queues: all, auth: { tokens: [{ name: 'one', level: 'admin', token }] } })
  onTestFinished(() => app.close())
  return async (path: string, init: { method?: string; body?: string; headers?: object } = {}) => {
    const headers = {
      ...{ authorization: `Bearer ${token}`, host: 'localhost' },
      ...init.headers,
      ...(init.body !== undefined && { 'content-type': 'application/json' }),
    }
    const response = await app.fetch(new Request(`http://localhost${path}`, { ...init, headers }))
    const text = await response.text()
    return { status: response.status, text, json: () => JSON.parse(text) }
  }
}

const inThread = (): Shards<never, unknown> => {
  const make = () => new QueuedExecutor<string, string>(() => new Promise(() => {}), { name: 'llm', concurrency: 2 })
  const all = shards<string, string>(2, make, { key: () => 'one' })
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  return all as unknown as Shards<never, unknown>
}

test('each shard has its series on a registry, until the handle is called', async () => {
  const registry = new Registry()
  const all = shards<string, string>(
    2,
    () => new QueuedExecutor<string, string>(async (name) => name, { name: 'llm' }),
    {
      route: 'roundRobin',
    },
  )
  const dispose = prometheus(all, { registry, labels: { region: 'eu' } })
  await Promise.all(['a', 'b', 'c'].map((name) => all.execute(name)))
  const text = await registry.metrics()
  const ended = (shard: number, count: number) =>
    `triage_requests_ended_total{queue="llm",region="eu",shard="${shard}",priority="normal",outcome="completed"} ${count}`
  expect(text.split('\n')).toEqual(expect.arrayContaining([ended(0, 2), ended(1, 1)]))
  expect(text).toMatch(/run_time_seconds_count\{queue="llm",region="eu",shard="1".* 1/)
  dispose()
  expect(await registry.metrics()).toBe('\n')
})

test('labels that are taken: none of the shards is put on the registry', () => {
  const registry = new Registry()
  const all = inThread() as unknown as Shards<string, string>
  using _ = prometheus(all, { registry })
  expect(() => prometheus(all, { registry })).toThrow(expect.objectContaining({ path: 'labels' }))
})

test('a service shows the totals, each shard, its slots and its metrics, and says what it would change', async () => {
  const all = inThread()
  const ask = served(all)
  for (let i = 0; i < 9; i++) void watch(all.execute(`${i}` as never))
  await turn()
  const status = (await ask('/v1/queues/llm')).json()
  expect([
    status.running,
    status.waiting,
    status.shards.map(({ waiting }: { waiting: number }) => waiting).sort(),
  ]).toEqual([...[2, 7, [0, 7]]])
  const efficiency = (await ask('/thread-efficiency')).json()
  expect(efficiency.workers.map(({ shard }: { shard: number }) => shard)).toEqual(
    expect.arrayContaining([expect.any(Number)]),
  )
  expect(efficiency.advice).toMatch(
    /^Shard \d has 7 waiting, .* another key spreads them better, or the route 'leastLoaded'\.$/,
  )
  const metrics = (await ask('/metrics')).text
  expect(metrics).toMatch(/triage_queue_size\{queue="llm",shard="[01]",priority="normal"\} 7/)
  expect((await ask('/v1/queues/llm/requests?state=waiting')).json().requests.length).toBe(7)
  expect((await ask('/v1/queues/llm/pause', { method: 'POST' })).json().state).toBe('paused')
})

test('If-Match with the generation of the last life does not hit one of which nothing was told yet', async () => {
  const all = shards<never, unknown>(1, fixture('shard-work'), { name: 'llm', executor: { concurrency: 2 } })
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  const ask = served(all)
  const path = '/v1/queues/llm/requests/a'
  await watch(all.execute('fail' as never, { id: 'one~a' })).done
  const { generation, state } = (await ask(path)).json()
  expect(state).toBe('dead')
  const later = all.submit('hold' as never, { id: 'one~a' })
  const cancelled = await ask(`${path}/cancel`, { method: 'POST', headers: { 'if-match': `"${generation}"` } })
  expect([cancelled.status, (await later).state]).toEqual([412, expect.stringMatching(/waiting|running/)])
  expect((await ask(path)).json().generation).toBeGreaterThan(generation)
})

test('one idle slot is not one too many', async () => {
  const queue = new QueuedExecutor<never, unknown>(async () => 1, { name: 'llm', concurrency: 1 })
  onTestFinished(() => queue.close())
  const all = shards<never, unknown>(1, () => queue)
  expect((await served(all)('/thread-efficiency')).json().advice).toBe('It keeps up.')
})

test('what was lost with the thread of a shard is a dead letter, and stands in no list of what lives', async () => {
  const all = shards<never, unknown>(1, fixture('shard-work'), { name: 'llm', executor: { concurrency: 2 } })
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  const ask = served(all)
  const { id } = (await ask('/v1/queues/llm/requests', { method: 'POST', body: '"hold"' })).json()
  await ask('/v1/queues/llm/requests', { method: 'POST', body: '"exit"' })
  const path = `/v1/queues/llm/requests/${id}`
  await until(async () =>
    expect((await ask(path)).json()).toMatchObject({ state: 'dead', error: { code: 'TRIAGE_WORKER_LOST' } }),
  )
  expect((await ask(`${path}?include=payload`)).json().payload).toBe('hold')
  expect((await ask('/v1/queues/llm/requests?state=live')).json().requests).toEqual([])
})

test('shards in threads are served as well', async () => {
  const all = shards<never, unknown>(2, fixture('shard-work'), { name: 'llm', executor: { concurrency: 2 } })
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  const ask = served(all)
  const answer = await ask('/process', { method: 'POST', body: JSON.stringify({ id: 'a' }) })
  expect(answer.status).toBe(202)
  await until(async () => expect((await ask('/status/a')).json().state).toBe('completed'))
  expect((await ask('/v1/queues/llm')).json().totals.completed).toBe(1)
  expect((await ask('/thread-efficiency')).json().advice).toBe(
    'Fewer than half of the slots are in use just now: if that stays so, fewer would do.',
  )
  await until(async () =>
    expect((await ask('/metrics')).text).toMatch(/shard="[01]",priority="normal",outcome="completed"\} 1/),
  )
})

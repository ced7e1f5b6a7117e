/** A service, a client, metrics and traces work on an executor over Redis as on any other. */
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Registry } from 'prom-client'
import { HttpClient, httpApp, listen } from 'triage-queue/http'
import { otel } from 'triage-queue/otel'
import { prometheus } from 'triage-queue/prometheus'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { startRedis } from '../support/redis-server.ts'
import { executorFor, freshName, workerFor } from './support/pair.ts'

const redis = await startRedis()
afterAll(() => redis.close())
const token = 'token-of-the-service'
const until = (isSo: () => unknown) => expect.poll(isSo, { timeout: 10_000, interval: 20 })

async function service(name: string) {
  const executor = executorFor(name, redis.url)
  const app = httpApp({ queues: executor, auth: { tokens: [{ name: 'one', level: 'admin', token }] } })
  const { url, close } = await listen(app)
  onTestFinished(() => close())
  const call = async (method: string, path: string, body?: unknown, headers: object = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text }
  }
  return { executor, call, client: new HttpClient<string, unknown>({ url, queue: name, token }) }
}

describe('a service around it', () => {
  test('submits, waits, and says what it is', async () => {
    const name = freshName()
    const { call, client } = await service(name)
    workerFor(name, redis.url, async (request: string) => `${request}!`)
    expect(await client.execute('a')).toBe('a!')
    const answer = await call('POST', `/v1/queues/${name}/requests`, 'b', { prefer: 'wait=10', 'idempotency-key': 'k' })
    expect(answer).toEqual({ status: 200, body: '"b!"' })
    expect((await call('GET', `/v1/queues/${name}/requests/k`)).body).toMatchObject({ state: 'completed', attempts: 1 })
    expect((await call('GET', `/v1/queues/${name}`)).body).toMatchObject({ name, state: 'open', waiting: 0 })
    expect((await call('GET', `/v1/queues/${name}/workers`)).status).toBe(200)
    expect((await call('GET', `/readyz`)).status).toBe(200)
    const run = `triage_run_time_seconds_count{queue="${name}",priority="normal",outcome="completed"} 2`
    await until(async () => (await call('GET', `/metrics`)).body).toContain(run)
    await client.close()
  })

  test('lists what waits, runs and is dead; cancels and requeues, by generation', async () => {
    const name = freshName()
    const { call, executor } = await service(name)
    for (const id of ['a', 'b', 'c']) await executor.submit(id, { id })
    const requests = `/v1/queues/${name}/requests`
    const page = await call('GET', `${requests}?state=waiting`)
    expect(page.body.requests?.map(({ id }: { id: string }) => id).sort()).toEqual(['a', 'b', 'c'])
    expect((await call('POST', `${requests}/b/cancel`)).status).toBe(200)
    expect((await executor.find('b'))?.state).toBe('cancelled')
    let isWell = false
    workerFor(name, redis.url, async (request: string) => {
      if (!isWell) throw new Error('ill')
      return request
    })
    await executor.idle()
    const dead = await call('GET', `${requests}?state=dead`)
    expect(dead.body.requests.map(({ id }: { id: string }) => id).sort()).toEqual(['a', 'c'])
    isWell = true
    const { generation } = (await executor.find('a')) as { generation: number }
    expect((await call('POST', `${requests}/a/requeue`, undefined, { 'if-match': `"${generation - 1}"` })).status).toBe(
      412,
    )
    expect((await call('POST', `${requests}/a/requeue`, undefined, { 'if-match': `"${generation}"` })).status).toBe(200)
    await until(async () => (await executor.find('a'))?.state).toBe('completed')
    expect((await call('PATCH', `${requests}/c`, { priority: 'urgent' })).status).toBe(409)
    expect((await call('POST', `/v1/queues/${name}/pause`)).status).toBe(200)
    expect((await call('GET', `/v1/queues/${name}`)).body.state).toBe('paused')
  })
})

test('prometheus() reads what was observed', async () => {
  const name = freshName()
  const executor = executorFor(name, redis.url)
  workerFor(name, redis.url, async () => 1)
  const observed = executor.observed(20)
  onTestFinished(() => observed.stop())
  await executor.execute('a', { priority: 'urgent' })
  await executor.getStatus()
  const registry = new Registry()
  using _ = prometheus(observed, { registry })
  const text = await registry.metrics()
  expect(text).toContain(`triage_run_time_seconds_count{queue="${name}",priority="urgent",outcome="completed"} 1`)
})

test('otel() makes a span of each request, with its wait and its run', async () => {
  const name = freshName()
  const executor = executorFor(name, redis.url)
  workerFor(name, redis.url, async () => 1)
  await executor.getStatus()
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const observed = executor.observed()
  const detach = otel(observed, { tracerProvider: provider })
  await executor.execute('a', { id: 'a' })
  detach()
  expect(
    exporter
      .getFinishedSpans()
      .map((span) => span.name)
      .sort(),
  ).toEqual([...[`process ${name}`, `run ${name}`, `wait ${name}`]])
})

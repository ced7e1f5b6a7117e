/** A service in front of an executor with a store in SQLite: what was acknowledged is there after a restart. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Executor, fairBy, memoryStore, type OrderPolicy, QueuedExecutor, type Store } from 'triage-queue'
import { httpApp, listen } from 'triage-queue/http'
import { openStore } from 'triage-queue/sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { principals } from './support/principals.ts'
import { type Ask, ask, until } from './support/service.ts'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'triage-http-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function start(
  kept: string | (Store & { close(): Promise<void> }),
  run: Executor<unknown, unknown>,
  options: { concurrency?: number; maxQueueSize?: number; order?: OrderPolicy } = {},
) {
  const store = typeof kept === 'string' ? await openStore(kept) : kept
  const queue = new QueuedExecutor<unknown, unknown>(run, { name: 'llm', store, ...options })
  const service = await listen(httpApp({ queues: queue, auth: { tokens: principals } }))
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      await service.close()
      await queue.close({ drain: false, graceMs: 0 })
      await store.close()
    })()
    return stopped
  }
  onTestFinished(stop)
  return { queue, stop, ask: (path: string, one?: Ask) => ask(service.url, path, one) }
}

const own = (id: string): string => `/v1/queues/llm/requests/${id}`

test('a 202 outlives the process, and so does its result; a key has its answer after a restart', {
  timeout: 30_000,
}, async () => {
  const path = join(folder(), 'store.db')
  const first = await start(path, async (request) => ({ echo: request }))
  const headers = { prefer: 'wait=10', 'idempotency-key': 'done' }
  expect((await first.ask('/process', { as: 'sam', body: { q: 1 }, headers })).body).toEqual({ echo: { q: 1 } })
  await first.ask('/v1/queues/llm/pause', { as: 'olga', method: 'POST' })
  expect((await first.ask('/process', { as: 'sam', body: { id: 'later', q: 2 } })).status).toBe(202)
  await first.stop()
  let runs = 0
  const second = await start(path, async (request) => ({ again: ++runs, request }))
  expect((await second.ask(own('done'), { as: 'sam' })).body).toMatchObject({
    state: 'completed',
    result: { echo: { q: 1 } },
  })
  expect((await second.ask('/process', { as: 'sam', body: { q: 1 }, headers })).body).toEqual({ echo: { q: 1 } })
  expect((await second.ask('/process', { as: 'sam', body: { q: 9 }, headers })).status).toBe(422)
  // The pause was acknowledged, too.
  await until(async () => (await second.ask(own('later'), { as: 'sam' })).body.state === 'waiting')
  await second.ask('/v1/queues/llm/resume', { as: 'olga', method: 'POST' })
  const later = await second.ask(own('later'), { as: 'sam', headers: { prefer: 'wait=10' } })
  expect(later.body).toMatchObject({ state: 'completed', result: { again: 1, request: { id: 'later', q: 2 } } })
  expect((await second.ask(own('sam~done'), { as: 'vera' })).body).not.toHaveProperty('result')
})

test('its dead letters are listed, shown and requeued in their generation', { timeout: 240_000 }, async () => {
  let isWell = false
  const { ask } = await start(join(folder(), 'store.db'), async (request) => {
    if (!isWell) throw new Error('secret')
    return request
  })
  const headers = { prefer: 'wait=10', 'idempotency-key': 'k' }
  expect((await ask('/process', { as: 'sam', body: { token: 'x', q: 1 }, headers })).status).toBe(502)
  const page = await ask('/v1/queues/llm/requests?state=dead', { as: 'vera' })
  expect(page.body.requests).toMatchObject([{ id: 'sam~k', state: 'dead', error: { name: 'Error' } }])
  expect(page.body.counts.dead).toBe(1)
  const record = await ask(`${own('sam~k')}?include=payload`, { as: 'olga' })
  expect(record.body).toMatchObject({ state: 'dead', payload: { token: '[redacted]', q: 1 } })
  expect(page.text + record.text).not.toContain('secret')
  const stats = await ask('/database/stats', { as: 'vera' })
  expect(stats.body.kept).toMatchObject({ dead: 1, completed: 0, minutes: expect.any(Array) })
  const requeue = (etag: string) =>
    ask(`${own('sam~k')}/requeue`, { as: 'olga', method: 'POST', headers: { 'if-match': etag } })
  expect((await requeue('"999"')).status).toBe(412)
  const discard = (as: string, etag: string) =>
    ask(own('sam~k'), { as, method: 'DELETE', headers: { 'if-match': etag } })
  expect((await discard('ada', '"999"')).status).toBe(412)
  expect((await discard('olga', record.headers.etag as string)).status).toBe(409)
  isWell = true
  expect((await requeue(record.headers.etag as string)).status).toBe(200)
  const after = await ask(own('k'), { as: 'sam', headers: { prefer: 'wait=10' } })
  expect(after.body).toMatchObject({ state: 'completed', result: { token: 'x', q: 1 } })
  expect((await requeue(record.headers.etag as string)).status).toBe(412)
  expect((await requeue(after.headers.etag as string)).body.code).toBe('NOT_DEAD')
})

test.each([
  ['SQLite', () => join(folder(), 'store.db')],
  ['memoryStore()', () => memoryStore()],
] as const)('the generation of a request is that of its record wherever it is shown: %s', async (_, kept) => {
  const { queue, ask } = await start(kept(), async (request) => request, { concurrency: 1 })
  const submit = (key: string, options = '{}') => {
    const headers = { prefer: 'wait=0', 'idempotency-key': key, 'triage-options': options }
    return ask('/v1/queues/llm/requests', { as: 'sam', body: {}, headers })
  }
  // Whoever asks again takes a number, too, and no life.
  await ask('/process', { as: 'sam', body: { id: 'done' }, headers: { prefer: 'wait=10' } })
  for (let n = 0; n < 3; n++) await ask('/process', { as: 'sam', body: { id: 'done' }, headers: { prefer: 'wait=10' } })
  queue.pause()
  for (const key of ['a', 'b', 'c']) await submit(key)
  await submit('d', '{"delayMs":600000}')
  const seqOf = async (id: string): Promise<number> => (await queue.find(id))?.generation as number
  const pages = ['state=waiting', 'state=waiting&order=next', 'state=held', 'limit=200']
  for (const page of pages) {
    const { requests } = (await ask(`/v1/queues/llm/requests?${page}`, { as: 'vera' })).body
    expect(requests.length).toBeGreaterThan(0)
    for (const { id, generation } of requests) {
      expect([page, id, generation]).toEqual([page, id, await seqOf(id)])
      expect((await ask(own(id), { as: 'olga' })).headers.etag).toBe(`"${generation}"`)
    }
  }
  const { requests: seen } = (await ask('/v1/queues/llm/requests?state=waiting', { as: 'vera' })).body
  const requests = seen.map(({ id, generation }: { id: string; generation: number }) => ({ id, generation }))
  const bulk = (action: string) =>
    ask('/v1/queues/llm/requests:bulk', { as: 'olga', body: { action, requests, priority: 'low' } })
  expect((await bulk('priority')).body.counts).toEqual({ done: 4 })
  expect((await bulk('cancel')).body.counts).toEqual({ done: 4 })
  expect((await bulk('cancel')).body.counts).toEqual({ ended: 4 })
})

test('an admin deletes a dead letter', { timeout: 240_000 }, async () => {
  const { ask } = await start(join(folder(), 'store.db'), async () => Promise.reject(new Error('no')))
  const headers = { prefer: 'wait=10', 'idempotency-key': 'k' }
  expect((await ask('/process', { as: 'sam', body: { q: 1 }, headers })).status).toBe(502)
  const { headers: seen } = await ask(own('sam~k'), { as: 'olga' })
  const discard = () => ask(own('sam~k'), { as: 'ada', method: 'DELETE', headers: { 'if-match': seen.etag as string } })
  expect((await discard()).body).toMatchObject({ id: 'sam~k', deleted: true })
  expect((await discard()).status).toBe(404)
  expect((await ask('/v1/queues/llm/requests?state=dead', { as: 'vera' })).body.counts.dead).toBe(0)
})

test('pages through live and ended ones show none twice and leave none out', { timeout: 240_000 }, async () => {
  const { ask, queue } = await start(join(folder(), 'store.db'), async (request) => request)
  for (let n = 0; n < 25; n++)
    await ask('/process', { as: 'sam', body: { id: `done${n}` }, headers: { prefer: 'wait=10' } })
  queue.pause()
  for (let n = 0; n < 12; n++) await ask('/process', { as: 'sam', body: { id: `waits${n}` } })
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await ask(`/v1/queues/llm/requests?limit=7${cursor}`, { as: 'vera' })
    seen.push(...body.requests.map(({ id }: { id: string }) => id))
    cursor = body.cursor === null ? '' : `&cursor=${body.cursor}`
  } while (cursor !== '')
  const expected = [
    ...Array.from({ length: 12 }, (_, n) => `sam~waits${11 - n}`),
    ...Array.from({ length: 25 }, (_, n) => `sam~done${24 - n}`),
  ]
  expect(seen).toEqual(expected)
})

test('1,200 submitters at once against POST /process: everything is accounted for, and kept', {
  timeout: 120_000,
}, async () => {
  const path = join(folder(), 'store.db')
  const first = await start(path, async (request) => request, { concurrency: 50, maxQueueSize: 800 })
  const asks = Array.from({ length: 1_200 }, (_, n) =>
    first.ask('/process', {
      as: 'sam',
      body: { id: n },
      headers: { 'triage-priority': ['urgent', 'high', 'normal', 'low'][n % 4] as string },
    }),
  )
  const replies = await Promise.all(asks)
  const admitted = replies.filter(({ status }) => status === 202).length
  const refused = replies.filter(({ status, headers }) => status === 503 && headers['retry-after'] !== undefined).length
  expect(admitted + refused).toBe(1_200)
  await first.queue.idle()
  const { totals } = first.queue.getStatus()
  expect([totals.admitted, totals.completed, totals.rejected]).toEqual([admitted, admitted, refused])
  await first.stop()
  const second = await start(path, async (request) => request)
  const { kept } = (await second.ask('/database/stats', { as: 'vera' })).body
  expect(kept).toMatchObject({ completed: admitted, dead: 0, expired: 0, cancelled: 0, shed: 0 })
  for (const [n, { status }] of replies.entries()) {
    if (n % 40 !== 0 || status !== 202) continue
    expect((await second.ask(`/status/${n}`, { as: 'sam' })).body).toMatchObject({
      state: 'completed',
      result: { id: n },
    })
  }
})

test('what the matter is with a store is told without its path', async () => {
  const path = join(folder(), 'secret-place.db')
  const { queue, ask } = await start(path, async (request) => request)
  const status = queue.getStatus()
  const store = { ...status.store, state: 'faulty', error: `disk I/O error, ${path}` }
  queue.getStatus = () => ({ ...status, store }) as typeof status
  for (const route of ['/v1/queues', '/v1/queues/llm', '/queue-status']) {
    const reply = await ask(route, { as: 'vera' })
    expect(reply.text).toContain('"state":"faulty"')
    expect(reply.text).not.toContain('secret-place')
  }
})

test('whose it is stands with each request, before and after a restart, and with what has ended', async () => {
  const path = join(folder(), 'store.db')
  const options = () => ({ concurrency: 1, order: fairBy((request) => (request as { tenant: string }).tenant) })
  const first = await start(path, async () => new Promise(() => {}), options())
  for (const id of ['acme', 'bulk']) {
    await first.ask('/v1/queues/llm/requests', {
      ...{ as: 'sam', body: { tenant: id }, headers: { 'idempotency-key': id, prefer: 'respond-async' } },
    })
  }
  const keys = async ({ ask }: typeof first, state: string): Promise<unknown> =>
    (await ask(`/v1/queues/llm/requests?state=${state}`, { as: 'vera' })).body.requests.map(
      ({ id, key }: { id: string; key: string }) => [id, key],
    )
  expect([await keys(first, 'running'), await keys(first, 'waiting')]).toEqual([
    [['sam~acme', 'acme']],
    [['sam~bulk', 'bulk']],
  ])
  await first.stop()
  const failing = async ({ tenant }: { tenant?: string }) => {
    if (tenant === 'bulk') throw new Error('no')
    return 1
  }
  const second = await start(path, failing as never, options())
  await until(async () => (await second.ask(own('bulk'), { as: 'sam' })).body.state === 'dead')
  expect([await keys(second, 'completed'), await keys(second, 'dead')]).toEqual([
    [['sam~acme', 'acme']],
    [['sam~bulk', 'bulk']],
  ])
  expect((await second.ask(own('bulk'), { as: 'sam' })).body.key).toBe('bulk')
})

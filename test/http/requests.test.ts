/** Submit, look, wait, cancel, move, requeue, list, many at once: what each route answers. */
import { QueuedExecutor } from 'triage-queue'
import { httpApp, listen } from 'triage-queue/http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ask, held, serve, until } from './support/service.ts'

const own = (id: string): string => `/v1/queues/llm/requests/${id}`

describe('submit', () => {
  test('answers 202 with where it is found, and there it has its result', async () => {
    const { submit, ask } = await serve()
    const reply = await submit({ q: 1 })
    expect(reply.status).toBe(202)
    expect(reply.body).toMatchObject({ queue: 'llm', id: expect.stringMatching(/^sam~/) })
    const record = await ask(reply.headers.location as string, { as: 'sam', headers: { prefer: 'wait=5' } })
    expect(record.body).toMatchObject({ state: 'completed', result: { echo: { q: 1 } }, attempts: 1, generation: 1 })
    expect(record.headers.etag).toBe('"1"')
  })

  test('with Prefer: wait the result is the answer', async () => {
    const { submit } = await serve()
    const reply = await submit({ q: 1 }, { headers: { prefer: 'wait=5' } })
    expect([reply.status, reply.body]).toEqual([200, { echo: { q: 1 } }])
    expect(reply.headers['preference-applied']).toBe('wait=5')
  })

  test('a wait that is over answers 202, and the request goes on', async () => {
    const { run, calls, called } = held()
    const { submit, ask } = await serve({ run })
    const reply = await submit(1, { headers: { prefer: 'wait=0', 'idempotency-key': 'k' } })
    expect(reply.status).toBe(202)
    await called(1)
    calls[0]?.resolve('done')
    const record = await ask(own('k'), { as: 'sam', headers: { prefer: 'wait=5' } })
    expect(record.body).toMatchObject({ state: 'completed', result: 'done' })
  })

  test('what waits says where it stands, and about when it starts', async () => {
    const { run, calls, called } = held()
    const { submit } = await serve({ run, queue: { concurrency: 1 } })
    await submit(0)
    await called(1)
    calls[0]?.resolve(0)
    await submit(1)
    await called(2)
    const first = await submit(2)
    const second = await submit(3)
    expect([first.body.state, first.body.position, second.body.position]).toEqual(['waiting', 0, 1])
    expect(second.body.estimateMs).toEqual(expect.any(Number))
  })

  test('its headers are its priority, its deadline and its options', async () => {
    const { run, called } = held()
    const { submit, queue } = await serve({ run, queue: { concurrency: 1 } })
    await submit(0)
    await called(1)
    const options = { metadata: { tenant: 'a' }, cost: 1, waitTimeoutMs: 60_000 }
    const headers = { 'idempotency-key': 'k', 'triage-priority': 'urgent', 'triage-options': JSON.stringify(options) }
    await submit({ q: 1 }, { headers })
    const [waiting] = queue.waiting()
    expect(waiting).toMatchObject({ id: 'sam~k', priority: 'urgent', metadata: { tenant: 'a' }, request: { q: 1 } })
    const late = await submit({ q: 2 }, { headers: { prefer: 'wait=5', 'triage-deadline': '20' } })
    expect([late.status, late.body.code]).toEqual([503, 'TRIAGE_WAIT_TIMEOUT'])
    expect(late.headers['retry-after']).toMatch(/^\d+$/)
  })

  test.each([
    ['triage-priority', 'soon', 'TRIAGE_INVALID_REQUEST'],
    ['triage-deadline', 'soon', 'TRIAGE_INVALID_REQUEST'],
    ['triage-options', '{', 'INVALID'],
    ['triage-options', '{"priority":"low"}', 'INVALID'],
    ['triage-options', '{"cost":0}', 'INVALID'],
    ['triage-options', '{"cost":99}', 'INVALID'],
    ['triage-options', '{"after":["nobody"]}', 'INVALID'],
    ['idempotency-key', 'two words', 'INVALID'],
    ['idempotency-key', `${'x'.repeat(201)}`, 'INVALID'],
  ])('%s: %s is a 400 that says so', async (name, value, code) => {
    const { submit, queue } = await serve()
    const reply = await submit(1, { headers: { [name]: value } })
    expect([reply.status, reply.body.code]).toEqual([400, code])
    expect(queue.getStatus().totals.admitted).toBe(0)
  })

  test('options of more than 8 KiB are too large', async () => {
    const { submit } = await serve()
    const reply = await submit(1, { headers: { 'triage-options': JSON.stringify({ metadata: 'x'.repeat(9_000) }) } })
    expect([reply.status, reply.body.code]).toEqual([431, 'HEADER_TOO_LARGE'])
  })

  test('one may come after another of one’s own', async () => {
    const { run, calls, called } = held<string, string>()
    const { submit } = await serve({ run, queue: { concurrency: 5 } })
    await submit('a', { headers: { 'idempotency-key': 'a' } })
    const after = submit('b', { headers: { prefer: 'wait=5', 'triage-options': '{"after":["a"]}' } })
    await called(1)
    calls[0]?.resolve('A')
    await called(2)
    calls[1]?.resolve('B')
    expect((await after).body).toBe('B')
  })

  test('a full queue is 503 with Retry-After and an explanation', async () => {
    const { run } = held()
    const { submit } = await serve({ run, queue: { concurrency: 1, maxQueueSize: 1 } })
    await submit(1)
    await submit(2)
    const reply = await submit(3)
    expect(reply.status).toBe(503)
    expect(reply.headers['content-type']).toBe('application/problem+json')
    expect(reply.body).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', explain: { rule: 'maxQueueSize' } })
    expect(reply.headers['retry-after']).toMatch(/^[1-9]\d*$/)
  })

  test('what the executor has failed with is not told, unless it may be', async () => {
    const run = async () => {
      throw new Error('connect to /var/run/secret.sock failed')
    }
    const { submit, ask } = await serve({ run })
    const reply = await submit(1, { headers: { prefer: 'wait=5', 'idempotency-key': 'k' } })
    expect([reply.status, reply.body.code]).toEqual([502, 'TRIAGE_RUN_FAILED'])
    const record = await ask(own('sam~k'), { as: 'ada' })
    expect(record.body).toMatchObject({ state: 'dead', error: { name: 'Error' } })
    expect(reply.text + record.text).not.toContain('secret')
    const open = await serve({ run, app: { exposeErrors: true } })
    const told = await open.submit(1, { headers: { prefer: 'wait=5', 'idempotency-key': 'k' } })
    expect(told.body.detail).toContain('secret.sock')
    expect((await open.ask(own('k'), { as: 'sam' })).body.error.message).toContain('secret.sock')
    expect((await open.ask(own('sam~k'), { as: 'vera' })).text).not.toContain('secret')
  })

  test('a result that is no JSON is a 502, and undefined is null', async () => {
    const { submit } = await serve({ run: async (request) => (request === 1 ? 1n : undefined) })
    const reply = await submit(1, { headers: { prefer: 'wait=5' } })
    expect([reply.status, reply.body.code]).toEqual([502, 'TRIAGE_RESULT_LOST'])
    expect((await submit(2, { headers: { prefer: 'wait=5' } })).text).toBe('null')
  })

  test('a run that takes too long is 504; one that is cancelled 409, by close() 503', async () => {
    const { run, called } = held()
    const { submit, ask, queue } = await serve({ run, queue: { concurrency: 3 } })
    const late = submit(1, { headers: { prefer: 'wait=5', 'triage-options': '{"runTimeoutMs":5}' } })
    expect((await late).status).toBe(504)
    const cancelled = submit(1, { headers: { prefer: 'wait=5', 'idempotency-key': 'k' } })
    await called(2)
    expect((await ask(`${own('k')}/cancel`, { as: 'sam', method: 'POST' })).body.state).toBe('cancelled')
    expect((await cancelled).status).toBe(409)
    const closed = submit(1, { headers: { prefer: 'wait=5' } })
    await called(3)
    void queue.close({ drain: false, graceMs: 0 })
    expect((await closed).status).toBe(503)
  })
})

describe('a key', () => {
  test('joins while it lives, has its answer afterwards, and is refused with another request', async () => {
    const { run, calls, called } = held<unknown, string>()
    const { submit } = await serve({ run })
    const key = { headers: { prefer: 'wait=5', 'idempotency-key': '"k"' } }
    const both = [submit({ a: 1, b: 2 }, key), submit({ b: 2, a: 1 }, key)]
    await called(1)
    expect((await submit({ a: 2 }, key)).status).toBe(422)
    calls[0]?.resolve('once')
    expect((await Promise.all(both)).map(({ status, body }) => [status, body])).toEqual([
      [200, 'once'],
      [200, 'once'],
    ])
    expect((await submit({ b: 2, a: 1 }, key)).body).toBe('once')
    const other = await submit({ a: 3 }, key)
    expect([other.status, other.body.code, other.body.reason]).toEqual([422, 'TRIAGE_DUPLICATE_REQUEST', 'payload'])
    expect(calls.length).toBe(1)
  })

  test('of a failure is tried again', async () => {
    let runs = 0
    const { submit } = await serve({
      run: async () => {
        if (++runs === 1) throw new Error('no')
        return runs
      },
    })
    const key = { headers: { prefer: 'wait=5', 'idempotency-key': 'k' } }
    expect((await submit(1, key)).status).toBe(502)
    expect((await submit(1, key)).body).toBe(2)
  })

  test('of another is not found by the bare key, and never joined', async () => {
    const { run, calls, called } = held<unknown, string>()
    const { submit, ask } = await serve({ run, queue: { concurrency: 5 } })
    const key = { 'idempotency-key': 'k', prefer: 'wait=5' }
    const sams = submit(1, { headers: key })
    await called(1)
    expect((await ask(own('k'), { as: 'sue' })).status).toBe(404)
    expect((await ask(own('k'), { as: 'sue', method: 'DELETE' })).status).toBe(404)
    expect((await ask(own('sam~k'), { as: 'sue', method: 'DELETE' })).status).toBe(404)
    const sues = submit(1, { as: 'sue', headers: key })
    await called(2)
    calls[0]?.resolve('for sam')
    calls[1]?.resolve('for sue')
    expect([(await sams).body, (await sues).body]).toEqual(['for sam', 'for sue'])
    // As a viewer of it, she sees that it is there, and nothing of it.
    const seen = (await ask(own('sam~k'), { as: 'sue' })).body
    expect(seen).toMatchObject({ id: 'sam~k', state: 'completed' })
    expect(seen).not.toHaveProperty('result')
  })
})

describe('one record', () => {
  test('shows its payload to whoever may see it, and to operators without secrets', async () => {
    const { run, called } = held()
    const audited: unknown[] = []
    const { submit, ask } = await serve({ run, app: { audit: (entry) => void audited.push(entry) } })
    await submit({ prompt: 'hi', apiKey: 'abc' }, { headers: { 'idempotency-key': 'k' } })
    await called(1)
    const payload = async (as: string, id = 'sam~k') => {
      const { status, body } = await ask(`${own(id)}?include=payload`, { as })
      return status === 200 ? body.payload : status
    }
    expect(await payload('sam', 'k')).toEqual({ prompt: 'hi', apiKey: 'abc' })
    expect(await payload('olga')).toEqual({ prompt: 'hi', apiKey: '[redacted]' })
    expect(await payload('ada')).toEqual({ prompt: 'hi', apiKey: 'abc' })
    expect(await payload('vera')).toBe(403)
    expect(await payload('sue')).toBe(403)
    expect(audited).toContainEqual(expect.objectContaining({ principal: 'olga', action: 'payload', id: 'sam~k' }))
  })

  test('gets another priority while it waits', async () => {
    const { run, called } = held()
    const { submit, ask, queue } = await serve({ run, queue: { concurrency: 1 } })
    await submit(0, { headers: { 'idempotency-key': 'running' } })
    await called(1)
    await submit(1, { headers: { 'idempotency-key': 'k' } })
    const body = { priority: 'urgent' }
    expect((await ask(own('sam~k'), { as: 'olga', method: 'PATCH', body })).body.priority).toBe('urgent')
    expect(queue.get('sam~k')?.priority).toBe('urgent')
    expect((await ask(own('sam~running'), { as: 'olga', method: 'PATCH', body })).body.code).toBe('NOT_WAITING')
    expect((await ask(own('sam~nobody'), { as: 'olga', method: 'PATCH', body })).status).toBe(404)
    const stale = { as: 'olga', method: 'PATCH', body, headers: { 'if-match': '"1"' } }
    expect((await ask(own('sam~k'), stale)).status).toBe(412)
    const list = (await ask('/v1/queues/llm/requests?state=waiting&priority=urgent', { as: 'vera' })).body
    expect(list.requests.map(({ id }: { id: string }) => id)).toEqual(['sam~k'])
  })

  test('lives again when it was dead, once, and in the generation that was seen', async () => {
    let isWell = false
    const { submit, ask } = await serve({
      run: async () => {
        if (!isWell) throw new Error('no')
        return 'well'
      },
    })
    await submit({ q: 1 }, { headers: { prefer: 'wait=5', 'idempotency-key': 'k' } })
    const requeue = (headers?: Record<string, string>) =>
      ask(`${own('sam~k')}/requeue`, { as: 'olga', method: 'POST', headers })
    expect((await requeue()).status).toBe(428)
    expect((await requeue({ 'if-match': '"9"' })).status).toBe(412)
    isWell = true
    expect((await requeue({ 'if-match': '"1"' })).status).toBe(200)
    const record = await ask(own('k'), { as: 'sam', headers: { prefer: 'wait=5' } })
    expect(record.body).toMatchObject({ state: 'completed', result: 'well', generation: 2 })
    expect((await requeue({ 'if-match': '"2"' })).body.code).toBe('NOT_DEAD')
  })

  test('is deleted by an admin when it is dead, and cancelled when it lives', async () => {
    const { run, calls, called } = held()
    const { submit, ask } = await serve({ run })
    await submit(1, { headers: { 'idempotency-key': 'a' } })
    await called(1)
    calls[0]?.reject(new Error('no'))
    await ask(own('sam~a'), { as: 'ada', headers: { prefer: 'wait=5' } })
    expect((await ask(own('sam~a'), { as: 'olga', method: 'DELETE' })).body.code).toBe('ENDED')
    expect((await ask(own('sam~a'), { as: 'ada', method: 'DELETE' })).body.deleted).toBe(true)
    expect((await ask(own('sam~a'), { as: 'ada' })).status).toBe(404)
    await submit(1, { headers: { 'idempotency-key': 'b' } })
    expect((await ask(own('sam~b'), { as: 'ada', method: 'DELETE' })).body.state).toBe('cancelled')
  })
})

describe('many', () => {
  test('are listed the youngest first, page by page, with none twice and none left out', async () => {
    const { run, calls, called } = held()
    const { submit, ask } = await serve({ run, queue: { concurrency: 1 } })
    for (let n = 0; n < 12; n++) {
      await submit(n, { headers: { 'idempotency-key': `k${n}`, 'triage-priority': n % 2 === 0 ? 'low' : 'high' } })
    }
    await called(1)
    calls[0]?.resolve(0)
    await called(2)
    const seen: string[] = []
    let cursor = ''
    do {
      const page = await ask(`/v1/queues/llm/requests?limit=5${cursor}`, { as: 'vera' })
      expect(page.body.requests.length).toBeLessThanOrEqual(5)
      seen.push(...page.body.requests.map(({ id }: { id: string }) => id))
      cursor = page.body.cursor === null ? '' : `&cursor=${page.body.cursor}`
    } while (cursor !== '')
    expect(seen.slice(0, 11)).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((n) => `sam~k${n}`))
    expect(seen.slice(11)).toEqual(['sam~k0'])
    const counts = (await ask('/v1/queues/llm/requests?state=running', { as: 'vera' })).body
    expect(counts.requests.length).toBe(1)
    expect(counts.counts).toMatchObject({ completed: 1 })
    expect((await ask('/v1/queues/llm/requests?cursor=x', { as: 'vera' })).status).toBe(400)
    expect((await ask('/v1/queues/llm/requests?state=lost', { as: 'vera' })).status).toBe(400)
    const byId = (await ask('/v1/queues/llm/requests?id=sam~k1', { as: 'vera' })).body.requests
    expect(byId.map(({ id }: { id: string }) => id)).toEqual(['sam~k11', 'sam~k10', 'sam~k1'])
  })

  test('are changed at once, each in its generation; with dryRun none', async () => {
    const { run, called } = held()
    const { submit, ask, queue } = await serve({ run, queue: { concurrency: 1 } })
    for (let n = 0; n < 4; n++) await submit(n, { headers: { 'idempotency-key': `k${n}` } })
    await called(1)
    const requests = [1, 2, 3, 4].map((generation) => ({ id: `sam~k${generation - 1}`, generation }))
    const bulk = (body: object, as = 'olga') => ask('/v1/queues/llm/requests:bulk', { as, body })
    const stale = [...requests.slice(1), { id: 'sam~k0', generation: 9 }, { id: 'nobody', generation: 1 }]
    const counts = { done: 3, stale: 1, missing: 1 }
    expect((await bulk({ action: 'cancel', requests: stale, dryRun: true })).body.counts).toEqual(counts)
    expect(queue.getStatus().waiting).toBe(3)
    expect((await bulk({ action: 'priority', priority: 'low', requests: stale })).body.counts).toEqual(counts)
    expect(queue.getStatus().waitingByPriority.low).toBe(3)
    expect((await bulk({ action: 'priority', requests })).status).toBe(400)
    expect((await bulk({ action: 'delete', requests })).status).toBe(403)
    expect((await bulk({ action: 'cancel', requests: stale })).body.counts).toEqual(counts)
    expect(queue.getStatus().waiting).toBe(0)
    expect((await bulk({ action: 'requeue', requests: [{ id: 'sam~k1', generation: 2 }] }, 'ada')).body.counts).toEqual(
      {
        'not-dead': 1,
      },
    )
    expect((await bulk({ action: 'cancel', requests: [] })).status).toBe(400)
  })
})

describe('a queue', () => {
  test('is paused, resumed and resized', async () => {
    const { ask, queue } = await serve()
    expect((await ask('/v1/queues/llm/pause', { as: 'olga', method: 'POST' })).body.state).toBe('paused')
    const unready = await ask('/readyz')
    expect([unready.status, unready.body]).toEqual([503, { ready: false, reasons: ['paused'] }])
    expect((await ask('/healthz')).body).toEqual({ live: true })
    expect((await ask('/v1/queues/llm/resume', { as: 'olga', method: 'POST' })).body.state).toBe('open')
    const ready = await ask('/readyz')
    expect([ready.status, ready.body]).toEqual([200, { ready: true }])
    const body = { concurrency: 7 }
    expect((await ask('/v1/queues/llm', { as: 'olga', method: 'PATCH', body })).body.maxWorkers).toBe(7)
    expect(queue.concurrency).toBe(7)
    expect((await ask('/v1/queues/llm', { as: 'olga', method: 'PATCH', body: { concurrency: 0 } })).status).toBe(400)
    expect((await ask('/v1/queues/nobody', { as: 'vera' })).status).toBe(404)
  })

  test('says in words why the service is not ready, each word once', async () => {
    const make = (name: string) => new QueuedExecutor(async () => name, { name })
    const [a, b, c] = [make('a'), make('b'), make('c')]
    const service = await listen(httpApp({ queues: [a, b, c] }))
    onTestFinished(() => service.close())
    for (const queue of [a, b]) queue.pause()
    void c.close({ lameDuckMs: 60_000 })
    const { status, body } = await ask(service.url, '/readyz')
    expect([status, body]).toEqual([503, { ready: false, reasons: ['paused', 'lameDuck'] }])
    await c.close({ drain: false, lameDuckMs: 0 })
    a.resume()
    b.resume()
    expect((await ask(service.url, '/readyz')).body.reasons).toEqual(['closed'])
  })

  test('shows its status, its stats, its slots and its metrics', async () => {
    const { submit, ask, queue } = await serve()
    await submit(1, { headers: { prefer: 'wait=5' } })
    expect((await ask('/v1/queues', { as: 'vera' })).body.queues[0].name).toBe('llm')
    expect((await ask('/v1/queues/llm', { as: 'vera' })).body.totals).toEqual(queue.getStatus().totals)
    expect((await ask('/v1/queues/llm/stats', { as: 'vera' })).body).toMatchObject({ kept: { completed: 1 }, live: 0 })
    expect((await ask('/v1/queues/llm/workers', { as: 'vera' })).body.workers).toHaveLength(2)
    const metrics = await ask('/metrics', { as: 'vera' })
    expect(metrics.text).toContain('triage_requests_ended_total{queue="llm",priority="normal",outcome="completed"} 1\n')
    expect(metrics.headers['content-type']).toContain('version=0.0.4')
  })

  test('answers to the names of earlier systems', async () => {
    const { ask } = await serve()
    const reply = await ask('/process', { as: 'sam', body: { id: 42, prompt: 'hi' } })
    expect([reply.status, reply.body.id]).toEqual([202, 'sam~42'])
    const headers = { prefer: 'wait=5' }
    expect((await ask('/status/42', { as: 'sam', headers })).body.result).toEqual({ echo: { id: 42, prompt: 'hi' } })
    expect((await ask('/jobs/42/status', { as: 'sam' })).body.state).toBe('completed')
    expect((await ask('/status/43', { as: 'sam' })).status).toBe(404)
    expect((await ask('/queue-status', { as: 'vera' })).body.name).toBe('llm')
    expect((await ask('/database/stats', { as: 'vera' })).body.kept.completed).toBe(1)
    expect((await ask('/thread-efficiency', { as: 'vera' })).body.advice).toEqual(expect.any(String))
    expect((await ask('/process', { as: 'sam', body: { id: 'two words' } })).status).toBe(400)
    expect((await ask('/process', { as: 'sam', body: [1] })).status).toBe(400)
  })

  test('is one of several, by name', async () => {
    const make = (name: string) => new QueuedExecutor(async () => name, { name })
    const queues = [make('a'), make('b/c')]
    const service = await listen(httpApp({ queues, auth: { open: true } }))
    onTestFinished(() => service.close())
    const post = (path: string) => ask(service.url, path, { body: {}, headers: { prefer: 'wait=5' } })
    expect((await post('/v1/queues/a/requests')).body).toBe('a')
    expect((await post('/v1/queues/b%2Fc/requests')).body).toBe('b/c')
    expect((await post('/process')).body).toBe('a')
    expect(() => httpApp({ queues: [make('a'), make('a')] })).toThrow(
      "Option 'queues': expected executors with names of their own",
    )
  })
})

describe('who hangs up', () => {
  test('cancels what only this connection waited for, and nothing else', async () => {
    const { run, calls, called } = held<string, string>()
    const { submit, queue } = await serve({ run, queue: { concurrency: 10 } })
    const client = new AbortController()
    const { signal } = client
    const asks: { body: string; headers: Record<string, string> }[] = [
      { body: 'alone', headers: { prefer: 'wait=30' } },
      { body: 'async', headers: { prefer: 'wait=30, respond-async' } },
      { body: 'keyed', headers: { prefer: 'wait=30', 'idempotency-key': 'k' } },
    ]
    const replies = asks.map(({ body, headers }) => submit(body, { headers, signal }).catch(() => 'gone'))
    await called(3)
    client.abort()
    await Promise.all(replies)
    const aborted = (request: string) => calls.find((call) => call.request === request)?.signal.aborted
    await until(() => aborted('alone') === true)
    expect([aborted('alone'), aborted('async'), aborted('keyed')]).toEqual([true, false, false])
    expect(queue.getStatus().totals.cancelled).toBe(1)
  })
})

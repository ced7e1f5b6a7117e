/** Many at once: waiting submits to a small queue, one key, a million that wait. What is larger is `bench/http.ts`. */
import { Agent, type ClientRequest, request as nodeRequest } from 'node:http'
import { QueuedExecutor } from 'triage-queue'
import { httpApp } from 'triage-queue/http'
import { expect, onTestFinished, test } from 'vitest'
import { principals, tokenOf } from './support/principals.ts'
import { held, serve, until } from './support/service.ts'

test('2,000 waiting submits to a queue of 50: only 200, 202 and 503 with Retry-After, and the sums are exact', {
  timeout: 60_000,
}, async () => {
  let ran = 0
  const { submit, queue } = await serve({
    run: async (n) => {
      ran++
      await new Promise((resolve) => setTimeout(resolve, 2))
      return n
    },
    queue: { concurrency: 4, maxQueueSize: 50, whenFull: 'reject' },
  })
  const asks = Array.from({ length: 2_000 }, (_, n) => submit(n, { headers: { prefer: n % 3 === 0 ? '' : 'wait=30' } }))
  const replies = await Promise.all(asks)
  const count = (status: number): number => replies.filter((reply) => reply.status === status).length
  expect(count(200) + count(202) + count(503)).toBe(2_000)
  for (const { status, headers, body } of replies) {
    if (status !== 503) continue
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
    expect(body.code).toBe('TRIAGE_QUEUE_FULL')
  }
  await queue.idle()
  const { totals } = queue.getStatus()
  expect([totals.admitted, totals.rejected, totals.completed]).toEqual([count(200) + count(202), count(503), ran])
  // Each was told its own answer.
  for (const [n, { status, body }] of replies.entries()) if (status === 200) expect(body).toBe(n)
})

test('one key 500 times at once: one run, equal answers', { timeout: 240_000 }, async () => {
  const { run, calls, called } = held<unknown, object>()
  const { submit, queue } = await serve({ run, queue: { concurrency: 10 } })
  const headers = { prefer: 'wait=30', 'idempotency-key': 'k' }
  const asks = Array.from({ length: 500 }, () => submit({ q: 1 }, { headers }))
  await called(1)
  await until(() => queue.getStatus().totals.joined >= 400)
  calls[0]?.resolve({ answer: 42 })
  const replies = await Promise.all(asks)
  expect(new Set(replies.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 {"answer":42}']))
  expect(calls.length).toBe(1)
})

test('of 600 clients each other one hangs up: exactly theirs are cancelled, and no slot is lost', {
  timeout: 60_000,
}, async () => {
  interface Asked {
    readonly n: number
  }
  const clients = new Map<number, ClientRequest>()
  const { queue, service } = await serve<Asked, number>({
    // Those that are about to hang up end in no other way.
    run: ({ n }, { signal }) =>
      new Promise((resolve, reject) => {
        if (n % 2 === 1) setImmediate(resolve, n)
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
    queue: { concurrency: 8 },
  })
  queue.on('queued', ({ request: { n } }) => {
    if (n % 2 === 0) setImmediate(() => clients.get(n)?.destroy())
  })
  const agent = new Agent({ maxSockets: 200 })
  onTestFinished(() => agent.destroy())
  const headers = { authorization: `Bearer ${tokenOf('sam')}`, 'content-type': 'application/json', prefer: 'wait=30' }
  const once = (n: number): Promise<number | undefined> =>
    new Promise((resolve) => {
      const options = { method: 'POST', headers, agent, port: service.port, host: '127.0.0.1', path: '/process' }
      const request = nodeRequest(options, (response) => {
        response.resume().on('end', () => resolve(response.statusCode))
      })
      request.on('error', () => resolve(undefined))
      clients.set(n, request)
      request.end(JSON.stringify({ n }))
    })
  const statuses = await Promise.all(Array.from({ length: 600 }, (_, n) => once(n)))
  await queue.idle()
  const { totals, activeWorkers, waiting } = queue.getStatus()
  expect([activeWorkers, waiting]).toEqual([0, 0])
  expect([totals.admitted, totals.cancelled, totals.completed]).toEqual([600, 300, 300])
  expect(statuses.filter((status) => status === 200).length).toBe(300)
})

test('while 200,000 wait, a page, a status by id and a scrape take milliseconds', { timeout: 240_000 }, async () => {
  const queue = new QueuedExecutor<number>(() => new Promise(() => {}), {
    name: 'llm',
    concurrency: 1,
    maxQueueSize: 0,
  })
  const app = httpApp({ queues: queue, auth: { tokens: principals } })
  onTestFinished(async () => {
    await app.close()
    await queue.close({ drain: false, graceMs: 0 })
  })
  const ids = ['urgent', 'high', 'normal', 'low'] as const
  for (let n = 0; n < 200_000; n++) void queue.submit(n, { id: `sam~${n}`, priority: ids[n % 4] })
  await until(() => queue.getStatus().waiting >= 199_999)
  const get = async (path: string): Promise<number> => {
    const headers = { authorization: `Bearer ${tokenOf('ada')}` }
    const began = performance.now()
    const response = await app.fetch(new Request(`http://localhost${path}`, { headers }))
    await response.text()
    expect(response.status).toBe(200)
    return performance.now() - began
  }
  const paths = [
    '/v1/queues/llm/requests?limit=200',
    '/v1/queues/llm/requests?state=waiting&priority=low&limit=200',
    '/v1/queues/llm/requests/sam~100000',
    '/v1/queues/llm',
    '/metrics',
  ]
  const best = new Map<string, number>()
  for (let round = 0; round < 20; round++) {
    for (const path of paths) best.set(path, Math.min(best.get(path) ?? Number.POSITIVE_INFINITY, await get(path)))
  }
  // Others may use the machine meanwhile: the best of twenty is what it costs.
  for (const [path, ms] of best) expect([path, ms < 20]).toEqual([path, true])
})

/** What is refused before anybody is asked who they are: other hosts, other origins, forms, other methods in disguise. */
import { describe, expect, test } from 'vitest'
import { type Ask, serve } from './support/service.ts'

const pause = '/v1/queues/llm/pause'

describe('DNS rebinding', () => {
  test.each([
    'evil.example',
    'evil.example:80',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.1.2.3',
    '',
    'local host',
    '[::2]',
  ])('Host %s is 421', async (host) => {
    const { service } = await serve()
    const { raw } = await import('./support/raw.ts')
    const reply = await raw(service.port, `GET /v1/queues HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect([400, 421]).toContain(reply.status)
    if (host !== 'local host') expect(reply.status).toBe(421)
  })

  test.each(['localhost', 'LOCALHOST:1234', '127.0.0.1', '[::1]:80', 'queue.example.com', 'queue.example.com:8443'])(
    'Host %s is answered, when that is its name',
    async (host) => {
      const { ask } = await serve({ app: { hosts: ['Queue.example.com'] } })
      expect((await ask('/v1/queues', { headers: { host } })).status).toBe(200)
    },
  )

  test('probes need no Host that is known', async () => {
    const { ask } = await serve()
    for (const path of ['/healthz', '/readyz']) {
      expect((await ask(path, { headers: { host: '10.2.3.4:8080' } })).status).toBe(200)
    }
  })

  test('X-Forwarded-Host counts only where the proxy is trusted', async () => {
    const headers = { 'x-forwarded-host': 'evil.example' }
    expect((await (await serve()).ask('/v1/queues', { as: 'vera', headers })).status).toBe(200)
    const behind = await serve({ app: { trustProxy: true } })
    expect((await behind.ask('/v1/queues', { as: 'vera', headers })).status).toBe(421)
  })
})

describe('a page of another origin', () => {
  test.each<[Ask['headers'], number]>([
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'http://127.0.0.1:1' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{ 'sec-fetch-site': 'none' }, 200],
    [{}, 200],
  ])('%o: %i, for a change and for a look', async (headers, status) => {
    const { ask } = await serve()
    expect((await ask(pause, { as: 'olga', method: 'POST', headers })).status).toBe(status)
    expect((await ask('/v1/queues', { as: 'olga', headers })).status).toBe(status)
    expect((await ask(pause, { as: 'olga', method: 'POST', headers })).headers).not.toHaveProperty(
      'access-control-allow-origin',
    )
  })

  test('its own origin is let through, and those that are named', async () => {
    const { ask, url } = await serve({ app: { origins: ['https://ops.example'] } })
    for (const origin of [url, 'https://ops.example']) {
      const headers = { origin, 'sec-fetch-site': 'cross-site' }
      expect((await ask(pause, { as: 'olga', method: 'POST', headers })).status).toBe(200)
    }
  })

  test('may link to the page for people, which nobody can frame', async () => {
    const { ask } = await serve()
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
    const page = await ask('/', { headers })
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']).toMatch(/frame-ancestors 'none'/)
    expect(page.headers['content-security-policy']).not.toMatch(/unsafe/)
    expect(page.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
  })
})

test.each([
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'text/plain',
  'application/jsonx',
  'text/json',
  '',
])('a body of the type %o is 415', async (type) => {
  const { ask, queue } = await serve({ app: { auth: { open: true } } })
  const reply = await ask('/process', { raw: '{}', headers: { 'content-type': type } })
  expect([reply.status, reply.body.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE'])
  expect(queue.getStatus().totals.admitted).toBe(0)
})

test.each(['x-http-method-override', 'x-http-method', 'x-method-override'])('%s is refused', async (name) => {
  const { ask, submit, queue } = await serve()
  await submit(1, { headers: { 'idempotency-key': 'k' } })
  const reply = await ask('/v1/queues/llm', { as: 'ada', headers: { [name]: 'PATCH' } })
  expect([reply.status, reply.body.code]).toEqual([400, 'METHOD_OVERRIDE'])
  expect(queue.concurrency).toBe(2)
})

test('a method that a route has not is 405, with those that it has', async () => {
  const { ask } = await serve()
  const reply = await ask('/v1/queues/llm', { as: 'ada', method: 'DELETE' })
  expect([reply.status, reply.headers.allow]).toEqual([405, 'GET, HEAD, PATCH'])
})

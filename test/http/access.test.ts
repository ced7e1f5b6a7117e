/** Who may do what: every route, method, level and content type; ids of others; tokens, sessions, and where it listens. */
import { QueuedExecutor } from 'triage-queue'
import { type AccessLine, httpApp, type Level, listen } from 'triage-queue/http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { routes } from '../../src/http/table.ts'
import { seeded } from '../support/seeded.ts'
import { principals, tokenOf } from './support/principals.ts'
import { type Ask, ask, held, serve } from './support/service.ts'

const levels: readonly (Level | 'none')[] = ['none', 'viewer', 'submitter', 'operator', 'admin']
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
const types = [
  'application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain',
  '',
]
const who: Record<Level | 'none', string | undefined> = {
  ...{ none: undefined, viewer: 'vera', submitter: 'sue', operator: 'olga', admin: 'ada' },
}
const pathOf = (path: string): string => path.replace('/:queue', '/llm').replace('/:id', '/sam~k')

/** All that a caller could have changed. */
const stateOf = ({ getStatus, waiting }: Pick<QueuedExecutor, 'getStatus' | 'waiting'>): string => {
  const { state, maxWorkers, totals } = getStatus()
  return JSON.stringify([state, maxWorkers, totals, [...waiting()].map(({ id, priority }) => [id, priority])])
}

test('the table, fuzzed: each route with each method, level and content type', { timeout: 240_000 }, async () => {
  const { run, called } = held()
  const { queue, submit, ask } = await serve({ run, queue: { concurrency: 1 } })
  await submit(0)
  await called(1)
  await submit(1, { headers: { 'idempotency-key': 'k' } })
  const look = (): string => stateOf({ getStatus: () => queue.getStatus(), waiting: () => queue.waiting() })
  const paths = [...new Set(routes.map(({ path }) => path))].filter((path) => path !== '/v1/events')
  let asked = 0
  for (const path of paths) {
    for (const method of methods) {
      for (const level of levels) {
        // What type a look says that it has is no matter.
        for (const type of method === 'GET' || method === 'HEAD' ? types.slice(3) : types) {
          const before = look()
          const isBodied = !['GET', 'HEAD', 'TRACE'].includes(method)
          const credentials: Record<string, string> =
            level === 'none'
              ? { 'x-forwarded-for': '10.0.0.1' }
              : { authorization: `Bearer ${tokenOf(who[level] as string)}` }
          const headers = { 'content-type': type, ...credentials }
          const { status, text } = await ask(pathOf(path), {
            method,
            headers,
            ...(isBodied && { raw: '{"priority":7}' }),
          })
          asked++
          const what = `${method} ${path} as ${level} with '${type}': ${status}`
          const asGet = method === 'HEAD' ? 'GET' : method
          const route = routes.find((each) => each.path === path && each.method === asGet)
          const isPage = path === '/healthz' || path === '/readyz'
          const isNoJson = type !== 'application/json' && (isBodied || type !== '')
          if (asGet !== 'GET' && isNoJson && !isPage) expect(status, what).toBe(415)
          else if (route === undefined) expect(status, what).toBe(405)
          else if (levels.indexOf(level) < levels.indexOf(route.level)) expect([401, 403], what).toContain(status)
          if (!isBodied || status >= 400) expect(look(), what).toBe(before)
          expect(text, what).not.toMatch(/ at .*\.ts|node:internal|\/src\/|node_modules/)
        }
      }
    }
  }
  expect(asked).toBeGreaterThan(3_000)
})

test('10,000 paths that are not in the table are 404, or refused at the door', { timeout: 240_000 }, async () => {
  const { service } = await serve()
  const random = seeded(19)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  const parts = [
    'v1',
    'queues',
    'llm',
    'requests',
    'events',
    '..',
    '.',
    '%2e%2e',
    '%2F',
    'etc',
    'passwd',
    '%00',
    'admin',
    '*',
    ':id',
    '',
  ]
  const known = new Set(routes.map(({ path }) => path))
  const counts: Record<number, number> = {}
  const app = httpApp({ queues: new QueuedExecutor(async () => 1, { name: 'llm' }), auth: { tokens: principals } })
  onTestFinished(() => app.close())
  for (let n = 0; n < 10_000; n++) {
    const path = `/${Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(parts)).join('/')}x${n % 7}`
    if (known.has(path)) continue
    const headers = { authorization: `Bearer ${tokenOf('ada')}`, host: 'localhost' }
    const url = `http://localhost${path}`
    const { status } = await app.fetch(new Request(url, { headers }), { remoteAddress: '127.0.0.1' })
    counts[status] = (counts[status] ?? 0) + 1
    if (n % 50 === 0) expect((await ask(service.url, path, { as: 'ada' })).status, path).toBeGreaterThanOrEqual(400)
  }
  expect([400, 404]).toEqual(expect.arrayContaining(Object.keys(counts).map(Number)))
})

test('a submitter’s write to another’s id is 404, whatever it is', async () => {
  const { run, called } = held()
  const { submit, ask, queue } = await serve({ run, queue: { concurrency: 1 } })
  await submit(0)
  await called(1)
  await submit(1, { headers: { 'idempotency-key': 'k' } })
  const id = '/v1/queues/llm/requests/sam~k'
  for (const [path, method] of [
    [id, 'DELETE'],
    [`${id}/cancel`, 'POST'],
  ] as const) {
    for (const key of [path, path.replace('sam~', '')]) {
      expect((await ask(key, { as: 'sue', method })).status).toBe(404)
    }
  }
  expect(queue.get('sam~k')?.state).toBe('waiting')
  expect((await ask(id, { as: 'sam', method: 'DELETE' })).status).toBe(200)
})

describe('a token', () => {
  test('that is not known is 401, on loopback too; without one, loopback is a viewer', async () => {
    const { ask } = await serve()
    const get = (headers: Record<string, string>) => ask('/v1/queues', { headers }).then(({ status }) => status)
    expect(await get({})).toBe(200)
    for (const authorization of ['Bearer nonsense-nonsense', 'Bearer', 'Basic YTpi', tokenOf('ada'), 'Bearer a b']) {
      expect(await get({ authorization }), authorization).toBe(401)
    }
    expect((await ask('/v1/queues/llm/requests', { body: 1 })).headers['www-authenticate']).toBe('Bearer')
  })

  test('without one, whoever comes through a proxy or from elsewhere is nobody', async () => {
    const app = httpApp({ queues: new QueuedExecutor(async () => 1), auth: { open: true } })
    onTestFinished(() => app.close())
    const status = async (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
      (await app.fetch(new Request('http://localhost/v1/queues', { headers }), { remoteAddress })).status
    expect(await status('127.0.0.1')).toBe(200)
    expect(await status('::1')).toBe(200)
    expect(await status('::ffff:127.0.0.1')).toBe(200)
    expect(await status(undefined)).toBe(401)
    expect(await status('10.0.0.7')).toBe(401)
    expect(await status('127.0.0.1', { 'x-forwarded-for': '127.0.0.1' })).toBe(401)
    expect(await status('127.0.0.1', { forwarded: 'for=127.0.0.1' })).toBe(401)
  })

  test('open makes loopback a submitter, and no more', async () => {
    const { ask } = await serve({ app: { auth: { open: true } } })
    expect((await ask('/process', { body: {} })).status).toBe(202)
    expect((await ask('/v1/queues/llm/pause', { method: 'POST' })).status).toBe(401)
  })

  test('may be a function’s to judge', async () => {
    const identify = ({ header }: { header(name: string): string | undefined }) =>
      header('x-user') === undefined ? undefined : { name: header('x-user') as string, level: 'operator' as const }
    const { ask } = await serve({ app: { auth: { identify } } })
    expect((await ask('/v1/session', { headers: { 'x-user': 'eve' } })).body).toEqual({
      name: 'eve',
      level: 'operator',
    })
    expect((await ask('/v1/session', { headers: { 'x-user': 'e~ve' } })).body.level).toBe('viewer')
  })

  test('a judge that fails is a 503, and the log says why', async () => {
    const lines: AccessLine[] = []
    const identify = () => Promise.reject(new Error('the directory is down'))
    const { ask } = await serve({ app: { auth: { identify }, log: (line) => lines.push(line) } })
    const { status, body, text } = await ask('/v1/queues')
    expect([status, body.code]).toEqual([503, 'AUTH_UNAVAILABLE'])
    expect(text).not.toContain('directory')
    expect(lines).toMatchObject([{ status: 503, error: { message: 'the directory is down' } }])
  })

  test('is in no error of bad options', () => {
    const queues = new QueuedExecutor(async () => 1)
    const bad = () =>
      httpApp({ queues, auth: { tokens: [{ name: 'a b', level: 'admin', token: 'very-secret-token' }] } })
    expect(bad).toThrow("Option 'auth.tokens': expected an array of")
    try {
      bad()
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toContain('very-secret')
    }
  })
})

describe('a session', () => {
  test('is a cookie that stands for a token, until it is ended', async () => {
    const { ask, url } = await serve()
    const opened = await ask('/v1/session', { body: { token: tokenOf('olga') } })
    expect(opened.body).toEqual({ name: 'olga', level: 'operator' })
    const [set] = opened.headers['set-cookie'] as unknown as string[]
    expect(set).toMatch(/^triage_session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/)
    const cookie = (set as string).split(';')[0] as string
    const origin = url
    const pause = (headers: Record<string, string>) =>
      ask('/v1/queues/llm/pause', { method: 'POST', headers }).then(({ status }) => status)
    expect(await pause({ cookie, origin })).toBe(200)
    expect(await pause({ cookie, 'sec-fetch-site': 'same-origin' })).toBe(200)
    expect(await pause({ cookie })).toBe(403)
    expect(await pause({ cookie, origin: 'http://evil.example' })).toBe(403)
    expect((await ask('/v1/session', { headers: { cookie } })).body.name).toBe('olga')
    await ask('/v1/session', { method: 'DELETE', headers: { cookie, origin } })
    expect(await pause({ cookie, origin })).toBe(401)
    expect((await ask('/v1/session', { body: { token: 'nonsense' } })).status).toBe(401)
  })

  test('behind a proxy that speaks TLS its cookie is Secure', async () => {
    const { ask } = await serve({ app: { auth: { tokens: principals }, trustProxy: true, basePath: '/q' } })
    const headers = { 'x-forwarded-proto': 'https' }
    const { headers: got } = await ask('/q/v1/session', { body: { token: tokenOf('olga') }, headers })
    expect(got['set-cookie']?.[0]).toMatch(/Path=\/q; .*; Secure$/)
  })
})

test('it does not listen off loopback without a way to tell who asks', async () => {
  const queues = new QueuedExecutor(async () => 1)
  for (const auth of [undefined, { open: true }, { open: true, tokens: principals }]) {
    const app = httpApp({ queues, auth })
    await expect(listen(app, { host: '0.0.0.0' })).rejects.toThrow("Option 'host': expected one of loopback")
    await app.close()
  }
  const listening = await listen(httpApp({ queues, auth: { tokens: principals } }), { host: '0.0.0.0' })
  expect((await ask(`http://127.0.0.1:${listening.port}`, '/v1/queues', { as: 'vera' })).status).toBe(200)
  await listening.close()
})

test('a bucket for each principal: 429 with Retry-After and RateLimit', async () => {
  const { ask } = await serve({ app: { rateLimit: { perSecond: 0.001, burst: 2 } } })
  const get = (as: string): ReturnType<typeof ask> => ask('/v1/queues', { as } as Ask)
  const replies = [await get('vera'), await get('vera'), await get('vera'), await get('sam')]
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 429, 200])
  expect(replies[0]?.headers).toMatchObject({
    ratelimit: '"principal";r=1;t=0',
    'ratelimit-policy': '"principal";q=2;w=2000',
  })
  expect(Number(replies[2]?.headers['retry-after'])).toBeGreaterThan(1)
  expect(replies[2]?.body.code).toBe('TOO_MANY_REQUESTS')
})

test('each change is audited, and each request is a line of the log without payloads and tokens', async () => {
  const audited: unknown[] = []
  const lines: unknown[] = []
  const { ask, submit } = await serve({
    app: { audit: (entry) => void audited.push(entry), log: (line) => void lines.push(line) },
  })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const paused = await ask('/v1/queues/llm/pause?x=secret', { as: 'olga', method: 'POST', headers: { traceparent } })
  expect(paused.headers.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[\da-f]{16}-01$/)
  await ask('/v1/queues/llm/resume', { as: 'vera', method: 'POST' })
  await submit({ password: 'secret' })
  expect(audited).toMatchObject([
    { principal: 'olga', level: 'operator', action: 'pause', queue: 'llm', status: 200 },
    { principal: 'vera', action: 'resume', status: 403 },
  ])
  expect(lines).toMatchObject([
    {
      method: 'POST',
      path: '/v1/queues/llm/pause',
      route: '/v1/queues/:queue/pause',
      status: 200,
      principal: 'olga',
      traceId: '0af7651916cd43dd8448eb211c80319c',
    },
    { status: 403, principal: 'vera' },
    { status: 202, principal: 'sam' },
  ])
  expect(JSON.stringify([audited, lines])).not.toMatch(/secret|token-of/)
})

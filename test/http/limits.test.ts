/** Bytes that are wrong, late, too many, or never come. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, type Store } from 'triage-queue'
import { openStore } from 'triage-queue/sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hunt } from './fuzz/hunt.ts'
import { tokenOf } from './support/principals.ts'
import { connected, raw } from './support/raw.ts'
import { type Reply, serve } from './support/service.ts'

const head = (more: string): string =>
  `POST /process HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenOf('sam')}\r\nContent-Type: application/json\r\n${more}\r\n`

async function sqlite(): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), 'triage-http-'))
  const store = await openStore(join(folder, 'store.db'))
  onTestFinished(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return store
}

test('2,000 mutated requests on raw sockets: nothing breaks, nothing of the inside is told', {
  timeout: 60_000,
}, async () => {
  const { sent, statuses, broken } = await hunt(2_000, 7)
  expect(broken).toEqual([])
  expect(sent).toBe(2_000)
  expect(Object.keys(statuses).length).toBeGreaterThan(5)
})

describe('slow ones are cut', () => {
  test('a head that does not come to its end', async () => {
    const { service } = await serve({ listen: { headersTimeoutMs: 200 } })
    const reply = await raw(service.port, 'GET /v1/queues HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')
    expect([0, 408]).toContain(reply.status)
  })

  test('a body that does not come to its end', async () => {
    const { service, queue } = await serve({ app: { bodyTimeoutMs: 100 } })
    const reply = await raw(service.port, `${head('Content-Length: 100\r\n')}{"id":`)
    expect(reply.status).toBe(408)
    expect(reply.text).toMatch(/^connection: close\r$/im)
    expect(queue.getStatus().totals.admitted).toBe(0)
  })

  test('a body that comes byte by byte is cut by the same clock', async () => {
    const { service } = await serve({ app: { bodyTimeoutMs: 150 } })
    const socket = await connected(service.port)
    socket.write(head('Transfer-Encoding: chunked\r\n'))
    const drip = setInterval(() => socket.write('1\r\n \r\n'), 10)
    const text = await new Promise<string>((resolve) => {
      let all = ''
      socket.on('data', (chunk) => {
        all += chunk.toString()
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(all))
    })
    clearInterval(drip)
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
  })
})

const stores: readonly [string, () => Store | undefined | Promise<Store>][] = [
  ['without a store', () => undefined],
  ['with memoryStore()', () => memoryStore()],
  ['with a store in SQLite', sqlite],
]

describe.each(stores)('a body that is nested too deeply, %s', (_, open) => {
  const nested = (levels: number, [before, after]: readonly [string, string]) =>
    `${before.repeat(levels)}1${after.repeat(levels)}`
  const inArrays = ['[', ']'] as const
  const inObjects = ['{"\\"[":', '}'] as const

  test.each([501, 3_000, 100_000])('of %i levels is a 400 that says so, and nothing runs', async (levels) => {
    const { ask, submit, queue } = await serve({ queue: { store: await open() } })
    const replies: Reply[] = []
    for (const inside of [inArrays, inObjects]) {
      const raw = nested(levels, inside)
      for (const headers of [{}, { 'idempotency-key': 'k' }]) {
        replies.push(await submit(undefined, { raw, headers }))
        replies.push(await ask('/process', { as: 'sam', raw: `{"id":"k","of":${raw}}`, headers }))
      }
    }
    for (const { status, body } of replies) {
      expect([status, body.code, body.issues]).toEqual([
        400,
        'INVALID',
        [{ in: 'body', message: 'expected at most 500 levels' }],
      ])
    }
    expect(queue.getStatus().totals.admitted).toBe(0)
    const options = `{"metadata":${nested(4_000, inArrays)}}`
    const { status, body } = await submit(1, { headers: { 'triage-options': options } })
    expect([status, body.issues[0].in]).toEqual([400, 'header.triage-options'])
  })

  test('of 500 levels, or of many beside each other, is taken', async () => {
    const { submit, queue } = await serve({ run: async () => 'done', queue: { store: await open() } })
    const flat = [`[${'[],'.repeat(50_000)}{}]`, `["${'['.repeat(5_000)}"]`]
    const bodies = [nested(500, inArrays), nested(500, inObjects), ...flat]
    for (const [n, raw] of bodies.entries()) {
      const reply = await submit(undefined, { raw, headers: { prefer: 'wait=20', 'idempotency-key': `k${n}` } })
      expect([reply.status, reply.body]).toEqual([200, 'done'])
    }
    expect(queue.getStatus().totals.admitted).toBe(bodies.length)
  })
})

describe('a body that is too large', () => {
  test('is refused by its length, before any of it came', async () => {
    const { service } = await serve()
    const reply = await raw(service.port, head('Content-Length: 1048577\r\n'))
    expect([reply.status, reply.text.includes('PAYLOAD_TOO_LARGE')]).toEqual([413, true])
  })

  test('in chunks is refused long before it was read', async () => {
    const { service } = await serve({ app: { maxBodyBytes: 65_536 } })
    const socket = await connected(service.port)
    socket.write(head('Transfer-Encoding: chunked\r\n'))
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    let text = ''
    let isOpen = true
    socket.on('data', (data) => {
      text += data.toString()
    })
    socket.on('error', () => {})
    const closed = new Promise<void>((resolve) => {
      socket.on('close', () => {
        isOpen = false
        resolve()
      })
    })
    // Up to a gigabyte, as fast as it is taken.
    const write = (): void => {
      while (isOpen && socket.bytesWritten < 2 ** 30 && socket.write(chunk)) {}
    }
    socket.on('drain', write)
    write()
    await closed
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
    // The system's own buffers take some megabytes on loopback.
    expect(socket.bytesWritten).toBeLessThan(32 * 2 ** 20)
  })

  test('of exactly the most is taken', async () => {
    const { ask } = await serve({ app: { maxBodyBytes: 100 } })
    const body = (bytes: number): string => JSON.stringify({ x: 'y'.repeat(bytes - 8) })
    expect((await ask('/process', { as: 'sam', raw: body(100) })).status).toBe(202)
    expect((await ask('/process', { as: 'sam', raw: body(101) })).status).toBe(413)
  })
})

test.each([
  ['both lengths', head('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n')],
  ['two lengths', head('Content-Length: 4\r\nContent-Length: 5\r\n')],
  ['a bare LF', 'GET / HTTP/1.1\nHost: localhost\n\n'],
  ['a CR in a header', 'GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n'],
  ['an absolute form', 'GET http://evil.example/v1/queues HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  ['no path', 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  ['a path that can’t be decoded', 'GET /v1/queues/%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'],
  ['no UTF-8', Buffer.concat([Buffer.from(head('Content-Length: 3\r\n')), Buffer.from([0x22, 0xff, 0x22])])],
  ['half a JSON', `${head('Content-Length: 1\r\nConnection: close\r\n')}{`],
])('%s is a 400', async (_, bytes) => {
  const { service } = await serve()
  expect((await raw(service.port, bytes, { keep: true })).status).toBe(400)
})

test('a head that is too large is a 431', async () => {
  const { service } = await serve()
  const reply = await raw(service.port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`)
  expect(reply.status).toBe(431)
})

test('ids that would break a line of a header or a log stay in one piece', async () => {
  const lines: string[] = []
  const { ask } = await serve({ app: { log: ({ path }) => void lines.push(path) } })
  const reply = await ask('/v1/queues/llm/requests/a%0d%0aset-cookie:%20x', { as: 'ada' })
  expect(reply.status).toBe(404)
  expect(reply.headers).not.toHaveProperty('set-cookie')
  expect(lines.join('')).not.toMatch(/[\r\n]/)
})

/** Live events, by SSE and by WebSocket: what is in them, who sees what, resumption, gaps, slow readers, many, and the end. */
import { describe, expect, test } from 'vitest'
import { bySse, byWebSocket, type Listens, numbered } from './support/events.ts'
import { tokenOf } from './support/principals.ts'
import { connected } from './support/raw.ts'
import { held, serve, until } from './support/service.ts'

const ways = [
  ['SSE', bySse],
  ['WebSocket', byWebSocket],
] as const

describe.each(ways)('by %s', (_, open) => {
  test('a snapshot comes first, then each event of a request, in order and without what it is about', async () => {
    const { url, submit, queue } = await serve({ run: async () => ({ secret: 'result' }) })
    const listener = open(url)
    const snapshot = await listener.until(({ event }) => event === 'snapshot')
    expect(snapshot).toMatchObject({ v: 1, boot: expect.any(String) })
    const [first] = snapshot.queues
    expect(first).toMatchObject({ name: 'llm', status: { state: 'open' }, workers: [{ slot: 0 }, { slot: 1 }] })
    expect(first.history.points[0]).toMatchObject({
      waitingByPriority: { urgent: 0 },
      askedByPriority: { low: 0 },
      refusedByReason: {},
      waitByPriority: { high: { p99Ms: 0 } },
      run: { p50Ms: 0 },
    })
    await submit({ secret: 'payload' }, { headers: { 'idempotency-key': 'k', 'triage-priority': 'high' } })
    await listener.until(({ event }) => event === 'idle')
    const frames = numbered(listener.frames)
    expect(frames.map(({ event }) => event)).toEqual(['queued', 'started', 'completed', 'idle'])
    expect(frames[0]).toMatchObject({ queue: 'llm', id: 'sam~k', priority: 'high', state: 'waiting' })
    expect(frames[2]).toMatchObject({ state: 'completed', waitMs: expect.any(Number), runMs: expect.any(Number) })
    expect(frames.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    expect(JSON.stringify(listener.frames)).not.toContain('secret')
    queue.pause()
    expect(await listener.until(({ event }) => event === 'paused')).toBeDefined()
    expect(await listener.until(({ event }) => event === 'stats')).toMatchObject({
      queue: 'llm',
      status: { totals: {} },
    })
  })

  test('a refusal says why; a stuck slot and progress are told', async () => {
    const { url, submit } = await serve({
      queue: { concurrency: 1, maxQueueSize: 1, runTimeoutMs: 20 },
      // It never settles: its slot is stuck, and one more waits.
      run: (_, run) => {
        run.progress(0.5, 'half of the secret')
        return new Promise(() => {})
      },
    })
    const listener = open(url)
    const operator = open(url, { as: 'olga' })
    await listener.until(({ event }) => event === 'snapshot')
    await operator.until(({ event }) => event === 'snapshot')
    for (let n = 0; n < 3; n++) await submit(n)
    const rejected = await listener.until(({ event }) => event === 'rejected')
    expect(rejected).toMatchObject({
      reason: 'queue_full',
      error: { name: 'QueueFullError', code: 'TRIAGE_QUEUE_FULL' },
      explain: { rule: 'maxQueueSize', wouldAdmit: 'fewer than 1' },
      retryAfterMs: expect.any(Number),
    })
    const progress = await listener.until(({ event }) => event === 'progress')
    expect(progress.progress).toBe(0.5)
    expect(progress).not.toHaveProperty('message')
    expect((await operator.until(({ event }) => event === 'progress')).message).toBe('half of the secret')
    expect(await listener.until(({ event }) => event === 'stuck')).toMatchObject({ slot: 0, stuckWorkers: 1 })
  })

  test('a filter lets through what it names', async () => {
    const { url, submit } = await serve()
    const all = open(url)
    const some: [Listens, (frame: { id?: string; priority?: string; state?: string; event: string }) => boolean][] = [
      [{ query: '?id=sam~k1' }, ({ id }) => id === 'sam~k1'],
      [{ query: '?priority=low' }, ({ priority }) => priority === undefined || priority === 'low'],
      [{ query: '?state=completed,failed' }, ({ state }) => state === undefined || state === 'completed'],
      [{ query: '?queue=other' }, () => false],
    ]
    const listeners = some.map(([listens]) => open(url, listens))
    for (const each of [all, ...listeners]) await each.until(({ event }) => event === 'snapshot')
    for (let n = 0; n < 4; n++) {
      const headers = { 'idempotency-key': `k${n}`, 'triage-priority': n % 2 === 0 ? 'low' : 'high', prefer: 'wait=5' }
      await submit(n, { headers })
    }
    // Each has read all that was told before it.
    await all.until(({ seq, event }) => event === 'idle' && seq >= 16)
    const expected = numbered(all.frames)
    for (const [index, [, fits]] of some.entries()) {
      const listener = listeners[index]
      const wanted = expected.filter(fits)
      await until(() => numbered(listener?.frames ?? []).length >= wanted.length)
      expect(numbered(listener?.frames ?? [])).toEqual(wanted)
    }
  })

  test('only operators hear who has changed something', async () => {
    const { url, ask } = await serve()
    const [viewer, operator] = [open(url), open(url, { as: 'olga' })]
    for (const each of [viewer, operator]) await each.until(({ event }) => event === 'snapshot')
    await ask('/v1/queues/llm/pause', { as: 'olga', method: 'POST' })
    expect(await operator.until(({ event }) => event === 'audit')).toMatchObject({ principal: 'olga', action: 'pause' })
    await viewer.until(({ event }) => event === 'paused')
    expect(viewer.frames.some(({ event }) => event === 'audit')).toBe(false)
  })

  test('resumption neither repeats nor skips, wherever it was cut', async () => {
    const { url, queue } = await serve({ queue: { concurrency: 50 } })
    const whole = open(url)
    const { boot } = await whole.until(({ event }) => event === 'snapshot')
    for (let n = 0; n < 300; n++) void queue.execute(n)
    await whole.until(({ event }) => event === 'idle')
    const all = numbered(whole.frames)
    expect(all.length).toBeGreaterThan(900)
    for (const cut of [0, 1, 450, all.length - 1]) {
      const later = open(url, { last: `${boot}.${all[cut].seq}` })
      await until(() => numbered(later.frames).length >= all.length - cut - 1)
      expect(numbered(later.frames)).toEqual(all.slice(cut + 1))
      expect(later.frames.some(({ event }) => event === 'gap' || event === 'snapshot')).toBe(false)
    }
  })

  test('outside of the ring there is a gap, and a snapshot', async () => {
    const { url, queue } = await serve({ app: { eventRing: 100 } })
    const listener = open(url)
    const { boot } = await listener.until(({ event }) => event === 'snapshot')
    await Promise.all(Array.from({ length: 100 }, (_, n) => queue.execute(n)))
    const outside = open(url, { last: `${boot}.1` })
    const gap = await outside.until(({ event }) => event === 'gap')
    expect(gap.missed).toBeGreaterThan(200)
    await outside.until(({ event }) => event === 'snapshot')
    for (const last of ['ffffffff.1', `${boot}.999999`, 'nonsense']) {
      const foreign = open(url, { last })
      expect((await foreign.until(({ event }) => event === 'gap')).missed).toBe(null)
    }
  })

  test('no more than may listen do', async () => {
    const { url } = await serve({ app: { maxEventClients: 2 } })
    const [one, two] = [open(url), open(url)]
    for (const each of [one, two]) await each.until(({ event }) => event === 'snapshot')
    const third = open(url)
    await until(() => third.status !== undefined)
    expect(third.status).toBe(503)
    one.close()
    // Its place is free as soon as the service has seen that it has gone.
    await until(async () => {
      const again = open(url)
      await until(() => again.isOver || again.frames.length > 0)
      return again.frames.length > 0
    })
  })

  test('the service ends them, and says so', async () => {
    const { url, service } = await serve()
    const listeners = Array.from({ length: 20 }, () => open(url))
    for (const each of listeners) await each.until(({ event }) => event === 'snapshot')
    const began = performance.now()
    await service.close()
    expect(performance.now() - began).toBeLessThan(1_000)
    await until(() => listeners.every(({ isOver }) => isOver))
    expect(listeners.every(({ frames }) => frames.at(-1).event === 'bye')).toBe(true)
  })
})

test('one that never reads is held by no more than the ring, hurts nobody, and is told what it missed', {
  timeout: 60_000,
}, async () => {
  const { url, queue, service } = await serve({
    queue: { concurrency: 100, maxQueueSize: 0 },
    app: { eventRing: 1_000 },
  })
  const stuck = await connected(service.port)
  stuck.pause()
  stuck.write(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenOf('vera')}\r\n\r\n`)
  const reader = bySse(url)
  await reader.until(({ event }) => event === 'snapshot')
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  for (let round = 0; round < 100; round++) {
    await Promise.all(Array.from({ length: 300 }, (_, n) => queue.execute(n)))
    // The reader is a client like any other: it has its time to read.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const last = numbered(reader.frames).at(-1)
  expect(last.seq).toBeGreaterThan(1_000)
  const text = await new Promise<string>((resolve) => {
    let all = ''
    stuck.on('data', (chunk) => {
      all += chunk.toString('latin1')
      if (all.includes('"event":"gap"')) resolve(all)
    })
    stuck.resume()
  })
  stuck.destroy()
  const missed = Number(/"event":"gap","missed":(\d+)/.exec(text)?.[1])
  expect(missed).toBeGreaterThan(1_000)
  // 90,000 events of some 200 bytes are 18 MB; the reader of this very process has kept those that it got.
  reader.frames.length = 0
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(150 * 2 ** 20)
})

test('thousands of connects and disconnects leave nothing', { timeout: 240_000 }, async () => {
  const { service, ask, url } = await serve()
  let connects = 0
  const once = async (): Promise<void> => {
    const socket = await connected(service.port)
    socket.on('error', () => {})
    socket.write(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenOf('vera')}\r\n\r\n`)
    connects++
    if (connects % 2 === 0) await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
  }
  const worker = async (): Promise<void> => {
    while (connects < 2_000) await once()
  }
  await Promise.all(Array.from({ length: 20 }, worker))
  // All 64 places are free again.
  await until(async () => {
    const listeners = Array.from({ length: 64 }, () => bySse(url))
    await until(() => listeners.every(({ frames, status, isOver }) => isOver || frames.length > 0 || status === 503))
    const isFree = listeners.every(({ frames }) => frames.length > 0)
    for (const listener of listeners) listener.close()
    return isFree
  })
  expect((await ask('/healthz')).status).toBe(200)
})

test('long polls and waiting submits end with the service, within a second', async () => {
  const { run, called } = held()
  const { submit, ask, service, queue } = await serve({ run })
  const waits = [1, 2, 3].map((n) => submit(n, { headers: { prefer: 'wait=30', 'idempotency-key': `k${n}` } }))
  await called(2)
  const polls = [1, 2].map((n) => ask(`/v1/queues/llm/requests/k${n}`, { as: 'sam', headers: { prefer: 'wait=30' } }))
  await until(async () => (await ask('/v1/queues/llm', { as: 'vera' })).body.waiting === 1)
  const began = performance.now()
  await service.close()
  expect(performance.now() - began).toBeLessThan(1_000)
  expect((await Promise.all(waits)).map(({ status }) => status)).toEqual([202, 202, 202])
  const statuses = (await Promise.allSettled(polls)).map((one) =>
    one.status === 'fulfilled' ? one.value.status : 'reset',
  )
  expect(statuses).toEqual([200, 200])
  expect(queue.getStatus().running).toBe(2)
})

test('HEAD opens no stream', async () => {
  const { ask, url } = await serve({ app: { maxEventClients: 1 } })
  for (let n = 0; n < 3; n++) expect((await ask('/v1/events', { as: 'vera', method: 'HEAD' })).status).toBe(405)
  expect(await bySse(url).until(({ event }) => event === 'snapshot')).toBeDefined()
})

test.each(['?queue=a&queue=b', '?priority=soon', '?x=1'])('a filter of %s is a 400', async (query) => {
  const { ask } = await serve()
  expect((await ask(`/v1/events${query}`, { as: 'vera' })).status).toBe(400)
})

test('an upgrade passes the same gate', async () => {
  const { url } = await serve()
  const foreign = byWebSocket(url, { as: 'nobody' })
  await until(() => foreign.isOver)
  expect(foreign.status).toBe(401)
})

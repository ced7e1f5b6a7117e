/** Shards with a store each: what was there before the process is found, changed and shown like all else. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, QueuedExecutor } from 'triage-queue'
import { httpApp } from 'triage-queue/http'
import { type Shards, shardOf, shards, type ThreadShardsOptions } from 'triage-queue/threads'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { turn, watch } from '../failures/support.ts'
import make from './fixtures/stored-shard.ts'
import { fixture, until } from './support.ts'

vi.setConfig({ testTimeout: 60_000 })

const ids = Array.from({ length: 9 }, (_, index) => `id-${index}`)

/** Files with requests of a process that has gone, in which all is paused. */
async function left(requests: readonly string[] = ids): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'triage-shards-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'requests')
  const before = await Promise.all([0, 1].map((index) => make(index, file)))
  for (const queue of before) queue.pause()
  for (const id of requests) {
    const queue = before[shardOf(id, 2)] as QueuedExecutor<string, string>
    void watch((await queue.submit(id, { id })).result)
  }
  await Promise.all(before.map((queue) => queue.close({ drain: false })))
  return file
}

async function back(file: string, options: ThreadShardsOptions<string> = {}): Promise<Shards<string, string>> {
  const all = shards<string, string>(2, fixture('stored-shard'), { data: file, name: 'kept', ...options })
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  return all
}

const allBack = (all: Shards<string, string>, count = ids.length) =>
  until(() => expect([...all.cameBack()]).toHaveLength(count))

function served(queues: Shards<string, string>) {
  const token = 'token-of-the-shards'
  const auth = { tokens: [{ name: 'one', level: 'admin' as const, token }] }
  const app = httpApp({ queues: queues as unknown as Shards<never, string>, auth })
  onTestFinished(() => app.close())
  return async (path: string, method = 'GET', body?: object, more: object = {}) => {
    const headers = {
      ...more,
      ...{ authorization: `Bearer ${token}`, host: 'localhost' },
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await app.fetch(new Request(`http://localhost/v1/queues/kept/requests${path}`, init))
    const text = await response.text()
    return { status: response.status, ...(text === '' ? {} : JSON.parse(text)) }
  }
}

/** Every page of a list. */
async function walked(ask: ReturnType<typeof served>, query: string): Promise<{ id: string; attempts: number }[]> {
  const found: { id: string; attempts: number }[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { requests: typeof found; cursor: string | null } = await ask(
      `?limit=2&${query}${cursor === '' ? '' : `&cursor=${cursor}`}`,
    )
    found.push(...page.requests)
    cursor = page.cursor
  }
  return found
}

describe('in threads', () => {
  test('what came back is found by its id at once, and may be changed and cancelled', async () => {
    const all = await back(await left())
    expect(all.get('id-1')).toBeUndefined()
    await allBack(all)
    const handle = all.get('id-1')
    expect(handle).toMatchObject({ id: 'id-1', state: 'waiting' })
    expect(all.get('id-1')).toBe(handle)
    expect(await handle?.setPriority('urgent')).toBe(true)
    expect(await handle?.position()).toBe(0)
    expect(await all.cancel('id-2')).toBe(true)
    expect(await handle?.cancel()).toBe(true)
    await until(() => expect(handle?.state).toBe('cancelled'))
    expect([all.get('id-1'), all.get('id-2'), await all.cancel('id-2')]).toEqual([undefined, undefined, false])
    expect(await all.find('id-2')).toMatchObject({ state: 'cancelled', attempts: 0 })
  })

  test('its result is there for whoever has its handle, and a caller with its id joins it, whatever the route says', async () => {
    const all = await back(await left(['id-1', 'id-2']), { route: 'roundRobin' })
    await allBack(all, 2)
    const handle = all.get('id-1')
    const result = handle?.result
    const joined = [all.execute('id-1', { id: 'id-1' }), all.execute('id-2', { id: 'id-2' })]
    await until(async () => expect((await all.getStatus()).totals.joined).toBe(2))
    await all.resume()
    expect(await Promise.all([result, ...joined])).toEqual(['ran id-1', 'ran id-1', 'ran id-2'])
    expect(handle?.state).toBe('completed')
    expect((await all.getStatus()).totals.completed).toBe(2)
    // The handle is read for the first time now that all is over.
    const late = await all.find('id-2')
    expect(late).toMatchObject({ state: 'completed', attempts: 1 })
  })

  test('a handle that is read too late says so', async () => {
    const all = await back(await left(['id-1']))
    await allBack(all, 1)
    const handle = all.get('id-1')
    await all.resume()
    await until(() => expect(handle?.state).toBe('completed'))
    await expect(handle?.result).rejects.toMatchObject({ code: 'TRIAGE_RESULT_LOST', requestId: 'id-1' })
  })

  test('a thread that has died comes back by itself, since its store keeps work', async () => {
    const all = await back(await left([]))
    const told: string[] = []
    for (const event of ['queued', 'parked', 'completed'] as const) {
      all.on(event, ({ id }) => void told.push(`${event} ${id}`))
    }
    const lost = [watch(all.execute('exit', { id: 'id-1' })), watch(all.execute('behind it', { id: 'id-2' }))]
    await until(() => expect(told).toHaveLength(2))
    await all.resume()
    await Promise.all(lost.map(({ done }) => done))
    expect(lost.map(({ error }) => (error as { code?: string }).code)).toEqual(Array(2).fill('TRIAGE_WORKER_LOST'))
    // Nothing is asked of it meanwhile.
    await until(() => expect(told.filter((each) => each.startsWith('completed'))).toHaveLength(2))
    // Each is told as it was: queued, kept for the next thread, and queued there.
    const steps = ['queued', 'parked', 'queued', 'completed']
    for (const id of ['id-1', 'id-2']) {
      expect(told.filter((each) => each.endsWith(id))).toEqual(steps.map((step) => `${step} ${id}`))
    }
    expect(await all.find('id-1')).toMatchObject({ state: 'completed', attempts: 2 })
  })

  test('a service lists it, page by page, while it waits and when it has ended', async () => {
    const all = await back(await left())
    const ask = served(all)
    await allBack(all)
    const waiting = await walked(ask, 'state=waiting')
    expect(waiting.map(({ id }) => id).sort()).toEqual(ids)
    expect((await ask('')).counts).toMatchObject({ waiting: 9, completed: 0 })
    expect((await ask('/id-3', 'DELETE')).status).toBe(200)
    expect((await ask('/id-4', 'PATCH', { priority: 'urgent' })).priority).toBe('urgent')
    await all.resume()
    await all.idle()
    await all.flushed()
    const ended = await walked(ask, 'state=ended')
    expect(ended.map(({ id }) => id).sort()).toEqual(ids)
    expect(ended.map(({ id, attempts }) => [id, attempts])).toEqual(
      expect.arrayContaining([
        ['id-3', 0],
        ['id-4', 1],
      ]),
    )
    expect((await ask('?state=completed')).counts).toMatchObject({ completed: 8, cancelled: 1 })
  })

  test('what has ended before the process is listed, and a dead letter is requeued or forgotten', async () => {
    const file = await left([])
    const first = await back(file)
    await first.resume()
    for (const id of ids) await watch(first.execute(id === 'id-5' || id === 'id-6' ? 'fail' : id, { id })).done
    await first.close()
    const all = await back(file)
    const ask = served(all)
    await all.getStatus()
    const ended = await walked(ask, 'state=ended')
    expect(ended.map(({ id }) => id)).toEqual([...ids].reverse())
    expect(ended.every(({ attempts }) => attempts === 1)).toBe(true)
    expect(await ask('/id-6', 'DELETE')).toMatchObject({ status: 200 })
    expect((await ask('/id-6')).status).toBe(404)
    const { generation } = await ask('/id-5')
    const again = await ask('/id-5/requeue', 'POST', undefined, { 'if-match': `"${generation}"` })
    expect(again).toMatchObject({ status: 200, id: 'id-5' })
    await all.idle()
    await until(async () => expect((await ask('/id-5')).state).toBe('dead'))
    expect((await ask('/id-5')).generation).toBeGreaterThan(generation)
    expect([...all.cameBack()]).toEqual([])
  })

  test('where the route is by a key, a dead letter of before is requeued or forgotten all the same', async () => {
    const file = await left([])
    const first = await back(file)
    await first.resume()
    for (const id of ['id-5', 'id-6']) await watch(first.execute('fail', { id })).done
    await first.close()
    const all = await back(file, { key: () => 'one' })
    const ask = served(all)
    await all.getStatus()
    expect(all.records).toBeUndefined()
    const { generation, state } = await ask('/id-5')
    expect(state).toBe('dead')
    const match = { 'if-match': `"${generation}"` }
    expect((await ask('/id-5/requeue', 'POST', undefined, match)).status).toBe(200)
    expect((await ask('/id-6', 'DELETE')).status).toBe(200)
    expect((await ask('/id-6')).status).toBe(404)
    await until(async () => expect((await all.find('id-5'))?.generation).toBeGreaterThan(generation))
  })

  test('it keeps its place in the load that the route goes by', async () => {
    const all = await back(await left(), { route: 'leastLoaded' })
    await allBack(all)
    expect(all.shards.map(({ load }) => load).sort()).toEqual(
      [0, 1].map((shard) => ids.filter((id) => shardOf(id, 2) === shard).length).sort(),
    )
    // An id need not lead to its shard here: what is kept is not one record for each.
    expect(all.records).toBeUndefined()
  })
})

describe('in this thread', () => {
  test('their stores are read as one, the youngest first', async () => {
    let now = Date.now()
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now)
    onTestFinished(() => clock.mockRestore())
    const all = shards<string, string>(3, (index) => {
      const run = async (request: string) => (request === 'fail' ? Promise.reject(new Error('no')) : request)
      return new QueuedExecutor<string, string>(run, { name: `part ${index}`, store: memoryStore() })
    })
    onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
    for (const id of ids) {
      now += 61_000
      await watch(all.execute(id === 'id-8' ? 'fail' : id, { id })).done
      await turn()
    }
    const records = all.records
    const listed: string[] = []
    let cursor: string | undefined
    do {
      const page = await records?.list({ limit: 2, ...(cursor !== undefined && { cursor }) })
      listed.push(...(page?.records ?? []).map(({ id }) => id))
      expect(page?.records.every(({ queue }) => queue === 'shards')).toBe(true)
      cursor = page?.cursor
    } while (cursor !== undefined)
    expect(listed).toEqual([...ids].reverse())
    expect(await records?.find('id-4')).toMatchObject({ id: 'id-4', queue: 'shards', state: 'completed' })
    expect(await records?.find('none')).toBeUndefined()
    const stats = await records?.stats()
    expect(stats).toMatchObject({ completed: 8, dead: 1, live: 0, isPaused: false })
    expect(new Set(stats?.minutes.map((minute) => (minute as { shard?: number }).shard)).size).toBeGreaterThan(1)
    const dead = await records?.find('id-8')
    expect(records?.decode(dead?.payload as string)).toBe('fail')
    await expect(records?.list({ cursor: 'a.b' })).rejects.toMatchObject({ path: 'cursor' })
    expect(await all.discard('id-8')).toBe(true)
    expect(await all.discard('id-8')).toBe(false)
  })

  test('shards of which one has no store, or that go by a key, have no records of all', () => {
    const made = (store: boolean, options = {}) =>
      shards<string, string>(
        2,
        (index) =>
          new QueuedExecutor<string, string>(async (request) => request, {
            ...(index === 0 || store ? { store: memoryStore() } : {}),
          }),
        options,
      )
    expect(made(false).records).toBeUndefined()
    expect(made(true, { key: () => 'one' }).records).toBeUndefined()
    expect(made(true).records).toBeDefined()
  })
})

/**
 * What goes in comes out: through the real thread, with real files.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { OptionsError } from 'triage-queue'
import { openStore } from 'triage-queue/sqlite'
import { describe, expect, test, vi } from 'vitest'
import type { LiveRecord } from '../../src/core/store.ts'
import { temporaryFolder } from './support/engine.ts'
import { admitted, completed, failed, open, record } from './support/store.ts'

// Threads and processes are started, and the disk is synced: on a machine that is busy, that takes its time.
vi.setConfig({ testTimeout: 60_000 })

const file = () => join(temporaryFolder(), 'requests.db')

describe('a request', () => {
  test('that was admitted is there after the store was opened again, as it was', async () => {
    const path = file()
    const first = await open(path)
    const queue = first.queue('main')
    const given = record(queue, 'a', {
      ...{ request: { text: 'é\u2028 \ud83d\ude00', __proto__: null }, priority: 'high', kind: 'clash' },
      ...{
        metadata: queue.encode({ user: 7 }, 'metadata'),
        submittedAt: 1_800_000_000_000,
        startAt: 1_900_000_000_000,
      },
      limits: { cost: 2, waitTimeoutMs: 5, after: ['b'], key: 'tenant' },
    })
    expect(await queue.admitted(given)).toEqual({ as: 'stored' })
    await first.close()
    const second = await open(path)
    expect(second.report).toMatchObject({ isNew: false, wasClosed: true, damage: [], warnings: [], live: 1 })
    const { records, next, isPaused } = await second.queue('main').recover()
    const { startedAt: _, ...expected } = given
    expect(records).toEqual([{ ...expected, attempts: 0, crashes: 0, startedAt: undefined }])
    expect([next, isPaused]).toEqual([undefined, false])
    expect(second.decode((records[0] as LiveRecord).payload)).toEqual({ text: 'é\u2028 \ud83d\ude00' })
  })

  test('comes back in the order of arrival, page by page, whatever its priority', async () => {
    const store = await open(file())
    const queue = store.queue('main')
    const other = store.queue('other')
    const seqs: number[] = []
    await Promise.all(
      Array.from({ length: 25 }, (_, i) => {
        const given = record(i % 5 === 4 ? other : queue, `r${i}`, { priority: i % 2 === 0 ? 'low' : 'urgent' })
        if (i % 5 !== 4) seqs.push(given.seq)
        return (i % 5 === 4 ? other : queue).admitted(given)
      }),
    )
    await queue.changed(seqs[3] as number, { priority: 'normal' })
    const found: number[] = []
    let after: number | undefined
    let pages = 0
    do {
      const page = await queue.recover(after, 6)
      found.push(...page.records.map(({ seq }) => seq))
      after = page.next
      pages++
    } while (after !== undefined)
    expect(found).toEqual(seqs)
    expect(pages).toBe(4)
  })

  test('that has ended is live no more, and its answer is kept', async () => {
    const path = file()
    const store = await open(path)
    const queue = store.queue('main')
    const seq = await admitted(queue, 'a', { startedAt: 5 })
    await queue.ended(seq, completed({ n: 1 }))
    expect(await queue.find('a')).toMatchObject({
      state: 'completed',
      attempts: 1,
      generation: seq,
      result: '{"n":1}',
      payload: undefined,
    })
    // The same fact once more is no harm.
    await queue.ended(seq, completed({ n: 2 }))
    await queue.begins(seq, 2, 6)
    expect(await queue.find('a')).toMatchObject({ state: 'completed', attempts: 1, result: '{"n":1}' })
    expect(await store.stats()).toMatchObject({ live: 0, completed: 1 })
  })

  test('whose answer can’t be encoded has ended, and the record says why there is none', async () => {
    const store = await open(file(), { maxPayloadBytes: 100 })
    const queue = store.queue('main')
    await queue.ended(await admitted(queue, 'a'), completed(new Map()))
    await queue.ended(await admitted(queue, 'b'), completed('x'.repeat(101)))
    expect(await queue.find('a')).toMatchObject({ result: undefined, resultOmitted: expect.stringContaining('a Map') })
    expect(await queue.find('b')).toMatchObject({ resultOmitted: expect.stringContaining('103 of at most 100 bytes') })
    expect(await queue.admitted(record(queue, 'a'))).toMatchObject({
      as: 'known',
      result: undefined,
      omitted: expect.any(String),
    })
  })

  test('that was refused before it was sent has never been', async () => {
    const store = await open(file())
    const queue = store.queue('main')
    await expect(queue.admitted(record(queue, 'a\0b'))).rejects.toMatchObject({ code: 'TRIAGE_INVALID_REQUEST' })
    await expect(queue.admitted(record(queue, '\ud800'))).rejects.toThrow(/can't be stored: id: must be well-formed/)
    expect(await store.stats()).toMatchObject({ live: 0 })
  })
})

describe('an id', () => {
  test('is a key while it is live, and as long as its answer is kept', async () => {
    const store = await open(file())
    const queue = store.queue('main')
    const other = store.queue('other')
    const seq = await admitted(queue, 'a', { request: 1 })
    expect(await queue.admitted(record(queue, 'a', { request: 1 }))).toEqual({ as: 'live', seq })
    expect(await queue.admitted(record(queue, 'a', { request: 2 }))).toEqual({ as: 'payload', seq, isLive: true })
    expect(await other.admitted(record(other, 'a', { request: 2 }))).toEqual({ as: 'stored' })
    await queue.ended(seq, completed('yes'))
    expect(await queue.admitted(record(queue, 'a', { request: 1 }))).toEqual({ as: 'known', seq, result: '"yes"' })
    expect(await queue.admitted(record(queue, 'a', { request: 2 }))).toEqual({ as: 'payload', seq, isLive: false })
  })

  test('can be used again after a failure, and a later life has a greater generation', async () => {
    const store = await open(file())
    const queue = store.queue('main')
    const first = await admitted(queue, 'a')
    await queue.ended(first, failed(new TypeError('no'), 2))
    const second = await admitted(queue, 'a', { request: 'another' })
    expect(second).toBeGreaterThan(first)
    expect(await queue.find('a')).toMatchObject({ state: 'waiting', generation: second })
  })

  test('has a number that is never used again, also when all is gone', async () => {
    const path = file()
    const store = await open(path, { keep: { completed: { count: 0 } } })
    const queue = store.queue('main')
    const seq = await admitted(queue, 'a')
    await queue.ended(seq, completed())
    await queue.ended(await admitted(queue, 'b'), completed())
    await store.close()
    const again = await open(path)
    expect(await again.stats()).toMatchObject({ live: 0, completed: 0 })
    expect(again.queue('main').nextSeq()).toBeGreaterThan(seq + 1)
  })
})

describe('attempts', () => {
  test('are counted before they begin, and never go down', async () => {
    const path = file()
    const store = await open(path)
    const queue = store.queue('main')
    const seq = await admitted(queue, 'a')
    await queue.begins(seq, 1, 1)
    await queue.attemptEnded(seq, 1, { error: new Error('once'), retryAt: Date.now() + 1e6 })
    expect(await queue.find('a')).toMatchObject({ state: 'held', attempts: 1, crashes: 0, error: { message: 'once' } })
    await queue.begins(seq, 2, 2)
    expect(await queue.find('a')).toMatchObject({ state: 'running', attempts: 2 })
    await queue.attemptEnded(seq, 1, {})
    expect(await queue.find('a')).toMatchObject({ state: 'running', attempts: 2 })
    await queue.attemptEnded(seq, 2, {})
    expect(await queue.find('a')).toMatchObject({ state: 'waiting', attempts: 2, crashes: 0 })
  })

  test('without an end make a dead letter after so many lives; those that were parked do not count', async () => {
    const path = file()
    for (let life = 1; life <= 4; life++) {
      const store = await open(path)
      const queue = store.queue('main', { maxAttempts: 3 })
      if (life === 1) {
        await admitted(queue, 'poison')
        await admitted(queue, 'deployed')
        await admitted(queue, 'behind')
      }
      const { records } = await queue.recover()
      const live = new Map(records.map((each) => [each.id, each]))
      if (life === 4) {
        expect([...live.keys()]).toEqual(['deployed', 'behind'])
        expect(await store.find('poison')).toMatchObject({ state: 'dead', reason: 'crashed', attempts: 3, crashes: 3 })
        expect(live.get('deployed')).toMatchObject({ attempts: 3, crashes: 0 })
      } else {
        const { poison, deployed } = Object.fromEntries(live) as Record<string, LiveRecord>
        expect(poison).toMatchObject({ attempts: life - 1, crashes: life - 1 })
        await queue.begins(poison?.seq as number, life, life)
        await queue.begins(deployed?.seq as number, life, life)
        await queue.attemptEnded(deployed?.seq as number, life, {})
      }
      // As if it was killed: what was begun has no end.
      await store.close()
    }
  })
})

describe('a dead letter', () => {
  test('is requeued by its generation, once, with a new number, and told to its executor', async () => {
    const store = await open(file())
    const queue = store.queue('main')
    const seq = await admitted(queue, 'a', { request: { n: 1 }, limits: { cost: 3, after: ['x'] } })
    await queue.ended(seq, failed(new RangeError('far off'), 4))
    expect(await store.find('a')).toMatchObject({
      state: 'dead',
      reason: 'failed',
      attempts: 4,
      error: { name: 'RangeError' },
    })
    expect(await queue.requeue('a', seq + 1)).toBe(undefined)
    const again = await queue.requeue('a', seq)
    expect(again).toMatchObject({ id: 'a', payload: '{"n":1}', attempts: 0, crashes: 0, limits: { cost: 3 } })
    expect(again?.limits.after).toBe(undefined)
    expect(again?.seq).toBeGreaterThan(seq)
    expect(await queue.requeue('a', seq)).toBe(undefined)
    await queue.ended(again?.seq as number, failed('again'))
    const arrived: LiveRecord[] = []
    queue.arrived = (each) => arrived.push(each)
    expect(await store.requeue('a', { generation: seq })).toBe(false)
    expect(await store.requeue('a')).toBe(true)
    expect(arrived).toHaveLength(1)
    expect(await store.requeue('nobody')).toBe(false)
  })

  test('is not requeued while its id lives, and can be discarded', async () => {
    const store = await open(file())
    const queue = store.queue('main')
    const seq = await admitted(queue, 'a')
    await queue.ended(seq, failed(1))
    await admitted(queue, 'a')
    expect(await queue.requeue('a')).toBe(undefined)
    expect(await queue.discard('a', seq + 5)).toBe(false)
    expect(await queue.discard('a', seq)).toBe(true)
    expect(await store.stats()).toMatchObject({ live: 1, dead: 0 })
  })

  test('is what becomes of a record that can’t be decoded, and is never requeued', async () => {
    const store = await open(file())
    const queue = store.queue('main')
    const seq = await admitted(queue, 'a')
    await queue.unreadable(seq, new SyntaxError('no JSON'))
    expect(await store.find('a')).toMatchObject({ state: 'dead', reason: 'corrupt', error: { message: 'no JSON' } })
    expect(await queue.requeue('a')).toBe(undefined)
  })
})

test('a change is there after a start: priority, start, limits, the pause', async () => {
  const path = file()
  const store = await open(path)
  const queue = store.queue('main')
  const seq = await admitted(queue, 'a', { startAt: 1_900_000_000_000 })
  await Promise.all([
    queue.changed(seq, { priority: 'urgent' }),
    queue.changed(seq, { startAt: null, limits: { timeoutMs: 9 } }),
    queue.paused(true),
  ])
  await store.close()
  const { records, isPaused } = await (await open(path)).queue('main').recover()
  expect(records).toMatchObject([{ priority: 'urgent', startAt: undefined, limits: { timeoutMs: 9 } }])
  expect(isPaused).toBe(true)
})

test('records are listed the youngest first, by state, priority, id and error, page by page', async () => {
  const store = await open(file())
  const queue = store.queue('main')
  for (let i = 0; i < 12; i++) {
    const seq = await admitted(queue, `r${i}`, { priority: i % 2 ? 'low' : 'high', startedAt: i === 5 ? 1 : undefined })
    if (i < 2) await queue.ended(seq, completed(i))
    else if (i < 4) await queue.ended(seq, failed(Object.assign(new Error('x'), { code: i === 2 ? 'E2' : 'E3' })))
    else if (i === 4) await queue.ended(seq, { outcome: 'expired', endedAt: 1, attempts: 0, error: new Error('late') })
    if (i === 6) await queue.changed(seq, { startAt: Date.now() + 1e6 })
  }
  const ids = async (query: Parameters<typeof store.list>[0]) => (await store.list(query)).records.map(({ id }) => id)
  expect(await ids({ state: 'live' })).toEqual(['r11', 'r10', 'r9', 'r8', 'r7', 'r6', 'r5'])
  expect(await ids({ state: 'running' })).toEqual(['r5'])
  expect(await ids({ state: 'held' })).toEqual(['r6'])
  expect(await ids({ state: 'waiting', priority: 'low' })).toEqual(['r11', 'r9', 'r7'])
  expect(await ids({ state: 'completed' })).toEqual(['r1', 'r0'])
  expect(await ids({ state: 'dead' })).toEqual(['r3', 'r2'])
  expect(await ids({ error: 'E2' })).toEqual(['r2'])
  expect(await ids({ error: 'Error' })).toEqual(['r4'])
  expect(await ids({ id: 'r1' })).toEqual(['r11', 'r10', 'r1'])
  expect(await ids({ queue: 'other' })).toEqual([])
  const all: string[] = []
  let cursor: string | undefined
  do {
    const page = await store.list({ limit: 5, ...(cursor === undefined ? {} : { cursor }) })
    all.push(...page.records.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(all).toEqual(Array.from({ length: 12 }, (_, i) => `r${11 - i}`))
  await expect(store.list({ cursor: 'no cursor!' })).rejects.toThrow(OptionsError)
  // The store is still open.
  expect((await store.stats()).expired).toBe(1)
})

test('no more is kept than was asked for', async () => {
  const store = await open(file(), { keep: { completed: { count: 5 }, dead: { count: 3 } } })
  const queue = store.queue('main')
  const seqs = await Promise.all(Array.from({ length: 40 }, (_, i) => admitted(queue, `r${i}`)))
  await Promise.all(seqs.map((seq, i) => queue.ended(seq, i % 2 === 0 ? completed() : failed(1))))
  expect(await store.stats()).toMatchObject({ live: 0, completed: 5, dead: 3 })
  expect((await store.list()).records).toHaveLength(8)
})

test('200,000 at once are stored, some thousand at a time', async () => {
  const store = await open(file())
  const queue = store.queue('main')
  const payload = queue.encode(1, 'request')
  const all = Array.from({ length: 200_000 }, (_, i) => {
    const seq = queue.nextSeq()
    return queue.admitted({
      ...{ seq, id: `r${i}`, isKey: false, priority: 'low', payload, submittedAt: 1, limits: {} },
    })
  })
  await store.flushed()
  expect((await Promise.all(all)).every(({ as }) => as === 'stored')).toBe(true)
  expect(store.status().batch?.p99).toBe(4_096)
  expect((await queue.recover(undefined, 1e6)).records).toHaveLength(200_000)
})

test('several queues share a store, each under its own name', async () => {
  const path = file()
  const store = await open(path)
  const queue = store.queue('main')
  expect(() => store.queue('main')).toThrow(OptionsError)
  queue.release()
  expect(() => store.queue('main')).not.toThrow()
  for (const name of ['', 'a\0', 7 as never]) expect(() => store.queue(name)).toThrow(OptionsError)
  expect(() => store.queue('x', { maxAttempts: 0 })).toThrow(OptionsError)
  await admitted(store.queue('other'), 'a')
  await store.close()
  const again = await open(path)
  expect(again.status().unopened).toEqual([{ queue: 'other', live: 1 }])
  again.queue('other')
  expect(again.status().unopened).toEqual([])
})

test('a backup is a whole store, and no file is written over', async () => {
  const path = file()
  const store = await open(path)
  const queue = store.queue('main')
  await admitted(queue, 'a')
  const copy = `${path}.copy`
  await store.backup(copy)
  expect(statSync(copy).mode & 0o777).toBe(0o600)
  await expect(store.backup(copy)).rejects.toThrow(OptionsError)
  await expect(store.backup(join(path, 'no', 'folder'))).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
  await admitted(queue, 'b')
  const second = await open(copy)
  expect((await second.queue('main').recover()).records.map(({ id }) => id)).toEqual(['a'])
  await second.close()
  const shell = new DatabaseSync(copy, { readOnly: true })
  expect(shell.prepare('SELECT id, status, priority, attempts FROM requests').all()).toMatchObject([
    { id: 'a', status: 'waiting', priority: 'normal', attempts: 0 },
  ])
  shell.close()
})

test('all records are lines of JSON', async () => {
  const store = await open(file())
  const queue = store.queue('main')
  await admitted(queue, 'a', { request: { n: 1 } })
  await queue.ended(await admitted(queue, 'b'), completed([true]))
  await queue.ended(await admitted(queue, 'c'), failed('no'))
  const lines: { id: string }[] = []
  for await (const line of store.export()) lines.push(JSON.parse(line))
  expect(lines).toMatchObject([
    { v: 1, id: 'a', state: 'waiting', payload: { n: 1 } },
    { v: 1, id: 'b', state: 'completed', result: [true] },
    { v: 1, id: 'c', state: 'dead', reason: 'failed' },
  ])
})

test('only its owner may read the files, and what is closed leaves the store alone', async () => {
  const path = file()
  const store = await openStore(path)
  await admitted(store.queue('main'), 'a')
  const folder = join(path, '..')
  for (const name of readdirSync(folder))
    expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600])
  expect(existsSync(`${path}-shm`)).toBe(false)
  await store.close()
  await store.close()
  expect(readdirSync(folder).sort()).toEqual(['requests.db', 'requests.db.lock', 'requests.db.mark'])
  await expect(store.find('a')).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
})

test('its status says how it is', async () => {
  const store = await open(file())
  expect(store.status()).toMatchObject({ state: 'open', pending: 0, batch: undefined, commitMs: undefined })
  const queue = store.queue('main')
  const pending = Promise.all(Array.from({ length: 10 }, (_, i) => admitted(queue, `r${i}`)))
  expect(store.status().pending).toBe(10)
  await store.flushed()
  await pending
  expect(store.status()).toMatchObject({
    pending: 0,
    batch: { p50: 10, p99: 10 },
    commitMs: { p50: expect.any(Number) },
  })
  expect(store.status().bytes).toBeGreaterThan(10_000)
  expect(store.isDurable).toBe(true)
  expect(store.promises[0]).toContain('power cut')
})

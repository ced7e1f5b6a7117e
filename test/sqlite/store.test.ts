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

/**
 * A file of version 1, as it was left by a process that was killed: with a queue that is paused, one request that ran, one for later, two that
 * wait, three answers, a dead letter, and two rows of minutes. Part of it is in the `-wal` file only.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gunzipSync } from 'node:zlib'
import { QueuedExecutor } from 'triage-queue'
import { expect, test, vi } from 'vitest'
import type { OpenDatabase } from '../../src/sqlite/database.ts'
import { Engine } from '../../src/sqlite/engine.ts'
import { Fault } from '../../src/sqlite/fault.ts'
import { filesOf } from '../../src/sqlite/files.ts'
import { schema } from '../../src/sqlite/schema.ts'
import { openEngine, recover, temporaryFolder } from './support/engine.ts'
import { faultsAt, faultyDatabase } from './support/faulty.ts'
import { settingsFor } from './support/settings.ts'
import { open } from './support/store.ts'

vi.setConfig({ testTimeout: 60_000 })

const fixtures = join(import.meta.dirname, 'fixtures/v1')
const oldSchema = {
  version: 1,
  statements: schema.migrations[0]?.statements as readonly string[],
  migrations: [],
}

/** A copy of it. */
function unpacked(): string {
  const folder = temporaryFolder()
  for (const name of readdirSync(fixtures)) {
    writeFileSync(join(folder, name.replace(/\.gz$/, '')), gunzipSync(readFileSync(join(fixtures, name))))
  }
  return join(folder, 'requests.db')
}

function rowsOf(path: string, sql: string): unknown[] {
  const database = new DatabaseSync(path)
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }))
  } finally {
    database.close()
  }
}

const oldMinutes = 'SELECT at, tier, submitted, completed, failed, wait_p99_ms, most_waiting FROM queue_metrics'

test('a file of version 1 is brought up to date, and nothing of it is another', async () => {
  const path = unpacked()
  // However old the fixture is by now.
  const forEver = { count: 1_000, ageMs: Number.POSITIVE_INFINITY }
  const keep = { completed: forEver, dead: forEver }
  const store = await open(path, { keep })
  expect(store.report).toMatchObject({ migratedFrom: 1, backup: `${path}.v1.bak`, live: 4, dead: 1, damage: [] })
  expect(store.report.wasClosed).toBe(false)
  const { minutes: _, ...counts } = await store.stats('llm')
  expect(counts).toEqual({ live: 4, completed: 3, expired: 0, cancelled: 0, shed: 0, dead: 1, isPaused: true })
  const ran: string[] = []
  const queue = new QueuedExecutor(async (n: number, run) => void ran.push(`${run.id} ${n} ${run.attempt}`), {
    ...{ store, name: 'llm', concurrency: 1 },
  })
  // Its answer is known, and its id is a key.
  expect(await queue.execute(1, { id: 'done-1' })).toBe(2)
  expect(ran).toEqual([])
  queue.resume()
  await vi.waitFor(() => expect(ran).toHaveLength(3), { timeout: 20_000 })
  expect(ran).toEqual(['waits-urgent 9 1', 'running 99 2', 'waits-low 8 1'])
  expect(await store.find('dead-1')).toMatchObject({
    state: 'dead',
    error: { name: 'RangeError', message: 'negative' },
  })
  expect(await store.find('later')).toMatchObject({ metadata: '{"tenant":"a"}' })
  await queue.close({ drain: false })
  await store.close()
  const again = await open(path, { keep })
  expect(again.report).toMatchObject({ migratedFrom: undefined, backup: undefined, live: 1, damage: [] })
})

test('of minutes that were counted before it is not known how many slots were busy', () => {
  const path = unpacked()
  openEngine(path).close()
  const rows = rowsOf(path, `${oldMinutes} WHERE shard IS NULL AND slots_busy IS NULL ORDER BY at, tier`)
  expect(rows).toEqual(rowsOf(`${path}.v1.bak`, `${oldMinutes} ORDER BY at, tier`))
  expect(rows).toHaveLength(2)
})

test('its tables are those of a new file afterwards', () => {
  const path = unpacked()
  openEngine(path).close()
  openEngine(`${path}.new`).close()
  const tables = 'SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name'
  expect(rowsOf(path, tables)).toEqual(rowsOf(`${path}.new`, tables))
})

test('the backup is a whole file of version 1, which goes the same way', () => {
  const path = unpacked()
  openEngine(path).close()
  const backup = `${path}.v1.bak`
  expect(rowsOf(backup, 'PRAGMA user_version')).toEqual([{ user_version: 1 }])
  const engine = openEngine(backup)
  expect(engine.report).toMatchObject({ migratedFrom: 1, live: 4, dead: 1, damage: [] })
  expect(recover(engine, 'llm').map(({ id }) => id)).toEqual(['later', 'running', 'waits-low', 'waits-urgent'])
  engine.close()
  expect(existsSync(`${backup}.part`)).toBe(false)
})

test('what knows version 1 only refuses it then, by name, and leaves it as it is', () => {
  const path = unpacked()
  openEngine(path).close()
  const before = readFileSync(path)
  const asBefore = () => new Engine(filesOf(path), settingsFor(path), undefined, oldSchema)
  let refused: unknown
  try {
    asBefore()
  } catch (error) {
    refused = error
  }
  expect((refused as Fault).report).toMatchObject({ kind: 'too-new', version: 2, known: 1 })
  expect(readFileSync(path)).toEqual(before)
})

test.each(['before', 'after'] as const)('a write that fails %s it is done leaves it whole, whichever it is', (when) => {
  let at = 0
  for (let wasReached = true; wasReached; ) {
    const faults = faultsAt(++at, when)
    const path = unpacked()
    openOrNot(path, faultyDatabase(faults))
    wasReached = faults.count >= at
    const engine = openEngine(path)
    const { live, dead, damage } = engine.report
    expect({ at, live, dead, damage }).toEqual({ at, live: 4, dead: 1, damage: [] })
    expect(recover(engine, 'llm')).toHaveLength(4)
    engine.close()
    expect(rowsOf(path, oldMinutes)).toHaveLength(2)
    for (const name of readdirSync(dirname(path)).filter((each) => /\.bak(\.\d+)?$/.test(each))) {
      const backup = openEngine(join(dirname(path), name))
      expect({ at, name, ...backup.report }).toMatchObject({ at, name, migratedFrom: 1, live: 4, damage: [] })
      backup.close()
    }
  }
  expect(at).toBeGreaterThan(10)
})

function openOrNot(path: string, database: OpenDatabase): void {
  try {
    openEngine(path, {}, database).abandon()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
}

test('half of a backup, of a process that has died, is in nobody’s way', () => {
  const path = unpacked()
  writeFileSync(`${path}.v1.bak.part`, 'half of one')
  const engine = openEngine(path)
  expect(engine.report).toMatchObject({ migratedFrom: 1, backup: `${path}.v1.bak`, live: 4 })
  engine.close()
  expect(existsSync(`${path}.v1.bak.part`)).toBe(false)
})

test('one that is damaged as a whole, or has other tables, is left as it is', () => {
  const path = unpacked()
  const content = readFileSync(path)
  const wal = readFileSync(`${path}-wal`)
  for (const damaged of [cutInHalf(content), zeroed(content)]) {
    writeFileSync(path, damaged)
    writeFileSync(`${path}-wal`, '')
    expect(() => openEngine(path)).toThrow(/damaged|not those of its version/)
    expect(readFileSync(path)).toEqual(damaged)
    expect(existsSync(`${path}.v1.bak`)).toBe(false)
  }
  writeFileSync(path, content)
  writeFileSync(`${path}-wal`, wal)
  const database = new DatabaseSync(path)
  database.exec('ALTER TABLE queue_metrics ADD COLUMN mine TEXT')
  database.close()
  const before = readFileSync(path)
  expect(() => openEngine(path)).toThrow(/its tables are not those of its version/)
  expect(readFileSync(path)).toEqual(before)
})

const cutInHalf = (content: Buffer) => content.subarray(0, content.length >> 1)

/** The page of a table, but not the first. */
function zeroed(content: Buffer): Buffer {
  const damaged = Buffer.from(content)
  return damaged.fill(0, 4_096, 3 * 4_096)
}

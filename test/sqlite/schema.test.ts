/**
 * Files of other versions, of other programs, and none.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test, vi } from 'vitest'
import { Engine } from '../../src/sqlite/engine.ts'
import { filesOf } from '../../src/sqlite/files.ts'
import { type Schema, schema, VERSION } from '../../src/sqlite/schema.ts'
import { admit, openEngine, recover, temporaryFolder } from './support/engine.ts'
import { settingsFor } from './support/settings.ts'
import { admitted, completed, open } from './support/store.ts'

// Threads and processes are started, and the disk is synced: on a machine that is busy, that takes its time.
vi.setConfig({ testTimeout: 60_000 })

const file = () => join(temporaryFolder(), 'a.db')

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

/** The version after today's: a column more. */
const next: Schema = {
  version: VERSION + 1,
  statements: [...schema.statements, 'CREATE TABLE notes (text TEXT) STRICT'],
  migrations: [
    ...schema.migrations,
    {
      from: VERSION,
      statements: schema.statements,
      migrate: (database) => database.exec('CREATE TABLE notes (text TEXT) STRICT'),
    },
  ],
}

test('an older file is brought up to date, after a copy was made of it', () => {
  const path = file()
  const old = openEngine(path)
  old.commit([admit(1), admit(2)])
  old.close()
  for (const [i, name] of [`a.db.v${VERSION}.bak`, `a.db.v${VERSION}.bak.2`].entries()) {
    const engine = new Engine(filesOf(path), settingsFor(path), undefined, next)
    const { migratedFrom, backup, live, damage, wasClosed } = engine.report
    expect({ migratedFrom, backup: basename(backup ?? ''), live, damage, wasClosed }).toEqual({
      ...{ migratedFrom: VERSION, backup: name, live: 2, damage: [], wasClosed: true },
    })
    engine.close()
    const again = new Engine(filesOf(path), settingsFor(path), undefined, next)
    expect(again.report).toMatchObject({ migratedFrom: undefined, backup: undefined, live: 2 })
    again.close()
    expect(openEngine(join(dirname(path), name)).report.live).toBe(2)
    if (i === 0) change(path, `DROP TABLE notes; PRAGMA user_version = ${VERSION}`)
  }
})

test('a migration that fails leaves the file as it was', () => {
  const path = file()
  const old = openEngine(path)
  old.commit([admit(1)])
  old.close()
  const broken: Schema = {
    ...next,
    migrations: [
      {
        from: VERSION,
        statements: schema.statements,
        migrate: (database) => database.exec('CREATE TABLE notes (x); no SQL'),
      },
    ],
  }
  expect(() => new Engine(filesOf(path), settingsFor(path), undefined, broken)).toThrow(/syntax error/)
  expect(() => new Engine(filesOf(path), settingsFor(path), undefined, { ...next, migrations: [] })).toThrow(
    /nothing is known/,
  )
  const engine = openEngine(path)
  expect(recover(engine)).toHaveLength(1)
  engine.close()
})

test('a file of a later version is refused by name, and left as it is', async () => {
  const path = file()
  await (await open(path)).close()
  change(path, 'PRAGMA user_version = 9')
  const before = readFileSync(path)
  await expect(open(path)).rejects.toMatchObject({
    code: 'TRIAGE_STORE_TOO_NEW',
    name: 'StoreTooNewError',
    version: 9,
    known: VERSION,
    path,
  })
  expect(readFileSync(path)).toEqual(before)
})

test.each<[string, (path: string) => void, RegExp]>([
  ['text', (path) => writeFileSync(path, 'hello, this is no database at all'), /it is no SQLite database/],
  ['another program’s database', (path) => change(path, 'CREATE TABLE users (id)'), /the database of another program/],
  [
    'a store whose tables were changed',
    (path) => change(path, 'ALTER TABLE live ADD COLUMN mine TEXT'),
    /its tables are not those/,
  ],
  ['a version that never was', (path) => change(path, 'PRAGMA user_version = -1'), /which never was/],
])('%s is refused, and left as it is', async (what, make, why) => {
  const path = file()
  if (what.startsWith('a ')) await (await open(path)).close()
  make(path)
  const before = readFileSync(path)
  await expect(open(path)).rejects.toMatchObject({ code: 'TRIAGE_STORE_CORRUPT', message: expect.stringMatching(why) })
  expect(readFileSync(path)).toEqual(before)
})

test('a file that is gone or empty is not begun anew beside what says that it had something in it', async () => {
  const path = file()
  const store = await open(path)
  await admitted(store.queue('main'), 'a')
  await store.close()
  const content = readFileSync(path)
  rmSync(path)
  await expect(open(path)).rejects.toThrow(/it is gone, but had \d+ commits: restore a backup, or remove .*a\.db\.mark/)
  writeFileSync(path, '')
  await expect(open(path)).rejects.toThrow(/it is empty, but had/)
  writeFileSync(`${path}-wal`, 'x')
  await expect(open(path)).rejects.toThrow(/it is empty, but .*-wal is not/)
  rmSync(`${path}-wal`)
  change(`${path}.other`, 'PRAGMA user_version = 0; CREATE TABLE t (a); DROP TABLE t')
  writeFileSync(path, readFileSync(`${path}.other`))
  await expect(open(path)).rejects.toThrow(/it has no tables, but had/)
  writeFileSync(path, content)
  expect((await open(path)).report).toMatchObject({ live: 1, damage: [] })
})

test('an empty file and an empty database become a store', async () => {
  const path = file()
  writeFileSync(path, '')
  const store = await open(path)
  expect(store.report).toMatchObject({ isNew: true, damage: [], warnings: [] })
  const other = `${path}.other`
  change(other, 'CREATE TABLE t (a); DROP TABLE t')
  expect((await open(other)).report).toMatchObject({ damage: [], live: 0 })
})

test('a witness that is gone, damaged, or of another store is a warning', async () => {
  const path = file()
  const reports: string[][] = []
  for (const mark of [undefined, 'gone', 'rubbish', 'other']) {
    if (mark === 'gone') rmSync(`${path}.mark`)
    if (mark === 'rubbish') writeFileSync(`${path}.mark`, mark)
    if (mark === 'other') writeFileSync(`${path}.mark`, readFileSync(`${path}.mark.other`))
    const store = await open(path)
    await admitted(store.queue('main'), `r${mark}`)
    expect(store.report.damage).toEqual([])
    reports.push([...store.report.warnings])
    await store.close()
    const other = await open(`${path}.another`)
    await other.close()
    writeFileSync(`${path}.mark.other`, readFileSync(`${path}.another.mark`))
  }
  expect(reports.map((each) => each.map((text) => text.split(':')[0]))).toEqual([
    ...[[], ['the witness is missing'], ['the witness is damaged'], ['the witness is of another store']],
  ])
})

test('a restored backup says how much it lacks', async () => {
  const path = file()
  const store = await open(path)
  const queue = store.queue('main')
  await admitted(queue, 'a')
  await store.backup(`${path}.copy`)
  for (let i = 0; i < 5; i++) await admitted(queue, `b${i}`)
  await store.close()
  writeFileSync(path, readFileSync(`${path}.copy`))
  const told: unknown[] = []
  const again = await open(path, { onDamage: (damage) => told.push(damage) })
  expect(again.report.damage).toMatchObject([{ kind: 'commits' }])
  expect(told).toEqual(again.report.damage)
  // The numbers of what is lost are not given again.
  expect(again.queue('main').nextSeq()).toBeGreaterThan(6)
  await again.close()
  // Once is enough.
  expect((await open(path)).report.damage).toEqual([])
})

test('a codec that the records were not written with is refused', async () => {
  const path = file()
  const store = await open(path)
  const queue = store.queue('main')
  await queue.ended(await admitted(queue, 'a'), completed())
  await store.close()
  const { v8Codec } = await import('triage-queue/sqlite')
  await expect(open(path, { codec: v8Codec })).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'codec' })
  const empty = `${path}.empty`
  await (await open(empty)).close()
  const other = await open(empty, { codec: v8Codec })
  const main = other.queue('main')
  const seq = await admitted(main, 'a', { request: new Map([[1, new Date(5)]]) })
  await main.ended(seq, completed(new Set([1n])))
  await other.close()
  const back = await open(empty, { codec: v8Codec })
  expect(back.decode((await back.find('a'))?.result as Uint8Array)).toEqual(new Set([1n]))
  const lines: string[] = []
  for await (const line of back.export()) lines.push(line)
  expect(lines[0]).toContain('"result":{"base64":"')
})

test.runIf(process.platform === 'linux')('a folder in which nothing can be made is told', async () => {
  await expect(open('/proc/a.db')).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
})

/**
 * How is a store opened? First it is only read, and then, when all is well, opened for good.
 *
 *     is it there? ──▶ inspect ──▶ open ──▶ older tables? backup, migrate ──▶ set aside what is damaged ──▶ checkpoint
 *
 * What is damaged beyond that is left as it is: a connection that may write would bring the `-wal` file into it when it closes.
 */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { describe } from '../core/any-value.ts'
import { Minutes } from '../core/keep/minutes.ts'
import type { StoreDamage } from '../core/store.ts'
import { BusySlots } from './busy-slots.ts'
import { Changes } from './changes.ts'
import { type Database, type OpenDatabase, oneValue } from './database.ts'
import { corrupt, Fault, faultOf, isCorrupt, isOfOne, isOfReading, unavailable } from './fault.ts'
import { type Files, isCut, isNew, make, removeShared, sizeOf } from './files.ts'
import { deadIn, type Findings, inspect, isEmpty } from './inspect.ts'
import { META_COLUMNS, type Meta, metaValues, newMeta } from './meta.ts'
import { repair } from './repair.ts'
import type { StoreReport } from './report.ts'
import { create, migrate, type Schema, versionOf } from './schema.ts'
import type { Settings } from './settings.ts'
import { readMark, Witness } from './witness.ts'

export interface Opened {
  readonly database: Database
  readonly meta: Meta
  readonly witness: Witness
  readonly report: StoreReport
}

interface Looked {
  /** Undefined: there are no tables yet. */
  readonly findings: Findings | undefined
  readonly version: number
}

/**
 * @param open where the database comes from
 * @throws {Fault} and nothing else
 */
export function openFiles(files: Files, settings: Settings, schema: Schema, open: OpenDatabase): Opened {
  const from = performance.now()
  try {
    const looked = isNew(files) ? undefined : look(files, settings, schema, open)
    return openForGood(files, settings, schema, open, looked, from)
  } catch (error) {
    throw faultOf(error)
  }
}

/** What do the files say? Reads only. */
function look(files: Files, settings: Settings, schema: Schema, open: OpenDatabase): Looked {
  removeShared(files)
  const database = open(files.main, true)
  try {
    prepare(database)
    const version = versionOf(database, schema)
    if (version === 0) {
      const mark = readMark(files.mark)
      if (typeof mark === 'object' && mark.commits > 0)
        throw corrupt(`it has no tables, but had ${mark.commits} commits`)
      return { findings: undefined, version }
    }
    // Also of an older one: what is damaged as a whole must not be written to.
    const findings = inspect(database, readMark(files.mark), settings.codec, isSmall(files, settings))
    // What can't even be prepared is damaged in a way that no check looks for.
    new Changes(database, findings.meta, new Minutes(), new BusySlots())
    return { findings: withCodec(findings, settings), version }
  } catch (error) {
    // Whatever can't be read in a file that is open is damaged, unless the disk says no.
    throw isUnreadable(error, files) ? corrupt(`the file is damaged (${describe(error)})`, error) : error
  } finally {
    database.close()
    removeShared(files)
  }
}

function isUnreadable(error: unknown, files: Files): boolean {
  if (error instanceof Fault) return false
  // A page that is only there in part is an error of the disk, for SQLite. (The lock that is lost by looking is of no use any more.)
  // So it is while a checkpoint is stuck on a disk that is full; but then reading is not what has failed.
  return isCorrupt(error) || isOfOne(error) || (isOfReading(error) && isCut(files))
}

function isSmall(files: Files, { checkUpToBytes }: Settings): boolean {
  return (sizeOf(files.main) ?? 0) + (sizeOf(files.wal) ?? 0) <= checkUpToBytes
}

function withCodec(findings: Findings, { codec }: Settings): Findings {
  const { meta } = findings
  if (meta.codec === codec || isEmpty(meta)) {
    meta.codec = codec
    return findings
  }
  const why = `the codec '${meta.codec}', since there are records that were written with it`
  throw new Fault({ kind: 'options', why, option: { path: 'codec', received: codec } })
}

/** Nothing in the file may have effects of its own, and no damage be mapped into memory. */
function prepare(database: Database): void {
  database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0')
}

function openForGood(
  files: Files,
  settings: Settings,
  schema: Schema,
  open: OpenDatabase,
  looked: Looked | undefined,
  from: number,
): Opened {
  make(files.main)
  const database = open(files.main, false)
  let witness: Witness | undefined
  try {
    prepare(database)
    if ((looked?.version ?? 0) === 0) {
      database.exec(`PRAGMA page_size = ${settings.pageBytes}; PRAGMA auto_vacuum = INCREMENTAL`)
    }
    configure(database, settings)
    const backup = bringUpToDate(database, files, schema, looked)
    const findings = looked?.findings ?? fresh(database, files, settings, looked)
    const { meta, bad } = findings
    const wasClosed = meta.isClean
    meta.isClean = false
    database.exec('BEGIN IMMEDIATE')
    const damage: StoreDamage[] = [...findings.damage]
    repair(database, meta, bad)
    writerOf(database)(meta)
    database.exec('COMMIT')
    // What a failed sync has left in memory only is written to the file itself, and synced, before anything is built on it.
    const row = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
    if (row?.busy !== 0) throw unavailable('what was committed could not be brought into the file')
    witness = new Witness(files.mark)
    witness.write(meta)
    const report: StoreReport = {
      isNew: looked === undefined,
      wasClosed: looked === undefined || wasClosed,
      ...{ damage, warnings: looked === undefined ? [] : findings.warnings },
      ...{ migratedFrom: backup === undefined ? undefined : looked?.version, backup },
      ...{ live: meta.live, dead: deadIn(meta), tookMs: performance.now() - from },
    }
    return { database, meta, witness, report }
  } catch (error) {
    witness?.close()
    closeQuietly(database)
    throw error
  }
}

/** The order counts: exclusive first, and there is no `-shm` file. */
function configure(database: Database, { synchronous }: Settings): void {
  for (const [pragma, value, expected] of [
    ['locking_mode', 'EXCLUSIVE', 'exclusive'],
    ['journal_mode', 'WAL', 'wal'],
    ['synchronous', synchronous.toUpperCase(), { off: 0, normal: 1, full: 2 }[synchronous]],
    // Checkpoints are made when there is time for one.
    ['wal_autocheckpoint', 0, 0],
  ] as const) {
    // SQLite answers with what holds, not with an error.
    database.exec(`PRAGMA ${pragma} = ${value}`)
    const actual = oneValue(database, `PRAGMA ${pragma}`)
    if (actual !== expected) throw unavailable(`${pragma} is ${String(actual)}, and could not be set to ${value}`)
  }
  // On macOS a plain fsync does not reach the disk. The `-wal` file shrinks when it is begun anew.
  database.exec('PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; PRAGMA journal_size_limit = 1048576')
}

/** @returns the copy that was made of an older file */
function bringUpToDate(
  database: Database,
  files: Files,
  schema: Schema,
  looked: Looked | undefined,
): string | undefined {
  if (looked === undefined || looked.version === 0) {
    database.exec('BEGIN IMMEDIATE')
    create(database, schema)
    const values = metaValues(newMeta(''))
    const marks = values.map(() => '?').join(', ')
    const insert = database.prepare(`INSERT INTO meta (one, ${META_COLUMNS}) VALUES (1, ${marks})`)
    insert.run(...values)
    database.exec('COMMIT')
    return undefined
  }
  if (looked.version === schema.version) return undefined
  const backup = backUp(database, files, looked.version)
  migrate(database, looked.version, schema)
  return backup
}

/** It has its name when it is whole: a process that dies meanwhile leaves no half of one behind that name. */
function backUp(database: Database, files: Files, version: number): string {
  const backup = freeName(`${files.main}.v${version}.bak`)
  const part = `${backup}.part`
  rmSync(part, { force: true })
  make(part)
  database.prepare('VACUUM INTO ?').run(part)
  renameSync(part, backup)
  return backup
}

function freeName(name: string): string {
  let free = name
  for (let i = 2; existsSync(free); i++) free = `${name}.${i}`
  return free
}

/** Of a file that was just made, or brought up to date. */
function fresh(database: Database, files: Files, settings: Settings, looked: Looked | undefined): Findings {
  const mark = looked === undefined ? 'missing' : readMark(files.mark)
  const findings = inspect(database, mark, settings.codec, true)
  return withCodec(findings, settings)
}

/** Writes what a store knows of itself, one commit more. */
export function writerOf(database: Database): (meta: Meta) => void {
  const columns = META_COLUMNS.split(', ').map((column) => `${column} = ?`)
  const update = database.prepare(`UPDATE meta SET ${columns.join(', ')} WHERE one = 1`)
  return (meta) => {
    meta.commits++
    update.run(...metaValues(meta))
  }
}

/** One that is closed for good, or has failed. */
export function closeQuietly(database: Database): void {
  try {
    database.close()
  } catch {
    // It has said what is wrong before.
  }
}

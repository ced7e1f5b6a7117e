/**
 * A database whose k-th write fails: as a disk that is full or broken says no.
 *
 * `'before'`: it fails, and has done nothing. `'after'`: it has done its work, and fails all the same, as a sync may: nobody
 * knows what is on the disk.
 */
import { type Database, nodeDatabase, type OpenDatabase, type Statement } from '../../../src/sqlite/database.ts'

export interface Faults {
  /** Fails this one, counted from 1 over all databases; and so many after it. */
  at: number
  times: number
  when: 'before' | 'after'
  /** How many there were. */
  count: number
}

export function faultsAt(at: number, when: Faults['when'] = 'before', times = 1): Faults {
  return { at, times, when, count: 0 }
}

const IOERR_FSYNC = 1034

function ioError(): Error {
  return Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: IOERR_FSYNC })
}

export function faultyDatabase(faults: Faults, open: OpenDatabase = nodeDatabase): OpenDatabase {
  const through = <T>(work: () => T): T => {
    const n = ++faults.count
    const fails = n >= faults.at && n < faults.at + faults.times
    if (fails && faults.when === 'before') throw ioError()
    const answer = work()
    if (fails) throw ioError()
    return answer
  }
  return (path, isReadOnly) => {
    const database = open(path, isReadOnly)
    if (isReadOnly || path.endsWith('.lock')) return database
    return {
      exec: (sql) => through(() => database.exec(sql)),
      prepare: (sql) => faultyStatement(database.prepare(sql), through),
      close: () => database.close(),
    } satisfies Database
  }
}

function faultyStatement(statement: Statement, through: <T>(work: () => T) => T): Statement {
  return {
    run: (...values) => through(() => statement.run(...values)),
    get: (...values) => statement.get(...values),
    all: (...values) => statement.all(...values),
    iterate: (...values) => statement.iterate(...values),
    setReadBigInts: (enabled) => statement.setReadBigInts(enabled),
  }
}

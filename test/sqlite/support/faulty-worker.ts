/**
 * The thread, with a database that fails, or that dies on demand.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type Database, nodeDatabase, type OpenDatabase } from '../../../src/sqlite/database.ts'
import { Thread } from '../../../src/sqlite/thread.ts'
import { faultsAt, faultyDatabase } from './faulty.ts'

const { at, when, times, diesAt = Number.POSITIVE_INFINITY, commitMs = 0, ...rest } = workerData

let commits = 0

/** Ends the thread in the middle of a commit, or makes it wait as a slow disk does. */
const mortal: OpenDatabase = (path, isReadOnly) => {
  const database = nodeDatabase(path, isReadOnly)
  const exec = (sql: string) => {
    database.exec(sql)
    if (sql !== 'COMMIT') return
    if (++commits === diesAt) process.exit(7)
    if (commitMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, commitMs)
  }
  return { exec, prepare: (sql) => database.prepare(sql), close: () => database.close() } satisfies Database
}

const open = at === undefined ? mortal : faultyDatabase(faultsAt(at, when, times), mortal)

if (parentPort !== null) new Thread({ port: parentPort, open, ...rest })

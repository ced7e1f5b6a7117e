/**
 * Who writes the job log? One run at a time: two that go on from the same log would do the same jobs twice.
 *
 * The lock is a transaction of SQLite that never ends, in an empty file beside the log: the operating system frees it when its owner
 * dies, in whatever way. (A file with a process number in it would have to be judged by whoever finds it.) It is removed at the end, and
 * so whoever has locked it looks whether it is still the one that has the name.
 */
import { closeSync, openSync, rmSync, statSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { type Database, nodeDatabase } from '../../sqlite/database.ts'
import { cannot, messageOf } from '../fault.ts'

/** SQLITE_BUSY */
const BUSY = 5

/**
 * @param log its one name: links resolved
 * @returns frees it
 * @throws {Fault} when another run has it
 */
export function lockLog(log: string): () => void {
  // Before Node 22.13 there is none, unless it is asked for by a flag.
  if (!isBuiltin('node:sqlite')) return () => {}
  const file = `${log}.lock`
  for (;;) {
    const before = made(file)
    const database = taken(file, log)
    if (numberOf(file) === before) {
      return () => {
        rmSync(file, { force: true })
        database.close()
      }
    }
    database.close()
  }
}

/** Which file it is. Nobody else in this process has it open, so it may be closed. */
function made(file: string): bigint | undefined {
  try {
    closeSync(openSync(file, 'a'))
    return numberOf(file)
  } catch (error) {
    throw cannot(`The job log can't be locked: ${messageOf(error)}`)
  }
}

function numberOf(file: string): bigint | undefined {
  return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino
}

function taken(file: string, log: string): Database {
  let database: Database | undefined
  try {
    database = nodeDatabase(file, false)
    // Of two that ask in the same moment one has to wait for a moment, or both would be refused.
    database.exec('PRAGMA busy_timeout = 200; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    const { errcode = 0 } = error as { readonly errcode?: number }
    if ((errcode & 0xff) === BUSY) throw cannot(`${log} is in use: another run writes to it`)
    throw cannot(`The job log can't be locked (${file}): ${messageOf(error)}`)
  }
}

/**
 * Who has the store? One owner at a time, and nobody has to tidy up after one that has died.
 *
 * The lock on the store itself can be lost in silence: when any other descriptor of that file is closed in this process, as after
 * `fs.readFileSync(path)` or a copy. So a second database beside it is held, with a transaction that never ends; nobody has a
 * reason to read that one. The operating system frees it when its owner dies, in whatever way.
 *
 * The text in `.owner` is for a message only, and may be wrong.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Database, OpenDatabase } from './database.ts'
import { Fault, faultOf } from './fault.ts'
import { type Files, make } from './files.ts'

export class Lock {
  readonly #database: Database
  readonly #owner: string

  private constructor(database: Database, owner: string) {
    this.#database = database
    this.#owner = owner
  }

  /** @throws {Fault} at once, when somebody else has it */
  static take(files: Files, open: OpenDatabase): Lock {
    make(files.lock)
    let database: Database | undefined
    try {
      database = open(files.lock, false)
      database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
    } catch (error) {
      database?.close()
      const fault = faultOf(error)
      if (fault.report.kind !== 'locked') throw fault
      throw new Fault({ ...fault.report, owner: readOwner(files) }, error)
    }
    writeOwner(files)
    return new Lock(database, files.owner)
  }

  free(): void {
    rmSync(this.#owner, { force: true })
    this.#database.exec('ROLLBACK')
    this.#database.close()
  }
}

function writeOwner(files: Files): void {
  try {
    writeFileSync(files.owner, `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}\n`, {
      mode: 0o600,
    })
  } catch {
    // Then the message says less.
  }
}

function readOwner(files: Files): string | undefined {
  try {
    const text = readFileSync(files.owner, 'utf8').slice(0, 300).trim()
    return text === '' ? undefined : text.replace(/[^\x20-\x7e]/g, '?')
  } catch {
    return undefined
  }
}

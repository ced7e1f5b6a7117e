/**
 * The store as one thread has it: commits what it is given, reads, and keeps its file small. All of it is synchronous, so that it
 * can be tested without a thread.
 *
 *     operations ──▶ BEGIN IMMEDIATE ──▶ each in turn ──▶ what is too much ──▶ meta ──▶ COMMIT ──▶ witness ──▶ answers
 *
 * An operation that can't be done, since there is something wrong with it, is left out, and the others are committed. When the
 * file can't do it, nothing of them is, and the handle is never trusted again: after a sync that has failed nobody knows what is
 * on the disk. The engine is closed, and another one opens the files anew.
 */
import { describe } from '../core/any-value.ts'
import { type MinuteOfQueue, Minutes } from '../core/keep/minutes.ts'
import { type BusyMinute, BusySlots } from './busy-slots.ts'
import { Changes } from './changes.ts'
import { type Database, nodeDatabase, type OpenDatabase } from './database.ts'
import { Fault, type FaultReport, faultOf, isOfOne } from './fault.ts'
import { type Files, sizeOf } from './files.ts'
import { liveOf, type Meta } from './meta.ts'
import { writeMinutes } from './minutes.ts'
import { closeQuietly, type Opened, openFiles, writerOf } from './opening.ts'
import { Reader } from './reader.ts'
import type { StoreReport } from './report.ts'
import { Retention } from './retention.ts'
import { type Schema, schema } from './schema.ts'
import type { Settings } from './settings.ts'
import type { Answer, Operation, Question, Replies, Standing } from './wire.ts'
import type { Witness } from './witness.ts'

export interface Committed {
  readonly answers: (readonly [index: number, answer: Answer])[]
  readonly failures: (readonly [index: number, why: string])[]
}

/** From this on, a `-wal` file is brought into the store though there is work to do. */
const WAL_BYTES = 16 * 1024 * 1024
const FREE_PAGES = 256

/** The engine is of no more use. */
export class EngineFault extends Error {
  readonly report: FaultReport

  constructor({ report, cause }: Fault) {
    super(report.why, { cause })
    this.report = report
  }
}

function isOption(error: unknown): boolean {
  return error instanceof Fault && error.report.kind === 'options'
}

export class Engine {
  readonly report: StoreReport
  readonly #files: Files
  readonly #database: Database
  readonly #witness: Witness
  readonly #meta: Meta
  readonly #minutes = new Minutes()
  readonly #slots: BusySlots
  readonly #shard: number | null
  readonly #changes: Changes
  readonly #retention: Retention
  readonly #reader: Reader
  readonly #writeMeta: (meta: Meta) => void
  #committedSinceCheckpoint = false

  /**
   * @param slots what was counted by an engine before this one
   * @throws {Fault}
   */
  constructor(
    files: Files,
    settings: Settings,
    open: OpenDatabase = nodeDatabase,
    tables: Schema = schema,
    slots = new BusySlots(),
  ) {
    const { database, meta, witness, report }: Opened = openFiles(files, settings, tables, open)
    this.#files = files
    this.#database = database
    this.#witness = witness
    this.#meta = meta
    this.report = report
    this.#slots = slots
    this.#shard = settings.shard
    try {
      this.#changes = new Changes(database, meta, this.#minutes, slots)
      this.#retention = new Retention(database, meta, settings.keep)
      this.#reader = new Reader(database, meta)
      this.#writeMeta = writerOf(database)
    } catch (error) {
      this.abandon()
      throw faultOf(error)
    }
  }

  /** The greatest number that was ever used. */
  get seq(): number {
    return this.#meta.seq
  }

  /** @throws {EngineFault} when the engine is of no more use */
  commit(operations: readonly Operation[]): Committed {
    const failures: [number, string][] = []
    for (;;) {
      const committed = this.#tryCommit(operations, failures)
      if (committed !== undefined) return committed
    }
  }

  /** Undefined: one more has failed, and the rest must be done again without it. */
  #tryCommit(operations: readonly Operation[], failures: [number, string][]): Committed | undefined {
    const answers: [number, Answer][] = []
    const failed = new Set(failures.map(([index]) => index))
    let index = 0
    this.#begin()
    try {
      for (; index < operations.length; index++) {
        if (failed.has(index)) continue
        const answer = this.#changes.carryOut(operations[index] as Operation)
        if (answer !== undefined) answers.push([index, answer])
      }
    } catch (error) {
      if (!isOfOne(error)) throw this.#broken(error)
      failures.push([index, describe(error)])
      this.#rollBack()
      return undefined
    }
    this.#end(operations.length)
    return { answers, failures }
  }

  #writeMinutes(rows: readonly MinuteOfQueue[], busy: readonly BusyMinute[]): void {
    writeMinutes(this.#database, rows, busy, this.#shard)
  }

  #begin(): void {
    this.#slots.turn(Date.now())
    try {
      this.#database.exec('BEGIN IMMEDIATE')
    } catch (error) {
      throw this.#broken(error)
    }
  }

  #end(ends: number): void {
    try {
      this.#retention.expire(ends)
      const now = Date.now()
      if (this.#minutes.isDue(now)) this.#writeMinutes(this.#minutes.take(now), this.#slots.take(now))
      this.#writeMeta(this.#meta)
      this.#database.exec('COMMIT')
    } catch (error) {
      throw this.#broken(error)
    }
    this.#committedSinceCheckpoint = true
    this.#witness.write(this.#meta)
    if ((sizeOf(this.#files.wal) ?? 0) > WAL_BYTES) this.#checkpoint()
  }

  /** What it knows of itself is as it was before, too. */
  #rollBack(): void {
    try {
      this.#database.exec('ROLLBACK')
      this.#reader.readMetaAnew()
    } catch (error) {
      throw this.#broken(error)
    }
  }

  #broken(error: unknown): EngineFault {
    return error instanceof EngineFault ? error : new EngineFault(faultOf(error))
  }

  /** @throws {EngineFault} when the engine is of no more use; what is wrong with the question is another error */
  ask<Q extends Question>(question: Q): Replies[Q['what']] {
    try {
      if (question.what === 'recover') return this.#recover(question) as Replies[Q['what']]
      return this.#reader.ask(question) as Replies[Q['what']]
    } catch (error) {
      // A backup fails for the sake of another file; of an option nobody but who has given it is to blame.
      const isHarmless = question.what === 'backup' || isOfOne(error) || isOption(error)
      throw isHarmless ? error : this.#broken(error)
    }
  }

  #recover({ queue, maxAttempts, after, limit }: Question & { what: 'recover' }): Replies['recover'] {
    if (after === undefined) {
      const crashed = this.#reader.running(queue)
      if (crashed.length > 0) {
        this.#begin()
        try {
          for (const row of crashed) this.#changes.crashed(row, maxAttempts)
        } catch (error) {
          throw this.#broken(error)
        }
        this.#end(crashed.length)
      }
    }
    return this.#reader.page(queue, after ?? 0, limit)
  }

  /**
   * One small step of what must be done at times, while there is nothing else to do.
   * @returns false when there is nothing of it left
   * @throws {EngineFault}
   */
  tidy(): boolean {
    try {
      const now = Date.now()
      if (this.#minutes.isDue(now) || this.#retention.isDue(now)) {
        this.#begin()
        this.#retention.expireOld(now)
        this.#end(0)
        return true
      }
      if (this.#committedSinceCheckpoint) {
        this.#checkpoint()
        return true
      }
      return this.#vacuum()
    } catch (error) {
      throw this.#broken(error)
    }
  }

  /** When something will have to be tidied though nothing has happened, in ms from now. */
  get tidyInMs(): number {
    return Math.min(this.#minutes.dueInMs(Date.now()), this.#retention.dueInMs(Date.now()))
  }

  #checkpoint(): void {
    this.#committedSinceCheckpoint = false
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      throw this.#broken(error)
    }
  }

  /** Gives some free pages back to the file system. */
  #vacuum(): boolean {
    const free = this.#reader.freePages()
    if (free < FREE_PAGES) return false
    this.#database.exec(`PRAGMA incremental_vacuum(${FREE_PAGES})`)
    // What was freed is in the `-wal` file until the next step.
    this.#committedSinceCheckpoint = true
    return this.#reader.freePages() < free
  }

  get standing(): Standing {
    const queues = [...this.#meta.queues].map(([queue, counts]) => [queue, liveOf(counts)] as const)
    return { bytes: (sizeOf(this.#files.main) ?? 0) + (sizeOf(this.#files.wal) ?? 0), queues }
  }

  /** All is committed: the next one to open it knows that nobody has died. @throws {EngineFault} */
  close(): void {
    try {
      this.#meta.isClean = true
      this.#database.exec('BEGIN IMMEDIATE')
      const now = Date.now()
      this.#writeMinutes(this.#minutes.take(now), this.#slots.takeLast(now))
      this.#writeMeta(this.#meta)
      this.#database.exec('COMMIT')
      this.#witness.write(this.#meta)
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      this.#database.close()
    } catch (error) {
      closeQuietly(this.#database)
      throw this.#broken(error)
    } finally {
      this.#witness.close()
    }
  }

  /** It is of no more use. */
  abandon(): void {
    closeQuietly(this.#database)
    this.#witness.close()
  }
}

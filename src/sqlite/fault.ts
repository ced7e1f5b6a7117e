/**
 * What went wrong in the thread, in a form that can be sent to the one who asked; and what a driver's error means.
 */
import { describe } from '../core/any-value.ts'
import { OptionsError } from '../core/errors.ts'
import { StoreCorruptError, StoreLockedError, StoreTooNewError, StoreUnavailableError } from '../core/store-errors.ts'
import type { TriageError } from '../core/triage-error.ts'

export interface FaultReport {
  readonly kind: 'locked' | 'unavailable' | 'corrupt' | 'too-new' | 'options'
  readonly why: string
  readonly owner?: string | undefined
  readonly version?: number
  readonly known?: number
  /** For `kind: 'options'`. */
  readonly option?: { readonly path: string; readonly received: unknown }
}

/** Thrown in the thread. */
export class Fault extends Error {
  readonly report: FaultReport

  constructor(report: FaultReport, cause?: unknown) {
    super(report.why, { cause })
    this.report = report
  }
}

export function corrupt(why: string, cause?: unknown): Fault {
  return new Fault({ kind: 'corrupt', why }, cause)
}

export function unavailable(why: string, cause?: unknown): Fault {
  return new Fault({ kind: 'unavailable', why }, cause)
}

/** Primary result codes of SQLite. @see https://www.sqlite.org/rescode.html */
const BUSY = 5
const CORRUPT = 11
const NOT_A_DATABASE = 26

/** Those that are about one statement and what it was given, not about the disk: error, toobig, constraint, mismatch, range. */
const OF_A_STATEMENT = new Set([1, 18, 19, 20, 25])

/** Extended ones: an error of the disk in general, and of reading: `IOERR_READ`, `IOERR_SHORT_READ`. Others are of writing, syncing, locks … */
const OF_READING = new Set([10, 266, 522])

function extendedCodeOf(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown }
  return typeof errcode === 'number' ? errcode : undefined
}

function codeOf(error: unknown): number | undefined {
  const code = extendedCodeOf(error)
  return code === undefined ? undefined : code & 0xff
}

/** Was it by reading that the disk has failed? */
export function isOfReading(error: unknown): boolean {
  return OF_READING.has(extendedCodeOf(error) ?? 0)
}

/** Is the fault in what was asked, so that the file is well, and the same would fail again? */
export function isOfOne(error: unknown): boolean {
  const code = codeOf(error)
  if (code !== undefined) return OF_A_STATEMENT.has(code)
  // A database that is closed already says so without a number.
  return !(error instanceof Fault) && (error as { code?: unknown }).code !== 'ERR_INVALID_STATE'
}

export function isCorrupt(error: unknown): boolean {
  const code = codeOf(error)
  return code === CORRUPT || code === NOT_A_DATABASE
}

/** What a driver has thrown, or the file system. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error
  const code = codeOf(error)
  if (code === BUSY) return new Fault({ kind: 'locked', why: 'another connection has it' }, error)
  if (isCorrupt(error)) return corrupt(`the file is damaged (${describe(error)})`, error)
  return unavailable(describe(error), error)
}

/** The public error. */
export function errorOf(report: FaultReport, path: string): TriageError {
  const { kind, why, owner, version = 0, known = 0, option } = report
  if (kind === 'locked') return new StoreLockedError(path, owner)
  if (kind === 'corrupt') return new StoreCorruptError(path, why)
  if (kind === 'too-new') return new StoreTooNewError(path, version, known)
  if (kind === 'options') return new OptionsError(option?.path ?? 'path', why, option?.received)
  return new StoreUnavailableError(path, why)
}

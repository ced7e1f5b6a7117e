/**
 * Why could it not be remembered? The errors of stores, apart from the others: who has no store need not bundle them.
 */
import { NotAdmittedError } from './errors.ts'
import { type ErrorSubject, TriageError, type TriageErrorCode } from './triage-error.ts'

/** The store itself can't do what it is for. `cause` is what its driver says. */
class StoreError extends TriageError {
  /** Where the store is. */
  readonly path: string

  constructor(code: TriageErrorCode, path: string, message: string, subject?: ErrorSubject, cause?: unknown) {
    super(code, message, subject, cause === undefined ? undefined : { cause })
    this.path = path
  }
}

/** Another process has the file open, or another store of this process. It has one owner at a time. HTTP: 503. */
export class StoreLockedError extends StoreError {
  declare readonly code: 'TRIAGE_STORE_LOCKED'
  override readonly name: string = 'StoreLockedError'

  /** @param owner who says that it has it; this is told, and not trusted */
  constructor(path: string, owner?: string, cause?: unknown) {
    const by = owner === undefined ? 'by another owner' : `by ${owner}`
    super('TRIAGE_STORE_LOCKED', path, `The store '${path}' is open already, ${by}`, undefined, cause)
  }

  override get statusCode(): number {
    return 503
  }
}

/**
 * The disk does not do what it should: it is full, or broken, or read-only. The request was not admitted. The store opens the
 * file anew by itself, so that a later try may find it well again. HTTP: 503.
 */
export class StoreUnavailableError extends StoreError {
  declare readonly code: 'TRIAGE_STORE_UNAVAILABLE'
  override readonly name: string = 'StoreUnavailableError'
  /** What is the matter. */
  readonly why: string

  constructor(path: string, why: string, subject?: ErrorSubject, cause?: unknown) {
    super('TRIAGE_STORE_UNAVAILABLE', path, `The store '${path}' is not available: ${why}`, subject, cause)
    this.why = why
  }

  override get statusCode(): number {
    return 503
  }
}

/** The file is damaged so that it can't be read, or is no store. It was left as it is. HTTP: 500. */
export class StoreCorruptError extends StoreError {
  declare readonly code: 'TRIAGE_STORE_CORRUPT'
  override readonly name: string = 'StoreCorruptError'

  constructor(path: string, why: string, cause?: unknown) {
    super('TRIAGE_STORE_CORRUPT', path, `The store '${path}' was not opened: ${why}`, undefined, cause)
  }
}

/** A later version of this package has written the file. It was left as it is. HTTP: 500. */
export class StoreTooNewError extends StoreError {
  declare readonly code: 'TRIAGE_STORE_TOO_NEW'
  override readonly name: string = 'StoreTooNewError'
  /** The version of its tables. */
  readonly version: number
  /** The latest version that is known here. */
  readonly known: number

  constructor(path: string, version: number, known: number) {
    super(
      'TRIAGE_STORE_TOO_NEW',
      path,
      `The store '${path}' has tables of version ${version}, and this version of triage-queue knows those up to ${known}: use a later one`,
    )
    this.version = version
    this.known = known
  }
}

/**
 * The executor has closed, and its store keeps the request: it runs after the next start. For its caller it is an end, since
 * nobody here will learn its answer. HTTP: 503.
 */
export class ParkedError extends TriageError {
  declare readonly code: 'TRIAGE_PARKED'
  override readonly name: string = 'ParkedError'

  constructor(subject?: ErrorSubject) {
    super('TRIAGE_PARKED', 'The executor has closed; the request is kept, and runs after the next start', subject, {
      stackless: true,
    })
  }

  override get statusCode(): number {
    return 503
  }
}

/** It is too large for the store. It took no room. HTTP: 413. */
export class PayloadTooLargeError extends NotAdmittedError {
  declare readonly code: 'TRIAGE_PAYLOAD_TOO_LARGE'
  override readonly name: string = 'PayloadTooLargeError'
  /** How many bytes it has, encoded; at least, where it was not encoded to its end. */
  readonly bytes: number
  readonly maxBytes: number

  constructor(what: string, bytes: number, maxBytes: number, subject?: ErrorSubject) {
    super(
      'TRIAGE_PAYLOAD_TOO_LARGE',
      `The ${what} is too large to be stored: ${bytes} of at most ${maxBytes} bytes`,
      subject,
      { stackless: true },
    )
    this.bytes = bytes
    this.maxBytes = maxBytes
  }

  override get statusCode(): number {
    return 413
  }
}

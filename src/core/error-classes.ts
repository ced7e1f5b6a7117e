/**
 * Which class has an error of which code? For whoever makes one anew that has come from elsewhere: over HTTP, over Redis, from
 * another thread. Whoever needs only some of them imports those.
 */
import {
  CancelledError,
  DuplicateRequestError,
  InvalidRequestError,
  InvariantError,
  OptionsError,
  OverloadedError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  RunTimeoutError,
  ShedError,
  WaitTimeoutError,
} from './errors.ts'
import { LockLostError, ResultLostError, RunFailedError, WorkerLostError } from './remote-errors.ts'
import {
  ParkedError,
  PayloadTooLargeError,
  StoreCorruptError,
  StoreLockedError,
  StoreTooNewError,
  StoreUnavailableError,
} from './store-errors.ts'
import { type ErrorDetails, type ErrorSubject, TriageError, type TriageErrorCode } from './triage-error.ts'

export const errorClasses: {
  readonly [C in TriageErrorCode]: { readonly name: string; readonly prototype: TriageError }
} = {
  TRIAGE_QUEUE_FULL: QueueFullError,
  TRIAGE_RATE_LIMITED: RateLimitedError,
  TRIAGE_OVERLOADED: OverloadedError,
  TRIAGE_INVALID_REQUEST: InvalidRequestError,
  TRIAGE_QUEUE_CLOSED: QueueClosedError,
  TRIAGE_DUPLICATE_REQUEST: DuplicateRequestError,
  TRIAGE_WAIT_TIMEOUT: WaitTimeoutError,
  TRIAGE_SHED: ShedError,
  TRIAGE_RUN_TIMEOUT: RunTimeoutError,
  TRIAGE_CANCELLED: CancelledError,
  TRIAGE_INVALID_OPTIONS: OptionsError,
  TRIAGE_INVARIANT: InvariantError,
  TRIAGE_STORE_LOCKED: StoreLockedError,
  TRIAGE_STORE_UNAVAILABLE: StoreUnavailableError,
  TRIAGE_STORE_CORRUPT: StoreCorruptError,
  TRIAGE_STORE_TOO_NEW: StoreTooNewError,
  TRIAGE_PARKED: ParkedError,
  TRIAGE_PAYLOAD_TOO_LARGE: PayloadTooLargeError,
  TRIAGE_WORKER_LOST: WorkerLostError,
  TRIAGE_LOCK_LOST: LockLostError,
  TRIAGE_RESULT_LOST: ResultLostError,
  TRIAGE_RUN_FAILED: RunFailedError,
}

/** That of a code; undefined for one that is none of ours. */
export function errorClassOf(code: unknown): { readonly prototype: TriageError } | undefined {
  return typeof code === 'string' && Object.hasOwn(errorClasses, code)
    ? errorClasses[code as TriageErrorCode]
    : undefined
}

/**
 * An error of that class. Each class has other arguments than what has come of it; what an error is to its reader are its prototype
 * and its members.
 */
export function errorAnew(
  type: { readonly prototype: TriageError },
  [code, message]: readonly [code: TriageErrorCode, message: string],
  subject: ErrorSubject,
  details: ErrorDetails,
  members: object,
): TriageError {
  const error = new TriageError(code, message, subject, details)
  Object.setPrototypeOf(error, type.prototype)
  return Object.assign(error, members)
}

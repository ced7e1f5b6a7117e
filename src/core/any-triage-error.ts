/**
 * All errors of this package as one type: told apart by `code`.
 */
import type {
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
import type { LockLostError, ResultLostError, RunFailedError, WorkerLostError } from './remote-errors.ts'
import type {
  ParkedError,
  PayloadTooLargeError,
  StoreCorruptError,
  StoreLockedError,
  StoreTooNewError,
  StoreUnavailableError,
} from './store-errors.ts'
import { isBranded } from './triage-error.ts'

/** Any of them: told apart by `code`. */
export type AnyTriageError =
  | QueueFullError
  | RateLimitedError
  | OverloadedError
  | InvalidRequestError
  | QueueClosedError
  | DuplicateRequestError
  | WaitTimeoutError
  | ShedError
  | RunTimeoutError
  | CancelledError
  | OptionsError
  | InvariantError
  | StoreLockedError
  | StoreUnavailableError
  | StoreCorruptError
  | StoreTooNewError
  | ParkedError
  | PayloadTooLargeError
  | WorkerLostError
  | LockLostError
  | ResultLostError
  | RunFailedError

/**
 * Is it an error of this package, of whichever copy? Then `code` says which one: `switch (error.code)` gives each its own members.
 */
export function isTriageError(error: unknown): error is AnyTriageError {
  return isBranded(error)
}

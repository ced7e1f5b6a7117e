/**
 * What structured cloning refuses: functions, sockets, and what has such inside.
 */
import { describe } from '../core/any-value.ts'
import { InvalidRequestError } from '../core/errors.ts'
import type { ErrorSubject } from '../core/triage-error.ts'

/** The error for a request that can't leave this thread. */
export function notSent(error: unknown, subject: ErrorSubject): InvalidRequestError {
  return new InvalidRequestError([{ message: describe(error) }], subject, "The request can't be sent to a thread")
}

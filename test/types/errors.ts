/** `isTriageError()` narrows to a union that `code` tells apart; `isPriority()` to the four words. */
import {
  type AnyTriageError,
  type DuplicateReason,
  type FullBound,
  isPriority,
  isTriageError,
  OptionsError,
  Priority,
  type QueueFullError,
  type RequestIssue,
  TriageError,
  type TriageErrorCode,
} from 'triage-queue'
import { holds, type Same, some } from './support.ts'

const error = some<unknown>()
if (isTriageError(error)) {
  holds<Same<typeof error, AnyTriageError>>()
  holds<Same<typeof error.retryAfterMs, number | undefined>>()
  switch (error.code) {
    case 'TRIAGE_QUEUE_FULL':
      holds<Same<typeof error, QueueFullError>>()
      holds<Same<typeof error.bound, FullBound>>()
      break
    case 'TRIAGE_INVALID_REQUEST':
      holds<Same<typeof error.issues, readonly RequestIssue[]>>()
      break
    case 'TRIAGE_DUPLICATE_REQUEST':
      holds<Same<typeof error.reason, DuplicateReason>>()
      break
    case 'TRIAGE_WAIT_TIMEOUT':
      holds<Same<typeof error.waitedMs, number>>()
      // @ts-expect-error: it has not run.
      error.ranMs
      break
    case 'TRIAGE_SHED':
      holds<Same<typeof error.displacedBy, Priority>>()
      break
    case 'TRIAGE_RUN_TIMEOUT':
      holds<Same<typeof error.ranMs, number>>()
      break
    case 'TRIAGE_CANCELLED':
      holds<Same<typeof error.reason, unknown>>()
      break
    case 'TRIAGE_INVALID_OPTIONS':
      holds<Same<typeof error.path, string>>()
      break
    case 'TRIAGE_INVARIANT':
      holds<Same<typeof error.law, number>>()
      break
    case 'TRIAGE_RATE_LIMITED':
    case 'TRIAGE_OVERLOADED':
    case 'TRIAGE_QUEUE_CLOSED':
    case 'TRIAGE_PARKED':
    case 'TRIAGE_WORKER_LOST':
    case 'TRIAGE_LOCK_LOST':
    case 'TRIAGE_RESULT_LOST':
    case 'TRIAGE_RUN_FAILED':
      break
    case 'TRIAGE_STORE_LOCKED':
    case 'TRIAGE_STORE_UNAVAILABLE':
    case 'TRIAGE_STORE_CORRUPT':
    case 'TRIAGE_STORE_TOO_NEW':
      holds<Same<typeof error.path, string>>()
      break
    case 'TRIAGE_PAYLOAD_TOO_LARGE':
      holds<Same<typeof error.maxBytes, number>>()
      break
    default:
      // All codes are there.
      holds<Same<typeof error, never>>()
  }
} else holds<Same<typeof error, unknown>>()

holds<Same<AnyTriageError['code'], TriageErrorCode>>()

// As in a `catch`, where more may have been found out already.
const thrown = some<Error>()
if (isTriageError(thrown) && thrown.code === 'TRIAGE_SHED') holds<Same<typeof thrown.displacedBy, Priority>>()
if (thrown instanceof OptionsError) holds<Same<typeof thrown.code, 'TRIAGE_INVALID_OPTIONS'>>()
if (thrown instanceof TriageError) holds<Same<typeof thrown.code, TriageErrorCode>>()

const header = some<string | string[] | undefined>()
const priority = isPriority(header) ? header : Priority.NORMAL
holds<Same<typeof priority, Priority>>()

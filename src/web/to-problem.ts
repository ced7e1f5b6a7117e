/**
 * How is an error told over HTTP? As a problem of RFC 9457, without a stack, and without a word of anybody else's error.
 */
import { isTriageError } from '../core/any-triage-error.ts'
import type { Explanation, TriageErrorCode } from '../core/triage-error.ts'

/** The body of an `application/problem+json`. @see https://www.rfc-editor.org/rfc/rfc9457 */
export interface Problem {
  /** Always `'about:blank'`: the `status` says what kind of problem it is, and `code` which one. */
  readonly type: string
  /** The phrase of the status: `'Service Unavailable'`. */
  readonly title: string
  readonly status: number
  /** The message of an error of ours that quotes nothing of the service's. */
  readonly detail?: string | undefined
  /** That of an error of ours. */
  readonly code?: TriageErrorCode | undefined
  readonly retryAfterMs?: number | undefined
  readonly explain?: Explanation | undefined
}

/**
 * The problem that an error is. An error of ours says which one. Of any other only its `statusCode` (or `status`) is shown, if
 * it has one of 400 to 599; otherwise it is a 500. The headers that belong to it are `error.headers`.
 */
export function toProblem(error: unknown): Problem {
  const status = statusOf(error)
  const problem = {
    type: 'about:blank',
    title: phrases[status] ?? 'Error',
    status,
  }
  if (!isTriageError(error)) return problem
  const { code, explain, message, retryAfterMs } = error
  // A reason of whoever cancelled, and an option of ours, are not for the client.
  const isForClient = status !== 500 && code !== 'TRIAGE_CANCELLED'
  return {
    ...problem,
    ...(isForClient && { detail: message }),
    code,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(explain !== undefined && { explain }),
  }
}

/** As Node's http has them. @see https://www.rfc-editor.org/rfc/rfc9110#section-15 */
const phrases: { readonly [status: number]: string } = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Entity',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

function statusOf(error: unknown): number {
  try {
    const { statusCode, status } = error as { readonly statusCode?: unknown; readonly status?: unknown }
    for (const is of [statusCode, status]) {
      if (typeof is === 'number' && Number.isInteger(is) && is >= 400 && is < 600) return is
    }
  } catch {
    // Nothing, or a proxy that does not want to be looked at.
  }
  return 500
}

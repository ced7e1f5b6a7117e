/**
 * Which error was it, on the other side? A problem becomes the error whose code it has, so that a caller need not know where the queue is.
 */
import { errorAnew, errorClassOf } from '../../core/error-classes.ts'
import { OptionsError } from '../../core/errors.ts'
import type { Priority } from '../../core/priority.ts'
import { RunFailedError } from '../../core/remote-errors.ts'
import type { Explanation, TriageError, TriageErrorCode } from '../../core/triage-error.ts'
import type { RequestView } from '../../index.ts'

/** What a service has refused itself: its `code` and `status`. No error of a queue. */
export class HttpError extends Error {
  readonly status: number
  /** `'NOT_FOUND'`, `'FORBIDDEN'` … Undefined when what has answered was no service of ours. */
  readonly code: string | undefined

  constructor(status: number, code: string | undefined, message: string) {
    super(message)
    this.name = 'HttpError'
    this.status = status
    this.code = code
  }
}

/** What is read of a problem. */
export interface ProblemBody {
  readonly status?: number
  readonly title?: string
  readonly detail?: string
  readonly code?: string
  readonly retryAfterMs?: number
  readonly explain?: Explanation
  readonly reason?: string
  readonly started?: boolean | 'unknown'
  readonly issues?: readonly { readonly in: string; readonly message: string }[]
}

/** About which request it is said. */
export interface Subject {
  readonly queue: string
  readonly requestId: string | undefined
  readonly priority?: Priority | undefined
  /** What its options were. */
  readonly options?: object | undefined
}

/** Those that end a request whose run had begun, where the service does not say it. */
const startedCodes = new Set(['TRIAGE_RUN_TIMEOUT', 'TRIAGE_RUN_FAILED', 'TRIAGE_WORKER_LOST', 'TRIAGE_LOCK_LOST'])

/** The error that a problem tells of. */
export function errorOf(status: number, problem: ProblemBody, subject: Subject): Error {
  const { code, detail, title, issues, explain, reason } = problem
  if (code === 'INVALID' && issues?.some((issue) => issue.in.startsWith('options.')) === true) {
    const [{ in: path, message }] = issues as [{ in: string; message: string }]
    const name = path.slice('options.'.length)
    const given = (subject.options as Record<string, unknown> | undefined)?.[name]
    return new OptionsError(name, message.replace(/^expected /, ''), given)
  }
  const type = errorClassOf(code)
  const issueTexts = issues?.map((issue) => `${issue.in}: ${issue.message}`) ?? []
  const message =
    detail ?? ([title, code, ...issueTexts].filter((text) => text !== undefined).join('; ') || `HTTP ${status}`)
  if (type === undefined) return new HttpError(status, code, message)
  const { bound, size, maxSize } = explain?.compared ?? {}
  return made(type, code as TriageErrorCode, message, subject, problem, {
    ...(code === 'TRIAGE_QUEUE_FULL' && { bound, size, maxSize, neverFits: false }),
    ...(code === 'TRIAGE_DUPLICATE_REQUEST' && { reason: reason ?? (status === 422 ? 'payload' : 'live') }),
    ...(code === 'TRIAGE_CANCELLED' && { by: status === 503 ? 'close' : 'id', reason: undefined }),
    ...(code === 'TRIAGE_INVALID_REQUEST' && { issues: [{ message }] }),
  })
}

/** What a record says of how it ended. */
export function errorOfRecord({ state, error, attempts }: RequestView, subject: Subject): Error {
  const code = error?.code ?? (state === 'cancelled' ? 'TRIAGE_CANCELLED' : undefined)
  if (code !== undefined && errorClassOf(code) !== undefined && code !== 'TRIAGE_RUN_FAILED') {
    return errorOf(409, { code, detail: error?.message ?? `It has ended: ${state}`, started: attempts > 0 }, subject)
  }
  const why = error === undefined ? state : [error.name, error.message].filter((text) => text !== undefined).join(': ')
  return new RunFailedError(why, { ...subject, started: true })
}

function made(
  type: { readonly prototype: TriageError },
  code: TriageErrorCode,
  message: string,
  subject: Subject,
  { retryAfterMs, explain, started = startedCodes.has(code) }: ProblemBody,
  members: object,
): TriageError {
  const { queue, requestId, priority } = subject
  const about = { queue, requestId, priority, started }
  const error = errorAnew(type, [code, message], about, { retryAfterMs, explain }, members)
  // Some have their name as a member, not in their prototype.
  if (error.name === 'TriageError') Object.defineProperty(error, 'name', { value: nameOf(code), enumerable: false })
  return error
}

/** `TRIAGE_RUN_FAILED`: a `RunFailedError`. */
function nameOf(code: TriageErrorCode): string {
  const words = code.slice('TRIAGE_'.length).toLowerCase().split('_')
  return `${words.map((word) => (word[0] ?? '').toUpperCase() + word.slice(1)).join('')}Error`
}

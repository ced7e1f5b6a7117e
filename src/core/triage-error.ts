/**
 * What all our errors have in common: a stable code, the request and the queue that they speak of, and a brand.
 */
import type { Priority } from './priority.ts'

/** The stable codes, one for each way that we refuse or end a request. */
export type TriageErrorCode =
  | 'TRIAGE_QUEUE_FULL'
  | 'TRIAGE_RATE_LIMITED'
  | 'TRIAGE_OVERLOADED'
  | 'TRIAGE_INVALID_REQUEST'
  | 'TRIAGE_QUEUE_CLOSED'
  | 'TRIAGE_DUPLICATE_REQUEST'
  | 'TRIAGE_WAIT_TIMEOUT'
  | 'TRIAGE_SHED'
  | 'TRIAGE_RUN_TIMEOUT'
  | 'TRIAGE_CANCELLED'
  | 'TRIAGE_INVALID_OPTIONS'
  | 'TRIAGE_INVARIANT'

/** What every error can say of its request, and of its queue. */
export interface ErrorSubject {
  readonly queue?: string | undefined
  readonly requestId?: string | undefined
  readonly priority?: Priority | undefined
  readonly started?: boolean | undefined
}

/** Why there was a refusal. */
export interface Explanation {
  /** Which rule has refused: `'maxQueueSize'`, or a guard's name. */
  readonly rule: string
  /** What it compared. */
  readonly compared: { readonly [what: string]: number | string }
  /** What would have admitted the request. */
  readonly wouldAdmit: string
}

interface ErrorDetails {
  readonly retryAfterMs?: number | undefined
  readonly explain?: Explanation | undefined
  readonly cause?: unknown
  /** Many are made at once. */
  readonly stackless?: boolean
}

export const STACKLESS: ErrorDetails = { stackless: true }

const brand = Symbol.for('triage-queue.error')

/**
 * Has the next error made without a stack, as those of overload are: thousands are made at once, a stack costs 10 µs and
 * the rest 1.5, and it would only show a timer, or the caller's own `execute()`. Returns the limit to be restored; undefined
 * under `--frozen-intrinsics`, where it can't be written: then they carry one.
 */
function stacksOff(): number | undefined {
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = 0
  } catch {
    return undefined
  }
  return limit
}

/** Every error of this package. */
export class TriageError extends Error {
  /** Stable across releases and across copies of the package: what to match on. */
  readonly code: TriageErrorCode
  /**
   * The `name` of the executor that it comes from, so that the refusal by a queue inside a queue can be told apart.
   * Undefined when it comes from none (a `RequestQueue`, a `WorkerPool`), and for options that are not those of a request.
   */
  readonly queue: string | undefined
  /** The id of the request; undefined when it was refused before it had one. */
  readonly requestId: string | undefined
  readonly priority: Priority | undefined
  /** False: no attempt ever ran in that queue, so it is safe to send the request elsewhere. */
  readonly started: boolean
  /**
   * After how many ms another try is likely to find room, if nothing more urgent comes meanwhile. It goes by the requests that
   * are ahead now, and the pace of recent runs. Undefined when that is not known, or when trying again makes no sense.
   */
  readonly retryAfterMs: number | undefined
  /** Why it was refused or shed, in numbers; undefined for other ends. */
  readonly explain: Explanation | undefined

  constructor(code: TriageErrorCode, message: string, subject?: ErrorSubject, about?: ErrorDetails) {
    const limit = about?.stackless === true ? stacksOff() : undefined
    super(message, about?.cause === undefined ? undefined : { cause: about.cause })
    if (limit !== undefined) Error.stackTraceLimit = limit
    this.code = code
    this.queue = subject?.queue
    this.requestId = subject?.requestId
    this.priority = subject?.priority
    this.started = subject?.started ?? false
    this.retryAfterMs = about?.retryAfterMs
    this.explain = about?.explain
  }

  static {
    Object.defineProperty(this.prototype, brand, { value: true })
  }
}

/** Is it an error of this package, of whichever copy? */
export function isBranded(error: unknown): error is TriageError {
  return typeof error === 'object' && error !== null && brand in error
}

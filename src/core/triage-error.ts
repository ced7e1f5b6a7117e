/**
 * What all our errors have in common: a stable code, the request and the queue that they speak of, and a brand.
 */
import type { Priority } from './priority.ts'

/** Those of stores, and of runs elsewhere, whose classes know their own status: who has neither need not bundle them. */
type OtherErrorCode =
  | 'TRIAGE_STORE_LOCKED'
  | 'TRIAGE_STORE_UNAVAILABLE'
  | 'TRIAGE_STORE_CORRUPT'
  | 'TRIAGE_STORE_TOO_NEW'
  | 'TRIAGE_PARKED'
  | 'TRIAGE_PAYLOAD_TOO_LARGE'
  | 'TRIAGE_WORKER_LOST'
  | 'TRIAGE_LOCK_LOST'
  | 'TRIAGE_RESULT_LOST'
  | 'TRIAGE_RUN_FAILED'

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
  | OtherErrorCode

/**
 * What an HTTP server answers: 503 where another try, or another instance, may help. A mistake in our own options, and one
 * of ours, is no fault of the client.
 */
const statuses: { readonly [C in Exclude<TriageErrorCode, OtherErrorCode>]: number } = {
  TRIAGE_QUEUE_FULL: 503,
  TRIAGE_RATE_LIMITED: 429,
  TRIAGE_OVERLOADED: 503,
  TRIAGE_INVALID_REQUEST: 400,
  TRIAGE_QUEUE_CLOSED: 503,
  TRIAGE_DUPLICATE_REQUEST: 409,
  TRIAGE_WAIT_TIMEOUT: 503,
  TRIAGE_SHED: 503,
  TRIAGE_RUN_TIMEOUT: 504,
  TRIAGE_CANCELLED: 409,
  TRIAGE_INVALID_OPTIONS: 500,
  TRIAGE_INVARIANT: 500,
}

/** What every error can say of its request, and of its queue. */
export interface ErrorSubject {
  readonly queue?: string | undefined
  readonly requestId?: string | undefined
  readonly priority?: Priority | undefined
  readonly started?: boolean | 'unknown' | undefined
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

export interface ErrorDetails {
  readonly retryAfterMs?: number | undefined
  readonly explain?: Explanation | undefined
  readonly cause?: unknown
  /** Many are made at once. */
  readonly stackless?: boolean
}

export const STACKLESS: ErrorDetails = { stackless: true }

/** Of these JSON shows any value. */
const JSON_TYPES: ReadonlySet<string> = new Set(['string', 'number', 'boolean'])

const brand = Symbol.for('triage-queue.error')

/**
 * Has the next error made without a stack, as those of overload are: thousands are made at once, a stack costs 10 µs and
 * the rest 1.5, and it would only show a timer, or the caller's own `execute()`. Returns the limit to be restored; undefined
 * under `--frozen-intrinsics`, where it can't be written: then they carry one.
 */
export function stacksOff(): number | undefined {
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
  /**
   * False: no attempt ever ran in that queue, so it is safe to send the request elsewhere. `'unknown'` is said only where the queue
   * is on the other side of a connection that was lost.
   */
  readonly started: boolean | 'unknown'
  /**
   * After how many ms another try is likely to find room, if nothing more urgent comes meanwhile. It goes by the requests that
   * are ahead now, and the pace of recent runs; before the first run has ended it is about a second. Each refusal for load by an
   * executor has it, timeouts of waiting included. Undefined when trying again makes no sense, and from a `RequestQueue`.
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

  // What follows is read by web frameworks, and by nobody else: getters, so that the making of an error costs no more.

  /** The HTTP status that says the same: 503, 429, 504, 400, 409, 413, 422, 500 or 502. Express, Fastify, Koa and Nest answer with it. */
  get statusCode(): number {
    return statuses[this.code as keyof typeof statuses] ?? 500
  }

  /**
   * The HTTP headers that belong to the answer: `retry-after`, or none. Express and Fastify send them.
   * @see https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
   */
  get headers(): Readonly<Record<string, string>> {
    const seconds = this.retryAfterSeconds
    return seconds === undefined ? {} : { 'retry-after': `${seconds}` }
  }

  /** `retryAfterMs` in whole seconds, rounded up, as a Retry-After header has it: at least 1. */
  get retryAfterSeconds(): number | undefined {
    const seconds = Math.max(Math.ceil((this.retryAfterMs ?? Number.NaN) / 1_000), 1)
    return Number.isSafeInteger(seconds) ? seconds : undefined
  }

  /** May the client read the message? True where the status is below 500, as http-errors has it, and it quotes nothing of ours. */
  get expose(): boolean {
    return this.statusCode < 500 && this.code !== 'TRIAGE_CANCELLED'
  }

  /** What `JSON.stringify()` shows: its text, numbers and booleans, and `explain`. No stack and no cause. */
  toJSON(): { readonly [name: string]: unknown } {
    const { name, message, statusCode } = this
    const shown = Object.entries(this).filter(([key, value]) => key === 'explain' || JSON_TYPES.has(typeof value))
    return { name, message, statusCode, ...Object.fromEntries(shown) }
  }
}

/** Is it an error of this package, of whichever copy? */
export function isBranded(error: unknown): error is TriageError {
  return typeof error === 'object' && error !== null && brand in error
}

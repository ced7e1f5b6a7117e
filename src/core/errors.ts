/**
 * Why did it not work? One class for each answer, each with a stable `code`.
 *
 * Match on `code`, not on `instanceof`: a program may hold two copies of this package (ESM and CJS).
 * A `TriageError` is ours; anything else that `execute()` rejects with is the executor's own error, untouched.
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

const STACKLESS: ErrorDetails = { stackless: true }

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
   * After how many ms another try is likely to find room, if nothing more urgent comes meanwhile: those ahead of it now,
   * at the pace of recent runs. Undefined when that is not known, or when trying again makes no sense.
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

/** Is it an error of this package, of whichever copy? Then `code` says which one. */
export function isTriageError(error: unknown): error is TriageError {
  return typeof error === 'object' && error !== null && brand in error
}

/** The request never came in: nothing was kept of it, and it will not run. */
export class NotAdmittedError extends TriageError {}

/**
 * Which bound was reached: that of the whole queue, of the request's priority, of the blocked callers, or of the requests
 * that an asynchronous schema looks at.
 */
export type FullBound = 'total' | 'priority' | 'blocked' | 'checking'

/** Which option sets it, and what it counts. */
const bounds: { readonly [B in FullBound]: readonly [rule: string, what: string] } = {
  total: ['maxQueueSize', 'requests wait'],
  priority: ['maxQueueSize', 'requests wait'],
  blocked: ['maxBlocked', 'callers are blocked'],
  checking: ['maxChecking', 'requests are being checked'],
}

/** There is no room. */
export class QueueFullError extends NotAdmittedError {
  /** Which bound was reached. */
  readonly bound: FullBound
  /** How many waited (or, for `bound: 'blocked'`, were blocked; for `'checking'`, were checked) when the request came. */
  readonly size: number
  /** The bound itself; 0 where nothing may wait (`maxQueueSize: 'none'`). */
  readonly maxSize: number
  /** True: it is to start later, and nothing may wait. No room is ever room for it. */
  readonly neverFits: boolean

  /** @param startsLater it has a delay, so that it would have to wait */
  constructor(
    bound: FullBound,
    size: number,
    maxSize: number,
    subject?: ErrorSubject,
    retryAfterMs?: number,
    startsLater = false,
  ) {
    const [rule, what] = bounds[bound]
    const whose = bound === 'priority' ? ` for priority '${subject?.priority}'` : ''
    const option = bound === 'priority' ? `${rule}.${subject?.priority}` : rule
    const message =
      maxSize > 0
        ? `The queue is full${whose}: ${size} of at most ${maxSize} ${what}`
        : `${startsLater ? 'It is to start later' : 'No slot is free'}, and nothing may wait${whose} (${option} is 'none')`
    const hint = retryAfterMs === undefined ? '' : `; retry in about ${retryAfterMs} ms`
    const freeSlot = startsLater ? 'one that starts at once' : 'one for which a slot is free'
    super('TRIAGE_QUEUE_FULL', message + hint, subject, {
      retryAfterMs,
      explain: {
        rule,
        compared: { bound, size, maxSize },
        wouldAdmit: maxSize > 0 ? `fewer than ${maxSize}` : freeSlot,
      },
      stackless: true,
    })
    this.bound = bound
    this.size = size
    this.maxSize = maxSize
    this.neverFits = startsLater && maxSize === 0
  }
}

/** A guard has said no. */
function refused(explain: Explanation): string {
  const compared = Object.entries(explain.compared).map(([what, value]) => `${what} ${value}`)
  return `Refused by ${explain.rule} (${compared.join(', ')}); it would admit ${explain.wouldAdmit}`
}

/** A rate limit has no token for it (`rateLimit`). */
export class RateLimitedError extends NotAdmittedError {
  constructor(explain: Explanation, subject?: ErrorSubject, retryAfterMs?: number) {
    super('TRIAGE_RATE_LIMITED', refused(explain), subject, { explain, retryAfterMs, stackless: true })
  }
}

/**
 * There is too much to do for it (`overload`): it was refused; or, where the guard looks at those whose turn has come, it
 * was shed then, with `error.started` false all the same.
 */
export class OverloadedError extends NotAdmittedError {
  constructor(explain: Explanation, subject?: ErrorSubject, retryAfterMs?: number) {
    super('TRIAGE_OVERLOADED', refused(explain), subject, { explain, retryAfterMs, stackless: true })
  }
}

/** One thing that a schema has to say about a request; the shape is Standard Schema's. */
export interface RequestIssue {
  readonly message: string
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
}

/** The request does not fit the `schema`. It took no room. */
export class InvalidRequestError extends NotAdmittedError {
  /** What the schema had to say, in its own order. */
  readonly issues: readonly RequestIssue[]

  constructor(issues: readonly RequestIssue[], subject?: ErrorSubject) {
    super(
      'TRIAGE_INVALID_REQUEST',
      `The request does not fit the schema: ${Array.from(issues, describeIssue).join('; ')}`,
      subject,
    )
    this.issues = issues
  }
}

/** The executor is draining or closed: it admits nothing any more. */
export class QueueClosedError extends NotAdmittedError {
  constructor(subject?: ErrorSubject) {
    super('TRIAGE_QUEUE_CLOSED', 'The executor is closed and admits no more requests', subject)
  }
}

/**
 * Why it may not share the run of the live request with its id: `'live'`, none may (`onDuplicate: 'reject'`); `'payload'`,
 * only an equal one may (`'join'`), and its payload is another.
 */
export type DuplicateReason = 'live' | 'payload'

/** A request with this id is live, and this one may not share its run. */
export class DuplicateRequestError extends NotAdmittedError {
  readonly reason: DuplicateReason

  constructor(subject: ErrorSubject, reason: DuplicateReason = 'live') {
    const other = reason === 'payload' ? ', with another payload' : ''
    super('TRIAGE_DUPLICATE_REQUEST', `A request with the id '${subject.requestId}' is live already${other}`, subject)
    this.reason = reason
  }
}

/** It ended while it waited: `waitTimeoutMs` or `timeoutMs` was over before a slot was free. */
export class WaitTimeoutError extends TriageError {
  /** How long it waited, in ms. */
  readonly waitedMs: number
  /** The timeout that was over, in ms. */
  readonly timeoutMs: number

  constructor(waitedMs: number, timeoutMs: number, subject?: ErrorSubject) {
    super(
      'TRIAGE_WAIT_TIMEOUT',
      `No slot was free for it in time: waited ${round(waitedMs)} of at most ${timeoutMs} ms`,
      subject,
      STACKLESS,
    )
    this.waitedMs = waitedMs
    this.timeoutMs = timeoutMs
  }
}

/** It was admitted, then displaced by a request of a higher priority (`whenFull: 'shed'`). */
export class ShedError extends TriageError {
  /** The priority of the request that took its place. */
  readonly displacedBy: Priority

  constructor(displacedBy: Priority, subject?: ErrorSubject, retryAfterMs?: number) {
    super('TRIAGE_SHED', `Displaced from a full queue by a request of priority '${displacedBy}'`, subject, {
      retryAfterMs,
      stackless: true,
    })
    this.displacedBy = displacedBy
  }
}

/** It ended while it ran: `runTimeoutMs` or `timeoutMs` was over. Its signal is aborted with this very error. */
export class RunTimeoutError extends TriageError {
  /** How long this attempt had run, in ms. */
  readonly ranMs: number
  /** The timeout that was over, in ms. */
  readonly timeoutMs: number

  constructor(ranMs: number, timeoutMs: number, subject?: ErrorSubject) {
    super(
      'TRIAGE_RUN_TIMEOUT',
      `The executor did not answer in time: ran ${round(ranMs)} ms, the timeout is ${timeoutMs} ms`,
      { ...subject, started: true },
      STACKLESS,
    )
    this.ranMs = ranMs
    this.timeoutMs = timeoutMs
  }
}

/** It was cancelled by its handle, by its id, or by `close()`. The reason, if one was given, is the `cause`. */
export class CancelledError extends TriageError {
  /** What the canceller gave as the reason. */
  readonly reason: unknown

  constructor(reason?: unknown, subject?: ErrorSubject) {
    super('TRIAGE_CANCELLED', reason === undefined ? 'Cancelled' : `Cancelled: ${describe(reason)}`, subject, {
      cause: reason,
      stackless: true,
    })
    this.reason = reason
  }
}

/** An option is not what it must be. Nothing was changed. */
export class OptionsError extends TriageError {
  /** Which option, as a path: `'maxQueueSize.low'`. */
  readonly path: string
  /** What it must be: `'an integer of at least 1'`. */
  readonly expected: string
  /** What was given. */
  readonly received: unknown

  constructor(path: string, expected: string, received: unknown, subject?: ErrorSubject) {
    super('TRIAGE_INVALID_OPTIONS', `Option '${path}' must be ${expected}, but is ${describe(received)}`, subject)
    this.path = path
    this.expected = expected
    this.received = received
  }
}

/** With `debug: true`: the queue has broken one of its own laws. A bug of ours; please report it with `state`. */
export class InvariantError extends TriageError {
  /** Which law, by its number in RELIABILITY.md. */
  readonly law: number
  /** How the executor stood. */
  readonly state: object

  constructor(law: number, what: string, state: object & { readonly name?: string }) {
    super('TRIAGE_INVARIANT', `Law ${law} is broken: ${what}`, { queue: state.name })
    this.law = law
    this.state = state
  }
}

// The class name is what a log shows; a bundler's renaming must not change it.
for (const [name, type] of Object.entries({
  TriageError,
  NotAdmittedError,
  QueueFullError,
  RateLimitedError,
  OverloadedError,
  InvalidRequestError,
  QueueClosedError,
  DuplicateRequestError,
  WaitTimeoutError,
  ShedError,
  RunTimeoutError,
  CancelledError,
  OptionsError,
  InvariantError,
})) {
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true })
}

/** The stack of an error, or what there is instead, whatever its own getters do. */
export function stackOf(error: unknown): string {
  try {
    if (error instanceof Error && typeof error.stack === 'string') return error.stack
  } catch {
    // A hostile one: its description must do.
  }
  return describe(error)
}

/** Shows any value in a message, in one short line, whatever its own methods do. */
export function describe(value: unknown): string {
  try {
    if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}…` : value}'`
    if (typeof value === 'function') return 'a function'
    if (value instanceof Error) return `${value.name}: ${value.message}`
    if (typeof value === 'object') {
      const text = JSON.stringify(value)
      return text.length > 60 ? `${text.slice(0, 57)}…` : text
    }
    return String(value)
  } catch {
    return `a value of type ${typeof value}`
  }
}

function describeIssue(issue: RequestIssue): string {
  try {
    const path = issue.path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return path ? `${path}: ${issue.message}` : `${issue.message}`
  } catch {
    // Not what a schema should say: it is shown as it is.
    return describe(issue)
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

/** The word for why a request was refused: few, since they are labels of a metric. */
export function reasonOf(error: unknown): string {
  try {
    if (error instanceof TriageError) return error.code.slice('TRIAGE_'.length).toLowerCase()
  } catch {
    // A proxy that does not want to be looked at.
  }
  return 'error'
}

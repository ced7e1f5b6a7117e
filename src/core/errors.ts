/**
 * Why did it not work? One class for each answer, each with a stable `code`.
 *
 * Match on `code`, not on `instanceof`: a program may hold two copies of this package (ESM and CJS).
 * A `TriageError` is ours; anything else that `execute()` rejects with is the executor's own error, untouched.
 */
import { describe } from './any-value.ts'
import type { Priority } from './priority.ts'
import { type ErrorSubject, type Explanation, STACKLESS, TriageError } from './triage-error.ts'

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
  declare readonly code: 'TRIAGE_QUEUE_FULL'
  /** Which bound was reached. */
  readonly bound: FullBound
  /** How many waited (or, for `bound: 'blocked'`, were blocked; for `'checking'`, were checked) when the request came. */
  readonly size: number
  /** The bound itself; 0 where nothing may wait (`maxQueueSize: 'none'`). */
  readonly maxSize: number
  /** True: the request is to start later, and nothing may wait. It will never be admitted. */
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
  declare readonly code: 'TRIAGE_RATE_LIMITED'
  constructor(explain: Explanation, subject?: ErrorSubject, retryAfterMs?: number) {
    super('TRIAGE_RATE_LIMITED', refused(explain), subject, { explain, retryAfterMs, stackless: true })
  }
}

/**
 * An `overload` guard has refused the request, or has shed it when its turn came. `error.started` is false in both cases.
 */
export class OverloadedError extends NotAdmittedError {
  declare readonly code: 'TRIAGE_OVERLOADED'
  constructor(explain: Explanation, subject?: ErrorSubject, retryAfterMs?: number) {
    super('TRIAGE_OVERLOADED', refused(explain), subject, { explain, retryAfterMs, stackless: true })
  }
}

/** One thing that a schema has to say about a request; the shape is Standard Schema's. */
export interface RequestIssue {
  readonly message: string
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
}

/**
 * The request does not fit the `schema`, brings what can't be read (`triage-queue/web`: a header), or is not what a store can keep.
 * It took no room.
 */
export class InvalidRequestError extends NotAdmittedError {
  declare readonly code: 'TRIAGE_INVALID_REQUEST'
  /** What the schema had to say, in its own order. */
  readonly issues: readonly RequestIssue[]

  /** @param what in place of "The request does not fit the schema" */
  constructor(issues: readonly RequestIssue[], subject?: ErrorSubject, what = 'The request does not fit the schema') {
    super('TRIAGE_INVALID_REQUEST', `${what}: ${Array.from(issues, describeIssue).join('; ')}`, subject)
    this.issues = issues
    whats.set(this, what)
  }
}

/** In which words each of them says it. */
const whats = new WeakMap<InvalidRequestError, string>()

/** The same, about a request. */
export function invalidAbout(error: InvalidRequestError, subject: ErrorSubject): InvalidRequestError {
  return new InvalidRequestError(error.issues, subject, whats.get(error))
}

/** The executor is draining or closed: it admits nothing any more. */
export class QueueClosedError extends NotAdmittedError {
  declare readonly code: 'TRIAGE_QUEUE_CLOSED'
  constructor(subject?: ErrorSubject) {
    super('TRIAGE_QUEUE_CLOSED', 'The executor is closed and admits no more requests', subject)
  }
}

/**
 * Why it may not share the run of the live request with its id: `'live'`, none may (`onDuplicate: 'reject'`); `'payload'`,
 * only an equal one may (`'join'`), and its payload is another; `'completed'`, it has ended, its answer is kept in the store, and
 * none may share that (`'reject'`).
 */
export type DuplicateReason = 'live' | 'payload' | 'completed'

/** A request with this id is live, or its answer is kept, and this one may not share it. */
export class DuplicateRequestError extends NotAdmittedError {
  declare readonly code: 'TRIAGE_DUPLICATE_REQUEST'
  readonly reason: DuplicateReason

  constructor(subject: ErrorSubject, reason: DuplicateReason = 'live', hasEnded = reason === 'completed') {
    const other = reason === 'payload' ? ', with another payload' : ''
    const how = hasEnded ? 'has completed' : 'is live'
    super('TRIAGE_DUPLICATE_REQUEST', `A request with the id '${subject.requestId}' ${how} already${other}`, subject)
    this.reason = reason
  }

  override get statusCode(): number {
    return this.reason === 'payload' ? 422 : super.statusCode
  }
}

/** It ended while it waited: `waitTimeoutMs`, `timeoutMs` or its `deadline` was over before a slot was free. */
export class WaitTimeoutError extends TriageError {
  declare readonly code: 'TRIAGE_WAIT_TIMEOUT'
  /** How long it waited, in ms. */
  readonly waitedMs: number
  /** The timeout that was over, in ms; 0 for a deadline that was over before it could start. */
  readonly timeoutMs: number

  constructor(waitedMs: number, timeoutMs: number, subject?: ErrorSubject, retryAfterMs?: number) {
    super(
      'TRIAGE_WAIT_TIMEOUT',
      timeoutMs > 0
        ? `No slot was free for it in time: waited ${round(waitedMs)} of at most ${timeoutMs} ms`
        : 'Its deadline was over before it could start',
      subject,
      { retryAfterMs, stackless: true },
    )
    this.waitedMs = waitedMs
    this.timeoutMs = timeoutMs
  }
}

/** It was admitted, then displaced by a request that goes before it (`whenFull: 'shed'`). */
export class ShedError extends TriageError {
  declare readonly code: 'TRIAGE_SHED'
  /** The priority of the request that took its place. */
  readonly displacedBy: Priority

  constructor(displacedBy: Priority, subject?: ErrorSubject, retryAfterMs?: number) {
    super(
      'TRIAGE_SHED',
      `Displaced from a full queue by a request of priority '${displacedBy}' that goes before it`,
      subject,
      {
        retryAfterMs,
        stackless: true,
      },
    )
    this.displacedBy = displacedBy
  }
}

/** It ended while it ran: `runTimeoutMs` or `timeoutMs` was over. Its signal is aborted with this very error. */
export class RunTimeoutError extends TriageError {
  declare readonly code: 'TRIAGE_RUN_TIMEOUT'
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

/**
 * Who has cancelled it: the caller, by its `'handle'`; somebody by its `'id'`, or by `'clear'`; the `'close'` of the executor; the
 * failure of a request that it was to come `'after'`; or the `'order'`, which has thrown when its time had come.
 */
export type CancelledBy = 'handle' | 'id' | 'clear' | 'close' | 'after' | 'order'

/** It was cancelled: `by` says by whom. The reason, if one was given, is the `cause`. */
export class CancelledError extends TriageError {
  declare readonly code: 'TRIAGE_CANCELLED'
  readonly by: CancelledBy
  /** What the canceller gave as the reason. */
  readonly reason: unknown

  constructor(reason?: unknown, subject?: ErrorSubject, by: CancelledBy = 'handle') {
    super('TRIAGE_CANCELLED', reason === undefined ? 'Cancelled' : `Cancelled: ${describe(reason)}`, subject, {
      cause: reason,
      stackless: true,
    })
    this.reason = reason
    this.by = by
  }

  /** 409: somebody wanted it so. 503 when the executor was closed: another instance may serve it. */
  override get statusCode(): number {
    return this.by === 'close' ? 503 : super.statusCode
  }
}

/** An option is not what it must be. Nothing was changed. */
export class OptionsError extends TriageError {
  declare readonly code: 'TRIAGE_INVALID_OPTIONS'
  /** Which option, as a path: `'maxQueueSize.low'`. */
  readonly path: string
  /** What it must be: `'an integer of at least 1'`. */
  readonly expected: string
  /** What was given. */
  readonly received: unknown

  constructor(
    path: string,
    expected: string,
    received: unknown,
    subject?: ErrorSubject,
    message = misfitMessage(path, expected, received),
  ) {
    super('TRIAGE_INVALID_OPTIONS', message, subject)
    this.path = path
    this.expected = expected
    this.received = received
  }
}

/** What is said of an option that is not what it must be. */
export function misfitMessage(path: string, expected: string, received: unknown): string {
  return `Option '${path}': expected ${expected}, got ${describe(received)}`
}

/** With `debug: true`: the queue has broken one of its own laws. A bug of ours; please report it with `state`. */
export class InvariantError extends TriageError {
  declare readonly code: 'TRIAGE_INVARIANT'
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

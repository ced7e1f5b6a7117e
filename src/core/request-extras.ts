/**
 * What only some requests have: a signal, a timeout of their own, a handle, a delay. A plain request has none of it.
 */
import type { Claim } from './claim.ts'
import type { NotRetried } from './queued-request.ts'
import type { State } from './request-state.ts'
import type { Stored } from './stored.ts'

/** Of how many attempts the errors are kept: the last ones. */
const MAX_ERRORS = 10
const NO_ERRORS: readonly unknown[] = []

/** The time limits of a kind of work, in ms: those of its requests that bring none of their own. */
export interface KindLimits {
  readonly waitTimeoutMs?: number | undefined
  readonly runTimeoutMs?: number | undefined
  readonly timeoutMs?: number | undefined
}

/** For requests that start later than at once, or again, or have a deadline. */
export class Later {
  /** How often it has been tried, the present attempt included. */
  attempt = 1
  /** When it may come to the queue, in ms on the clock, whose time may be negative. */
  startAt = Number.NEGATIVE_INFINITY
  /** What must have settled before. */
  after: readonly unknown[] | undefined = undefined
  /** Its deadline, in ms on the clock: by then it must be over, whenever it may start. */
  deadlineAt = Number.POSITIVE_INFINITY
  /** When it might start at the earliest, once it is admitted. */
  timedFrom = Number.NEGATIVE_INFINITY
  /** Its place among those who are held out of the queue. */
  hold: unknown = undefined
  /** Its place among those of its tier that may start later. */
  place: unknown = undefined
  /** The requests that it waits for, by `after`; and how many live ones wait for it so. */
  awaits: readonly { later(): Later }[] = []
  awaitedBy = 0
  /** What it takes when it starts; undefined: nothing, or nobody has asked yet. */
  claims: readonly Claim[] | undefined = undefined
  /** Its place among those who wait for the same tokens, while it is set aside for them. */
  aside: unknown = undefined
  /** What its earlier attempts have failed with: the last ones, so that there is room for one more. */
  errors = NO_ERRORS
  notRetried: NotRetried | undefined = undefined
  /** When the time of those who shared its run was over, once all of them have left. */
  wantedUntil: number | undefined = undefined
  /** Which of the kinds of work of its executor it is; undefined: that of the executor itself. */
  kind: string | undefined = undefined
  /** What becomes of it when its id is live, if it says so itself. */
  onDuplicate: string | undefined = undefined

  /** An attempt has failed, and there will be another. */
  remember(error: unknown): void {
    this.errors = [...this.errors.slice(2 - MAX_ERRORS), error]
  }
}

/** What only some requests have; made when the first of it is needed. */
export class Extras {
  /** Many requests share it, and only read it; the first to write takes a copy, by `more()`. */
  isShared = false
  id: string | undefined = undefined
  /** The id was given by the caller, so that it counts as an idempotency key. */
  ownId = false
  signal: AbortSignal | undefined = undefined
  metadata: unknown = undefined
  /** What the store of its executor keeps of it. */
  stored: Stored | undefined = undefined
  /** How many slots its run takes. */
  cost = 1
  /** Timeouts of its own, in ms; undefined: those of its priority. */
  waitTimeoutMs: number | undefined = undefined
  runTimeoutMs: number | undefined = undefined
  timeoutMs: number | undefined = undefined
  /** `submit()`'s promise that it is admitted. */
  admission: { resolve(handle: never): void; reject(error: unknown): void } | undefined = undefined
  /** It comes by `offer()`: admitted at once, or not at all. */
  nowOrNever = false
  /** What only those have that start later, or again, or have a deadline. */
  later: Later | undefined = undefined
  /** The slot that it runs in. */
  slot: unknown = undefined
  /** Callers who joined it by its id. */
  joined: Set<unknown> | undefined = undefined
  /** The one who submitted it has left, while others who joined still wait for it. */
  left: State | undefined = undefined
  /** A handle was given out: the outcome is kept for whoever reads `result` later. */
  kept = false
  result: Promise<unknown> | undefined = undefined
  value: unknown = undefined
  startedAt: number | undefined = undefined
  endedAt: number | undefined = undefined

  /** Has it exactly these timeouts? */
  limits(waitTimeoutMs: number | undefined, runTimeoutMs: number | undefined, timeoutMs: number | undefined): boolean {
    return this.waitTimeoutMs === waitTimeoutMs && this.runTimeoutMs === runTimeoutMs && this.timeoutMs === timeoutMs
  }
}

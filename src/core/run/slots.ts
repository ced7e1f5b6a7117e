/**
 * Where a request runs: a fixed number of async slots around the executor. Step 4 of 7.
 *
 * A slot is truthful: it is busy from the call of the executor until that call has settled, whatever its caller was
 * told meanwhile. So no more calls run than there are slots, also when runs time out or are cancelled. A slot whose run
 * is over its deadline is *stuck* until its call settles; `onStuck: 'replace'` grants substitutes, up to a cap.
 *
 * A slot is handed over, not freed and taken again: when its call settles it asks for the next request while it still
 * counts as busy, and no newcomer can get in between.
 */
import type { RequestRecord } from '../queued-request.ts'
import { Inside } from './inside.ts'
import { Run, type RunContext } from './run-context.ts'

/** The user's function behind the queue. What it throws or rejects with reaches the caller untouched. */
export type Executor<Req, Res> = (request: Req, run: RunContext) => Res | PromiseLike<Res>

/** What to do about a slot whose run is over its deadline and has not settled. */
export type StuckPolicy = 'hold' | 'replace'

/** One slot, as it is now. */
export interface WorkerHealth {
  readonly slot: number
  /** False while its run is over its deadline and has not settled. */
  readonly healthy: boolean
  /** Calls that have settled, and how many of them with an error. */
  readonly totalProcessed: number
  readonly totalErrors: number
  /** The id of the request that it runs, or null. */
  readonly currentRequest: string | null
  /** Since when it has run it, in ms on the executor's clock, or null. */
  readonly since: number | null
}

/** Whoever feeds the pool: the executor, which knows the queue and the callers. */
export interface PoolHost {
  /** The next request for a slot that is about to be free; undefined: none now. */
  next(): RequestRecord | undefined
  /** A request is about to run until `deadline` at the most. False: it has been ended meanwhile, and must not run. */
  starting(record: RequestRecord): boolean
  /** When its run must be over, in ms on the clock; and when the whole request. */
  deadlineOf(record: RequestRecord, startedAt: number): number
  latestOf(record: RequestRecord): number
  /** Its call has settled. The slot is still held. */
  settled(record: RequestRecord, ok: boolean, value: unknown, startedAt: number, now: number): void
  /** A slot was let go. */
  vacated(): void
  /** A run is over its deadline, and its call has not settled: answer its caller. */
  overdue(record: RequestRecord, startedAt: number, now: number): void
  /** So its slot is stuck, until the call settles. */
  stuck(record: RequestRecord, slot: number, startedAt: number, now: number): void
  /** The loop of synchronous runs has taken long: go on in another turn of the event loop. */
  pauseForOthers(): void
  /** The instant of this burst, and the time right now. */
  now(): number
  read(): number
}

/** For how long synchronous executors may keep the event loop to themselves, in ms. */
const TURN_MS = 10

// Looked up once: a promise with a `then` of its own making must not be able to settle twice.
const { then } = Promise.prototype

class Slot {
  readonly index: number
  record: RequestRecord | undefined = undefined
  run: Run | undefined = undefined
  startedAt = 0
  deadline = Number.POSITIVE_INFINITY
  stuck = false
  replaced = false
  processed = 0
  errors = 0
  readonly fulfilled: (value: unknown) => void
  readonly rejected: (error: unknown) => void

  constructor(index: number, settled: (slot: Slot, ok: boolean, value: unknown) => void) {
    this.index = index
    this.fulfilled = (value) => settled(this, true, value)
    this.rejected = (error) => settled(this, false, error)
  }
}

/** The slots of an executor; `WorkerPool` offers them without a queue. */
export class Slots<Req, Res> {
  readonly #executor: Executor<Req, Res>
  readonly #host: PoolHost
  readonly #inside = new Inside()
  readonly #all: Slot[] = []
  // Slots that are free; the one that was freed last is taken first.
  readonly #idle: Slot[] = []
  readonly maxReplaced: number
  #limit: number
  /** Calls that have not settled. */
  active = 0
  stuck = 0
  replaced = 0

  constructor(executor: Executor<Req, Res>, host: PoolHost, limit: number, onStuck: StuckPolicy, maxReplaced: number) {
    this.#executor = executor
    this.#host = host
    this.#limit = limit
    this.maxReplaced = onStuck === 'replace' ? maxReplaced : 0
  }

  /** How many slots there are, substitutes not counted. */
  get limit(): number {
    return this.#limit
  }

  /** A smaller limit shrinks as runs end. */
  set limit(limit: number) {
    this.#limit = limit
  }

  /** How many more calls may start now. */
  get free(): number {
    return this.#limit + this.replaced - this.active
  }

  /** Is the calling code part of a run of this pool? */
  get isCalledFromInside(): boolean {
    return this.#inside.here
  }

  /** Runs a request in a free slot, and after it whatever the host has next, for as long as runs end synchronously. */
  start(record: RequestRecord): void {
    let slot = this.#idle.pop()
    if (slot === undefined) {
      slot = new Slot(this.#all.length, this.#settle)
      this.#all.push(slot)
    }
    this.active++
    this.#work(slot, record)
  }

  /** Tells a running request's executor that nobody waits for its answer any more. */
  abort(record: RequestRecord, reason: unknown): void {
    const run = this.#slotOf(record)?.run
    if (run !== undefined) Run.abort(run, reason)
  }

  /** The time of a running request is over, for a reason that only the host knows. */
  overdue(record: RequestRecord, now: number): void {
    const slot = this.#slotOf(record)
    if (slot !== undefined && !slot.stuck) this.#stick(slot, now)
  }

  /** Tells the host of each run that is over its deadline. Returns when the next one will be. */
  sweep(now: number): number {
    let next = Number.POSITIVE_INFINITY
    // The host answers callers in here, and they may do anything; but slots are only ever added at the end.
    for (let i = 0; i < this.#all.length; i++) {
      const slot = this.#all[i] as Slot
      const { record } = slot
      if (record === undefined || slot.stuck) continue
      if (slot.deadline > now) {
        if (slot.deadline < next) next = slot.deadline
        continue
      }
      this.#host.overdue(record, slot.startedAt, now)
      if (!slot.stuck) this.#stick(slot, now)
    }
    return next
  }

  /** Runs of slots that are neither free nor stuck: what a drain waits for. */
  get unsettled(): number {
    return this.active - this.stuck
  }

  health(): WorkerHealth[] {
    const health = this.#all.map((slot) => this.#healthOf(slot))
    for (let slot = health.length; slot < this.#limit; slot++) {
      health.push({ slot, healthy: true, totalProcessed: 0, totalErrors: 0, currentRequest: null, since: null })
    }
    // Slots beyond a limit that was lowered are shown for as long as they are busy.
    return health.filter((slot) => slot.slot < this.#limit || slot.currentRequest !== null)
  }

  /** The records that run now, those included whose callers were answered already. */
  *running(): Generator<RequestRecord> {
    for (const slot of this.#all) if (slot.record !== undefined) yield slot.record
  }

  #slotOf(record: RequestRecord): Slot | undefined {
    return this.#all.find((slot) => slot.record === record)
  }

  #stick(slot: Slot, now: number): void {
    slot.stuck = true
    this.stuck++
    if (this.replaced < this.maxReplaced) {
      slot.replaced = true
      this.replaced++
    }
    this.#host.stuck(slot.record as RequestRecord, slot.index, slot.startedAt, now)
  }

  #healthOf(slot: Slot): WorkerHealth {
    const busy = slot.record !== undefined
    return {
      slot: slot.index,
      healthy: !slot.stuck,
      totalProcessed: slot.processed,
      totalErrors: slot.errors,
      currentRequest: busy ? (slot.record as RequestRecord).id : null,
      since: busy ? slot.startedAt : null,
    }
  }

  #work(slot: Slot, first: RequestRecord): void {
    const host = this.#host
    let record: RequestRecord | undefined = first
    let began: number | undefined
    do {
      if (this.#call(slot, record)) return
      const now = slot.startedAt
      began ??= now
      if (now - began > TURN_MS) {
        host.pauseForOthers()
        break
      }
      record = this.free >= 0 ? host.next() : undefined
    } while (record !== undefined)
    this.#release(slot)
  }

  /** True: the call is pending, and the slot busy. False: there was no call, or it has settled already. */
  #call(slot: Slot, record: RequestRecord): boolean {
    const host = this.#host
    const startedAt = host.now()
    slot.record = record
    slot.startedAt = startedAt
    slot.deadline = host.deadlineOf(record, startedAt)
    const run = new Run(record, startedAt, Math.min(slot.deadline, host.latestOf(record)))
    slot.run = run
    if (!host.starting(record)) {
      this.#clear(slot)
      return false
    }
    let value: unknown
    let ok = true
    try {
      value = this.#inside.run(record, this.#invoke, slot, run)
      if (value === pending) return true
    } catch (error) {
      ok = false
      value = error
    }
    // A synchronous run may have taken any time: the instant of this burst is over.
    this.#finish(slot, ok, value, host.read())
    return false
  }

  // Runs in the submitter's context, the reactions to its promise included.
  readonly #invoke = (slot: Slot, run: Run): unknown => {
    const executor = this.#executor
    const value = executor((slot.record as RequestRecord).request as Req, run)
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return value
    // Anything that could be a thenable is adopted once, by the rules of promises: the first answer counts.
    then.call(Promise.resolve(value), slot.fulfilled, slot.rejected)
    return pending
  }

  readonly #settle = (slot: Slot, ok: boolean, value: unknown): void => {
    this.#finish(slot, ok, value, this.#host.now())
    const next = this.free >= 0 ? this.#host.next() : undefined
    if (next === undefined) this.#release(slot)
    else this.#work(slot, next)
  }

  #finish(slot: Slot, ok: boolean, value: unknown, now: number): void {
    const record = slot.record as RequestRecord
    const { startedAt } = slot
    slot.processed++
    if (!ok) slot.errors++
    this.#clear(slot)
    slot.startedAt = now
    this.#host.settled(record, ok, value, startedAt, now)
  }

  #clear(slot: Slot): void {
    slot.record = undefined
    slot.run = undefined
    slot.deadline = Number.POSITIVE_INFINITY
    if (!slot.stuck) return
    slot.stuck = false
    this.stuck--
    if (slot.replaced) {
      slot.replaced = false
      this.replaced--
    }
  }

  #release(slot: Slot): void {
    this.active--
    this.#idle.push(slot)
    this.#host.vacated()
  }
}

const pending = Symbol('pending')

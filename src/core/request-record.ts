/**
 * One request on its way: the record that every station reads and writes. It is also the handle of the caller who submitted it.
 *
 * The record is kept small, since there may be a million of them: what only some requests use lies in its `extras`. It holds the
 * AsyncLocalStorage context of the one who submitted: the executor and the listeners run in that.
 *
 * The file is a little long, since a record has the getters of a handle besides its fields.
 */
import { executionAsyncId } from 'node:async_hooks'
import type { Claim } from './claim.ts'
import { type Instant, soon } from './clock.ts'
import type { CloseOptions } from './close-options.ts'
import { type Framed, frameKey, inContext } from './context.ts'
import { type Priority, priorityOf } from './priority.ts'
import type { NotRetried, QueuedRequest, RunProgress } from './queued-request.ts'
import { Extras, Later } from './request-extras.ts'
import { type RequestState, State, stateName } from './request-state.ts'
import type { ErrorSubject } from './triage-error.ts'
import { QuietResource } from './without-context.ts'

/** What a run asks of the slots that it belongs to, and a record about its run. */
export interface RunOwner {
  holdUntil(run: object, promise: PromiseLike<unknown>): void
  progress(run: object, fraction: number, message: string | undefined): void
  progressOf(record: RequestRecord): RunProgress | undefined
}

/** What a record asks of the executor that it belongs to. */
export interface RecordOwner {
  /** What it is called. */
  readonly name: string
  cancel(record: RequestRecord, reason: unknown): boolean
  setPriority(record: RequestRecord, priority: Priority): boolean
  position(record: RequestRecord): number | undefined
  /** When it is over if it still waits, in ms on the clock; or Infinity. */
  waitUntil(record: RequestRecord): number
  /** When a run that began then must be over, in ms on the clock: its own time, or that of the whole request. */
  dueAt(record: RequestRecord, startedAt: number): number
  /** The time right now, in ms on the clock. */
  now(): number
  /** Where it runs. */
  slots(): RunOwner
  /** The promise of its end, for whoever asks for it: inside a run, one that knows when it is awaited. */
  watched<T>(record: RequestRecord, promise: Promise<T>): Promise<T>
  /** A record was asked for its id for the first time, and can be found by it from now on. */
  named(record: RequestRecord, id: string): void
  /** Closes the executor, for a run that may await it. */
  close(run: object, options?: CloseOptions): Promise<void>
}

export class RequestRecord<Req = unknown, Res = unknown> implements QueuedRequest<Req, Res> {
  // Every field is set in the constructor, in one order and with one kind of value: one hidden class for all records. They are
  // only declared here, since to define them first would be a call of its own.
  /** The AsyncLocalStorage context of the one who submitted it. */
  declare context: unknown
  declare request: Req
  // Fields, and not one number behind accessors: a call of a getter costs more, cold, than the 8 bytes.
  declare tier: number
  declare status: State
  declare rank: number
  declare sequence: number
  declare block: { items: never[]; start: number } | undefined
  declare arrived: Instant
  /** Its place among the deadlines. */
  declare deadline: unknown
  declare resolve: ((value: never) => void) | undefined
  declare reject: ((reason: unknown) => void) | undefined
  declare extras: Extras | undefined

  /** @param arrived the instant of its owner */
  constructor(request: Req, tier: number, arrived: Instant) {
    const resource = new QuietResource('TriageRequest', frameKey === undefined ? executionAsyncId() : 0)
    this.context = frameKey === undefined ? resource : (resource as unknown as Framed)[frameKey]
    this.request = request
    this.tier = tier
    this.status = State.ARRIVING
    this.rank = 0
    this.sequence = 0
    this.block = undefined
    this.arrived = arrived
    this.deadline = undefined
    this.resolve = undefined
    this.reject = undefined
    this.extras = undefined
  }

  get owner(): RecordOwner {
    return this.arrived.owner as RecordOwner
  }

  /** Makes the promise that the request's end will settle. */
  promise(): Promise<Res> {
    // V8 inlines all of this; `Promise.withResolvers()` is a call into the runtime, and 60 ns more.
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** The extras to write to, made now if need be. */
  more(): Extras {
    const { extras } = this
    if (extras !== undefined && !extras.isShared) return extras
    this.extras = new Extras()
    if (extras !== undefined) this.limit(extras.waitTimeoutMs, extras.runTimeoutMs, extras.timeoutMs)
    return this.extras
  }

  /** What it needs to start later, made now if need be. */
  later(): Later {
    const extras = this.more()
    if (extras.later === undefined) extras.later = new Later()
    return extras.later
  }

  /** The extras that are its own; undefined when it has none, or shares those with its timeouts. */
  own(): Extras | undefined {
    const { extras } = this
    return extras === undefined || extras.isShared ? undefined : extras
  }

  /**
   * Gives it timeouts of its own. Most requests that have some have the same, and nothing else of their own: these share
   * one object, for which a million would else have a million of 180 bytes.
   */
  limit(waitTimeoutMs: number | undefined, runTimeoutMs: number | undefined, timeoutMs: number | undefined): void {
    let { extras } = this
    if (extras === undefined) {
      if (!lastShared.limits(waitTimeoutMs, runTimeoutMs, timeoutMs)) {
        lastShared = new Extras()
        lastShared.isShared = true
      }
      extras = lastShared
      this.extras = extras
    }
    extras.waitTimeoutMs = waitTimeoutMs
    extras.runTimeoutMs = runTimeoutMs
    extras.timeoutMs = timeoutMs
  }

  get ended(): boolean {
    return this.status >= State.COMPLETED
  }

  get id(): string {
    const extras = this.more()
    if (extras.id === undefined) {
      extras.id = nextId()
      if (!this.ended) this.owner.named(this as RequestRecord, extras.id)
    }
    return extras.id
  }

  /** The id for the error that ends it. Nobody needs to find it by that any more: a Map would cost 1 µs. */
  get lastId(): string {
    const extras = this.more()
    if (extras.id === undefined) extras.id = nextId()
    return extras.id
  }

  get priority(): Priority {
    return priorityOf(this.tier)
  }

  get state(): RequestState {
    const left = this.extras?.left
    return left === undefined ? this.stateOfAll : stateName(left)
  }

  /** For all who share it. */
  get stateOfAll(): RequestState {
    const stored = this.extras?.stored
    if (stored !== undefined) {
      if (stored.isUntold) return 'running'
      if (this.status === State.STARTING) return 'starting'
      if (!stored.isKept && this.status >= State.WAITING && !this.ended) return 'storing'
    }
    return this.status === State.HELD && this.attempt === 1 ? 'waiting' : stateName(this.status)
  }

  get metadata(): unknown {
    return this.extras?.metadata
  }

  /** How many slots its run takes. */
  get cost(): number {
    const { extras } = this
    return extras === undefined ? 1 : extras.cost
  }

  /** Which attempt it is, or will be: 1 for the first. */
  get attempt(): number {
    const { extras } = this
    return extras === undefined || extras.later === undefined ? 1 : extras.later.attempt
  }

  /** How many attempts were begun in all, with so many of them here: a store may know of more, of former lives of the process. */
  attemptsWith(here = this.attempt): number {
    return here + (this.extras?.stored?.before ?? 0)
  }

  /** What its attempts have failed with, the last of them: this one included. */
  errorsWith(error: unknown): unknown[] {
    const { extras } = this
    return [...(extras?.later?.errors ?? []), error]
  }

  get notRetried(): NotRetried | undefined {
    return this.extras?.later?.notRetried
  }

  get enqueuedAt(): number {
    return this.arrived.at
  }

  /** From when its wait and its timeouts count: its submission or, if that was later, when it might start. */
  get timedFrom(): number {
    const { extras, arrived } = this
    return extras === undefined || extras.later === undefined
      ? arrived.at
      : Math.max(extras.later.timedFrom, arrived.at)
  }

  get delayMs(): number {
    return this.timedFrom - this.enqueuedAt
  }

  get waitUntil(): number {
    return this.owner.waitUntil(this as RequestRecord)
  }

  get startedAt(): number | undefined {
    return this.extras?.startedAt
  }

  get endedAt(): number | undefined {
    return this.extras?.endedAt
  }

  get progress(): RunProgress | undefined {
    return this.#hasLeft ? undefined : this.progressOfAll
  }

  /** For all who share it. */
  get progressOfAll(): RunProgress | undefined {
    return this.status === State.RUNNING ? this.owner.slots().progressOf(this as RequestRecord) : undefined
  }

  get result(): Promise<Res> {
    const extras = this.more()
    if (extras.result === undefined) {
      const end = extras.left ?? this.status
      const { resolve } = this
      const reject = rejecterOf(this as RequestRecord)
      // The promise of `execute()` stays, when somebody else reads this one through `get(id)`.
      extras.result = new Promise((resolveResult, rejectResult) => {
        this.resolve = tellsBoth(resolve, resolveResult)
        this.reject = tellsBoth(reject, rejectResult)
      })
      // It is told when it is recorded.
      if (extras.stored?.isUntold) return this.owner.watched(this as RequestRecord, extras.result as Promise<Res>)
      if (end === State.COMPLETED) this.resolve?.(extras.value as never)
      else if (end > State.COMPLETED) this.reject?.(extras.value)
    }
    return this.owner.watched(this as RequestRecord, extras.result as Promise<Res>)
  }

  /** Who submitted it has left; it goes on for others who share it. */
  get #hasLeft(): boolean {
    return this.extras?.left !== undefined
  }

  /** Calls a function in the context of the one who submitted it. */
  runInAsyncScope<A, B, C, T>(call: (a: A, b: B, c: C) => T, self?: unknown, a?: A, b?: B, c?: C): T {
    return inContext(this.context, call, self, a as A, b as B, c as C)
  }

  get stored(): Promise<void> {
    return this.extras?.stored?.promise() ?? soon
  }

  cancel(reason?: unknown): boolean {
    return this.owner.cancel(this as RequestRecord, reason)
  }

  setPriority(priority: Priority): boolean {
    return !this.#hasLeft && this.owner.setPriority(this as RequestRecord, priority)
  }

  position(): number | undefined {
    return this.#hasLeft ? undefined : this.owner.position(this)
  }
}

/** What an error says of a request. It does not make an id for one that has none and is not admitted. */
export function subjectOf(record: RequestRecord): ErrorSubject {
  const admitted = record.status > State.BLOCKED
  return {
    queue: record.owner.name,
    requestId: admitted ? record.lastId : record.extras?.id,
    priority: record.priority,
    started: record.attempt > 1 || (record.status >= State.RUNNING && record.status < State.SHED),
  }
}

/** Was it to start later than at once when it came? Then it needs a place in the queue, though a slot is free. */
export function startsLater({ extras, enqueuedAt }: RequestRecord): boolean {
  const later = extras === undefined ? undefined : extras.later
  return later !== undefined && (later.after !== undefined || later.startAt > enqueuedAt)
}

/** Does another request wait for it by `after`? Asked about those that are held, or set aside. */
export function isAwaited(record: RequestRecord): boolean {
  return record.later().awaitedBy > 0
}

/** What it takes when it starts; undefined: nothing. */
export function claimsOf({ extras }: RequestRecord): readonly Claim[] | undefined {
  return extras === undefined || extras.later === undefined ? undefined : extras.later.claims
}

/** Resolved with it, a promise is rejected: so a request keeps one of the two functions of its promise, which is 64 bytes less. */
class Rejection {
  readonly #error: unknown

  constructor(error: unknown) {
    this.#error = error
  }

  // biome-ignore lint/suspicious/noThenProperty: it is one
  then(_resolve: unknown, reject: (error: unknown) => void): void {
    reject(this.#error)
  }
}

/** What rejects the promise of whoever waits for it; undefined: nobody does. */
export function rejecterOf({ resolve, reject }: RequestRecord): ((error: unknown) => void) | undefined {
  return resolve === undefined || reject !== undefined ? reject : (error) => resolve(new Rejection(error) as never)
}

/** Settles a promise that exists already, if there is one, and then another. */
export function tellsBoth<T>(first: ((end: T) => void) | undefined, second: (end: T) => void): (end: T) => void {
  if (first === undefined) return second
  return (end) => {
    first(end)
    second(end)
  }
}

let lastShared = new Extras()
lastShared.isShared = true

const idPrefix = crypto.randomUUID().slice(0, 8)
let idCounter = 0

function nextId(): string {
  return `${idPrefix}-${++idCounter}`
}

/**
 * The handle of a caller who joined a live request by its id: a share in somebody else's run. Step 6 of 7.
 *
 * The record is the work; each caller who joined has a promise, a signal and timeouts of its own, and may leave without
 * hurting the others. When the last one leaves, the request itself is ended.
 */
import type { Priority } from '../priority.ts'
import type { NotRetried, QueuedRequest, RunProgress } from '../queued-request.ts'
import { type RequestRecord, rejecterOf, tellsBoth } from '../request-record.ts'
import { type RequestState, State, stateName } from '../request-state.ts'

export class JoinedRequest<Req, Res> implements QueuedRequest<Req, Res> {
  /** The work; another one when that has joined in turn. */
  record: RequestRecord<Req, Res>
  readonly metadata: unknown
  readonly enqueuedAt: number
  signal: AbortSignal | undefined
  /** Its place among the deadlines. */
  deadline: unknown = undefined
  waitTimeoutMs: number
  timeoutMs: number
  /** `submit()`'s promise that the request which it joined is admitted. */
  admission: { resolve(handle: never): void; reject(error: unknown): void } | undefined
  /** How it left, if it left before the request ended. */
  left: State | undefined = undefined
  readonly #leave: (joined: JoinedRequest<Req, Res>, reason: unknown) => boolean
  #endedAt: number | undefined = undefined
  #value: unknown = undefined
  // Those of the promise of `execute()`, if it came by that.
  #resolve: ((value: never) => void) | undefined
  #reject: ((reason: unknown) => void) | undefined
  #result: Promise<Res> | undefined = undefined

  constructor(
    record: RequestRecord<Req, Res>,
    newcomer: RequestRecord<Req, Res>,
    waitTimeoutMs: number,
    timeoutMs: number,
    cancel: (joined: JoinedRequest<Req, Res>, reason: unknown) => boolean,
  ) {
    this.record = record
    this.metadata = newcomer.metadata
    this.enqueuedAt = newcomer.enqueuedAt
    this.signal = newcomer.extras?.signal
    this.waitTimeoutMs = waitTimeoutMs
    this.timeoutMs = timeoutMs
    this.admission = newcomer.extras?.admission
    this.#leave = cancel
    this.#resolve = newcomer.resolve
    this.#reject = rejecterOf(newcomer as RequestRecord)
  }

  get id(): string {
    return this.record.id
  }

  get request(): Req {
    return this.record.request
  }

  get priority(): Priority {
    return this.record.priority
  }

  get state(): RequestState {
    return this.left === undefined ? this.record.stateOfAll : stateName(this.left)
  }

  /** When it is over for this caller if it still waits. */
  get waitUntil(): number {
    return this.enqueuedAt + Math.min(this.waitTimeoutMs, this.timeoutMs)
  }

  /** Its own time counts from its own submission. */
  get timedFrom(): number {
    return this.enqueuedAt
  }

  get delayMs(): number {
    return this.record.delayMs
  }

  get notRetried(): NotRetried | undefined {
    return this.record.notRetried
  }

  get startedAt(): number | undefined {
    return this.record.startedAt
  }

  get endedAt(): number | undefined {
    return this.#endedAt
  }

  get progress(): RunProgress | undefined {
    return this.left === undefined ? this.record.progressOfAll : undefined
  }

  get result(): Promise<Res> {
    if (this.#result === undefined) {
      this.#result = new Promise((resolve, reject) => {
        this.#resolve = tellsBoth(this.#resolve, resolve)
        this.#reject = tellsBoth(this.#reject, reject)
      })
      if (this.#endedAt !== undefined) this.#tell()
    }
    return this.#result
  }

  get stored(): Promise<void> {
    return this.record.stored
  }

  cancel(reason?: unknown): boolean {
    return this.#leave(this, reason)
  }

  setPriority(priority: Priority): boolean {
    return this.left === undefined && this.record.owner.setPriority(this.record, priority)
  }

  position(): number | undefined {
    return this.left === undefined ? this.record.owner.position(this.record) : undefined
  }

  /** Its end: the request's own, or that it left. */
  end(value: unknown, endedAt: number, left?: State): void {
    this.left = left
    this.signal = undefined
    this.#endedAt = endedAt
    this.#value = value
    this.#tell()
  }

  #tell(): void {
    const state = this.left ?? this.record.status
    if (state === State.COMPLETED) this.#resolve?.(this.#value as never)
    else this.#reject?.(this.#value)
  }
}

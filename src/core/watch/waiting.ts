/**
 * What waits? A view of each request that was admitted and has no slot, to be read and not to be changed. Step 7 of 7.
 */
import type { Priority } from '../priority.ts'
import type { RequestRecord } from '../request-record.ts'
import { type RequestState, State } from '../request-state.ts'

/** A request that waits, as `waiting()` and `clear()` show it. It says what is so when it is read. */
export interface WaitingRequest<Req = unknown, Metadata = unknown> {
  /** The caller's own id, or one made when it is first read. */
  readonly id: string
  /** The payload itself: no copy. */
  readonly request: Req
  readonly priority: Priority
  /** `'waiting'`, or `'retrying'` while it backs off before another attempt. */
  readonly state: RequestState
  readonly metadata: Metadata
  /** Which attempt it waits for: 1, until it has failed. */
  readonly attempt: number
  /** How many slots its run will take. */
  readonly cost: number
  /** When it was submitted, in ms on the executor's clock. */
  readonly enqueuedAt: number
  /** For how long it is put off, in ms. */
  readonly delayMs: number
  /** How long it has waited since it might start, in ms: earlier attempts are in it. */
  readonly waitMs: number
  /** How many would start before it: 0 is next. Undefined while it is not in the queue yet, or not again. */
  position(): number | undefined
}

/** Does it wait, in the queue or out of it? */
export function isWaiting({ status }: RequestRecord): boolean {
  return status >= State.WAITING && status <= State.ASIDE
}

export function viewOf<Req, Metadata>(record: RequestRecord): WaitingRequest<Req, Metadata> {
  return new View<Req, Metadata>(record)
}

class View<Req, Metadata> implements WaitingRequest<Req, Metadata> {
  readonly #record: RequestRecord

  constructor(record: RequestRecord) {
    this.#record = record
  }

  get id(): string {
    return this.#record.id
  }

  get request(): Req {
    return this.#record.request as Req
  }

  get priority(): Priority {
    return this.#record.priority
  }

  get state(): RequestState {
    return this.#record.stateOfAll
  }

  get metadata(): Metadata {
    return this.#record.metadata as Metadata
  }

  get attempt(): number {
    return this.#record.attemptsWith()
  }

  get cost(): number {
    return this.#record.cost
  }

  get enqueuedAt(): number {
    return this.#record.enqueuedAt
  }

  get delayMs(): number {
    return this.#record.delayMs
  }

  get waitMs(): number {
    return Math.max(this.#record.owner.now() - this.#record.timedFrom, 0)
  }

  position(): number | undefined {
    return this.#record.owner.position(this.#record)
  }
}

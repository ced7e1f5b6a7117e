/**
 * What is between an executor and its store. Types only: the stations ask, and `keep/keeper.ts` answers. An executor without a
 * store has none of it, and asks nothing.
 */
import type { RequestRecord } from './request-record.ts'
import type { State } from './request-state.ts'
import type { Encoded, StoredView, StoreStatus } from './store.ts'

/** When a run began, and in which slot. */
export interface RunOf {
  readonly startedAt: number
  readonly index?: number
}

/** What an executor says of its store. */
export interface KeptStatus extends StoreStatus {
  /** Requests that are not admitted yet, since they are not recorded. */
  readonly storing: number
  /** Does what was kept still come back? Nothing starts before. */
  readonly recovering: boolean
  /** How many have come back. */
  readonly recovered: number
  /** How many stay in the store for the next start, since the executor has closed. */
  readonly parked: number
  /** Requests in the store whose kind nobody handles here. */
  readonly unhandled: readonly { readonly kind: string; readonly live: number }[]
}

/** What an executor asks of the one that keeps its requests. */
export interface Keeper {
  /** The disk does not do what it should. */
  readonly isDown: boolean
  /** When the next answer has waited long enough for its record, in ms on the clock; Infinity: none waits. */
  readonly nextDueAt: number
  status(): KeptStatus
  /** One arrives. @throws for what it can't keep */
  takes(record: RequestRecord): void
  /** Have these the same payload? Undefined: it keeps neither. */
  isSame(one: RequestRecord, other: RequestRecord): boolean | undefined
  /** It has its place: it is admitted as soon as it is recorded. */
  stores(record: RequestRecord): void
  /** It has its slot: `go` is called when the beginning of its attempt is recorded, or when it has ended. */
  waits(record: RequestRecord, go: () => void): void
  /** An attempt has failed, and there will be another. */
  retries(record: RequestRecord, error: unknown, delayMs: number): void
  /** It has another priority. */
  moved(record: RequestRecord): void
  /** @param isChange it was not so before */
  paused(isPaused: boolean, isChange?: boolean): void
  /** It is closed, and this one stays in the store: what its caller is told. Undefined: it does not stay. */
  parks(record: RequestRecord): unknown
  /** Has its end to be recorded before it is told? */
  defers(record: RequestRecord): boolean
  /** It has ended: everyone is told, now or when it is recorded. */
  ended(record: RequestRecord, value: unknown, from: State, run: RunOf | undefined): void
  /** It was told what its caller may not wait for any longer. */
  ring(now: number): void
  /** What was ended, changed or parked is on its way. */
  flushed(): Promise<void>
  /** The youngest record with this id, live or kept. */
  find(id: string): Promise<StoredView | undefined>
  /** What was encoded. */
  decode(encoded: Encoded): unknown
  /** Gives a dead letter a new life here. False: there is none. */
  requeue(id: string, generation: number | undefined): Promise<boolean>
  /** Forgets a dead letter. False: there is none. */
  discard(id: string, generation: number | undefined): Promise<boolean>
  /** The executor begins to close: without drain nobody waits for what has not come back. */
  shuts(): void
  /** The executor has closed. */
  leaves(): Promise<void>
}

/** What it is lent by the engine besides its parts. */
export interface KeeperMeans {
  /** Whose its records are. */
  readonly owner: object
  /** For those that are due some time. */
  readonly line: Line
  /** Looks at a request with the schema, if there is one. */
  inspect(request: unknown): Promise<{ readonly request: unknown } | { readonly error: unknown }>
}

/** Those that are due some time, the next one first. */
export interface Line {
  readonly nextDueAt: number
  set(due: () => void, dueAt: number): unknown
  clear(place: never): void
  takeDue(now: number): (() => void) | undefined
}

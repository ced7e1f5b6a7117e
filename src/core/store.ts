/**
 * What does an executor ask of a store, and what may it rely on? Types only: each store is a file, or a subpath, of its own.
 *
 * The model. A store holds, for each queue by name, three sets of records:
 *
 *     live ──▶ ended   completed, expired, cancelled, shed: kept for a while, by `keep`
 *       ▲  └─▶ dead    failed for good, crashed, corrupt: kept with the request, to be looked at and requeued
 *       └──────┘       requeue: a new life
 *
 * Each life has a number, `seq`: greater than that of every life before it, in all queues of the store. It is the order of
 * arrival, and the generation of the id: an id may be used again after its end, and then has another `seq`.
 *
 * What is handed to a store takes effect in the order in which it is handed over. A promise fulfils when what was handed over
 * is committed: a durable store has it after a SIGKILL, and after a power cut, too. There are two kinds:
 *
 * - A **question** (`admitted`, `begins`, `requeue`): the caller must not go on before it is committed. If it can't be
 *   committed, it is refused with a `StoreUnavailableError`, and has never happened: nothing is left of it once the store
 *   answers again.
 * - A **fact** (`attemptEnded`, `ended`, `changed`, `paused`): it has happened, whatever the store says. It is kept in memory
 *   while the disk is gone, and written as soon as it is back. Its promise rejects only if the store closes before that.
 *
 * Each fact is absolute ("attempt 2 has begun", never "one attempt more"), so that the same fact twice is no harm.
 *
 * An attempt that has begun, and of which no end was ever recorded, is a crash. A request with as many crashes as `maxAttempts`
 * is a dead letter when its queue is opened again, `reason: 'crashed'`: one poisonous request can't take a service down for ever.
 *
 * A store must not call the executor, and throws only where that is said. What it is told of is told in the middle of a step.
 *
 * Times are wall-clock times, in ms since 1970, since they outlive the process. Whoever reads them clamps them.
 *
 * The file is a little long: it is one contract, and has no code.
 */
import type { Priority } from './priority.ts'
import type { Outcome } from './request-state.ts'

/** A payload, a result or metadata as a store keeps it: JSON, the bytes of another codec, or, in memory, the value itself. */
export type Encoded = string | Uint8Array | Unencoded

/** A value that was not encoded. In an object, so that a string is always JSON, and bytes are always those of a codec. */
export interface Unencoded {
  readonly value: unknown
}

/** What a request may ask for, besides its priority, its start and its payload. */
export interface StoredLimits {
  readonly cost?: number | undefined
  /** In ms, as they were given. What remains of them is counted from `submittedAt`, or from `startAt` where that is later. */
  readonly waitTimeoutMs?: number | undefined
  readonly runTimeoutMs?: number | undefined
  readonly timeoutMs?: number | undefined
  /** When it must be over, in ms since 1970. */
  readonly deadlineAt?: number | undefined
  /** The ids of those that must have ended before. */
  readonly after?: readonly string[] | undefined
  /** What `fairBy()` or a rate tells it apart by, for whoever looks at it. */
  readonly key?: string | undefined
}

/** What is recorded of a request when it is admitted. */
export interface NewRecord {
  /** From `nextSeq()`, taken in the order of arrival. */
  readonly seq: number
  readonly id: string
  /** The id is the caller's own, so that it is an idempotency key. Of another one, the store need not look whether it is known. */
  readonly isKey: boolean
  readonly kind?: string | undefined
  readonly priority: Priority
  /** From `encode()`. */
  readonly payload: Encoded
  readonly metadata?: Encoded | undefined
  readonly submittedAt: number
  /** It is not to start before. */
  readonly startAt?: number | undefined
  readonly limits: StoredLimits
  /** It has met a free slot: its first attempt is committed together with it, and began at this time. */
  readonly startedAt?: number | undefined
}

/**
 * What has become of an admission:
 * - `'stored'`: it is live.
 * - `'known'`: nothing was stored, since this id and payload have completed, and the answer is kept. `result` is undefined when
 *   it could not be encoded; `omitted` then says why.
 * - `'live'`: nothing was stored, since a request with this id is live. The executor knows of those that are in memory, so it is
 *   one that it does not handle.
 * - `'payload'`: nothing was stored, since a request with this id is live or has completed, and its payload is another.
 */
export type Admission =
  | { readonly as: 'stored' }
  | {
      readonly as: 'known'
      readonly seq: number
      readonly result: Encoded | undefined
      readonly omitted?: string | undefined
    }
  | { readonly as: 'live'; readonly seq: number }
  | { readonly as: 'payload'; readonly seq: number; readonly isLive: boolean }

/** How an attempt ended that was not the last one of its request. */
export interface AttemptEnd {
  /** What it has failed with; left out for one that was parked, since that is no failure. */
  readonly error?: unknown
  /** The next attempt is not to start before. */
  readonly retryAt?: number | undefined
}

/** How a request ended. */
export interface StoredEnd {
  readonly outcome: Outcome
  readonly endedAt: number
  /** How many attempts were begun, in all lives of the process. */
  readonly attempts: number
  readonly startedAt?: number | undefined
  readonly waitMs?: number | undefined
  readonly runMs?: number | undefined
  /** The slot of its last run. */
  readonly slot?: number | undefined
  /** The answer of a completed one, as it is. One that can't be encoded is left out of the record, which says why. */
  readonly result?: unknown
  /** What another one ended with. */
  readonly error?: unknown
  /** It goes to the dead letters, as one that has failed always does. Default: false. */
  readonly isDead?: boolean | undefined
}

/** What may change while it is live. */
export interface StoredChange {
  readonly priority?: Priority | undefined
  /** Null: at once. */
  readonly startAt?: number | null | undefined
  readonly limits?: StoredLimits | undefined
}

/** A live record, as a store gives it back. */
export interface LiveRecord extends Omit<NewRecord, 'startedAt'> {
  /** How many attempts were begun. */
  readonly attempts: number
  /** How many of those never had an end recorded. */
  readonly crashes: number
  readonly startedAt: number | undefined
}

/** The next live records of a queue, in the order of arrival. */
export interface RecoveredPage {
  readonly records: readonly LiveRecord[]
  /** Where to go on: `after` of the next call. Undefined: there are no more. */
  readonly next: number | undefined
  /** Was the queue paused? */
  readonly isPaused: boolean
}

/** Why a request is a dead letter. */
export type DeadReason = 'failed' | 'expired' | 'crashed' | 'corrupt'

/** What a store says of an error: plain, and bounded. */
export interface StoredError {
  readonly name: string
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly stack?: string | undefined
}

/** The state of a record. A live one's is what the records say; whoever has the request in memory knows better. */
export type StoredState = 'held' | 'waiting' | 'running' | Exclude<Outcome, 'failed'> | 'dead'

/** A record as it is shown. The request itself and its answer are read by `payload()` and `result()`, each time anew. */
export interface StoredView {
  readonly id: string
  readonly queue: string
  readonly kind: string | undefined
  readonly state: StoredState
  readonly priority: Priority
  /** Its `seq`. */
  readonly generation: number
  readonly attempts: number
  readonly crashes: number
  readonly key: string | undefined
  readonly submittedAt: number
  readonly startAt: number | undefined
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
  readonly waitMs: number | undefined
  readonly runMs: number | undefined
  readonly slot: number | undefined
  readonly error: StoredError | undefined
  /** Of a dead one. */
  readonly reason: DeadReason | undefined
  /** Why the answer of a completed one was not kept; undefined: it was. */
  readonly resultOmitted: string | undefined
  /** The encoded request; only of a live or dead one. */
  readonly payload: Encoded | undefined
  readonly result: Encoded | undefined
  readonly metadata: Encoded | undefined
}

export interface StoreQuery {
  /** `'live'` is all of held, waiting and running. Default: all. */
  readonly state?: StoredState | 'live' | undefined
  readonly priority?: Priority | undefined
  /** Those whose id begins with this. */
  readonly id?: string | undefined
  /** Those that ended with an error of this code or name. */
  readonly error?: string | undefined
  /** From the page before. */
  readonly cursor?: string | undefined
  /** At most this many, up to 1,000. Default: 100. */
  readonly limit?: number | undefined
}

/** The youngest first. */
export interface StorePage {
  readonly records: readonly StoredView[]
  readonly cursor: string | undefined
}

/** How many records there are. */
export interface StoreCounts {
  readonly live: number
  readonly completed: number
  readonly expired: number
  readonly cancelled: number
  readonly shed: number
  readonly dead: number
}

/** How many records a queue has, and how it went by the minute. */
export interface StoreStats extends StoreCounts {
  readonly isPaused: boolean
  /** The youngest last; those that are kept. A row for each minute and priority in which something happened. */
  readonly minutes: readonly StoreMinute[]
}

export interface StoreMinute {
  /** When it began. */
  readonly at: number
  readonly priority: Priority
  readonly submitted: number
  readonly completed: number
  readonly failed: number
  readonly expired: number
  readonly cancelled: number
  readonly shed: number
  /** Of those that ended in it; undefined when none had waited. */
  readonly waitP50Ms: number | undefined
  readonly waitP95Ms: number | undefined
  readonly waitP99Ms: number | undefined
  /** The greatest number that waited at a time. */
  readonly mostWaiting: number
  /**
   * How many slots were busy with requests of this priority, on average: slot-ms / 60,000. Undefined where the store does not count
   * them, as `memoryStore()`, or did not yet.
   */
  readonly slotsBusy?: number | undefined
  /** The greatest number of slots that were busy at a time, of the whole queue. */
  readonly mostSlotsBusy?: number | undefined
  /** The shard that the store belongs to. */
  readonly shard?: number | undefined
}

/** A part of a store: that of the queue of one name. Its executor alone writes here. */
export interface QueueStore {
  readonly name: string
  /**
   * The request, or what goes with it, as it will be kept. Nothing is stored yet.
   * @throws {InvalidRequestError} with the path of what would not come back as it is
   * @throws {PayloadTooLargeError}
   */
  encode(value: unknown, what: 'request' | 'metadata'): Encoded
  /** What was encoded. @throws whatever the codec throws: a record that can't be read is a dead letter, `'corrupt'` */
  decode(encoded: Encoded): unknown
  /** Takes the next number. One that is never used is no harm. */
  nextSeq(): number

  /** A question: may it live? @throws {StoreUnavailableError} through the promise: it was never admitted */
  admitted(record: NewRecord): Promise<Admission>
  /**
   * A question: attempt n begins. The function must not be called before it is committed.
   * @throws {StoreUnavailableError} through the promise: it has not begun, and may be asked again with the same n
   */
  begins(seq: number, attempt: number, startedAt: number): Promise<void>
  /** A fact: an attempt has ended, and the request lives on: it will be retried, or was parked. */
  attemptEnded(seq: number, attempt: number, end: AttemptEnd): Promise<void>
  /** A fact: it has ended. Also of one that was admitted, and of which the store does not know yet whether it is stored. */
  ended(seq: number, end: StoredEnd): Promise<void>
  /** A fact: something of a live one is another now. */
  changed(seq: number, change: StoredChange): Promise<void>
  /** A fact: the queue is paused, or is no more. */
  paused(isPaused: boolean): Promise<void>

  /**
   * The live records of this queue, in the order of arrival, page by page. The first call also counts the crashes, and makes
   * dead letters of what has crashed too often or is damaged: nothing of that is given back.
   * @param after the `next` of the page before
   * @param limit of records in a page. Default: 1,000
   */
  recover(after?: number, limit?: number): Promise<RecoveredPage>
  /** Makes a dead letter, `reason: 'corrupt'`, of one that can't be decoded. A fact. */
  unreadable(seq: number, error: unknown): Promise<void>
  /**
   * A question: gives a dead letter a new life, with a new `seq` and no attempts.
   * @param generation only this one
   * @returns undefined when there is no such letter (any more), when it is corrupt, while another request with its id is live, and
   *   while the answer of a later one with its id is kept
   */
  requeue(id: string, generation?: number): Promise<LiveRecord | undefined>
  /** Forgets a dead letter. A fact. @returns false when there is none */
  discard(id: string, generation?: number): Promise<boolean>

  /** The youngest with this id. */
  find(id: string): Promise<StoredView | undefined>
  list(query?: StoreQuery): Promise<StorePage>
  stats(): Promise<StoreStats>

  /**
   * Called with each record that was requeued through the store itself, `store.requeue()`, while this queue is open: it is live
   * and committed, and its executor must take it. Set once by the executor.
   */
  arrived: ((record: LiveRecord) => void) | undefined
  /** Gives the name free for another executor. Everything that was handed over is still written. */
  release(): void
}

/**
 * `'open'`: all is well. `'faulty'`: the disk does not answer as it should; questions are refused, facts wait, and the store
 * opens the file anew until that works. `'closed'`: it was closed, and remembers nothing any more.
 */
export type StoreState = 'open' | 'faulty' | 'closed'

export interface StoreStatus {
  readonly state: StoreState
  /** What is the matter, while it is faulty. */
  readonly error: string | undefined
  /** How much was handed over, and is not committed yet. */
  readonly pending: number
  /** Facts wait for a disk that is gone, and there are as many as may wait: start nothing new. */
  readonly isFull: boolean
  /** What was committed together, and how long a commit took, of the last 1,024 commits; undefined before the first. */
  readonly batch: { readonly p50: number; readonly p99: number } | undefined
  readonly commitMs: { readonly p50: number; readonly p99: number } | undefined
  /** On disk. 0 for a store in memory. */
  readonly bytes: number
  /** Queues with live records that no executor has opened. */
  readonly unopened: readonly { readonly queue: string; readonly live: number }[]
}

/** It is in another state, or something was found to be damaged. */
export type StoreEvent =
  | { readonly type: 'state'; readonly state: StoreState; readonly error: Error | undefined }
  | { readonly type: 'damage'; readonly damage: StoreDamage }

/** Something is lost, or might be. */
export interface StoreDamage {
  /**
   * - `'row'`: a record is not what was written; it is a dead letter now, or, if it had ended, is kept no more.
   * - `'commits'`: so many commits that were acknowledged are not in the file.
   * - `'records'`: records are missing that should be there.
   */
  readonly kind: 'row' | 'commits' | 'records'
  readonly message: string
  /** How many. */
  readonly count: number
  readonly queue?: string | undefined
  readonly id?: string | undefined
}

/** Ties an executor to a store: what it is given, and answers with, is between it and the executor. */
export type MakeKeeper = (store: Store, engine: object, means: object) => object

/** Remembers the requests of one or several executors. */
export interface Store {
  /** What an executor does with it. A store of one's own gives `keeper` of this package, as it is. */
  readonly keeper: MakeKeeper
  /** Is what it has committed there after the process has died? */
  readonly isDurable: boolean
  /** What it promises, in a few words, for `describe()`. */
  readonly promises: readonly string[]
  /**
   * The part of the executor of this name.
   * @param maxAttempts after how many crashes a request is a dead letter. Default: 3
   * @throws {OptionsError} while another executor has it
   */
  queue(name: string, options?: { readonly maxAttempts?: number | undefined }): QueueStore
  status(): StoreStatus
  /** Tells each change of state and each damage that is found from now on. @returns a function that ends it */
  watch(listener: (event: StoreEvent) => void): () => void
  /** Fulfils when all that was handed over so far is committed. @throws {StoreUnavailableError} when it closes before that */
  flushed(): Promise<void>
  /** Writes what is pending, and closes. Idempotent. @throws {StoreUnavailableError} when facts could not be written */
  close(): Promise<void>
}

/** A store as people use it, besides what an executor asks of it. */
export interface ReadableStore extends Store {
  /** The youngest with this id, live or kept; of one queue, or of all. */
  find(id: string, queue?: string): Promise<StoredView | undefined>
  /** Records, the youngest first. */
  list(query?: StoreQuery & { readonly queue?: string | undefined }): Promise<StorePage>
  stats(queue?: string): Promise<StoreStats>
  /**
   * Gives a dead letter a new life. Its executor runs it if it is open, and otherwise when it opens its queue.
   * @param options `generation`: only this one
   * @returns false when there is none (any more), when it is corrupt, while another request with its id is live, and while the
   *   answer of a later one with its id is kept
   */
  requeue(
    id: string,
    options?: { readonly queue?: string | undefined; readonly generation?: number | undefined },
  ): Promise<boolean>
  /** The request, its answer, or what goes with it, as it was before it was encoded. */
  decode(encoded: Encoded): unknown
}

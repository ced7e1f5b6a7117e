/**
 * What slots ask of the one that feeds them, and tell it. Step 4 of 7.
 *
 * The slots know neither a queue nor callers. A host has them: that of an executor (`dispatch.ts`), or a pool without a queue
 * (`worker-pool.ts`).
 */
import type { Instant } from '../clock.ts'
import type { RunProgress } from '../queued-request.ts'
import type { RequestRecord } from '../request-record.ts'

/** Whoever feeds the pool: the executor, which knows the queue and the callers. */
export interface PoolHost {
  /** The next request for a slot that is about to be free; undefined: none now. */
  next(): RequestRecord | undefined
  /** A request is about to run: fills in its times. False: it has been ended meanwhile, and must not run. */
  begin(record: RequestRecord, times: RunTimes): boolean
  /** Of one that a store keeps: it has its slot, and `go` is called when the store knows that it begins, or when it has ended. */
  waits?(record: RequestRecord, go: () => void): void
  /** Its executor was called, and has not answered yet. */
  began(times: RunTimes): void
  /** Its call has settled. The slot is still held: for the next one, or, if it is not free, until this one is `freed`. */
  settled(record: RequestRecord, ok: boolean, value: unknown, times: RunTimes, isFree: boolean): void
  freed(record: RequestRecord, times: RunTimes): void
  /** Its executor says how far it has come. */
  progressed?(record: RequestRecord, progress: RunProgress): void
  /** A slot was let go. */
  vacated(): void
  /** A run that took several slots has given back all but its own; without it, none takes several. */
  widened?(): void
  /** A run is over its deadline, and its call has not settled: answer its caller. */
  overdue(record: RequestRecord, startedAt: number, now: number): void
  /** So its slot is stuck, until the call settles. */
  stuck(record: RequestRecord, slot: number, startedAt: number, now: number): void
  /** Enough has run in a row: go on in another turn of the event loop. */
  pauseForOthers(): void
  /** A synchronous run may have taken any time: the instant of this burst is over. */
  passed(): void
  /** The instant of this burst, and its time. */
  instant(): Instant
  now(): number
}

/** When a run began, and when it must be over, in ms on the clock. Handed on as an object: numbers would be boxed. */
export interface RunTimes {
  startedAt: number
  deadline: number
  /** How many calls ran when it began, itself included. */
  inflight: number
}

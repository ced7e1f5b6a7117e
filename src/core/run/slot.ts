/**
 * One slot: what it runs, since when, and what it has run before. Step 4 of 7.
 *
 * A slot is made once, and used for one run after the other. So it has its two reactions to a promise already when a run comes,
 * and no run makes any. `slots.ts` says when it is busy.
 */
import type { AsyncResource } from 'node:async_hooks'
import type { RunProgress } from '../queued-request.ts'
import { Aside } from './aside.ts'
import type { RunTimes } from './pool-host.ts'
import type { Run } from './run-context.ts'

/** One slot, as it is now. */
export interface WorkerHealth {
  readonly slot: number
  /** False while its run is over its deadline and has not settled. */
  readonly healthy: boolean
  /** Calls that have settled, and how many of them with an error, or with one in what held the slot. */
  readonly totalProcessed: number
  readonly totalErrors: number
  /** The id of the request that it runs, or whose answer is still being read (`run.holdUntil()`), or null. */
  readonly currentRequest: string | null
  /** Since when it has run it, in ms on the executor's clock, or null. */
  readonly since: number | null
  /** How far that has come, by `run.progress()`, or null. */
  readonly progress: RunProgress | null
}

export class Slot implements RunTimes {
  readonly index: number
  /** What it runs; the run knows the record. One reference, since writing one into an old object costs 10 ns. */
  run: Run | undefined = undefined
  startedAt = 0
  deadline = Number.POSITIVE_INFINITY
  inflight = 0
  stuck = false
  /** What only some runs have. */
  aside: Aside | undefined = undefined
  /** The other slots that its run takes, and the one whose run takes this one. */
  others: Slot[] | undefined = undefined
  lentTo: Slot | undefined = undefined
  /** Its bare mark, for the runs of submitters without a context. */
  mark: AsyncResource | undefined = undefined
  /** Starts the microtask that is kept ready in that. */
  wake: (() => void) | undefined = undefined
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

/** Its aside, made now if need be. */
export function asideOf(slot: Slot): Aside {
  slot.aside ??= new Aside()
  return slot.aside
}

/** How many slots its run takes. */
export function widthOf({ others }: Slot): number {
  return others === undefined ? 1 : 1 + others.length
}

/** How it looks from outside. */
export function healthOf(slot: Slot): WorkerHealth {
  const { run, stuck, startedAt, aside } = slot.lentTo ?? slot
  return {
    slot: slot.index,
    healthy: !stuck,
    totalProcessed: slot.processed,
    totalErrors: slot.errors,
    currentRequest: run === undefined ? null : run.id,
    since: run === undefined ? null : startedAt,
    progress: aside?.progress ?? null,
  }
}

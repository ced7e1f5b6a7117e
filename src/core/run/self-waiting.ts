/**
 * Does every run wait for this same queue? Then nobody can go on, and nothing else would say why. Step 4 of 7.
 *
 * A run that awaits a request of its own queue holds its slot meanwhile. When all slots are held like that, no slot is left for
 * what they await. It is told once: such a design fails again and again.
 *
 * Whoever submits inside a run is given a promise that knows whether it is awaited: `await`, `Promise.all()` and `return` adopt it,
 * by functions of the language's own. A `then()` or `catch()` with a function of the user's is no reason to wait, but what it
 * gives may be awaited in turn. A run may also leave behind an async function that awaits, and go on itself; then it ends. So it
 * must last: a crawler that submits what it has found, and goes on, is not warned of.
 */
import type { Alarm, Timeline } from '../clock.ts'
import type { RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Run } from './run-context.ts'

/** What it needs to know of the slots. */
export interface WaitingRuns {
  /** The run that the calling code is part of. */
  readonly currentRun: Run | undefined
  /** Is that so for all runs but those that are stuck? */
  everyRun(holds: (run: Run) => boolean): boolean
}

/** What it asks of the executor. */
export interface SelfWaitingHost {
  /** There is no slot for those who wait, or none of them. */
  nothingCanStart(): boolean
  /** Each run waits; this one for that request. */
  selfWaits(run: Run, awaited: RequestRecord): void
}

/** For how long all runs must have waited, in ms. What only looks like it ends by then, and what waits for itself never does. */
const LASTS_MS = 1_000

export class SelfWaiting {
  readonly #host: SelfWaitingHost
  readonly #runs: WaitingRuns
  readonly #timeline: Timeline
  readonly #alarm: Alarm
  // What each run awaits, and for how long: until it has ended, or until it is admitted.
  readonly #awaited = new WeakMap<Run, Map<RequestRecord, State>>()
  // `result` is the same promise at each reading.
  readonly #watched = new WeakMap<Promise<unknown>, Promise<unknown>>()
  #isTold = false
  /** When to look, in ms on the clock; Infinity while no run waits. */
  dueAt = Number.POSITIVE_INFINITY

  constructor(host: SelfWaitingHost, runs: WaitingRuns, timeline: Timeline, alarm: Alarm) {
    this.#host = host
    this.#runs = runs
    this.#timeline = timeline
    this.#alarm = alarm
  }

  /** The promise for whoever asks for it: inside a run, one that knows when it is awaited. */
  watch<T>(record: RequestRecord, promise: Promise<T>, until: State = State.COMPLETED): Promise<T> {
    const run = this.#isTold ? undefined : this.#runs.currentRun
    if (run === undefined || !isOpen(record, until)) return promise
    let watched = this.#watched.get(promise) as Promise<T> | undefined
    if (watched === undefined) {
      watched = WatchedPromise.of(promise, () => this.#waits(run, record, until, promise))
      this.#watched.set(promise, watched)
    }
    return watched
  }

  #waits(run: Run, record: RequestRecord, until: State, promise: Promise<unknown>): void {
    if (this.#isTold || !isOpen(record, until)) return
    const awaited = this.#awaited.get(run) ?? new Map<RequestRecord, State>()
    this.#awaited.set(run, awaited.set(record, until))
    const settled = (): void => void awaited.delete(record)
    promise.then(settled, settled)
    // Each that begins to wait puts it off: when it is due, all that wait have done so for as long.
    const now = this.#timeline.now()
    this.dueAt = now + LASTS_MS
    this.#alarm.setFor(this.dueAt, now)
  }

  /** The alarm has rung: can nobody go on? */
  ring(now: number): void {
    if (this.dueAt > now) return
    let first: { readonly run: Run; readonly awaited: RequestRecord } | undefined
    let all = true
    this.#runs.everyRun((run) => {
      const awaited = this.#openOf(run)
      if (awaited === undefined) all = false
      else first ??= { run, awaited }
      return true
    })
    // While one waits, the others may come to it.
    this.dueAt = first === undefined ? Number.POSITIVE_INFINITY : now + LASTS_MS
    if (first === undefined || !all || !this.#host.nothingCanStart()) return
    this.#isTold = true
    this.dueAt = Number.POSITIVE_INFINITY
    this.#host.selfWaits(first.run, first.awaited)
  }

  #openOf(run: Run): RequestRecord | undefined {
    for (const [record, until] of this.#awaited.get(run) ?? []) if (isOpen(record, until)) return record
    return undefined
  }
}

/** One that has joined another stays as it has arrived: its end is not its own. */
function isOpen({ status }: RequestRecord, until: State): boolean {
  return status > State.ARRIVING && status < until
}

class WatchedPromise<T> extends Promise<T> {
  #awaited: (() => void) | undefined = undefined

  static of<T>(promise: Promise<T>, awaited: () => void): Promise<T> {
    const watched = new WatchedPromise<T>((resolve, reject) => promise.then(resolve, reject))
    watched.#awaited = awaited
    return watched
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise, and who awaits it calls this
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const next = super.then(fulfilled, rejected) as WatchedPromise<A | B>
    if (isAdoption(fulfilled)) this.#awaited?.()
    else next.#awaited = this.#awaited
    return next
  }

  /** Its functions are the language's own, too, but nobody waits by it. */
  override finally(done?: (() => void) | null): Promise<T> {
    const awaited = this.#awaited
    this.#awaited = undefined
    const next = super.finally(done) as WatchedPromise<T>
    this.#awaited = awaited
    next.#awaited = awaited
    return next
  }
}

/** The functions by which a promise follows another one have no name, and no source. */
function isAdoption(fulfilled: unknown): boolean {
  return typeof fulfilled === 'function' && fulfilled.name === '' && `${fulfilled}`.includes('[native code]')
}

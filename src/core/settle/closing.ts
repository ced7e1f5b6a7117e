/**
 * How does the whole come to rest, and to its end? Idle, closing, closed, and who waits for that. Step 6 of 7.
 *
 *     open ── close() ──▶ (lame duck ──▶) closing ── nothing is live, nothing runs ──▶ closed
 *                                            └────── or the grace is over ───────────▶
 *
 * A lame duck serves as before, and says that it is about to close: whoever sends it requests has time to notice.
 *
 * A run that asks for `close()` itself would wait for its own end. So it is promised less than others are: that nothing
 * is left but runs that have asked for it, too. If its call settles before that, nobody in there awaits the promise any
 * more, and whoever else has it waits for all. Where it can't be known that a run asks, and nothing but runs is left for
 * long, that is said once.
 */
import { type Alarm, soon, type Timeline } from '../clock.ts'
import type { RequestRecord } from '../request-record.ts'

/** What it needs to know of the slots. */
export interface Runs {
  /** Calls that have not settled, and those of them that are not stuck. */
  readonly active: number
  readonly unsettled: number
  /** Is each run known that calls us, also after it has awaited? Not before Node 24. */
  readonly knowsCallers: boolean
  running(): Iterable<RequestRecord>
  /** Are all that run, and are not stuck, among these? */
  areAllAmong(records: { has(record: RequestRecord): boolean }): boolean
}

/** What it asks of the executor. */
export interface ClosingHost {
  /** Who has been admitted, and has no slot. */
  waiting(): Iterable<RequestRecord>
  /** There is no slot for those who wait, or none of them. */
  nothingCanStart(): boolean
  /** Refuses all who are not admitted yet, and goes on if it was paused. */
  shut(): void
  /** Ends a request, if it has not ended, since the executor closes. */
  cutOff(record: RequestRecord): void
  /** Does somebody ask to be told when there is room? That counts as live for the timer, and not for `idle()`. */
  isAsked(): boolean
  /** Nothing is live. */
  rests(): void
  /** … and no call goes on. */
  quiet(): void
  /** It may wait for a run that waits for it. */
  hangs(): void
  idle(): void
  closed(): void
}

/** How long to wait for runs alone before it is said that one of them may wait for us, in ms. */
const ALONE_MS = 10_000

/** Of the promise of someone who waits for the whole: with `soon`, after all callers of requests have their errors. */
type Resolve = (when: PromiseLike<void>) => void

export class Closing {
  readonly #host: ClosingHost
  readonly #runs: Runs
  readonly #timeline: Timeline
  readonly #alarm: Alarm
  /** How many are blocked, wait or run: whose end somebody waits for. */
  live = 0
  /** `close()` was called. */
  begun = false
  /** Is what was admitted still finished? */
  drains = true
  closed = false
  /** When its patience is over, in ms on the clock. */
  #graceAt = Number.POSITIVE_INFINITY
  /** Until when it serves although it is to close, in ms on the clock; Infinity: it does not, or it closes. */
  #lameUntil = Number.POSITIVE_INFINITY
  // What was asked for while it still serves.
  #drain = true
  #graceMs = Number.POSITIVE_INFINITY
  /** When to look whether a run may wait for us, in ms on the clock; Infinity when there is nothing to look for. */
  #looksAt = Number.POSITIVE_INFINITY
  #isAlone = false
  #hasLooked = false
  #whole: Promise<void> | undefined
  #resolve: Resolve | undefined
  /** Has anything been live since it was idle last? */
  isBusy = false
  idleWaiters: Resolve[] = []
  // While these run, what they were promised does not wait for them.
  readonly #closers = new Map<RequestRecord, Resolve[]>()

  constructor(host: ClosingHost, runs: Runs, timeline: Timeline, alarm: Alarm) {
    this.#host = host
    this.#runs = runs
    this.#timeline = timeline
    this.#alarm = alarm
  }

  /** Does it serve although it is to close? */
  get isLame(): boolean {
    return this.#lameUntil !== Number.POSITIVE_INFINITY
  }

  /** When it has something to do next. */
  get dueAt(): number {
    return Math.min(this.#lameUntil, this.#graceAt, this.#looksAt)
  }

  /**
   * Begins to close, or to close sooner, or with less patience.
   * @param closer what the run that asks for it runs
   */
  close(drain: boolean, graceMs: number, lameDuckMs: number, closer: RequestRecord | undefined): Promise<void> {
    const whole = this.#promised()
    this.#drain &&= drain
    this.#graceMs = Math.min(this.#graceMs, graceMs)
    if (this.begun || lameDuckMs === 0) this.#begin()
    else this.#limp(lameDuckMs)
    this.rest()
    if (closer === undefined || this.closed) return whole
    return new Promise((resolve) => {
      const waiters = this.#closers.get(closer)
      if (waiters === undefined) this.#closers.set(closer, [resolve])
      else waiters.push(resolve)
      this.rest()
    })
  }

  #promised(): Promise<void> {
    this.#whole ??= new Promise<void>((resolve) => {
      this.#resolve = resolve
    })
    return this.#whole
  }

  /** It serves for some time still; an earlier call may have left it less. */
  #limp(lameDuckMs: number): void {
    const now = this.#timeline.now()
    this.#lameUntil = Math.min(this.#lameUntil, now + lameDuckMs)
    // Also where nothing is live: somebody awaits the end.
    this.#alarm.keepAlive(true)
    this.#alarm.setFor(this.#lameUntil, now)
  }

  #begin(): void {
    this.#lameUntil = Number.POSITIVE_INFINITY
    if (!this.begun) {
      this.begun = true
      this.#host.shut()
    }
    if (!this.#drain && this.drains) {
      this.drains = false
      this.#endAll(this.#host.waiting())
    }
    const now = this.#timeline.now()
    if (now + this.#graceMs < this.#graceAt) {
      this.#graceAt = now + this.#graceMs
      // If there is nothing to wait for, `rest()` has it off again.
      this.#alarm.setFor(this.#graceAt, now)
    }
    this.#looksLater(now)
  }

  #endAll(records: Iterable<RequestRecord>): void {
    for (const record of [...records]) this.#host.cutOff(record)
  }

  /** If no run that calls us is known, looks after a while whether one of them may wait for us. */
  #looksLater(now: number): void {
    if (this.#runs.knowsCallers || this.#hasLooked || this.closed || this.#graceMs !== Number.POSITIVE_INFINITY) {
      this.#looksAt = Number.POSITIVE_INFINITY
    } else if (this.#looksAt === Number.POSITIVE_INFINITY) {
      this.#isAlone = this.#waitsForRunsAlone()
      this.#looksAt = now + ALONE_MS
      this.#alarm.setFor(this.#looksAt, now)
    }
  }

  /** … and none of them is known to wait for us. */
  #waitsForRunsAlone(): boolean {
    return this.#closers.size === 0 && [...this.#host.waiting()].length === 0
  }

  /** The alarm has rung: does it begin to close now, does it hang, or is the grace over? */
  ring(now: number): void {
    if (this.#lameUntil <= now) {
      this.#begin()
      this.rest()
    }
    if (this.#looksAt <= now) {
      this.#looksAt = Number.POSITIVE_INFINITY
      if (this.#isAlone && this.#waitsForRunsAlone()) {
        this.#hasLooked = true
        this.#host.hangs()
      }
      this.#looksLater(now)
    }
    if (this.#graceAt > now || this.closed) return
    this.#endAll(this.#host.waiting())
    this.#endAll(this.#runs.running())
    this.#close()
  }

  /** Is nothing live, and does nothing run that is not stuck? */
  isIdle(): boolean {
    return this.live === 0 && this.#runs.unsettled === 0
  }

  /** Is nothing live, does no call go on, and does nobody ask to be told when there is room? */
  isQuiet(): boolean {
    return this.live === 0 && this.#runs.active === 0 && !this.#host.isAsked() && !this.isLame
  }

  /** Resolves when it is idle. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isIdle()) resolve()
      else this.idleWaiters.push(resolve)
    })
  }

  /** Something is live again. */
  wakes(): void {
    this.isBusy = true
    this.#alarm.keepAlive(true)
  }

  /** Looks whether there is anything left to do; if not, lets go of the timer, and tells those who wait for that. */
  rest(): void {
    if (this.live === 0) {
      this.#host.rests()
      const isAsked = this.#host.isAsked() || this.isLame
      if (this.#runs.unsettled === 0 && !isAsked) this.#alarm.off()
      else this.#alarm.keepAlive(isAsked)
      if (this.isQuiet()) {
        this.#timeline.isOver = true
        this.#host.quiet()
      }
      if (this.isBusy && this.isIdle()) {
        this.isBusy = false
        this.#resolveIdle()
        this.#host.idle()
      }
      if (this.begun && this.isIdle()) this.#close()
    }
    if (this.#closers.size > 0 && this.begun && this.#host.nothingCanStart()) {
      // Nothing else runs, and nothing that waits could start before they end.
      if (this.#runs.areAllAmong(this.#closers)) this.#releaseClosers()
    }
  }

  /** Has a run asked for `close()`? */
  get isAskedByRuns(): boolean {
    return this.#closers.size > 0
  }

  /** The call of a run has settled. It has not awaited its `close()`, then. */
  settled(record: RequestRecord): void {
    for (const resolve of this.#closers.get(record) ?? []) this.#whole?.then(() => resolve(soon))
    this.#closers.delete(record)
  }

  #close(): void {
    if (this.closed) return
    this.closed = true
    this.#alarm.off()
    this.#releaseClosers()
    this.#resolveIdle()
    this.#resolve?.(soon)
    this.#host.closed()
  }

  #resolveIdle(): void {
    const waiters = this.idleWaiters
    this.idleWaiters = []
    for (const resolve of waiters) resolve(soon)
  }

  #releaseClosers(): void {
    const all = [...this.#closers.values()].flat()
    this.#closers.clear()
    for (const resolve of all) resolve(soon)
  }
}

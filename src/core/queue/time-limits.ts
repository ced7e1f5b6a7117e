/**
 * How long may it take? The timeouts of requests, and when the next one is over. Step 3 of 7.
 *
 *     submitted ── wait ──▶ its slot ── run ──▶ settled
 *     └── waitTimeoutMs ──┘ └── runTimeoutMs ──┘
 *     └────────────── timeoutMs ───────────────┘
 *
 * Each caller has one deadline at a time: while it waits, whichever is over first of its wait and the whole; from then on
 * that of the whole. A `deadline` is one for the whole, too, that does not move when a request may start later. That of the run is the slots' own: there are only as many as slots, and the pool looks over them.
 */
import type { Alarm, Timeline } from '../clock.ts'
import type { RequestRecord } from '../request-record.ts'
import { type Deadline, Deadlines } from './deadlines.ts'

/** Who may have a deadline: a request, or a caller who shares one. */
export interface Timed {
  /** From when its time counts, in ms on the clock. */
  readonly timedFrom: number
  deadline: unknown
}

/** The defaults in ms, by tier. */
export interface Timeouts {
  readonly waitTimeoutMs: readonly number[]
  readonly runTimeoutMs: readonly number[]
  readonly timeoutMs: readonly number[]
}

export class TimeLimits<P extends Timed> {
  readonly #deadlines = new Deadlines<P>()
  #defaults: Timeouts
  #isOneForAll: boolean
  readonly #timeline: Timeline
  readonly #alarm: Alarm

  constructor(defaults: Timeouts, timeline: Timeline, alarm: Alarm) {
    this.#defaults = defaults
    this.#isOneForAll = isOneForAll(defaults)
    this.#timeline = timeline
    this.#alarm = alarm
  }

  // Written out: in the CommonJS build `?.` and `??` are calls with a closure each.
  waitOf(record: RequestRecord): number {
    const { extras, tier } = record
    if (extras !== undefined && extras.waitTimeoutMs !== undefined) return extras.waitTimeoutMs
    return this.#defaults.waitTimeoutMs[tier] as number
  }

  runOf(record: RequestRecord): number {
    const { extras, tier } = record
    if (extras !== undefined && extras.runTimeoutMs !== undefined) return extras.runTimeoutMs
    return this.#defaults.runTimeoutMs[tier] as number
  }

  wholeOf(record: RequestRecord): number {
    const { extras, tier } = record
    if (extras === undefined) return this.#defaults.timeoutMs[tier] as number
    const timeoutMs = extras.timeoutMs === undefined ? (this.#defaults.timeoutMs[tier] as number) : extras.timeoutMs
    const { later } = extras
    if (later === undefined || later.deadlineAt === Number.POSITIVE_INFINITY) return timeoutMs
    return Math.min(timeoutMs, later.deadlineAt - record.timedFrom)
  }

  /** It keeps the times that it came with, also with another priority. */
  keep(record: RequestRecord): void {
    if (this.#isOneForAll) return
    record.more()
    record.limit(this.waitOf(record), this.runOf(record), this.wholeOf(record))
  }

  /** Other times, for those that come from now on. */
  adopt(defaults: Timeouts, live: Iterable<RequestRecord>): void {
    for (const record of live) {
      if (record.ended) continue
      const [waitMs, runMs, wholeMs] = [this.waitOf(record), this.runOf(record), this.wholeOf(record)]
      // Most of them have nothing of their own, and share one object with these.
      if (record.own() === undefined) record.extras = undefined
      record.limit(waitMs, runMs, wholeMs)
    }
    this.#defaults = defaults
    this.#isOneForAll = isOneForAll(defaults)
  }

  /** The time of one that waits: its wait, or the whole. */
  untilRunOf(record: RequestRecord): number {
    return Math.min(this.waitOf(record), this.wholeOf(record))
  }

  /** How many deadlines there are. */
  get size(): number {
    return this.#deadlines.size
  }

  get nextDueAt(): number {
    return this.#deadlines.nextDueAt
  }

  /** The next one whose time is over by now; it has no deadline any more. */
  takeDue(now: number): P | undefined {
    return this.#deadlines.takeDue(now)
  }

  /** Its time is over in so many ms since it began to count. */
  set(party: P, limitMs: number): void {
    const dueAt = party.timedFrom + limitMs
    if (dueAt === Number.POSITIVE_INFINITY) return
    const deadline = this.#deadlines.set(party, dueAt)
    party.deadline = deadline
    if (dueAt < this.#alarm.dueAt) this.#alarm.setFor(dueAt, this.#timeline.now())
  }

  clear(party: { deadline: unknown }): void {
    if (party.deadline === undefined) return
    this.#deadlines.clear(party.deadline as Deadline<P>)
    party.deadline = undefined
  }

  /** Another time than before. */
  change(party: P, limitMs: number): void {
    const deadline = party.deadline as Deadline<P> | undefined
    if (deadline !== undefined) {
      // Often it is the one that it has.
      if (deadline.rank === party.timedFrom + limitMs) return
      this.#deadlines.clear(deadline)
      party.deadline = undefined
    }
    this.set(party, limitMs)
  }
}

/** Are they the same for all priorities? */
function isOneForAll({ waitTimeoutMs, runTimeoutMs, timeoutMs }: Timeouts): boolean {
  return [waitTimeoutMs, runTimeoutMs, timeoutMs].every((byTier) => new Set(byTier).size === 1)
}

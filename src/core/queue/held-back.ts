/**
 * Who is not to stand in the queue yet? Those that start later, or after others, and those that back off. Step 3 of 7.
 *
 *     admitted ──▶ held until its time, or until others have ended ──▶ queue ──▶ its slot
 *                  held until its next attempt ◀── has failed ────────────────────┘
 *
 * One that was never tried counts as waiting meanwhile, so that the bounds hold when its time comes. One that is tried
 * again does not: it was judged when it was admitted. It comes back with the rank that it had.
 */
import type { Alarm, Timeline } from '../clock.ts'
import { type CancelledBy, CancelledError } from '../errors.ts'
import type { Later } from '../request-extras.ts'
import { isAwaited, RequestRecord, startsLater, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import { type Deadline, Deadlines } from './deadlines.ts'
import { type LaterStart, LaterStarts } from './later-starts.ts'
import type { Tiers } from './tiers.ts'
import type { TimeLimits } from './time-limits.ts'

/** What it needs to know of the bounds. */
export interface Places {
  /** One waits out of the queue (1), or no more (-1). */
  holds(tier: number, by: 1 | -1): void
  /** One is back in the queue for another attempt (1), or has left it again (-1). */
  returns(tier: number, by: 1 | -1): void
}

/** What it asks of the executor. */
export interface HeldBackHost<R> {
  /** It stands in the queue now. */
  stands(record: R): void
  end(record: R, state: typeof State.CANCELLED, error: unknown): void
  /** Calls back in another turn of the event loop. */
  inAnotherTurn(callback: () => void): void
}

/** After how many that came by the end of others the event loop has a turn: some 0.2 ms of trivial runs. */
const TURN_RELEASES = 256

export class HeldBack<R extends RequestRecord> {
  readonly #host: HeldBackHost<R>
  readonly #queue: Tiers<R>
  readonly #places: Places
  readonly #limits: Pick<TimeLimits<R>, 'change' | 'untilRunOf'>
  readonly #timeline: Timeline
  readonly #alarm: Alarm
  readonly #line = new Deadlines<R>()
  /** Those that were never tried, by when they may start. */
  readonly starts = new LaterStarts<R>(isAwaited)
  #releases = 0
  /** Those who come to the queue when the event loop has had its turn. */
  #afterTurn: (() => void)[] | undefined = undefined
  /** Those who back off, and those who are back in the queue. */
  retrying = 0

  constructor(
    host: HeldBackHost<R>,
    queue: Tiers<R>,
    places: Places,
    limits: Pick<TimeLimits<R>, 'change' | 'untilRunOf'>,
    timeline: Timeline,
    alarm: Alarm,
  ) {
    this.#host = host
    this.#queue = queue
    this.#places = places
    this.#limits = limits
    this.#timeline = timeline
    this.#alarm = alarm
  }

  get size(): number {
    return this.#line.size
  }

  get nextDueAt(): number {
    return this.#line.nextDueAt
  }

  records(): Iterable<R> {
    return this.#line.targets()
  }

  /** Is it still to start later? */
  awaits(record: R): boolean {
    return startsLater(record) && (record.later().after !== undefined || record.later().startAt > this.#timeline.now())
  }

  /** It is admitted, and comes to the queue when its time has come. */
  add(record: R): void {
    const later = record.later()
    const isAfter = later.after !== undefined
    const startAt = isAfter ? Number.POSITIVE_INFINITY : later.startAt
    record.status = State.HELD
    this.#places.holds(record.tier, 1)
    this.#hold(record, later, startAt)
    later.place = this.starts.add(record, record.tier, startAt)
    // Its time counts from then; that of a request which waits for others, from its submission.
    later.timedFrom = later.startAt
    if (record.deadline !== undefined) this.#limits.change(record, this.#limits.untilRunOf(record))
    if (!isAfter) this.#alarm.setFor(later.startAt, this.#timeline.now())
  }

  /** It awaits the others, from when all is done about its admission: to read their results may call anything. */
  follow(record: R): void {
    const later = record.later()
    const { after, hold } = later
    if (after === undefined || hold === undefined) return
    later.after = undefined
    later.awaits = after.map(recordOf).filter((other) => other !== undefined)
    for (const other of later.awaits) other.later().awaitedBy++
    // Not before: whoever is refused must not have made the failure of another one an unhandled rejection.
    Promise.all(after.map(resultOf)).then(
      () => {
        this.#inItsTurn(() => {
          if (later.hold !== hold) return
          const now = this.#timeline.now()
          if (later.startAt <= now) {
            this.#comes(record)
            return
          }
          this.#line.clear(hold as Deadline<R>)
          this.#hold(record, later, later.startAt)
          this.#leavesPlace(later)
          later.place = this.starts.add(record, record.tier, later.startAt)
          this.#alarm.setFor(later.startAt, now)
        })
      },
      (error) => {
        this.#inItsTurn(() => {
          if (later.hold === hold) this.#cancel(record, error, 'after')
        })
      },
    )
  }

  /** Does it now; but a long chain of those who wait for each other must not keep the event loop to itself. */
  #inItsTurn(comes: () => void): void {
    if (this.#afterTurn !== undefined) this.#afterTurn.push(comes)
    else if (++this.#releases % TURN_RELEASES !== 0) comes()
    else {
      const all = [comes]
      this.#afterTurn = all
      this.#host.inAnotherTurn(() => {
        this.#afterTurn = undefined
        for (const each of all) each()
      })
    }
  }

  /** It has failed, and comes back for another attempt. */
  addAgain(record: R, error: unknown, dueAt: number, now: number): void {
    const later = record.later()
    record.status = State.HELD
    this.retrying++
    later.attempt++
    later.remember(error)
    this.#hold(record, later, dueAt)
    this.#alarm.setFor(dueAt, now)
  }

  #hold(record: R, later: Later, dueAt: number): void {
    later.hold = this.#line.set(record, dueAt)
  }

  /** The alarm has rung: those whose time has come go to the queue. */
  release(now: number): void {
    for (let due = this.#line.firstDue(now); due !== undefined; due = this.#line.firstDue(now)) this.#comes(due)
  }

  /** Its time has come: it goes to the queue. */
  #comes(record: R): void {
    const isBack = record.attempt > 1
    const rank = isBack ? record.rank : this.#rankOf(record)
    if (rank === undefined) return
    this.#unhold(record)
    if (isBack) {
      this.#queue.addAgain(record)
      this.#places.returns(record.tier, 1)
    } else {
      this.#queue.add(record, rank)
      this.#places.holds(record.tier, -1)
    }
    this.#host.stands(record)
  }

  /** Asked while it is still held: the policy may throw, and may move or end it meanwhile. Undefined: it does not come. */
  #rankOf(record: R): number | undefined {
    const { hold } = record.later()
    do {
      const { tier } = record
      let rank: number
      try {
        rank = this.#queue.rankOf(record)
      } catch (error) {
        this.#cancel(record, error, 'order')
        return undefined
      }
      if (record.later().hold === hold && record.tier === tier) return rank
      this.#queue.refuses(record, rank, tier)
    } while (record.later().hold === hold)
    return undefined
  }

  #unhold(record: R): void {
    const later = record.later()
    this.#line.clear(later.hold as Deadline<R>)
    later.hold = undefined
    if (later.place !== undefined) this.#leavesPlace(later)
  }

  /** What it has waited for has ended, or it waits no more. */
  #leavesPlace(later: Later): void {
    this.starts.delete(later.place as LaterStart<R>)
    later.place = undefined
    for (const other of later.awaits) other.later().awaitedBy--
    later.awaits = []
  }

  #cancel(record: R, reason: unknown, by: CancelledBy): void {
    this.#host.end(record, State.CANCELLED, new CancelledError(reason, subjectOf(record), by))
  }

  /** One that had come back has left the queue again. */
  left(record: R): void {
    this.#places.returns(record.tier, -1)
    this.retrying--
  }

  /** It has ended, and is held no more. */
  letGo(record: R): void {
    this.#unhold(record)
    if (record.attempt > 1) this.retrying--
    else this.#places.holds(record.tier, -1)
  }

  /** It has another priority, for when it comes to the queue. */
  moved(record: R, from: number): void {
    const { attempt, tier } = record
    if (attempt > 1) return
    this.starts.move(record.later().place as LaterStart<R>, tier)
    this.#places.holds(from, -1)
    this.#places.holds(tier, 1)
  }
}

/** What a request ends with, or a promise that was given as it is. A `result` that can't be read is a failure. */
function resultOf(each: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const end: unknown = typeof each === 'object' && each !== null && 'result' in each ? each.result : each
    // By a function of our own: that no run awaits it is told by that.
    if (end instanceof Promise) end.then((value) => resolve(value), reject)
    else resolve(end)
  })
}

/** The request that a handle is for, also that of one who has joined it. */
function recordOf(each: unknown): RequestRecord | undefined {
  try {
    const { record = each } = Object(each) as { record?: unknown }
    return record instanceof RequestRecord ? record : undefined
  } catch {
    // It is no handle of ours, and does not want to be looked at.
    return undefined
  }
}

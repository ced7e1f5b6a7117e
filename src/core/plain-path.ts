/**
 * The way of a request that has nothing special, while nothing special is on: few calls, since for a service whose code is cold
 * their number is what a request costs.
 *
 *     execute() ──▶ comes() ──▶ (its microtask) ──▶ starts() ──▶ settles() ──▶ the next one, or rests()
 *                      └ finds others: into the queue ──────────────┘
 *
 * What it does is what the stations do about such a request, written down in one piece: it keeps the same books, in the same order.
 * Whatever it meets that is not plain goes the full way, from wherever it is: one that got an id, a run that holds its slot, a
 * failure, a request with a signal that stands in the queue before it.
 *
 * A request that meets an idle queue is not queued at all: one field holds it until the microtask of its burst. Whoever looks at
 * the queue meanwhile, or comes to it, has it put there first, by `spill()`.
 *
 * The timer is asked for late: in a microtask after the executor was called, and let go in one after the caller was answered. So
 * a run that has its answer by then needs none.
 */
import type { Capacity } from './admit/capacity.ts'
import { type Alarm, type Instant, soon, type Timeline } from './clock.ts'
import { frameKey } from './context.ts'
import type { RequestRecord } from './request-record.ts'
import { State } from './request-state.ts'
import type { Dispatch } from './run/dispatch.ts'
import { hasNoContext } from './run/inside.ts'
import { Run } from './run/run-context.ts'
import type { Slot } from './run/slot.ts'
import { MAX_IN_TURN, pending, promiseThen, type Slots } from './run/slots.ts'
import type { Closing } from './settle/closing.ts'
import type { Statistics } from './watch/statistics.ts'

/** What it acts on. */
export interface PlainParts {
  readonly settings: { readonly runTimeoutMs: readonly number[] }
  readonly timeline: Timeline
  /** Has each request a time limit that counts from its submission? */
  readonly timesAll: boolean
  readonly alarm: Alarm
  readonly capacity: Capacity
  readonly blocked: { readonly size: number }
  readonly openings: { isSlotFree(): boolean }
  readonly lives: { begins(record: RequestRecord): void }
  readonly queue: { readonly size: number; add(record: RequestRecord): void; shift(): RequestRecord | undefined }
  readonly limits: { clear(record: RequestRecord): void }
  readonly slots: Slots<unknown, unknown>
  readonly turns: { readonly areForAnyone: boolean }
  readonly dispatch: Dispatch
  readonly closing: Closing
  readonly pauses: { readonly all: readonly unknown[]; forget(): void }
  readonly statistics: Statistics
  setAlarm(now: number): void
}

/** In which context does it start: in the slot's marked one, in the submitter's own, or in another? */
const MARKED = 0
const OWN = 1
const OTHER = 2
type Where = typeof MARKED | typeof OWN | typeof OTHER

export class PlainPath {
  readonly #parts: PlainParts
  /** Is nothing special on? Told by the engine, which knows. */
  isOn = false
  /** The one that has met an idle queue, until its microtask. */
  first: RequestRecord | undefined = undefined
  /** The slot whose microtask that is; undefined: it is that of the dispatch, in the submitter's own context. */
  #woken: Slot | undefined = undefined
  /** The earliest end of a run for which the timer is still to be asked. */
  #dueAt = Number.POSITIVE_INFINITY
  #isArming = false
  #isResting = false

  constructor(parts: PlainParts) {
    this.#parts = parts
  }

  /**
   * When a newcomer has come. One that meets an idle queue reads the clock for itself alone: that a reading is over is a
   * microtask of its own. The next one of its burst has come at the same instant.
   */
  arrival(): Instant {
    const { dispatch, queue, slots, timeline, timesAll } = this.#parts
    if (timesAll) return timeline.reading()
    if (this.first !== undefined && !timeline.isStepped) return this.first.arrived
    const isIdle = this.isOn && queue.size === 0 && slots.free > 0 && !dispatch.isScheduled
    return isIdle ? timeline.look() : timeline.instant()
  }

  /** A newcomer without extras. False: it goes the full way, and nothing was changed. */
  comes(record: RequestRecord): boolean {
    const parts = this.#parts
    const { capacity, dispatch, queue, slots, statistics } = parts
    const { tier } = record
    if (this.first !== undefined) this.spill()
    if (parts.blocked.size > 0) return false
    const isIdle = queue.size === 0 && slots.free > 0 && !dispatch.isScheduled && dispatch.heldBy === 0
    const slotIsFree = isIdle || parts.openings.isSlotFree()
    if (!isIdle || capacity.hasTierBounds) {
      if (capacity.bound(tier, slotIsFree) !== undefined) return false
    }
    record.status = State.WAITING
    statistics.admitted[tier] = (statistics.admitted[tier] as number) + 1
    if (isIdle) {
      const { alarm, closing } = parts
      if (closing.live++ === 0) {
        closing.isBusy = true
        if (!alarm.keepsAlive) alarm.keepAlive(true)
      }
      this.first = record
      dispatch.isScheduled = true
      const slot = slots.idle.at(-1)
      if (slot === undefined || slot.wake === undefined || record.context !== undefined) dispatch.run()
      else {
        this.#woken = slot
        slot.wake()
        slot.wake = undefined
      }
      return true
    }
    queue.add(record)
    if (slotIsFree) capacity.reserved++
    parts.lives.begins(record)
    if (slots.free > 0) dispatch.schedule()
    return true
  }

  /** Somebody looks: all is as it would be without this path. */
  catchUp(): void {
    if (this.first !== undefined) this.spill()
    if (this.#isResting) this.#rests()
  }

  /** Puts the one that is held into the queue: somebody looks, or comes. */
  spill(): void {
    const { capacity, closing, dispatch, lives, queue, timeline } = this.#parts
    const first = this.first as RequestRecord
    this.first = undefined
    timeline.keep()
    queue.add(first)
    capacity.reserved++
    // Counted already; but it may have a time limit for its wait.
    closing.live--
    lives.begins(first)
    if (this.#woken === undefined) return
    this.#woken = undefined
    dispatch.isScheduled = false
    dispatch.schedule()
  }

  /** Its microtask: the one that is held starts. Nothing has changed since it came, or it would be in the queue. */
  startsFirst(): void {
    const first = this.first as RequestRecord
    this.first = undefined
    this.#starts(this.#parts.slots.take(), first, frameKey === undefined ? OTHER : OWN)
  }

  /**
   * Called in the marked context of a slot, in which nothing else is: keeps a microtask ready in there, for the next one that
   * meets an idle queue. To enter it then would be ten calls.
   */
  readonly #parks = (slot: Slot): void => {
    const keeps = (resolve: () => void): void => {
      slot.wake = resolve
    }
    const wakes = (): void => {
      new Promise<void>(keeps).then(wakes)
      // It was put into the queue.
      if (this.#woken !== slot) return
      const { dispatch, slots } = this.#parts
      const first = this.first as RequestRecord
      this.first = undefined
      this.#woken = undefined
      dispatch.isScheduled = false
      // It is this slot still: whoever gives one back has the one that is held put into the queue.
      this.#starts(slots.take(), first, MARKED)
    }
    new Promise<void>(keeps).then(wakes)
  }

  #starts(slot: Slot, record: RequestRecord, where: Where): void {
    const parts = this.#parts
    const { dispatch, slots, statistics } = parts
    const instant = where === OTHER ? parts.timeline.instant() : parts.timeline.look()
    const { at } = instant
    const run = new Run(record, instant)
    const deadline = at + (parts.settings.runTimeoutMs[record.tier] as number)
    slot.run = run
    slot.inflight = slots.active
    slot.startedAt = at
    slot.deadline = deadline
    record.status = State.RUNNING
    dispatch.running++
    statistics.wait[record.tier]?.observe(at - record.arrived.at)
    if (record.deadline !== undefined) parts.limits.clear(record)
    let value: unknown
    let ok = true
    try {
      if (where === MARKED) {
        const { executor } = slots
        value = executor(record.request, run)
        if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
          promiseThen.call(Promise.resolve(value), slot.fulfilled, slot.rejected)
          value = pending
        }
      } else if (!hasNoContext(record)) {
        value =
          where === OWN ? slots.marks.enter(slots.invoke, slot, run) : slots.marks.run(record, slots.invoke, slot, run)
      } else {
        const mark = slots.markOf(slot, record)
        if (slot.wake === undefined) mark.runInAsyncScope(this.#parks, undefined, slot)
        value = mark.runInAsyncScope(slots.invoke, undefined, slot, run)
      }
    } catch (error) {
      ok = false
      value = error
    }
    if (value !== pending) {
      slots.settled(slot, ok, value)
      return
    }
    if (deadline < this.#dueAt) this.#dueAt = deadline
    if (!this.#isArming && (deadline < parts.alarm.dueAt || !parts.alarm.armed)) {
      this.#isArming = true
      soon.then(this.#arm)
    }
  }

  /** The timer for what runs still. */
  readonly #arm = (): void => {
    const { alarm, closing, setAlarm, slots, timeline } = this.#parts
    const dueAt = this.#dueAt
    this.#isArming = false
    this.#dueAt = Number.POSITIVE_INFINITY
    // Mostly it has its answer by now. A call that nobody waits for any more still has its deadline.
    if (slots.active === 0 || closing.closed) return
    if (dueAt < alarm.dueAt) alarm.setFor(dueAt, timeline.now())
    if (closing.live > 0 && !alarm.armed) setAlarm(timeline.now())
  }

  /** The promise of a run has settled. */
  readonly settles = (slot: Slot, ok: boolean, value: unknown): void => {
    const parts = this.#parts
    const { closing, dispatch, slots, statistics } = parts
    const record = Run.recordOf(slot.run as Run)
    const isPlain = ok && this.isOn && record.extras === undefined && record.status === State.RUNNING
    if (!isPlain || slot.aside !== undefined || slot.stuck) {
      slots.settle(slot, ok, value)
      return
    }
    const { resolve, tier } = record
    slot.processed++
    slot.run = undefined
    slot.deadline = Number.POSITIVE_INFINITY
    const { at } = slots.active === 1 && parts.queue.size === 0 ? parts.timeline.look() : parts.timeline.instant()
    statistics.ran(0, tier, at - slot.startedAt)
    statistics.ended[tier] = (statistics.ended[tier] as number) + 1
    dispatch.running--
    closing.live--
    record.status = State.COMPLETED
    record.resolve = undefined
    record.reject = undefined
    // To resolve reads `value.then`, which may be a getter, and do anything: all is looked at again.
    if (resolve !== undefined) resolve(value as never)
    if (this.first !== undefined) this.spill()
    const isUsual = this.isOn && slots.free >= 0 && parts.blocked.size === 0
    if (!isUsual || slots.runsInTurn >= MAX_IN_TURN || dispatch.heldBy > 0) slots.handOn(slot)
    else if (parts.queue.size === 0) {
      slots.runsInTurn++
      slots.putBack(slot)
      if (closing.live === 0 && !this.#isResting) {
        this.#isResting = true
        soon.then(this.#rests)
      }
    } else if (!parts.turns.areForAnyone) slots.handOn(slot)
    else this.#takesNext(slot)
  }

  #takesNext(slot: Slot): void {
    const { capacity, dispatch, queue, slots } = this.#parts
    const record = queue.shift() as RequestRecord
    slots.runsInTurn++
    if (record.extras === undefined) {
      capacity.started()
      this.#starts(slot, record, OTHER)
    } else slots.work(slot, dispatch.takes(record))
  }

  /** Nothing is live any more, since a microtask. */
  readonly #rests = (): void => {
    const { alarm, closing, pauses, slots, timeline } = this.#parts
    this.#isResting = false
    if (closing.live > 0) return
    if (!this.isOn || alarm.armed || slots.active > 0 || closing.idleWaiters.length > 0) {
      closing.rest()
      return
    }
    // Nothing is armed, nobody is told, and no call goes on: what `rest()` comes to then.
    closing.isBusy = false
    if (pauses.all.length > 0) pauses.forget()
    timeline.isOver = true
  }
}

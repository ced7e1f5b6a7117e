/**
 * Who starts, and when? And what is to be done when a call settles. Step 4 of 7.
 *
 * A dispatch is one microtask for a whole burst: its requests compete by priority, off their callers' stacks. From then on a
 * slot is handed over: when a call settles, its slot asks for the next request. Nothing starts while the executor is paused,
 * while a guard holds all starts, and while others have their turn of the event loop.
 */
import { type Alarm, type Instant, soon, type Timeline } from '../clock.ts'
import type { RunProgress } from '../queued-request.ts'
import type { Extras } from '../request-extras.ts'
import type { RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Learner } from './learner.ts'
import type { PoolHost, RunTimes } from './pool-host.ts'
import type { Slots } from './slots.ts'
import type { Turns } from './turns.ts'

/** What it acts on. */
export interface DispatchParts {
  /** Is no policy asked about a newcomer, and may requests of each priority wait? */
  readonly isPlain: boolean
  /** Is anything told that the slot of a run is not busy any more? */
  readonly hearsReturns: boolean
  readonly timeline: Timeline
  readonly alarm: Alarm
  readonly slots: Slots<unknown, unknown>
  readonly turns: Turns<RequestRecord>
  readonly learner: Learner | undefined
  readonly queue: {
    readonly size: number
    readonly hearsReturns: boolean
    started(record: RequestRecord): void
    settled(record: RequestRecord, runMs: number): void
  }
  readonly held: { left(record: RequestRecord): void }
  readonly aside: { release(now: number): void }
  readonly limits: {
    runOf(record: RequestRecord): number
    wholeOf(record: RequestRecord): number
    change(record: RequestRecord, limitMs: number): void
  }
  readonly capacity: { started(): void }
  readonly gate: {
    readonly heldUntil: number
    readonly asksAtStart: boolean
    readonly takesTokens: boolean
    readonly hearsStarts: boolean
    readonly hearsEnds: boolean
    letsStart(): boolean
    started(record: RequestRecord): void
    settled(record: RequestRecord, ok: boolean, runMs: number, error: unknown): void
  }
  readonly plain: { readonly first: RequestRecord | undefined; spill(): void; startsFirst(): void }
  readonly room: { made(): void }
  readonly endings: {
    end(record: RequestRecord, state: State, value: unknown, times?: RunTimes): boolean
    left(record: RequestRecord): void
    stays(record: RequestRecord, times: RunTimes): void
    overdue(record: RequestRecord, startedAt: number, now: number): void
  }
  readonly retrying: { tries(record: RequestRecord, error: unknown): boolean }
  readonly parties: { starts(record: RequestRecord, extras: Extras): void; goes(record: RequestRecord): void }
  readonly closing: {
    readonly live: number
    readonly isAskedByRuns: boolean
    rest(): void
    settled(record: RequestRecord): void
  }
  readonly statistics: {
    waited(tier: number, waitMs: number): void
    ran(outcome: number, tier: number, runMs: number, isFree: boolean): void
    used(runMs: number): void
  }
  readonly events: { readonly listened: { readonly started: boolean } }
  readonly tell: {
    of(record: RequestRecord, event: 'started', more: { waitMs: number; delayMs: number; attempt: number }): void
    of(record: RequestRecord, event: 'stuck', more: { slot: number; runMs: number; stuckWorkers: number }): void
    of(
      record: RequestRecord,
      event: 'progress',
      more: { attempt: number; progress: number; message: string | undefined },
    ): void
  }
  readonly audit:
    | {
        starts(record: RequestRecord, hadSlot: boolean): void
        called(record: RequestRecord): void
        returned(record: RequestRecord): void
      }
    | undefined
  readonly keeper: { waits(record: RequestRecord, go: () => void): void } | undefined
  /** Arms the alarm for what is due next. */
  setAlarm(now: number): void
  inAnotherTurn(callback: () => void): void
}

export class Dispatch implements PoolHost {
  readonly #parts: DispatchParts
  /** Requests that have started, and have no answer yet. */
  running = 0
  paused = false
  isScheduled = false
  /** What keeps all starts back: others have their turn of the event loop (1), the store does not do what it should (2). */
  heldBy = 0

  constructor(parts: DispatchParts) {
    this.#parts = parts
  }

  schedule(): void {
    const { gate, queue, slots } = this.#parts
    if (slots.free <= 0 || this.isScheduled || this.heldBy > 0 || this.paused || queue.size === 0) return
    if (gate.heldUntil > 0) return
    this.isScheduled = true
    this.run()
  }

  /** In a microtask, in the context of the calling code. */
  run(): void {
    soon.then(this.#run)
  }

  readonly #run = (): void => {
    const { alarm, closing, plain, queue, setAlarm, slots, timeline } = this.#parts
    this.isScheduled = false
    if (plain.first !== undefined) {
      plain.startsFirst()
      return
    }
    while (slots.free > 0 && queue.size > 0 && slots.fill());
    if (closing.live > 0 && !alarm.armed) setAlarm(timeline.now())
  }

  /** Takes the request that is ranked first, for a slot that is there for it. */
  next(): RequestRecord | undefined {
    const parts = this.#parts
    const { gate, plain, turns } = parts
    if (plain.first !== undefined) plain.spill()
    if (this.paused || this.heldBy > 0 || gate.heldUntil > 0) return undefined
    // A guard that was asked may have paused it, or lowered the limit.
    if (gate.asksAtStart && (!gate.letsStart() || this.paused || parts.slots.free < 0)) return undefined
    const record = turns.take()
    return record === undefined ? undefined : this.takes(record)
  }

  /** It was taken out of the queue, and starts. */
  takes(record: RequestRecord): RequestRecord {
    const parts = this.#parts
    const { gate, turns } = parts
    const { extras } = record
    const now = parts.timeline.now()
    record.status = State.STARTING
    this.running++
    if (record.attempt > 1) parts.held.left(record)
    else {
      if (parts.isPlain || !turns.seats.has(record)) parts.capacity.started()
      // Asked as it is inlined: a number that a longer getter returns would be boxed for each request.
      parts.statistics.waited(record.tier, now - (extras === undefined ? record.enqueuedAt : record.timedFrom))
    }
    if (parts.audit !== undefined) parts.audit.starts(record, turns.seats.has(record))
    if (extras !== undefined) {
      if (!extras.isShared) extras.startedAt = now
      parts.parties.starts(record, extras)
    } else if (record.deadline !== undefined) parts.limits.change(record, parts.limits.wholeOf(record))
    // Policies hear of it when all numbers are right: they may do anything.
    parts.queue.started(record)
    if (gate.hearsStarts) gate.started(record)
    // Its tokens are taken: when there are some for the next one of its buckets is known now.
    if (gate.takesTokens) parts.aside.release(parts.timeline.now())
    parts.room.made()
    // What starts may have held back others: they may have a slot now that they could not have before.
    if (turns.keepsSlots) this.schedule()
    return record
  }

  /** It is about to be called. False: a listener, or one of an earlier event in the same burst, has ended it. */
  begin(record: RequestRecord, times: RunTimes): boolean {
    const parts = this.#parts
    times.startedAt = parts.timeline.now()
    times.deadline = times.startedAt + parts.limits.runOf(record)
    if (parts.events.listened.started && record.status === State.STARTING) this.#tellStarted(record)
    if (record.status !== State.STARTING) {
      parts.turns.gaveBack(record)
      parts.endings.left(record)
      return false
    }
    record.status = State.RUNNING
    if (parts.audit !== undefined) parts.audit.called(record)
    return true
  }

  #tellStarted(record: RequestRecord): void {
    const { tell, timeline } = this.#parts
    const { timedFrom, enqueuedAt } = record
    const times = { waitMs: timeline.now() - timedFrom, delayMs: timedFrom - enqueuedAt }
    tell.of(record, 'started', { ...times, attempt: record.attemptsWith() })
  }

  began({ deadline, startedAt }: RunTimes): void {
    const { alarm } = this.#parts
    if (deadline < alarm.dueAt) alarm.setFor(deadline, startedAt)
  }

  settled(record: RequestRecord, ok: boolean, value: unknown, times: RunTimes, isFree: boolean): void {
    const parts = this.#parts
    if (!isFree) parts.endings.stays(record, times)
    else if (parts.hearsReturns || parts.closing.isAskedByRuns) this.#returned(record, times)
    const state = ok ? State.COMPLETED : State.FAILED
    const outcome = (record.ended ? record.status : state) - State.COMPLETED
    const runMs = parts.timeline.now() - times.startedAt
    parts.statistics.ran(outcome, record.tier, runMs, isFree)
    if (parts.gate.hearsEnds && !record.ended) parts.gate.settled(record, ok, runMs, ok ? undefined : value)
    if (parts.learner !== undefined && !record.ended) {
      parts.learner.learn(runMs, times.inflight, ok ? undefined : { error: value })
    }
    if (!ok && parts.retrying.tries(record, value)) return
    parts.endings.end(record, state, value, times)
  }

  freed(record: RequestRecord, times: RunTimes): void {
    const { parties, statistics, timeline } = this.#parts
    parties.goes(record)
    statistics.used(timeline.now() - times.startedAt)
    this.#returned(record, times)
  }

  /** Its slot is not busy any more: what it has used of the slots is known. */
  #returned(record: RequestRecord, { startedAt }: RunTimes): void {
    const { audit, closing, queue, timeline, turns } = this.#parts
    if (audit !== undefined) audit.returned(record)
    turns.gaveBack(record)
    if (queue.hearsReturns) queue.settled(record, timeline.now() - startedAt)
    if (closing.isAskedByRuns) closing.settled(record)
  }

  progressed(record: RequestRecord, { fraction: progress, message }: RunProgress): void {
    this.#parts.tell.of(record, 'progress', { attempt: record.attemptsWith(), progress, message })
  }

  vacated(): void {
    const { closing, room } = this.#parts
    // Only while others have their turn is a slot let go although somebody waits for it.
    room.made()
    if (closing.live === 0 || closing.isAskedByRuns) closing.rest()
  }

  widened(): void {
    this.schedule()
  }

  overdue(record: RequestRecord, startedAt: number, now: number): void {
    this.#parts.endings.overdue(record, startedAt, now)
  }

  stuck(record: RequestRecord, slot: number, startedAt: number, now: number): void {
    const { closing, room, slots, tell, turns } = this.#parts
    turns.sticks(record)
    this.schedule()
    room.made()
    tell.of(record, 'stuck', { slot, runMs: now - startedAt, stuckWorkers: slots.stuck })
    closing.rest()
  }

  pauseForOthers(): void {
    this.heldBy |= 1
    this.#parts.inAnotherTurn(() => {
      this.heldBy &= ~1
      this.schedule()
    })
  }

  /** Nothing starts while the store can't record it. */
  waitsForStore(waits: boolean): void {
    this.heldBy = waits ? this.heldBy | 2 : this.heldBy & ~2
    this.schedule()
  }

  waits(record: RequestRecord, go: () => void): void {
    this.#parts.keeper?.waits(record, go)
  }

  passed(): void {
    this.#parts.timeline.read()
  }

  instant(): Instant {
    return this.#parts.timeline.instant()
  }

  now(): number {
    return this.#parts.timeline.now()
  }
}

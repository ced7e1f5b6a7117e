/**
 * The only place where an admitted request ends: once, by whatever comes first. Steps 5 and 6 of 7.
 *
 *     its answer, its error ─┐
 *     cancelled, expired ────┼──▶ out of where it was ──▶ the books ──▶ room for others ──▶ everyone is told
 *     shed ──────────────────┘
 *
 * All numbers and structures are in order before anyone is told: a listener, or a getter of the answer, may do anything.
 */
import type { Alarm, Timeline } from '../clock.ts'
import { CancelledError, RunTimeoutError } from '../errors.ts'
import { type RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Closing } from './closing.ts'
import type { Lives } from './lives.ts'
import type { HowItLeft, Parties } from './parties.ts'

/** When a run began, and when it must be over. */
interface Times {
  readonly startedAt: number
  deadline: number
}

/** What it acts on. */
export interface EndingsParts {
  readonly timeline: Timeline
  readonly alarm: Alarm
  readonly closing: Closing
  readonly lives: Lives
  readonly parties: Parties<unknown, unknown>
  readonly refusals: { refuse(record: RequestRecord, why: unknown): void }
  readonly room: { made(): void }
  readonly capacity: { left(wide: number): void }
  readonly gate: {
    readonly hearsEnds: boolean
    settled(record: RequestRecord, ok: boolean, runMs: number, error: unknown): void
  }
  readonly queue: { delete(record: RequestRecord): void; left(record: RequestRecord): void }
  readonly held: { retrying: number; left(record: RequestRecord): void; letGo(record: RequestRecord): void }
  readonly aside: { letGo(record: RequestRecord): void }
  readonly limits: { runOf(record: RequestRecord): number; wholeOf(record: RequestRecord): number }
  readonly turns: { readonly newWide: number; left(record: RequestRecord): void }
  readonly slots: {
    timesOf(record: RequestRecord): { readonly startedAt: number; readonly inflight: number } | undefined
    abort(record: RequestRecord, reason: unknown, dueAt: number): void
    overdue(record: RequestRecord, now: number): void
  }
  readonly learner: { learn(runMs: number, inflight: number, failure: { readonly error: unknown }): void } | undefined
  readonly dispatch: { running: number; schedule(): void }
  readonly statistics: {
    waited(tier: number, waitMs: number): void
    end(outcome: number, tier: number): void
    parked: number
  }
  readonly tell: { ended(record: RequestRecord, value: unknown, from: State, run: Times | undefined): void }
  readonly audit: { ended(record: RequestRecord): void } | undefined
  readonly keeper:
    | {
        defers(record: RequestRecord): boolean
        ended(record: RequestRecord, value: unknown, from: State, run: Times | undefined): void
      }
    | undefined
}

export class Endings {
  readonly #parts: EndingsParts

  constructor(parts: EndingsParts) {
    this.#parts = parts
  }

  /** False: it has ended already. */
  end(record: RequestRecord, state: State, value: unknown, times?: Times): boolean {
    const from = record.status
    if (from >= State.COMPLETED || from < State.WAITING) return false
    if (from < State.STARTING) this.takeOut(record)
    else this.#parts.dispatch.running--
    this.#conclude(record, state, value, from, times)
    return true
  }

  /** Takes one out that waits, in the queue or out of it. */
  takeOut(record: RequestRecord): void {
    if (record.status === State.WAITING) this.#take(record)
    else if (record.status === State.HELD) this.#letGo(record)
    else this.#leavesAside(record)
  }

  #letGo(record: RequestRecord): void {
    const { held, statistics, timeline } = this.#parts
    held.letGo(record)
    if (record.attempt > 1) return
    statistics.waited(record.tier, Math.max(timeline.now() - record.timedFrom, 0))
  }

  /** It was set aside, for want of a token. */
  #leavesAside(record: RequestRecord): void {
    const { aside, capacity, held, statistics, timeline, turns } = this.#parts
    aside.letGo(record)
    if (record.attempt > 1) held.retrying--
    else statistics.waited(record.tier, timeline.now() - record.timedFrom)
    capacity.left(turns.newWide)
  }

  /** Takes a waiting request out of the queue before its turn. */
  #take(record: RequestRecord): void {
    const { capacity, dispatch, held, queue, statistics, timeline, turns } = this.#parts
    queue.delete(record)
    turns.left(record)
    if (record.attempt > 1) held.left(record)
    else statistics.waited(record.tier, timeline.now() - record.timedFrom)
    capacity.left(turns.newWide)
    // What is first now may have a slot that this one could not have.
    dispatch.schedule()
  }

  /** The order policy hears, after all is done, that one has left before its turn. */
  left(record: RequestRecord): void {
    if (record.attempt === 1) this.#parts.queue.left(record)
  }

  #conclude(record: RequestRecord, state: State, value: unknown, from: State, times: Times | undefined): void {
    const parts = this.#parts
    const isAbandoned = from === State.RUNNING && state > State.FAILED
    if (isAbandoned) parts.parties.leaves(record)
    this.retire(record, state, value)
    if (from < State.STARTING) {
      if (from === State.WAITING || from === State.ASIDE) this.left(record)
      // Before anyone is told: a listener that submits must not pass those that are blocked.
      parts.room.made()
    }
    if (isAbandoned) this.#abandon(record, state, value)
    this.tells(record, value, from, times)
    if (isAbandoned && state === State.EXPIRED) parts.slots.overdue(record, parts.timeline.now())
    if (parts.closing.live === 0) parts.closing.rest()
  }

  /** Everyone is told of its end: with a store that may be when it is recorded. */
  tells(record: RequestRecord, value: unknown, from: State, times: Times | undefined): void {
    const { keeper, tell } = this.#parts
    if (keeper === undefined) tell.ended(record, value, from, times)
    else keeper.ended(record, value, from, times)
  }

  /** Nobody waits for its run any more, but when its time is over its slot is stuck. */
  #abandon(record: RequestRecord, state: State, value: unknown): void {
    const { alarm, gate, learner, parties, slots, timeline } = this.#parts
    const dueAt = parties.wantedUntil(record)
    const slot = slots.timesOf(record)
    if (state === State.EXPIRED && slot !== undefined) {
      const runMs = timeline.now() - slot.startedAt
      if (gate.hearsEnds) gate.settled(record, false, runMs, value)
      if (learner !== undefined) learner.learn(runMs, slot.inflight, { error: value })
    }
    slots.abort(record, value, dueAt)
    if (dueAt < alarm.dueAt) alarm.setFor(dueAt, timeline.now())
  }

  /** The books: it has ended, and nothing refers to it. Only its signal and the `then` of its answer are asked in here. */
  retire(record: RequestRecord, state: State, value: unknown): void {
    const parts = this.#parts
    record.status = state
    if (state === State.PARKED) parts.statistics.parked++
    else parts.statistics.end(state - State.COMPLETED, record.tier)
    if (parts.audit !== undefined) parts.audit.ended(record)
    if (record.extras !== undefined) parts.parties.ended(record, value)
    parts.lives.ends(record)
    if (parts.keeper === undefined || !parts.keeper.defers(record)) parts.parties.answer(record, value)
  }

  /** Its call has an answer, and its slot stays busy. */
  stays(record: RequestRecord, times: Times): void {
    if (record.ended) return
    const { alarm, parties, timeline } = this.#parts
    // Its whole time goes on as well, though nobody waits for it any more.
    times.deadline = Math.min(times.deadline, parties.wantedUntil(record))
    if (times.deadline < alarm.dueAt) alarm.setFor(times.deadline, timeline.now())
    parties.stays(record)
  }

  /** By the handle of the caller who has submitted it. */
  cancel(record: RequestRecord, reason: unknown): boolean {
    if (record.ended || record.extras?.left !== undefined) return false
    return this.#parts.parties.leave(record, State.CANCELLED, new CancelledError(reason, subjectOf(record)))
  }

  /** Ends a request before its answer, wherever it is: one that is blocked was never admitted. */
  finish(record: RequestRecord, state: HowItLeft, error: unknown): boolean {
    if (record.status >= State.WAITING) return this.end(record, state, error)
    this.#parts.refusals.refuse(record, error)
    return true
  }

  /** Its run is over its deadline, and its call has not settled. */
  overdue(record: RequestRecord, startedAt: number, now: number): void {
    if (record.status > State.COMPLETED) return
    const { limits, slots } = this.#parts
    const ranMs = now - startedAt
    const runTimeoutMs = limits.runOf(record)
    const timeoutMs = ranMs < runTimeoutMs ? limits.wholeOf(record) : runTimeoutMs
    const error = new RunTimeoutError(ranMs, timeoutMs, subjectOf(record))
    // One that is held has its answer.
    if (record.ended) slots.abort(record, error, now)
    else this.end(record, State.EXPIRED, error)
  }
}

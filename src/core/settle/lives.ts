/**
 * For which requests does somebody wait? Each of them has its time limits, its signal and its id; and while there is any, the
 * process is kept alive. Step 6 of 7.
 */
import type { Alarm, Timeline } from '../clock.ts'
import type { Extras } from '../request-extras.ts'
import type { RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Closing } from './closing.ts'

/** What it acts on. */
export interface LivesParts {
  readonly settings: { readonly waitLimitMs: readonly number[] }
  readonly timeline: Timeline
  readonly alarm: Alarm
  readonly limits: { set(record: RequestRecord, limitMs: number): void }
  readonly parties: { lives(record: RequestRecord, extras: Extras): void; unlink(record: RequestRecord): void }
  readonly closing: Closing
  readonly dispatch: { readonly paused: boolean }
  readonly gate: { staysHeld(): boolean }
  readonly slots: { readonly free: number }
  /** Arms the alarm for what is due next. */
  setAlarm(now: number): void
}

export class Lives {
  readonly #parts: LivesParts

  constructor(parts: LivesParts) {
    this.#parts = parts
  }

  /** Somebody waits for its end from now on. */
  begins(record: RequestRecord): void {
    const parts = this.#parts
    const isFirst = parts.closing.live++ === 0
    const { extras } = record
    if (extras !== undefined) parts.parties.lives(record, extras)
    else {
      const limitMs = parts.settings.waitLimitMs[record.tier] as number
      if (limitMs !== Number.POSITIVE_INFINITY) parts.limits.set(record, limitMs)
    }
    if (isFirst) this.#wakes()
  }

  /** Nobody waits for its end any more. */
  ends(record: RequestRecord): void {
    const parts = this.#parts
    parts.closing.live--
    if (record.extras !== undefined || record.deadline !== undefined) parts.parties.unlink(record)
  }

  /** It comes anew: until it is in again nobody waits for its end, and its signal counts as before. */
  comesAnew(record: RequestRecord): void {
    record.status = State.ARRIVING
    const { extras } = record
    const signal = extras?.signal
    this.ends(record)
    if (extras !== undefined) extras.signal = signal
  }

  /** Something is live again. */
  #wakes(): void {
    const { alarm, closing, dispatch, gate, setAlarm, slots, timeline } = this.#parts
    closing.wakes()
    // The dispatch will arm the alarm; if there is none, something must keep the process alive.
    const startsLater = gate.staysHeld() || dispatch.paused || slots.free <= 0
    if (!alarm.armed && startsLater) setAlarm(timeline.now())
  }
}

/**
 * An answer that is told was recorded first. When is it told, then?
 *
 *     settled ──▶ untold ──▶ its record is committed ─────────────────────────────▶ told
 *                    └─────▶ its caller's own time is over, or `tellWithinMs` is ─▶ told, and `unrecorded`
 *
 * Meanwhile it counts as live, so that `idle()` and `close()` wait for it.
 */
import type { Alarm, Timeline } from '../clock.ts'
import type { Line } from '../keeper.ts'
import type { RequestRecord } from '../request-record.ts'
import type { State } from '../request-state.ts'
import type { Stored } from '../stored.ts'

/** What it acts on. */
export interface TellingParts {
  readonly settings: { readonly tellWithinMs: number }
  readonly timeline: Timeline
  readonly alarm: Alarm
  readonly parties: {
    answer(record: RequestRecord, value: unknown): void
    wantedUntil(record: RequestRecord): number
  }
  readonly closing: { live: number; rest(): void }
  readonly tell: {
    of(record: RequestRecord, event: 'unrecorded', more: object): void
    ended(record: RequestRecord, value: unknown, from: State, run: { readonly startedAt: number } | undefined): void
  }
}

export class Telling {
  readonly #parts: TellingParts
  readonly #line: Line

  constructor(parts: TellingParts, line: Line) {
    this.#parts = parts
    this.#line = line
  }

  get nextDueAt(): number {
    return this.#line.nextDueAt
  }

  /** It waits to be told. */
  waits(record: RequestRecord): void {
    ;(record.extras?.stored as Stored).isUntold = true
    this.#parts.closing.live++
  }

  /** It is told, if it was not yet. */
  tells(record: RequestRecord, value: unknown, tell: () => void): void {
    const stored = record.extras?.stored as Stored
    if (!stored.isUntold) return
    stored.isUntold = false
    const { closing, parties } = this.#parts
    closing.live--
    parties.answer(record, value)
    tell()
    if (closing.live === 0) closing.rest()
  }

  /** When it is recorded, or nobody may wait for that any longer. */
  later(record: RequestRecord, value: unknown, recorded: Promise<void>, tell: () => void): void {
    const { alarm, parties, settings, timeline } = this.#parts
    this.waits(record)
    const now = timeline.now()
    const dueAt = Math.min(now + settings.tellWithinMs, Math.max(parties.wantedUntil(record), now))
    const unrecorded = (): void => {
      this.tells(record, value, () => {
        this.#parts.tell.of(record, 'unrecorded', {})
        tell()
      })
    }
    const place = dueAt === Number.POSITIVE_INFINITY ? undefined : this.#line.set(unrecorded, dueAt)
    if (dueAt < alarm.dueAt) alarm.setFor(dueAt, now)
    const isOver = (end: () => void): void => {
      if (place !== undefined) this.#line.clear(place as never)
      end()
    }
    recorded.then(
      () => isOver(() => this.tells(record, value, tell)),
      () => isOver(unrecorded),
    )
  }

  ring(now: number): void {
    for (let due = this.#line.takeDue(now); due !== undefined; due = this.#line.takeDue(now)) due()
  }
}

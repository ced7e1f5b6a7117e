/**
 * When was that, by the clock on the wall? Events tell the time of the executor's clock, of which only differences count;
 * spans need the time since 1970.
 *
 * The two differ by an offset. Each request keeps the one that it began with, so that its spans are nested and its
 * durations exact. New requests get a new one when the wall clock has been set, or the machine has slept.
 */
import { type Clock, systemClock } from '../index.ts'

/** A new offset is taken over when it is this much smaller, in ms: less is the noise of reading two clocks in a row. */
const DRIFT_MS = 10

export class WallTime {
  readonly #clock: Clock
  #offset: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offset = this.#measure()
  }

  /** What to add to a time of the clock, for a request that begins now. */
  offset(): number {
    // Only real time drifts: another clock runs as it likes.
    if (this.#clock !== systemClock) return this.#offset
    const offset = this.#measure()
    // `Date.now()` is cut down to whole ms, so of several offsets the greatest is the right one.
    if (offset > this.#offset || offset < this.#offset - DRIFT_MS) this.#offset = offset
    return this.#offset
  }

  /** The time of the clock right now. */
  now(): number {
    return this.#clock.now()
  }

  #measure(): number {
    const wall = Date.now()
    const now = this.#clock.now()
    return Number.isFinite(now) ? wall - now : wall
  }
}

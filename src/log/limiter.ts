/**
 * May this line be written? A token bucket for each kind of line, and a count of those that were held back.
 *
 * Time is that of the events, in ms on the executor's clock: the limit is the same in a simulation, and owns no timer.
 */
import type { LogEvent } from './lines.ts'

/** Holds up to `burst` tokens, and gets `perSecond` new ones each second. */
export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #at = Number.NaN

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
  }

  take(at: number): boolean {
    // An idle executor's clock may begin anew (fake timers that come and go): then no time has passed.
    const elapsedMs = at > this.#at ? at - this.#at : 0
    this.#at = at
    if (this.#perMs === Number.POSITIVE_INFINITY) return true
    this.#tokens = Math.min(this.#tokens + elapsedMs * this.#perMs, this.#burst)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

/** One kind of line: an event or, for refusals, an event and a reason. So a flood of one hides no other. */
export class Kind {
  readonly event: LogEvent
  readonly reason: string | undefined
  readonly bucket: TokenBucket
  /** How many lines were held back, and not yet told of. */
  held = 0
  /** When the first of them came. */
  #since = 0

  constructor(event: LogEvent, reason: string | undefined, bucket: TokenBucket) {
    this.event = event
    this.reason = reason
    this.bucket = bucket
  }

  holdBack(at: number): void {
    if (this.held++ === 0) this.#since = at
  }

  /** Are lines held back, the first of them for at least `ms`? */
  isOverdue(ms: number, at: number): boolean {
    if (at < this.#since) this.#since = at
    return this.held > 0 && at - this.#since >= ms
  }
}

/**
 * What do some dozens of calls in a row say? Sums over the samples between two decisions. A part of `adaptive()`.
 */
import type { LimitSample } from '../limit.ts'

/** The clock may not have moved during a run; durations are divided by, and their logarithms taken. */
const SHORTEST_MS = 1e-6
/** Thirty years: a clock that was set must not make an average infinite. */
const LONGEST_MS = 1e12

export class LimitWindow {
  // In an array, and never handed from call to call: a number that is no small integer would be boxed for each sample.
  readonly #sums = Float64Array.of(Number.NEGATIVE_INFINITY, 0, 0, 0, 0, Number.NEGATIVE_INFINITY, 0)
  /** All samples, those whose duration counts, and those that were dropped. */
  samples = 0
  timed = 0
  dropped = 0
  /** The most that ran when one of them started. */
  mostInflight = 0

  /** Starts anew; what settles before `at` does not count. @param usualMs what a run takes lately */
  open(at: number, usualMs: number): void {
    const lastAt = this.#sums[LAST] as number
    this.#sums.fill(0)
    this.#sums[OPENED] = at
    this.#sums[USUAL] = usualMs
    this.#sums[LAST] = lastAt
    this.samples = 0
    this.timed = 0
    this.dropped = 0
    this.mostInflight = 0
  }

  add({ at, runMs, inflight, dropped }: Readonly<LimitSample>): void {
    const sums = this.#sums
    const gap = at - (sums[LAST] as number)
    sums[LAST] = at
    if (at < (sums[OPENED] as number)) return
    const run = runMs > SHORTEST_MS ? Math.min(runMs, LONGEST_MS) : SHORTEST_MS
    this.samples++
    sums[INFLIGHT] = (sums[INFLIGHT] as number) + inflight
    if (inflight > this.mostInflight) this.mostInflight = inflight
    // While something ran: a longer gap than the run itself was idle in part.
    sums[BUSY] = (sums[BUSY] as number) + Math.min(gap, run)
    if (dropped) this.dropped++
    // A refusal says nothing about speed; a run that was cut off has taken at least so long.
    if (dropped && run < (sums[USUAL] as number)) return
    this.timed++
    sums[RUN] = (sums[RUN] as number) + run
    sums[SQUARES] = (sums[SQUARES] as number) + run * run
  }

  /** Does it hold so many samples, and was it open for so many runs one after the other? */
  isComplete({ at }: Readonly<LimitSample>, samples: number, rounds: number): boolean {
    const sums = this.#sums
    return this.samples >= samples && at - (sums[OPENED] as number) >= rounds * (sums[USUAL] as number)
  }

  /** How many ran when they started, on average. */
  get inflight(): number {
    return (this.#sums[INFLIGHT] as number) / this.samples
  }

  /** How long they ran, on average, in ms. */
  get runMs(): number {
    return (this.#sums[RUN] as number) / this.timed
  }

  /** The square of the relative standard error of `runMs`. */
  get uncertainty(): number {
    const relative = (this.#sums[SQUARES] as number) / this.timed / this.runMs ** 2 - 1
    return Math.max(0, relative) / this.timed
  }

  /** How many were in flight by Little's law: throughput times latency. */
  get littlesInflight(): number {
    return (this.samples / Math.max(this.#sums[BUSY] as number, SHORTEST_MS)) * this.runMs
  }
}

const OPENED = 0
const INFLIGHT = 1
const BUSY = 2
const RUN = 3
const SQUARES = 4
const LAST = 5
const USUAL = 6

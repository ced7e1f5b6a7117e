/**
 * How many calls may run? As many as the downstream can work on at once, found out by looking. The limit we recommend.
 *
 * The model. A downstream that works on c calls at once answers in a time r while at most c are in flight; with L > c
 * of them, L − c queue inside it, a call takes r · L / c, and throughput does not grow any more. So
 *
 *     q = L · (1 − r / run)        is the queue inside the downstream (TCP Vegas)
 *
 * and the best limit is where q just begins. It is looked for window by window, a window being two rounds of calls and
 * some dozens of them, so that each decision sees what the last one did:
 *
 *     q < low  = √L / 4 + noise / 2    L ← L + √L
 *     q > high = 3 √L / 4 + noise      L ← L − min(q − high, √L), but halfway at once when q > L / 2
 *
 * `noise` is L times the standard error of the window's mean: with runs of very different lengths a queue must be
 * longer before it is believed.
 *
 * All hangs on r. A minimum or an average of what was seen becomes, under lasting load, the latency of the queue itself,
 * and the limit drifts up for ever (known of Vegas and Gradient2). Four things keep it down here:
 *
 *  1. A probe. Every 24th window runs with 0.7 · L, and what a call takes then is r, or nearer to it. As 0.7 times what a
 *     wrong r allows is less than that, the error dies out probe by probe; it costs some 1 % of throughput.
 *  2. A veto. Over the last 50 windows, how does latency go with inflight (`Elasticity`)? When throughput does not rise
 *     with inflight, L does not grow, and shrinks if there is any queue; when throughput falls, L shrinks.
 *  3. A decrease must help. If L has shrunk by 30 % and latency by less than 20 %, it was no queue: r is what a run takes
 *     now. So a downstream that has become slower is not strangled for it.
 *  4. A cap: L ≤ 5 times what was in flight by Little's law, throughput times latency.
 *
 * A window that never used all of L says what an unhurried call takes, and moves r; it does not move L. Of a window in
 * which a share d was dropped, L loses d / 2, as in DCTCP.
 *
 * The constants are from sweeps in simulation, over capacities from 1 to 500, steady to exponential run times, and
 * downstreams that only queue or that also become less efficient.
 *
 * @see https://github.com/failsafe-go/failsafe-go (adaptivelimiter: the veto, its window of 50, the cap)
 * @see https://www.uber.com/blog/cinnamon-auto-tuner-adaptive-concurrency-in-the-wild (windows of 50, throughput covariance)
 * @see Brakmo and Peterson, TCP Vegas, IEEE JSAC 13(8), 1995; Cardwell et al., BBR, ACM Queue 2016 (probing for r)
 * @see Alizadeh et al., DCTCP, SIGCOMM 2010
 */
import { Elasticity } from './elasticity.ts'
import type { LimitPolicy, LimitSample } from './limit.ts'
import { type LearningLimitOptions, learningLimit, readLimitOptions } from './limit-options.ts'
import { LimitWindow } from './limit-window.ts'

/** `initial` is 10, `min` 1 and `max` 1000 by default. */
export interface AdaptiveOptions extends LearningLimitOptions {}

const defaults = { initial: 10, min: 1, max: 1000 }

/** A window is at least two rounds, each as long as a call … */
const ROUNDS = 2
/** … and five calls for each slot, but no fewer than 10 and no more than 50. */
const CALLS_PER_SLOT = 5
const FEWEST_CALLS = 10
const MOST_CALLS = 50

const LOW = 0.25
const HIGH = 0.75
/** Standard errors. */
const NOISE = 1.4

const PROBE_EVERY = 24
const PROBE_DEPTH = 0.7
/** A slope of latency over inflight: from here on, throughput as good as does not rise. */
const FLAT = 0.8
/** A decrease by so much must have made runs so much shorter; while they still grow longer, it is too early to tell. */
const SHRUNK = 0.7
const HELPED = 0.8
const STEADY = 1.05
const MOST_PER_INFLIGHT = 5
/** With more than this share dropped, nothing else counts. */
const MANY_DROPPED = 0.1
/** For how many calls' time after a great change nothing is counted: what settles then has started before. */
const SETTLING = 1.2

/**
 * A limit that finds the concurrency at which the downstream is busy and not yet queueing, and follows it.
 * @throws {OptionsError}
 */
export function adaptive(options: AdaptiveOptions = {}): LimitPolicy {
  const { initial, min, max, isDropped } = readLimitOptions(options, defaults, {})
  const search = new Search(initial, min, max)
  return learningLimit('adaptive', initial, (sample) => search.sample(sample), isDropped)
}

class Search {
  readonly #min: number
  readonly #max: number
  readonly #window = new LimitWindow()
  readonly #elasticity = new Elasticity()
  /** L, and as the slots have it: rounded down. */
  #exact: number
  #limit: number
  /** What a run takes lately, and what it would take without any queue (r), in ms. 0: not known yet. */
  #usualMs = 0
  #unqueuedMs = 0
  /** Of a window's mean run time: the square of its relative standard error. */
  #uncertainty = 0
  #windowsToProbe = PROBE_EVERY
  /** The limit from before the probe that is going on; 0: none is. */
  #probedFrom = 0
  /** Where the present decrease began, and what a run took there. */
  #peak = 0
  #peakMs = 0

  constructor(initial: number, min: number, max: number) {
    this.#exact = initial
    this.#limit = initial
    this.#min = min
    this.#max = max
  }

  sample(sample: Readonly<LimitSample>): number {
    const window = this.#window
    window.add(sample)
    const wanted = Math.min(Math.max(CALLS_PER_SLOT * this.#limit, FEWEST_CALLS), MOST_CALLS)
    if (!window.isComplete(sample, wanted, this.#probedFrom > 0 ? 1 : ROUNDS)) return this.#limit

    const next = Math.min(Math.max(this.#decide(window), this.#min), this.#max)
    const great = Math.abs(next - this.#exact) > this.#exact / 4
    window.open(great ? sample.at + SETTLING * this.#usualMs : sample.at, this.#usualMs)
    this.#exact = next
    this.#limit = Math.floor(next)
    return this.#limit
  }

  /** L after a window. */
  #decide(window: LimitWindow): number {
    const dropped = window.dropped / window.samples
    const limit = this.#exact * (1 - dropped / 2)
    if (window.timed === 0) return limit
    this.#compare(window.inflight, window.runMs)
    if (this.#probedFrom > 0) return this.#endProbe(window.inflight, window.runMs)

    const { uncertainty, runMs } = window
    this.#usualMs = this.#usualMs === 0 ? runMs : mix(this.#usualMs, runMs, 0.5)
    this.#uncertainty = this.#uncertainty === 0 ? uncertainty : mix(this.#uncertainty, uncertainty, 0.1)
    if (dropped > MANY_DROPPED) return limit
    const full = window.mostInflight >= this.#limit
    this.#learnUnqueued(runMs, full)
    const cap = MOST_PER_INFLIGHT * window.littlesInflight
    if (limit > cap) return Math.max(limit - Math.sqrt(limit), cap)
    if (!full) return limit
    if (--this.#windowsToProbe <= 0 && limit > this.#min) {
      this.#probedFrom = limit
      return limit * PROBE_DEPTH
    }
    return this.#search(limit)
  }

  /** Remembers a window for the veto; unless the downstream is another one now. */
  #compare(inflight: number, runMs: number): void {
    const usual = this.#usualMs
    if (usual > 0 && this.#probedFrom === 0 && (runMs > 2 * usual || runMs < usual / 2)) {
      this.#elasticity.forget()
      this.#usualMs = runMs
    }
    this.#elasticity.add(inflight, runMs)
  }

  /** The probe is over, and L what it was. */
  #endProbe(inflight: number, runMs: number): number {
    const from = this.#probedFrom
    this.#probedFrom = 0
    this.#windowsToProbe = PROBE_EVERY
    // Where the limit does not hold (it is only reported), nothing was tried.
    if (inflight <= from * ((1 + PROBE_DEPTH) / 2)) this.#unqueuedMs = mix(this.#unqueuedMs, runMs, 0.5)
    return from
  }

  /** r, as far as a window tells without a probe. */
  #learnUnqueued(runMs: number, full: boolean): void {
    const usual = this.#usualMs
    const unqueued = this.#unqueuedMs
    if (unqueued === 0) this.#unqueuedMs = runMs
    else if (!full) this.#unqueuedMs = mix(unqueued, runMs, 0.25)
    // Surely faster: follow. Otherwise hardly: the smallest of many noisy means would be too small.
    else if (usual < unqueued * (1 - this.#noise())) this.#unqueuedMs = mix(unqueued, usual, 0.25)
    else this.#unqueuedMs = mix(unqueued, usual, usual < unqueued ? 0.02 : 0.01)
    // No smaller limit can show a shorter run.
    if (this.#exact <= this.#min && this.#unqueuedMs < usual) this.#unqueuedMs = usual
  }

  /** The step of the search, when all of L was used. */
  #search(limit: number): number {
    const step = Math.sqrt(limit)
    const noise = this.#noise() * limit
    const low = LOW * step + noise / 2
    const high = HIGH * step + noise
    const queue = limit * (1 - this.#unqueuedMs / this.#usualMs)
    if (!this.#helps(limit, queue > low)) return limit
    const slope = this.#elasticity.atLeast()
    if (slope > 1 || (slope > FLAT && queue > low)) return limit - step
    if (queue < low) return slope > FLAT ? limit : limit + step
    if (queue <= high) return limit
    return Math.max(limit - (queue - high), queue > limit / 2 ? limit / 2 : limit - step)
  }

  /** Has the present decrease, if there is one, been of any use? If not, what a run takes now is r. */
  #helps(limit: number, decreasing: boolean): boolean {
    const usual = this.#usualMs
    if (!decreasing || limit > this.#peak || usual > STEADY * this.#peakMs) {
      this.#peak = limit
      this.#peakMs = usual
      return true
    }
    if (usual > this.#peakMs) this.#peakMs = usual
    if (limit >= SHRUNK * this.#peak) return true
    const helped = usual <= HELPED * this.#peakMs
    this.#peak = limit
    this.#peakMs = usual
    if (!helped) {
      this.#unqueuedMs = usual
      this.#elasticity.forget()
    }
    return helped
  }

  #noise(): number {
    return Math.min(1, NOISE * Math.sqrt(this.#uncertainty))
  }
}

function mix(old: number, fresh: number, share: number): number {
  return old + (fresh - old) * share
}

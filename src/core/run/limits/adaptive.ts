/**
 * How many calls may run? As many as the downstream can work on at once, found out by trying. The limit we recommend. Step 4 of 7.
 *
 * The model. A downstream that works on c calls at once answers in a time r while at most c are in flight; with L > c
 * of them, L − c queue inside it, a call takes r · L / c, and throughput does not grow any more. So
 *
 *     q = L · (1 − r / run)        is the queue inside the downstream (TCP Vegas)
 *
 * and the best limit is where q just begins. It is looked for window by window, a window being two rounds of calls and
 * some dozens of them, so that each decision sees what the last one did:
 *
 *     q > high = 0.4 √L + noise        L ← L − min(q − high, step), but halfway at once when q > L / 2
 *     q < low  = 0.1 √L + noise / 2    L ← L + step, step = √L / 2, at least 1
 *     between the two                  L stays, but for a try once it has been there for long
 *
 * `noise` is L times two standard errors of `run`, so that with runs of very different lengths a queue must be longer
 * before it is believed. The longer L stays, the more windows `run` is the mean of, and the smaller the noise.
 *
 * Five things keep L there, also where a crowd makes the work itself slower, and each call too many costs throughput:
 *
 *  1. A ceiling. A limit with a queue is remembered, and not tried again for 16 windows.
 *  2. A probe. Every 24th window runs with 0.7 · L, and what a call takes then is r, or nearer to it. A minimum or an
 *     average of what was seen would become, under lasting load, the latency of the queue itself, and the limit would
 *     drift up for ever (known of Vegas and Gradient2). It costs some 1 % of throughput.
 *  3. A probe that costs no throughput is not undone: L stays small, and the next probe follows at once. So a limit that is
 *     far too high, the first one perhaps, is left within some windows, though the true r has never been seen.
 *  4. A decrease must help. If L has shrunk by 30 % and latency by less than 20 %, there was no queue: r is set to what a run
 *     takes now. So a downstream that has become slower is not strangled. A probe right after tells if that was wrong.
 *  5. A cap: L ≤ 5 times what was in flight by Little's law, throughput times latency.
 *
 * A window that never used all of L says what an unhurried call takes, and moves r; it does not move L. Of a window in
 * which a share d was dropped, L loses d / 2, as in DCTCP.
 *
 * The constants are from sweeps in simulation: capacities from 1 to 200, steady to exponential run times, downstreams that
 * only queue, and some that also become less efficient. Where twice the capacity in flight makes all calls half as long
 * again, it reaches 95 to 99 % of the best fixed limit's goodput, with exponential run times 80
 * to 95 %. When the capacity collapses to a twentieth and nothing times out, it needs more than 30 s to follow. A veto by
 * the slope of latency over inflight (failsafe-go, Cinnamon) was tried: it changed nothing that the ceiling and the probes
 * do not, and is left out.
 *
 * @see https://github.com/failsafe-go/failsafe-go (adaptivelimiter: the cap)
 * @see https://www.uber.com/blog/cinnamon-auto-tuner-adaptive-concurrency-in-the-wild (windows of 50)
 * @see Brakmo and Peterson, TCP Vegas, IEEE JSAC 13(8), 1995; Cardwell et al., BBR, ACM Queue 2016 (probing for r)
 * @see Alizadeh et al., DCTCP, SIGCOMM 2010
 */
import type { LimitPolicy, LimitSample } from '../limit.ts'
import { type LearningLimitOptions, learningLimit, readLimitOptions } from './limit-options.ts'
import { LimitWindow } from './limit-window.ts'
import { mix, UsualRun } from './usual-run.ts'

/** `initial` is 10, `min` 1 and `max` 1000 by default. */
export interface AdaptiveOptions extends LearningLimitOptions {}

const defaults = { initial: 10, min: 1, max: 1000 }

/** A window is at least two rounds, each as long as a call … */
const ROUNDS = 2
/** … and five calls for each slot, but no fewer than 10 and no more than 50. */
const CALLS_PER_SLOT = 5
const FEWEST_CALLS = 10
const MOST_CALLS = 50

const LOW = 0.1
const HIGH = 0.4
const STEP = 0.5
/** After so many windows between low and high it tries to grow: r may be a little too small. */
const LONG = 8
const CEILING_HOLDS = 16

const PROBE_EVERY = 24
const PROBE_DEPTH = 0.7
/** A probe in which time for each call in flight has surely grown by less than this has cost no throughput. */
const NOTHING_LOST = 1.1
/** A decrease by so much must have made runs so much shorter. */
const SHRUNK = 0.7
const HELPED = 0.8
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
  readonly #usual = new UsualRun()
  /** L, and as the slots have it: rounded down. */
  #exact: number
  #limit: number
  /** r: what a run would take without any queue, in ms. 0: not known yet. */
  #unqueuedMs = 0
  /** The first one comes at once: what is taken for r then was seen at a limit that nobody has chosen. */
  #windowsToProbe = 1
  /** The limit from before the probe that is going on; 0: none is. */
  #probedFrom = 0
  /** The last limit that had a queue, and for how many windows to stay below. */
  #ceiling = 0
  #ceilingHolds = 0
  /** It grows until there is a queue. */
  #tries = false
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
    const probing = this.#probedFrom > 0
    const wanted = Math.min(Math.max(CALLS_PER_SLOT * this.#limit, FEWEST_CALLS), MOST_CALLS)
    if (!window.isComplete(sample, wanted, probing ? 1 : ROUNDS)) return this.#limit

    const next = Math.min(Math.max(this.#decide(window), this.#min), this.#max)
    const great = Math.abs(next - this.#exact) > this.#exact / 4
    window.open(great ? sample.at + SETTLING * this.#usual.ms : sample.at, this.#usual.ms)
    // A probe is no other place: what was usual before is so after it.
    if (Math.floor(next) !== this.#limit && !probing && this.#probedFrom === 0) this.#usual.moved()
    this.#exact = next
    this.#limit = Math.floor(next)
    return this.#limit
  }

  /** L after a window. */
  #decide(window: LimitWindow): number {
    const dropped = window.dropped / window.samples
    const limit = this.#exact * (1 - dropped / 2)
    if (window.timed === 0) return limit
    if (this.#probedFrom > 0) return this.#endProbe(window)

    this.#usual.add(window)
    if (dropped > MANY_DROPPED) return limit
    const full = window.mostInflight >= this.#limit
    this.#learnUnqueued(window.runMs, full)
    const cap = MOST_PER_INFLIGHT * window.littlesInflight
    if (limit > cap) return Math.max(limit - Math.sqrt(limit), cap)
    if (!full) return limit
    if (--this.#windowsToProbe <= 0) return this.#probe(limit)
    return this.#search(limit)
  }

  #probe(limit: number): number {
    this.#windowsToProbe = PROBE_EVERY
    const next = Math.max(limit * PROBE_DEPTH, this.#min)
    if (Math.floor(next) === Math.floor(limit)) return limit
    this.#probedFrom = limit
    return next
  }

  /** The probe is over, and L what it was; or what it is, when that has cost nothing. */
  #endProbe({ inflight, runMs, uncertainty }: LimitWindow): number {
    const from = this.#probedFrom
    this.#probedFrom = 0
    // Where the limit does not hold (it is only reported), nothing was tried.
    if (inflight > from * ((1 + PROBE_DEPTH) / 2)) return from
    if (runMs / inflight < (NOTHING_LOST - this.#usual.noise) * (this.#usual.ms / this.#usual.inflight)) {
      this.#unqueuedMs = Math.min(this.#unqueuedMs, runMs)
      this.#usual.startAnew({ inflight, runMs, uncertainty })
      return this.#probe(this.#exact)
    }
    this.#unqueuedMs = mix(this.#unqueuedMs, runMs, 0.5)
    return from
  }

  /** r, as far as a window tells without a probe. */
  #learnUnqueued(runMs: number, full: boolean): void {
    const usual = this.#usual.ms
    const unqueued = this.#unqueuedMs
    if (unqueued === 0) this.#unqueuedMs = runMs
    else if (!full) this.#unqueuedMs = mix(unqueued, runMs, 0.25)
    // Surely faster: follow. Not otherwise: the smallest of many noisy means would be too small.
    else if (usual < unqueued * (1 - this.#usual.noise)) this.#unqueuedMs = mix(unqueued, usual, 0.25)
    // No smaller limit can show a shorter run.
    if (this.#limit <= this.#min && this.#unqueuedMs < usual) this.#believe(usual)
  }

  /** It was no queue: r is that much longer, and what was thought of larger limits is void. */
  #believe(unqueuedMs: number): void {
    this.#unqueuedMs = unqueuedMs
    this.#ceilingHolds = 0
  }

  /** The step of the search, when all of L was used. */
  #search(limit: number): number {
    const root = Math.sqrt(limit)
    const step = Math.max(1, STEP * root)
    const noise = this.#usual.noise * limit
    const low = LOW * root + noise / 2
    const high = HIGH * root + noise
    const queue = this.#limit * (1 - this.#unqueuedMs / this.#usual.ms)
    if (this.#isInVain(limit, queue > low)) {
      this.#believe(this.#usual.ms)
      this.#windowsToProbe = 1
      return limit
    }
    if (queue > high) {
      this.#tries = false
      this.#ceiling = this.#limit
      this.#ceilingHolds = CEILING_HOLDS
      if (queue > limit / 2) return limit / 2
      return Math.max(Math.min(limit - (queue - high), below(this.#ceiling)), limit - step)
    }
    if (this.#ceilingHolds > 0) {
      this.#ceilingHolds--
      return queue < low ? Math.max(limit, Math.min(limit + step, below(this.#ceiling))) : limit
    }
    if (this.#usual.windows >= LONG) this.#tries = true
    return queue < low || this.#tries ? limit + step : limit
  }

  /** Has the present decrease, if there is one, been of no use? */
  #isInVain(limit: number, decreasing: boolean): boolean {
    const usual = this.#usual.ms
    let inVain = false
    if (decreasing && limit <= this.#peak) {
      if (usual > this.#peakMs) this.#peakMs = usual
      if (limit >= SHRUNK * this.#peak) return false
      inVain = usual > HELPED * this.#peakMs
    }
    this.#peak = limit
    this.#peakMs = usual
    return inVain
  }
}

/** The greatest L that is less than a whole one, for all that matters. */
function below(limit: number): number {
  return limit - 0.01
}

/**
 * Has it waited too long to be worth a slot? Controlled delay: waiting time is judged, not length. Step 2 of 7.
 *
 * A good queue takes up a burst and is empty again soon: then some request waits little in each interval. A bad one stands: then
 * even the *least* wait of an interval is long. So, for each tier on its own, as folly's `Codel` does:
 *
 *     at the end of an interval    overloaded = its least wait > target
 *     while overloaded             whose turn comes after more than 2 · target is shed
 *     the first of an interval     always runs: something is measured, whatever comes
 *
 * folly's target of 5 ms suits work of about a millisecond. A queue in front of `concurrency` slots hands on one every
 * run / concurrency; with a target of half a run about half as many wait as run, which is enough never to leave a slot
 * idle. And none is shed for a wait that is shorter than the run itself. For the same reason an interval takes at least
 * two runs: each slot is handed on once or twice in it.
 *
 * It looks at a request only when its turn has come: a tier that never has its turn (LOW, under strict order) is not shed.
 * The time of a pause is no wait: it does not count.
 *
 * @see https://queue.acm.org/detail.cfm?id=2209336 (Nichols and Jacobson, 2012)
 * @see https://github.com/facebook/folly/blob/main/folly/executors/Codel.cpp
 */
import { readGiven } from '../../checks.ts'
import { TIERS } from '../../priority.ts'
import type { Guard, GuardQuestion, Refusal } from '../guard.ts'
import { fromZero, positiveMs, rounded } from './guard-options.ts'

export interface CodelOptions {
  /**
   * The least wait, in ms, that tells a standing queue from a burst; with `scale`, never less than this.
   * @default 5
   */
  readonly targetMs?: number | undefined
  /**
   * For how long the least wait is looked for, in ms; never shorter than two recent runs.
   * @default 100
   */
  readonly intervalMs?: number | undefined
  /**
   * The target as a part of the mean recent run: of at least 0, and 0 for a target that stays as it is.
   * @default 0.5, or 0 when `targetMs` is given
   */
  readonly scale?: number | undefined
}

const RUNS_PER_INTERVAL = 2

/**
 * Sheds requests that have waited too long while a queue stands: `overload: codel()`. One object serves one executor.
 * @throws {OptionsError}
 */
export function codel(options: CodelOptions = {}): Guard {
  const given = readGiven<CodelOptions>('codel', options, {
    targetMs: positiveMs,
    intervalMs: positiveMs,
    scale: fromZero,
  })
  const { targetMs = 5, intervalMs = 100, scale = given.targetMs === undefined ? 0.5 : 0 } = given
  return new Codel(targetMs, intervalMs, scale)
}

/** What is known of a tier. */
interface Delay {
  leastMs: number
  /** When the interval is over. */
  until: number
  overloaded: boolean
}

class Codel implements Guard {
  readonly name = 'codel'
  readonly option = 'overload'
  readonly remembers = true
  readonly #targetMs: number
  readonly #intervalMs: number
  readonly #scale: number
  readonly #delays: readonly Delay[]

  constructor(targetMs: number, intervalMs: number, scale: number) {
    this.#targetMs = targetMs
    this.#intervalMs = intervalMs
    this.#scale = scale
    this.#delays = Array.from({ length: TIERS }, () => ({
      leastMs: 0,
      until: Number.NEGATIVE_INFINITY,
      overloaded: false,
    }))
  }

  drop({ at, tier, recentRunMs, waitMs: waitedMs, pausedMs }: Readonly<GuardQuestion>): Refusal | undefined {
    const waitMs = waitedMs - pausedMs
    const delay = this.#delays[tier] as Delay
    // Before the first run has settled there is nothing to scale by.
    const runMs = recentRunMs > 0 ? recentRunMs : 0
    const targetMs = Math.max(this.#targetMs, this.#scale * runMs)
    const intervalMs = Math.max(this.#intervalMs, RUNS_PER_INTERVAL * runMs)
    // An end that is further away than an interval is one of a clock that has gone back.
    if (at > delay.until || delay.until - at > 2 * intervalMs) {
      delay.overloaded = delay.leastMs > targetMs
      delay.leastMs = waitMs
      delay.until = at + intervalMs
      return undefined
    }
    if (waitMs < delay.leastMs) delay.leastMs = waitMs
    if (!delay.overloaded || waitMs <= 2 * targetMs) return undefined
    return {
      rule: this.name,
      compared: { waitMs: rounded(waitMs), targetMs: rounded(targetMs) },
      wouldAdmit: `a wait of at most ${rounded(2 * targetMs)} ms`,
    }
  }
}

/**
 * How many workers does a queue want? An answer from what waits, for how long, what runs and how long a run takes; by the field's own
 * mathematics, so that it can be checked.
 *
 * Little's law: as many slots are busy as requests come in a run's time. While no slot is missing, that is what runs. While slots are
 * missing, what comes is what runs and what is added to the queue meanwhile. On top of the mean stands the square root of it, which
 * chance needs (square-root staffing), and what an old backlog needs to be worked off.
 *
 * It goes up at once, and down only when less has been enough for some time, and by a margin: so that chance does not make it flap.
 *
 * @see https://en.wikipedia.org/wiki/Little%27s_law
 * @see Halfin and Whitt, "Heavy-traffic limits for queues with many exponential servers", 1981 (square-root staffing)
 */
import { isCount, numberThat, type OptionRule, readGiven } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'

export interface WorkersWantedOptions {
  /** How many slots one worker has. */
  readonly concurrency: number
  /** @default 1 */
  readonly min?: number | undefined
  /** @default 100 */
  readonly max?: number | undefined
  /** Whatever waits for longer is a backlog, and is worked off. @default 5_000 */
  readonly targetWaitMs?: number | undefined
  /** In what time a backlog is worked off. @default 120_000 */
  readonly drainMs?: number | undefined
  /** For how long fewer workers must have been enough before it says so. @default 300_000 */
  readonly downAfterMs?: number | undefined
  /** Over what time what runs is averaged. @default 60_000 */
  readonly overMs?: number | undefined
}

/** What it looks at: a part of what `getStatus()` answers. */
export interface QueueSample {
  readonly waiting: number
  readonly running: number
  readonly maxWorkers: number
  readonly oldestWaitMsByPriority: { readonly [priority: string]: number }
  readonly run: { readonly count: number; readonly averageMs: number }
}

interface Seen {
  readonly at: number
  readonly demand: number
}

const rules: { readonly [K in keyof WorkersWantedOptions]-?: OptionRule } = {
  concurrency: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  min: { expected: 'an integer of at least 0', fits: (value) => isCount(value, 0) },
  max: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  targetWaitMs: numberThat('a number of ms of at least 0', (value) => value >= 0),
  drainMs: numberThat('a number of ms of at least 1', (value) => value >= 1),
  downAfterMs: numberThat('a number of ms of at least 0', (value) => value >= 0),
  overMs: numberThat('a number of ms of at least 1', (value) => value >= 1),
}

/** As many runs as count for the mean of a run's time. */
const RUNS = 50
/** The share of a worker by which less must be enough. */
const MARGIN = 0.4
/** So many samples are a jump, and no chance. */
const RECENT = 6
/** So much of the slots is all of them: some are between two runs. */
const ALL = 0.95

/**
 * The slots that so much work needs: its mean, in slots that are busy, and the square root of that.
 */
export function slotsFor(busy: number): number {
  return busy + Math.sqrt(busy)
}

/** A policy: tell it of the queue every few seconds, and it says how many workers are wanted. */
export class WorkersWanted {
  readonly #options: Required<{ [K in keyof WorkersWantedOptions]: number }>
  readonly #seen: Seen[] = []
  readonly #enough: { readonly at: number; readonly workers: number }[] = []
  #last: { readonly at: number; readonly waiting: number; readonly count: number; readonly sumMs: number } | undefined
  #runMs = Number.NaN
  /** How many samples in a row have found all slots taken. */
  #full = 0
  #wanted: number

  /** @throws {OptionsError} */
  constructor(options: WorkersWantedOptions) {
    const given = readGiven<WorkersWantedOptions>('', options, rules)
    if (given.concurrency === undefined) throw new OptionsError('concurrency', rules.concurrency.expected, undefined)
    const {
      min = 1,
      max = 100,
      targetWaitMs = 5_000,
      drainMs = 120_000,
      downAfterMs = 300_000,
      overMs = 60_000,
    } = given
    if (min > max) throw new OptionsError('min', `at most ${max} (max)`, min)
    this.#options = { concurrency: given.concurrency, min, max, targetWaitMs, drainMs, downAfterMs, overMs }
    this.#wanted = min
  }

  /** What it said last. */
  get wanted(): number {
    return this.#wanted
  }

  /**
   * How many are wanted now.
   * @param at in ms, on any clock that goes forward
   */
  see(sample: QueueSample, at: number): number {
    const { concurrency, min, max, downAfterMs } = this.#options
    const need = this.#need(sample, at)
    const clamped = (workers: number): number => Math.min(Math.max(workers, min), max)
    const up = clamped(Math.ceil(need / concurrency))
    this.#enough.push({ at, workers: clamped(Math.ceil(need / concurrency + MARGIN)) })
    while ((this.#enough[0]?.at ?? at) < at - downAfterMs) this.#enough.shift()
    const down = this.#enough.reduce((most, { workers }) => Math.max(most, workers), 0)
    this.#wanted = up > this.#wanted ? up : Math.min(this.#wanted, Math.max(down, up))
    return this.#wanted
  }

  /** In slots. */
  #need({ waiting, running, maxWorkers, oldestWaitMsByPriority, run }: QueueSample, at: number): number {
    const { overMs, targetWaitMs, drainMs } = this.#options
    const sumMs = run.count * run.averageMs
    const last = this.#last
    this.#last = { at, waiting, count: run.count, sumMs }
    const runs = last === undefined ? run.count : run.count - last.count
    if (runs > 0) {
      const meanMs = (last === undefined ? sumMs : sumMs - last.sumMs) / runs
      const weight = this.#runMs >= 0 ? Math.min(runs / RUNS, 1) : 1
      this.#runMs = weight === 1 ? meanMs : this.#runMs + (meanMs - this.#runMs) * weight
    }
    const runMs = this.#runMs >= 0 ? this.#runMs : 0
    const isFull = running >= maxWorkers * ALL
    const added = last === undefined || at <= last.at ? 0 : (waiting - last.waiting) / (at - last.at)
    // What comes, in busy slots: what is done, and what is added to the queue meanwhile.
    const demand = isFull ? Math.max(running + added * runMs, 0) : running
    this.#full = isFull ? this.#full + 1 : 0
    this.#seen.push({ at, demand })
    while ((this.#seen[0]?.at ?? at) < at - overMs) this.#seen.shift()
    const mean = this.#meanOf(this.#seen)
    // A jump is believed when all slots have been taken for some samples.
    const recent = this.#full >= RECENT ? this.#meanOf(this.#seen.slice(-RECENT)) : 0
    const oldestMs = Object.values(oldestWaitMsByPriority).reduce((most, ms) => Math.max(most, ms), 0)
    const backlog = oldestMs > targetWaitMs ? (waiting * runMs) / drainMs : 0
    return slotsFor(Math.max(mean, recent)) + backlog
  }

  #meanOf(seen: readonly Seen[]): number {
    return seen.reduce((sum, { demand }) => sum + demand, 0) / Math.max(seen.length, 1)
  }
}

/**
 * What has happened so far? Counters and histograms in typed arrays: 6 and 12 ns each. Step 7 of 7.
 */
import { type ByPriority, byPriority, TIERS } from '../priority.ts'
import type { Outcome } from '../queued-request.ts'
import { Histogram } from './histogram.ts'

/** A duration's spread, in ms, since the executor was made. Quantiles are at most 6 % too high. */
export interface DurationStatus {
  readonly count: number
  readonly averageMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Totals since the executor was made: admitted = waiting + running + completed + failed + expired + cancelled + shed. */
export type Totals = { readonly [K in 'admitted' | 'rejected' | 'joined' | Outcome]: number }

const outcomes: readonly Outcome[] = ['completed', 'failed', 'expired', 'cancelled', 'shed']

/** How fast the mean run time follows: the last 20 or so runs count most. */
const MEAN_WEIGHT = 0.05

export class Statistics {
  readonly admitted = new Float64Array(TIERS)
  readonly rejected = new Float64Array(TIERS)
  /** By outcome, then by tier. */
  readonly ended = new Float64Array(outcomes.length * TIERS)
  readonly #wait: readonly Histogram[] = Array.from({ length: TIERS }, () => new Histogram())
  readonly #run: readonly Histogram[] = Array.from({ length: TIERS }, () => new Histogram())
  joined = 0
  /** The mean duration of recent runs, in ms; NaN before the first. */
  recentRunMs = Number.NaN

  admits(tier: number): void {
    this.admitted[tier] = (this.admitted[tier] as number) + 1
  }

  waited(tier: number, ms: number): void {
    ;(this.#wait[tier] as Histogram).observe(ms)
  }

  /** A run has settled, whether or not its caller still waited for it. */
  ran(tier: number, ms: number): void {
    ;(this.#run[tier] as Histogram).observe(ms)
    const mean = this.recentRunMs
    this.recentRunMs = mean >= 0 ? mean + (ms - mean) * MEAN_WEIGHT : ms
  }

  end(outcome: number, tier: number): void {
    const at = outcome * TIERS + tier
    this.ended[at] = (this.ended[at] as number) + 1
  }

  totals(): Totals {
    return {
      admitted: sum(this.admitted),
      rejected: sum(this.rejected),
      joined: this.joined,
      completed: this.#ended(0),
      failed: this.#ended(1),
      expired: this.#ended(2),
      cancelled: this.#ended(3),
      shed: this.#ended(4),
    }
  }

  totalsByPriority(): ByPriority<Omit<Totals, 'joined'>> {
    return byPriority((tier) => {
      const ended = (outcome: number): number => this.ended[outcome * TIERS + tier] as number
      return {
        admitted: this.admitted[tier] as number,
        rejected: this.rejected[tier] as number,
        completed: ended(0),
        failed: ended(1),
        expired: ended(2),
        cancelled: ended(3),
        shed: ended(4),
      }
    })
  }

  wait(): DurationStatus {
    return durationOf(this.#wait)
  }

  run(): DurationStatus {
    return durationOf(this.#run)
  }

  waitByPriority(): ByPriority<DurationStatus> {
    return byPriority((tier) => durationOf(this.#wait.slice(tier, tier + 1)))
  }

  runByPriority(): ByPriority<DurationStatus> {
    return byPriority((tier) => durationOf(this.#run.slice(tier, tier + 1)))
  }

  #ended(outcome: number): number {
    return sum(this.ended.subarray(outcome * TIERS, outcome * TIERS + TIERS))
  }
}

function durationOf(histograms: readonly Histogram[]): DurationStatus {
  const all = new Histogram()
  for (const histogram of histograms) all.merge(histogram)
  return {
    count: all.count,
    averageMs: all.count === 0 ? 0 : all.sum / all.count,
    p50Ms: all.quantile(0.5),
    p95Ms: all.quantile(0.95),
    p99Ms: all.quantile(0.99),
    maxMs: all.max,
  }
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0)
}

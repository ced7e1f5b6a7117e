/**
 * What has happened so far? Counters and histograms in typed arrays: 6 and 12 ns each. Step 7 of 7.
 */
import { type ByPriority, byPriority, TIERS } from '../priority.ts'
import { type Outcome, outcomes } from '../request-state.ts'
import { Histogram, type HistogramReading } from './histogram.ts'

/** A duration's spread, in ms, since the executor was made. Quantiles are at most 6 % too high. */
export interface DurationStatus {
  readonly count: number
  readonly averageMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/**
 * Totals since the executor was made: admitted = waiting + retrying + running + completed + failed + expired + cancelled + shed.
 * With a store, those of the left that are `storing` are not admitted yet, and those that were `parked` are, too.
 */
export type Totals = { readonly [K in 'admitted' | 'rejected' | 'joined' | 'retries' | Outcome]: number }

/**
 * Why requests were refused: the error's code in lower case without `TRIAGE_` (`queue_full`; for blocked callers also
 * `wait_timeout` and `cancelled`); `aborted` for a signal; or `error`, when the schema or a policy has thrown.
 */
export type RejectionCounts = { readonly [reason: string]: number }

/** What has been counted and measured since the executor was made. */
export interface StatisticsStatus {
  /** From submission until a request left the queue: for a slot, or because it ended there. */
  readonly wait: DurationStatus
  /** From the start until the call settled; what `run.holdUntil()` adds is not in it. */
  readonly run: DurationStatus
  readonly waitByPriority: ByPriority<DurationStatus>
  readonly runByPriority: ByPriority<DurationStatus>
  readonly totals: Totals
  readonly totalsByPriority: ByPriority<Omit<Totals, 'joined' | 'retries'>>
  /** Why requests were refused; only the reasons that there were. */
  readonly rejectedByPriority: ByPriority<RejectionCounts>
}

/** The durations behind `getStatus()`, to be handed to an exporter. Read them at once: they go on counting. */
export interface ExecutorHistograms {
  /** From submission until it left the queue: for a slot, or because it ended there. */
  readonly waitByPriority: ByPriority<HistogramReading>
  /** From the start until the call settled, by how the request ended. Only the outcomes that there were. */
  readonly runByPriority: ByPriority<{ readonly [outcome in Outcome]?: HistogramReading }>
}

/** How fast the mean run time follows: the last 20 or so runs count most. */
const MEAN_WEIGHT = 0.05

export class Statistics {
  readonly admitted = new Float64Array(TIERS)
  /** By reason, then by tier. */
  readonly #rejected = new Map<string, Float64Array>()
  /** By outcome, then by tier. */
  readonly ended = new Float64Array(outcomes.length * TIERS)
  /** By tier. */
  readonly wait: readonly Histogram[] = Array.from({ length: TIERS }, () => new Histogram())
  // By outcome, then by tier; each made when it is needed, since one is 7 kB.
  readonly #run: (Histogram | undefined)[] = new Array(outcomes.length * TIERS).fill(undefined)
  /** How many of those that are counted as admitted are not yet, since no store has them, by tier. */
  readonly storing = [0, 0, 0, 0]
  /** How many have left without an end: their store keeps them for the next start. */
  parked = 0
  joined = 0
  retries = 0
  /** For how long recent runs have kept their slots busy: the mean, in ms; NaN before the first. */
  recentRunMs = Number.NaN

  admits(tier: number): void {
    this.admitted[tier] = (this.admitted[tier] as number) + 1
  }

  /** One waits for its store (1), or no more (-1). */
  stores(tier: number, by: 1 | -1): void {
    this.storing[tier] = (this.storing[tier] as number) + by
  }

  get storingInAll(): number {
    return sum(this.storing)
  }

  /** One was not admitted after all. */
  takesBack(tier: number): void {
    this.admitted[tier] = (this.admitted[tier] as number) - 1
  }

  rejects(tier: number, reason: string): void {
    let counts = this.#rejected.get(reason)
    if (counts === undefined) {
      counts = new Float64Array(TIERS)
      this.#rejected.set(reason, counts)
    }
    counts[tier] = (counts[tier] as number) + 1
  }

  /** A request has left the queue: for a slot, or because it ended. */
  waited(tier: number, ms: number): void {
    ;(this.wait[tier] as Histogram).observe(ms)
  }

  /** The call of a run has settled, whether or not its caller still waited for it; `outcome` is how the request has ended. */
  ran(outcome: number, tier: number, ms: number, isFree = true): void {
    const at = outcome * TIERS + tier
    let histogram = this.#run[at]
    if (histogram === undefined) {
      histogram = new Histogram()
      this.#run[at] = histogram
    }
    histogram.observe(ms)
    if (!isFree) return
    const mean = this.recentRunMs
    this.recentRunMs = mean >= 0 ? mean + (ms - mean) * MEAN_WEIGHT : ms
  }

  /** A slot was busy with a run for so long. */
  used(ms: number): void {
    const mean = this.recentRunMs
    this.recentRunMs = mean >= 0 ? mean + (ms - mean) * MEAN_WEIGHT : ms
  }

  end(outcome: number, tier: number): void {
    const at = outcome * TIERS + tier
    this.ended[at] = (this.ended[at] as number) + 1
  }

  totals(): Totals {
    return {
      admitted: sum(this.admitted) - this.storingInAll,
      rejected: sum([...this.#rejected.values()].map(sum)),
      joined: this.joined,
      retries: this.retries,
      ...byOutcome((outcome) => sum(this.ended.subarray(outcome * TIERS, outcome * TIERS + TIERS))),
    }
  }

  #totalsByPriority(): ByPriority<Omit<Totals, 'joined' | 'retries'>> {
    return byPriority((tier) => ({
      admitted: (this.admitted[tier] as number) - (this.storing[tier] as number),
      rejected: sum(Object.values(this.#rejectedAt(tier))),
      ...byOutcome((outcome) => this.ended[outcome * TIERS + tier] as number),
    }))
  }

  histograms(): ExecutorHistograms {
    return {
      waitByPriority: byPriority((tier) => this.wait[tier] as Histogram),
      runByPriority: byPriority((tier) => {
        const histograms: { [outcome in Outcome]?: HistogramReading } = {}
        for (const [index, outcome] of outcomes.entries()) {
          const histogram = this.#run[index * TIERS + tier]
          if (histogram !== undefined) histograms[outcome] = histogram
        }
        return histograms
      }),
    }
  }

  /** The part of the executor's status that this is. */
  status(): StatisticsStatus {
    return {
      wait: durationOf(this.wait),
      run: durationOf(this.#run),
      waitByPriority: byPriority((tier) => durationOf(this.wait.slice(tier, tier + 1))),
      runByPriority: byPriority((tier) => durationOf(this.#run.filter((_, at) => at % TIERS === tier))),
      totals: this.totals(),
      totalsByPriority: this.#totalsByPriority(),
      rejectedByPriority: byPriority((tier) => this.#rejectedAt(tier)),
    }
  }

  #rejectedAt(tier: number): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [reason, byTier] of this.#rejected) if (byTier[tier] !== 0) counts[reason] = byTier[tier] as number
    return counts
  }
}

/** A histogram in the numbers of a status. */
export function durationStatusOf(all: HistogramReading): DurationStatus {
  return {
    count: all.count,
    averageMs: all.count === 0 ? 0 : all.sumMs / all.count,
    p50Ms: all.quantile(0.5),
    p95Ms: all.quantile(0.95),
    p99Ms: all.quantile(0.99),
    maxMs: all.maxMs,
  }
}

function durationOf(histograms: readonly (Histogram | undefined)[]): DurationStatus {
  const all = new Histogram()
  for (const histogram of histograms) if (histogram !== undefined) all.merge(histogram)
  return durationStatusOf(all)
}

function byOutcome(count: (outcome: number) => number): { [O in Outcome]: number } {
  return { completed: count(0), failed: count(1), expired: count(2), cancelled: count(3), shed: count(4) }
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

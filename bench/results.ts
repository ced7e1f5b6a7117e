/**
 * What was measured? The outcomes of all rounds, and their medians and spreads.
 */
import type { Outcome, Trial } from './trial.ts'

/** A median and its quartiles. */
export interface Spread {
  readonly median: number
  readonly q1: number
  readonly q3: number
}

/** How many times as much one subject takes as another: by the medians, and the least and most of any one round. */
export interface Ratio {
  readonly value: number
  readonly least: number
  readonly most: number
}

/** One trial, summed up; the form of the JSON file. */
export interface Summary {
  readonly variant: string
  readonly subject: string
  readonly rounds: number
  readonly numbers: { readonly [metric: string]: Spread }
  /** Why there are no numbers, or fewer. */
  readonly skipped?: string
}

export class Results {
  readonly trials: readonly Trial[]
  readonly #outcomes: Outcome[][]
  readonly #skipped: (string | undefined)[]

  constructor(trials: readonly Trial[]) {
    this.trials = trials
    this.#outcomes = trials.map(() => [])
    this.#skipped = trials.map((trial) => trial.skipped)
  }

  add(trial: Trial, outcome: Outcome): void {
    this.#outcomes[this.trials.indexOf(trial)]?.push(outcome)
  }

  /** It failed, or took too long: it is not tried again. */
  skip(trial: Trial, why: string): void {
    this.#skipped[this.trials.indexOf(trial)] ??= why
  }

  whySkipped(trial: Trial): string | undefined {
    return this.#skipped[this.trials.indexOf(trial)]
  }

  /** `a peer at 100 k, 1 M: skipped: why`, one line for each. */
  skippedLines(): string[] {
    const places = new Map<string, string[]>()
    for (const [i, why] of this.#skipped.entries()) {
      if (why === undefined) continue
      const { variant, subject } = this.trials[i] as Trial
      const key = `${subject}\n${why}`
      places.set(key, [...(places.get(key) ?? []), variant])
    }
    return [...places].map(([key, variants]) => {
      const [subject, why] = key.split('\n')
      return `${subject} at ${variants.join(', ')}: ${why?.startsWith('failed') ? '' : 'skipped: '}${why}`
    })
  }

  variants(): string[] {
    return [...new Set(this.trials.map((trial) => trial.variant))]
  }

  subjects(variant?: string): string[] {
    const trials = this.trials.filter((trial) => variant === undefined || trial.variant === variant)
    return [...new Set(trials.map((trial) => trial.subject))]
  }

  trial(variant: string, subject: string): Trial | undefined {
    return this.trials.find((trial) => trial.variant === variant && trial.subject === subject)
  }

  /** One number for each round; or those of its series, pooled, in order. */
  values(variant: string, subject: string, metric: string): number[] {
    const trial = this.trial(variant, subject)
    const outcomes = trial === undefined ? [] : (this.#outcomes[this.trials.indexOf(trial)] as Outcome[])
    return outcomes.flatMap(({ numbers, series }) => series?.[metric] ?? numbers[metric] ?? [])
  }

  spread(variant: string, subject: string, metric: string): Spread | undefined {
    return spreadOf(this.values(variant, subject, metric))
  }

  median(variant: string, subject: string, metric: string): number | undefined {
    return this.spread(variant, subject, metric)?.median
  }

  /** The quantile of a series, over all rounds. */
  quantile(variant: string, subject: string, metric: string, q: number): number | undefined {
    return quantileOf(sorted(this.values(variant, subject, metric)), q)
  }

  /** `[variant, subject]` over `[variant, subject]`. */
  ratio(over: readonly [string, string], under: readonly [string, string], metric: string): Ratio | undefined {
    const overs = this.values(...over, metric)
    const unders = this.values(...under, metric)
    const value = (spreadOf(overs)?.median ?? Number.NaN) / (spreadOf(unders)?.median ?? Number.NaN)
    if (Number.isNaN(value)) return undefined
    const pairs = Math.min(overs.length, unders.length)
    const byRound = Array.from({ length: pairs }, (_, round) => (overs[round] as number) / (unders[round] as number))
    return { value, least: Math.min(...byRound), most: Math.max(...byRound) }
  }

  summaries(): Summary[] {
    return this.trials.map((trial, i) => {
      const { variant, subject } = trial
      const outcomes = this.#outcomes[i] as Outcome[]
      const numbers: { [metric: string]: Spread } = {}
      for (const metric of Object.keys(outcomes[0]?.numbers ?? {})) {
        numbers[metric] = this.spread(variant, subject, metric) as Spread
      }
      for (const metric of Object.keys(outcomes[0]?.series ?? {})) {
        for (const [name, q] of Object.entries({ p50: 0.5, p99: 0.99, p999: 0.999 })) {
          const value = this.quantile(variant, subject, metric, q) as number
          const byRound = sorted(outcomes.map((o) => quantileOf(sorted([...(o.series?.[metric] ?? [])]), q) ?? value))
          numbers[`${metric}.${name}`] = {
            median: value,
            q1: byRound[0] as number,
            q3: byRound.at(-1) as number,
          }
        }
      }
      const skipped = this.#skipped[i]
      return { variant, subject, rounds: outcomes.length, numbers, ...(skipped === undefined ? {} : { skipped }) }
    })
  }
}

export function sorted(values: number[]): number[] {
  return values.sort((a, b) => a - b)
}

/** The smallest value that at least a share of `q` of them does not exceed. */
export function quantileOf(ascending: ArrayLike<number>, q: number): number | undefined {
  return ascending[Math.max(Math.ceil(ascending.length * q) - 1, 0)]
}

function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const ascending = sorted([...values])
  const middle = ascending.length / 2
  const high = ascending[Math.floor(middle)] as number
  const low = ascending[Math.ceil(middle) - 1] as number
  return {
    median: (low + high) / 2,
    q1: quantileOf(ascending, 0.25) as number,
    q3: quantileOf(ascending, 0.75) as number,
  }
}

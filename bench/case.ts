/**
 * What is a case? A number of trials, each measured in a process of its own, and the table that they make.
 */
import type { Results } from './results.ts'

/** One thing to measure: a subject (mostly a peer), under one variant of the case. */
export interface Trial {
  readonly variant: string
  readonly subject: string
  /** In how many rounds at the most; a case has its own number. */
  readonly rounds?: number
  /** Why it is not measured. */
  readonly skipped?: string
}

/** What one process has measured. Numbers are summed up by their median, series are pooled over all rounds. */
export interface Outcome {
  readonly numbers: { readonly [metric: string]: number }
  readonly series?: { readonly [metric: string]: readonly number[] }
}

export interface Case {
  readonly name: string
  readonly about: string
  readonly rounds: number
  /** Flags of the Node that measures. */
  readonly flags?: readonly string[]
  trials(peers: readonly string[]): Promise<readonly Trial[]> | readonly Trial[]
  measure(trial: Trial): Promise<Outcome>
  /** The tables, as Markdown. */
  report(results: Results): string
}

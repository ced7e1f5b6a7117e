/**
 * What is a case? A number of trials, each measured in a process of its own, and the table that they make.
 */
import type { Results } from './results.ts'
import type { Outcome, Trial } from './trial.ts'

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

/**
 * What is measured? One subject under one variant of a case, by one process.
 */

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

/**
 * What a request takes when it starts: so many tokens of a bucket of a guard. The guards know the buckets, and the queue knows
 * who waits for which.
 */
export interface Claim {
  /** Whose bucket that is. */
  readonly guard: object
  readonly bucket: unknown
  readonly tokens: number
  /** How many tokens others are to have before it, as far as was known when it came. */
  ahead: number
  /** Those that wait for the same, while it waits itself. */
  line: unknown
}

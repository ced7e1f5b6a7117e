/**
 * Seeds that have ever failed, and why: run with every test.
 *
 * A seed says what it said then only as long as `generate.ts` makes the same of it. So each is kept as the schedule that was
 * left when it was shrunk, and its number only as where it came from.
 */
import type { Command, Options, Policies } from './support/schedule.ts'

export interface Kept {
  readonly seed: number
  readonly was: string
  readonly options: Options
  readonly policies: Policies
  readonly commands: readonly Command[]
  /** Still so: what it fails with. */
  readonly fails?: string
}

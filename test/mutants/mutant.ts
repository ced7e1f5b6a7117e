/**
 * What a seeded bug is: a mistake that a tired engineer would really make, as a replacement in one of the sources.
 */
import type { Patch } from '../support/patch-source.ts'

/** The ways in which a request queue fails. Each has bugs here. */
export const kinds = [
  'executor outcome',
  'abort and timeouts',
  're-entrancy and listeners',
  'ordering, capacity, fairness',
  'lifecycle',
  'retry, duplicates, dead letters',
  'time',
  'limits and guards',
  'what is told and counted',
  'options and requests',
] as const

export interface Mutant extends Patch {
  /** What is wrong, as whoever suffers from it would say. */
  readonly name: string
  readonly kind: (typeof kinds)[number]
  /** The test that is asked first, when it is not that of the same part. */
  readonly test?: string
}

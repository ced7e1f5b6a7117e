/**
 * What a request has besides, that a store keeps.
 */
import type { Encoded } from './store.ts'

/** What a request has besides, that a store keeps. */
export interface Stored {
  /** Its number in the store: its place in the order of arrival, and the generation of its id. */
  readonly seq: number
  readonly payload: Encoded
  /** How many attempts were begun in former lives of the process. */
  readonly before: number
  /** The store has it: it is admitted. */
  isKept: boolean
  /** It has ended, and its answer is told when that is recorded. */
  isUntold: boolean
  /** Fulfils when the store has it; made when it is first asked for. */
  promise(): Promise<void>
}

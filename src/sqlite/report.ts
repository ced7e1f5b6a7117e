/**
 * What was found when the store was opened?
 */
import type { StoreDamage } from '../core/store.ts'

export interface StoreReport {
  /** There was none: it was made. */
  readonly isNew: boolean
  /** The process before has closed it. Otherwise it died, or lost its power. */
  readonly wasClosed: boolean
  /** What is lost, or is not what was written. */
  readonly damage: readonly StoreDamage[]
  /** What is unusual, and no loss. */
  readonly warnings: readonly string[]
  /** The version that its tables had, when they were older; a copy of that file is `backup`. */
  readonly migratedFrom?: number | undefined
  readonly backup?: string | undefined
  readonly live: number
  readonly dead: number
  /** How long it took, in ms. */
  readonly tookMs: number
}

/**
 * What is an executor set to, in words and as bounds? Of one in this process; of one elsewhere it is not known here.
 */
import { type ByPriority, byPriority, priorities } from '../core/priority.ts'
import { describe, type EffectiveOptions } from '../index.ts'
import type { ServedExecutor } from './executor-like.ts'

export interface SettingsInWords {
  /** What `describe()` says: the options, and what is odd about them. */
  readonly lines: readonly string[]
  readonly warnings: readonly string[]
  /** How many of each tier may wait; null: no bound of its own. */
  readonly maxQueueSizeByPriority: ByPriority<number | null>
  readonly runTimeoutMsByPriority: ByPriority<number | null>
  /** What happens to a newcomer when it is full. */
  readonly whenFull: string
}

export function settingsOf(executor: ServedExecutor): SettingsInWords | undefined {
  try {
    const { lines, warnings } = describe(executor as Parameters<typeof describe>[0])
    const { maxQueueSize, runTimeoutMs, whenFull } = executor.settings as EffectiveOptions
    return {
      ...{ lines, warnings, whenFull },
      maxQueueSizeByPriority: byPriority((tier) => finite(maxQueueSize[priorities[tier] as 'low'])),
      runTimeoutMsByPriority: byPriority((tier) => finite(runTimeoutMs[priorities[tier] as 'low'])),
    }
  } catch {
    // It has no settings, or none of this kind.
    return undefined
  }
}

function finite(size: number | 'none'): number | null {
  if (size === 'none') return 0
  return Number.isFinite(size) ? size : null
}

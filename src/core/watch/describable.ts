/**
 * Of what can it be said how it is configured? Of an executor, or of its settings alone. Step 7 of 7.
 */
import type { Priority, priorities } from '../priority.ts'

interface Named {
  readonly name: string
  readonly needsDeadline?: boolean | undefined
  /** That of a guard whose tokens are taken at the start. */
  readonly tokensInMs?: unknown
}

/**
 * Where the settings by tier are, behind the options in words that an executor shows: what was given for a bound of 0, and
 * what is in vain, is only in these. The same in each copy of the package.
 */
export const byTierOf = Symbol.for('triage-queue.settings')

/** An executor. */
export interface Describable {
  readonly concurrency: number
  readonly settings: object
  getStatus(): StatusDescribed
}

/** What is needed of it. */
export interface Described {
  readonly concurrency: number
  readonly settings: {
    readonly name: string
    readonly total: number
    readonly byTier: readonly number[]
    readonly zeroSizes: readonly string[]
    readonly unusedSizes: readonly Priority[]
    readonly whenFull: 'reject' | 'block' | 'shed'
    readonly maxBlocked: number
    readonly waitTimeoutMs: readonly number[]
    readonly runTimeoutMs: readonly number[]
    readonly timeoutMs: readonly number[]
    readonly onStuck: 'hold' | 'replace'
    readonly maxReplaced: number
    readonly reserve: readonly number[]
    readonly lendReserve: boolean
    readonly order: Named & { readonly acrossTiers: boolean; readonly targetsMs?: readonly number[] | undefined }
    readonly limit: (Named & { readonly shadow?: boolean | undefined }) | undefined
    readonly retry: Named | undefined
    readonly maxRetrying: number
    readonly rateLimits: readonly Named[]
    readonly overload: readonly Named[]
    readonly schema: object | undefined
    readonly maxChecking: number
    readonly onDuplicate: 'join' | 'join-by-id' | 'reject'
    readonly store: { readonly isDurable: boolean; readonly promises: readonly string[] } | undefined
    readonly kinds: ReadonlyMap<string, { readonly [T in (typeof timeouts)[number]]?: number | undefined }>
    readonly maxAttempts: number
    readonly results: 'recorded' | 'eager'
    readonly tellWithinMs: number
  }
  getStatus(): StatusDescribed
}

/** The time limits that a kind may have of its own. */
export const timeouts = ['waitTimeoutMs', 'runTimeoutMs', 'timeoutMs'] as const

interface StatusDescribed {
  readonly store?:
    | {
        readonly unopened: readonly { readonly queue: string; readonly live: number }[]
        readonly unhandled: readonly { readonly kind: string; readonly live: number }[]
      }
    | null
    | undefined
  readonly runByPriority: { readonly [P in (typeof priorities)[number]]: { count: number; p50Ms: number } }
}

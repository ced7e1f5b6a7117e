/**
 * What happens to an executor, as plain data, so that it can be shrunk and printed.
 */
import type { ExecutorEvent, Priority } from 'triage-queue'
import type { Bulk } from './bulk.ts'
import type { Fault } from './faults.ts'

/** What the executor does with one request. */
export interface Work {
  readonly kind:
    | 'returns' // at once, no promise
    | 'throws'
    | 'resolves' // a promise that is settled already
    | 'rejects'
    | 'sleeps' // until `ms` are over
    | 'fails' // after `ms`
    | 'obeys' // until `ms` are over, or its signal is aborted
    | 'thenable' // no promise, but one who answers after `ms`, and once more
    | 'holds' // answers after `ms`, and holds its slot for as long again
    | 'hangs' // until a `release`
    | 'never' // settles only after everything else
  readonly ms: number
  /** How many of its attempts end like that; later ones return. */
  readonly times: number
  /** Done by the executor, inside its call. */
  readonly inside?: Action
}

export interface Arrive {
  readonly do: 'arrive'
  readonly via: 'execute' | 'submit' | 'offer'
  readonly tier: number
  /** One of a few ids, so that duplicates happen. */
  readonly id?: number
  /** One of a few signals, so that requests share them. */
  readonly signal?: number
  readonly waitTimeoutMs?: number
  readonly runTimeoutMs?: number
  readonly timeoutMs?: number
  readonly delayMs?: number
  /** A date that is past: it starts later by no time. */
  readonly startAt?: true
  /** The latest request but so many. */
  readonly after?: number
  readonly cost?: number
  /** One of a few keys, for policies that ask for one; a part of the payload. */
  readonly key: number
  /** What the scripted guard and the schema say. */
  readonly refused?: 'guard' | 'schema'
  readonly work: Work
}

/** What may happen at any moment, also inside a listener or a call. */
export type Action =
  | Arrive
  | Bulk
  | { readonly do: 'cancel'; readonly which: number; readonly by: 'handle' | 'id' }
  | { readonly do: 'setPriority'; readonly which: number; readonly tier: number }
  | { readonly do: 'abort'; readonly signal: number }
  | { readonly do: 'release'; readonly which: number }
  | { readonly do: 'pause' | 'resume' | 'idle' }
  | { readonly do: 'ready'; readonly tier: number }
  | { readonly do: 'resize'; readonly concurrency: number }
  | { readonly do: 'close'; readonly drain: boolean; readonly graceMs: number }

/** `passMs`: how much time passes then; 0 is a turn of the event loop, −1 nothing: the next one comes in the same burst. */
export type Command = Action & { readonly passMs: number }

/** A listener that does something at the `after`th event and the next few. */
export interface Reaction {
  readonly on: ExecutorEvent
  readonly after: number
  readonly times: number
  readonly does: Action | { readonly do: 'throw' | 'reject' }
}

/** One value for all, or one for each priority. */
export type ByTier<T = number> = T | { readonly [P in Priority | 'default' | 'total']?: T }

export interface Options {
  readonly concurrency: number
  readonly maxQueueSize?: ByTier<number | 'none'>
  readonly whenFull?: 'reject' | 'block' | 'shed'
  readonly maxBlocked?: number
  readonly maxChecking?: number
  readonly waitTimeoutMs?: ByTier
  readonly runTimeoutMs?: ByTier
  readonly timeoutMs?: ByTier
  readonly onStuck?: 'hold' | 'replace'
  readonly maxReplaced?: number
  readonly maxRetrying?: number
  readonly onDuplicate?: 'join' | 'join-by-id' | 'reject'
  readonly reserve?: { readonly [P in Priority]?: number }
  readonly lendReserve?: boolean
  readonly debug?: boolean
}

export type OrderName =
  | ('told' | 'aging' | 'deadlines' | 'last in' | 'oldest' | 'weighted' | 'fair')
  /** One within another. */
  | `${'aging' | 'weighted'}, ${'strict' | 'deadlines' | 'last in' | 'fair'}`
export type GuardName =
  | 'every'
  | 'scripted'
  | 'tokens'
  | 'waiting tokens'
  | 'codel'
  | 'deadline'
  | 'shedding'
  | 'breaker'
export type LimitName = 'shadow' | 'aimd' | 'vegas' | 'gradient2' | 'adaptive'

/** By name, since a policy remembers: each run makes its own. */
export interface Policies {
  readonly order?: OrderName
  readonly guards: readonly GuardName[]
  readonly limit?: LimitName
  readonly schema?: 'sync' | 'async'
  /** After the nth failure in `retryMs · n` ms, up to two times. */
  readonly retryMs?: number
  /** By the policy `backoff()`, which asks functions of its own. */
  readonly backsOff?: boolean
}

export interface Schedule {
  readonly seed: number
  readonly options: Options
  readonly policies: Policies
  readonly reactions: readonly Reaction[]
  readonly commands: readonly Command[]
  /** What the functions of the user do, at which of their calls. Then the laws alone are looked at. */
  readonly faults?: readonly Fault[]
}

export const COMMANDS = 40
export const SIGNALS = 3
export const IDS = 3

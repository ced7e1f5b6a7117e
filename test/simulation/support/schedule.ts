/**
 * What happens to an executor, as plain data, so that it can be shrunk and printed.
 */
import type { ExecutorEvent, Priority } from 'triage-queue'

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
  /** Its deadline is so far away; 0 or less: it has passed. */
  readonly deadlineMs?: number
  readonly delayMs?: number
  /** A date that is past: it starts later by no time. */
  readonly startAt?: true
  /** The latest request but so many. */
  readonly after?: number
  readonly cost?: number
  /** Nothing else is given than its priority: it is known by its payload. */
  readonly isPlain?: true
  /** One of a few keys, for policies that ask for one; a part of the payload. */
  readonly key: number
  /** What the scripted guard and the schema say. */
  readonly refused?: 'guard' | 'schema'
  readonly work: Work
}

/**
 * Requests that come at one instant, as plain data: a long schedule is made of a dozen of these and of `Each`, so that it can
 * be printed, kept and shrunk. The first of them are the same, however many there are.
 */
export interface Burst {
  readonly do: 'burst'
  readonly count: number
  readonly seed: number
  readonly tiers: readonly number[]
  readonly keys: number
  readonly kinds: readonly Work['kind'][]
  /** The longest run. */
  readonly ms: number
  /** How many of them, from 0 to 1, have what follows. */
  readonly share: number
  readonly waitTimeoutMs?: number
  /** Their wait timeouts are up to so much longer. */
  readonly spreadMs?: number
  readonly signal?: number
  /** The longest delay. */
  readonly delayMs?: number
  readonly maxCost?: number
  /** Each has a handle. */
  readonly hasHandles?: boolean
  /** All have one id. */
  readonly isShared?: true
}

/** The same to each of those who are live, in the order in which they came: or to each `every`th, from one part to another. */
export interface Each {
  readonly do: 'each'
  readonly does: 'cancel' | 'setPriority'
  /** From 0 to 1. */
  readonly from: number
  readonly to: number
  readonly every: number
  readonly backwards: boolean
  readonly tiers: readonly number[]
}

export type Bulk = Burst | Each

export function isBulk(action: { readonly do: string }): action is Bulk {
  return action.do === 'burst' || action.do === 'each'
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
  /** Of one priority, or all. */
  | { readonly do: 'clear'; readonly tier?: number }
  | { readonly do: 'resize'; readonly concurrency: number }
  | { readonly do: 'update'; readonly bounds: Bounds }
  | { readonly do: 'close'; readonly drain: boolean; readonly graceMs: number; readonly lameDuckMs?: number }

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

/** What may be changed while it runs. */
export interface Bounds {
  readonly maxQueueSize?: ByTier<number | 'none'>
  readonly maxBlocked?: number
  readonly maxChecking?: number
  readonly maxRetrying?: number
}

export interface Options extends Bounds {
  readonly concurrency: number
  readonly whenFull?: 'reject' | 'block' | 'shed'
  readonly waitTimeoutMs?: ByTier
  readonly runTimeoutMs?: ByTier
  readonly timeoutMs?: ByTier
  readonly onStuck?: 'hold' | 'replace'
  readonly maxReplaced?: number
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

/** At the nth call of which call-out, what does it do? */
export interface Fault {
  readonly at: string
  readonly call: number
  readonly does: string
}

export interface Schedule {
  readonly seed: number
  readonly options: Options
  readonly policies: Policies
  readonly reactions: readonly Reaction[]
  readonly commands: readonly Command[]
  /**
   * Of requests without anything special, which nobody listens to most of the time: when somebody does, dice of this seed say, at
   * each step.
   */
  readonly plain?: number
  /** What the functions of the user do, at which of their calls. Then the laws alone are looked at. */
  readonly faults?: readonly Fault[]
}

export const COMMANDS = 40
export const SIGNALS = 3
export const IDS = 3

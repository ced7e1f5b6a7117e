/**
 * Who goes first? An order policy answers with a rank: a number fixed at admission; the smallest starts first. Step 3 of 7.
 *
 * Policies decide, the queue acts: a policy is synchronous and works on numbers only; it owns no timer and no promise.
 * What it must remember (a virtual time, the last rank of a key) it keeps itself, so that one policy object serves one
 * executor.
 *
 * How to write one: docs/write-a-policy.md.
 */
import { hasMethods } from '../checks.ts'
import { type Policy, policyRule } from '../policy.ts'

/** What a policy may look at. One object is used again for every question: read it, don't keep it. */
export interface OrderQuestion<Req = unknown, Metadata = unknown> {
  /** 0 for urgent … 3 for low. */
  tier: number
  /** Unique and growing in the order of admission. */
  sequence: number
  /** When the request was submitted or, if that was later, when it might start; in ms on the executor's clock. */
  admittedAt: number
  /** When its time is over if it still waits: by its wait timeout or that of the whole request; or Infinity. */
  deadline: number
  /** How many slots its run takes. */
  cost: number
  /** Which attempt it is about: 1, until a failed request is tried again. */
  attempt: number
  /** The caller's payload, and what came with it as `metadata`. */
  request: Req
  metadata: Metadata
}

/**
 * An order of requests, given through the option `order`.
 *
 * What happens when `rank` throws depends on why it was asked. A newcomer is refused with that very error. A request that was to
 * start later is cancelled, with the error as `cause`. `setPriority()` throws it, and nothing has changed. When another caller's
 * join would raise a request, it is reported, and the request keeps its priority. Errors of the other methods are reported, as
 * those of listeners are (`onListenerError`). Each method may call the executor.
 */
export interface OrderPolicy<Req = unknown, Metadata = unknown> extends Policy {
  /**
   * True: ranks are compared across all tiers. False: an upper tier always goes before a lower one, and ranks only
   * order the requests within a tier.
   */
  readonly acrossTiers: boolean
  /** By when a request of each tier should have its turn, in ms since it came; for `describe()`. */
  readonly targetsMs?: readonly number[] | undefined
  /**
   * The rank of a request: a number, smaller goes first; equal ranks go by `sequence`. Asked when the request comes to the queue,
   * and again, with the same sequence and time, when it is given another priority. An answer that is no number ranks last; a
   * promise is reported as well, once.
   */
  rank(question: Readonly<OrderQuestion<Req, Metadata>>): number
  /**
   * With it, ranks only order the requests within a tier, and the first turn of all says which tier is next. `within` gives
   * `aging()` and `weighted()` such turns.
   */
  readonly turns?: Turns | undefined
  /** Told when a request of this rank starts: each attempt of it. */
  started?(question: Readonly<OrderQuestion<Req, Metadata>>, rank: number): void
  /**
   * Told when a rank is free again: its request was cancelled, has expired or was shed before it was called, has another rank
   * from now on, or has not come in after all. It may follow `started`, when a listener ends the request before its call.
   */
  left?(question: Readonly<OrderQuestion<Req, Metadata>>, rank: number): void
  /**
   * Told when the slot of a started request is free, after `runMs`: when its call has settled, and the promises given to
   * `run.holdUntil()` have too. Told for each attempt.
   */
  settled?(question: Readonly<OrderQuestion<Req, Metadata>>, rank: number, runMs: number): void
}

/**
 * Which tier is next, where another order decides who of it goes? Each request that waits brings its tier a turn, a number;
 * smaller ones are first, and of equal ones that of the upper tier. It is told of numbers only, and must neither throw nor call
 * the executor.
 */
export interface Turns {
  /** One has come to a tier. */
  came(tier: number, admittedAt: number): void
  /** One of a tier starts, with the first of its turns. */
  started(tier: number): void
  /** One leaves before it has started. */
  left(tier: number, admittedAt: number): void
  /** The turn that so many others of its tier are before. */
  at(tier: number, index: number): number
  /** The last turn that a tier would have with one more, if that one came now. */
  lastWith(tier: number, admittedAt: number): number
  /** How many turns a tier has before this one, or at the same time as well. */
  countBefore(tier: number, turn: number, orEqual: boolean): number
  /**
   * One of a tier is set aside, since there is no token for it: it has no turn until it is `broughtBack`, or leaves (`leftAside`).
   * Without these three, it leaves with `left`, and comes again.
   */
  setAside?(tier: number): void
  broughtBack?(tier: number): void
  leftAside?(tier: number): void
}

/** What the option `order` takes. */
export const anOrder = /* @__PURE__ */ policyRule('order', 'an order policy, such as strict()', (value) =>
  hasMethods(value, 'rank'),
)

/**
 * The default order: a higher priority always goes first, first-in first-out within one. LOW can starve.
 */
export function strict(): OrderPolicy {
  return { name: 'strict', option: 'order', acrossTiers: false, rank: bySequence }
}

/** The rank of `strict()`: the queue knows it, and need not ask. */
export function bySequence({ sequence }: Readonly<OrderQuestion>): number {
  return sequence
}

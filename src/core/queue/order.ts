/**
 * Who goes first? An order policy answers with a rank: a number fixed at admission; the smallest starts first.
 *
 * Policies decide, the queue acts: a policy is synchronous and works on numbers only; it owns no timer and no promise.
 * What it must remember (a virtual time, the last rank of a key) it keeps itself, so that one policy object serves one
 * executor.
 */

/** What a policy may look at. One object is used again for every question: read it, don't keep it. */
export interface OrderQuestion {
  /** 0 for urgent … 3 for low. */
  tier: number
  /** Unique and growing in the order of admission. */
  sequence: number
  /** When the request was submitted, in ms on the executor's clock. */
  admittedAt: number
  /** When its time is over if it still waits: by its wait timeout or that of the whole request; or Infinity. */
  deadline: number
  /** How many slots its run takes. */
  cost: number
  /** The caller's payload, and what came with it as `metadata`. */
  request: unknown
  metadata: unknown
}

/** An order of requests, given through the option `order`. */
export interface OrderPolicy {
  /** What `getStatus()` calls it. */
  readonly name: string
  /**
   * True: ranks are compared across all tiers. False: an upper tier always goes before a lower one, and ranks only
   * order the requests within a tier.
   */
  readonly acrossTiers: boolean
  /** By when a request of each tier should have its turn, in ms since it came; for `describe()`. */
  readonly targetsMs?: readonly number[]
  /**
   * The rank of a request: a number, smaller goes first; equal ranks go by `sequence`. Asked at admission, and again,
   * with the admission's own sequence and time, when the request is given another priority. What is no number ranks last.
   */
  rank(question: Readonly<OrderQuestion>): number
  /** Told when a request of this rank starts. */
  started?(question: Readonly<OrderQuestion>, rank: number): void
  /**
   * Told when a request that had this rank leaves the queue, and has never started: it was cancelled, has expired, was shed,
   * or has another rank from now on.
   */
  left?(question: Readonly<OrderQuestion>, rank: number): void
  /** Told when the call of one that had started has settled, after `runMs`. */
  settled?(question: Readonly<OrderQuestion>, rank: number, runMs: number): void
}

/**
 * The default order: a higher priority always goes first, first-in first-out within one. LOW can starve.
 */
export function strict(): OrderPolicy {
  return { name: 'strict', acrossTiers: false, rank: bySequence }
}

/** The rank of `strict()`: the queue knows it, and need not ask. */
export function bySequence({ sequence }: Readonly<OrderQuestion>): number {
  return sequence
}

/**
 * Two orders as one: which tier is next, and who of it goes? Step 3 of 7.
 *
 * The model: each request that waits brings its tier a turn. The outer order knows when each turn is, and the tier with the
 * first turn is next; the inner order knows which request of that tier takes it. So the tiers start in the same sequence as
 * without an inner order, and the kth request that starts of a tier has the tier's kth turn. This is also how a position is
 * counted: by the turn that a request would take, and by what has an earlier one.
 *
 * The outer order does not look at the head of each tier. Where young requests go first (by deadline, or by key), the head is
 * always young, and the whole tier would wait for ever.
 */
import { readGiven } from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import { takeIntoService } from '../../policy.ts'
import type { Reads } from '../../reads.ts'
import { anOrder, bySequence, type OrderPolicy, type Turns } from '../order.ts'

export interface WithinOptions {
  /**
   * Which request of a tier goes when the tier has its turn: `earliestDeadlineFirst()`, `fairBy(…)`, or `strict()` for first-in
   * first-out. An order that compares across tiers can't be within another.
   * @default first-in first-out
   */
  within?: OrderPolicy | undefined
}

/** The same, and what the inner order reads, if it says so. */
export type Within<Req, Metadata> = WithinOptions & { within?: Reads<Req, Metadata> | undefined }

/**
 * What was given as the second argument of `aging()` or `weighted()`.
 * @throws {OptionsError}
 */
export function readWithin(owner: string, options: unknown): OrderPolicy | undefined {
  const { within } = readGiven<WithinOptions>(owner, options, { within: anOrder })
  if (within?.acrossTiers) {
    const expected = 'an order within a tier, such as earliestDeadlineFirst() or fairBy(); what compares across tiers'
    throw new OptionsError(`${owner}.within`, `${expected} can only be the outer one`, within.name)
  }
  if (within !== undefined) takeIntoService({ name: owner }, [[`${owner}.within`, within]])
  return within
}

/** The order that `turns` and `inner` make together: first-in first-out without an inner one. */
export function composed(name: string, turns: Turns, inner?: OrderPolicy): OrderPolicy {
  const own = { option: 'order', remembers: true, acrossTiers: true, turns } as const
  if (inner === undefined) return { name, ...own, rank: bySequence }
  return {
    ...own,
    name: `${name}, then ${inner.name}`,
    needsDeadline: inner.needsDeadline,
    ...(inner.key && { key: inner.key.bind(inner) }),
    rank: (question) => inner.rank(question),
    ...(inner.started && { started: inner.started.bind(inner) }),
    ...(inner.left && { left: inner.left.bind(inner) }),
    ...(inner.settled && { settled: inner.settled.bind(inner) }),
  }
}

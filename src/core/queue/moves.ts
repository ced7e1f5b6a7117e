/**
 * Another priority, for a request that waits. Step 3 of 7.
 *
 * It then stands where it would stand had it come with that priority: with a rank of its own there, and its timeouts stay
 * those that it came with. The order policy is asked for that rank before anything changes; what it throws is the caller's
 * to deal with.
 */
import type { Claim } from '../claim.ts'
import { type RequestRecord, startsLater } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { HeldBack } from './held-back.ts'
import type { Tiers } from './tiers.ts'
import type { TimeLimits } from './time-limits.ts'

/** What it acts on. */
export interface MovesParts {
  readonly queue: Tiers<RequestRecord>
  /** Those that are not admitted yet. */
  readonly blocked: Tiers<RequestRecord>
  readonly held: HeldBack<RequestRecord>
  readonly aside: { bringBack(record: RequestRecord): void }
  readonly limits: Pick<TimeLimits<RequestRecord>, 'keep'>
  readonly capacity: {
    readonly byTier: readonly number[]
    sizeAt(tier: number): number
    returns(tier: number, by: 1 | -1): void
  }
  readonly room: { made(): void }
  readonly turns: {
    moved(record: RequestRecord, from: number): void
    readonly seats: { areFor(tier: number): boolean; has(record: RequestRecord): boolean }
    readonly tokens: { stands(record: RequestRecord, by: 1 | -1): void } | undefined
  }
  /** What it takes with another priority when it starts. */
  readonly tokens: { claimsIn(tier: number, record: RequestRecord): readonly Claim[] | undefined }
  readonly dispatch: { schedule(): void }
  readonly keeper: { moved(record: RequestRecord): void } | undefined
}

export class Moves {
  readonly #parts: MovesParts

  constructor(parts: MovesParts) {
    this.#parts = parts
  }

  /** How many would start before it; undefined when it does not stand in the queue. */
  position(record: RequestRecord): number | undefined {
    const isRanked = record.status === State.WAITING || record.status === State.ASIDE
    return isRanked ? this.#parts.queue.countBefore(record) : undefined
  }

  /** False: it waits no more, or there is no place for it. */
  move(record: RequestRecord, tier: number): boolean {
    if (record.status === State.BLOCKED) return this.#moveBlocked(record, tier)
    if (record.status < State.WAITING || record.status > State.ASIDE) return false
    if (tier === record.tier) return true
    const { held, keeper, limits, queue, room, tokens, turns } = this.#parts
    // It has its slots already, and maybe those that are kept for its priority.
    if (turns.seats.has(record)) return false
    if (!this.#hasPlaceAt(record, tier)) return false
    const { tier: from, rank: oldRank, status, attempt } = record
    const claims = tokens.claimsIn(tier, record)
    // One that starts later is ranked when its time has come.
    const isRanked = status !== State.HELD || attempt > 1
    const rank = isRanked ? queue.rankIn(tier, record) : record.rank
    const isAsked = isRanked || claims !== undefined
    if (isAsked && (record.status !== status || record.tier !== from || !this.#hasPlaceAt(record, tier))) {
      if (isRanked) queue.left(record, tier, rank)
      return false
    }
    limits.keep(record)
    this.#moveTo(tier, record, rank, claims)
    if (status === State.HELD) held.moved(record, from)
    else this.#moved(record, from)
    if (keeper !== undefined) keeper.moved(record)
    if (isRanked) queue.left(record, from, oldRank)
    room.made()
    return true
  }

  #moveTo(tier: number, record: RequestRecord, rank: number, claims: readonly Claim[] | undefined): void {
    const { aside, queue, turns } = this.#parts
    const counts = turns.tokens
    if (claims === undefined || counts === undefined) {
      queue.moveTo(tier, record, rank)
      return
    }
    // Its turn may come earlier now, and its tokens may be those of another bucket.
    if (record.status === State.ASIDE) aside.bringBack(record)
    const stands = record.status === State.WAITING
    if (stands) counts.stands(record, -1)
    queue.moveTo(tier, record, rank)
    record.later().claims = claims
    if (stands) counts.stands(record, 1)
  }

  #moveBlocked(record: RequestRecord, tier: number): boolean {
    const { blocked, limits, room, tokens, turns } = this.#parts
    // Where nothing may wait it would never come in.
    if (turns.seats.areFor(tier) && startsLater(record)) return false
    const claims = tokens.claimsIn(tier, record)
    if (claims !== undefined) {
      if (record.status !== State.BLOCKED) return false
      record.later().claims = claims
    }
    limits.keep(record)
    blocked.move(record, tier, record.timedFrom)
    room.made()
    return true
  }

  #moved(record: RequestRecord, from: number): void {
    const { capacity, dispatch, turns } = this.#parts
    const { attempt, tier } = record
    turns.moved(record, from)
    if (attempt > 1) {
      capacity.returns(from, -1)
      capacity.returns(tier, 1)
    }
    // What is first now may have a slot that the first one could not have.
    dispatch.schedule()
  }

  /** A priority with a bound of its own may be full. */
  #hasPlaceAt({ attempt }: RequestRecord, tier: number): boolean {
    const { capacity } = this.#parts
    return attempt > 1 || capacity.sizeAt(tier) < (capacity.byTier[tier] as number)
  }
}

/**
 * Whose turn has come, and has no token? It is set aside until there is one, so that others may start. Step 3 of 7.
 *
 *     queue ──▶ its turn, and no token ──▶ set aside, in the line of that bucket
 *       └◀─────── a token is there: the first of each tier ────────┘
 *
 * A request that is set aside keeps its rank, its sequence and its time limits, and counts as waiting. When its bucket has tokens
 * again, the first of each tier is back in the queue: whoever is then first in the order, newcomers included, takes them. So the
 * others of the line need not be touched, nor any other line: O(log n) for each start and each token, whatever the backlog.
 *
 * A request that takes several tokens is not passed by others of its line that stand behind it: they would take one token after
 * the other, and it would wait for ever.
 *
 * Requests of several buckets are set aside in the line of the one whose tokens come last.
 */
import type { Claim } from '../claim.ts'
import type { Alarm, Timeline } from '../clock.ts'
import { TIERS } from '../priority.ts'
import { claimsOf, type RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import { Deadlines } from './deadlines.ts'
import type { Tiers } from './tiers.ts'
import { isBefore } from './tiers.ts'
import { type AsidePlace, TokenLine } from './token-line.ts'

/** What it acts on. */
export interface SetAsideParts {
  readonly queue: Tiers<RequestRecord>
  readonly timeline: Timeline
  readonly alarm: Alarm
  readonly capacity: {
    holds(tier: number, by: 1 | -1): void
    returns(tier: number, by: 1 | -1): void
    setsAside(by: 1 | -1, wide: number): void
  }
  readonly turns: {
    readonly newWide: number
    readonly seats: { has(record: RequestRecord): boolean }
    left(record: RequestRecord): void
  }
  readonly tokens: {
    claimsIn(tier: number, record: RequestRecord): readonly Claim[] | undefined
    /** In how many ms a guard has the tokens for a request, after so many others. */
    inMs(record: RequestRecord, claim: Claim, ahead: number): number
  }
  readonly admission: { stands(record: RequestRecord): void }
  readonly dispatch: { schedule(): void }
}

type Line = TokenLine<RequestRecord>
type Place = AsidePlace<RequestRecord>

export class SetAside {
  readonly #parts: SetAsideParts
  /** Are ranks compared across tiers? With turns it is not known beforehand which tier is next. */
  readonly #isAcross: boolean
  readonly #lines = new Map<object, Map<unknown, Line>>()
  readonly #dues = new Deadlines<Line>()
  /** How many are set aside. */
  size = 0

  constructor(parts: SetAsideParts, order: { readonly acrossTiers: boolean; readonly turns?: unknown }) {
    this.#parts = parts
    this.#isAcross = order.acrossTiers === true && order.turns === undefined
  }

  /** When to look next; Infinity: at no time. */
  get nextDueAt(): number {
    return this.#dues.nextDueAt
  }

  /** How many lines there are. */
  get lines(): number {
    let count = 0
    for (const lines of this.#lines.values()) count += lines.size
    return count
  }

  // ── Who takes how many tokens ──────────────────────────────────────────────────────────────────────────────────────

  /** One stands in the queue (1), or has left it (-1). */
  stands(record: RequestRecord, by: 1 | -1): void {
    const { tier } = record
    const isSeated = this.#parts.turns.seats.has(record)
    for (const claim of claimsOf(record) as readonly Claim[]) {
      const line = this.#count(claim, by)
      line.standing[tier] = (line.standing[tier] as number) + by * claim.tokens
      if (isSeated) line.seated += by * claim.tokens
      if (by < 0 && line.back[tier] === record) this.#nobodyIsBack(line, tier)
    }
  }

  /** One that was back for all of its tier has left the queue: the next one is looked for. */
  #nobodyIsBack(line: Line, tier: number): void {
    line.back[tier] = undefined
    if (line.firstAt(tier) !== undefined) this.#lookAt(line, this.#parts.timeline.now())
  }

  /** One more waits for the tokens of its bucket (1), or one less (-1). */
  #count(claim: Claim, by: 1 | -1): Line {
    const line = this.#lineOf(claim)
    if (by > 0 && line === undefined) claim.line = this.#newLine(claim)
    else claim.line = line
    const found = claim.line as Line
    found.claims += by
    if (found.claims === 0) this.#forget(claim)
    return found
  }

  #lineOf({ guard, bucket }: Claim): Line | undefined {
    return this.#lines.get(guard)?.get(bucket)
  }

  #newLine({ guard, bucket }: Claim): Line {
    const line: Line = new TokenLine()
    const lines = this.#lines.get(guard) ?? new Map<unknown, Line>()
    this.#lines.set(guard, lines.set(bucket, line))
    return line
  }

  #forget({ guard, bucket }: Claim): void {
    this.#lines.get(guard)?.delete(bucket)
  }

  /** Tokens that were promised to those who have their slots already. */
  seated(claim: Claim): number {
    return (claim.line as Line).seated
  }

  /** How many tokens those take that stand in the queue, or are set aside for them: none of these is for a newcomer. */
  taken(claim: Claim): number {
    const line = this.#lineOf(claim)
    if (line === undefined) return 0
    return sum(line.standing) + (line.size > 0 ? sum(line.aside) : 0)
  }

  /** How many tokens are taken before a newcomer, if these parts of each tier go before it. */
  ahead(claim: Claim, parts: readonly number[]): number {
    const line = this.#lineOf(claim)
    if (line === undefined) return 0
    return sum(parts.map((part, tier) => part * ((line.standing[tier] as number) + (line.aside[tier] as number))))
  }

  // ── Who is set aside ───────────────────────────────────────────────────────────────────────────────────────────────

  /** When there may be a token for the one of its line that goes before it; 0: none does. */
  dueBefore(record: RequestRecord, claim: Claim): number {
    const { due, size } = claim.line as Line
    if (size === 0 || due === undefined) return 0
    const first = (claim.line as Line).first(this.#isAcross) as Place
    const isOfItsTier = first.tier === record.tier
    const goesBefore = isOfItsTier || this.#isAcross ? isBefore(first, record) : first.tier < record.tier
    return goesBefore ? due.rank : 0
  }

  /** Sets one aside whose turn it is, until its bucket has tokens for it. */
  add(record: RequestRecord, claim: Claim, dueAt: number): void {
    const { capacity, queue, turns } = this.#parts
    const { tier, rank, sequence } = record
    const line = claim.line as Line
    this.#countAside(record, 1)
    queue.setAside(record)
    turns.left(record)
    record.status = State.ASIDE
    this.size++
    if (record.attempt > 1) capacity.returns(tier, -1)
    else this.#holds(record, 1)
    const place: Place = { rank, sequence, block: undefined, record, tier, line }
    record.later().aside = place
    line.add(place)
    if (line.first(this.#isAcross) === place) this.#lookAt(line, dueAt)
  }

  /** It counts for all of its buckets. */
  #countAside(record: RequestRecord, by: 1 | -1): void {
    const { tier } = record
    for (const claim of claimsOf(record) as readonly Claim[]) {
      const { aside } = this.#count(claim, by)
      aside[tier] = (aside[tier] as number) + by * claim.tokens
    }
  }

  #lookAt(line: Line, dueAt: number): void {
    this.#lookNoMore(line)
    line.due = this.#dues.set(line, dueAt)
    const { alarm, timeline } = this.#parts
    if (dueAt < alarm.dueAt) alarm.setFor(dueAt, timeline.now())
  }

  #lookNoMore(line: Line): void {
    if (line.due !== undefined) this.#dues.clear(line.due)
    line.due = undefined
  }

  /** Those come back whose tokens are there by now. */
  release(now: number): void {
    const { tokens } = this.#parts
    for (let line = this.#dues.firstDue(now); line !== undefined; line = this.#dues.firstDue(now)) {
      const { due } = line
      const first = line.first(this.#isAcross) as Place
      const { record } = first
      const claim = (claimsOf(record) as readonly Claim[]).find((each) => each.line === line) as Claim
      const ms = tokens.inMs(record, claim, line.seated)
      // The guard may have done anything.
      if (line.due !== due) continue
      if (now + ms > now) this.#lookAt(line, now + ms)
      else this.#bringBackFirst(line)
    }
  }

  /** The first of each tier: which of them starts, the order says. */
  #bringBackFirst(line: Line): void {
    this.#lookNoMore(line)
    for (let tier = 0; tier < TIERS; tier++) {
      const place = line.back[tier] === undefined ? line.firstAt(tier) : undefined
      if (place === undefined) continue
      line.back[tier] = place.record
      this.bringBack(place.record)
    }
  }

  /** It stands in the queue again. */
  bringBack(record: RequestRecord): void {
    const { admission, capacity, dispatch, queue } = this.#parts
    const { tier } = record
    queue.bringBack(record)
    if (record.attempt > 1) capacity.returns(tier, 1)
    else this.#holds(record, -1)
    admission.stands(record)
    this.#takeOut(record)
    dispatch.schedule()
  }

  /** There are other guards: what waits is to take its tokens from theirs. */
  renew(records: readonly RequestRecord[]): void {
    for (const record of records) {
      // Code of the user: it may have ended it, or others.
      const claims = this.#parts.tokens.claimsIn(record.tier, record)
      if (record.ended) continue
      if (record.status === State.ASIDE) this.bringBack(record)
      const had = claimsOf(record)
      const stands = record.status === State.WAITING
      if (stands && had !== undefined) this.stands(record, -1)
      if (had !== undefined || claims !== undefined) record.later().claims = claims
      if (stands && claims !== undefined) this.stands(record, 1)
    }
  }

  /** It has ended while it was set aside. */
  letGo(record: RequestRecord): void {
    this.#parts.queue.deleteAside(record)
    if (record.attempt === 1) this.#holds(record, -1)
    this.#takeOut(record)
  }

  #holds({ tier }: RequestRecord, by: 1 | -1): void {
    const { capacity, turns } = this.#parts
    capacity.holds(tier, by)
    capacity.setsAside(by, turns.newWide)
  }

  #takeOut(record: RequestRecord): void {
    const later = record.later()
    const place = later.aside as Place
    const { line } = place
    later.aside = undefined
    this.size--
    line.remove(place)
    // If others are left, a look too early does no harm.
    if (line.due !== undefined && line.first(this.#isAcross) === undefined) this.#lookNoMore(line)
    this.#countAside(record, -1)
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}

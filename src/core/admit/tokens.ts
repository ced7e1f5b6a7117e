/**
 * Has it its tokens? What the guards say about those that take some when they start, and who is set aside. Step 2 of 7, and once
 * more before step 4.
 *
 *     newcomer ──▶ which, and how many? ──▶ (the queue) ──▶ its turn ──▶ are they there? ──▶ its slot
 *                     └ refused, where nothing may wait                      └ set aside (queue/set-aside.ts)
 *
 * Nothing is taken in here: the guards take it when they are told of the start.
 */
import type { Claim } from '../claim.ts'
import type { Timeline } from '../clock.ts'
import { priorities } from '../priority.ts'
import { claimsOf, type RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import { type Guards, nothingWaits } from './all-guards.ts'
import type { Guard, Refusal } from './guard.ts'
import type { Outlook } from './outlook.ts'

/** Who waits for tokens. */
interface TokenLines {
  /** How many tokens of its bucket others take: those that have their slots already, and all. */
  seated(claim: Claim): number
  taken(claim: Claim): number
  /** How many are taken before a newcomer, if these parts of each tier go before it. */
  ahead(claim: Claim, parts: readonly number[]): number
  /** When there may be some for the one of its line that goes before it; 0: none does. */
  dueBefore(record: RequestRecord, claim: Claim): number
  add(record: RequestRecord, claim: Claim, dueAt: number): void
  release(now: number): void
}

/** What it asks of the executor. */
export interface TokensHost {
  tokenLines(): TokenLines
  /** The one that goes first, also if there are not enough slots for it. */
  head(): RequestRecord | undefined
  /** Has it its slots already, though it stands in the queue? */
  isSeated(record: RequestRecord): boolean
  /** Enough was done in a row: go on in another turn of the event loop. */
  pauseForOthers(): void
  end(record: RequestRecord, state: typeof State.SHED, error: unknown): void
  /** A guard has thrown, or has answered what is no answer. */
  report(event: 'started', error: unknown): void
}

/** After how many that are set aside in a row the event loop has a turn: a few ms. */
const TURN_ASIDES = 1_000

export class Tokens {
  readonly #host: TokensHost
  readonly #outlook: Outlook
  readonly #guards: Guards
  readonly #timeline: Timeline
  readonly #errorOf: (record: RequestRecord, refusal: Refusal) => unknown

  /** @param errorOf what one ends with that was let in to start at once, when its tokens are gone */
  constructor(
    host: TokensHost,
    outlook: Outlook,
    guards: Guards,
    timeline: Timeline,
    errorOf: (record: RequestRecord, refusal: Refusal) => unknown,
  ) {
    this.#host = host
    this.#outlook = outlook
    this.#guards = guards
    this.#timeline = timeline
    this.#errorOf = errorOf
  }

  /** What a newcomer takes when it starts: asked once. And how many tokens are to be taken before it, if it had this rank. */
  claimsOf(record: RequestRecord, rank: number): readonly Claim[] {
    const later = record.later()
    const claims = later.claims ?? this.#guards.claims()
    later.claims = claims
    if (!this.#guards.foretells) return claims
    const parts = this.#outlook.partsAhead(record, rank)
    const lines = this.#host.tokenLines()
    for (const claim of claims) claim.ahead = lines.ahead(claim, parts)
    return claims
  }

  /** What it will take with another priority. What a guard throws is reported: then it takes what it would take now, or nothing. */
  claimsIn(tier: number, record: RequestRecord): readonly Claim[] | undefined {
    const guards = this.#guards
    if (!guards.takes) return undefined
    const outer = guards.begin()
    try {
      this.#outlook.describe(record, guards.question)
      guards.question.tier = tier
      return guards.claims()
    } catch (error) {
      this.#host.report('started', error)
      return claimsOf(record) ?? []
    } finally {
      guards.end(outer)
    }
  }

  /** There are no tokens for a newcomer now, and nothing may wait. */
  refusal(claims: readonly Claim[]): Refusal | undefined {
    const lines = this.#host.tokenLines()
    return this.#guards.tokensRefusal(claims, (claim) => lines.taken(claim))
  }

  /** In how many ms there are tokens for a newcomer, or for one that is blocked, beside those that others take. */
  dueInMs(record: RequestRecord): number {
    const guards = this.#guards
    const outer = guards.begin()
    try {
      this.#outlook.describe(record, guards.question)
      const lines = this.#host.tokenLines()
      let longest = 0
      for (const claim of this.claimsOf(record, Number.POSITIVE_INFINITY)) {
        longest = Math.max(longest, guards.tokensInMs(claim, lines.taken(claim)))
      }
      return longest
    } finally {
      guards.end(outer)
    }
  }

  /** Are they there by now for one that is set aside, beside those of all others of its bucket that are no less urgent? */
  areThereFor(record: RequestRecord): boolean {
    const { tier } = record
    const parts = priorities.map((_, other) => (other <= tier ? 1 : 0))
    const lines = this.#host.tokenLines()
    const claims = claimsOf(record) as readonly Claim[]
    return claims.every((claim) => this.inMs(record, claim, lines.ahead(claim, parts) - claim.tokens) <= 0)
  }

  /** In how many ms a guard has the tokens for one that is in, after so many others. */
  inMs(record: RequestRecord, claim: Claim, ahead: number): number {
    const guards = this.#guards
    const outer = guards.begin()
    this.#outlook.describe(record, guards.question)
    const ms = guards.tokensInMs(claim, ahead)
    guards.end(outer)
    return ms
  }

  /** The first one for which there are tokens: those before it are set aside. */
  head(): RequestRecord | undefined {
    const lines = this.#host.tokenLines()
    for (let count = 0; count < TURN_ASIDES; count++) {
      // Whatever this burst has begun at: tokens are counted from when they are taken.
      lines.release(this.#timeline.read())
      const record = this.#host.head()
      if (record === undefined || !this.#setsAside(record, lines)) return record
    }
    this.#host.pauseForOthers()
    return undefined
  }

  #setsAside(record: RequestRecord, lines: TokenLines): boolean {
    const now = this.#timeline.now()
    const isSeated = this.#host.isSeated(record)
    let longest = 0
    let lacking: Claim | undefined
    for (const claim of claimsOf(record) as readonly Claim[]) {
      // What has a slot of its own has its tokens, too.
      const dueInMs = isSeated ? 0 : lines.dueBefore(record, claim) - now
      const ms = dueInMs > 0 ? dueInMs : this.inMs(record, claim, isSeated ? 0 : lines.seated(claim))
      // A time so short that the clock can't tell it is none.
      if (ms <= longest || now + ms <= now) continue
      longest = ms
      lacking = claim
    }
    if (lacking === undefined || record.status !== State.WAITING) return false
    if (!isSeated) lines.add(record, lacking, now + longest)
    // Nothing of its priority may wait. A policy has let others in meanwhile.
    else this.#host.end(record, State.SHED, this.#errorOf(record, nothingWaits(lacking.guard as Guard, longest)))
    return true
  }
}

/**
 * Where the guards are asked, and what is done about their answers. Step 2 of 7, and once more before step 4.
 *
 *     newcomer ──▶ admit? ──▶ delay? ──▶ (the bounds, the queue) ──▶ hold? ──▶ drop? ──▶ its slot
 *                    └ refused   └ held out of the queue               │          └ shed
 *                                                                      └ nothing starts until then
 *
 * A guard that throws about a newcomer has it refused; what it throws about one that was admitted is reported, and counts as
 * no answer: nobody who was admitted may be lost by that.
 */
import type { Alarm, Timeline } from '../clock.ts'
import { OverloadedError, RateLimitedError } from '../errors.ts'
import { claimsOf, type RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import { Guards } from './all-guards.ts'
import type { Guard, Refusal } from './guard.ts'
import type { Outlook } from './outlook.ts'
import { Tokens, type TokensHost } from './tokens.ts'

/** What it asks of the executor. */
export interface GateHost extends TokensHost {
  refuse(record: RequestRecord, error: unknown): void
  /** May nothing of a tier wait? Then what comes in starts at once. */
  startsAtOnce(tier: number): boolean
  /** The one whose turn it is; undefined: nobody's, now. */
  next(): RequestRecord | undefined
}

export class Gate {
  readonly #host: GateHost
  readonly #outlook: Outlook
  readonly #rates: readonly Guard[]
  readonly #guards: Guards
  readonly #timeline: Timeline
  readonly #alarm: Alarm
  /** Is anything asked about those who come, or about those who are to start? */
  readonly asksAtArrival: boolean
  readonly asksAtStart: boolean
  /** Does a start take tokens? */
  readonly takesTokens: boolean
  readonly tokens: Tokens
  readonly hearsStarts: boolean
  readonly hearsEnds: boolean
  /** No request starts before: a guard holds them. 0: none does. */
  heldUntil = 0
  /** For how long a failure has said that nothing starts. */
  #holdForMs = 0
  /** When a guard is asked again about a blocked request that it would hold; Infinity: at no time. */
  #asksAgainAt = Number.POSITIVE_INFINITY

  constructor(
    host: GateHost,
    outlook: Outlook,
    rates: readonly Guard[],
    others: readonly Guard[],
    timeline: Timeline,
    alarm: Alarm,
  ) {
    const guards = new Guards([...rates, ...others], (error) => host.report('started', error))
    this.#host = host
    this.#outlook = outlook
    this.#rates = rates
    this.#guards = guards
    this.#timeline = timeline
    this.#alarm = alarm
    this.asksAtArrival = guards.admits || guards.delays || guards.takes
    this.asksAtStart = guards.holds || guards.drops || guards.takes
    this.takesTokens = guards.takes
    this.tokens = new Tokens(host, outlook, guards, timeline, (record, refusal) => this.#errorOf(record, refusal))
    this.hearsStarts = guards.hearsStarts
    this.hearsEnds = guards.hearsEnds
  }

  /**
   * A guard refuses it, or throws.
   * @param rank Infinity: it was not asked for, or is behind all of its tier
   */
  keepsOut(record: RequestRecord, rank = Number.POSITIVE_INFINITY): boolean {
    const guards = this.#guards
    const outer = guards.begin()
    try {
      this.#outlook.describe(record, guards.question, rank)
      const refusal = this.#firstRefusal(record, rank)
      if (refusal !== undefined) {
        this.#host.refuse(record, this.#errorOf(record, refusal, rank))
        return true
      }
      const delayMs = guards.delays ? guards.delayMs() : 0
      if (delayMs > 0) record.later().startAt = Math.max(record.later().startAt, this.#timeline.now() + delayMs)
    } catch (error) {
      this.#host.refuse(record, error)
      return true
    } finally {
      guards.end(outer)
    }
    return false
  }

  /**
   * What a guard would say to a newcomer, if it said no: it is only asked, and takes nothing.
   * @throws what the guard throws
   */
  refusalOf(record: RequestRecord, rank: number): Refusal | undefined {
    const guards = this.#guards
    const outer = guards.begin()
    try {
      this.#outlook.describe(record, guards.question, rank)
      guards.question.probe = true
      return this.#firstRefusal(record, rank)
    } finally {
      guards.end(outer)
    }
  }

  #firstRefusal(record: RequestRecord, rank: number): Refusal | undefined {
    const guards = this.#guards
    const claims = guards.takes ? this.tokens.claimsOf(record, rank) : undefined
    // Asked first, since it takes nothing.
    const refusal =
      claims !== undefined && this.#host.startsAtOnce(record.tier) ? this.tokens.refusal(claims) : undefined
    return refusal ?? (guards.admits ? guards.refusal('admit', claims) : undefined) ?? this.#delayRefusal(record)
  }

  /** In how many ms there are tokens for a newcomer, or for one that is blocked, beside those that others take. */
  tokensDueInMs(record: RequestRecord): number {
    if (!this.takesTokens) return 0
    const dueInMs = this.tokens.dueInMs(record)
    this.#askAgain(record, dueInMs)
    return dueInMs
  }

  /** A guard would delay it, and nothing may wait: asked before that guard takes anything. */
  #delayRefusal(record: RequestRecord): Refusal | undefined {
    const guards = this.#guards
    if (!guards.delays || !this.#host.startsAtOnce(record.tier)) return undefined
    const { probe } = guards.question
    guards.question.probe = true
    const refusal = guards.delayRefusal()
    guards.question.probe = probe
    return refusal
  }

  /** Would a guard hold one that is to start at once? Asked where nothing may wait: it is not let in, then. */
  holds(record: RequestRecord): boolean {
    const guards = this.#guards
    if (this.staysHeld() || !guards.holds) return this.heldUntil > 0
    const outer = guards.begin()
    this.#outlook.describe(record, guards.question)
    guards.question.probe = true
    const holdMs = guards.holdMs()
    guards.end(outer)
    this.#askAgain(record, holdMs)
    return holdMs > 0
  }

  /** One that is blocked until then is asked about again; any other comes anew. */
  #askAgain(record: RequestRecord, delayMs: number): void {
    if (delayMs === 0 || record.status !== State.BLOCKED) return
    const now = this.#timeline.now()
    this.#asksAgainAt = Math.min(this.#asksAgainAt, now + delayMs)
    this.#alarm.setFor(this.#asksAgainAt, now)
  }

  /** May the next one start? Those for whom it is too late are shed on the way. */
  letsStart(): boolean {
    for (;;) {
      const head = this.takesTokens ? this.tokens.head() : undefined
      if (this.takesTokens && head === undefined) return false
      const record = this.#host.next()
      if (record === undefined || this.heldUntil > 0) return false
      const error = this.#dropError(record)
      if (this.heldUntil > 0) {
        this.#alarm.setFor(this.heldUntil, this.#timeline.now())
        return false
      }
      if (error !== undefined) this.#host.end(record, State.SHED, error)
      // A guard that was asked may have moved another one to the front.
      else if (head === undefined || this.#host.head() === head) return true
    }
  }

  /** Why it is too late for the next one; undefined: it is not, or it is held. */
  #dropError(record: RequestRecord): OverloadedError | RateLimitedError | undefined {
    const guards = this.#guards
    const outer = guards.begin()
    try {
      this.#outlook.describe(record, guards.question)
      const holdMs = guards.holds ? guards.holdMs() : 0
      if (holdMs > 0) this.heldUntil = Math.max(this.#timeline.now() + holdMs, this.heldUntil)
      else if (guards.drops && record.attempt === 1) {
        const refusal = guards.refusal('drop')
        if (refusal !== undefined) return this.#errorOf(record, refusal)
      }
    } catch (error) {
      this.#host.report('started', error)
    } finally {
      guards.end(outer)
    }
    return undefined
  }

  /** When it is to be opened; Infinity: at no time. */
  get opensAt(): number {
    return Math.min(this.heldUntil || Number.POSITIVE_INFINITY, this.#asksAgainAt)
  }

  /** The alarm has rung. True: those who were held may start, or a guard is to be asked again about one that is blocked. */
  opens(now: number): boolean {
    if (this.opensAt > now) return false
    if (this.heldUntil <= now) {
      this.heldUntil = 0
      this.#holdForMs = 0
    }
    // All that are blocked are asked about now.
    this.#asksAgainAt = Number.POSITIVE_INFINITY
    return true
  }

  /** Nothing starts for so long. */
  holdFor(ms: number): void {
    const now = this.#timeline.now()
    if (now + ms <= this.heldUntil) return
    this.#holdForMs = ms
    this.heldUntil = now + ms
    this.#alarm.setFor(this.heldUntil, now)
  }

  /** Does nothing start yet? While nothing was live no alarm has rung, and the clock may have become another one. */
  staysHeld(): boolean {
    if (this.heldUntil === 0) return false
    const leftMs = this.heldUntil - this.#timeline.now()
    if (leftMs > 0 && (this.#holdForMs === 0 || leftMs <= this.#holdForMs)) return true
    this.heldUntil = 0
    this.#holdForMs = 0
    return false
  }

  /** Nothing is live: whoever comes next is asked about anew; but what a failure has said holds. */
  forget(): void {
    if (this.#holdForMs === 0) this.heldUntil = 0
    this.#asksAgainAt = Number.POSITIVE_INFINITY
  }

  started(record: RequestRecord): void {
    const outer = this.#guards.begin()
    this.#outlook.describe(record, this.#guards.question)
    this.#guards.started(claimsOf(record))
    this.#guards.end(outer)
  }

  settled(record: RequestRecord, ok: boolean, runMs: number, error: unknown): void {
    const outer = this.#guards.begin()
    this.#outlook.describe(record, this.#guards.question)
    this.#guards.settled(ok, runMs, error)
    this.#guards.end(outer)
  }

  #errorOf(record: RequestRecord, refusal: Refusal, rank?: number): OverloadedError | RateLimitedError {
    const given = refusal.retryAfterMs
    const retryAfterMs = typeof given === 'number' && given >= 0 ? given : this.#outlook.retryAfterMs(record, rank)
    const isRate = this.#rates.some(({ name }) => name === refusal.rule)
    const ErrorType = isRate ? RateLimitedError : OverloadedError
    return new ErrorType(refusal, subjectOf(record), retryAfterMs)
  }
}

/**
 * May it come in, may it start now, is it too late for it? What guards are asked beside the bounds. Step 2 of 7.
 *
 * Policies decide, the executor acts: a guard is synchronous and works on numbers; what it must remember it keeps itself,
 * so that one guard object serves one executor. Each question is optional, and what no guard asks costs nothing.
 */
import type { Explanation } from '../errors.ts'

/** What a guard may look at. One object is used again for every question: read it, don't keep it. */
export interface GuardQuestion {
  /** Now, in ms on the executor's clock. */
  at: number
  /** 0 for urgent … 3 for low. */
  tier: number
  request: unknown
  metadata: unknown
  /** Since it was submitted, in ms. */
  waitMs: number
  /** When its time is over, waiting and running, on the same clock; or Infinity. */
  deadline: number
  /** How many wait before it: for a newcomer, all of its own priority and above. */
  ahead: number
  /** How many wait in all, how many run (or hold their slots beyond their answers), and how many may. */
  waiting: number
  running: number
  concurrency: number
  /** For how long recent runs have kept their slots busy: the mean, in ms; NaN before the first. */
  recentRunMs: number
  /** For how much of `waitMs` the executor was paused, in ms. */
  pausedMs: number
  /** True: it is only asked whether one would come in (`ready()`). Take nothing, and count nothing. */
  probe: boolean
}

/** Why a guard says no; what is missing of `retryAfterMs` is estimated from the pace of recent runs. */
export interface Refusal extends Explanation {
  readonly retryAfterMs?: number
}

/** A rule beside the bounds, given through the options `rateLimit` and `overload`. */
export interface Guard {
  /** What `describe()` calls it. */
  readonly name: string
  /**
   * May a newcomer come in? Asked once for each request, before the bounds, and by `ready()` with `probe`; undefined: as far as
   * this guard goes.
   */
  admit?(question: Readonly<GuardQuestion>): Refusal | undefined
  /** In how many ms may the next one start? 0: now. Nothing starts meanwhile, of whatever priority. */
  holdMs?(question: Readonly<GuardQuestion>): number
  /** In how many ms may a newcomer come to the queue? 0: now. Meanwhile it counts as waiting. */
  delayMs?(question: Readonly<GuardQuestion>): number
  /** Is it too late for one whose turn has come? It then ends as `shed`. Never asked about one that is tried again. */
  drop?(question: Readonly<GuardQuestion>): Refusal | undefined
  /** One starts. */
  started?(question: Readonly<GuardQuestion>): void
  /**
   * One that had started has its answer: that of the executor, its error, or a `RunTimeoutError`. Not told of those who were
   * cancelled: that says nothing about the executor.
   */
  settled?(question: Readonly<GuardQuestion>, ok: boolean, runMs: number, error?: unknown): void
}

/** All guards of an executor, as one. */
export class Guards {
  readonly #all: readonly Guard[]
  /** What any of them asks: the other questions are not even put together. */
  readonly admits: boolean
  readonly holds: boolean
  readonly delays: boolean
  readonly drops: boolean
  readonly hearsStarts: boolean
  readonly hearsEnds: boolean
  readonly question: GuardQuestion = {
    at: 0,
    tier: 0,
    request: undefined,
    metadata: undefined,
    waitMs: 0,
    deadline: 0,
    ahead: 0,
    waiting: 0,
    running: 0,
    concurrency: 0,
    recentRunMs: 0,
    pausedMs: 0,
    probe: false,
  }

  constructor(all: readonly Guard[]) {
    this.#all = all
    const any = (question: keyof Guard): boolean => all.some((guard) => guard[question] !== undefined)
    this.admits = any('admit')
    this.holds = any('holdMs')
    this.delays = any('delayMs')
    this.drops = any('drop')
    this.hearsStarts = any('started')
    this.hearsEnds = any('settled')
  }

  /** The first refusal. */
  refusal(question: 'admit' | 'drop'): Refusal | undefined {
    for (const guard of this.#all) {
      const refusal = guard[question]?.(this.question)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  /** The longest delay; 0 when none of them asks for one. */
  longest(question: 'holdMs' | 'delayMs'): number {
    let longest = 0
    for (const guard of this.#all) {
      const ms = guard[question]?.(this.question) ?? 0
      if (ms > longest) longest = ms
    }
    return longest
  }

  started(): void {
    for (const guard of this.#all) guard.started?.(this.question)
  }

  settled(ok: boolean, runMs: number, error: unknown): void {
    for (const guard of this.#all) guard.settled?.(this.question, ok, runMs, error)
  }

  /** What was asked about must not be kept alive. */
  forget(): void {
    this.question.request = undefined
    this.question.metadata = undefined
    this.question.probe = false
  }
}

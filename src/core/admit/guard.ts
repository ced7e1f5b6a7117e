/**
 * May it come in, may it start now, is it too late for it? What guards are asked beside the bounds. Step 2 of 7.
 *
 * Policies decide, the executor acts: a guard is synchronous and works on numbers; what it must remember it keeps itself,
 * so that one guard object serves one executor. Each method is optional, and what no guard has costs nothing.
 *
 * How to write one: docs/write-a-policy.md.
 */
import type { Policy } from '../policy.ts'
import type { Explanation } from '../triage-error.ts'

/** What a guard may look at. One object is used again for every question: read it, don't keep it. */
export interface GuardQuestion<Req = unknown, Metadata = unknown> {
  /** Now, in ms on the executor's clock. */
  at: number
  /** 0 for urgent … 3 for low. */
  tier: number
  request: Req
  metadata: Metadata
  /** Since it was submitted, in ms. */
  waitMs: number
  /** When its time is over, waiting and running, on the same clock; or Infinity. */
  deadline: number
  /** How many that stand in the queue go before it, by the order that there is. */
  ahead: number
  /**
   * How many wait in all, how many run (or hold their slots beyond their answers), and how many may. For a newcomer, one that has
   * a slot in the dispatch of this burst runs, as `getStatus()` says; one whose turn has come is not counted itself.
   */
  waiting: number
  running: number
  concurrency: number
  /** How many slots are free until the dispatch of this burst. */
  free: number
  /** For how long recent runs have kept their slots busy: the mean, in ms; NaN before the first. */
  recentRunMs: number
  /**
   * How long it will likely wait, in ms: until those before it in the order have had their slots, at the pace of recent runs. NaN
   * before the first.
   */
  predictedWaitMs: number
  /** For how much of `waitMs` the executor was paused, in ms. */
  pausedMs: number
  /** Only for a guard with `tokensInMs`: what its `bucket` and its `tokens` have answered for this request. */
  bucket: unknown
  tokens: number
  /**
   * How many tokens of the same bucket others are to have before it. Asked to `admit`, and for a forecast: those that go before it
   * in the order, as far as that is known. Where it is to start: those that are promised to others.
   */
  tokensAhead: number
  /**
   * True: it is only asked whether one would come in (`ready()`), or whether it would have to wait where nothing may
   * (`maxQueueSize: 'none'`). Take nothing, and count nothing.
   */
  probe: boolean
}

/**
 * Why a guard says no. `rule` is the guard's own name: by it a refusal of `rateLimit` is a `RateLimitedError`, any other an
 * `OverloadedError`. A missing `retryAfterMs` is estimated from the pace of recent runs.
 */
export interface Refusal extends Explanation {
  readonly retryAfterMs?: number | undefined
}

/**
 * A rule beside the bounds, given through the options `rateLimit` and `overload`.
 *
 * If it throws about a newcomer, the newcomer is refused with that very error. Any other error that it throws is reported, as
 * one of a listener is (`onListenerError`), and counts as no answer. So does an invalid answer, such as the promise of a guard
 * that is asynchronous by mistake: it is reported once.
 */
export interface Guard<Req = unknown, Metadata = unknown> extends Policy {
  /**
   * Whether a newcomer may come in; undefined: this guard lets it in. Asked once for each request, before the bounds, and by
   * `ready()` and `map()` with `probe`. The queue may be full after all, and the guard does not hear of that.
   */
  admit?(question: Readonly<GuardQuestion<Req, Metadata>>): Refusal | undefined
  /**
   * The time in ms until the next request may start. 0, a negative number or NaN means now. Until then no request of any
   * priority starts, and the guard is not asked again. After Infinity it is asked again in a second. It may be asked often for
   * one start: take nothing here, but in `started`.
   */
  holdMs?(question: Readonly<GuardQuestion<Req, Metadata>>): number
  /**
   * The time in ms until a newcomer may enter the queue. 0, a negative number or NaN means now. Until then it counts as waiting.
   * Infinity refuses it with an `OptionsError`. If nothing may wait, the guard is asked with `probe` first, and a delay refuses it.
   */
  delayMs?(question: Readonly<GuardQuestion<Req, Metadata>>): number
  /**
   * In how many ms the tokens are there that a request takes when it starts, after `tokensAhead` others; 0, a negative number or NaN
   * means now. Asked when its turn has come: until then the request is set aside, and only those of the same bucket wait with it.
   * It still counts as waiting. After Infinity it is asked again in a second. Take nothing here, but in `started`: a request starts
   * with the tokens of all guards, or not at all.
   */
  tokensInMs?(question: Readonly<GuardQuestion<Req, Metadata>>): number
  /**
   * Which bucket that is: any value. Requests with equal ones wait in one line, in their order. Asked once when a request comes,
   * and again when it is given another priority. Without it, all have one.
   */
  bucket?(question: Readonly<GuardQuestion<Req, Metadata>>): unknown
  /** How many tokens that are: a finite number greater than 0. Asked when `bucket` is. Without it, one. */
  tokens?(question: Readonly<GuardQuestion<Req, Metadata>>): number
  /** Whether it is too late for a request whose turn has come: it then ends as `shed`. Never asked about a retry. */
  drop?(question: Readonly<GuardQuestion<Req, Metadata>>): Refusal | undefined
  /** Told when a request starts: each attempt. */
  started?(question: Readonly<GuardQuestion<Req, Metadata>>): void
  /**
   * Told when a started request has its answer: that of the executor, its error, or a `RunTimeoutError`. It is told of each
   * attempt, but not of cancelled requests: these say nothing about the executor. So starts and ends can't be counted against
   * each other.
   */
  settled?(question: Readonly<GuardQuestion<Req, Metadata>>, ok: boolean, runMs: number, error?: unknown): void
}

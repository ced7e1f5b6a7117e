/**
 * May it come in, may it start now, is it too late for it? What guards are asked beside the bounds. Step 2 of 7.
 *
 * Policies decide, the executor acts: a guard is synchronous and works on numbers; what it must remember it keeps itself,
 * so that one guard object serves one executor. Each method is optional, and what no guard has costs nothing.
 *
 * How to write one: docs/write-a-policy.md.
 */
import { isThenable, noAnswer } from '../checks.ts'
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

/** All guards of an executor, as one. */
export class Guards {
  readonly #all: readonly Guard[]
  readonly #report: (error: unknown) => void
  readonly #told = new Set<string>()
  #isAsked = false
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
    free: 0,
    recentRunMs: 0,
    predictedWaitMs: 0,
    pausedMs: 0,
    probe: false,
  }

  /** @param report is told what a guard throws about those that are in, and answers that are none */
  constructor(all: readonly Guard[], report: (error: unknown) => void) {
    this.#all = all
    this.#report = report
    const any = (question: keyof Guard): boolean => all.some((guard) => guard[question] !== undefined)
    this.admits = any('admit')
    this.holds = any('holdMs')
    this.delays = any('delayMs')
    this.drops = any('drop')
    this.hearsStarts = any('started')
    this.hearsEnds = any('settled')
  }

  /**
   * One of them is to be asked, or told. A guard that calls the executor may have others asked in the middle of that: what
   * this answers with is for `end()`, and puts the question back as it was.
   */
  begin(): GuardQuestion | undefined {
    const outer = this.#isAsked ? { ...this.question } : undefined
    this.#isAsked = true
    return outer
  }

  end(outer: GuardQuestion | undefined): void {
    if (outer !== undefined) {
      Object.assign(this.question, outer)
      return
    }
    this.#isAsked = false
    // What was asked about must not be kept alive.
    this.question.request = undefined
    this.question.metadata = undefined
    this.question.probe = false
  }

  /** The first refusal. What a guard throws about a newcomer is thrown; for those that are in, it has no say then. */
  refusal(question: 'admit' | 'drop'): Refusal | undefined {
    for (const guard of this.#all) {
      try {
        const refusal = this.#refusalOf(guard, question, guard[question]?.(this.question))
        if (refusal !== undefined) return refusal
      } catch (error) {
        if (question === 'admit') throw error
        this.#report(error)
      }
    }
    return undefined
  }

  /** The longest hold; 0 when none of them asks for one. One for ever is looked at again after a second. */
  holdMs(): number {
    let longest = 0
    for (const guard of this.#all) {
      try {
        longest = Math.max(longest, this.#msOf(guard, 'holdMs', guard.holdMs?.(this.question)))
      } catch (error) {
        this.#report(error)
      }
    }
    return longest === Number.POSITIVE_INFINITY ? ASKED_AGAIN_MS : longest
  }

  /** The longest delay of a newcomer. */
  delayMs(): number {
    let longest = 0
    for (const guard of this.#all) {
      longest = Math.max(longest, this.#delayOf(guard))
    }
    return longest
  }

  /** The first delay of a newcomer, as a refusal: nothing may wait. */
  delayRefusal(): Refusal | undefined {
    for (const guard of this.#all) {
      const delayMs = this.#delayOf(guard)
      if (delayMs === 0) continue
      const compared = { delayMs, maxQueueSize: 'none' }
      return { rule: guard.name, compared, wouldAdmit: 'one that may start at once', retryAfterMs: Math.ceil(delayMs) }
    }
    return undefined
  }

  #delayOf(guard: Guard): number {
    const delayMs = this.#msOf(guard, 'delayMs', guard.delayMs?.(this.question))
    // Its time would never come, and its timeouts never begin.
    if (delayMs === Number.POSITIVE_INFINITY) throw noAnswer(`${guard.name}.delayMs`, A_DELAY, delayMs)
    return delayMs
  }

  started(): void {
    for (const guard of this.#all) {
      try {
        this.#tell(guard.started?.(this.question))
      } catch (error) {
        this.#report(error)
      }
    }
  }

  settled(ok: boolean, runMs: number, error: unknown): void {
    for (const guard of this.#all) {
      try {
        this.#tell(guard.settled?.(this.question, ok, runMs, error))
      } catch (thrown) {
        this.#report(thrown)
      }
    }
  }

  /** One that is asynchronous, though nothing awaits it. */
  #tell(answer: unknown): void {
    if (isThenable(answer)) answer.then(undefined, this.#report)
  }

  #refusalOf(guard: Guard, question: 'admit' | 'drop', answer: unknown): Refusal | undefined {
    if (answer === undefined || answer === null || answer === false) return undefined
    if (isRefusal(answer)) return answer
    this.#isNoAnswer(`${guard.name}.${question}`, 'a function that returns a refusal, or undefined', answer)
    return undefined
  }

  /** 0 for what is no number. */
  #msOf(guard: Guard, question: 'holdMs' | 'delayMs', answer: unknown): number {
    if (typeof answer === 'number') return answer > 0 ? answer : 0
    if (answer !== undefined && answer !== null) this.#isNoAnswer(`${guard.name}.${question}`, A_DELAY, answer)
    return 0
  }

  /** Told once: a guard that is asynchronous by mistake answers so each time. */
  #isNoAnswer(path: string, expected: string, answer: unknown): void {
    const error = noAnswer(path, expected, answer)
    if (!this.#told.has(path)) this.#report(error)
    this.#told.add(path)
  }
}

/** How long a hold that has no end lasts until the guard is asked again, in ms. */
const ASKED_AGAIN_MS = 1_000
const A_DELAY = 'a function that returns a number of ms'

function isRefusal(answer: unknown): answer is Refusal {
  const { rule, compared } = answer as Partial<Refusal>
  return typeof rule === 'string' && typeof compared === 'object' && compared !== null
}

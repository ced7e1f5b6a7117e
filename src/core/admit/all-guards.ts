/**
 * All guards of an executor, as one: each question goes to those that have an answer, and of several answers the first refusal, or
 * the longest time, counts. Step 2 of 7.
 *
 * A guard is code of the user: what it throws, or answers by mistake, is dealt with here.
 */
import { isThenable, noAnswer } from '../checks.ts'
import type { Claim } from '../claim.ts'
import type { Guard, GuardQuestion, Refusal } from './guard.ts'

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
  /** Does a start take tokens? And is a newcomer told how many are to be taken before it? */
  readonly takes: boolean
  readonly foretells: boolean
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
    bucket: undefined,
    tokens: 1,
    tokensAhead: 0,
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
    this.takes = any('tokensInMs')
    this.foretells = all.some((guard) => guard.tokensInMs !== undefined && guard.admit !== undefined)
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
    this.question.bucket = undefined
    this.question.probe = false
  }

  /** The first refusal. What a guard throws about a newcomer is thrown; for those that are in, it has no say then. */
  refusal(question: 'admit' | 'drop', claims?: readonly Claim[]): Refusal | undefined {
    for (const guard of this.#all) {
      try {
        if (claims !== undefined) this.#fillFor(guard, claims)
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
      return nothingWaits(guard, delayMs)
    }
    return undefined
  }

  #delayOf(guard: Guard): number {
    const delayMs = this.#msOf(guard, 'delayMs', guard.delayMs?.(this.question))
    // Its time would never come, and its timeouts never begin.
    if (delayMs === Number.POSITIVE_INFINITY) throw noAnswer(`${guard.name}.delayMs`, A_DELAY, delayMs)
    return delayMs
  }

  /** What the request in question takes when it starts. What a guard throws about that is thrown, and so is what is no number. */
  claims(): Claim[] {
    const claims: Claim[] = []
    for (const guard of this.#all) {
      if (guard.tokensInMs === undefined) continue
      const bucket = guard.bucket === undefined ? guard : guard.bucket(this.question)
      this.question.bucket = bucket
      const tokens: unknown = guard.tokens === undefined ? 1 : guard.tokens(this.question)
      if (!(typeof tokens === 'number' && tokens > 0 && tokens < Number.POSITIVE_INFINITY)) {
        throw noAnswer(`${guard.name}.tokens`, 'a function that returns a finite number greater than 0', tokens)
      }
      claims.push({ guard, bucket, tokens, ahead: 0, line: undefined })
    }
    return claims
  }

  /** In how many ms a guard has the tokens for the request in question. One that has none for ever is asked again after a second. */
  tokensInMs(claim: Claim, ahead: number): number {
    const guard = claim.guard as Guard
    const { question } = this
    question.bucket = claim.bucket
    question.tokens = claim.tokens
    question.tokensAhead = ahead
    try {
      const ms = this.#msOf(guard, 'tokensInMs', guard.tokensInMs?.(question))
      return ms === Number.POSITIVE_INFINITY ? ASKED_AGAIN_MS : ms
    } catch (error) {
      this.#report(error)
      return 0
    }
  }

  /** The first guard that has no tokens for a newcomer now, as a refusal: nothing may wait. */
  tokensRefusal(claims: readonly Claim[], aheadOf: (claim: Claim) => number): Refusal | undefined {
    for (const claim of claims) {
      const delayMs = this.tokensInMs(claim, aheadOf(claim))
      if (delayMs > 0) return nothingWaits(claim.guard as Guard, delayMs)
    }
    return undefined
  }

  #fillFor(guard: Guard, claims: readonly Claim[]): void {
    const claim = claims.find((each) => each.guard === guard)
    this.question.bucket = claim?.bucket
    this.question.tokens = claim === undefined ? 1 : claim.tokens
    this.question.tokensAhead = claim === undefined ? 0 : claim.ahead
  }

  started(claims: readonly Claim[] | undefined): void {
    for (const guard of this.#all) {
      try {
        if (claims !== undefined) this.#fillFor(guard, claims)
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
  #msOf(guard: Guard, question: 'holdMs' | 'delayMs' | 'tokensInMs', answer: unknown): number {
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

/** It would have to wait, and may not. */
export function nothingWaits({ name }: Guard, delayMs: number): Refusal {
  const compared = { delayMs, maxQueueSize: 'none' }
  return { rule: name, compared, wouldAdmit: 'one that may start at once', retryAfterMs: Math.ceil(delayMs) }
}

function isRefusal(answer: unknown): answer is Refusal {
  const { rule, compared } = answer as Partial<Refusal>
  return typeof rule === 'string' && typeof compared === 'object' && compared !== null
}

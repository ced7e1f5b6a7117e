/**
 * What an order policy is asked about a request, and told of it; and what is made of its answers. Step 3 of 7.
 *
 * A policy is code of the user. It may throw, answer nonsense, or be asynchronous by mistake: no request is lost by that, and
 * whoever made the policy is told. One question serves all, so that none is made for each request.
 */
import { isThenable, noAnswer } from '../checks.ts'
import type { OrderPolicy, OrderQuestion } from './order.ts'

/** What a question is about. */
export interface Questioned {
  /** When it was submitted or, if that was later, when it might start. */
  readonly timedFrom: number
  readonly request: unknown
  readonly metadata?: unknown
  /** When its time is over if it still waits; without it, never. */
  readonly waitUntil?: number
  /** How many slots its run takes; without it, 1. */
  readonly cost?: number
  /** Which attempt it waits for; without it, the first. */
  readonly attempt?: number
}

export class Questions {
  readonly #order: OrderPolicy
  readonly #report: ((error: unknown) => void) | undefined
  readonly #question: OrderQuestion = {
    tier: 0,
    sequence: 0,
    admittedAt: 0,
    deadline: Number.POSITIVE_INFINITY,
    cost: 1,
    attempt: 1,
    request: undefined,
    metadata: undefined,
  }
  #hasTold = false

  constructor(order: OrderPolicy, report: ((error: unknown) => void) | undefined) {
    this.#order = order
    this.#report = report
  }

  /** Its rank; or what the policy throws. */
  rank(entry: Questioned, tier: number, sequence: number, admittedAt: number): number {
    try {
      const rank: unknown = this.#order.rank(this.#fill(entry, tier, sequence, admittedAt))
      // A rank that compares with nothing would be lost in a sorted line.
      return typeof rank === 'number' && !Number.isNaN(rank) ? rank : this.#noRank(rank)
    } finally {
      this.#forget()
    }
  }

  /** Tells the policy something. What it throws then, or later, is reported; without anyone to report to, it is thrown. */
  tell(entry: Questioned, tier: number, sequence: number, policy: (question: OrderQuestion) => unknown): void {
    try {
      const answer = policy(this.#fill(entry, tier, sequence, entry.timedFrom))
      // One that is asynchronous, though nothing awaits it.
      if (isThenable(answer)) answer.then(undefined, (error: unknown) => this.#report?.(error))
    } catch (error) {
      if (this.#report === undefined) throw error
      this.#report(error)
    } finally {
      this.#forget()
    }
  }

  #fill(entry: Questioned, tier: number, sequence: number, admittedAt: number): OrderQuestion {
    const question = this.#question
    question.tier = tier
    question.sequence = sequence
    question.admittedAt = admittedAt
    question.deadline = entry.waitUntil ?? Number.POSITIVE_INFINITY
    question.cost = entry.cost ?? 1
    question.attempt = entry.attempt ?? 1
    question.request = entry.request
    question.metadata = entry.metadata
    return question
  }

  /** The last one asked about must not be kept alive. */
  #forget(): void {
    this.#question.request = undefined
    this.#question.metadata = undefined
  }

  /** What is no number ranks last; a policy that is asynchronous by mistake is told of it, once. */
  #noRank(rank: unknown): number {
    if (typeof rank === 'object' && rank !== null) {
      const error = noAnswer('order.rank', 'a function that returns a number', rank)
      if (!this.#hasTold) this.#report?.(error)
      this.#hasTold = true
    }
    return Number.POSITIVE_INFINITY
  }
}

/**
 * What do the runs teach about how many may run? Feeds a limit policy, and has its answer obeyed. Step 4 of 7.
 *
 * What the policy throws is reported and teaches nothing, as an answer that is no number; one in shadow mode is only heard.
 */
import { isYes, noAnswer } from '../checks.ts'
import type { Timeline } from '../clock.ts'
import { RunTimeoutError } from '../errors.ts'
import type { LimitPolicy, LimitSample } from './limit.ts'

/** What it asks of the executor. */
export interface LearnerHost {
  /** From now on, so many may run. */
  setLimit(limit: number): void
  /** Does it, and reports what it throws. */
  guard(policy: () => void, event: 'resized'): void
}

/** The error of a run that has failed. */
export interface Failure {
  readonly error: unknown
}

export class Learner {
  readonly #policy: LimitPolicy
  readonly #host: LearnerHost
  readonly #timeline: Timeline
  #limit: number
  // One object for all samples.
  readonly #sample: LimitSample = { at: 0, runMs: 0, inflight: 0, dropped: false }

  constructor(policy: LimitPolicy, host: LearnerHost, timeline: Timeline) {
    this.#policy = policy
    this.#host = host
    this.#timeline = timeline
    this.#limit = policy.initial
  }

  /** What the policy says at the moment. */
  status(): { name: string; limit: number; shadow: boolean } {
    return { name: this.#policy.name, limit: this.#limit, shadow: this.#policy.shadow === true }
  }

  /** A call has settled, or its time is over, after so many ms; so many ran when it began. */
  learn(runMs: number, inflight: number, failure: Failure | undefined): void {
    const policy = this.#policy
    const sample = this.#sample
    this.#host.guard(() => {
      const isTimeout = failure?.error instanceof RunTimeoutError
      const dropped =
        failure !== undefined && (isTimeout || isYes('limit.isDropped', policy.isDropped?.(failure.error)))
      // It failed for a reason of its own, which says nothing about how many may run.
      if (failure !== undefined && !dropped) return
      sample.at = this.#timeline.now()
      sample.runMs = runMs
      sample.inflight = inflight
      sample.dropped = dropped
      const answer: unknown = policy.sample(sample)
      if (typeof answer !== 'number') throw noAnswer('limit.sample', 'a function that returns a number', answer)
      const learned = Math.max(Math.floor(answer), 1)
      if (!Number.isSafeInteger(learned)) return
      this.#limit = learned
      if (policy.shadow !== true) this.#host.setLimit(learned)
    }, 'resized')
  }
}

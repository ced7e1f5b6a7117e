/**
 * When is its time over? Whoever submitted it watches over that, by the clock of Redis; a worker does as well, so that a request whose
 * submitter has died does not outlive its time.
 */
import { MAX_DELAY_MS } from '../core/clock.ts'
import { RunTimeoutError, WaitTimeoutError } from '../core/errors.ts'
import { textOf } from './error-text.ts'
import type { Awaited } from './outstanding.ts'
import type { Parts } from './parts.ts'

const AGAIN_MS = 500

export class Limits {
  readonly #parts: Parts
  /** Told of one whose time is over while Redis is away. */
  readonly #giveUp: (one: Awaited, error: unknown) => void

  constructor(parts: Parts, giveUp: (one: Awaited, error: unknown) => void) {
    this.#parts = parts
    this.#giveUp = giveUp
  }

  watch(one: Awaited): void {
    const { startBy, deadline } = one
    if (Number.isFinite(startBy) && startBy < deadline) this.#at(one, startBy, () => void this.#waited(one))
    if (Number.isFinite(deadline)) this.#at(one, deadline, () => void this.#over(one))
  }

  #at(one: Awaited, when: number, then: () => void): void {
    if (one.hasEnded) return
    const ms = Math.max(when - this.#parts.link.time.now(), 0)
    const ring = ms > MAX_DELAY_MS ? () => this.#at(one, when, then) : then
    one.timers.push(setTimeout(ring, Math.min(ms, MAX_DELAY_MS)))
  }

  /** It has waited long enough: it ends, unless it runs. */
  async #waited(one: Awaited): Promise<void> {
    if (one.hasEnded) return
    const { link, scripts, outstanding } = this.#parts
    const end = this.#endOf(one, one.startBy)
    try {
      await link.ask((client) => scripts.end(client, end))
    } catch {
      // It may run by now: nobody here knows.
      this.#at(one, link.time.now() + AGAIN_MS, () => void this.#waited(one))
      return
    }
    outstanding.lookAt(one)
    outstanding.look()
  }

  /** Its time is over, wherever it is. */
  async #over(one: Awaited): Promise<void> {
    if (one.hasEnded) return
    const { link, scripts, outstanding } = this.#parts
    const end = this.#endOf(one, one.deadline)
    const subject = this.#subject(one)
    const running = textOf(new RunTimeoutError(end.at - one.mayStartAt, limitMs(one, one.deadline), subject))
    try {
      await link.ask((client) => scripts.end(client, { ...end, running }))
    } catch (error) {
      // It may have run, and may have ended: nobody here knows.
      this.#giveUp(one, link.unavailable(error, { ...subject, started: 'unknown' }))
      return
    }
    outstanding.lookAt(one)
    outstanding.look()
  }

  /** How it ends where it waits. It is the one that is watched, and no later life of its id. */
  #endOf(one: Awaited, limit: number) {
    const { link, choice } = this.#parts
    const at = link.time.now()
    const text = (started: boolean): string => {
      const subject = { ...this.#subject(one), started }
      return textOf(new WaitTimeoutError(at - one.mayStartAt, limitMs(one, limit), subject, choice.failFastMs))
    }
    const { jobId, generation } = one
    return { jobId, waiting: text(false), waitingAgain: text(true), at, generation, keep: choice.keep.dead.count }
  }

  #subject(one: Awaited) {
    return { queue: this.#parts.name, requestId: one.id, priority: one.priority }
  }
}

function limitMs(one: Awaited, at: number): number {
  return Math.round(at - one.mayStartAt)
}

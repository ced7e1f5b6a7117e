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

  /** @param startBy when it must have started; Infinity: any time will do */
  watch(one: Awaited, startBy: number): void {
    if (Number.isFinite(startBy) && startBy < one.deadline)
      this.#at(one, startBy, () => void this.#waited(one, startBy))
    if (Number.isFinite(one.deadline)) this.#at(one, one.deadline, () => void this.#over(one))
  }

  #at(one: Awaited, when: number, then: () => void): void {
    if (one.hasEnded) return
    const ms = Math.max(when - this.#parts.link.time.now(), 0)
    const ring = ms > MAX_DELAY_MS ? () => this.#at(one, when, then) : then
    one.timers.push(setTimeout(ring, Math.min(ms, MAX_DELAY_MS)))
  }

  /** It has waited long enough: it ends, unless it runs. */
  async #waited(one: Awaited, startBy: number): Promise<void> {
    if (one.hasEnded) return
    const { link, scripts, outstanding, choice } = this.#parts
    const now = link.time.now()
    const limitMs = Math.round(startBy - one.submittedAt)
    const error = new WaitTimeoutError(now - one.submittedAt, limitMs, this.#subject(one), choice.failFastMs)
    const end = { jobId: one.jobId, waiting: textOf(error), at: now, keep: choice.keep.dead.count }
    try {
      await link.ask((client) => scripts.end(client, end))
    } catch {
      // It may run by now: nobody here knows.
      this.#at(one, link.time.now() + AGAIN_MS, () => void this.#waited(one, startBy))
      return
    }
    outstanding.lookAt(one)
    outstanding.look()
  }

  /** Its time is over, wherever it is. */
  async #over(one: Awaited): Promise<void> {
    if (one.hasEnded) return
    const { link, scripts, outstanding, choice } = this.#parts
    const now = link.time.now()
    const tookMs = now - one.submittedAt
    const limitMs = Math.round(one.deadline - one.submittedAt)
    const subject = this.#subject(one)
    const waiting = textOf(new WaitTimeoutError(tookMs, limitMs, subject, choice.failFastMs))
    const running = textOf(new RunTimeoutError(tookMs, limitMs, subject))
    const end = { jobId: one.jobId, waiting, running, at: now, keep: choice.keep.dead.count }
    try {
      await link.ask((client) => scripts.end(client, end))
    } catch (error) {
      // It may have run, and may have ended: nobody here knows.
      this.#giveUp(one, link.unavailable(error, { ...subject, started: 'unknown' }))
      return
    }
    outstanding.lookAt(one)
    outstanding.look()
  }

  #subject(one: Awaited) {
    return { queue: this.#parts.name, requestId: one.id, priority: one.priority }
  }
}

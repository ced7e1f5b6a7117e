/**
 * Who is told what of a request that somebody here waits for? What the stream says becomes events, numbers, and reasons to look.
 */

import type { RepeatOptions } from '../core/queued-request.ts'
import { outcomes } from '../core/request-state.ts'
import { type Awaited, completedWith, type End } from './outstanding.ts'
import type { Parts } from './parts.ts'
import { progressOf } from './records.ts'
import { fieldOf } from './stream.ts'

const repeat: RepeatOptions = { cost: 1 }
/** So long a worker may take to abort a signal before its callers are told in any case. */
const WORKER_MS = 100

export class Teller {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** One event of the stream. Those of others are read over. */
  heard(event: string, fields: readonly string[]): void {
    if (event === 'drained') return
    const { outstanding, link } = this.#parts
    const jobId = fieldOf(fields, 'jobId')
    const one = jobId === undefined ? undefined : outstanding.get(jobId)
    if (one === undefined || one.hasEnded) return
    const at = link.time.now()
    if (one.state !== 'storing') this.#tell(one, event, fields, at)
    // It is told as queued first. What was heard before it was added is of an earlier life of its id.
    else if (event === 'added') one.early = []
    else one.early.push({ event, fields, at })
  }

  #tell(one: Awaited, event: string, fields: readonly string[], at: number): void {
    const { outstanding } = this.#parts
    switch (event) {
      case 'active':
        this.started(one, at)
        return
      case 'waiting':
        this.#waits(one, fieldOf(fields, 'prev'))
        return
      case 'delayed':
        if (one.state === 'running') this.#retries(one, Number(fieldOf(fields, 'delay')))
        return
      case 'progress':
        this.#progress(one, fieldOf(fields, 'data') ?? '')
        return
      case 'completed':
        this.#completed(one, fieldOf(fields, 'returnvalue'), at)
        return
      case 'tq-ended':
        // Its worker says when its signal has been aborted. That worker may be away.
        one.isForced = true
        setTimeout(() => {
          outstanding.lookAt(one)
          outstanding.look()
        }, WORKER_MS)
        return
      case 'failed':
      case 'tq-aborted':
      case 'removed':
        outstanding.lookAt(one)
    }
  }

  #waits(one: Awaited, before: string | undefined): void {
    if (before === 'active') {
      one.state = 'retrying'
    } else if (before === 'taken') {
      // A worker that took it out gave it back before it ran.
      one.attempts = Math.max(one.attempts - 1, 0)
      one.state = one.attempts === 0 ? 'waiting' : 'retrying'
      if (one.attempts === 0) one.startedAt = undefined
    } else if (one.state === 'held') {
      one.state = 'waiting'
    }
  }

  #completed(one: Awaited, returnValue: string | undefined, at: number): void {
    if (one.isKey || one.isForced || one.startedAt === undefined || returnValue === undefined) {
      this.#parts.outstanding.lookAt(one)
      return
    }
    const runMs = Math.max(at - one.startedAt, 0)
    const { id: requestId, priority } = one
    this.settled(one, completedWith(returnValue, { queue: this.#parts.name, requestId, priority }, runMs))
  }

  /** It is in Redis: what was heard of it until now is told after that. @param waiting how many wait, it among them */
  admitted(one: Awaited, waiting = 0): void {
    const { events, outstanding } = this.#parts
    // It may have been let go meanwhile.
    if (!one.hasEnded) one.state = one.delayMs > 0 ? 'held' : 'waiting'
    one.isAdmitted()
    if (events.listened.queued) events.tell(one.scope, 'queued', { ...aboutOf(one), waiting })
    // It may have begun, or have ended, before the answer came.
    const { early } = one
    one.early = []
    for (const { event, fields, at } of early) if (!one.hasEnded) this.#tell(one, event, fields, at)
    if (early.length > 0) outstanding.look()
  }

  /** It runs, since then, on the clock of Redis. */
  started(one: Awaited, at: number): void {
    const { events, statistics } = this.#parts
    one.state = 'running'
    one.attempts++
    one.startedAt = at
    const waitMs = Math.max(one.startedAt - one.mayStartAt, 0)
    if (one.attempts === 1) statistics.waited(one.tier, waitMs)
    if (!events.listened.started) return
    events.tell(one.scope, 'started', { ...aboutOf(one), waitMs, delayMs: one.delayMs, attempt: one.attempts })
  }

  #retries(one: Awaited, at: number): void {
    const { events, statistics, link } = this.#parts
    one.state = 'retrying'
    statistics.retries++
    if (!events.listened.retrying) return
    const delayMs = Math.max(Math.round(at - link.time.now()), 0)
    // What it has failed with is in Redis: nobody is to wait for that here.
    events.tell(one.scope, 'retrying', { ...aboutOf(one), attempt: one.attempts, error: undefined, delayMs })
  }

  #progress(one: Awaited, text: string): void {
    const { events } = this.#parts
    const progress = progressOf(text)
    if (progress === undefined || !events.listened.progress) return
    const { fraction, message } = progress
    events.tell(one.scope, 'progress', { ...aboutOf(one), attempt: one.attempts, progress: fraction, message })
  }

  /** It has ended: its callers are told, then all who listen. */
  settled(one: Awaited, end: End): void {
    if (one.hasEnded) return
    const { outstanding, statistics } = this.#parts
    outstanding.delete(one)
    one.state = end.state
    one.end(end)
    const outcome = outcomes.indexOf(end.state as (typeof outcomes)[number])
    if (outcome >= 0) {
      if (one.isOwn) statistics.end(outcome, one.tier)
      if (one.attempts > 0) statistics.ran(outcome, one.tier, end.runMs)
    } else if (end.state === 'parked' && one.isOwn) {
      statistics.parked++
    }
    this.#tellEnd(one, end)
  }

  #tellEnd(one: Awaited, end: End): void {
    const { events, link } = this.#parts
    const { state } = end
    if (state === 'rejected' || !events.listened[state]) return
    const about = aboutOf(one)
    const started = one.attempts > 0
    const waitMs = Math.max((one.startedAt ?? link.time.now()) - one.mayStartAt, 0)
    const { runMs } = end
    const tell: { readonly [S in End['state']]?: () => void } = {
      completed: () =>
        events.tell(one.scope, 'completed', { ...about, result: (end as { value: unknown }).value, waitMs, runMs }),
      failed: () => {
        const { error } = end as { error: unknown }
        const failure = { error, attempts: one.attempts, errors: [error], options: repeat, notRetried: undefined }
        events.tell(one.scope, 'failed', { ...about, ...failure, waitMs, runMs })
      },
      expired: () => {
        const { error } = end as { error: unknown }
        const failure = { error, attempts: one.attempts, errors: [error], options: repeat }
        events.tell(one.scope, 'expired', { ...about, ...failure, started })
      },
      cancelled: () =>
        events.tell(one.scope, 'cancelled', { ...about, error: (end as { error: unknown }).error, started }),
      parked: () => events.tell(one.scope, 'parked', { ...about, started }),
    }
    tell[state]?.()
  }
}

function aboutOf({ id, priority, request, metadata }: Awaited) {
  return { id, priority, request, metadata, at: performance.now() }
}

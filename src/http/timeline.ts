/**
 * Where did a request's time go? In the queue, in a slot, backing off, one after the other: from its record, and from the attempts that
 * have failed, which are noted as they are told.
 */
import type { ErrorView, ExecutorEvents, RequestView } from '../index.ts'
import { isLiveState } from './live-states.ts'
import { errorViewOf } from './recent-ends.ts'

/** A part of a request's life. */
export interface TimelineStep {
  readonly phase: 'queue' | 'run' | 'backoff'
  readonly from: string
  /** Null: it goes on. */
  readonly to: string | null
  /** Which attempt runs, or is waited for. */
  readonly attempt: number
  /** How it has ended: the state of the request after it, or `'failed'` for an attempt after which there was another. */
  readonly outcome?: string
  /** What the attempt has failed with. */
  readonly error?: ErrorView
}

interface Attempt {
  /** 1 is the first one; those before it may not be known any more, or were begun before a restart. */
  readonly attempt: number
  readonly startedAt: number
  readonly failedAt: number
  readonly delayMs: number
  readonly error: ErrorView
}

/** So many requests are remembered with attempts that have failed. */
const MAX_REMEMBERED = 2_000
/** … and so many of each, the last ones: a retry policy may try for ever. */
const MAX_ATTEMPTS = 100

/** The attempts of requests that were tried again, by id, the first one first. */
export class FailedAttempts {
  readonly #byId = new Map<string, Attempt[]>()

  add({ id, error, delayMs, attempt: number }: ExecutorEvents['retrying'], startedAt: number | undefined): void {
    const failedAt = Date.now()
    const attempt = {
      attempt: number,
      startedAt: startedAt ?? failedAt,
      failedAt,
      delayMs,
      error: errorViewOf(error, false),
    }
    const before = this.#byId.get(id)
    if (before !== undefined) {
      before.push(attempt)
      if (before.length > MAX_ATTEMPTS) before.shift()
    } else {
      for (const oldest of this.#byId.keys()) {
        if (this.#byId.size < MAX_REMEMBERED) break
        this.#byId.delete(oldest)
      }
      this.#byId.set(id, [attempt])
    }
  }

  /** Another life of this id begins. */
  forget(id: string): void {
    if (this.#byId.size > 0) this.#byId.delete(id)
  }

  of(id: string): readonly Attempt[] {
    return this.#byId.get(id) ?? []
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()

export function timelineOf(view: RequestView, failed: readonly Attempt[], now = Date.now()): readonly TimelineStep[] {
  const isLive = isLiveState(view.state)
  const outcome = isLive ? undefined : view.state
  const endedAt = view.endedAt === undefined ? null : Date.parse(view.endedAt)
  // By the count: two attempts may have begun in one millisecond.
  const isBegun = view.startedAt !== undefined && view.attempts > (failed.at(-1)?.attempt ?? 0)
  const lastStart = isBegun ? Date.parse(view.startedAt as string) : undefined
  const steps: TimelineStep[] = []
  let attempt = failed[0]?.attempt ?? 1
  let cursor = Date.parse(view.submittedAt)
  const queued = (to: number | null, ended?: string): void => {
    const end = to === null ? null : iso(to)
    steps.push({ phase: 'queue', from: iso(cursor), to: end, attempt, ...(ended !== undefined && { outcome: ended }) })
  }
  for (const [index, { startedAt, failedAt, delayMs, error, attempt: number }] of failed.entries()) {
    queued(startedAt)
    steps.push({ phase: 'run', from: iso(startedAt), to: iso(failedAt), attempt, outcome: 'failed', error })
    attempt = failed[index + 1]?.attempt ?? number + 1
    // Clocks of whole milliseconds: it may have begun before its time was over by them.
    const next = failed[index + 1]?.startedAt ?? lastStart ?? Number.POSITIVE_INFINITY
    cursor = Math.min(failedAt + delayMs, next, endedAt ?? next)
    const isOver = cursor <= now
    steps.push({ phase: 'backoff', from: iso(failedAt), to: isOver ? iso(cursor) : null, attempt })
    if (!isOver) return steps
  }
  if (lastStart === undefined) {
    queued(isLive ? null : endedAt, outcome)
    return steps
  }
  queued(lastStart)
  steps.push({
    ...{ phase: 'run', from: iso(lastStart), to: endedAt === null ? null : iso(endedAt), attempt },
    ...(outcome !== undefined && { outcome }),
    ...(view.error !== undefined && !isLive && { error: { name: view.error.name, code: view.error.code } }),
  })
  return steps
}

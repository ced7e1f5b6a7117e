/**
 * Where did a request's time go? In the queue, in a slot, backing off, one after the other: from its record, and from the attempts that
 * have failed, which are noted as they are told.
 */
import type { ErrorView, ExecutorEvents, RequestView } from '../index.ts'
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
  readonly startedAt: number
  readonly failedAt: number
  readonly delayMs: number
  readonly error: ErrorView
}

/** So many requests are remembered with attempts that have failed. */
const MAX_REMEMBERED = 2_000

/** The attempts of requests that were tried again, by id, the first one first. */
export class FailedAttempts {
  readonly #byId = new Map<string, Attempt[]>()

  add({ id, error, delayMs }: ExecutorEvents['retrying'], startedAt: number | undefined): void {
    const failedAt = Date.now()
    const attempt = { startedAt: startedAt ?? failedAt, failedAt, delayMs, error: errorViewOf(error, false) }
    const before = this.#byId.get(id)
    if (before !== undefined) before.push(attempt)
    else {
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
const liveStates: readonly string[] = [
  'waiting',
  'held',
  'running',
  'retrying',
  'storing',
  'starting',
  'checking',
  'blocked',
]

export function timelineOf(view: RequestView, failed: readonly Attempt[], now = Date.now()): readonly TimelineStep[] {
  const steps: TimelineStep[] = []
  let cursor = Date.parse(view.submittedAt)
  const queued = (to: number | null, outcome?: string): void => {
    steps.push({
      phase: 'queue',
      from: iso(cursor),
      to: to === null ? null : iso(to),
      attempt,
      ...(outcome !== undefined && { outcome }),
    })
  }
  let attempt = 1
  for (const { startedAt, failedAt, delayMs, error } of failed) {
    queued(startedAt)
    steps.push({ phase: 'run', from: iso(startedAt), to: iso(failedAt), attempt, outcome: 'failed', error })
    attempt++
    cursor = failedAt + delayMs
    steps.push({ phase: 'backoff', from: iso(failedAt), to: cursor > now ? null : iso(cursor), attempt })
    if (cursor > now && liveStates.includes(view.state)) return steps
  }
  const isLive = liveStates.includes(view.state)
  const outcome = isLive ? undefined : view.state
  const endedAt = view.endedAt === undefined ? null : Date.parse(view.endedAt)
  const startedAt = view.startedAt === undefined ? undefined : Date.parse(view.startedAt)
  const hasRun = startedAt !== undefined && startedAt >= cursor && view.state !== 'waiting' && view.state !== 'retrying'
  if (!hasRun) {
    queued(isLive ? null : endedAt, outcome)
    return steps
  }
  queued(startedAt)
  steps.push({
    ...{ phase: 'run', from: iso(startedAt), to: endedAt === null ? null : iso(endedAt), attempt },
    ...(outcome !== undefined && { outcome }),
    ...(view.error !== undefined && !isLive && { error: { name: view.error.name, code: view.error.code } }),
  })
  return steps
}

/**
 * How does it stand? Sizes over all machines, from Redis; what was counted and measured, of this process.
 */
import type { KeptStatus } from '../core/keeper.ts'
import { byPriority, priorities } from '../core/priority.ts'
import type { WorkerHealth } from '../core/run/slot.ts'
import type { ExecutorState, ExecutorStatus } from '../core/watch/status.ts'
import type { Parts } from './parts.ts'

/** What each worker writes of itself. */
export interface WorkerBeat {
  readonly v: 1
  /** On the clock of Redis. */
  readonly at: number
  readonly concurrency: number
  readonly busy: number
  readonly slots: readonly WorkerHealth[]
  /** The mean of its recent runs; null before the first. */
  readonly runMs: number | null
}

export const BEAT_MS = 5_000
/** A worker that was not heard of for so long is not counted. */
const SILENT_MS = 3 * BEAT_MS + 1_000

/** What Redis says. */
export interface Reading {
  readonly waiting: number
  readonly byTier: readonly number[]
  readonly oldestMs: readonly number[]
  readonly active: number
  readonly delayed: number
  readonly completed: number
  readonly failed: number
  readonly isPaused: boolean
  /** 0: there is no bound over all machines. */
  readonly concurrency: number
  readonly workers: readonly WorkerBeat[]
}

export async function readStatus({ link, scripts, name }: Parts): Promise<Reading> {
  const reply = await link.ask((client) => scripts.status(client), { queue: name })
  const now = link.time.now()
  const [wait, active, delayed, completed, failed, paused, concurrency, ...more] = reply as number[]
  const byTier = priorities.map((_, tier) => more[tier * 2] as number)
  const beats = (reply.at(-1) as string[]).filter((_, i) => i % 2 === 1).flatMap((text) => beatsOf(text))
  return {
    waiting: byTier.reduce((sum, size) => sum + size, (wait as number) + (delayed as number)),
    ...{ byTier, active: active as number, delayed: delayed as number },
    oldestMs: priorities.map((_, tier) => {
      const since = more[tier * 2 + 1] as number
      return since === 0 ? 0 : Math.max(now - since, 0)
    }),
    ...{ completed: completed as number, failed: failed as number },
    ...{ isPaused: paused === 1, concurrency: concurrency as number },
    workers: beats.filter(({ at }) => now - at < SILENT_MS),
  }
}

/** What a worker has said; none: it is not of this version. */
export function beatsOf(text: string): WorkerBeat[] {
  try {
    const beat = JSON.parse(text) as WorkerBeat
    return beat.v === 1 ? [beat] : []
  } catch {
    return []
  }
}

/** What is shown before Redis was reached, and after the executor has closed. */
export const nothingRead: Reading = {
  ...{ waiting: 0, byTier: [0, 0, 0, 0], oldestMs: [0, 0, 0, 0], active: 0, delayed: 0, completed: 0, failed: 0 },
  ...{ isPaused: false, concurrency: 0, workers: [] },
}

export function statusOf(
  parts: Parts,
  reading: Reading,
  state: ExecutorState,
  error: string | undefined,
): ExecutorStatus {
  const { settings, statistics, events, name } = parts
  const { byTier, oldestMs, workers } = reading
  const sum = (of: (beat: WorkerBeat) => number): number => workers.reduce((all, beat) => all + of(beat), 0)
  const slots = sum(({ concurrency }) => concurrency)
  return {
    name,
    state: state === 'open' && reading.isPaused ? 'paused' : state,
    waiting: reading.waiting,
    waitingByPriority: byPriority((tier) => byTier[tier] as number),
    running: reading.active,
    retrying: 0,
    maxRetrying: null,
    checking: 0,
    blocked: 0,
    blockedByPriority: byPriority(() => 0),
    maxQueueSize: Number.isFinite(settings.total) ? settings.total : null,
    activeWorkers: reading.active,
    maxWorkers: reading.concurrency > 0 ? Math.min(reading.concurrency, slots || reading.concurrency) : slots,
    limit: null,
    stuckWorkers: sum((beat) => beat.slots.filter(({ healthy }) => !healthy).length),
    replacedWorkers: 0,
    maxReplacedWorkers: 0,
    order: 'strict',
    store: keptStatus(error),
    oldestWaitMsByPriority: byPriority((tier) => oldestMs[tier] as number),
    ...statistics.status(),
    listenerErrors: events.errors,
  }
}

function keptStatus(error: string | undefined): KeptStatus {
  return {
    ...{ state: error === undefined ? 'open' : 'faulty', error, pending: 0, isFull: false, batch: undefined },
    ...{ commitMs: undefined, bytes: 0, unopened: [], storing: 0, recovering: false, recovered: 0, parked: 0 },
    unhandled: [],
  }
}

/** Slot by slot, over all machines. */
export function healthOf({ workers }: Reading): WorkerHealth[] {
  return workers.flatMap(({ slots }) => slots).map((slot, index) => ({ ...slot, slot: index }))
}

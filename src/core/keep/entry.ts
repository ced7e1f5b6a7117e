/**
 * A record in memory, from its admission until it is kept no more; and as others see it.
 */
import { priorityOf, tierOf } from '../priority.ts'
import type { DeadReason, Encoded, LiveRecord, NewRecord, StoredError, StoredLimits, StoredView } from '../store.ts'
import type { Place } from './line.ts'

/** How it has ended. */
export interface End {
  readonly state: 'completed' | 'expired' | 'cancelled' | 'shed' | 'dead'
  readonly endedAt: number
  readonly waitMs?: number | undefined
  readonly runMs?: number | undefined
  readonly slot?: number | undefined
  readonly result?: Encoded | undefined
  /** The code or the name of its error. */
  readonly errorCode?: string | undefined
  /** Of a dead one. */
  readonly reason?: DeadReason | undefined
}

export class Entry {
  readonly queue: string
  readonly seq: number
  readonly id: string
  readonly isKey: boolean
  readonly kind: string | undefined
  readonly metadata: Encoded | undefined
  readonly submittedAt: number
  /** Undefined as soon as nothing needs it any more. */
  payload: Encoded | undefined
  tier: number
  startAt: number | undefined
  limits: StoredLimits
  startedAt: number | undefined
  attempts: number
  crashes = 0
  /** An attempt has begun, and has not ended. */
  isRunning: boolean
  error: StoredError | undefined = undefined
  /** Undefined while it lives. */
  end: End | undefined = undefined
  /** Among all records of the store, by their numbers. */
  place: Place<Entry> | undefined = undefined
  /** Among those of its queue that have ended, by when they did. */
  endPlace: Place<Entry> | undefined = undefined
  /** The lives of its id before and after this one, of those that are kept. */
  older: Entry | undefined = undefined
  younger: Entry | undefined = undefined

  constructor(queue: string, record: NewRecord) {
    const { seq, id, isKey, kind, priority, payload, metadata, submittedAt, startAt, limits, startedAt } = record
    this.queue = queue
    this.seq = seq
    this.id = id
    this.isKey = isKey
    this.kind = kind
    this.metadata = metadata
    this.submittedAt = submittedAt
    this.payload = payload
    this.tier = tierOf(priority)
    this.startAt = startAt
    this.limits = limits
    this.startedAt = startedAt
    this.attempts = startedAt === undefined ? 0 : 1
    this.isRunning = startedAt !== undefined
  }

  toLive(): LiveRecord {
    const { seq, id, isKey, kind, tier, payload, metadata, submittedAt, startAt, limits } = this
    const { attempts, crashes, startedAt } = this
    return {
      ...{ seq, id, isKey, kind, priority: priorityOf(tier), payload: payload as Encoded, metadata, submittedAt },
      ...{ startAt, limits, attempts, crashes, startedAt },
    }
  }

  toView(now: number): StoredView {
    const { id, queue, kind, tier, seq, attempts, crashes, submittedAt, startedAt, error, metadata, end } = this
    const isHere = end === undefined || end.state === 'dead'
    return {
      ...{ id, queue, kind, state: end?.state ?? this.#liveState(now), priority: priorityOf(tier), generation: seq },
      ...{
        attempts,
        crashes,
        key: this.limits.key,
        submittedAt,
        startAt: end === undefined ? this.startAt : undefined,
        startedAt,
      },
      ...{ endedAt: end?.endedAt, waitMs: end?.waitMs, runMs: end?.runMs, slot: end?.slot, error },
      ...{ reason: end?.reason, resultOmitted: undefined, payload: isHere ? this.payload : undefined },
      ...{ result: end?.result, metadata },
    }
  }

  #liveState(now: number): 'held' | 'waiting' | 'running' {
    if (this.isRunning) return 'running'
    return this.startAt !== undefined && this.startAt > now ? 'held' : 'waiting'
  }

  /** Is it one of those that a query asks for? */
  isIn(state: StoredView['state'] | 'live', now: number): boolean {
    if (state === 'live') return this.end === undefined
    return state === (this.end?.state ?? this.#liveState(now))
  }
}

/**
 * How does it stand? The snapshot of an executor: plain and JSON-ready. Step 7 of 7.
 */

import type { KeptStatus } from '../keeper.ts'
import { type ByPriority, byPriority } from '../priority.ts'
import type { Statistics, StatisticsStatus } from './statistics.ts'

/** Where an executor is in its life. */
export type ExecutorState = 'open' | 'paused' | 'closing' | 'closed'

/** What `getStatus()` answers. Unbounded sizes are null, as JSON has no Infinity. */
export interface ExecutorStatus extends StatisticsStatus {
  readonly name: string
  readonly state: ExecutorState
  /** Requests in the queue. One for which a free slot is reserved until the burst is dispatched counts as running instead. */
  readonly waiting: number
  readonly waitingByPriority: ByPriority<number>
  readonly running: number
  /** Requests that back off before another attempt, or are back in the queue for it. They don't count as waiting. */
  readonly retrying: number
  readonly maxRetrying: number | null
  /** Requests that an asynchronous schema looks at: not admitted yet. */
  readonly checking: number
  /** Requests for which there is no room yet (`whenFull: 'block'`). */
  readonly blocked: number
  readonly blockedByPriority: ByPriority<number>
  /** 0: nothing may wait. */
  readonly maxQueueSize: number | null
  /** Busy slots, also those whose request has ended while its call goes on or its stream is read. */
  readonly activeWorkers: number
  readonly maxWorkers: number
  /** What the limit policy says; null without one. In shadow mode `maxWorkers` does not follow. */
  readonly limit: { readonly name: string; readonly limit: number; readonly shadow: boolean } | null
  /** Slots whose run is over its deadline and has not settled, and for how many of them there is a substitute. */
  readonly stuckWorkers: number
  readonly replacedWorkers: number
  readonly maxReplacedWorkers: number
  readonly order: string
  /** How its store does; null without one. */
  readonly store: KeptStatus | null
  /** How long the next of each priority has waited, in ms; 0 when none waits. */
  readonly oldestWaitMsByPriority: ByPriority<number>
  /** How often a listener has thrown. */
  readonly listenerErrors: number
}

/** Whom to ask. */
export interface StatusSources {
  readonly settings: {
    readonly name: string
    readonly order: { readonly name: string }
    readonly maxRetrying: number
  }
  readonly state: ExecutorState
  readonly now: number
  readonly running: number
  readonly retrying: number
  readonly checking: number
  readonly limit: ExecutorStatus['limit']
  readonly store: KeptStatus | null
  readonly listenerErrors: number
  readonly capacity: { readonly waiting: number; readonly reserved: number; readonly total: number; sizes(): number[] }
  readonly blocked: { readonly size: number; sizes(): ByPriority<number> }
  readonly queue: { firstOf(tier: number): { readonly timedFrom: number } | undefined }
  readonly slots: {
    readonly active: number
    readonly limit: number
    readonly stuck: number
    readonly replaced: number
    readonly maxReplaced: number
  }
  /** Those that stand in the queue with slots of their own, and how many slots that is. */
  readonly seats: { readonly size: number; readonly slots: number }
  readonly statistics: Statistics
}

/** Takes some 50 µs, whatever the backlog. */
export function statusOf({ settings, capacity, blocked, queue, slots, seats, ...of }: StatusSources): ExecutorStatus {
  const { reserved, total } = capacity
  const sizes = capacity.sizes()
  return {
    name: settings.name,
    state: of.state,
    waiting: capacity.waiting,
    waitingByPriority: byPriority((tier) => sizes[tier] as number),
    running: of.running + reserved + seats.size,
    retrying: of.retrying,
    maxRetrying: finite(settings.maxRetrying),
    checking: of.checking,
    blocked: blocked.size,
    blockedByPriority: blocked.sizes(),
    maxQueueSize: finite(total),
    activeWorkers: slots.active + reserved + seats.slots,
    maxWorkers: slots.limit,
    limit: of.limit,
    stuckWorkers: slots.stuck,
    replacedWorkers: slots.replaced,
    maxReplacedWorkers: slots.maxReplaced,
    order: settings.order.name,
    store: of.store,
    oldestWaitMsByPriority: byPriority((tier) => {
      const next = queue.firstOf(tier)
      return next === undefined ? 0 : of.now - next.timedFrom
    }),
    ...of.statistics.status(),
    listenerErrors: of.listenerErrors,
  }
}

function finite(bound: number): number | null {
  return Number.isFinite(bound) ? bound : null
}

/**
 * What the audit looks at, in an executor: its numbers, its queue, and what it holds. With `debug` only. Step 7 of 7.
 */
import type { RequestRecord } from '../request-record.ts'
import type { Audited } from './audit.ts'
import type { Statistics } from './statistics.ts'

/** Where it looks. */
export interface AuditedParts {
  readonly settings: { readonly maxRetrying: number; readonly order: { readonly turns?: unknown } }
  readonly timeline: { now(): number }
  readonly alarm: { readonly armed: boolean }
  readonly capacity: {
    readonly waiting: number
    readonly total: number
    readonly maxBlocked: number
    readonly reserved: number
  }
  readonly blocked: { readonly size: number }
  readonly queue: {
    entries(): Iterable<RequestRecord>
    goesBefore(one: RequestRecord, other: RequestRecord): boolean
  }
  readonly held: { readonly retrying: number }
  readonly aside: { readonly lines: number }
  readonly limits: { readonly size: number }
  readonly slots: { readonly limit: number; readonly replaced: number; health(): readonly object[] }
  readonly turns: { readonly keepsSlots: boolean; readonly seats: { readonly size: number; readonly slots: number } }
  readonly dispatch: { readonly running: number }
  readonly parties: { held(): { readonly [what: string]: number } }
  readonly closing: { isQuiet(): boolean }
  readonly statistics: Statistics
  status(): object
}

export function auditedOf(parts: AuditedParts): Audited {
  return {
    numbers: () => {
      const { blocked, capacity, dispatch, held, settings, slots, timeline, turns } = parts
      const { statistics } = parts
      const { admitted, completed, failed, expired, cancelled, shed } = statistics.totals()
      const { waiting, total, maxBlocked, reserved } = capacity
      return {
        ...{
          admitted: admitted + statistics.storingInAll,
          ended: completed + failed + expired + cancelled + shed + statistics.parked,
        },
        ...{ waiting, maxQueueSize: total, running: dispatch.running + reserved + turns.seats.size },
        ...{ retrying: held.retrying, maxRetrying: settings.maxRetrying },
        ...{ blocked: blocked.size, maxBlocked },
        ...{ slots: slots.limit, substitutes: slots.replaced, now: timeline.now() },
      }
    },
    queued: () => parts.queue.entries(),
    // Slots that are kept for a priority are not for those before it; whose turn it was is known only until it starts.
    goesBefore: (one, other) => {
      const isKnown = !parts.turns.keepsSlots && parts.settings.order.turns === undefined
      return isKnown && parts.queue.goesBefore(one, other)
    },
    held: () => {
      const { alarm, aside, capacity, closing, limits, parties, turns } = parts
      // Code of the user may have begun something new.
      if (!closing.isQuiet()) return {}
      const reservations = capacity.reserved + turns.seats.slots
      return {
        timers: Number(alarm.armed),
        deadlines: limits.size,
        ...parties.held(),
        reservations,
        tokenLines: aside.lines,
      }
    },
    state: () => ({ ...parts.status(), workers: parts.slots.health() }),
  }
}

/**
 * The names of all events: one list, so that a new one is missed by the compiler.
 */
import type { ExecutorEvent } from 'triage-queue'

/** Those that only an executor with a store has. */
type StoreEvent = 'parked' | 'unrecorded' | 'store'

const all: { readonly [E in Exclude<ExecutorEvent, StoreEvent>]: true } = {
  ...{ queued: true, rejected: true, blocked: true, started: true, retrying: true, completed: true, failed: true },
  ...{ expired: true, cancelled: true, shed: true, joined: true, full: true, idle: true, paused: true, resumed: true },
  ...{ resized: true, stuck: true, closed: true, progress: true, selfWaiting: true },
}

/** In this order seeds choose from them: a new one stands last. */
export const eventNames = Object.keys(all) as (keyof typeof all)[]

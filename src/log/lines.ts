/**
 * What does a line say? For each event its level, a message that is always the same (to search and to group by), and flat
 * fields in the words of the events: `waitMs`, `runMs`, `retryAfterMs`.
 *
 * Fields never use the names that loggers keep for themselves: `level`, `time`, `name`, `msg`, `message`.
 */
import type { ExecutorEvents, RequestEvent } from '../core/watch/events.ts'
import { errorFields, loggable, stackFields } from './error-fields.ts'
import type { Fields, LogLevel } from './logger.ts'

/** The events that a line can tell of. */
export type LogEvent =
  | 'rejected'
  | 'failed'
  | 'retrying'
  | 'expired'
  | 'shed'
  | 'cancelled'
  | 'completed'
  | 'stuck'
  | 'selfWaiting'
  | 'resized'
  | 'full'
  | 'store'
  | 'unrecorded'
  | 'parked'
  | 'closed'

interface Line<E extends LogEvent> {
  readonly level: LogLevel
  readonly message: string
  /** What is said in place of the message, at the level info, when all is well. */
  good?(event: ExecutorEvents[E]): string | undefined
  fields(event: ExecutorEvents[E]): Fields
}

export const lines: { readonly [E in LogEvent]: Line<E> } = {
  rejected: {
    level: 'warn',
    message: 'request refused',
    fields: ({ id, priority, error, reason }) => ({
      ...(id !== undefined && { id: loggable(id) }),
      priority,
      reason,
      ...errorFields(error),
    }),
  },
  failed: {
    level: 'error',
    message: 'request failed',
    fields: (event) => ({
      ...about(event),
      ...durations(event),
      ...(event.notRetried !== undefined && { notRetried: event.notRetried }),
      ...errorFields(event.error),
      ...stackFields(event.error),
    }),
  },
  retrying: {
    level: 'off',
    message: 'request tried again',
    fields: (event) => {
      const { attempt, delayMs, error } = event
      return { ...about(event), attempt, delayMs: loggable(delayMs), ...errorFields(error) }
    },
  },
  expired: {
    level: 'warn',
    message: 'request timed out',
    fields: (event) => ({ ...about(event), started: event.started, ...errorFields(event.error) }),
  },
  shed: {
    level: 'warn',
    message: 'request displaced',
    fields: (event) => ({ ...about(event), ...errorFields(event.error) }),
  },
  cancelled: {
    level: 'off',
    message: 'request cancelled',
    fields: (event) => ({ ...about(event), started: event.started, ...errorFields(event.error) }),
  },
  completed: {
    level: 'off',
    message: 'request completed',
    fields: (event) => ({ ...about(event), ...durations(event) }),
  },
  stuck: {
    level: 'error',
    message: 'slot stuck',
    fields: (event) => {
      const { slot, runMs, stuckWorkers } = event
      return { ...about(event), slot, runMs: loggable(runMs), stuckWorkers }
    },
  },
  selfWaiting: {
    level: 'error',
    message: 'all runs wait for their own queue',
    fields: (event) => ({ ...about(event), awaits: loggable(event.awaits), concurrency: event.concurrency }),
  },
  resized: { level: 'info', message: 'concurrency changed', fields: ({ from, to }) => ({ from, to }) },
  full: { level: 'warn', message: 'queue full', fields: ({ waiting, maxQueueSize }) => ({ waiting, maxQueueSize }) },
  // A disk that is gone wakes somebody up; that it is back again need not.
  store: {
    level: 'error',
    message: 'store faulty',
    good: ({ state }) => (state === 'faulty' ? undefined : `store ${state}`),
    fields: ({ state, error }) => ({ state, ...(error !== undefined && errorFields(error)) }),
  },
  unrecorded: { level: 'error', message: 'answer told though not recorded', fields: about },
  parked: {
    level: 'off',
    message: 'request kept for the next start',
    fields: (event) => ({ ...about(event), started: event.started }),
  },
  closed: { level: 'info', message: 'executor closed', fields: () => ({}) },
}

export const logEvents = Object.keys(lines) as readonly LogEvent[]

function about({ id, priority }: RequestEvent): Fields {
  return { id: loggable(id), priority }
}

function durations({ waitMs, runMs }: { readonly waitMs: number; readonly runMs: number }): Fields {
  return { waitMs: loggable(waitMs), runMs: loggable(runMs) }
}

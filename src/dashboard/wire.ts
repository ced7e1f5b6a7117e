/**
 * What comes from the service? The frames of its events and the bodies of its routes, as far as the page reads them. Types only, and
 * those of the service itself.
 */
import type { HistoryPoint, LimitChange } from '../http/history.ts'
import type { RefusalView } from '../http/refusals.ts'
import type { SlotView } from '../http/routes-queues.ts'
import type { SettingsInWords } from '../http/settings-in-words.ts'
import type { TimelineStep } from '../http/timeline.ts'
import type { ExecutorStatus, RequestView } from '../index.ts'

export type Level = 'viewer' | 'submitter' | 'operator' | 'admin'
export type Tier = 'urgent' | 'high' | 'normal' | 'low'
export const tiers: readonly Tier[] = ['urgent', 'high', 'normal', 'low']

export interface Session {
  readonly name: string
  readonly level: Level
}

export type Status = ExecutorStatus
export type Point = HistoryPoint
export type Slot = SlotView
export type Settings = SettingsInWords
export type Refusal = RefusalView
export type Step = TimelineStep
export type { LimitChange }

/** How many are kept of each state. */
export type Kept = { readonly [state: string]: number }

export interface QueueSnapshot {
  readonly name: string
  readonly status: Status
  readonly workers: readonly Slot[]
  readonly history: { readonly points: readonly Point[]; readonly limits: readonly LimitChange[] }
  readonly kept: Kept
  readonly settings: Settings | null
}

/** A frame. What it has besides goes by its `event`. */
export interface Frame {
  readonly v: number
  readonly at: string
  readonly event: string
  readonly queue?: string
  readonly [more: string]: unknown
}

/** A request, on its own page also with what has become of it so far. */
export interface Request extends RequestView {
  readonly timeline?: readonly Step[]
  readonly payload?: unknown
  /** Of a dead letter in a store. */
  readonly reason?: string
  /** Of one that is put off: when it may start, if a time says so. */
  readonly startAt?: string
  /** Of one that backs off. */
  readonly nextAttemptAt?: string
}

export interface Page {
  readonly requests: readonly Request[]
  readonly counts: { readonly [state: string]: number }
  readonly cursor: string | null
  /** There may be more, and they were not looked for. */
  readonly incomplete?: boolean
}

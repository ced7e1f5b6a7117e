/**
 * What the two threads say to each other.
 *
 * An operation is an array, whose first item says which one: an object with as many names costs three times as much to send.
 */

import type { Bytes } from '../core/keep/codec.ts'
import type {
  Admission,
  LiveRecord,
  RecoveredPage,
  StoredView,
  StorePage,
  StoreQuery,
  StoreStats,
} from '../core/store.ts'
import type { FaultReport } from './fault.ts'
import type { StoreReport } from './report.ts'

/** So many operations are one message, and one transaction, at most: an answer must not wait for all that may come. */
export const MAX_BATCH = 4_096

export const Op = {
  ADMIT: 0,
  BEGIN: 1,
  ATTEMPT_ENDED: 2,
  END: 3,
  CHANGE: 4,
  PAUSE: 5,
  /** A question that was refused: nothing of it may be left. */
  WITHDRAW: 6,
  UNREADABLE: 7,
  REQUEUE: 8,
  DISCARD: 9,
} as const

export type Admit = readonly [
  op: typeof Op.ADMIT,
  seq: number,
  queue: string,
  id: string,
  isKey: boolean,
  kind: string | null,
  tier: number,
  payload: Bytes,
  metadata: Bytes | null,
  submittedAt: number,
  startAt: number | null,
  limits: string,
  startedAt: number | null,
]
export type Begin = readonly [op: typeof Op.BEGIN, seq: number, attempt: number, startedAt: number]
export type AttemptEnded = readonly [
  op: typeof Op.ATTEMPT_ENDED,
  seq: number,
  attempt: number,
  error: string | null,
  retryAt: number | null,
]
export type End = readonly [
  op: typeof Op.END,
  seq: number,
  outcome: string,
  isDead: boolean,
  endedAt: number,
  attempts: number,
  startedAt: number | null,
  waitMs: number | null,
  runMs: number | null,
  slot: number | null,
  result: Bytes | null,
  resultOmitted: string | null,
  error: string | null,
  errorCode: string | null,
]
export type Change = readonly [
  op: typeof Op.CHANGE,
  seq: number,
  tier: number | null,
  /** Undefined: as it was. */
  startAt: number | null | undefined,
  limits: string | null,
]
type Pause = readonly [op: typeof Op.PAUSE, queue: string, isPaused: boolean]
/** @param attempt only this attempt; undefined: the whole record */
export type Withdraw = readonly [op: typeof Op.WITHDRAW, seq: number, attempt: number | undefined]
export type Unreadable = readonly [op: typeof Op.UNREADABLE, seq: number, error: string]
export type Requeue = readonly [
  op: typeof Op.REQUEUE,
  seq: number,
  queue: string | null,
  id: string,
  generation: number | null,
  at: number,
]
export type Discard = readonly [op: typeof Op.DISCARD, queue: string | null, id: string, generation: number | null]

export type Operation = Admit | Begin | AttemptEnded | End | Change | Pause | Withdraw | Unreadable | Requeue | Discard

/** What an operation has come to; most have nothing to say. */
export type Answer = Admission | LiveRecord | boolean | undefined

/** What is read. */
export type Question =
  | {
      readonly what: 'recover'
      readonly queue: string
      readonly maxAttempts: number
      readonly after: number | undefined
      readonly limit: number
    }
  | { readonly what: 'find'; readonly queue: string | undefined; readonly id: string }
  | { readonly what: 'list'; readonly queue: string | undefined; readonly query: StoreQuery }
  | { readonly what: 'stats'; readonly queue: string | undefined }
  | { readonly what: 'export'; readonly table: 'live' | 'ended' | 'dead'; readonly after: number }
  | { readonly what: 'backup'; readonly path: string }

export interface Replies {
  recover: RecoveredPage
  find: StoredView | undefined
  list: StorePage
  stats: StoreStats
  export: readonly StoredView[]
  backup: undefined
}

/** To the thread. */
export type ToThread =
  | { readonly type: 'operations'; readonly epoch: number; readonly operations: readonly Operation[] }
  | { readonly type: 'question'; readonly epoch: number; readonly number: number; readonly question: Question }
  | { readonly type: 'close' }

/** How the store stands, with each answer. */
export interface Standing {
  readonly bytes: number
  /** Live records by queue. */
  readonly queues: readonly (readonly [queue: string, live: number])[]
}

/** From the thread. */
export type FromThread =
  | {
      readonly type: 'opened'
      readonly epoch: number
      readonly seq: number
      readonly report: StoreReport
      readonly standing: Standing
    }
  /** It could not be opened. Not at the first time: it will try again. */
  | { readonly type: 'refused'; readonly fault: FaultReport }
  | {
      readonly type: 'committed'
      readonly count: number
      readonly answers: readonly (readonly [index: number, answer: Answer])[]
      /** Operations that could not be done, since there is something wrong with them. */
      readonly failures: readonly (readonly [index: number, why: string])[]
      readonly ms: number
    }
  | { readonly type: 'reply'; readonly number: number; readonly reply: unknown; readonly fault?: FaultReport }
  | { readonly type: 'standing'; readonly standing: Standing }
  /** All that was sent in this epoch and is not committed never will be. */
  | { readonly type: 'failed'; readonly epoch: number; readonly fault: FaultReport }
  | { readonly type: 'closed'; readonly fault?: FaultReport }

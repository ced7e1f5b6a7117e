/**
 * What a shard in a thread of its own is sent, and what it says. Each message is a list of these: what comes together is sent together.
 */
import type { Priority } from '../core/priority.ts'
import type { Outcome } from '../core/request-state.ts'
import type { Encoded, StoreQuery } from '../core/store.ts'
import type {
  CloseOptions,
  ExecutorEvent,
  ExecutorStatus,
  QueuedExecutorOptions,
  RequestOptions,
  RequestStateLike,
} from '../index.ts'
import type { Crossing } from './crossing.ts'
import type { SentHistogram } from './summed-histogram.ts'
import type { Work } from './wire.ts'

/** How a shard is made there. */
export interface ShardWork extends Work {
  readonly index: number
  /** The file exports the function of an executor with these options; undefined: it exports what makes one. */
  readonly executor: QueuedExecutorOptions<never> | undefined
  readonly data: unknown
}

/** What its thread is given to begin with. */
export interface ShardBegin {
  readonly work: ShardWork
  readonly listened: readonly ExecutorEvent[]
}

/** What can be sent of the options of a request: its signal is told of by an order of its own. */
type SentOptions = Omit<RequestOptions, 'signal' | 'after'>

/** What is asked, and answered. */
export type Question =
  | { readonly what: 'reading' | 'workers' | 'pause' | 'resume' | 'idle' | 'flushed' }
  | { readonly what: 'find' | 'result'; readonly id: string }
  | { readonly what: 'requeue' | 'discard'; readonly id: string; readonly generation: number | undefined }
  /** Of its store. */
  | { readonly what: 'stats' }
  | { readonly what: 'record'; readonly id: string }
  | { readonly what: 'records'; readonly query: StoreQuery }
  | { readonly what: 'decode'; readonly encoded: Encoded }
  /** Without a number: for all who wait for it. */
  | { readonly what: 'cancel'; readonly id: string; readonly number: number | undefined; readonly reason: Crossing }
  | { readonly what: 'priority'; readonly id: string; readonly number: number | undefined; readonly priority: Priority }
  | { readonly what: 'position'; readonly id: string; readonly number: number | undefined }
  | { readonly what: 'concurrency'; readonly concurrency: number }
  | { readonly what: 'close'; readonly options: CloseOptions | undefined }

export type Order =
  | {
      readonly is: 'submit'
      readonly number: number
      readonly request: unknown
      readonly options: SentOptions
      /** Its handle is wanted. */
      readonly isKept: boolean
      /** Its caller has a signal. */
      readonly mayLeave: boolean
    }
  /** The signal of its caller was aborted. */
  | { readonly is: 'leave'; readonly number: number; readonly reason: Crossing }
  | { readonly is: 'ask'; readonly number: number; readonly question: Question }
  /** A message was lost: which of these numbers are not known there? */
  | { readonly is: 'unread'; readonly numbers: readonly number[]; readonly isThere: boolean; readonly why: string }
  | { readonly is: 'listen'; readonly event: ExecutorEvent; readonly isOn: boolean }

/** Durations, as they are sent. */
export interface SentReading {
  readonly status: ExecutorStatus
  readonly wait: readonly SentHistogram[]
  readonly run: readonly { readonly [outcome in Outcome]?: SentHistogram }[]
}

export type Word =
  /** `origin`: where its clock begins, in ms since 1970; `hasStore`: one that can be read; `isDurable`: what lives there outlives the thread. */
  | {
      readonly is: 'ready'
      readonly origin: number
      readonly hasStore: boolean
      readonly isDurable: boolean
    }
  | { readonly is: 'failed'; readonly error: Crossing }
  | { readonly is: 'admitted'; readonly number: number }
  | { readonly is: 'state'; readonly number: number; readonly state: 'running' | 'retrying' }
  | { readonly is: 'answer'; readonly number: number; readonly value: unknown }
  | { readonly is: 'error'; readonly number: number; readonly error: Crossing }
  | { readonly is: 'reply'; readonly number: number; readonly value: unknown }
  | { readonly is: 'refusal'; readonly number: number; readonly error: Crossing }
  | {
      readonly is: 'event'
      readonly event: ExecutorEvent
      readonly about: object
      readonly error: Crossing | undefined
      readonly errors: readonly Crossing[] | undefined
    }
  | { readonly is: 'reading'; readonly reading: SentReading }
  /** It was not sent: a store has brought it back. Again when it is in another state. */
  | { readonly is: 'back'; readonly id: string; readonly priority: Priority; readonly state: RequestStateLike }
  /** Such a one lives no more. */
  | { readonly is: 'gone'; readonly id: string; readonly state: RequestStateLike }
  /** A message could not be read there. */
  | { readonly is: 'unread'; readonly why: string }
  | { readonly is: 'lost'; readonly number: number; readonly isThere: boolean; readonly why: string }

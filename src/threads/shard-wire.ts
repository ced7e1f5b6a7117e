/**
 * What a shard in a thread of its own is sent, and what it says. Each message is a list of these: what comes together is sent together.
 */
import type { Priority } from '../core/priority.ts'
import type { Outcome } from '../core/request-state.ts'
import type { CloseOptions, ExecutorEvent, ExecutorStatus, QueuedExecutorOptions, RequestOptions } from '../index.ts'
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

/** What can be sent of the options of a request: its signal is told of by an order of its own. */
type SentOptions = Omit<RequestOptions, 'signal' | 'after'>

/** What is asked, and answered. */
export type Question =
  | { readonly what: 'reading' | 'workers' | 'pause' | 'resume' | 'idle' | 'flushed' }
  | { readonly what: 'find'; readonly id: string }
  | { readonly what: 'requeue'; readonly id: string; readonly generation: number | undefined }
  /** Without a number: for all who wait for it. */
  | { readonly what: 'cancel'; readonly id: string; readonly number: number | undefined; readonly reason: Crossing }
  | { readonly what: 'priority'; readonly id: string; readonly number: number; readonly priority: Priority }
  | { readonly what: 'position'; readonly id: string; readonly number: number }
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
  /** `origin`: where its clock begins, in ms since 1970; `isDurable`: what lives there outlives the thread. */
  | { readonly is: 'ready'; readonly origin: number; readonly isDurable: boolean }
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
  /** A message could not be read there. */
  | { readonly is: 'unread'; readonly why: string }
  | { readonly is: 'lost'; readonly number: number; readonly isThere: boolean; readonly why: string }

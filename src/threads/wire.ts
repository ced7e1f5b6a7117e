/**
 * What a thread of `threads()` is sent, and what it says.
 */
import type { Priority } from '../core/priority.ts'
import type { Crossing } from './crossing.ts'

/** Which function a thread runs. */
export interface Work {
  /** A `file:` URL. */
  readonly file: string
  readonly exportName: string
}

/** What a thread knows of a run. */
export interface About {
  readonly id: string
  readonly priority: Priority
  readonly kind: string | undefined
  readonly attempt: number
  readonly waitMs: number
  readonly delayMs: number
  readonly metadata: unknown
  /** When its time is over, in ms since the epoch, on the monotonic clock of the process; or Infinity. */
  readonly deadline: number
}

export interface Task {
  readonly number: number
  readonly request: unknown
  readonly about: About
  /** What both sides look at while it runs: see `flag.ts`. */
  readonly flag: SharedArrayBuffer
}

/** In front of all that we say: a program in a thread may send messages of its own. */
export const SAYS = 'triage-queue/threads'

/** What a thread says. */
export type Said =
  | { readonly [SAYS]: 'loaded'; readonly thread: number }
  /** The file can't be loaded: the thread ends. */
  | { readonly [SAYS]: 'failed'; readonly thread: number; readonly error: Crossing }
  | {
      readonly [SAYS]: 'progress'
      readonly number: number
      readonly fraction: number
      readonly message?: string | undefined
    }
  | { readonly [SAYS]: 'answer'; readonly number: number; readonly answer: Answer }

export type Answer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: Crossing }

/** Now, in ms since the epoch: the same in every thread, and it does not jump when the wall clock is set. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

/**
 * What is seen of one request from outside?
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { QueuedRequest } from 'triage-queue'
import type { Caller } from './rules.ts'
import type { Arrive } from './schedule.ts'
import type { Payload } from './setup.ts'

export type Handle = QueuedRequest<Payload, unknown>

/** A promise that was handed out, and what became of it. */
export interface Handed {
  readonly name: string
  /** '' while it is open. */
  end: string
}

/** One request as it is seen from outside. */
export interface Seen {
  readonly n: number
  readonly arrive: Arrive
  readonly caller: Caller
  handle: Handle | undefined
  /** Of `submit()`: that it is admitted. */
  admission: Handed | undefined
  answer: Handed | undefined
  /** Its call has not settled, and can be let go. */
  release: (() => void) | undefined
  attempts: number
  /** Its call has not settled. */
  isInCall: boolean
  /** When it may be tried again. */
  backAt: number
  /** Its events, one letter each. */
  way: string
  /** It has ended, and was found to be so. */
  isDone: boolean
}

/** Who has submitted: what executor and listeners must find. */
export const context = new AsyncLocalStorage<number>()

/** In one word. */
export function endOf(error: unknown): string {
  try {
    const { code, message } = error as { code?: string; message: string }
    return code ?? message
  } catch {
    return 'a proxy'
  }
}

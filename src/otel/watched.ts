/**
 * What is looked at? The few members of an executor that a watcher uses.
 *
 * A shape, not the class: an executor of another copy of this package (ESM and CommonJS) is watched just as well.
 */
import type { ExecutorEvent, ExecutorStatus, Listener, RequestState } from '../index.ts'

/** What is read of the handle of a live request. */
export interface WatchedRequest {
  readonly enqueuedAt: number
  readonly state: RequestState
}

/** Any `QueuedExecutor`. */
export interface Watched {
  readonly concurrency: number
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  get(id: string): WatchedRequest | undefined
  getStatus(): ExecutorStatus
}

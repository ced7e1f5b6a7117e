/**
 * What is behind the routes? An executor in this process, or one elsewhere that answers with promises. Types only.
 */

import type { CloseOptions } from '../core/close-options.ts'
import type { Priority } from '../core/priority.ts'
import type { RequestView } from '../core/watch/request-view.ts'
import type {
  ExecutorEvent,
  ExecutorHealth,
  ExecutorHistograms,
  ExecutorStatus,
  Listener,
  RequestOptions,
  RequestState,
  RunProgress,
  WaitingRequest,
  WorkerHealth,
} from '../index.ts'

/** In this process an answer is there at once; elsewhere it takes a promise. */
export type Maybe<T> = T | Promise<T>

/** The states of a request, those included that only a store or a service speaks of. */
export type RequestStateLike = RequestState | 'held' | 'dead'

/** The handle of a request, wherever it is. */
export interface HandleLike<Res = unknown> {
  readonly id: string
  readonly state: RequestStateLike
  readonly result: Promise<Res>
  cancel(reason?: unknown): Maybe<boolean>
  setPriority(priority: Priority): Maybe<boolean>
  position(): Maybe<number | undefined>
}

/** What an error is, where its class can't be told. */
export interface ErrorView {
  readonly name: string
  readonly code?: string | undefined
  /** Only where the service may say it. */
  readonly message?: string | undefined
}

/** What every back end offers. `QueuedExecutor` answers at once where this says `Maybe`. */
export interface QueuedExecutorLike<Req = unknown, Res = unknown> {
  readonly name: string
  execute(request: Req, options?: RequestOptions | undefined): Promise<Res>
  submit(request: Req, options?: RequestOptions | undefined): Promise<HandleLike<Res>>
  /** Of one that lives. */
  get(id: string): Maybe<HandleLike<Res> | undefined>
  /** Of one that lives, or whose end is kept. */
  find(id: string): Maybe<RequestView | undefined>
  cancel(id: string, reason?: unknown): Maybe<boolean>
  getStatus(): Maybe<ExecutorStatus>
  pause(): Maybe<void>
  resume(): Maybe<void>
  setConcurrency(concurrency: number): Maybe<void>
  idle(): Promise<void>
  drain(): Promise<void>
  close(options?: CloseOptions | undefined): Promise<void>
  on(event: ExecutorEvent, listener: (event: never) => unknown): this
  off(event: ExecutorEvent, listener: (event: never) => unknown): this
}

/** What `httpApp()` asks of an executor. What stands with `?` it does without. */
export interface ServedExecutor {
  readonly name?: string | undefined
  submit(request: never, options?: never): Promise<HandleLike>
  get(id: string): Maybe<HandleLike | undefined>
  find?(id: string): Maybe<RequestView | undefined>
  cancel(id: string, reason?: unknown): Maybe<boolean>
  getStatus(): Maybe<ExecutorStatus>
  pause(): Maybe<void>
  resume(): Maybe<void>
  setConcurrency?(concurrency: number): Maybe<void>
  concurrency?: number | undefined
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  getWorkerHealth?(): Maybe<readonly WorkerHealth[]>
  getHistograms?(): ExecutorHistograms
  health?(): ExecutorHealth
  /** All that was acknowledged is on disk. */
  flushed?(): Promise<void>
  requeue?(id: string, generation?: number | undefined): Promise<boolean>
  /** Of these its `store`. */
  readonly settings?: object | undefined
  waiting?(): Iterable<WaitingRequest<unknown, unknown>>
}

/** What more a handle in this process knows. */
export interface LocalHandle extends HandleLike {
  readonly request?: unknown
  readonly priority?: Priority
  readonly metadata?: unknown
  readonly enqueuedAt?: number
  readonly startedAt?: number | undefined
  readonly progress?: RunProgress | undefined
}

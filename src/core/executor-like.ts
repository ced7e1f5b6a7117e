/**
 * What every back end offers, whether it runs in this process, behind threads, over HTTP or Redis. Types only.
 *
 * Where an executor of this process answers at once, another one may answer with a promise: await it, and both will do.
 */
import type { CloseOptions } from './close-options.ts'
import type { RequestOptions } from './options.ts'
import type { Priority } from './priority.ts'
import type { ExecutorEvent, Listener } from './watch/events.ts'
import type { RequestStateLike, RequestView } from './watch/request-view.ts'
import type { ExecutorStatus } from './watch/status.ts'

/** In this process an answer is there at once; elsewhere it takes a promise. */
export type Maybe<T> = T | Promise<T>

/** The handle of a request, wherever it is. */
export interface HandleLike<Res = unknown> {
  readonly id: string
  readonly state: RequestStateLike
  readonly result: Promise<Res>
  cancel(reason?: unknown): Maybe<boolean>
  setPriority(priority: Priority): Maybe<boolean>
  position(): Maybe<number | undefined>
}

/** What whoever uses an executor may rely on, wherever it is. `QueuedExecutor` is one. */
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
  on<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this
  off<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this
}

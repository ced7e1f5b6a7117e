/**
 * What is behind the routes? An executor in this process, or one elsewhere that answers with promises. Types only.
 */
import type { Priority } from '../core/priority.ts'
import type { Readable } from '../core/readable-store.ts'
import type {
  ExecutorEvent,
  ExecutorHealth,
  ExecutorHistograms,
  ExecutorStatus,
  HandleLike,
  Listener,
  Maybe,
  RequestView,
  RunProgress,
  WaitingRequest,
  WorkerHealth,
} from '../index.ts'
import type { ObservedExecutor } from '../prometheus/options.ts'

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
  getHistograms?(): Maybe<ExecutorHistograms>
  /** Of shards: each as metrics have it. Of one elsewhere: what it said last, at once. */
  readonly observed?:
    | readonly { readonly shard: string; readonly executor: ObservedExecutor }[]
    | (() => { getStatus(): ExecutorStatus; getHistograms(): ExecutorHistograms })
    | undefined
  health?(): ExecutorHealth
  /** All that was acknowledged is on disk. */
  flushed?(): Promise<void>
  requeue?(id: string, generation?: number | undefined): Promise<boolean>
  discard?(id: string, generation?: number | undefined): Promise<boolean>
  /** Of these its `store`. */
  readonly settings?: object | undefined
  /** Those of shards in this process have settings, too. */
  readonly shards?: readonly { readonly settings?: object | undefined }[] | undefined
  waiting?(): Iterable<WaitingRequest<unknown, unknown>>
  /** Of shards: what their stores keep, as soon as it is known. */
  readonly records?: Readable | undefined
  /** Of shards in threads: what their stores have brought back, and lives. */
  cameBack?(): Iterable<HandleLike & { readonly priority: Priority }>
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

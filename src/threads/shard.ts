/**
 * What a shard has to offer. A `QueuedExecutor` is one; so is one in a thread of its own.
 */
import type {
  ExecutorEvent,
  ExecutorHealth,
  ExecutorHistograms,
  ExecutorStatus,
  HandleLike,
  Listener,
  Maybe,
  QueuedExecutorLike,
  WaitingRequest,
  WorkerHealth,
} from '../index.ts'

/** What `make` gives to `shards()`. A live request must be found at once, so that callers with its id share its run. */
export interface Shard<Req = unknown, Res = unknown> extends QueuedExecutorLike<Req, Res> {
  get(id: string): HandleLike<Res> | undefined
  /** How much waits and runs there, if it counts that itself. */
  readonly load?: number | undefined
  getHistograms(): Maybe<ExecutorHistograms>
  getWorkerHealth?(): Maybe<readonly WorkerHealth[]>
  health?(): ExecutorHealth
  flushed?(): Promise<void>
  requeue?(id: string, generation?: number | undefined): Promise<boolean>
  discard?(id: string, generation?: number | undefined): Promise<boolean>
  /** Of these its `store`, which may be read. */
  readonly settings?: object | undefined
  waiting?(): Iterable<WaitingRequest<Req>>
}

/** What Prometheus asks, at once: of a shard in a thread, what that has said last. */
export interface ObservedShard {
  getStatus(): ExecutorStatus
  getHistograms(): ExecutorHistograms
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
}

const begins = ['queued'] as const
const ends = ['completed', 'failed', 'expired', 'cancelled', 'shed', 'parked'] as const

/** How much waits and runs in a shard: counted, since to ask for a status with each request costs too much. */
export class Load {
  load: number
  readonly #shard: Pick<Shard, 'on' | 'off'>
  readonly #more = (): void => void this.load++
  readonly #less = (): void => void this.load--

  constructor(shard: Pick<Shard, 'on' | 'off'>, load: number) {
    this.#shard = shard
    this.load = load
    for (const event of begins) shard.on(event, this.#more)
    for (const event of ends) shard.on(event, this.#less)
  }

  leave(): void {
    for (const event of begins) this.#shard.off(event, this.#more)
    for (const event of ends) this.#shard.off(event, this.#less)
  }
}

/** Whom metrics ask about it. */
export function sourceOf(shard: Shard): Pick<ObservedShard, 'getStatus' | 'getHistograms'> {
  return (shard as { readonly observed?: ObservedShard }).observed ?? (shard as ObservedShard)
}

/** As it is, or, of one in a thread, as it was said last. */
export function statusNow(shard: Shard): ExecutorStatus {
  return sourceOf(shard).getStatus()
}

/** What lives in it. */
export function liveIn({ waiting, running, retrying }: ExecutorStatus): number {
  return waiting + running + retrying
}

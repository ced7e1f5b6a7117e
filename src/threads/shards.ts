/**
 * Several executors as one, each with a queue, bounds and slots of its own.
 *
 *                 ┌──▶ queue ──▶ slots
 *     request ──▶ route ──▶ queue ──▶ slots
 *                 └──▶ queue ──▶ slots
 *
 * Priority is strict within each shard only, and so is all else that a queue decides: `what-holds.ts` has the table.
 *
 * The file is a little long: it is the one face of all that an executor offers.
 */
import type { CloseOptions } from '../core/close-options.ts'
import { OptionsError } from '../core/errors.ts'
import type {
  Description,
  ExecutorEvent,
  ExecutorHealth,
  ExecutorHistograms,
  ExecutorStatus,
  HandleLike,
  Listener,
  Maybe,
  QueuedExecutorLike,
  RequestOptions,
  RequestView,
  WaitingRequest,
  WorkerHealth,
} from '../index.ts'
import type { BackHandle } from './came-back.ts'
import { type Loaded, type Route, Router } from './route.ts'
import { Load, liveIn, type ObservedShard, type Shard, sourceOf, statusNow } from './shard.ts'
import { ShardEvents } from './shard-events.ts'
import { AllRecords, recordsIn, type ShardRecords } from './shard-records.ts'
import { histogramsOf, type ShardReading, type ShardsStatus, totalsOf } from './totals.ts'
import { whatHolds } from './what-holds.ts'

/** A slot, and whose it is. */
export interface ShardWorkerHealth extends WorkerHealth {
  readonly shard: number
}

/** As they hold. */
export interface ShardsSettings<Req> {
  readonly name: string | undefined
  readonly route: Route
  readonly key: ((request: Req, options: RequestOptions) => string | undefined) | undefined
  readonly random: () => number
}

export class Shards<Req = unknown, Res = unknown> implements QueuedExecutorLike<Req, Res> {
  readonly name: string
  /** In their order: `shards[0]` is the one that is called 0 in metrics. */
  readonly shards: readonly Shard<Req, Res>[]
  /** The shards as metrics have them: each under the name of the whole, and to be told apart by the label `shard`. */
  readonly observed: readonly { readonly shard: string; readonly executor: ObservedShard }[]
  readonly #settings: ShardsSettings<Req>
  readonly #router: Router
  readonly #loads: readonly (Loaded & { leave?(): void })[]
  readonly #events: ShardEvents

  /** Made by `shards()`. */
  constructor(all: readonly Shard<Req, Res>[], settings: ShardsSettings<Req>) {
    this.shards = all
    this.#settings = settings
    const [first] = all as [Shard<Req, Res>]
    this.name = settings.name ?? (all.every(({ name }) => name === first.name) ? first.name : 'shards')
    this.observed = all.map((shard, index) => ({ shard: `${index}`, executor: observed(shard as Shard, this.name) }))
    this.#events = new ShardEvents(all as readonly Shard[])
    // Only who goes by it pays for it.
    this.#loads = settings.route === 'leastLoaded' ? all.map(loadOf) : []
    const loads = settings.route === 'leastLoaded' ? this.#loads : all.map(() => ({ load: 0 }))
    this.#router = new Router(settings.route, loads, settings.random)
  }

  /** Runs a request in the shard that the route says, or in which one with its id lives; as `QueuedExecutor` does. */
  execute(request: Req, options?: RequestOptions | undefined): Promise<Res> {
    try {
      return this.#for(request, options).execute(request, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  submit(request: Req, options?: RequestOptions | undefined): Promise<HandleLike<Res>> {
    try {
      return this.#for(request, options).submit(request, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @throws what the `key` function throws */
  #for(request: Req, options: RequestOptions | undefined): Shard<Req, Res> {
    const id = options?.id
    const { route, key } = this.#settings
    // With `hash` by the id it is where it is.
    if (id !== undefined && (route !== 'hash' || key !== undefined)) {
      for (const shard of this.shards) if (shard.get(id) !== undefined) return shard
    }
    return this.shards[this.#router.next(this.#keyOf(request, options))] as Shard<Req, Res>
  }

  #keyOf(request: Req, options: RequestOptions | undefined): string | undefined {
    const { key } = this.#settings
    const found: unknown = key === undefined ? options?.id : key(request, options ?? {})
    if (found === undefined || typeof found === 'string') return found
    throw new OptionsError('key', 'a function that returns a text or undefined', found)
  }

  get(id: string): HandleLike<Res> | undefined {
    for (const shard of this.shards) {
      const handle = shard.get(id)
      if (handle !== undefined) return handle
    }
    return undefined
  }

  /** Each shard is asked. */
  async find(id: string): Promise<RequestView | undefined> {
    const found = await Promise.all(this.shards.map((shard) => shard.find(id)))
    return found.find((view) => view !== undefined)
  }

  /** Each shard is asked, until one has it. */
  cancel(id: string, reason?: unknown): Maybe<boolean> {
    for (const [index, shard] of this.shards.entries()) {
      const isDone = shard.cancel(id, reason)
      if (isDone === true) return true
      if (isDone !== false) return this.#cancelLater(isDone, index + 1, id, reason)
    }
    return false
  }

  async #cancelLater(first: Promise<boolean>, from: number, id: string, reason: unknown): Promise<boolean> {
    if (await first) return true
    for (const shard of this.shards.slice(from)) if (await shard.cancel(id, reason)) return true
    return false
  }

  /** Totals, and each shard. At once where the shards are in this thread. */
  getStatus(): Maybe<ShardsStatus> {
    const statuses = this.shards.map((shard) => shard.getStatus())
    const histograms = this.shards.map((shard) => shard.getHistograms())
    if (isThere(statuses) && isThere(histograms)) return totalsOf(this.name, paired(statuses, histograms))
    return Promise.all([Promise.all(statuses), Promise.all(histograms)]).then(([all, durations]) =>
      totalsOf(this.name, paired(all, durations)),
    )
  }

  /** The durations of all shards together. */
  getHistograms(): Maybe<ExecutorHistograms> {
    const all = this.shards.map((shard) => shard.getHistograms())
    const summed = (histograms: readonly ExecutorHistograms[]) =>
      histogramsOf(histograms.map((each) => ({ histograms: each })))
    return isThere(all) ? summed(all) : Promise.all(all).then(summed)
  }

  /** The slots of all, numbered through. */
  getWorkerHealth(): Maybe<ShardWorkerHealth[]> {
    const all = this.shards.map((shard) => shard.getWorkerHealth?.() ?? [])
    const numbered = (slots: readonly (readonly WorkerHealth[])[]): ShardWorkerHealth[] =>
      slots.flatMap((each, shard) => each.map((slot) => ({ ...slot, shard }))).map((each, slot) => ({ ...each, slot }))
    return isThere(all) ? numbered(all) : Promise.all(all).then(numbered)
  }

  /** Ready when each shard is: what is routed to another one is refused, or waits. */
  health(): ExecutorHealth {
    const all = this.shards.flatMap((shard) => shard.health?.() ?? [])
    return {
      live: all.every(({ live }) => live),
      ready: all.every(({ ready }) => ready),
      reasons: [...new Set(all.flatMap(({ reasons }) => reasons))],
    }
  }

  pause(): Maybe<void> {
    return done(this.shards.map((shard) => shard.pause()))
  }

  resume(): Maybe<void> {
    return done(this.shards.map((shard) => shard.resume()))
  }

  /**
   * The total, which is shared out evenly.
   * @throws {OptionsError} unless it is an integer, and at least as many as there are shards
   */
  setConcurrency(concurrency: number): Maybe<void> {
    const { length } = this.shards
    if (!Number.isInteger(concurrency) || concurrency < length) {
      throw new OptionsError('concurrency', `an integer of at least ${length}, one for each shard`, concurrency)
    }
    const each = Math.floor(concurrency / length)
    const more = concurrency % length
    return done(this.shards.map((shard, index) => shard.setConcurrency(index < more ? each + 1 : each)))
  }

  /** Resolves as soon as nothing waits or runs in any of them. */
  async idle(): Promise<void> {
    do await Promise.all(this.shards.map((shard) => shard.idle()))
    while (liveIn(await this.getStatus()) > 0)
  }

  drain(): Promise<void> {
    return this.close()
  }

  /** Each shard, as `QueuedExecutor.close()` does it. */
  async close(options?: CloseOptions | undefined): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.close(options)))
    for (const load of this.#loads) load.leave?.()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Fulfils when the stores of all shards have what has happened so far. */
  async flushed(): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.flushed?.()))
  }

  /** A dead letter of the store of any shard, once more. */
  async requeue(id: string, generation?: number | undefined): Promise<boolean> {
    for (const shard of this.shards) if (await shard.requeue?.(id, generation)) return true
    return false
  }

  /** Forgets a dead letter of the store of any shard. */
  async discard(id: string, generation?: number | undefined): Promise<boolean> {
    for (const shard of this.shards) if (await shard.discard?.(id, generation)) return true
    return false
  }

  /**
   * What the stores of all shards keep, as one; undefined unless each has a store, and an id leads to its shard. Of shards in threads
   * it is known from their start on.
   */
  get records(): AllRecords | undefined {
    const { route, key } = this.#settings
    if (route !== 'hash' || key !== undefined) return undefined
    const all = this.shards.flatMap((shard) => recordsOf(shard as Shard) ?? [])
    return all.length === this.shards.length ? new AllRecords(this.name, all) : undefined
  }

  /** Of shards in threads: what their stores have brought back, and lives. */
  *cameBack(): Generator<BackHandle<Res>, void, undefined> {
    for (const shard of this.shards) yield* (shard as { cameBack?(): Iterable<BackHandle<Res>> }).cameBack?.() ?? []
  }

  /** What waits, shard by shard. Of shards in threads nothing is shown. */
  *waiting(): Generator<WaitingRequest<Req>, void, undefined> {
    for (const shard of this.shards) yield* shard.waiting?.() ?? []
  }

  on<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#events.on(event, listener as Listener<ExecutorEvent>)
    return this
  }

  off<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#events.off(event, listener as Listener<ExecutorEvent>)
    return this
  }

  /** What there is, and what holds in each shard only. */
  describe(): Description {
    const { route, key } = this.#settings
    const by = {
      hash: `by the hash of ${key === undefined ? 'its id; what has none is put in turn' : 'its key'}`,
      roundRobin: 'in turn',
      leastLoaded: 'to the less loaded one of two that are drawn by lot',
    }
    const lines = [
      `'${this.name}' is ${this.shards.length} shards, each with a queue, bounds and slots of its own.`,
      `A request goes to a shard ${by[route]}; one whose id is live joins it there.`,
      ...whatHolds.map(({ promise, holds, so }) => `${promise}: ${holds}. ${so}`),
    ]
    return { lines, warnings: [], toString: () => lines.join('\n') }
  }
}

function observed(shard: Shard, name: string): ObservedShard {
  const source = sourceOf(shard)
  return {
    getStatus: () => ({ ...source.getStatus(), name }),
    getHistograms: () => source.getHistograms(),
    on: (event, listener) => shard.on(event, listener),
    off: (event, listener) => shard.off(event, listener),
  }
}

/** One in a thread counts itself. */
function loadOf(shard: Shard): Loaded & { leave?(): void } {
  if (shard.load !== undefined) return shard as Shard & Loaded
  return new Load(shard, liveIn(statusNow(shard)))
}

function recordsOf(shard: Shard): ShardRecords | undefined {
  return 'records' in shard ? (shard.records as ShardRecords | undefined) : recordsIn(shard)
}

function paired(statuses: readonly ExecutorStatus[], histograms: readonly ExecutorHistograms[]): ShardReading[] {
  return statuses.map((status, index) => ({ status, histograms: histograms[index] as ExecutorHistograms }))
}

function isThere<T>(values: readonly Maybe<T>[]): values is readonly T[] {
  return !values.some((value) => value instanceof Promise)
}

function done(all: readonly Maybe<void>[]): Maybe<void> {
  return isThere(all) ? undefined : Promise.all(all).then(() => undefined)
}

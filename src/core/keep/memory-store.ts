/**
 * A store for what need not outlive the process: what has ended, and what has failed for good, to be looked at, answered once
 * more, and requeued.
 *
 * Requests and answers are kept as they are, not copied and not encoded: they never leave the process, so that any value will
 * do. A request that is changed after it was handed over is another one here, too.
 */
import { readGiven } from '../checks.ts'
import { OptionsError } from '../errors.ts'
import { tierOf } from '../priority.ts'
import type {
  Encoded,
  QueueStore,
  ReadableStore,
  StoredView,
  StoreEvent,
  StorePage,
  StoreQuery,
  StoreState,
  StoreStats,
  StoreStatus,
} from '../store.ts'
import { StoreUnavailableError } from '../store-errors.ts'
import type { Entry } from './entry.ts'
import { type KeepChoice, keepRule, requireFree, wholeKeep } from './keep-options.ts'
import { Line } from './line.ts'
import { keeper } from './make-keeper.ts'
import { decode, MemoryQueue, type Shelves } from './memory-queue.ts'
import { Minutes } from './minutes.ts'
import { type Shared, Shelf } from './shelf.ts'
import { readQuery, seqOf } from './store-query.ts'

export interface MemoryStoreOptions {
  /**
   * How much of what has ended is kept, of each queue. `completed` is for all but dead letters: what has expired, was cancelled or
   * shed as well. An answer is kept as it is, and so is the request of one with an id of its own, which is an idempotency key for
   * as long as its end is kept: where these are large, choose a smaller `count`.
   * @default { completed: { count: 10_000, ageMs: 86_400_000 }, dead: { count: 10_000, ageMs: 2_592_000_000 } }
   */
  readonly keep?: KeepChoice | undefined
}

/** A store in memory. Made by `memoryStore()`. */
export interface MemoryStore extends ReadableStore {
  readonly isDurable: false
  [Symbol.asyncDispose](): Promise<void>
}

const DAY_MS = 24 * 60 * 60_000
const NAME = 'memory'

/**
 * A store in memory: `new QueuedExecutor(fn, { store: memoryStore() })`. Nothing waits for it, and it begins empty. It may be
 * handed on from an executor that has closed to the next one.
 * @throws {OptionsError}
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { keep } = readGiven<MemoryStoreOptions>('', options, { keep: keepRule })
  return new Memory(wholeKeep(keep))
}

class Memory implements MemoryStore, Shelves {
  readonly isDurable = false
  readonly keeper = keeper
  readonly promises: readonly string[] = [
    'ends and dead letters are kept in memory; all of it is gone with the process',
  ]
  readonly #shared: Shared
  readonly #shelves = new Map<string, Shelf>()
  /** Those that are in use. */
  readonly #queues = new Map<string, MemoryQueue>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #state: StoreState = 'open'
  #seq = 0

  constructor(keep: Shared['keep']) {
    this.#shared = { keep, minutes: new Minutes(), all: new Line() }
  }

  queue(name: string, { maxAttempts = 3 }: { readonly maxAttempts?: number | undefined } = {}): QueueStore {
    if (typeof name !== 'string' || name === '') throw new OptionsError('name', 'a string that is not empty', name)
    requireFree(name, maxAttempts, this.#queues)
    const queue = new MemoryQueue(name, maxAttempts, this)
    this.#queues.set(name, queue)
    return queue
  }

  released(queue: MemoryQueue): void {
    if (this.#queues.get(queue.name) === queue) this.#queues.delete(queue.name)
  }

  nextSeq(): number {
    return ++this.#seq
  }

  shelf(name: string): Shelf {
    this.#requireOpen()
    const now = Date.now()
    if (this.#shared.minutes.isDue(now)) this.#endMinute(now)
    let shelf = this.#shelves.get(name)
    if (shelf === undefined) {
      shelf = new Shelf(name, this.#shared)
      this.#shelves.set(name, shelf)
    }
    shelf.tidy(now)
    return shelf
  }

  #requireOpen(): void {
    if (this.#state === 'closed') throw new StoreUnavailableError(NAME, 'it is closed')
  }

  #endMinute(now: number): void {
    for (const row of this.#shared.minutes.take(now)) this.#shelves.get(row.queue)?.minutes.push(row)
    for (const { minutes } of this.#shelves.values()) {
      const kept = minutes.findIndex(({ at }) => at >= now - DAY_MS)
      minutes.splice(0, kept === -1 ? minutes.length : kept)
    }
  }

  /** Of one queue, or of all. */
  #chosen(queue: string | undefined): Shelf[] {
    this.#requireOpen()
    const names = queue === undefined ? [...this.#shelves.keys()] : [queue]
    return names.filter((name) => this.#shelves.has(name)).map((name) => this.shelf(name))
  }

  async find(id: string, queue?: string): Promise<StoredView | undefined> {
    let found: Entry | undefined
    for (const shelf of this.#chosen(queue)) {
      const entry = shelf.youngest(id)
      if (entry !== undefined && entry.seq > (found?.seq ?? 0)) found = entry
    }
    return found?.toView(Date.now())
  }

  async list(query: StoreQuery & { readonly queue?: string | undefined } = {}): Promise<StorePage> {
    const { queue, state, priority, id = '', error, cursor, limit } = readQuery(query)
    const before = cursor === undefined ? Infinity : seqOf(cursor)
    const tier = priority === undefined ? undefined : tierOf(priority)
    // What is too old is dropped first.
    this.#chosen(queue)
    const now = Date.now()
    const records: StoredView[] = []
    for (let place = this.#shared.all.last; place !== undefined; place = place.before) {
      const { item } = place
      if (item.seq >= before || (queue !== undefined && item.queue !== queue)) continue
      if ((tier !== undefined && item.tier !== tier) || !item.id.startsWith(id)) continue
      if (state !== undefined && !item.isIn(state, now)) continue
      if (error !== undefined && item.end?.errorCode !== error) continue
      if (records.length === limit) return { records, cursor: records.at(-1)?.generation.toString(36) }
      records.push(item.toView(now))
    }
    return { records, cursor: undefined }
  }

  async stats(queue?: string): Promise<StoreStats> {
    const shelves = this.#chosen(queue)
    const sum = { live: 0, completed: 0, expired: 0, cancelled: 0, shed: 0, dead: 0 }
    for (const { counts } of shelves) for (const each of COUNTED) sum[each] += counts[each]
    const minutes = shelves.flatMap((shelf) => shelf.minutes.map(({ queue: _, ...minute }) => minute))
    minutes.sort((a, b) => a.at - b.at || tierOf(a.priority) - tierOf(b.priority))
    return { ...sum, isPaused: shelves.some(({ isPaused }) => isPaused), minutes }
  }

  async requeue(id: string, options: { readonly queue?: string; readonly generation?: number } = {}): Promise<boolean> {
    const { queue = (await this.find(id))?.queue, generation } = options
    if (queue === undefined) return false
    const record = this.shelf(queue).requeue(id, generation, this.nextSeq())
    if (record !== undefined) this.#queues.get(queue)?.arrived?.(record)
    return record !== undefined
  }

  decode(encoded: Encoded): unknown {
    return decode(encoded)
  }

  status(): StoreStatus {
    const unopened = [...this.#shelves.values()]
      .map(({ name, counts }) => ({ queue: name, live: counts.live }))
      .filter(({ queue, live }) => live > 0 && !this.#queues.has(queue))
    return {
      ...{ state: this.#state, error: undefined, pending: 0, isFull: false },
      ...{ batch: undefined, commitMs: undefined, bytes: 0, unopened },
    }
  }

  watch(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async flushed(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#shelves.clear()
    this.#shared.all.clear()
    for (const listener of [...this.#listeners]) {
      try {
        listener({ type: 'state', state: 'closed', error: undefined })
      } catch (error) {
        // Not in here: it is closed, whatever they do.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

const COUNTED = ['live', 'completed', 'expired', 'cancelled', 'shed', 'dead'] as const

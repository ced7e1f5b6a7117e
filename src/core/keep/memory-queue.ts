/**
 * The part of one executor of a store in memory. Nothing waits for it: each of its promises is fulfilled when it is given out.
 */
import type {
  Admission,
  AttemptEnd,
  Encoded,
  LiveRecord,
  NewRecord,
  QueueStore,
  RecoveredPage,
  StoredChange,
  StoredEnd,
  StoredView,
  StorePage,
  StoreQuery,
  StoreStats,
  Unencoded,
} from '../store.ts'
import type { Shelf } from './shelf.ts'

const PAGE = 1_000

/** What it needs of its store. */
export interface Shelves {
  /** The queue's part, after what is too old there was dropped. @throws {StoreUnavailableError} when the store is closed */
  shelf(name: string): Shelf
  nextSeq(): number
  find(id: string, queue: string): Promise<StoredView | undefined>
  list(query: StoreQuery & { readonly queue: string }): Promise<StorePage>
  stats(queue: string): Promise<StoreStats>
  released(queue: MemoryQueue): void
}

export class MemoryQueue implements QueueStore {
  readonly name: string
  readonly #maxAttempts: number
  readonly #store: Shelves
  arrived: ((record: LiveRecord) => void) | undefined = undefined

  constructor(name: string, maxAttempts: number, store: Shelves) {
    this.name = name
    this.#maxAttempts = maxAttempts
    this.#store = store
  }

  get #shelf(): Shelf {
    return this.#store.shelf(this.name)
  }

  encode(value: unknown): Unencoded {
    return { value }
  }

  decode(encoded: Encoded): unknown {
    return decode(encoded)
  }

  nextSeq(): number {
    return this.#store.nextSeq()
  }

  async admitted(record: NewRecord): Promise<Admission> {
    return this.#shelf.admit(record)
  }

  async begins(seq: number, attempt: number, startedAt: number): Promise<void> {
    this.#shelf.begin(seq, attempt, startedAt)
  }

  async attemptEnded(seq: number, attempt: number, end: AttemptEnd): Promise<void> {
    this.#shelf.attemptEnded(seq, attempt, end)
  }

  async ended(seq: number, end: StoredEnd): Promise<void> {
    this.#shelf.end(seq, end)
  }

  async changed(seq: number, change: StoredChange): Promise<void> {
    this.#shelf.change(seq, change)
  }

  async paused(isPaused: boolean): Promise<void> {
    this.#shelf.isPaused = isPaused
  }

  async recover(after?: number, limit = PAGE): Promise<RecoveredPage> {
    const shelf = this.#shelf
    if (after === undefined) shelf.countCrashes(this.#maxAttempts)
    const records = shelf.livesAfter(after ?? 0, limit)
    const next = records.length < limit ? undefined : records.at(-1)?.seq
    return { records, next, isPaused: shelf.isPaused }
  }

  async unreadable(seq: number, error: unknown): Promise<void> {
    this.#shelf.unreadable(seq, error)
  }

  async requeue(id: string, generation?: number): Promise<LiveRecord | undefined> {
    return this.#shelf.requeue(id, generation, this.nextSeq())
  }

  async discard(id: string, generation?: number): Promise<boolean> {
    return this.#shelf.discard(id, generation)
  }

  find(id: string): Promise<StoredView | undefined> {
    return this.#store.find(id, this.name)
  }

  list(query: StoreQuery = {}): Promise<StorePage> {
    return this.#store.list({ ...query, queue: this.name })
  }

  stats(): Promise<StoreStats> {
    return this.#store.stats(this.name)
  }

  release(): void {
    this.arrived = undefined
    this.#store.released(this)
  }
}

/** The value itself. Of what another store has encoded nothing is known here. */
export function decode(encoded: Encoded): unknown {
  return (encoded as Unencoded).value
}

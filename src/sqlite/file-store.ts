/**
 * The store: what an executor asks of it, and what people do, all through the thread.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { OptionsError } from '../core/errors.ts'
import { requireFree } from '../core/keep/keep-options.ts'
import { keeper } from '../core/keep/make-keeper.ts'
import { readQuery } from '../core/keep/store-query.ts'
import type {
  Encoded,
  LiveRecord,
  QueueStore,
  StoreDamage,
  StoredView,
  StoreEvent,
  StorePage,
  StoreQuery,
  StoreStats,
  StoreStatus,
} from '../core/store.ts'
import { bytesOf } from './codec.ts'
import { exportLines } from './export.ts'
import { errorOf, faultOf } from './fault.ts'
import { make } from './files.ts'
import { Link, type MakeWorker } from './link.ts'
import type { SqliteChoice } from './options.ts'
import { Payloads } from './payloads.ts'
import type { StoreReport } from './report.ts'
import { SqliteQueue } from './sqlite-queue.ts'
import type { CloseStoreOptions, SqliteStore } from './sqlite-store.ts'
import { Op } from './wire.ts'

export class FileStore implements SqliteStore {
  readonly isDurable = true
  readonly keeper = keeper
  readonly path: string
  readonly promises: readonly string[]
  readonly #link: Link
  readonly #payloads: Payloads
  readonly #maxPending: number
  readonly #onDamage: (damage: StoreDamage) => void
  readonly #queues = new Map<string, SqliteQueue>()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #report: StoreReport | undefined

  private constructor(choice: SqliteChoice, make: MakeWorker) {
    const { settings, codec, maxPayloadBytes, maxPending, onDamage } = choice
    this.path = settings.path
    this.promises =
      settings.synchronous === 'full'
        ? ['what is acknowledged is on the disk: it outlives the process, and a power cut']
        : ['what is acknowledged outlives the process; a power cut may undo the last of it']
    this.#payloads = new Payloads(codec, maxPayloadBytes)
    this.#maxPending = maxPending
    this.#onDamage = onDamage
    this.#link = new Link(settings, make, {
      state: (state, error) => this.#tell({ type: 'state', state, error }),
      damage: (damage) => this.#damaged(damage),
    })
  }

  static async open(choice: SqliteChoice, make: MakeWorker): Promise<FileStore> {
    const store = new FileStore(choice, make)
    store.#report = await store.#link.open()
    for (const damage of store.#report.damage) store.#damaged(damage)
    return store
  }

  get report(): StoreReport {
    return this.#report as StoreReport
  }

  queue(name: string, { maxAttempts = 3 }: { readonly maxAttempts?: number | undefined } = {}): QueueStore {
    if (typeof name !== 'string' || name === '' || /[\p{Surrogate}\0]/u.test(name)) {
      throw new OptionsError('name', 'a string that is not empty, without NUL', name)
    }
    requireFree(name, maxAttempts, this.#queues)
    const queue = new SqliteQueue(name, {
      ...{ link: this.#link, payloads: this.#payloads, maxAttempts },
      released: () => {
        // Another one may have the name by now.
        if (this.#queues.get(name) === queue) this.#queues.delete(name)
      },
    })
    this.#queues.set(name, queue)
    return queue
  }

  status(): StoreStatus {
    const { state, error, pending, batches, commits, standing } = this.#link
    return {
      ...{ state, error: error?.message, pending, isFull: state === 'faulty' && pending >= this.#maxPending },
      ...{ batch: batches.read(), commitMs: commits.read(), bytes: standing.bytes },
      unopened: standing.queues
        .filter(([queue, live]) => live > 0 && !this.#queues.has(queue))
        .map(([queue, live]) => ({ queue, live })),
    }
  }

  watch(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(event: StoreEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        // Not in here: what has happened in the store has happened.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  #damaged(damage: StoreDamage): void {
    this.#onDamage(damage)
    this.#tell({ type: 'damage', damage })
  }

  async find(id: string, queue?: string): Promise<StoredView | undefined> {
    return await this.#link.ask({ what: 'find', queue, id })
  }

  async list(query: StoreQuery & { readonly queue?: string } = {}): Promise<StorePage> {
    const { queue, ...rest } = readQuery(query)
    return await this.#link.ask({ what: 'list', queue, query: rest })
  }

  async stats(queue?: string): Promise<StoreStats> {
    return await this.#link.ask({ what: 'stats', queue })
  }

  async requeue(id: string, options: { readonly queue?: string; readonly generation?: number } = {}): Promise<boolean> {
    const { queue = (await this.find(id))?.queue, generation } = options
    if (queue === undefined) return false
    const seq = ++this.#link.seq
    const operation = [Op.REQUEUE, seq, queue, id, generation ?? null, Date.now()] as const
    const record = (await this.#link.push(operation, false)) as LiveRecord | undefined
    if (record !== undefined) this.#queues.get(queue)?.arrived?.(record)
    return record !== undefined
  }

  decode(encoded: Encoded): unknown {
    return this.#payloads.decode(bytesOf(encoded))
  }

  async backup(path: string): Promise<void> {
    if (typeof path !== 'string' || path === '' || existsSync(path)) {
      throw new OptionsError('path', 'a path where there is no file yet', path)
    }
    const target = resolve(path)
    try {
      make(target)
    } catch (error) {
      throw errorOf(faultOf(error).report, target)
    }
    await this.#link.ask({ what: 'backup', path: target })
  }

  export(): AsyncIterable<string> {
    return exportLines((table, after) => this.#link.ask({ what: 'export', table, after }))
  }

  flushed(): Promise<void> {
    return this.#link.flushed()
  }

  close({ withinMs = 10_000 }: CloseStoreOptions = {}): Promise<void> {
    return this.#link.close(withinMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

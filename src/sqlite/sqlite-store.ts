/**
 * What people do with a store in a file, besides what an executor asks of it.
 */
import type { Encoded, Store, StoredView, StorePage, StoreQuery, StoreStats } from '../core/store.ts'
import type { StoreReport } from './report.ts'

export interface CloseStoreOptions {
  /**
   * How long a disk that is gone is waited for while there are records to be written, in ms.
   * @default 10_000
   */
  readonly withinMs?: number | undefined
}

/** A store in a SQLite file. Made by `openStore()`. */
export interface SqliteStore extends Store {
  /** The file, as it was named. */
  readonly path: string
  /** What was found when the store was opened. */
  readonly report: StoreReport
  /** The youngest with this id, live or kept; of one queue, or of all. */
  find(id: string, queue?: string): Promise<StoredView | undefined>
  /** Records, the youngest first. */
  list(query?: StoreQuery & { readonly queue?: string | undefined }): Promise<StorePage>
  stats(queue?: string): Promise<StoreStats>
  /**
   * Gives a dead letter a new life. Its executor runs it if it is open, and otherwise when it opens its queue.
   * @param options `generation`: only this one
   * @returns false when there is none (any more), when it is corrupt, or while another request with its id is live
   */
  requeue(
    id: string,
    options?: { readonly queue?: string | undefined; readonly generation?: number | undefined },
  ): Promise<boolean>
  /** The request, its answer, or what goes with it, as it was before it was encoded. */
  decode(encoded: Encoded): unknown
  /**
   * Copies the store into a new file, which is a whole store, while it is in use. Commits wait meanwhile.
   * @throws {OptionsError} when there is a file already
   */
  backup(path: string): Promise<void>
  /**
   * All records as NDJSON, a line each. What JSON has written stands in it as JSON, and what another codec has written as base64.
   */
  export(): AsyncIterable<string>
  /** @throws {StoreUnavailableError} when the disk was gone, and records could not be written */
  close(options?: CloseStoreOptions): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

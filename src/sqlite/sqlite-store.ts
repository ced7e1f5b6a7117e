/**
 * What people do with a store in a file, besides what an executor asks of it.
 */
import type { ReadableStore } from '../core/store.ts'
import type { StoreReport } from './report.ts'

export interface CloseStoreOptions {
  /**
   * How long a disk that is gone is waited for while there are records to be written, in ms.
   * @default 10_000
   */
  readonly withinMs?: number | undefined
}

/** A store in a SQLite file. Made by `openStore()`. */
export interface SqliteStore extends ReadableStore {
  /** The file, as it was named. */
  readonly path: string
  /** What was found when the store was opened. */
  readonly report: StoreReport
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

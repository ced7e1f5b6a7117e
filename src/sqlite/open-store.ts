/**
 * Opens a store.
 */
import { FileStore } from './file-store.ts'
import { makeWorker } from './link.ts'
import { readSqliteOptions, type SqliteOptions } from './options.ts'
import type { SqliteStore } from './sqlite-store.ts'

/**
 * Opens a store in a SQLite file, or makes it: `new QueuedExecutor(fn, { store: await openStore('requests.db') })`. It has one
 * owner at a time. Beside the file there are `.lock`, `.owner`, `.mark` and `-wal`, which belong to it.
 *
 * @throws {StoreLockedError} at once, while somebody else has it
 * @throws {StoreCorruptError} when the file is damaged as a whole, or is no store; it is left as it is
 * @throws {StoreTooNewError} when a later version has written it
 * @throws {StoreUnavailableError} when the disk says no
 * @throws {OptionsError} also on a Node before 22.13, and for a path on a file system of another machine
 */
export async function openStore(path: string, options?: SqliteOptions): Promise<SqliteStore> {
  return await FileStore.open(readSqliteOptions(path, options), makeWorker)
}

/**
 * `triage-queue/sqlite`: requests that survive, in a SQLite file.
 */

export type { Codec } from '../core/keep/codec.ts'
export { jsonCodec } from '../core/keep/json-codec.ts'
export type { KeepOptions } from '../core/keep/keep-options.ts'
export { openStore } from './open-store.ts'
export type { SqliteOptions } from './options.ts'
export type { StoreReport } from './report.ts'
export type { CloseStoreOptions, SqliteStore } from './sqlite-store.ts'
export { v8Codec } from './v8-codec.ts'

/**
 * The store of an executor, if it has one that can be read: what shows requests goes by it.
 */
import { hasMethods } from './checks.ts'
import type { ReadableStore } from './store.ts'

/** What is asked of it by whoever shows requests. */
export type Readable = Pick<ReadableStore, 'find' | 'list' | 'stats' | 'decode'>

export function readableStoreOf({ settings }: { readonly settings?: object | undefined }): Readable | undefined {
  const { store } = (settings ?? {}) as { store?: unknown }
  return hasMethods(store, 'find', 'list', 'stats', 'decode') ? (store as Readable) : undefined
}

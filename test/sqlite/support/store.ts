/**
 * A store with its thread, and records for it.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import { FileStore } from '../../../src/sqlite/file-store.ts'
import { type MakeWorker, makeWorker } from '../../../src/sqlite/link.ts'
import { readSqliteOptions, type SqliteOptions } from '../../../src/sqlite/options.ts'

/** A store that is closed after the test. */
export async function open(
  path: string,
  options: SqliteOptions = {},
  make: MakeWorker = makeWorker,
): Promise<FileStore> {
  const store = await FileStore.open(readSqliteOptions(path, { onDamage: () => {}, ...options }), make)
  onTestFinished(async () => {
    await store.close({ withinMs: 1 }).catch(() => {})
  })
  return store
}

interface FaultyData {
  readonly at?: number
  readonly when?: 'before' | 'after'
  readonly times?: number
  /** The thread dies in this commit of its first life. */
  readonly diesAt?: number
  readonly commitMs?: number
}

/** Only the first thread is faulty: one that comes after it is well. */
export function faultyThread(data: FaultyData): MakeWorker {
  let lives = 0
  return (workerData) => {
    const faults = lives++ === 0 ? data : {}
    return new Worker(join(import.meta.dirname, 'faulty-worker.ts'), { workerData: { ...workerData, ...faults } })
  }
}

export { admitted, completed, failed, record } from '../../contract/support.ts'

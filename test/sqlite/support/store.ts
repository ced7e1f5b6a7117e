/**
 * A store with its thread, and a record for it.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import type { NewRecord, QueueStore } from '../../../src/core/store.ts'
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

export function record(
  queue: QueueStore,
  id: string,
  more: Partial<NewRecord> & { request?: unknown } = {},
): NewRecord {
  const { request = { id }, ...rest } = more
  return {
    ...{ seq: queue.nextSeq(), id, isKey: true, priority: 'normal', payload: queue.encode(request, 'request') },
    ...{ submittedAt: Date.now(), limits: {}, ...rest },
  }
}

/** Admits one, and gives its number. */
export async function admitted(
  queue: QueueStore,
  id: string,
  more: Partial<NewRecord> & { request?: unknown } = {},
): Promise<number> {
  const given = record(queue, id, more)
  const admission = await queue.admitted(given)
  if (admission.as !== 'stored') throw new Error(`'${id}' was not stored: ${admission.as}`)
  return given.seq
}

export const completed = (result: unknown = undefined, attempts = 1) =>
  ({ outcome: 'completed', endedAt: Date.now(), attempts, result, waitMs: 1, runMs: 2, slot: 0 }) as const

export const failed = (error: unknown, attempts = 1) =>
  ({ outcome: 'failed', endedAt: Date.now(), attempts, error, waitMs: 1, runMs: 2, slot: 0 }) as const

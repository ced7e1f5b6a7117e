/**
 * Records and ends for any store.
 */
import type { NewRecord, QueueStore } from '../../src/core/store.ts'

type More = Partial<NewRecord> & { request?: unknown }

export function record(queue: QueueStore, id: string, more: More = {}): NewRecord {
  const { request = { id }, ...rest } = more
  return {
    ...{ seq: queue.nextSeq(), id, isKey: true, priority: 'normal', payload: queue.encode(request, 'request') },
    ...{ submittedAt: Date.now(), limits: {}, ...rest },
  }
}

/** Admits one, and gives its number. */
export async function admitted(queue: QueueStore, id: string, more: More = {}): Promise<number> {
  const given = record(queue, id, more)
  const admission = await queue.admitted(given)
  if (admission.as !== 'stored') throw new Error(`'${id}' was not stored: ${admission.as}`)
  return given.seq
}

export const completed = (result: unknown = undefined, attempts = 1) =>
  ({ outcome: 'completed', endedAt: Date.now(), attempts, result, waitMs: 1, runMs: 2, slot: 0 }) as const

export const failed = (error: unknown, attempts = 1) =>
  ({ outcome: 'failed', endedAt: Date.now(), attempts, error, waitMs: 1, runMs: 2, slot: 0 }) as const

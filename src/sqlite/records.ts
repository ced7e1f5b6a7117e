/**
 * Rows as others see them.
 */
import { priorityOf } from '../core/priority.ts'
import type { DeadReason, LiveRecord, StoredError, StoredLimits, StoredState, StoredView } from '../core/store.ts'
import type { DeadRow, EndedRow, KeptRow, LiveRow } from './rows.ts'

export function liveRecordOf(row: Omit<LiveRow, 'body_sum' | 'state_sum'>): LiveRecord {
  const {
    seq,
    id,
    is_key,
    kind,
    tier,
    payload,
    metadata,
    submitted_at,
    start_at,
    limits,
    attempts,
    crashes,
    started_at,
  } = row
  return {
    ...{ seq, id, isKey: is_key === 1, kind: kind ?? undefined, priority: priorityOf(tier), payload },
    ...{ metadata: metadata ?? undefined, submittedAt: submitted_at, startAt: start_at ?? undefined },
    ...{ limits: JSON.parse(limits) as StoredLimits, attempts, crashes, startedAt: started_at ?? undefined },
  }
}

/** @param now whether it is held depends on it */
export function liveView(row: LiveRow, now: number): StoredView {
  const { key } = JSON.parse(row.limits) as StoredLimits
  const waits = (row.start_at ?? 0) > now ? 'held' : 'waiting'
  return {
    ...{ id: row.id, queue: row.queue, kind: row.kind ?? undefined, state: row.is_running === 1 ? 'running' : waits },
    ...{ priority: priorityOf(row.tier), generation: row.seq, attempts: row.attempts, crashes: row.crashes, key },
    ...{ submittedAt: row.submitted_at, startAt: row.start_at ?? undefined, startedAt: row.started_at ?? undefined },
    ...{ endedAt: undefined, waitMs: undefined, runMs: undefined, slot: undefined, error: errorOf(row.error) },
    ...{ reason: undefined, resultOmitted: undefined, payload: row.payload, result: undefined },
    metadata: row.metadata ?? undefined,
  }
}

export function keptView(row: KeptRow): StoredView {
  return {
    ...endedView(row, row.outcome as StoredState),
    ...{ reason: undefined, resultOmitted: row.result_omitted ?? undefined, payload: undefined },
    result: row.result ?? undefined,
  }
}

export function deadView(row: DeadRow): StoredView {
  return {
    ...endedView(row, 'dead'),
    ...{ reason: row.reason as DeadReason, resultOmitted: undefined, payload: row.payload, result: undefined },
  }
}

function endedView(row: EndedRow, state: StoredState) {
  return {
    ...{ id: row.id, queue: row.queue, kind: row.kind ?? undefined, state, priority: priorityOf(row.tier) },
    ...{ generation: row.seq, attempts: row.attempts, crashes: row.crashes, key: row.fair_key ?? undefined },
    ...{ submittedAt: row.submitted_at, startAt: undefined, startedAt: row.started_at ?? undefined },
    ...{ endedAt: row.ended_at, waitMs: row.wait_ms ?? undefined, runMs: row.run_ms ?? undefined },
    ...{ slot: row.slot ?? undefined, error: errorOf(row.error), metadata: row.metadata ?? undefined },
  }
}

function errorOf(text: string | null): StoredError | undefined {
  if (text === null) return undefined
  try {
    return JSON.parse(text)
  } catch {
    // Of a letter that is corrupt.
    return { name: 'Error', message: text.slice(0, 200) }
  }
}

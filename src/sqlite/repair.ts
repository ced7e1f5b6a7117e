/**
 * What is damaged is set aside: it is never run, never told as an answer, and never thrown away in silence.
 */
import type { Database, Row, Value } from './database.ts'
import type { BadRow } from './inspect.ts'
import { countsOf, type Meta } from './meta.ts'
import { DEAD_COLUMNS, type DeadRow, deadSum } from './rows.ts'

/** Inside a transaction. */
export function repair(database: Database, meta: Meta, bad: readonly BadRow[]): void {
  for (const { table, seq, row, isReadable } of bad) {
    if (table === 'live') {
      database.prepare('DELETE FROM live WHERE seq = ?').run(seq)
      insertDead(database, corruptOf(row, ++meta.seq))
      countsOf(meta, text(row.queue)).dead++
    } else if (table === 'ended' || !isReadable) {
      database.prepare(`DELETE FROM ${table} WHERE seq = ?`).run(seq)
    } else {
      const dead = { ...row, reason: 'corrupt' } as unknown as DeadRow
      database.prepare("UPDATE dead SET reason = 'corrupt', checksum = ? WHERE seq = ?").run(deadSum(dead), seq)
    }
  }
}

function insertDead(database: Database, row: DeadRow): void {
  const columns = [...DEAD_COLUMNS, 'checksum']
  const marks = columns.map(() => '?').join(', ')
  const values = DEAD_COLUMNS.map((column) => row[column])
  const insert = database.prepare(`INSERT INTO dead (${columns.join(', ')}) VALUES (${marks})`)
  insert.run(...values, deadSum(row))
}

/** The letter of a live record that is not what was written, as far as it can be read. */
export function corruptOf(row: Row, seq: number): DeadRow {
  return {
    ...{ seq, queue: text(row.queue), id: text(row.id), is_key: row.is_key === 1 ? 1 : 0 },
    ...{ kind: row.kind === null ? null : text(row.kind), tier: Math.min(count(row.tier), 3), outcome: 'failed' },
    ...{ attempts: count(row.attempts), crashes: count(row.crashes), fair_key: null },
    ...{ submitted_at: count(row.submitted_at), started_at: row.started_at === null ? null : count(row.started_at) },
    ...{ ended_at: Date.now(), wait_ms: null, run_ms: null, slot: null },
    ...{ error: row.error === null ? null : text(row.error), error_code: null },
    ...{ metadata: encoded(row.metadata), payload: encoded(row.payload) ?? '' },
    ...{ reason: 'corrupt', limits: text(row.limits) },
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : String(value)
}

function count(value: unknown): number {
  const number = Number(value)
  return Number.isSafeInteger(number) && number >= 0 ? number : 0
}

function encoded(value: unknown): string | Uint8Array | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' || value instanceof Uint8Array ? value : String(value as Value)
}

/**
 * The minutes in the file.
 */
import type { MinuteOfQueue } from '../core/keep/minutes.ts'
import { tierOf } from '../core/priority.ts'
import type { Database } from './database.ts'

const counts = ['submitted', 'completed', 'failed', 'expired', 'cancelled', 'shed']

/** A process that has started in the same minute has its part of it already. */
const INSERT = `INSERT INTO queue_metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET ${counts.map((count) => `${count} = ${count} + excluded.${count}`).join(', ')},
wait_p50_ms = ifnull(excluded.wait_p50_ms, wait_p50_ms), wait_p95_ms = ifnull(excluded.wait_p95_ms, wait_p95_ms),
wait_p99_ms = ifnull(excluded.wait_p99_ms, wait_p99_ms), most_waiting = max(most_waiting, excluded.most_waiting)`

/** Inside a transaction. */
export function writeMinutes(database: Database, rows: readonly MinuteOfQueue[]): void {
  const insert = database.prepare(INSERT)
  for (const row of rows) {
    const values = [
      ...[row.at, row.queue, tierOf(row.priority)],
      ...[row.submitted, row.completed, row.failed, row.expired, row.cancelled, row.shed],
      ...[row.waitP50Ms ?? null, row.waitP95Ms ?? null, row.waitP99Ms ?? null, row.mostWaiting],
    ]
    insert.run(...values)
  }
}

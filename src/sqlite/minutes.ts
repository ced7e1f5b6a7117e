/**
 * The minutes in the file.
 */
import type { MinuteOfQueue } from '../core/keep/minutes.ts'
import { tierOf } from '../core/priority.ts'
import type { BusyMinute } from './busy-slots.ts'
import type { Database } from './database.ts'

const counts = ['submitted', 'completed', 'failed', 'expired', 'cancelled', 'shed']

/** A process that has started in the same minute has its part of it already. */
const INSERT = `INSERT INTO queue_metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET ${counts.map((count) => `${count} = ${count} + excluded.${count}`).join(', ')},
wait_p50_ms = ifnull(excluded.wait_p50_ms, wait_p50_ms), wait_p95_ms = ifnull(excluded.wait_p95_ms, wait_p95_ms),
wait_p99_ms = ifnull(excluded.wait_p99_ms, wait_p99_ms), most_waiting = max(most_waiting, excluded.most_waiting),
slots_busy = ifnull(slots_busy, 0) + excluded.slots_busy,
most_slots_busy = max(ifnull(most_slots_busy, 0), excluded.most_slots_busy), shard = excluded.shard`

/** Inside a transaction. */
export function writeMinutes(
  database: Database,
  rows: readonly MinuteOfQueue[],
  busy: readonly BusyMinute[],
  shard: number | null,
): void {
  const insert = database.prepare(INSERT)
  for (const row of rows) {
    const values = [
      ...[row.at, row.queue, tierOf(row.priority)],
      ...[row.submitted, row.completed, row.failed, row.expired, row.cancelled, row.shed],
      ...[row.waitP50Ms ?? null, row.waitP95Ms ?? null, row.waitP99Ms ?? null, row.mostWaiting],
      ...[0, mostIn(busy, row), shard],
    ]
    insert.run(...values)
  }
  for (const { at, queue, tier, slotsBusy, mostSlotsBusy } of busy) {
    insert.run(at, queue, tier, 0, 0, 0, 0, 0, 0, null, null, null, 0, slotsBusy, mostSlotsBusy, shard)
  }
}

/** That of the queue is in each of its rows. */
function mostIn(busy: readonly BusyMinute[], { at, queue }: MinuteOfQueue): number {
  return busy.find((each) => each.at === at && each.queue === queue)?.mostSlotsBusy ?? 0
}

/**
 * How much of what has ended is kept? So many of each queue, and for so long. What is too much goes in small batches: a few more
 * with each commit than have come in it, and those that are too old when there is nothing else to do.
 */
import { type Database, Statements } from './database.ts'
import type { Meta, QueueCounts } from './meta.ts'
import type { Settings } from './settings.ts'

const BATCH = 256
const CHECK_MS = 60_000

export class Retention {
  readonly #meta: Meta
  readonly #keep: Settings['keep']
  readonly #statements: Statements
  #checkAt = 0

  constructor(database: Database, meta: Meta, keep: Settings['keep']) {
    this.#statements = new Statements(database)
    this.#meta = meta
    this.#keep = keep
  }

  /** Inside a transaction: the oldest, where there are too many. */
  expire(atMost: number): void {
    const { completed, dead } = this.#keep
    for (const [queue, counts] of this.#meta.queues) {
      this.#drop('ended', queue, counts, Math.min(keptOf(counts) - completed.count, 2 * atMost + BATCH))
      this.#drop('dead', queue, counts, Math.min(counts.dead - dead.count, 2 * atMost + BATCH))
    }
  }

  isDue(now: number): boolean {
    return now >= this.#checkAt
  }

  dueInMs(now: number): number {
    return Math.max(this.#checkAt - now, 0)
  }

  /** Inside a transaction: some of those that are too old. */
  expireOld(now: number): void {
    const { completed, dead, metrics } = this.#keep
    let isMore = false
    for (const [queue, counts] of this.#meta.queues) {
      isMore = this.#dropBefore('ended', queue, counts, now - completed.ageMs) || isMore
      isMore = this.#dropBefore('dead', queue, counts, now - dead.ageMs) || isMore
    }
    this.#statements.of('DELETE FROM queue_metrics WHERE at < ?').run(now - metrics.ageMs)
    if (!isMore) this.#checkAt = now + CHECK_MS
  }

  #dropBefore(table: 'ended' | 'dead', queue: string, counts: QueueCounts, before: number): boolean {
    if (before === Number.NEGATIVE_INFINITY) return false
    const old = this.#statements.of(
      `SELECT count(*) AS n FROM (SELECT 1 FROM ${table} WHERE queue = ? AND ended_at < ? LIMIT ${BATCH})`,
    )
    const n = old.get(queue, before)?.n as number
    this.#drop(table, queue, counts, n)
    return n === BATCH
  }

  #drop(table: 'ended' | 'dead', queue: string, counts: QueueCounts, n: number): void {
    if (!(n > 0)) return
    const dropped = this.#statements
      .of(
        `DELETE FROM ${table} WHERE seq IN (SELECT seq FROM ${table} WHERE queue = ? ORDER BY ended_at LIMIT ?) RETURNING outcome`,
      )
      .all(queue, n)
    if (table === 'dead') counts.dead -= dropped.length
    else for (const { outcome } of dropped) counts[outcome as 'completed']--
  }
}

function keptOf({ completed, expired, cancelled, shed }: QueueCounts): number {
  return completed + expired + cancelled + shed
}

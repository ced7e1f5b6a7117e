/**
 * What the tables say, for whoever asks.
 */
import { seqOf } from '../core/keep/store-query.ts'
import { priorityOf, tierOf } from '../core/priority.ts'
import type { RecoveredPage, StoredView, StorePage, StoreQuery, StoreStats } from '../core/store.ts'
import { bytesOf } from './codec.ts'
import { type Database, oneValue, type Row, Statements, type Value } from './database.ts'
import { corrupt } from './fault.ts'
import { countsOf, liveOf, META_COLUMNS, type Meta, metaOf } from './meta.ts'
import { deadView, keptView, liveRecordOf, liveView } from './records.ts'
import { type DeadRow, deadSum, isIntact, type KeptRow, keptSum, LIVE_COLUMNS, type LiveRow } from './rows.ts'
import type { Question } from './wire.ts'

const EXPORT_PAGE = 1_000
/** A page of large records is shorter. */
const PAGE_BYTES = 8 * 1024 * 1024
const DAY_MS = 24 * 60 * 60_000

export class Reader {
  readonly #database: Database
  readonly #meta: Meta
  readonly #statements: Statements

  constructor(database: Database, meta: Meta) {
    this.#database = database
    this.#statements = new Statements(database)
    this.#meta = meta
  }

  ask(question: Exclude<Question, { what: 'recover' }>): unknown {
    switch (question.what) {
      case 'find':
        return this.#find(question.queue, question.id)
      case 'list':
        return this.#list(question.queue, question.query)
      case 'stats':
        return this.#stats(question.queue)
      case 'export':
        return this.#export(question.table, question.after)
      case 'backup':
        this.#database.prepare('VACUUM INTO ?').run(question.path)
        return undefined
    }
  }

  /** Those of a queue that had begun, and have no end. */
  running(queue: string): LiveRow[] {
    const sql = `SELECT ${LIVE_COLUMNS.join(', ')} FROM live WHERE queue = ? AND is_running = 1`
    return this.#all(sql, queue) as unknown as LiveRow[]
  }

  page(queue: string, after: number, limit: number): RecoveredPage {
    const sql = `SELECT ${LIVE_COLUMNS.join(', ')} FROM live WHERE seq > ? ORDER BY seq`
    const records: RecoveredPage['records'][number][] = []
    let bytes = 0
    let next: number | undefined
    // By number, not by queue: a store has few queues, and there is no index to be kept for more.
    for (const row of this.#statements.of(sql).iterate(after)) {
      const live = row as unknown as LiveRow
      if (live.queue !== queue) continue
      // All were looked at when the store was opened; since then only we have written.
      if (!isIntact(live)) throw corrupt(`the record ${live.seq} has changed while the store was open`)
      records.push(liveRecordOf(live))
      bytes += live.payload.length
      if (records.length < limit && bytes < PAGE_BYTES) continue
      next = live.seq
      break
    }
    return { records, next, isPaused: countsOf(this.#meta, queue).isPaused }
  }

  freePages(): number {
    return oneValue(this.#database, 'PRAGMA freelist_count') as number
  }

  /** After a transaction that was rolled back. */
  readMetaAnew(): void {
    const row = this.#statements.of(`SELECT ${META_COLUMNS} FROM meta WHERE one = 1`).get()
    const meta = row === undefined ? undefined : metaOf(row)
    if (meta === undefined) throw corrupt('what the store knows of itself is damaged')
    // Numbers that were taken are not given again.
    Object.assign(this.#meta, meta, { seq: Math.max(meta.seq, this.#meta.seq) })
  }

  #find(queue: string | undefined, id: string): StoredView | undefined {
    let found: StoredView | undefined
    for (const name of this.#queues(queue)) {
      for (const view of [
        ...this.#views('live', 'queue = ? AND id = ?', [name, id], 1),
        ...this.#views('ended', 'queue = ? AND id = ?', [name, id], 1),
        ...this.#views('dead', 'queue = ? AND id = ?', [name, id], 1),
      ]) {
        if (view.generation > (found?.generation ?? -1)) found = view
      }
    }
    return found
  }

  #list(queue: string | undefined, query: StoreQuery): StorePage {
    const { state, priority, id, error, cursor, limit = 100 } = query
    const where: string[] = []
    const values: Value[] = []
    const and = (condition: string, ...more: Value[]) => {
      where.push(condition)
      values.push(...more)
    }
    if (queue !== undefined) and('queue = ?', queue)
    if (cursor !== undefined) and('seq < ?', seqOf(cursor))
    if (priority !== undefined) and('tier = ?', tierOf(priority))
    if (id !== undefined) and('substr(id, 1, length(?)) = ?', id, id)
    const found: StoredView[] = []
    for (const table of tablesOf(state)) {
      const conditions = [...where]
      const bound = [...values]
      if (table === 'live' && state !== undefined && state !== 'live') {
        const now = Date.now()
        conditions.push(LIVE_STATES[state as keyof typeof LIVE_STATES])
        if (state !== 'running') bound.push(now)
      }
      if (table === 'ended' && state !== undefined) {
        conditions.push('outcome = ?')
        bound.push(state)
      }
      if (error !== undefined) {
        if (table === 'live') continue
        conditions.push('error_code = ?')
        bound.push(error)
      }
      for (const view of this.#views(table, conditions.join(' AND ') || '1', bound, limit + 1)) found.push(view)
    }
    found.sort((a, b) => b.generation - a.generation)
    const records = found.slice(0, limit)
    return { records, cursor: found.length > limit ? records.at(-1)?.generation.toString(36) : undefined }
  }

  #stats(queue: string | undefined): StoreStats {
    const sum = { live: 0, completed: 0, expired: 0, cancelled: 0, shed: 0, dead: 0, isPaused: false }
    for (const name of this.#queues(queue)) {
      const counts = countsOf(this.#meta, name)
      sum.live += liveOf(counts)
      for (const each of ['completed', 'expired', 'cancelled', 'shed', 'dead'] as const) sum[each] += counts[each]
      sum.isPaused ||= counts.isPaused
    }
    const since = Date.now() - DAY_MS
    const rows =
      queue === undefined
        ? this.#all('SELECT * FROM queue_metrics WHERE at >= ? ORDER BY at, tier', since)
        : this.#all('SELECT * FROM queue_metrics WHERE at >= ? AND queue = ? ORDER BY at, tier', since, queue)
    return { ...sum, minutes: rows.map(minuteOf) }
  }

  #export(table: 'live' | 'ended' | 'dead', after: number): StoredView[] {
    const views: StoredView[] = []
    let bytes = 0
    for (const row of this.#statements
      .of(`SELECT * FROM ${table} WHERE seq > ? ORDER BY seq LIMIT ${EXPORT_PAGE}`)
      .iterate(after)) {
      const view = viewOf(table, row)
      views.push(view)
      bytes += (bytesOf(view.payload)?.length ?? 0) + (bytesOf(view.result)?.length ?? 0)
      if (bytes > PAGE_BYTES) break
    }
    return views
  }

  #views(table: 'live' | 'ended' | 'dead', where: string, values: Value[], limit: number): StoredView[] {
    const sql = `SELECT * FROM ${table} WHERE ${where} ORDER BY seq DESC LIMIT ?`
    const rows = this.#all(sql, ...values, limit)
    return rows.map((row) => viewOf(table, row))
  }

  #queues(queue: string | undefined): readonly string[] {
    return queue === undefined ? [...this.#meta.queues.keys()] : [queue]
  }

  #all(sql: string, ...values: Value[]): Row[] {
    return this.#statements.of(sql).all(...values)
  }
}

const LIVE_STATES = {
  running: 'is_running = 1',
  held: 'is_running = 0 AND start_at > ?',
  waiting: 'is_running = 0 AND ifnull(start_at, 0) <= ?',
}

function tablesOf(state: StoreQuery['state']): readonly ('live' | 'ended' | 'dead')[] {
  if (state === undefined) return ['live', 'ended', 'dead']
  if (state === 'live' || state in LIVE_STATES) return ['live']
  return state === 'dead' ? ['dead'] : ['ended']
}

/** One that has changed on the disk is shown without what can't be trusted. */
function viewOf(table: 'live' | 'ended' | 'dead', row: Row): StoredView {
  if (table === 'live') return liveView(row as unknown as LiveRow, Date.now())
  if (table === 'ended') {
    const kept = row as unknown as KeptRow
    const view = keptView(kept)
    return row.checksum === keptSum(kept)
      ? view
      : { ...view, result: undefined, resultOmitted: 'the record is damaged' }
  }
  const dead = row as unknown as DeadRow
  const view = deadView(dead)
  return row.checksum === deadSum(dead) ? view : { ...view, reason: 'corrupt' }
}

function minuteOf(row: Row): StoreStats['minutes'][number] {
  const number = (value: unknown) => (value as number | null) ?? undefined
  const { at, tier, submitted, completed, failed, expired, cancelled, shed, most_waiting } = row as Record<
    string,
    number
  >
  return {
    ...{ at, submitted, completed, failed, expired, cancelled, shed },
    ...{ priority: priorityOf(tier as number), mostWaiting: most_waiting },
    ...{ waitP50Ms: number(row.wait_p50_ms), waitP95Ms: number(row.wait_p95_ms), waitP99Ms: number(row.wait_p99_ms) },
    ...{ slotsBusy: number(row.slots_busy), mostSlotsBusy: number(row.most_slots_busy), shard: number(row.shard) },
  } as StoreStats['minutes'][number]
}

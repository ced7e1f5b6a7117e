/**
 * What each operation does to the tables. Each says the same when it is done twice: of what was sent when the disk failed, it is
 * not known whether it was committed.
 */
import type { Minutes } from '../core/keep/minutes.ts'
import type { Admission, LiveRecord, StoredLimits } from '../core/store.ts'
import type { BusySlots } from './busy-slots.ts'
import type { Database, Row, Statement, Value } from './database.ts'
import { addLive, countsOf, type Meta } from './meta.ts'
import { liveRecordOf } from './records.ts'
import { corruptOf } from './repair.ts'
import {
  bodySum,
  DEAD_COLUMNS,
  type DeadRow,
  deadSum,
  type EndedRow,
  isSame,
  KEPT_COLUMNS,
  type KeptRow,
  keptSum,
  LIVE_COLUMNS,
  type LiveRow,
  type LiveState,
  payloadHash,
  STATE_COLUMNS,
  stateSum,
} from './rows.ts'
import * as wire from './wire.ts'

const insert = (table: string, columns: readonly string[]) =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`

const changing = STATE_COLUMNS.filter((column) => column !== 'seq')
const KEPT = [...KEPT_COLUMNS, 'checksum']
const DEAD = [...DEAD_COLUMNS, 'checksum']

export class Changes {
  readonly #meta: Meta
  readonly #minutes: Minutes
  readonly #slots: BusySlots
  readonly #sql: { readonly [name: string]: Statement }

  constructor(database: Database, meta: Meta, minutes: Minutes, slots: BusySlots) {
    this.#meta = meta
    this.#minutes = minutes
    this.#slots = slots
    const state = STATE_COLUMNS.join(', ')
    const statements = {
      stateOf: `SELECT queue, ${state} FROM live WHERE seq = ?`,
      liveOf: `SELECT ${LIVE_COLUMNS.join(', ')} FROM live WHERE seq = ?`,
      liveById: 'SELECT seq, payload FROM live WHERE queue = ? AND id = ?',
      completedById:
        "SELECT * FROM ended WHERE queue = ? AND id = ? AND outcome = 'completed' ORDER BY seq DESC LIMIT 1",
      deadById: 'SELECT * FROM dead WHERE queue = ? AND id = ? ORDER BY seq DESC LIMIT 1',
      insertLive: `${insert('live', LIVE_COLUMNS)} ON CONFLICT (queue, id) DO NOTHING`,
      updateState: `UPDATE live SET ${changing.map((column) => `${column} = ?`).join(', ')}, state_sum = ? WHERE seq = ?`,
      deleteLive: 'DELETE FROM live WHERE seq = ?',
      insertKept: insert('ended', KEPT),
      insertDead: insert('dead', DEAD),
      deleteDead: 'DELETE FROM dead WHERE seq = ?',
    }
    this.#sql = Object.fromEntries(Object.entries(statements).map(([name, sql]) => [name, database.prepare(sql)]))
  }

  carryOut(operation: wire.Operation): wire.Answer {
    switch (operation[0]) {
      case wire.Op.ADMIT:
        return this.#admit(operation)
      case wire.Op.BEGIN:
        return this.#begin(operation)
      case wire.Op.ATTEMPT_ENDED:
        return this.#attemptEnded(operation)
      case wire.Op.END:
        return this.#end(operation)
      case wire.Op.CHANGE:
        return this.#change(operation)
      case wire.Op.PAUSE:
        countsOf(this.#meta, operation[1]).isPaused = operation[2]
        return undefined
      case wire.Op.WITHDRAW:
        return this.#withdraw(operation)
      case wire.Op.UNREADABLE:
        return this.#unreadable(operation)
      case wire.Op.REQUEUE:
        return this.#requeue(operation)
      case wire.Op.DISCARD:
        return this.#discard(operation)
    }
  }

  /** Undefined: it is stored. */
  #admit(operation: wire.Admit): Admission | undefined {
    const [, seq, queue, id, isKey, kind, tier, payload, metadata, submitted_at, start_at, limits, started_at] =
      operation
    this.#meta.seq = Math.max(this.#meta.seq, seq)
    // What is live is not asked for first: that it can't be stored beside it says the same, and costs one search less.
    const known = isKey ? this.#completed(queue, id, payload) : undefined
    if (known !== undefined) return known
    const attempts = started_at === null ? 0 : 1
    const isStored = this.#insertLive({
      ...{ seq, queue, id, is_key: isKey ? 1 : 0, kind, submitted_at, metadata, payload },
      ...{ tier, attempts, crashes: 0, is_running: attempts, start_at, started_at, limits, error: null },
    })
    if (!isStored) return this.#live(queue, id, payload)
    this.#minutes.submitted(queue, tier, attempts === 0)
    if (started_at !== null) this.#slots.began(seq, queue, tier, started_at)
    return undefined
  }

  #live(queue: string, id: string, payload: LiveRow['payload']): Admission {
    const live = this.#get<Pick<LiveRow, 'seq' | 'payload'>>('liveById', queue, id) as LiveRow
    const { seq } = live
    return isSame(live.payload, payload) ? { as: 'live', seq } : { as: 'payload', seq, isLive: true }
  }

  #completed(queue: string, id: string, payload: LiveRow['payload']): Admission | undefined {
    if (countsOf(this.#meta, queue).completed === 0) return undefined
    const kept = this.#get<KeptRow & { checksum: number }>('completedById', queue, id)
    if (kept === undefined || kept.checksum !== keptSum(kept) || kept.payload_hash === null) return undefined
    const { seq, result, result_omitted } = kept
    if (!isSame(kept.payload_hash, payloadHash(payload))) return { as: 'payload', seq, isLive: false }
    return {
      as: 'known',
      seq,
      result: result ?? undefined,
      ...(result_omitted === null ? {} : { omitted: result_omitted }),
    }
  }

  #begin([, seq, attempt, startedAt]: wire.Begin): undefined {
    const state = this.#state(seq)
    if (state === undefined) return
    if (state.is_running === 0) this.#minutes.waits(state.queue, state.tier, -1)
    this.#slots.began(seq, state.queue, state.tier, startedAt)
    const attempts = Math.max(state.attempts, attempt)
    this.#update({ ...state, attempts, is_running: 1, start_at: null, started_at: startedAt })
  }

  #attemptEnded([, seq, attempt, error, retryAt]: wire.AttemptEnded): undefined {
    const state = this.#state(seq)
    if (state === undefined || state.attempts > attempt) return
    if (state.is_running === 1) this.#minutes.waits(state.queue, state.tier, 1)
    this.#slots.ended(seq, Date.now())
    const attempts = Math.max(state.attempts, attempt)
    this.#update({ ...state, attempts, is_running: 0, start_at: retryAt, error: error ?? state.error })
  }

  #end(operation: wire.End): undefined {
    const [, seq, outcome, isDead, ended_at, attempts, started_at, wait_ms, run_ms, slot] = operation
    const [, , , , , , , , , , result, result_omitted, error, error_code] = operation
    // Also where its end can't be written: its slot is free.
    this.#slots.ended(seq, ended_at)
    const live = this.#get<LiveRow>('liveOf', seq)
    // It was never stored, or this has been said before.
    if (live === undefined) return
    const { queue, id, is_key, kind, tier, crashes, submitted_at, metadata } = live
    this.#removeLive(live)
    const ended: EndedRow = {
      ...{ seq, queue, id, is_key, kind, tier, outcome, attempts: Math.max(attempts, live.attempts), crashes },
      ...{ fair_key: keyOf(live.limits), submitted_at, started_at: started_at ?? live.started_at, ended_at },
      ...{ wait_ms, run_ms, slot, error, error_code, metadata },
    }
    this.#minutes.ended(queue, tier, outcome, wait_ms, live.is_running === 0)
    if (isDead) {
      this.#insertDead({ ...ended, reason: outcome, limits: live.limits, payload: live.payload })
      return
    }
    countsOf(this.#meta, queue)[outcome as 'completed']++
    const payload_hash = is_key === 1 && outcome === 'completed' ? payloadHash(live.payload) : null
    const row: KeptRow = { ...ended, payload_hash, result, result_omitted }
    this.#run('insertKept', ...KEPT_COLUMNS.map((column) => row[column]), keptSum(row))
  }

  #change([, seq, tier, startAt, limits]: wire.Change): undefined {
    const state = this.#state(seq)
    if (state === undefined) return
    const { queue } = state
    if (tier !== null && tier !== state.tier) {
      addLive(this.#meta, seq, queue, state.tier, -1)
      addLive(this.#meta, seq, queue, tier, 1)
      if (state.is_running === 0) this.#minutes.moves(queue, state.tier, tier)
    }
    const start_at = startAt === undefined ? state.start_at : startAt
    this.#update({ ...state, tier: tier ?? state.tier, start_at, limits: limits ?? state.limits })
  }

  #withdraw([, seq, attempt]: wire.Withdraw): undefined {
    if (attempt !== undefined) {
      // The attempt has not begun; it will be asked for again, with the same number.
      const state = this.#state(seq)
      if (state === undefined || state.attempts !== attempt || state.is_running === 0) return
      this.#minutes.waits(state.queue, state.tier, 1)
      this.#slots.ended(seq, undefined)
      this.#update({ ...state, attempts: attempt - 1, is_running: 0 })
      return
    }
    this.#slots.ended(seq, undefined)
    const live = this.#get<LiveRow>('liveOf', seq)
    if (live === undefined) return
    this.#removeLive(live)
    if (live.is_running === 0) this.#minutes.waits(live.queue, live.tier, -1)
  }

  #unreadable([, seq, error]: wire.Unreadable): undefined {
    const live = this.#get<LiveRow>('liveOf', seq)
    if (live === undefined) return
    this.#removeLive(live)
    if (live.is_running === 0) this.#minutes.waits(live.queue, live.tier, -1)
    this.#insertDead({ ...corruptOf(live as unknown as Row, seq), error })
  }

  #requeue([, seq, queue, id, generation, at]: wire.Requeue): LiveRecord | undefined {
    this.#meta.seq = Math.max(this.#meta.seq, seq)
    const dead = this.#letter(queue, id, generation)
    if (dead === undefined || dead.reason === 'corrupt' || dead.checksum !== deadSum(dead)) return undefined
    if (this.#get('liveById', dead.queue, id) !== undefined) return undefined
    // It was answered meanwhile.
    const answered = this.#get<KeptRow>('completedById', dead.queue, id)
    if (answered !== undefined && answered.seq > dead.seq) return undefined
    this.#removeDead(dead)
    const { is_key, kind, tier, metadata, payload, limits } = dead
    const row: Omit<LiveRow, 'body_sum' | 'state_sum'> = {
      ...{ seq, queue: dead.queue, id, is_key, kind, submitted_at: at, metadata, payload },
      ...{
        tier,
        attempts: 0,
        crashes: 0,
        is_running: 0,
        start_at: null,
        started_at: null,
        limits: again(limits),
        error: null,
      },
    }
    this.#insertLive(row)
    this.#minutes.submitted(dead.queue, tier, true)
    return liveRecordOf(row)
  }

  #discard([, queue, id, generation]: wire.Discard): boolean {
    const dead = this.#letter(queue, id, generation)
    if (dead !== undefined) this.#removeDead(dead)
    return dead !== undefined
  }

  /** Counts a crash. Of one with too many of them nothing is left but a dead letter. */
  crashed(row: LiveRow, maxAttempts: number): boolean {
    const crashes = row.crashes + 1
    if (crashes < maxAttempts) {
      this.#update({ ...stateOf(row), crashes, is_running: 0 })
      return false
    }
    const { seq, queue, id, is_key, kind, tier, attempts, submitted_at, started_at, metadata, payload, limits, error } =
      row
    this.#removeLive(row)
    this.#insertDead({
      ...{ seq, queue, id, is_key, kind, tier, outcome: 'failed', attempts, crashes, fair_key: keyOf(limits) },
      ...{ submitted_at, started_at, ended_at: Date.now(), wait_ms: null, run_ms: null, slot: null },
      ...{ error, error_code: null, metadata, payload, reason: 'crashed', limits },
    })
    return true
  }

  #letter(queue: string | null, id: string, generation: number | null): (DeadRow & { checksum: number }) | undefined {
    let dead: (DeadRow & { checksum: number }) | undefined
    if (queue !== null) dead = this.#get('deadById', queue, id)
    else {
      for (const name of this.#meta.queues.keys()) {
        const found = this.#get<DeadRow & { checksum: number }>('deadById', name, id)
        if (found !== undefined && found.seq > (dead?.seq ?? -1)) dead = found
      }
    }
    return generation === null || dead?.seq === generation ? dead : undefined
  }

  /** False: one with its id is live. */
  #insertLive(row: Omit<LiveRow, 'body_sum' | 'state_sum'>): boolean {
    const whole: LiveRow = { ...row, body_sum: bodySum(row), state_sum: stateSum(row) }
    const changes = this.#run('insertLive', ...LIVE_COLUMNS.map((column) => whole[column as keyof LiveRow]))
    if (changes === 0) return false
    addLive(this.#meta, row.seq, row.queue, row.tier, 1)
    return true
  }

  #removeLive({ seq, queue, tier }: LiveRow): void {
    this.#run('deleteLive', seq)
    addLive(this.#meta, seq, queue, tier, -1)
  }

  #insertDead(row: DeadRow): void {
    this.#run('insertDead', ...DEAD_COLUMNS.map((column) => row[column]), deadSum(row))
    countsOf(this.#meta, row.queue).dead++
  }

  #removeDead({ seq, queue }: DeadRow): void {
    this.#run('deleteDead', seq)
    countsOf(this.#meta, queue).dead--
  }

  #state(seq: number): (LiveState & { queue: string }) | undefined {
    return this.#get('stateOf', seq)
  }

  #update(state: LiveState): void {
    const values = changing.map((column) => state[column])
    this.#run('updateState', ...values, stateSum(state), state.seq)
  }

  #get<T>(name: string, ...values: Value[]): T | undefined {
    return (this.#sql[name] as Statement).get(...values) as T | undefined
  }

  #run(name: string, ...values: Value[]): number | bigint {
    return (this.#sql[name] as Statement).run(...values).changes
  }
}

function stateOf(row: LiveRow): LiveState {
  const { seq, tier, attempts, crashes, is_running, start_at, started_at, limits, error } = row
  return { seq, tier, attempts, crashes, is_running, start_at, started_at, limits, error }
}

function keyOf(limits: string): string | null {
  return (JSON.parse(limits) as StoredLimits).key ?? null
}

/** A new life does not wait again for those it had waited for. */
function again(limits: string): string {
  const { after: _, ...rest } = JSON.parse(limits) as StoredLimits
  return JSON.stringify(rest)
}

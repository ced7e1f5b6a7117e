/**
 * The rows of the tables, and their checksums: a row that is not what was written is never run, and never told.
 *
 * A live row has two: one of what never changes (the payload among it), and one of what does, so that a change need not read the
 * payload. Both include the number of the row.
 */
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Bytes } from '../core/keep/codec.ts'
import type { Row } from './database.ts'

/** What may change of a live row. */
export interface LiveState {
  seq: number
  tier: number
  attempts: number
  crashes: number
  /** 1: an attempt has begun, and has not ended. */
  is_running: number
  start_at: number | null
  started_at: number | null
  limits: string
  error: string | null
}

/** What never changes. */
export interface LiveBody {
  seq: number
  queue: string
  id: string
  is_key: number
  kind: string | null
  submitted_at: number
  metadata: Bytes | null
  payload: Bytes
}

export interface LiveRow extends LiveState, LiveBody {
  body_sum: number
  state_sum: number
}

/** What `ended` and `dead` have in common. */
export interface EndedRow {
  seq: number
  queue: string
  id: string
  is_key: number
  kind: string | null
  tier: number
  outcome: string
  attempts: number
  crashes: number
  fair_key: string | null
  submitted_at: number
  started_at: number | null
  ended_at: number
  wait_ms: number | null
  run_ms: number | null
  slot: number | null
  error: string | null
  error_code: string | null
  metadata: Bytes | null
}

export interface KeptRow extends EndedRow {
  payload_hash: Uint8Array | null
  result: Bytes | null
  result_omitted: string | null
}

export interface DeadRow extends EndedRow {
  reason: string
  limits: string
  payload: Bytes
}

const ENDED = [
  ...['seq', 'queue', 'id', 'is_key', 'kind', 'tier', 'outcome', 'attempts', 'crashes', 'fair_key', 'submitted_at'],
  ...['started_at', 'ended_at', 'wait_ms', 'run_ms', 'slot', 'error', 'error_code', 'metadata'],
] as const

export const STATE_COLUMNS = [
  ...['seq', 'tier', 'attempts', 'crashes', 'is_running', 'start_at', 'started_at', 'limits', 'error'],
] as const
const BODY_COLUMNS = ['seq', 'queue', 'id', 'is_key', 'kind', 'submitted_at', 'metadata', 'payload'] as const
export const LIVE_COLUMNS = [
  ...BODY_COLUMNS,
  ...STATE_COLUMNS.filter((column) => column !== 'seq'),
  ...['body_sum', 'state_sum'],
]
export const KEPT_COLUMNS = [...ENDED, 'payload_hash', 'result', 'result_omitted'] as const
export const DEAD_COLUMNS = [...ENDED, 'reason', 'limits', 'payload'] as const

/** The checksum of some columns, in their order: their types and lengths are part of it. */
function sumOf(row: object, columns: readonly string[]): number {
  let head = ''
  let sum = 0
  for (const column of columns) {
    const value = (row as Row)[column]
    if (value instanceof Uint8Array) {
      head += `b${value.byteLength},`
      sum = crc32(value, sum)
    } else if (typeof value === 'string') {
      head += `s${value.length},`
      sum = crc32(value, sum)
    } else {
      // null, a number, or a bigint, which is none of ours.
      head += `${typeof value === 'bigint' ? 'big' : ''}${value},`
    }
  }
  return crc32(head, sum)
}

export function bodySum(row: LiveBody): number {
  return sumOf(row, BODY_COLUMNS)
}

export function stateSum(row: LiveState): number {
  return sumOf(row, STATE_COLUMNS)
}

export function isIntact(row: LiveRow): boolean {
  return row.body_sum === bodySum(row) && row.state_sum === stateSum(row)
}

export function keptSum(row: KeptRow): number {
  return sumOf(row, KEPT_COLUMNS)
}

export function deadSum(row: DeadRow): number {
  return sumOf(row, DEAD_COLUMNS)
}

/** What tells whether another payload is the same, once this one is kept no more. */
export function payloadHash(payload: Bytes): Uint8Array {
  const bytes = hash('sha256', payload, 'buffer').subarray(0, 16)
  // The same bytes from another codec are another payload.
  bytes[0] = typeof payload === 'string' ? 0 : 1
  return bytes
}

export function isSame(a: Bytes, b: Bytes): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return Buffer.compare(a, b) === 0
}

/**
 * What does the store know of itself? One row: how much was committed, the greatest number, how many records each queue has.
 *
 * The number of live records and a digest of their numbers stand beside them, so that a record that is missing is missed. The row
 * has a checksum of its own.
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Row, Value } from './database.ts'

/** How many records a queue has. */
export interface QueueCounts {
  isPaused: boolean
  /** By tier. */
  live: number[]
  completed: number
  expired: number
  cancelled: number
  shed: number
  dead: number
}

/** Kept in memory, and written with each commit. */
export interface Meta {
  instance: string
  codec: string
  createdAt: number
  commits: number
  /** The greatest number that was used. */
  seq: number
  live: number
  digest: number
  queues: Map<string, QueueCounts>
  isClean: boolean
}

export function newMeta(codec: string): Meta {
  return {
    ...{ instance: randomBytes(8).toString('hex'), codec, createdAt: Date.now() },
    ...{ commits: 0, seq: 0, live: 0, digest: 0, queues: new Map(), isClean: false },
  }
}

export function countsOf(meta: Meta, queue: string): QueueCounts {
  let counts = meta.queues.get(queue)
  if (counts === undefined) {
    counts = { isPaused: false, live: [0, 0, 0, 0], completed: 0, expired: 0, cancelled: 0, shed: 0, dead: 0 }
    meta.queues.set(queue, counts)
  }
  return counts
}

export function liveOf({ live }: QueueCounts): number {
  return live.reduce((sum, each) => sum + each, 0)
}

/** What one number adds to the digest, which is a sum modulo 2^32. */
export function digestOf(seq: number): number {
  return crc32(String(seq))
}

export function addLive(meta: Meta, seq: number, queue: string, tier: number, one: 1 | -1): void {
  meta.live += one
  meta.digest = (meta.digest + one * digestOf(seq)) >>> 0
  const { live } = countsOf(meta, queue)
  live[tier] = (live[tier] as number) + one
}

export const META_COLUMNS = 'instance, codec, created_at, commits, seq, live, digest, queues, is_clean, checksum'

export function metaValues(meta: Meta): Value[] {
  const { instance, codec, createdAt, commits, seq, live, digest, queues, isClean } = meta
  const values = [instance, codec, createdAt, commits, seq, live, digest, JSON.stringify([...queues]), isClean ? 1 : 0]
  return [...values, crc32(JSON.stringify(values))]
}

/** Undefined: it is not what was written. */
export function metaOf(row: Row): Meta | undefined {
  const { instance, codec, created_at, commits, seq, live, digest, queues, is_clean, checksum } = row
  const values = [instance, codec, created_at, commits, seq, live, digest, queues, is_clean]
  if (crc32(JSON.stringify(values, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))) !== checksum) {
    return undefined
  }
  const read = { instance, codec, createdAt: created_at, commits, seq, live, digest } as Meta
  return { ...read, queues: new Map(JSON.parse(queues as string)), isClean: is_clean === 1 }
}

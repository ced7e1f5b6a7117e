/**
 * What do the files say? Recovery is a function of the files: this only reads, and leaves them as they are.
 *
 *     the file as a whole      can't be read, or is not what it should be ──▶ Fault 'corrupt': nothing is opened
 *     a row                    is not what was written                   ──▶ found, so that it can be set aside
 *     rows that are missing    by number and digest                      ──▶ found
 *     commits that are missing by the witness                            ──▶ found
 *
 * Of a large file only what lives is looked at, so that opening it takes as long as there is of that.
 */
import type { StoreDamage } from '../core/store.ts'
import type { Database, Row, Value } from './database.ts'
import { corrupt } from './fault.ts'
import { countsOf, digestOf, liveOf, META_COLUMNS, type Meta, metaOf, newMeta } from './meta.ts'
import {
  DEAD_COLUMNS,
  type DeadRow,
  deadSum,
  isIntact,
  KEPT_COLUMNS,
  type KeptRow,
  keptSum,
  LIVE_COLUMNS,
  type LiveRow,
} from './rows.ts'
import { scan } from './scan.ts'
import type { Mark } from './witness.ts'

/** A row that is not what was written. */
export interface BadRow {
  readonly table: 'live' | 'ended' | 'dead'
  readonly seq: Value
  readonly row: Row
  readonly isReadable: boolean
}

export interface Findings {
  /** As it should be: counted anew where the one in the file was damaged. */
  readonly meta: Meta
  readonly bad: readonly BadRow[]
  readonly damage: readonly StoreDamage[]
  readonly warnings: readonly string[]
}

/**
 * @param isWhole look at what has ended, too
 * @throws {Fault} and the driver's errors
 */
export function inspect(
  database: Database,
  mark: Mark | 'missing' | 'damaged',
  codec: string,
  isWhole: boolean,
): Findings {
  requireSound(database, isWhole ? '' : '(live)')
  const bad: BadRow[] = []
  const damage: StoreDamage[] = []
  const warnings: string[] = []
  const inFile = readMeta(database)
  const live = countLive(database, bad)
  const counted = countAll(database, live, isWhole ? bad : undefined, isWhole ? undefined : inFile)
  let meta = counted
  if (inFile === undefined) {
    meta.codec = codec
    damage.push({
      kind: 'records',
      count: 0,
      message: 'what the store knows of itself was damaged, and was counted anew; queues that were paused are not',
    })
  } else {
    const lost = bad.filter(({ table, isReadable }) => table === 'ended' || (table === 'dead' && !isReadable)).length
    compare(inFile, counted, live, lost, damage)
    meta = { ...inFile, seq: Math.max(inFile.seq, counted.seq), live: live.count, digest: live.digest }
    for (const [queue, { isPaused }] of inFile.queues) countsOf(counted, queue).isPaused = isPaused
    meta.queues = counted.queues
  }
  for (const each of bad) damage.push(describeBad(each))
  witnessed(meta, inFile === undefined, mark, damage, warnings)
  return { meta, bad, damage, warnings }
}

function requireSound(database: Database, what: string): void {
  const rows = database.prepare(`PRAGMA integrity_check${what}`).all()
  const first = rows[0]?.integrity_check
  // What a check constraint says of a row is what its checksum says, too.
  if (first !== 'ok') throw corrupt(`the file is damaged (${String(first)})`)
}

function readMeta(database: Database): Meta | undefined {
  const statement = database.prepare(`SELECT ${META_COLUMNS} FROM meta WHERE one = 1`)
  try {
    const row = statement.get()
    return row === undefined ? undefined : metaOf(row)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_OUT_OF_RANGE') return undefined
    throw error
  }
}

interface LiveCount {
  /** Those that are as they were written. */
  count: number
  digest: number
  /** Of all, and the bad ones. */
  allCount: number
  allDigest: number
  greatest: number
  readonly queues: Map<string, number[]>
}

function countLive(database: Database, bad: BadRow[]): LiveCount {
  const all: LiveCount = { count: 0, digest: 0, allCount: 0, allDigest: 0, greatest: 0, queues: new Map() }
  for (const { seq, row, isReadable } of scan(database, 'live', LIVE_COLUMNS)) {
    const digest = digestOf(Number(seq))
    all.allCount++
    all.allDigest = (all.allDigest + digest) >>> 0
    if (!isReadable || !isIntact(row as unknown as LiveRow)) {
      bad.push({ table: 'live', seq, row, isReadable })
      continue
    }
    const { queue, tier } = row as unknown as LiveRow
    const tiers = all.queues.get(queue) ?? [0, 0, 0, 0]
    tiers[tier] = (tiers[tier] as number) + 1
    all.queues.set(queue, tiers)
    all.count++
    all.digest = (all.digest + digest) >>> 0
    all.greatest = Math.max(all.greatest, seq as number)
  }
  return all
}

/** @param bad where the bad rows of what has ended go; undefined: it is not looked at, and counted as `inFile` says */
function countAll(database: Database, live: LiveCount, bad: BadRow[] | undefined, inFile: Meta | undefined): Meta {
  const meta = newMeta('')
  meta.live = live.count
  meta.digest = live.digest
  meta.seq = live.greatest
  for (const [queue, tiers] of live.queues) countsOf(meta, queue).live = tiers
  if (bad === undefined && inFile !== undefined) {
    for (const [queue, counts] of inFile.queues) {
      meta.queues.set(queue, { ...counts, live: live.queues.get(queue) ?? [0, 0, 0, 0] })
    }
    return meta
  }
  for (const { seq, row, isReadable } of scan(database, 'ended', [...KEPT_COLUMNS, 'checksum'])) {
    if (!isReadable || row.checksum !== keptSum(row as unknown as KeptRow)) {
      bad?.push({ table: 'ended', seq, row, isReadable })
      continue
    }
    const outcome = row.outcome as 'completed' | 'expired' | 'cancelled' | 'shed'
    countsOf(meta, row.queue as string)[outcome]++
    meta.seq = Math.max(meta.seq, seq as number)
  }
  for (const { seq, row, isReadable } of scan(database, 'dead', [...DEAD_COLUMNS, 'checksum'])) {
    const isGood = isReadable && row.checksum === deadSum(row as unknown as DeadRow)
    if (!isGood) bad?.push({ table: 'dead', seq, row, isReadable })
    // One that can be read stays, as a corrupt one.
    if (isReadable) countsOf(meta, String(row.queue)).dead++
    if (isGood) meta.seq = Math.max(meta.seq, seq as number)
  }
  return meta
}

/**
 * Are there as many as there should be, and these?
 * @param lost of what has ended, those that are known to be damaged
 */
function compare(inFile: Meta, counted: Meta, live: LiveCount, lost: number, damage: StoreDamage[]): void {
  if (live.allCount !== inFile.live || live.allDigest !== inFile.digest) {
    const missing = inFile.live - live.allCount
    const message =
      missing > 0
        ? `${missing} of ${inFile.live} live records are missing`
        : `the live records are not those that were written (${live.allCount} were found, and ${inFile.live} were written)`
    damage.push({ kind: 'records', count: Math.max(missing, 1), message })
  }
  const kept = (meta: Meta) => {
    let sum = 0
    for (const { completed, expired, cancelled, shed, dead } of meta.queues.values()) {
      sum += completed + expired + cancelled + shed + dead
    }
    return sum
  }
  const missing = kept(inFile) - kept(counted) - lost
  if (missing > 0)
    damage.push({ kind: 'records', count: missing, message: `${missing} records of what has ended are missing` })
}

function describeBad({ table, row }: BadRow): StoreDamage {
  const became = {
    live: 'It is a dead letter now (corrupt), and will not run',
    ended: 'It is kept no more',
    dead: 'It can not be requeued',
  }
  const queue = String(row.queue).slice(0, 200)
  const id = String(row.id).slice(0, 200)
  const message = `The record of the request '${id}' of '${queue}' in '${table}' is not what was written. ${became[table]}`
  return { kind: 'row', count: 1, queue, id, message }
}

function witnessed(
  meta: Meta,
  isCounted: boolean,
  mark: Mark | 'missing' | 'damaged',
  damage: StoreDamage[],
  warnings: string[],
): void {
  if (typeof mark === 'string') {
    warnings.push(`the witness is ${mark}: whether commits were lost at the end is not known`)
  } else if (isCounted || mark.instance !== meta.instance) {
    warnings.push('the witness is of another store: whether commits were lost at the end is not known')
    if (isCounted) meta.seq = Math.max(meta.seq, mark.seq)
  } else {
    meta.seq = Math.max(meta.seq, mark.seq)
    const count = mark.commits - meta.commits
    if (count > 0) {
      damage.push({ kind: 'commits', count, message: `${count} commits that were acknowledged are not in the file` })
    }
  }
}

/** For the report. */
export function deadIn(meta: Meta): number {
  let dead = 0
  for (const counts of meta.queues.values()) dead += counts.dead
  return dead
}

/** Does it hold nothing at all? */
export function isEmpty(meta: Meta): boolean {
  for (const counts of meta.queues.values()) {
    const { completed, expired, cancelled, shed, dead } = counts
    if (liveOf(counts) + completed + expired + cancelled + shed + dead > 0) return false
  }
  return true
}

/**
 * The part of one executor.
 */
import { InvalidRequestError } from '../core/errors.ts'
import { readQuery } from '../core/keep/store-query.ts'
import { storedError } from '../core/keep/stored-error.ts'
import { tierOf } from '../core/priority.ts'
import type {
  Admission,
  AttemptEnd,
  Encoded,
  LiveRecord,
  NewRecord,
  QueueStore,
  RecoveredPage,
  StoredChange,
  StoredEnd,
  StoredView,
  StorePage,
  StoreQuery,
  StoreStats,
} from '../core/store.ts'
import { bytesOf } from './codec.ts'
import type { Link } from './link.ts'
import type { Payloads } from './payloads.ts'
import { Op } from './wire.ts'

const PAGE = 1_000
const STORED: Admission = { as: 'stored' }

export interface QueueParts {
  readonly link: Link
  readonly payloads: Payloads
  readonly maxAttempts: number
  /** Its name is free again. */
  released(): void
}

export class SqliteQueue implements QueueStore {
  readonly name: string
  readonly #parts: QueueParts
  arrived: ((record: LiveRecord) => void) | undefined = undefined

  constructor(name: string, parts: QueueParts) {
    this.name = name
    this.#parts = parts
  }

  encode(value: unknown, what: 'request' | 'metadata'): Encoded {
    return this.#parts.payloads.encode(value, what)
  }

  decode(encoded: Encoded): unknown {
    return this.#parts.payloads.decode(bytesOf(encoded))
  }

  nextSeq(): number {
    return ++this.#parts.link.seq
  }

  async admitted(record: NewRecord): Promise<Admission> {
    const { seq, id, isKey, kind, priority, payload, metadata, submittedAt, startAt, limits, startedAt } = record
    requireText(id)
    const answer = await this.#parts.link.push(
      [
        ...([Op.ADMIT, seq, this.name, id, isKey, kind ?? null, tierOf(priority)] as const),
        ...([bytesOf(payload), bytesOf(metadata) ?? null] as const),
        ...([time(submittedAt) ?? 0, time(startAt), JSON.stringify(limits), time(startedAt)] as const),
      ],
      false,
    )
    return (answer as Admission | undefined) ?? STORED
  }

  async begins(seq: number, attempt: number, startedAt: number): Promise<void> {
    await this.#parts.link.push([Op.BEGIN, seq, attempt, time(startedAt) ?? 0], false)
  }

  async attemptEnded(seq: number, attempt: number, { error, retryAt }: AttemptEnd): Promise<void> {
    const text = error === undefined ? null : JSON.stringify(storedError(error))
    await this.#parts.link.push([Op.ATTEMPT_ENDED, seq, attempt, text, time(retryAt)], true)
  }

  async ended(seq: number, end: StoredEnd): Promise<void> {
    const { outcome, endedAt, attempts, startedAt, waitMs, runMs, slot, error } = end
    const isDead = outcome === 'failed' || end.isDead === true
    const isCompleted = outcome === 'completed'
    const answer = isCompleted ? this.#parts.payloads.answer(end.result) : undefined
    const stored = error === undefined ? undefined : storedError(error)
    await this.#parts.link.push(
      [
        ...([Op.END, seq, outcome, isDead, time(endedAt) ?? 0, attempts, time(startedAt)] as const),
        ...([duration(waitMs), duration(runMs), slot ?? null] as const),
        ...([answer?.result ?? null, answer?.omitted ?? null] as const),
        ...([stored === undefined ? null : JSON.stringify(stored), stored?.code ?? stored?.name ?? null] as const),
      ],
      true,
    )
  }

  async changed(seq: number, { priority, startAt, limits }: StoredChange): Promise<void> {
    const tier = priority === undefined ? null : tierOf(priority)
    const at = startAt === undefined ? undefined : time(startAt)
    await this.#parts.link.push([Op.CHANGE, seq, tier, at, limits === undefined ? null : JSON.stringify(limits)], true)
  }

  async paused(isPaused: boolean): Promise<void> {
    await this.#parts.link.push([Op.PAUSE, this.name, isPaused], true)
  }

  async recover(after?: number, limit = PAGE): Promise<RecoveredPage> {
    const { link, maxAttempts } = this.#parts
    return await link.ask({ what: 'recover', queue: this.name, maxAttempts, after, limit })
  }

  async unreadable(seq: number, error: unknown): Promise<void> {
    await this.#parts.link.push([Op.UNREADABLE, seq, JSON.stringify(storedError(error))], true)
  }

  async requeue(id: string, generation?: number): Promise<LiveRecord | undefined> {
    const operation = [Op.REQUEUE, this.nextSeq(), this.name, id, generation ?? null, Date.now()] as const
    return (await this.#parts.link.push(operation, false)) as LiveRecord | undefined
  }

  async discard(id: string, generation?: number): Promise<boolean> {
    return (await this.#parts.link.push([Op.DISCARD, this.name, id, generation ?? null], true)) as boolean
  }

  async find(id: string): Promise<StoredView | undefined> {
    return await this.#parts.link.ask({ what: 'find', queue: this.name, id })
  }

  async list(query: StoreQuery = {}): Promise<StorePage> {
    return await this.#parts.link.ask({ what: 'list', queue: this.name, query: readQuery(query) })
  }

  async stats(): Promise<StoreStats> {
    return await this.#parts.link.ask({ what: 'stats', queue: this.name })
  }

  release(): void {
    this.arrived = undefined
    this.#parts.released()
  }
}

/** The file keeps text as UTF-8, which has no half of a pair; and some readers take NUL for the end of it. */
const UNKEPT = /[\p{Surrogate}\0]/u

function requireText(id: string): void {
  if (!UNKEPT.test(id)) return
  const issue = { message: 'must be well-formed text without NUL', path: ['id'] }
  throw new InvalidRequestError([issue], undefined, "The request can't be stored")
}

/** Whole ms, as the file has them. */
function time(ms: number | undefined | null): number | null {
  return ms === undefined || ms === null || !Number.isFinite(ms) ? null : Math.round(ms)
}

function duration(ms: number | undefined): number | null {
  return ms === undefined || !Number.isFinite(ms) ? null : ms
}

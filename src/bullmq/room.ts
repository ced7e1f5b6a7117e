/**
 * Is there room? The bound is over all machines, and soft: it is read, and then the request is added.
 *
 * Whoever asks in the same turn shares one reading, and counts those who have asked before.
 */
import { QueueFullError } from '../core/errors.ts'
import { priorityOf } from '../core/priority.ts'
import type { ErrorSubject } from '../core/triage-error.ts'
import type { Parts } from './parts.ts'

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 60_000

interface Reading {
  readonly sizes: Promise<number[]>
  readonly taken: number[]
  all: number
}

export class Room {
  readonly #parts: Parts
  readonly #total: number
  readonly #byTier: readonly number[]
  #reading: Reading | undefined
  /** How many waited when that was last read. */
  waiting = 0

  constructor(parts: Parts) {
    this.#parts = parts
    const { total, byTier } = parts.settings
    this.#total = total
    this.#byTier = byTier
  }

  /** @throws {QueueFullError} @throws {StoreUnavailableError} */
  async take(tier: number, subject: ErrorSubject): Promise<void> {
    const bound = this.#byTier[tier] as number
    if (this.#total === Number.POSITIVE_INFINITY && bound === Number.POSITIVE_INFINITY) return
    const reading = this.#read(subject)
    const before = reading.all++
    const beforeOfTier = reading.taken[tier] as number
    reading.taken[tier] = beforeOfTier + 1
    const sizes = await reading.sizes
    const waiting = (sizes[0] as number) + before
    this.waiting = waiting
    if (waiting >= this.#total) {
      throw new QueueFullError('total', waiting, this.#total, subject, this.#retryAfterMs(waiting))
    }
    if (bound === Number.POSITIVE_INFINITY) return
    const ofTier = (sizes[tier + 1] as number) + beforeOfTier
    if (ofTier >= bound) {
      throw new QueueFullError(
        'priority',
        ofTier,
        bound,
        { ...subject, priority: priorityOf(tier) },
        this.#retryAfterMs(ofTier),
      )
    }
  }

  #read(subject: ErrorSubject): Reading {
    if (this.#reading !== undefined) return this.#reading
    const { link, scripts } = this.#parts
    const byTier = this.#byTier.some((bound) => bound < Number.POSITIVE_INFINITY)
    const reading: Reading = {
      sizes: link.ask((client) => scripts.room(client, byTier), subject),
      taken: [0, 0, 0, 0],
      all: 0,
    }
    this.#reading = reading
    setImmediate(() => {
      this.#reading = undefined
    })
    return reading
  }

  #retryAfterMs(waiting: number): number {
    const { recentRunMs } = this.#parts.statistics
    return recentRunMs >= 0 ? Math.min(Math.max(Math.ceil(recentRunMs * waiting), 100), MAX_RETRY_MS) : FIRST_RETRY_MS
  }
}

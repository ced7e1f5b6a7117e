/**
 * Is there room? The bound is over all machines, and soft: it is read, and then the request is added.
 *
 * Whoever asks in the same turn shares one reading, and counts those who have asked before. Where a recent reading has found the queue
 * far from full, nobody waits for another one: it is read beside. Far is more than all machines together can add meanwhile.
 */
import { QueueFullError } from '../core/errors.ts'
import { priorityOf } from '../core/priority.ts'
import type { ErrorSubject } from '../core/triage-error.ts'
import type { Parts } from './parts.ts'

const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 60_000
/** A reading is recent for so long. */
const RECENT_MS = 50
/** Free places: BullMQ adds some 20,000 a second to one Redis, and here it is a twentieth of a second. */
const FAR = 4_000

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
  /** What the last reading has found, and how many have come here since. */
  #found = { at: Number.NEGATIVE_INFINITY, waiting: 0, since: 0 }
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
    const { at, waiting: found } = this.#found
    const isFar = found + this.#found.since++ + FAR < this.#total && bound === Number.POSITIVE_INFINITY
    if (isFar && performance.now() - at < RECENT_MS) return
    const reading = this.#read(subject)
    if (isFar && performance.now() - at < 2 * RECENT_MS) {
      // For those who come next; what is wrong with Redis is told by the adding.
      reading.sizes.catch(() => {})
      return
    }
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
    reading.sizes.then(
      ([size = 0]) => {
        this.#found = { at: performance.now(), waiting: size, since: 0 }
      },
      () => {},
    )
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

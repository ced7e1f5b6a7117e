/**
 * When is the executor called? When the beginning of the attempt is recorded: so what kills the process is known by its number.
 *
 * The slot is taken before, and stays taken. If the beginning can't be recorded, since the disk is gone, it is asked for again when
 * the store is well.
 */
import { type Alarm, soon, type Timeline } from '../clock.ts'
import type { RequestRecord } from '../request-record.ts'
import type { QueueStore, StoreState } from '../store.ts'
import { asked, fact, type StoredRequest, storedOf } from './stored-request.ts'

/** What it acts on. */
export interface AttemptsParts {
  readonly timeline: Timeline
  readonly alarm: Alarm
}

/** How long an attempt whose beginning was refused waits, in ms, where the store says that it is well. */
const AGAIN_MS = 100

export class Attempts {
  readonly #parts: AttemptsParts
  readonly #queue: QueueStore
  readonly #state: () => StoreState
  readonly #park: ((record: RequestRecord) => void) | undefined
  /** Those that have their slots, and whose beginning could not be recorded. */
  readonly again = new Set<RequestRecord>()
  /** When it asks again of itself, in ms on the clock. */
  nextAt = Number.POSITIVE_INFINITY

  /** @param park ends one that the store keeps for the next start; undefined: it keeps none */
  constructor(
    parts: AttemptsParts,
    queue: QueueStore,
    state: () => StoreState,
    park: ((record: RequestRecord) => void) | undefined,
  ) {
    this.#parts = parts
    this.#queue = queue
    this.#state = state
    this.#park = park
  }

  waits(record: RequestRecord, go: () => void): void {
    const stored = storedOf(record)
    stored.go = go
    // Else it is recorded with its admission.
    if (stored.isHanded) this.#begins(record, stored)
  }

  #begins(record: RequestRecord, stored: StoredRequest): void {
    stored.asked = record.attemptsWith()
    asked(() => this.#queue.begins(stored.seq, stored.asked, Date.now())).then(
      () => this.goes(stored),
      () => this.#waitsForDisk(record, stored),
    )
  }

  /** Its beginning is recorded: it is called. */
  goes(stored: StoredRequest): void {
    const { go } = stored
    stored.go = undefined
    go?.()
  }

  /** It has ended on its way to the call: its slot is another's. Not at once, since this may be the middle of a step. */
  leavesSlot(stored: StoredRequest): void {
    const { go } = stored
    stored.go = undefined
    if (go !== undefined) soon.then(go)
  }

  #waitsForDisk(record: RequestRecord, stored: StoredRequest): void {
    if (stored.go === undefined) return
    const state = this.#state()
    if (state === 'closed') {
      if (this.#park === undefined) this.goes(stored)
      else this.#park(record)
      return
    }
    this.again.add(record)
    if (state !== 'open') return
    const { alarm, timeline } = this.#parts
    const now = timeline.now()
    this.nextAt = Math.min(this.nextAt, now + AGAIN_MS)
    alarm.setFor(this.nextAt, now)
  }

  /** The disk is back, or it is time to look. */
  triesAgain(): void {
    this.nextAt = Number.POSITIVE_INFINITY
    const all = [...this.again]
    this.again.clear()
    for (const record of all) this.#begins(record, storedOf(record))
  }

  retries(record: RequestRecord, error: unknown, delayMs: number): void {
    const { seq, asked: attempt } = storedOf(record)
    fact(() => this.#queue.attemptEnded(seq, attempt, { error, retryAt: Date.now() + delayMs }))
  }
}

/**
 * What is kept of one queue, and what each fact does to it. All of it in O(1), whatever is kept.
 *
 *     live ──▶ ended ──▶ dropped: too many, or too old
 *      ▲  └──▶ dead ───▶ dropped
 *      └────────┘
 *
 * Each does the same when it is done twice.
 */

import { tierOf } from '../priority.ts'
import { isSame } from '../same-request.ts'
import type {
  Admission,
  AttemptEnd,
  DeadReason,
  Encoded,
  LiveRecord,
  NewRecord,
  StoreCounts,
  StoredChange,
  StoredEnd,
  StoredError,
  Unencoded,
} from '../store.ts'
import { type End, Entry } from './entry.ts'
import type { Keep } from './keep-options.ts'
import { Line } from './line.ts'
import type { MinuteOfQueue, Minutes } from './minutes.ts'
import { storedError } from './stored-error.ts'

/** So many are dropped at a time: an age that has come for all of them at once must not stop all else. */
const DROPPED_AT_ONCE = 1_000

const STORED: Admission = Object.freeze({ as: 'stored' })

/** What all queues of a store share. */
export interface Shared {
  readonly keep: { readonly completed: Keep; readonly dead: Keep }
  readonly minutes: Minutes
  /** All records of the store, by their numbers. */
  readonly all: Line<Entry>
}

export class Shelf {
  readonly name: string
  readonly #shared: Shared
  readonly #live = new Map<number, Entry>()
  /** The youngest life of each id. One that lives is always the youngest. */
  readonly #byId = new Map<string, Entry>()
  /** The youngest answer of each id that is a key. */
  readonly #answers = new Map<string, Entry>()
  readonly #ended = new Line<Entry>()
  readonly #dead = new Line<Entry>()
  readonly #counts = { completed: 0, expired: 0, cancelled: 0, shed: 0 }
  /** Those of the last day. */
  readonly minutes: MinuteOfQueue[] = []
  isPaused = false

  constructor(name: string, shared: Shared) {
    this.name = name
    this.#shared = shared
  }

  get counts(): StoreCounts {
    return { live: this.#live.size, ...this.#counts, dead: this.#dead.length }
  }

  youngest(id: string): Entry | undefined {
    return this.#byId.get(id)
  }

  admit(record: NewRecord): Admission {
    const { id, isKey, payload } = record
    const answer = isKey ? this.#answers.get(id) : undefined
    if (answer !== undefined) return admissionBeside(answer, payload)
    const last = this.#byId.get(id)
    if (last !== undefined && last.end === undefined) {
      return isEqual(last.payload, payload) ? { as: 'live', seq: last.seq } : otherPayload(last.seq, true)
    }
    this.#add(new Entry(this.name, record))
    return STORED
  }

  #add(entry: Entry): void {
    const { all, minutes } = this.#shared
    let before = all.last
    while (before !== undefined && before.item.seq > entry.seq) before = before.before
    entry.place = all.insert(entry, before)
    const older = this.#byId.get(entry.id)
    entry.older = older
    if (older !== undefined) older.younger = entry
    this.#byId.set(entry.id, entry)
    this.#live.set(entry.seq, entry)
    minutes.submitted(this.name, entry.tier, !entry.isRunning)
  }

  begin(seq: number, attempt: number, startedAt: number): void {
    const entry = this.#live.get(seq)
    if (entry === undefined) return
    if (!entry.isRunning) this.#waits(entry, -1)
    entry.attempts = Math.max(entry.attempts, attempt)
    entry.isRunning = true
    entry.startAt = undefined
    entry.startedAt = startedAt
  }

  attemptEnded(seq: number, attempt: number, { error, retryAt }: AttemptEnd): void {
    const entry = this.#live.get(seq)
    if (entry === undefined || entry.attempts > attempt) return
    if (entry.isRunning) this.#waits(entry, 1)
    entry.attempts = attempt
    entry.isRunning = false
    entry.startAt = retryAt
    if (error !== undefined) entry.error = storedError(error)
  }

  end(seq: number, { outcome, isDead, attempts, startedAt, result, error, ...times }: StoredEnd): void {
    const entry = this.#live.get(seq)
    // It was never stored, or this has been said before.
    if (entry === undefined) return
    const { endedAt, waitMs, runMs, slot } = times
    this.#shared.minutes.ended(this.name, entry.tier, outcome, waitMs, !entry.isRunning)
    entry.attempts = Math.max(attempts, entry.attempts)
    entry.startedAt = startedAt ?? entry.startedAt
    entry.error = error === undefined ? undefined : storedError(error)
    const errorCode = entry.error?.code ?? entry.error?.name
    const end = { endedAt, waitMs, runMs, slot, errorCode }
    if (outcome === 'failed' || isDead === true) {
      this.#bury(entry, { ...end, state: 'dead', reason: outcome as DeadReason })
      return
    }
    const isAnswer = outcome === 'completed' && entry.isKey
    this.#live.delete(seq)
    entry.end = { ...end, state: outcome, result: outcome === 'completed' ? kept(result) : undefined }
    entry.isRunning = false
    if (isAnswer) this.#answers.set(entry.id, entry)
    // An answer has its request with it, to see whether the next one is the same.
    else entry.payload = undefined
    entry.endPlace = this.#ended.insert(entry, this.#ended.last)
    this.#counts[outcome]++
    this.tidy(Date.now())
  }

  #bury(entry: Entry, end: End): void {
    this.#live.delete(entry.seq)
    entry.isRunning = false
    entry.end = end
    entry.endPlace = this.#dead.insert(entry, this.#dead.last)
    this.tidy(Date.now())
  }

  change(seq: number, { priority, startAt, limits }: StoredChange): void {
    const entry = this.#live.get(seq)
    if (entry === undefined) return
    if (priority !== undefined) {
      const tier = tierOf(priority)
      if (!entry.isRunning) this.#shared.minutes.moves(this.name, entry.tier, tier)
      entry.tier = tier
    }
    if (startAt !== undefined) entry.startAt = startAt ?? undefined
    if (limits !== undefined) entry.limits = limits
  }

  unreadable(seq: number, error: unknown): void {
    const entry = this.#live.get(seq)
    if (entry === undefined) return
    if (!entry.isRunning) this.#waits(entry, -1)
    this.#setAside(entry, 'corrupt', storedError(error))
  }

  /** Those that had begun, and whose executor has gone. */
  countCrashes(maxAttempts: number): void {
    for (const entry of [...this.#live.values()]) {
      if (!entry.isRunning) continue
      entry.crashes++
      entry.isRunning = false
      if (entry.crashes >= maxAttempts) this.#setAside(entry, 'crashed', entry.error)
      else this.#waits(entry, 1)
    }
  }

  #setAside(entry: Entry, reason: DeadReason, error: StoredError | undefined): void {
    entry.error = error
    this.#bury(entry, { state: 'dead', reason, endedAt: Date.now() })
  }

  /** In the order of their numbers. */
  livesAfter(seq: number, limit: number): LiveRecord[] {
    const found: LiveRecord[] = []
    for (let place = this.#shared.all.first; place !== undefined && found.length < limit; place = place.after) {
      const { item } = place
      if (item.seq > seq && this.#live.get(item.seq) === item) found.push(item.toLive())
    }
    return found
  }

  /** A new life for a dead letter, under this number. */
  requeue(id: string, generation: number | undefined, seq: number): LiveRecord | undefined {
    const letter = this.#letter(id, generation)
    const state = this.#byId.get(id)?.end?.state
    if (letter === undefined || letter.end?.reason === 'corrupt') return undefined
    // It lives again, or was answered meanwhile.
    if (state === undefined || state === 'completed') return undefined
    // A new life does not wait again for those that it had waited for.
    const { after: _, ...limits } = letter.limits
    const { isKey, kind, metadata } = letter
    const { priority, payload } = letter.toLive()
    this.#drop(this.#dead, letter)
    const entry = new Entry(this.name, {
      ...{ seq, id, isKey, kind, priority, payload, metadata, submittedAt: Date.now(), limits },
    })
    this.#add(entry)
    return entry.toLive()
  }

  discard(id: string, generation: number | undefined): boolean {
    const letter = this.#letter(id, generation)
    if (letter !== undefined) this.#drop(this.#dead, letter)
    return letter !== undefined
  }

  #letter(id: string, generation: number | undefined): Entry | undefined {
    let entry = this.#byId.get(id)
    while (entry !== undefined && entry.end?.state !== 'dead') entry = entry.older
    return generation === undefined || entry?.seq === generation ? entry : undefined
  }

  #waits(entry: Entry, one: 1 | -1): void {
    this.#shared.minutes.waits(this.name, entry.tier, one)
  }

  /** Drops what is too much, and what is too old. */
  tidy(now: number): void {
    const { completed, dead } = this.#shared.keep
    this.#dropFrom(this.#ended, completed, now)
    this.#dropFrom(this.#dead, dead, now)
  }

  #dropFrom(line: Line<Entry>, { count, ageMs }: Keep, now: number): void {
    for (let i = 0; i < DROPPED_AT_ONCE; i++) {
      const entry = line.first?.item
      if (entry?.end === undefined || (line.length <= count && now - entry.end.endedAt <= ageMs)) return
      this.#drop(line, entry)
    }
  }

  #drop(line: Line<Entry>, entry: Entry): void {
    const { id, end, place, endPlace, older, younger } = entry
    line.remove(endPlace as NonNullable<typeof endPlace>)
    this.#shared.all.remove(place as NonNullable<typeof place>)
    if (end !== undefined && end.state !== 'dead') this.#counts[end.state]--
    if (this.#answers.get(id) === entry) this.#answers.delete(id)
    if (older !== undefined) older.younger = younger
    if (younger !== undefined) younger.older = older
    else if (older !== undefined) this.#byId.set(id, older)
    else this.#byId.delete(id)
  }
}

function kept(value: unknown): Unencoded {
  return { value }
}

function admissionBeside({ seq, payload, end }: Entry, other: Encoded): Admission {
  return isEqual(payload, other) ? { as: 'known', seq, result: end?.result } : otherPayload(seq, false)
}

function otherPayload(seq: number, isLive: boolean): Admission {
  return { as: 'payload', seq, isLive }
}

/** A getter that throws is not equal to anything. */
function isEqual(one: Encoded | undefined, other: Encoded): boolean {
  try {
    return isSame((one as Unencoded).value, (other as Unencoded).value)
  } catch {
    return false
  }
}

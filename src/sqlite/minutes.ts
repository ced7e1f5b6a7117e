/**
 * How did it go, minute by minute? Counted in memory, and written when the minute is over: a row for each queue and tier in which
 * something happened. What a crash takes with it is the minute that it happened in.
 */
import type { Database } from './database.ts'

const MINUTE_MS = 60_000
/** Of so many waits the percentiles are exact; of more, those of a fair sample. */
const SAMPLE = 1_024

const counts = ['submitted', 'completed', 'failed', 'expired', 'cancelled', 'shed']

/** A process that has started in the same minute has its part of it already. */
const INSERT = `INSERT INTO queue_metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET ${counts.map((count) => `${count} = ${count} + excluded.${count}`).join(', ')},
wait_p50_ms = ifnull(excluded.wait_p50_ms, wait_p50_ms), wait_p95_ms = ifnull(excluded.wait_p95_ms, wait_p95_ms),
wait_p99_ms = ifnull(excluded.wait_p99_ms, wait_p99_ms), most_waiting = max(most_waiting, excluded.most_waiting)`

interface Tally {
  readonly queue: string
  readonly tier: number
  submitted: number
  readonly ended: Record<string, number>
  waits: number[]
  waited: number
  waiting: number
  mostWaiting: number
  isQuiet: boolean
}

export class Minutes {
  readonly #tallies = new Map<string, Tally>()
  #at = this.#minuteOf(Date.now())

  submitted(queue: string, tier: number, isWaiting: boolean): void {
    this.#tally(queue, tier).submitted++
    if (isWaiting) this.waits(queue, tier, 1)
  }

  /** One more waits, or one less. */
  waits(queue: string, tier: number, one: 1 | -1): void {
    const tally = this.#tally(queue, tier)
    tally.waiting = Math.max(tally.waiting + one, 0)
    tally.mostWaiting = Math.max(tally.mostWaiting, tally.waiting)
  }

  moves(queue: string, from: number, to: number): void {
    this.waits(queue, from, -1)
    this.waits(queue, to, 1)
  }

  ended(queue: string, tier: number, outcome: string, waitMs: number | null, wasWaiting: boolean): void {
    const tally = this.#tally(queue, tier)
    tally.ended[outcome] = (tally.ended[outcome] ?? 0) + 1
    if (wasWaiting) this.waits(queue, tier, -1)
    if (waitMs === null) return
    tally.waited++
    if (tally.waits.length < SAMPLE) tally.waits.push(waitMs)
    else {
      const place = Math.floor(Math.random() * tally.waited)
      if (place < SAMPLE) tally.waits[place] = waitMs
    }
  }

  /** Is there a minute that is over? */
  isDue(now: number): boolean {
    return this.#minuteOf(now) !== this.#at
  }

  dueInMs(now: number): number {
    return Math.max(this.#at + MINUTE_MS - now, 0)
  }

  /** Writes the minute, inside a transaction, and begins the next one. */
  write(database: Database, now: number): void {
    const insert = database.prepare(INSERT)
    for (const tally of this.#tallies.values()) {
      if (tally.isQuiet && tally.mostWaiting === 0) continue
      const { queue, tier, submitted, ended, waits, mostWaiting } = tally
      const { completed = 0, failed = 0, expired = 0, cancelled = 0, shed = 0 } = ended
      waits.sort((a, b) => a - b)
      const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => waits[Math.ceil(share * waits.length) - 1] ?? null)
      const numbers = [submitted, completed, failed, expired, cancelled, shed]
      const values = [this.#at, queue, tier, ...numbers, p50 ?? null, p95 ?? null, p99 ?? null, mostWaiting]
      insert.run(...values)
    }
    this.#begin(now)
  }

  #begin(now: number): void {
    this.#at = this.#minuteOf(now)
    for (const [name, { queue, tier, waiting }] of this.#tallies) {
      if (waiting === 0) this.#tallies.delete(name)
      else this.#tallies.set(name, { ...empty(queue, tier), waiting, mostWaiting: waiting })
    }
  }

  #tally(queue: string, tier: number): Tally {
    const name = `${tier}${queue}`
    let tally = this.#tallies.get(name)
    if (tally === undefined) {
      tally = empty(queue, tier)
      this.#tallies.set(name, tally)
    }
    tally.isQuiet = false
    return tally
  }

  #minuteOf(now: number): number {
    return Math.floor(now / MINUTE_MS) * MINUTE_MS
  }
}

function empty(queue: string, tier: number): Tally {
  return {
    ...{ queue, tier, submitted: 0, ended: {}, waits: [], waited: 0, waiting: 0, mostWaiting: 0, isQuiet: true },
  }
}

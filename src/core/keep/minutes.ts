/**
 * How did it go, minute by minute? Counted in memory, and given out when the minute is over: a row for each queue and tier in
 * which something happened. What a crash takes with it is the minute that it happened in.
 */
import { priorityOf } from '../priority.ts'
import type { StoreMinute } from '../store.ts'

const MINUTE_MS = 60_000
/** Of so many waits the percentiles are exact; of more, those of a fair sample. */
const SAMPLE = 1_024

export interface MinuteOfQueue extends StoreMinute {
  readonly queue: string
}

interface Tally {
  readonly queue: string
  readonly tier: number
  submitted: number
  readonly ended: Record<string, number>
  waits: number[]
  waited: number
  waiting: number
  mostWaiting: number
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

  ended(queue: string, tier: number, outcome: string, waitMs: number | null | undefined, wasWaiting: boolean): void {
    const tally = this.#tally(queue, tier)
    tally.ended[outcome] = (tally.ended[outcome] ?? 0) + 1
    if (wasWaiting) this.waits(queue, tier, -1)
    if (typeof waitMs !== 'number') return
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

  /** The rows of the minute; another one begins. */
  take(now: number): MinuteOfQueue[] {
    const at = this.#at
    const rows: MinuteOfQueue[] = []
    for (const tally of this.#tallies.values()) {
      const { queue, tier, submitted, ended, waits, mostWaiting } = tally
      const { completed = 0, failed = 0, expired = 0, cancelled = 0, shed = 0 } = ended
      waits.sort((a, b) => a - b)
      const quantile = (share: number) => waits[Math.ceil(share * waits.length) - 1]
      rows.push({
        ...{ at, queue, priority: priorityOf(tier), submitted, completed, failed, expired, cancelled, shed },
        ...{ waitP50Ms: quantile(0.5), waitP95Ms: quantile(0.95), waitP99Ms: quantile(0.99), mostWaiting },
      })
    }
    this.#begin(now)
    return rows
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
    return tally
  }

  #minuteOf(now: number): number {
    return Math.floor(now / MINUTE_MS) * MINUTE_MS
  }
}

function empty(queue: string, tier: number): Tally {
  return {
    ...{ queue, tier, submitted: 0, ended: {}, waits: [], waited: 0, waiting: 0, mostWaiting: 0 },
  }
}

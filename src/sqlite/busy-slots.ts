/**
 * How many slots were busy, minute by minute? Counted in the thread, from what is recorded of attempts anyway: an attempt has its
 * slot from when it begins until its end. It outlives an engine that has failed: what runs goes on meanwhile.
 *
 * By number, so that what is carried out twice counts once. The slot-ms of a minute are a sum that costs the same for each attempt,
 * however long it is: one that begins takes from it what was over of the minute, one that ends adds it, and whole minutes are added for
 * what runs on.
 */

/** Of one queue and tier. */
export interface BusyMinute {
  readonly at: number
  readonly queue: string
  readonly tier: number
  /** The mean: slot-ms with requests of this tier, by 60,000. */
  readonly slotsBusy: number
  /** The most at a time, of all tiers of the queue. */
  readonly mostSlotsBusy: number
}

interface QueueTally {
  readonly name: string
  readonly tiers: Map<number, TierTally>
  running: number
  most: number
}

interface TierTally {
  running: number
  /** Slot-ms, without those of what runs on. */
  ms: number
}

interface Attempt {
  readonly queue: QueueTally
  readonly tier: TierTally
  began: number
}

const MINUTE_MS = 60_000
/** More minutes than these at once have not passed: the clock was set, or the machine slept. */
const MOST_MINUTES = 1_440

export class BusySlots {
  readonly #attempts = new Map<number, Attempt>()
  readonly #queues = new Map<string, QueueTally>()
  #at = minuteOf(Date.now())
  #over: BusyMinute[] = []

  /** An attempt begins. */
  began(seq: number, queue: string, tier: number, at: number): void {
    if (this.#attempts.has(seq)) return
    const tally = this.#queueOf(queue)
    const ofTier = tierIn(tally, tier)
    // What was written is written.
    const began = Math.max(at, this.#at)
    this.#attempts.set(seq, { queue: tally, tier: ofTier, began })
    ofTier.running++
    ofTier.ms -= began - this.#at
    tally.running++
    tally.most = Math.max(tally.most, tally.running)
  }

  /** It has ended. Of one that has not begun there is nothing to count. @param at undefined: it never ran */
  ended(seq: number, at: number | undefined): void {
    const attempt = this.#attempts.get(seq)
    if (attempt === undefined) return
    const { queue, tier, began } = attempt
    this.#attempts.delete(seq)
    tier.running--
    tier.ms += Math.max(at ?? began, began) - this.#at
    queue.running--
  }

  /** Before anything of a later minute is counted: those that are over are set aside. */
  turn(now: number): void {
    const minute = minuteOf(now)
    if (minute === this.#at) return
    if (minute < this.#at || minute - this.#at > MOST_MINUTES * MINUTE_MS) this.#beginAnew(now)
    while (this.#at < minute) {
      this.#endMinute(MINUTE_MS)
      this.#at += MINUTE_MS
    }
  }

  /** The rows of the minutes that are over. */
  take(now: number): BusyMinute[] {
    this.turn(now)
    const rows = this.#over
    this.#over = []
    return rows
  }

  /** With what there is of the present minute: nothing comes after it. */
  takeLast(now: number): BusyMinute[] {
    this.turn(now)
    this.#endMinute(now - this.#at)
    return this.take(now)
  }

  #endMinute(lengthMs: number): void {
    for (const queue of this.#queues.values()) {
      for (const [tier, tally] of queue.tiers) {
        const ms = tally.ms + tally.running * lengthMs
        // An end that was told late, of a minute that was written: the next one has less.
        tally.ms = Math.min(ms, 0)
        const slotsBusy = Math.max(ms, 0) / MINUTE_MS
        this.#over.push({ at: this.#at, queue: queue.name, tier, slotsBusy, mostSlotsBusy: queue.most })
        if (tally.running === 0) queue.tiers.delete(tier)
      }
      queue.most = queue.running
      if (queue.tiers.size === 0) this.#queues.delete(queue.name)
    }
  }

  /** What runs counts from now on. */
  #beginAnew(now: number): void {
    this.#endMinute(0)
    this.#at = minuteOf(now)
    for (const { tiers } of this.#queues.values()) for (const tally of tiers.values()) tally.ms = 0
    for (const attempt of this.#attempts.values()) {
      attempt.began = now
      attempt.tier.ms -= now - this.#at
    }
  }

  #queueOf(name: string): QueueTally {
    let tally = this.#queues.get(name)
    if (tally === undefined) {
      tally = { name, tiers: new Map(), running: 0, most: 0 }
      this.#queues.set(name, tally)
    }
    return tally
  }
}

function tierIn({ tiers }: QueueTally, tier: number): TierTally {
  let tally = tiers.get(tier)
  if (tally === undefined) {
    tally = { running: 0, ms: 0 }
    tiers.set(tier, tally)
  }
  return tally
}

function minuteOf(now: number): number {
  return Math.floor(now / MINUTE_MS) * MINUTE_MS
}

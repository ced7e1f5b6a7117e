/**
 * The books of `fairBy()` for one tier: its keys, its virtual time, and which requests of a key wait. Step 3 of 7.
 *
 * `fair-by.ts` states the model. Here V is `now`, F is `finish`, and L is the rank of `last`. The requests of a key that wait are
 * a list, so that one leaves in O(1), from wherever it stands.
 */

/** What is known of one key. */
interface Flow {
  /** Up to which virtual time it has used its share. */
  finish: number
  /** The last of its requests that wait. */
  last: Place | undefined
}

/** A request that waits for its first start, between those of its key that came before and after it. */
interface Place {
  readonly flow: Flow
  readonly rank: number
  /** By how much it has moved F, and by how much up to V before that. */
  readonly charge: number
  lift: number
  before: Place | undefined
  after: Place | undefined
}

/** The keys of one tier, and its virtual time. */
export class Flows {
  now = 0
  readonly #maxKeys: number
  readonly #byKey = new Map<string, Flow>()
  /** By sequence. */
  readonly #waiting = new Map<number, Place>()
  #sweepAt: number

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys
    this.#sweepAt = Math.min(maxKeys, 64)
  }

  find(key: string): Flow | undefined {
    return this.#byKey.get(key)
  }

  of(key: string): Flow {
    let flow = this.#byKey.get(key)
    if (flow === undefined) {
      if (this.#byKey.size >= this.#sweepAt) this.#sweep()
      flow = { finish: this.now, last: undefined }
      this.#byKey.set(key, flow)
    }
    return flow
  }

  waits(sequence: number, place: Place): void {
    this.#waiting.set(sequence, place)
    place.flow.last = place
    if (place.before !== undefined) place.before.after = place
  }

  /** It waits no more. Undefined: it did not, or not for its first start. */
  leaves(sequence: number): Place | undefined {
    const place = this.#waiting.get(sequence)
    if (place === undefined) return undefined
    this.#waiting.delete(sequence)
    const { flow, before, after } = place
    if (before !== undefined) before.after = after
    if (after !== undefined) after.before = before
    else flow.last = before
    return place
  }

  /** At most once for as many new keys as are left after it, so that a key costs O(1) in the long run. */
  #sweep(): void {
    this.#forgetPast()
    if (this.#byKey.size >= this.#maxKeys) {
      const ends = Float64Array.from(this.#byKey.values(), pastFrom).sort()
      this.now = Math.max(this.now, ends[ends.length >> 1] as number)
      this.#forgetPast()
    }
    this.#sweepAt = Math.min(this.#maxKeys, Math.max(64, 2 * this.#byKey.size))
  }

  #forgetPast(): void {
    for (const [key, flow] of this.#byKey) if (pastFrom(flow) <= this.now) this.#byKey.delete(key)
  }
}

/** From when on a key is like one that was never seen. */
function pastFrom({ finish, last }: Flow): number {
  return last === undefined ? finish : Math.max(finish, last.rank)
}

/** Where a key goes on. One that still has requests waiting is not idle: what corrections gave back to it is not lost. */
export function startOf({ finish, last }: Flow, { now }: Flows): number {
  return last !== undefined && last.rank > now ? finish : Math.max(finish, now)
}

/**
 * What has each key used of its share? The formulas of `fairBy()` on plain arrays, for few keys, none of which is forgotten.
 */
import type { Seen } from './seen.ts'

export interface Waiting {
  readonly seen: Seen
  tier: number
  rank: number
  sequence: number
  failures: number
  startedAt: number
  /** Its times count from then. */
  readonly from: number
  readonly deadline: number
}

/** One that waits, and what it has changed. */
interface Place {
  readonly waiting: Waiting
  readonly rank: number
  lift: number
}

interface Key {
  finish: number
  line: Place[]
}

const RECENT_RUNS = 256

export class FairShares {
  readonly #now = [0, 0, 0, 0]
  readonly #keys = new Map<string, Key>()
  #runs = 0
  #meanMs = 0

  rank(waiting: Waiting, tier: number): number {
    const key = this.#of(waiting, tier)
    const now = this.#now[tier] as number
    const last = key.line.at(-1)?.rank ?? Number.NEGATIVE_INFINITY
    const start = last > now ? key.finish : Math.max(key.finish, now)
    const rank = Math.max(start, last)
    key.line.push({ waiting, rank, lift: start - key.finish })
    key.finish = start + 1
    return rank
  }

  started(waiting: Waiting): void {
    const { tier, rank } = waiting
    this.#now[tier] = Math.max(this.#now[tier] as number, rank)
    const key = this.#of(waiting, tier)
    key.line = key.line.filter((place) => place.waiting !== waiting)
  }

  left(waiting: Waiting, tier: number): void {
    const key = this.#of(waiting, tier)
    const index = key.line.findIndex((place) => place.waiting === waiting)
    const [place] = key.line.splice(index, 1) as [Place]
    key.finish -= 1
    const heir = key.line[index]
    if (heir === undefined) key.finish -= place.lift
    else heir.lift += place.lift
  }

  settled(waiting: Waiting, runMs: number): void {
    this.#runs = Math.min(this.#runs + 1, RECENT_RUNS)
    this.#meanMs += (runMs - this.#meanMs) / this.#runs
    const actual = this.#meanMs > 0 ? runMs / this.#meanMs : 1
    this.#of(waiting, waiting.tier).finish += actual - 1
  }

  #of({ seen }: Waiting, tier: number): Key {
    const name = `${tier} ${seen.arrive.key}`
    let key = this.#keys.get(name)
    if (key === undefined) {
      key = { finish: this.#now[tier] as number, line: [] }
      this.#keys.set(name, key)
    }
    return key
  }
}

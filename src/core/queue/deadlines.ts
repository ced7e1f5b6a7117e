/**
 * Who has waited long enough? All deadlines of waiting and blocked requests in one line, ordered by when they are due.
 * Step 3 of 7.
 *
 * Requests with the same timeout are due in the order in which they came, so setting a deadline appends, and a request
 * that gets its slot leaves from near the front: O(1) both. A request that ends leaves at once: 100,000 requests a
 * second with a timeout of 300 s would otherwise hold 30 million.
 *
 * Running requests are not here: there are only as many as slots, and the pool looks over its slots.
 */
import { type Ranked, Tier } from './tier.ts'

/** What has a deadline. */
export interface Deadline<T> extends Ranked {
  readonly target: T
}

export class Deadlines<T> {
  readonly #line = new Tier<Deadline<T>>()
  #sequence = 0

  get size(): number {
    return this.#line.size
  }

  /** When the next one is due; Infinity when there is none. */
  get nextDueAt(): number {
    return this.#line.first()?.rank ?? Number.POSITIVE_INFINITY
  }

  set(target: T, dueAt: number): Deadline<T> {
    const deadline: Deadline<T> = { rank: dueAt, sequence: ++this.#sequence, block: undefined, target }
    this.#line.add(deadline)
    return deadline
  }

  clear(deadline: Deadline<T>): void {
    if (deadline.block !== undefined) this.#line.remove(deadline)
  }

  /** All who have one. */
  *targets(): Generator<T> {
    for (const { target } of this.#line) yield target
  }

  /** The next target that is due by now, which stays. */
  firstDue(now: number): T | undefined {
    return this.nextDueAt <= now ? this.#line.first()?.target : undefined
  }

  /** Takes the next target that is due by now. */
  takeDue(now: number): T | undefined {
    return this.nextDueAt <= now ? this.#line.shift()?.target : undefined
  }
}

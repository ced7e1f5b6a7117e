/**
 * Which of those that stand in the queue have their slots already? All in whose priority nothing may wait
 * (`maxQueueSize: 'none'`). Asked in step 2, whether one may come in, and in step 4, whose turn it is.
 *
 * Such a request comes in only if it would start in the dispatch of this burst, after all that start without it. From then
 * on it has a seat: its slots are its own, though it stands in the queue for the microtask until the dispatch. Whatever
 * comes later in the burst, however urgent, has what is left.
 *
 * A trial of the dispatch says so, on the same rules as the dispatch itself. Those with a seat need not be tried in their
 * order: what one takes from the others is at most its cost, and nothing as long as its slots were kept for it. So what can
 * start in one order can start in each.
 */
import { TIERS } from '../priority.ts'
import type { Heads, Reserve } from './reserve.ts'

/** What it needs to know of a request. */
interface Seated {
  readonly tier: number
  readonly cost: number
  readonly attempt: number
}

/** What it needs of the queue. */
export interface SeatQueue<R> extends Heads<R & Seated> {
  readonly size: number
  sizeAt(tier: number): number
  /** All of a tier, in their order. */
  line(tier: number): Iterable<R>
}

export class Seats<R extends Seated> {
  /** How many may wait, by tier. */
  readonly #most: readonly number[]
  readonly #reserve: Reserve
  readonly #queue: SeatQueue<R>
  readonly #slots: { readonly limit: number; readonly free: number }
  /** How many have a seat, and how many slots that is, by tier. */
  readonly #sizes = new Array<number>(TIERS).fill(0)
  readonly #taken = new Array<number>(TIERS).fill(0)
  /** In all. */
  size = 0
  slots = 0
  /** Is there a priority in which nothing may wait? */
  readonly isOn: boolean

  /** @param most how many may wait, by tier; 0: none */
  constructor(
    most: readonly number[],
    reserve: Reserve,
    queue: SeatQueue<R>,
    slots: { readonly limit: number; readonly free: number },
  ) {
    this.#most = most
    this.#reserve = reserve
    this.#queue = queue
    this.#slots = slots
    this.isOn = most.includes(0)
  }

  /** May nothing of this tier wait? */
  areFor(tier: number): boolean {
    return this.isOn && this.#most[tier] === 0
  }

  /** Has it one, of those that stand in the queue? One that is tried again was judged when it came. */
  has(record: Seated): boolean {
    // Asked about each request: what it reads, a getter each, it reads only where nothing may wait.
    return this.isOn && this.#most[record.tier] === 0 && record.attempt === 1
  }

  /** One that stands in the queue takes its seat (1), or leaves it (-1). */
  count(record: R, by: 1 | -1): void {
    if (!this.has(record)) return
    const { tier, cost } = record
    this.size += by
    this.slots += by * cost
    this.#sizes[tier] = (this.#sizes[tier] as number) + by
    this.#taken[tier] = (this.#taken[tier] as number) + by * cost
  }

  /**
   * Would a newcomer start in this dispatch, beside all that start without it? It takes as many steps as requests without a
   * seat would start.
   *
   * Behind one that waits for several slots it comes in only by a more urgent priority: its rank is not known yet.
   * @param gone one that would make room for it
   */
  wouldStart({ tier, cost }: { readonly tier: number; readonly cost: number }, gone?: R): boolean {
    const heads: (R | undefined)[] = []
    // Where all have a seat, nobody else is looked for.
    const lines = this.#sizes.map((size, t) =>
      (size === this.#queue.sizeAt(t) ? [] : this.#queue.line(t))[Symbol.iterator](),
    )
    const advance = (t: number): void => {
      do heads[t] = lines[t]?.next().value
      while (heads[t] !== undefined && (heads[t] === gone || this.has(heads[t] as R)))
    }
    for (let t = 0; t < TIERS; t++) advance(t)
    const first = (free: number): R | undefined => this.#first((t) => heads[t], free)
    const started: R[] = []
    if (gone !== undefined) this.count(gone, -1)
    let left = this.#slots.free - this.slots
    this.#sit(1)
    try {
      for (let next = first(left); next !== undefined; next = first(left)) {
        this.#reserve.takes(next.tier, next.cost)
        left -= next.cost
        started.push(next)
        advance(next.tier)
      }
      const newcomer = { tier, cost, attempt: 1, rank: Number.POSITIVE_INFINITY, sequence: 0 } as Seated as R
      heads[tier] ??= newcomer
      return first(left) === newcomer
    } finally {
      for (const each of started) this.#reserve.takes(each.tier, -each.cost)
      this.#sit(-1)
      if (gone !== undefined) this.count(gone, 1)
    }
  }

  /** Whose turn is it with so many free slots, if it would be that of `first`? Not that of one that takes a seat. */
  turnOf(first: R | undefined, free: number): R | undefined {
    if (this.size === 0 || (first !== undefined && (this.has(first) || this.#leavesSeats(first, free)))) return first
    return this.#seated((record) => this.#fits(record, free)) ?? this.#seated(({ cost }) => cost <= free)
  }

  /** The first that has a seat, and may start. Its slots are its own, also when more are kept for others than when it came. */
  #seated(mayStart: (record: R) => boolean): R | undefined {
    for (let tier = 0; tier < TIERS; tier++) {
      if (this.#sizes[tier] === 0) continue
      for (const record of this.#queue.line(tier)) if (this.has(record) && mayStart(record)) return record
    }
    return undefined
  }

  #leavesSeats(record: R, free: number): boolean {
    this.#sit(1)
    const fits = this.#fits(record, free - this.slots)
    this.#sit(-1)
    return fits
  }

  #fits(record: R, free: number): boolean {
    return this.#first((tier) => (tier === record.tier ? record : undefined), free) !== undefined
  }

  #first(firstAt: (tier: number) => R | undefined, free: number): R | undefined {
    const queue = this.#queue
    const goesBefore = (one: R, other: R): boolean => queue.goesBefore(one, other)
    return this.#reserve.firstOf({ firstAt, goesBefore }, free, this.#slots.limit)
  }

  /** As if all that have a seat ran (1), and back again (-1). */
  #sit(by: 1 | -1): void {
    for (let tier = 0; tier < TIERS; tier++) this.#reserve.takes(tier, by * (this.#taken[tier] as number))
  }
}

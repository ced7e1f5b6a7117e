/**
 * Where a request waits: one line per priority, and an order that says which head goes first. Step 3 of 7.
 *
 * The queue is a heap of ranks in the sense of the abstract data type: the smallest leaves first, anything can leave
 * from the middle, and a rank may change. Its body is four sorted lines (see tier.ts), since ranks mostly only grow
 * within a priority: `enqueue` and `dequeue` are O(1) then, all else is O(log n) plus one shift within a small block.
 *
 * It is used twice: as the queue inside a `QueuedExecutor` (`add`, `shift`, `delete`, on the executor's own records),
 * and on its own by whoever wants just a queue (`enqueue`, `dequeue`, `take`, `for await`, on tickets).
 */
import { isCount, requireTier } from '../checks.ts'
import { type Clock, systemClock } from '../clock.ts'
import { OptionsError, QueueClosedError, QueueFullError } from '../errors.ts'
import { type ByPriority, byPriority, type Priority, priorityOf, TIERS } from '../priority.ts'
import { bySequence, type OrderPolicy, type OrderQuestion, strict } from './order.ts'
import { type Ranked, Tier } from './tier.ts'

/** What the queue holds: a request with its place. */
export interface QueueEntry extends Ranked {
  tier: number
  enqueuedAt: number
  readonly request: unknown
  readonly metadata?: unknown
  /** When its time is over if it still waits; without it, never. */
  readonly waitUntil?: number
}

/** The receipt for a request in a queue used on its own. */
export interface QueueTicket<Req> {
  readonly request: Req
  readonly priority: Priority
  /** When it was enqueued, in ms on the queue's clock. */
  readonly enqueuedAt: number
}

export interface RequestQueueOptions {
  /**
   * How many may wait. 0 or Infinity: no bound.
   * @default 10_000
   */
  maxQueueSize?: number
  /** @default strict() */
  order?: OrderPolicy
  /** @default systemClock */
  clock?: Clock
}

export interface RequestQueueStatus {
  readonly size: number
  readonly sizes: ByPriority<number>
  readonly maxQueueSize: number
  /** Totals since the queue was made: enqueued = dequeued + removed + size. */
  readonly enqueued: number
  readonly dequeued: number
  readonly removed: number
  /** Mean time from enqueue to dequeue, in ms; 0 before the first. */
  readonly averageWaitMs: number
  /** How long the longest-waiting of the heads has waited, in ms; 0 when nothing waits. */
  readonly oldestWaitMs: number
}

class Ticket<Req> implements QueueEntry, QueueTicket<Req> {
  rank = 0
  sequence = 0
  block: Ranked['block'] = undefined
  readonly request: Req
  tier: number
  readonly enqueuedAt: number
  readonly #queue: object

  constructor(queue: object, request: Req, tier: number, enqueuedAt: number) {
    this.#queue = queue
    this.request = request
    this.tier = tier
    this.enqueuedAt = enqueuedAt
  }

  /** Does it wait in this queue? */
  waitsIn(queue: object): boolean {
    return this.#queue === queue && this.block !== undefined
  }

  get priority(): Priority {
    return priorityOf(this.tier)
  }
}

interface Taker<Req> {
  resolve(result: { value: Req; done: false } | { value: undefined; done: true }): void
}

/**
 * A priority queue of requests: bounded, stable, and awaitable.
 *
 * ```ts
 * const queue = new RequestQueue<string>({ maxQueueSize: 100 })
 * queue.enqueue('later')
 * queue.enqueue('now', { priority: 'urgent' })
 * queue.dequeue() // => 'now'
 * ```
 */
export class RequestQueue<Req, E extends QueueEntry = QueueEntry> {
  readonly #tiers: readonly Tier<E>[] = Array.from({ length: TIERS }, () => new Tier<E>())
  readonly #order: OrderPolicy
  readonly #across: boolean
  readonly #isStrict: boolean
  readonly #question: OrderQuestion = {
    tier: 0,
    sequence: 0,
    admittedAt: 0,
    deadline: Number.POSITIVE_INFINITY,
    request: undefined,
    metadata: undefined,
  }
  readonly #clock: Clock
  readonly #maxQueueSize: number
  readonly #takers = new Set<Taker<Req>>()
  #sequence = 0
  #size = 0
  #closed = false
  #enqueued = 0
  #dequeued = 0
  #removed = 0
  #waitedMs = 0

  /** @throws {OptionsError} */
  constructor(options: RequestQueueOptions = {}) {
    const { maxQueueSize = 10_000, order = strict(), clock = systemClock } = options
    if (!(maxQueueSize === Number.POSITIVE_INFINITY || isCount(maxQueueSize, 0))) {
      throw new OptionsError('maxQueueSize', 'an integer of at least 0, or Infinity', maxQueueSize)
    }
    if (typeof order?.rank !== 'function') throw new OptionsError('order', 'an order policy', order)
    this.#maxQueueSize = maxQueueSize || Number.POSITIVE_INFINITY
    this.#order = order
    this.#across = order.acrossTiers === true
    this.#isStrict = order.rank === bySequence
    this.#clock = clock
  }

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  /** How many wait with one priority. */
  sizeOf(priority: Priority): number {
    return (this.#tiers[requireTier(priority)] as Tier<E>).size
  }

  /**
   * Puts a request in its place. One who waits in `take()` gets it at once, without it waiting.
   * @throws {QueueFullError} when `maxQueueSize` wait already
   * @throws {QueueClosedError} after `close()`
   * @throws {OptionsError} for a priority that is none
   */
  enqueue(request: Req, options?: { priority?: Priority }): QueueTicket<Req> {
    const { priority = 'normal' } = options ?? {}
    const tier = requireTier(priority)
    if (this.#closed) throw new QueueClosedError({ priority })
    if (this.#size >= this.#maxQueueSize) {
      throw new QueueFullError('total', this.#size, this.#maxQueueSize, { priority })
    }
    const ticket = new Ticket(this, request, tier, this.#clock.now())
    for (const taker of this.#takers) {
      this.#takers.delete(taker)
      this.#enqueued++
      this.#dequeued++
      taker.resolve({ value: request, done: false })
      return ticket
    }
    // First, since an order policy may throw.
    this.add(ticket as QueueEntry as E)
    this.#enqueued++
    return ticket
  }

  /** Takes the request that goes first; undefined when nothing waits. */
  dequeue(): Req | undefined {
    const head = this.head()
    if (head === undefined) return undefined
    // First, since an order policy may throw.
    this.started(head)
    this.shift()
    const ticket = head as QueueEntry as Ticket<Req>
    this.#dequeued++
    this.#waitedMs += Math.max(this.#clock.now() - ticket.enqueuedAt, 0)
    return ticket.request
  }

  /** The request that goes first, left where it is. */
  peek(): Req | undefined {
    return (this.head() as (QueueEntry & QueueTicket<Req>) | undefined)?.request
  }

  /**
   * Awaits the next request. Takers are served in the order in which they came.
   * @throws {QueueClosedError} when the queue is closed and empty
   */
  async take(options?: { signal?: AbortSignal }): Promise<Req> {
    const next = await this.#next(options?.signal)
    if (next.done) throw new QueueClosedError()
    return next.value
  }

  /** Takes requests for as long as the queue is open, then those that are left. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Req, void, undefined> {
    for (;;) {
      const next = await this.#next()
      if (next.done) return
      yield next.value
    }
  }

  /** Takes a request out before its turn. False when it waits no more. */
  remove(ticket: QueueTicket<Req>): boolean {
    const entry = this.#own(ticket)
    if (entry === undefined) return false
    this.delete(entry)
    this.#removed++
    return true
  }

  /**
   * Gives a waiting request another priority: it then stands where it would stand had it come with that one.
   * False when it waits no more.
   * @throws {OptionsError} for a priority that is none
   */
  setPriority(ticket: QueueTicket<Req>, priority: Priority): boolean {
    const tier = requireTier(priority)
    const entry = this.#own(ticket)
    if (entry === undefined) return false
    this.move(entry, tier, entry.enqueuedAt)
    return true
  }

  /** How many would be dequeued before it; undefined when it waits no more. */
  position(ticket: QueueTicket<Req>): number | undefined {
    const entry = this.#own(ticket)
    return entry === undefined ? undefined : this.countBefore(entry)
  }

  /** Removes all that wait, and returns them in order. */
  clear(): Req[] {
    const requests: Req[] = []
    for (;;) {
      const ticket = this.shift() as (QueueEntry & QueueTicket<Req>) | undefined
      if (ticket === undefined) return requests
      this.#removed++
      requests.push(ticket.request)
    }
  }

  /** Takes no more in. What waits can still be taken; those who wait for more are told that nothing will come. */
  close(): void {
    this.#closed = true
    for (const taker of this.#takers) taker.resolve({ value: undefined, done: true })
    this.#takers.clear()
  }

  getStatus(): RequestQueueStatus {
    const now = this.#clock.now()
    let oldestWaitMs = 0
    for (const tier of this.#tiers) {
      const head = tier.first()
      if (head !== undefined) oldestWaitMs = Math.max(oldestWaitMs, now - head.enqueuedAt)
    }
    return {
      size: this.#size,
      sizes: this.sizes(),
      maxQueueSize: this.#maxQueueSize,
      enqueued: this.#enqueued,
      dequeued: this.#dequeued,
      removed: this.#removed,
      averageWaitMs: this.#dequeued === 0 ? 0 : this.#waitedMs / this.#dequeued,
      oldestWaitMs,
    }
  }

  // ── What follows works on entries themselves; a QueuedExecutor uses these ──────────────────────────────────────────

  /** @internal How many wait in a tier. */
  sizeAt(tier: number): number {
    return (this.#tiers[tier] as Tier<E>).size
  }

  /** @internal */
  sizes(): ByPriority<number> {
    return byPriority((tier) => (this.#tiers[tier] as Tier<E>).size)
  }

  /** @internal Gives an entry its sequence and its rank, and puts it in its place. */
  add(entry: E): void {
    entry.sequence = ++this.#sequence
    this.#place(entry, this.#rankOf(entry, entry.tier, entry.enqueuedAt))
  }

  /** @internal Tells the order policy that an entry starts. */
  started(entry: E): void {
    const order = this.#order
    if (order.started !== undefined)
      this.#ask(entry, entry.tier, entry.enqueuedAt, (it) => order.started?.(it, entry.rank))
  }

  /** @internal Tells the order policy that the call of one that had started has settled. */
  settled(entry: E, runMs: number): void {
    const order = this.#order
    if (order.settled === undefined) return
    this.#ask(entry, entry.tier, entry.enqueuedAt, (it) => order.settled?.(it, entry.rank, runMs))
  }

  /** @internal The entry that goes first. */
  head(): E | undefined {
    if (!this.#across) return this.#firstLine()?.first()
    let best: E | undefined
    for (const tier of this.#tiers) {
      const head = tier.first()
      if (head === undefined) continue
      if (best === undefined || head.rank < best.rank || (head.rank === best.rank && head.sequence < best.sequence)) {
        best = head
      }
    }
    return best
  }

  /** @internal Takes the entry that goes first. */
  shift(): E | undefined {
    if (this.#size === 0) return undefined
    this.#size--
    if (!this.#across) return (this.#firstLine() as Tier<E>).shift()
    return (this.#tiers[(this.head() as E).tier] as Tier<E>).shift()
  }

  /** @internal The youngest entry of the lowest tier that is below another. */
  youngestBelow(tier: number): E | undefined {
    for (let t = TIERS - 1; t > tier; t--) {
      const line = this.#tiers[t] as Tier<E>
      if (line.size > 0) return line.last()
    }
    return undefined
  }

  /** @internal The first entry of a tier. */
  firstAt(tier: number): E | undefined {
    return (this.#tiers[tier] as Tier<E>).first()
  }

  /** @internal Takes an entry out that stands here. */
  delete(entry: E): void {
    this.#size--
    ;(this.#tiers[entry.tier] as Tier<E>).remove(entry)
  }

  /** @internal Moves an entry to another tier, under its own sequence. */
  move(entry: E, tier: number, admittedAt: number): void {
    if (tier === entry.tier) return
    // An order policy that throws must not lose the entry.
    const rank = this.#rankOf(entry, tier, admittedAt)
    this.delete(entry)
    entry.tier = tier
    this.#place(entry, rank)
  }

  /** @internal How many go before an entry. */
  countBefore(entry: E): number {
    let count = 0
    for (let t = 0; t < TIERS; t++) {
      const line = this.#tiers[t] as Tier<E>
      if (t === entry.tier || this.#across) count += line.countBefore(entry)
      else if (t < entry.tier) count += line.size
    }
    return count
  }

  /** @internal How many would go before a newcomer of a tier, were it ranked last there. */
  countAhead(tier: number): number {
    if (this.#across) return this.#size
    let count = 0
    for (let t = 0; t <= tier; t++) count += (this.#tiers[t] as Tier<E>).size
    return count
  }

  /** @internal All entries, by tier and in the order of each. */
  *entries(): Generator<E> {
    for (const tier of this.#tiers) yield* tier
  }

  /** The line of the most urgent tier in which anything waits. */
  #firstLine(): Tier<E> | undefined {
    for (let t = 0; t < TIERS; t++) {
      const line = this.#tiers[t] as Tier<E>
      if (line.size > 0) return line
    }
    return undefined
  }

  #ask<T>(entry: E, tier: number, admittedAt: number, policy: (question: OrderQuestion) => T): T {
    const question = this.#question
    question.tier = tier
    question.sequence = entry.sequence
    question.admittedAt = admittedAt
    question.deadline = entry.waitUntil ?? Number.POSITIVE_INFINITY
    question.request = entry.request
    question.metadata = entry.metadata
    try {
      return policy(question)
    } finally {
      // The last one asked about must not be kept alive.
      question.request = undefined
      question.metadata = undefined
    }
  }

  #rankOf(entry: E, tier: number, admittedAt: number): number {
    if (this.#isStrict) return entry.sequence
    const rank = this.#ask(entry, tier, admittedAt, (question) => this.#order.rank(question))
    // A rank that compares with nothing would be lost in a sorted line.
    return typeof rank === 'number' && !Number.isNaN(rank) ? rank : Number.POSITIVE_INFINITY
  }

  #place(entry: E, rank: number): void {
    entry.rank = rank
    this.#size++
    ;(this.#tiers[entry.tier] as Tier<E>).add(entry)
  }

  #own(ticket: QueueTicket<Req>): E | undefined {
    return ticket instanceof Ticket && ticket.waitsIn(this) ? (ticket as QueueEntry as E) : undefined
  }

  #next(signal?: AbortSignal): Promise<{ value: Req; done: false } | { value: undefined; done: true }> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (this.#size > 0) return resolve({ value: this.dequeue() as Req, done: false })
      if (this.#closed) return resolve({ value: undefined, done: true })
      const taker: Taker<Req> = {
        resolve: (result) => {
          signal?.removeEventListener('abort', aborted)
          resolve(result)
        },
      }
      const aborted = (): void => {
        this.#takers.delete(taker)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#takers.add(taker)
    })
  }
}

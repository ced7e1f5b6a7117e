/**
 * A queue of requests on its own, for whoever wants just that: bounded, stable, awaitable. Step 3 of 7.
 *
 * The order is that of `Tiers`, which a `QueuedExecutor` uses on its own records; here it holds tickets, and is wrapped
 * in what a queue needs that nobody drives: a bound, takers who wait, an end.
 */
import { isCount, misfit, requireOptions, requireTier } from '../checks.ts'
import { type Clock, systemClock } from '../clock.ts'
import { OptionsError, QueueClosedError, QueueFullError } from '../errors.ts'
import { takeIntoService } from '../policy.ts'
import { type ByPriority, type Priority, priorityOf } from '../priority.ts'
import type { ReadsOnly } from '../reads.ts'
import { anOrder, type OrderPolicy, strict } from './order.ts'
import { type QueueEntry, Tiers } from './tiers.ts'

/** The receipt for a request in a queue used on its own. */
export interface QueueTicket<Req> {
  readonly request: Req
  readonly priority: Priority
  /** When it was enqueued, in ms on the queue's clock. */
  readonly enqueuedAt: number
}

export interface RequestQueueOptions<Req = unknown> {
  /**
   * How many may wait. 0 or Infinity: no bound.
   * @default 10_000
   */
  maxQueueSize?: number | undefined
  /** @default strict() */
  order?: (OrderPolicy<Req> & ReadsOnly<Req, undefined>) | undefined
  /** @default systemClock */
  clock?: Clock | undefined
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
  block: QueueEntry['block'] = undefined
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

  get timedFrom(): number {
    return this.enqueuedAt
  }

  get priority(): Priority {
    return priorityOf(this.tier)
  }
}

const queueOptions = ['maxQueueSize', 'order', 'clock']
const enqueueOptions = ['priority']

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
export class RequestQueue<Req> {
  readonly #tiers: Tiers<Ticket<Req>>
  readonly #clock: Clock
  readonly #maxQueueSize: number
  readonly #takers = new Set<Taker<Req>>()
  #closed = false
  #enqueued = 0
  #dequeued = 0
  #removed = 0
  #waitedMs = 0

  /** @throws {OptionsError} */
  constructor(options: RequestQueueOptions<Req> = {}) {
    requireOptions('', options, queueOptions)
    const { maxQueueSize = 10_000, order = strict(), clock = systemClock } = options
    if (!(maxQueueSize === Number.POSITIVE_INFINITY || isCount(maxQueueSize, 0))) {
      throw new OptionsError('maxQueueSize', 'an integer of at least 0, or Infinity', maxQueueSize)
    }
    if (!anOrder.fits(order)) throw misfit('order', anOrder, order)
    takeIntoService({ name: 'a RequestQueue' }, [['order', order]])
    this.#maxQueueSize = maxQueueSize || Number.POSITIVE_INFINITY
    this.#tiers = new Tiers(order)
    this.#clock = clock
  }

  /** How many wait. */
  get size(): number {
    return this.#tiers.size
  }

  /** How many wait with one priority. */
  sizeOf(priority: Priority): number {
    return this.#tiers.sizeAt(requireTier(priority))
  }

  /**
   * Puts a request in its place. A pending `take()` gets it at once.
   * @throws {QueueFullError} when `maxQueueSize` wait already
   * @throws {QueueClosedError} after `close()`
   * @throws {OptionsError} for a priority that is none
   */
  enqueue(request: Req, options?: { priority?: Priority }): QueueTicket<Req> {
    const { priority = 'normal' } = options ?? {}
    if (options !== undefined) requireOptions('', options, enqueueOptions)
    const tier = requireTier(priority)
    if (this.#closed) throw new QueueClosedError({ priority })
    if (this.size >= this.#maxQueueSize) {
      throw new QueueFullError('total', this.size, this.#maxQueueSize, { priority })
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
    this.#tiers.add(ticket)
    this.#enqueued++
    return ticket
  }

  /** Takes the request that goes first; undefined when nothing waits. */
  dequeue(): Req | undefined {
    const ticket = this.#tiers.head()
    if (ticket === undefined) return undefined
    // First, since an order policy may throw.
    this.#tiers.started(ticket)
    this.#tiers.shift()
    this.#dequeued++
    this.#waitedMs += Math.max(this.#clock.now() - ticket.enqueuedAt, 0)
    return ticket.request
  }

  /** The request that goes first, left where it is. */
  peek(): Req | undefined {
    return this.#tiers.head()?.request
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

  /** Takes requests for as long as the queue is open, then the remaining ones. */
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
    // First, since an order policy may throw.
    this.#tiers.left(entry)
    this.#tiers.delete(entry)
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
    this.#tiers.move(entry, tier, entry.enqueuedAt)
    return true
  }

  /** How many would be dequeued before it; undefined when it waits no more. */
  position(ticket: QueueTicket<Req>): number | undefined {
    const entry = this.#own(ticket)
    return entry === undefined ? undefined : this.#tiers.countBefore(entry)
  }

  /** Removes all that wait, and returns them in order. */
  clear(): Req[] {
    const requests: Req[] = []
    for (;;) {
      const ticket = this.#tiers.head()
      if (ticket === undefined) return requests
      // First, since an order policy may throw.
      this.#tiers.left(ticket)
      this.#tiers.shift()
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
    const waits = [0, 1, 2, 3].map((tier) => now - (this.#tiers.firstAt(tier)?.enqueuedAt ?? now))
    return {
      size: this.size,
      sizes: this.#tiers.sizes(),
      maxQueueSize: this.#maxQueueSize,
      enqueued: this.#enqueued,
      dequeued: this.#dequeued,
      removed: this.#removed,
      averageWaitMs: this.#dequeued === 0 ? 0 : this.#waitedMs / this.#dequeued,
      oldestWaitMs: Math.max(...waits),
    }
  }

  #own(ticket: QueueTicket<Req>): Ticket<Req> | undefined {
    return ticket instanceof Ticket && ticket.waitsIn(this) ? (ticket as Ticket<Req>) : undefined
  }

  #next(signal?: AbortSignal): Promise<{ value: Req; done: false } | { value: undefined; done: true }> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (this.size > 0) return resolve({ value: this.dequeue() as Req, done: false })
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

/**
 * Where the tasks of a PQueue wait: a `queueClass` for p-queue 9 and 10.
 *
 * The model: one tier for each priority that has waiting tasks, the tiers in a sorted list, highest priority in front.
 * A tier is a doubly linked list: first-in first-out, and a task leaves from anywhere in O(1). With T tiers a task joins
 * or leaves one in O(1), and only a tier's first and last task cost O(log T). p-queue's own class is one sorted array,
 * in which a task that belongs in the middle moves all those behind it.
 *
 * Tasks are found by id, or by their function, through a map that is made when one is first asked for, and kept while
 * anything waits: p-queue numbers all tasks, and nearly none of the numbers is ever used. So the first look-up in a long
 * queue costs O(n), and the others O(1); for an id that several tasks share, as many steps as there are of them.
 *
 * p-queue is not imported, its types neither: they are ESM only, and would lock out a CommonJS consumer.
 */
import { type Block, type Ranked, Tier as SortedList } from '../core/queue/tier.ts'

/** What p-queue hands in: starts the task. It is the same type as p-queue's. */
export type RunFunction = () => Promise<unknown>

/** What the queue reads of the options that p-queue hands in with a task. */
export interface EnqueueOptions {
  /**
   * Greater ones start first. Any number: negative, fractional, infinite.
   * @default 0
   */
  readonly priority?: number | undefined
  /** p-queue always hands in one: the caller's, or `'1'`, `'2'` and so on. */
  readonly id?: string | undefined
  /** Tells which one to remove among tasks with the same id. */
  readonly signal?: { readonly aborted: boolean } | undefined
}

/**
 * ```ts
 * const queue = new PQueue({ concurrency: 8, queueClass: TieredQueue })
 * ```
 * Every answer is the one that p-queue's own class gives, that of p-queue 10 where the versions differ: `setPriority` to
 * the priority that a task already has leaves it in its place (p-queue 9 puts it behind its equals). Three things are
 * stricter or better defined:
 * - A priority that is NaN or no number is refused, as p-queue 10 does itself; in p-queue 9 it would break the order.
 * - `remove(id)` prefers the task whose signal is aborted. p-queue removes an aborted task by its id alone when the class
 *   is not its own; so even if a caller gives the same id to several tasks, the aborted one leaves, and not another.
 * - A task without an id is found by no id, `undefined` included. p-queue never hands one in.
 */
export class TieredQueue {
  // The tiers, twice: by priority, and in order. None is empty, but for the last one of an empty queue.
  readonly #byPriority = new Map<number, PriorityTier>()
  readonly #tiers = new SortedList<PriorityTier>()
  #size = 0
  #sequence = 0
  #byId: Lookup<string> | undefined
  #byRun: Lookup<RunFunction> | undefined

  get size(): number {
    return this.#size
  }

  /** @throws {TypeError} if the priority is NaN or not a number; p-queue hands it on through the promise of `add()` */
  enqueue(run: RunFunction, { priority = 0, id, signal }: EnqueueOptions = {}): void {
    const waiting = new Waiting(run, id, signal, ++this.#sequence)
    this.#tierOf(priority).append(waiting)
    if (this.#size++ === 0) {
      // Nobody else waits: from here on nobody pays for the look-ups until one is asked for again.
      this.#byId = undefined
      this.#byRun = undefined
      return
    }
    if (this.#byId !== undefined && id !== undefined) this.#byId.add(id, waiting)
    if (this.#byRun !== undefined) this.#byRun.add(run, waiting)
  }

  dequeue(): RunFunction | undefined {
    const tier = this.#tiers.first()
    if (tier === undefined || tier.head === undefined) return undefined
    const { head } = tier
    this.#take(head)
    return head.run
  }

  /**
   * Takes a task out, by its id or by its function; does nothing if it does not wait here.
   * Among several with the same id: the aborted one (the one added first), else the first in the order of the queue.
   */
  remove(idOrRun: string | RunFunction): void {
    const waiting =
      typeof idOrRun === 'function'
        ? this.#runs().first(idOrRun)
        : (this.#ids().aborted(idOrRun) ?? this.#ids().first(idOrRun))
    if (waiting !== undefined) this.#take(waiting)
  }

  /**
   * Moves a task behind those of its new priority; one that has this priority already stays where it is.
   * Among several with the same id: the first in the order of the queue.
   * @throws {ReferenceError} if no waiting task has this id
   * @throws {TypeError} if the priority is NaN or not a number
   */
  setPriority(id: string, priority: number): void {
    const waiting = this.#ids().first(id)
    if (waiting === undefined) throw new ReferenceError(`No promise function with the id "${id}" exists in the queue.`)
    const from = waiting.tier as PriorityTier
    const to = this.#tierOf(priority)
    if (from === to) return
    this.#leave(from, waiting)
    waiting.sequence = ++this.#sequence
    to.append(waiting)
  }

  /** The functions of all tasks of one priority, in order. p-queue's `sizeBy` counts them. */
  filter(options: { readonly priority?: number | undefined }): RunFunction[] {
    const runs: RunFunction[] = []
    let waiting = this.#byPriority.get(options.priority as number)?.head
    for (; waiting !== undefined; waiting = waiting.next) runs.push(waiting.run)
    return runs
  }

  /** The tier of a priority. A new one is empty, so the caller must put a task into it. */
  #tierOf(priority: number): PriorityTier {
    let tier = this.#byPriority.get(priority)
    if (tier === undefined) {
      // Only here: what has a tier has been checked.
      if (typeof priority !== 'number' || Number.isNaN(priority)) {
        throw new TypeError(`Expected \`priority\` to be a number, got \`${String(priority)}\` (${typeof priority})`)
      }
      const kept = this.#tiers.first()
      if (kept !== undefined && kept.head === undefined) this.#drop(kept)
      tier = new PriorityTier(priority)
      this.#byPriority.set(priority, tier)
      this.#tiers.add(tier)
    }
    return tier
  }

  #take(waiting: Waiting): void {
    this.#size--
    this.#leave(waiting.tier as PriorityTier, waiting)
    if (this.#byId !== undefined && waiting.id !== undefined) this.#byId.delete(waiting.id, waiting)
    if (this.#byRun !== undefined) this.#byRun.delete(waiting.run, waiting)
  }

  #leave(tier: PriorityTier, waiting: Waiting): void {
    tier.unlink(waiting)
    // The last tier stays: in a PQueue with free slots each task comes alone, and mostly with the same priority.
    if (tier.head === undefined && this.#size > 0) this.#drop(tier)
  }

  #drop(tier: PriorityTier): void {
    this.#tiers.remove(tier)
    this.#byPriority.delete(tier.priority)
  }

  #ids(): Lookup<string> {
    if (this.#byId === undefined) {
      this.#byId = new Lookup()
      for (const waiting of this.#asAdded()) if (waiting.id !== undefined) this.#byId.add(waiting.id, waiting)
    }
    return this.#byId
  }

  #runs(): Lookup<RunFunction> {
    if (this.#byRun === undefined) {
      this.#byRun = new Lookup()
      for (const waiting of this.#asAdded()) this.#byRun.add(waiting.run, waiting)
    }
    return this.#byRun
  }

  /** All that wait, in the order in which they were added. */
  #asAdded(): Waiting[] {
    const all: Waiting[] = []
    for (const tier of this.#tiers) {
      for (let waiting = tier.head; waiting !== undefined; waiting = waiting.next) all.push(waiting)
    }
    // Each tier is sorted but for moved tasks, so this is little more than a merge.
    return all.sort((a, b) => a.added - b.added)
  }
}

/** A task that waits. */
class Waiting {
  readonly run: RunFunction
  readonly id: string | undefined
  readonly signal: { readonly aborted: boolean } | undefined
  /** The order in which tasks were added: that in which p-queue removes those of one aborted signal. */
  readonly added: number
  /** The order in which tasks came into their tier. */
  sequence: number
  tier: PriorityTier | undefined = undefined
  previous: Waiting | undefined = undefined
  next: Waiting | undefined = undefined

  constructor(run: RunFunction, id: string | undefined, signal: Waiting['signal'], added: number) {
    this.run = run
    this.id = id
    this.signal = signal
    this.added = added
    this.sequence = added
  }
}

/** All that wait with one priority, first-in first-out. */
class PriorityTier implements Ranked {
  readonly priority: number
  readonly rank: number
  // A priority has one tier, so the rank alone decides.
  readonly sequence = 0
  block: Block | undefined = undefined
  head: Waiting | undefined = undefined
  #tail: Waiting | undefined = undefined

  constructor(priority: number) {
    this.priority = priority
    this.rank = -priority
  }

  append(waiting: Waiting): void {
    const tail = this.#tail
    waiting.tier = this
    waiting.previous = tail
    if (tail === undefined) this.head = waiting
    else tail.next = waiting
    this.#tail = waiting
  }

  unlink(waiting: Waiting): void {
    const { previous, next } = waiting
    if (previous === undefined) this.head = next
    else previous.next = next
    if (next === undefined) this.#tail = previous
    else next.previous = previous
    // Whoever still holds this one must not hold those who stood beside it.
    waiting.tier = undefined
    waiting.previous = undefined
    waiting.next = undefined
  }
}

/** Waiting tasks by a key that need not be unique. */
class Lookup<K> {
  // A set only for a key that several share; it is in the order in which they were added.
  readonly #tasks = new Map<K, Waiting | Set<Waiting>>()

  add(key: K, waiting: Waiting): void {
    const found = this.#tasks.get(key)
    if (found === undefined) this.#tasks.set(key, waiting)
    else if (found instanceof Waiting) this.#tasks.set(key, new Set([found, waiting]))
    else found.add(waiting)
  }

  delete(key: K, waiting: Waiting): void {
    const found = this.#tasks.get(key)
    if (found instanceof Set) {
      found.delete(waiting)
      if (found.size > 0) return
    }
    this.#tasks.delete(key)
  }

  /** The first in the order of the queue. */
  first(key: K): Waiting | undefined {
    const found = this.#tasks.get(key)
    if (!(found instanceof Set)) return found
    let first: Waiting | undefined
    for (const waiting of found) if (first === undefined || before(waiting, first)) first = waiting
    return first
  }

  /** The first that was added and is aborted. */
  aborted(key: K): Waiting | undefined {
    const found = this.#tasks.get(key)
    if (!(found instanceof Set)) return found?.signal?.aborted ? found : undefined
    for (const waiting of found) if (waiting.signal?.aborted) return waiting
    return undefined
  }
}

function before(a: Waiting, b: Waiting): boolean {
  const rankA = (a.tier as PriorityTier).rank
  const rankB = (b.tier as PriorityTier).rank
  return rankA < rankB || (rankA === rankB && a.sequence < b.sequence)
}

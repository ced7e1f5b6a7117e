/**
 * The dead letters of an executor, wherever they are kept: in its store, with those of the processes before this one, or, without
 * a store, in memory from now on.
 *
 *     deadLetters(queue) ──▶ its store can be read ──▶ list, requeue and discard there
 *                       └──▶ it has none ───────────▶ the same of a `DeadLetters`
 */
import { hasMethods, requireOptions, requireTier } from '../checks.ts'
import { inAnotherTurn } from '../clock.ts'
import { OptionsError } from '../errors.ts'
import type { Priority } from '../priority.ts'
import type { DeadReason, Encoded, ReadableStore, StoredView } from '../store.ts'
import { AT_A_STRETCH, type DeadLetterOptions, DeadLetters, type LetterSource } from './dead-letters.ts'

/** A dead letter, wherever it is kept. */
export interface DeadLetterView<Req> {
  readonly id: string
  readonly generation: number
  /** Undefined when it can't be read any more: `reason` is `'corrupt'` then. */
  readonly request: Req | undefined
  readonly priority: Priority
  readonly metadata: unknown
  /** What it ended with. A store keeps name, code and message of it. */
  readonly error: unknown
  readonly attempts: number
  /** Why a store has it. */
  readonly reason?: DeadReason | undefined
}

/** Which dead letters. */
export interface DeadLetterQuery {
  readonly priority?: Priority | undefined
  /** Those whose id begins with this. */
  readonly id?: string | undefined
}

/** What may be done with the dead letters of an executor. */
export interface DeadLetterBox<Req> {
  /** The youngest first. Read as you go: one that ends meanwhile may or may not be among them. */
  list(query?: DeadLetterQuery): AsyncIterable<DeadLetterView<Req>>
  /**
   * Gives one a new life.
   * @param generation only this one
   * @returns false when there is none (any more), when it is corrupt, and, with a store, while another request with its id is live, or
   *   the answer of a later one is kept
   * @throws {TriageError} through the promise, what refuses it: it stays a dead letter
   */
  requeue(id: string, generation?: number): Promise<boolean>
  /** Requeues those for which `filter` says true, the oldest first. `refused` counts those that stay dead letters. */
  requeueAll(filter?: (letter: DeadLetterView<Req>) => boolean): Promise<{ requeued: number; refused: number }>
  /** Forgets one. False: there is none. */
  discard(id: string, generation?: number): Promise<boolean>
}

/** What is needed of an executor. */
export interface BoxSource<Req> extends LetterSource<Req, unknown> {
  readonly name: string
  readonly settings: object
  requeue(id: string, generation?: number): Promise<boolean>
  discard(id: string, generation?: number): Promise<boolean>
}

/** One for each executor: it has what has failed since the first call. */
const boxes = new WeakMap<object, DeadLetterBox<unknown>>()

/**
 * The dead letters of an executor: those of its store, or, without one, those that have failed since the first call for this
 * executor. Each call for it answers with the same.
 * @param options of the first call, for an executor without a store; a store has its own `keep`
 * @throws {OptionsError}
 */
export function deadLetters<Req>(source: BoxSource<Req>, options?: DeadLetterOptions): DeadLetterBox<Req> {
  if (!hasMethods(source, 'requeue', 'discard', 'submit'))
    throw new OptionsError('executor', 'a QueuedExecutor', source)
  let box = boxes.get(source)
  if (box === undefined) {
    const { store } = source.settings as { store?: unknown }
    const isReadable = hasMethods(store, 'list', 'decode')
    box = isReadable ? new Stored(source, store as ReadableStore) : new InMemory(new DeadLetters(source, options))
    boxes.set(source, box)
  }
  return box as DeadLetterBox<Req>
}

/** @throws {OptionsError} for what is no filter */
function readQuery(query: DeadLetterQuery): DeadLetterQuery {
  requireOptions('', query, ['priority', 'id'])
  if (query.priority !== undefined) requireTier(query.priority)
  return query
}

abstract class Box<Req> implements DeadLetterBox<Req> {
  abstract list(query?: DeadLetterQuery): AsyncIterable<DeadLetterView<Req>>
  abstract requeue(id: string, generation?: number): Promise<boolean>
  abstract discard(id: string, generation?: number): Promise<boolean>

  async requeueAll(filter: (letter: DeadLetterView<Req>) => boolean = () => true) {
    if (typeof filter !== 'function') throw new OptionsError('filter', 'a function', filter)
    const chosen: [string, number][] = []
    for await (const letter of this.list()) if (filter(letter)) chosen.push([letter.id, letter.generation])
    let requeued = 0
    for (const [i, [id, generation]] of chosen.reverse().entries()) {
      if (i % AT_A_STRETCH === AT_A_STRETCH - 1) await new Promise<void>(inAnotherTurn)
      if (await this.requeue(id, generation).catch(() => false)) requeued++
    }
    return { requeued, refused: chosen.length - requeued }
  }
}

class InMemory<Req> extends Box<Req> {
  readonly #letters: DeadLetters<Req, unknown>

  constructor(letters: DeadLetters<Req, unknown>) {
    super()
    this.#letters = letters
  }

  async *list(query: DeadLetterQuery = {}) {
    const { priority, id = '' } = readQuery(query)
    for (const letter of [...this.#letters].reverse()) {
      if (letter.id.startsWith(id) && (priority ?? letter.priority) === letter.priority) yield letter
    }
  }

  async requeue(id: string, generation?: number) {
    return (await this.#letters.requeue(id, generation)) !== undefined
  }

  async discard(id: string, generation?: number) {
    return this.#letters.delete(id, generation)
  }
}

class Stored<Req> extends Box<Req> {
  readonly #source: BoxSource<Req>
  readonly #store: ReadableStore

  constructor(source: BoxSource<Req>, store: ReadableStore) {
    super()
    this.#source = source
    this.#store = store
  }

  async *list(query: DeadLetterQuery = {}) {
    const { priority, id } = readQuery(query)
    let cursor: string | undefined
    do {
      const page = await this.#store.list({ priority, id, state: 'dead', queue: this.#source.name, cursor })
      for (const view of page.records) yield this.#read(view)
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  requeue(id: string, generation?: number) {
    return this.#source.requeue(id, generation)
  }

  discard(id: string, generation?: number) {
    return this.#source.discard(id, generation)
  }

  #read(view: StoredView): DeadLetterView<Req> {
    const { id, generation, priority, error, attempts, reason } = view
    return {
      ...{ id, generation, priority, error, attempts, reason },
      request: this.#decoded(view.payload) as Req | undefined,
      metadata: this.#decoded(view.metadata),
    }
  }

  #decoded(encoded: Encoded | undefined): unknown {
    try {
      return encoded && this.#store.decode(encoded)
    } catch {
      return undefined
    }
  }
}

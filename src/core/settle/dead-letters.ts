/**
 * What has become of those that failed for good? They are kept, a bounded number of them, to be looked at and submitted
 * again. Step 6 of 7.
 */
import { requireOptions } from '../checks.ts'
import { OptionsError } from '../errors.ts'
import type { Priority } from '../priority.ts'

/** A request that has failed for good. */
export interface DeadLetter<Req> {
  readonly id: string
  readonly request: Req
  readonly priority: Priority
  readonly metadata: unknown
  readonly error: unknown
  /** When it ended, in ms on the executor's clock. */
  readonly at: number
}

interface Ended {
  readonly id: string
  readonly request: unknown
  readonly priority: Priority
  readonly metadata: unknown
  readonly error: unknown
  readonly at: number
}

/** What is needed of an executor. */
export interface LetterSource<Req, Handle> {
  on(event: 'failed' | 'expired', listener: (event: Ended) => void): unknown
  off(event: 'failed' | 'expired', listener: (event: Ended) => void): unknown
  submit(request: Req, options: { priority: Priority; metadata: unknown }): Promise<Handle>
}

export interface DeadLetterOptions {
  /**
   * How many are kept; of more, the oldest are dropped. An integer of at least 1.
   * @default 1_000
   */
  max?: number
  /**
   * Which ends make a dead letter.
   * @default ['failed']
   */
  of?: readonly ('failed' | 'expired')[]
}

/** The dead letters of an executor, from now on; in memory. */
export class DeadLetters<Req, Handle> implements Iterable<DeadLetter<Req>> {
  readonly #source: LetterSource<Req, Handle>
  readonly #max: number
  readonly #of: readonly ('failed' | 'expired')[]
  readonly #letters = new Map<string, DeadLetter<Req>>()
  #dropped = 0
  readonly #keep = ({ id, request, priority, metadata, error, at }: Ended): void => {
    // A second one with the same id is the younger one, and stands at the end.
    this.#letters.delete(id)
    this.#letters.set(id, { id, request: request as Req, priority, metadata, error, at })
    for (const oldest of this.#letters.keys()) {
      if (this.#letters.size <= this.#max) break
      this.#letters.delete(oldest)
      this.#dropped++
    }
  }

  /** @throws {OptionsError} */
  constructor(source: LetterSource<Req, Handle>, options: DeadLetterOptions = {}) {
    requireOptions('deadLetters', options, ['max', 'of'])
    const { max = 1_000, of = ['failed'] } = options
    if (!(Number.isInteger(max) && max >= 1)) throw new OptionsError('deadLetters.max', 'an integer of at least 1', max)
    if (!(Array.isArray(of) && of.every((event) => event === 'failed' || event === 'expired'))) {
      throw new OptionsError('deadLetters.of', "an array of 'failed' and 'expired'", of)
    }
    this.#source = source
    this.#max = max
    this.#of = of
    for (const event of of) source.on(event, this.#keep)
  }

  /** How many are kept. */
  get size(): number {
    return this.#letters.size
  }

  /** How many were dropped, because there were more than `max`. */
  get dropped(): number {
    return this.#dropped
  }

  /** The oldest first. */
  [Symbol.iterator](): IterableIterator<DeadLetter<Req>> {
    return this.#letters.values()
  }

  get(id: string): DeadLetter<Req> | undefined {
    return this.#letters.get(id)
  }

  /** Forgets one. False when there is none with this id. */
  delete(id: string): boolean {
    return this.#letters.delete(id)
  }

  /**
   * Submits one again, with its priority and metadata, under a new id. It is no dead letter any more as soon as it is
   * admitted; it stays one when it is refused. Undefined when there is none with this id.
   */
  async requeue(id: string): Promise<Handle | undefined> {
    const letter = this.#letters.get(id)
    if (letter === undefined) return undefined
    const { request, priority, metadata } = letter
    const handle = await this.#source.submit(request, { priority, metadata })
    if (this.#letters.get(id) === letter) this.#letters.delete(id)
    return handle
  }

  /** Collects no more; what is kept stays. */
  [Symbol.dispose](): void {
    for (const event of this.#of) this.#source.off(event, this.#keep)
  }
}

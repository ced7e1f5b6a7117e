/**
 * What has become of those that failed for good? They are kept, a bounded number of them, to be looked at and submitted
 * again. Step 6 of 7.
 *
 *     failed for good ──▶ letter ──▶ requeue() ──▶ admitted: a letter no more ──▶ has failed again: the next generation
 *                           ▲                          │
 *                           └──────── refused ─────────┘
 */
import { requireOptions } from '../checks.ts'
import { inAnotherTurn } from '../clock.ts'
import { OptionsError } from '../errors.ts'
import type { Priority } from '../priority.ts'
import type { NotRetried, RepeatOptions } from '../queued-request.ts'

/** A request that has failed for good. */
export interface DeadLetter<Req> {
  readonly id: string
  /** How many letters this id has had, this one included: 1, and 2 when it was requeued and has failed again. */
  readonly generation: number
  readonly request: Req
  readonly priority: Priority
  readonly metadata: unknown
  /** What it ended with. */
  readonly error: unknown
  /** How many attempts were begun. */
  readonly attempts: number
  /** What each attempt has failed with, the first one first, and last of all `error`; of more than ten, the last ten. */
  readonly errors: readonly unknown[]
  /** `'full'`: as many as `maxRetrying` were being retried already, and the retry policy was not asked. */
  readonly notRetried?: NotRetried | undefined
  /** What it was submitted with, besides its id, priority and metadata. */
  readonly options: RepeatOptions
  /** When it ended, in ms on the executor's clock. */
  readonly at: number
}

type Ended = Omit<DeadLetter<unknown>, 'generation'>

/** What is needed of an executor. */
export interface LetterSource<Req, Handle> {
  on(event: 'failed' | 'expired', listener: (event: Ended) => void): unknown
  off(event: 'failed' | 'expired', listener: (event: Ended) => void): unknown
  submit(
    request: Req,
    options: RepeatOptions & { id: string; priority: Priority; metadata: unknown; onDuplicate: 'reject' },
  ): Promise<Handle>
}

export interface DeadLetterOptions {
  /**
   * How many are kept; of more, the oldest are dropped. An integer of at least 1.
   * @default 1_000
   */
  max?: number | undefined
  /**
   * Which ends make a dead letter.
   * @default ['failed']
   */
  of?: readonly ('failed' | 'expired')[] | undefined
}

/** What `requeueAll()` has done. */
export interface Requeued<Req> {
  /** How many were admitted, and are letters no more. */
  readonly requeued: number
  /** Those that stay, each with what refused it. */
  readonly refused: readonly { readonly letter: DeadLetter<Req>; readonly error: unknown }[]
}

/** So many are submitted in one turn of the event loop. */
export const AT_A_STRETCH = 256

/** The dead letters of an executor, from now on; in memory. */
export class DeadLetters<Req, Handle> implements Iterable<DeadLetter<Req>> {
  readonly #source: LetterSource<Req, Handle>
  readonly #max: number
  readonly #of: readonly ('failed' | 'expired')[]
  readonly #letters = new Map<string, DeadLetter<Req>>()
  /** The generations of those that are kept no more: of as many as are kept at most, the youngest. */
  readonly #past = new Map<string, number>()
  /** Those that are being submitted again. */
  readonly #submitting = new Map<DeadLetter<Req>, Promise<Handle>>()
  #dropped = 0
  readonly #keep = (ended: Ended): void => {
    const { id, request, priority, metadata, error, attempts, errors, notRetried, options, at } = ended
    const generation = (this.#letters.get(id)?.generation ?? this.#past.get(id) ?? 0) + 1
    // A second one with the same id is the younger one, and stands at the end.
    this.#letters.delete(id)
    this.#letters.set(id, {
      ...{ id, generation, request: request as Req, priority, metadata },
      ...{ error, attempts, errors, notRetried, options, at },
    })
    this.#past.delete(id)
    for (const oldest of this.#letters.keys()) {
      if (this.#letters.size <= this.#max) break
      this.delete(oldest)
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

  #letter(id: string, generation: number | undefined): DeadLetter<Req> | undefined {
    const letter = this.#letters.get(id)
    return generation === undefined || letter?.generation === generation ? letter : undefined
  }

  /**
   * Forgets one. False when there is none with this id.
   * @param generation only this one: a later letter with the same id is left alone
   */
  delete(id: string, generation?: number): boolean {
    const letter = this.#letter(id, generation)
    if (letter === undefined) return false
    this.#letters.delete(id)
    this.#past.set(id, letter.generation)
    for (const oldest of this.#past.keys()) {
      if (this.#past.size <= this.#max) break
      this.#past.delete(oldest)
    }
    return true
  }

  /**
   * Submits a letter's request again with its id, priority, metadata, cost and timeouts. It does not wait again for `delayMs`,
   * `startAt` or `after`. A `schema` is given the request as the schema has made it the first time. The letter is removed as soon
   * as the request is admitted. It stays if the request is refused for any reason, such as a `DuplicateRequestError` while
   * another request with its id is live. Two calls at the same time submit once, and get the same handle.
   * @param generation only this one: a later letter with the same id is left alone
   * @returns undefined when there is no such letter (any more)
   */
  async requeue(id: string, generation?: number): Promise<Handle | undefined> {
    const letter = this.#letter(id, generation)
    return letter === undefined ? undefined : this.#submit(letter)
  }

  /**
   * Submits all letters again for which `filter` says true, the oldest first. It does not flood: it submits one after the other,
   * so only one is blocked at a time. It tries each once: a refused request stays a letter. `filter` is called for all letters
   * before the first is submitted. If it throws, the promise rejects with that error, and nothing has changed.
   */
  async requeueAll(filter: (letter: DeadLetter<Req>) => boolean = () => true): Promise<Requeued<Req>> {
    const refused: { letter: DeadLetter<Req>; error: unknown }[] = []
    let requeued = 0
    for (const [i, letter] of [...this].filter((each) => filter(each)).entries()) {
      if (i % AT_A_STRETCH === AT_A_STRETCH - 1) await new Promise<void>(inAnotherTurn)
      // Meanwhile it may have been deleted, or requeued by another.
      if (this.#letters.get(letter.id) !== letter) continue
      try {
        await this.#submit(letter)
        requeued++
      } catch (error) {
        refused.push({ letter, error })
      }
    }
    return { requeued, refused }
  }

  #submit(letter: DeadLetter<Req>): Promise<Handle> {
    let handle = this.#submitting.get(letter)
    if (handle === undefined) {
      handle = this.#submitAnew(letter).finally(() => this.#submitting.delete(letter))
      this.#submitting.set(letter, handle)
    }
    return handle
  }

  async #submitAnew(letter: DeadLetter<Req>): Promise<Handle> {
    const { id, request, priority, metadata, options } = letter
    const handle = await this.#source.submit(request, { ...options, id, priority, metadata, onDuplicate: 'reject' })
    // Meanwhile there may be a younger one with its id.
    if (this.#letters.get(id) === letter) this.delete(id)
    return handle
  }

  /** Collects no more; what is kept stays. */
  [Symbol.dispose](): void {
    for (const event of this.#of) this.#source.off(event, this.#keep)
  }
}

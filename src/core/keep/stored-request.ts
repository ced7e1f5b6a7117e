/**
 * What a request has besides, that a store keeps: its number and payload there, and how far its record has come.
 */
import type { RequestRecord } from '../request-record.ts'
import type { Encoded, StoredLimits } from '../store.ts'
import type { Stored } from '../stored.ts'

export class StoredRequest implements Stored {
  readonly seq: number
  readonly payload: Encoded
  readonly metadata: Encoded | undefined
  readonly limits: StoredLimits
  readonly before: number
  isKept = false
  isUntold = false
  /** Its record was handed over, or never will be, since it has ended before. */
  isHanded = false
  /** As which priority it is counted, while it is not kept. */
  tier = -1
  /** The last attempt that was handed over as begun, counted over all lives. */
  asked: number
  /** Calls the executor, as soon as the beginning of its attempt is kept. */
  go: (() => void) | undefined = undefined
  /** What it ended with, for its caller, who is told when it is known whether the store has it. */
  tells: ((refused?: unknown) => void) | undefined = undefined
  #promise: Promise<void> | undefined = undefined
  #resolve: () => void = nothing
  #reject: (error: unknown) => void = nothing
  #refused: { readonly error: unknown } | undefined = undefined

  /** @param before how many attempts were begun in former lives of the process */
  constructor(seq: number, payload: Encoded, metadata: Encoded | undefined, limits: StoredLimits, before = 0) {
    this.seq = seq
    this.payload = payload
    this.metadata = metadata
    this.limits = limits
    this.before = before
    this.asked = before
  }

  promise(): Promise<void> {
    if (this.#promise === undefined) {
      this.#promise = new Promise((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      })
      // Nobody need look at it.
      this.#promise.catch(nothing)
      if (this.isKept) this.#resolve()
      else if (this.#refused !== undefined) this.#reject(this.#refused.error)
    }
    return this.#promise
  }

  /** The store has it. */
  kept(): void {
    this.isKept = true
    this.#resolve()
  }

  /** The store never will have it. */
  refused(error: unknown): void {
    this.#refused = { error }
    this.#reject(error)
  }
}

/** What a store keeps of it. All that come to an executor with a store have that. */
export function storedOf(record: RequestRecord): StoredRequest {
  return record.extras?.stored as StoredRequest
}

/** A store of one's own may also throw. */
export async function asked<T>(question: () => Promise<T>): Promise<T> {
  return await question()
}

/** It has happened: if the store closes before it is written, there is nothing to be done about it. */
export function fact(tell: () => Promise<unknown>): void {
  asked(tell).catch(nothing)
}

export function nothing(): void {}

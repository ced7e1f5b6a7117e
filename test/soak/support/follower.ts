/**
 * Who is still there? Follows objects by a FinalizationRegistry, and knows nothing of them but what they were.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { QueuedExecutor, QueuedRequest, RequestOptions } from 'triage-queue'
import { collect } from './steady.ts'
import { outcomeOf } from './tally.ts'

export class Follower {
  requests = 0
  readonly followed: Record<string, number> = {}
  readonly #left = new Map<string, number>()
  /** How the requests that are made now will end. */
  way = ''
  /** How they have ended, as the tally calls it. */
  readonly ends = new Set<string>()
  readonly #context = new AsyncLocalStorage<object>()
  readonly #registry = new FinalizationRegistry<string>((what) => {
    const left = (this.#left.get(what) ?? 0) - 1
    if (left === 0) this.#left.delete(what)
    else this.#left.set(what, left)
  })

  follow<T extends object>(what: string, target: T): T {
    const label = `${what} of a request ${this.way}`
    this.#registry.register(target, label)
    this.followed[what] = (this.followed[what] ?? 0) + 1
    this.#left.set(label, (this.#left.get(label) ?? 0) + 1)
    return target
  }

  payload(kind = 'sleeps'): Payload {
    this.requests++
    return this.follow('payload', { kind })
  }

  /** One request with all that it brings along; its answer or error is followed as well. */
  execute(executor: Subject, options: RequestOptions = {}, kind = 'sleeps'): void {
    const answer = this.#submit((metadata) => executor.execute(this.payload(kind), { ...options, metadata }))
    this.follow('promise', answer).then(this.ended, this.failed)
  }

  /** The same by `offer()`: its handle is used, and dropped. */
  offer(executor: Subject, { options, kind, use }: Offer = {}): void {
    const handle = this.#submit((metadata) => executor.offer(this.payload(kind), { ...options, metadata }))
    if (handle === undefined) return
    this.follow('handle', handle).result.then(this.ended, this.failed)
    use?.(handle)
  }

  #submit<T>(by: (metadata: object) => T): T {
    return this.#context.run(this.follow('store', {}), () => by(this.follow('metadata', {})))
  }

  /** A signal of its own for a request. */
  control(): AbortController {
    const control = this.follow('controller', new AbortController())
    this.follow('signal', control.signal)
    return control
  }

  /** What is left after collections: as many as it takes, but not for ever. */
  async left(): Promise<Record<string, number>> {
    for (let i = 0; i < 10 && this.#left.size > 0; i++) await collect()
    return Object.fromEntries(this.#left)
  }

  readonly ended = (answer: unknown): void => {
    this.ends.add('completed')
    this.follow('outcome', answer as object)
  }

  readonly failed = (error: unknown): void => {
    this.ends.add(outcomeOf(error))
    this.follow('outcome', error as object)
  }
}

export interface Payload {
  /** What its executor does. */
  readonly kind: string
}

export type Subject = QueuedExecutor<Payload, object>
type Handle = QueuedRequest<Payload, object>

interface Offer {
  readonly options?: RequestOptions
  readonly kind?: string
  readonly use?: (handle: Handle) => void
}

/**
 * What a caller sees of a request that waits in Redis: its handle. Each caller has one, also of those who share a run.
 */
import type { HandleLike } from '../core/executor-like.ts'
import type { Priority } from '../core/priority.ts'
import type { RequestStateLike } from '../core/watch/request-view.ts'
import type { Awaited } from './outstanding.ts'

export interface HandleHost {
  cancel(id: string, reason?: unknown): Promise<boolean>
  move(id: string, priority: Priority): Promise<boolean>
  position(id: string): Promise<number | undefined>
  /** One of its callers waits no more. */
  leave(one: Awaited, reason: unknown): void
}

/** The handle of a request that waits in Redis, or runs somewhere. */
export interface RemoteRequest<Res = unknown> extends HandleLike<Res> {
  readonly request: unknown
  readonly metadata: unknown
  /** As it was last heard. */
  readonly priority: Priority
  /** When it was submitted here, in ms on the clock of this process. */
  readonly enqueuedAt: number
  cancel(reason?: unknown): Promise<boolean>
  setPriority(priority: Priority): Promise<boolean>
  position(): Promise<number | undefined>
}

export class RemoteHandle<Res = unknown> implements RemoteRequest<Res> {
  readonly #one: Awaited
  readonly #host: HandleHost
  #left: Promise<never> | undefined
  #result: Promise<Res> | undefined

  constructor(one: Awaited, host: HandleHost, signal: AbortSignal | undefined) {
    this.#one = one
    this.#host = host
    if (signal !== undefined && !one.hasEnded) this.#leaveWith(signal)
  }

  #leaveWith(signal: AbortSignal): void {
    const left = new Promise<never>((_, reject) => {
      const leaves = (): void => {
        if (this.#one.hasEnded) return
        reject(signal.reason)
        this.#host.leave(this.#one, signal.reason)
      }
      signal.addEventListener('abort', leaves, { once: true })
      void this.#one.ended.then(() => signal.removeEventListener('abort', leaves))
      if (signal.aborted) leaves()
    })
    // It is the caller's, once the caller asks for the result.
    left.catch(() => {})
    this.#left = left
  }

  get id(): string {
    return this.#one.id
  }

  get request(): unknown {
    return this.#one.request
  }

  get metadata(): unknown {
    return this.#one.metadata
  }

  /** On the clock of this process. */
  get enqueuedAt(): number {
    return this.#one.enqueuedAt
  }

  get priority(): Priority {
    return this.#one.priority
  }

  /** What was last heard of it: `find()` asks. */
  get state(): RequestStateLike {
    return this.#one.state
  }

  get result(): Promise<Res> {
    this.#result ??= this.#answer()
    return this.#result
  }

  async #answer(): Promise<Res> {
    const { ended } = this.#one
    const end = await (this.#left === undefined ? ended : Promise.race([ended, this.#left]))
    if (end.state === 'completed') return end.value as Res
    throw end.error
  }

  // An id may have another life when this one has ended: that is not its own.

  /** The reason crosses as an error does. */
  async cancel(reason?: unknown): Promise<boolean> {
    return !this.#one.hasEnded && this.#host.cancel(this.id, reason)
  }

  async setPriority(priority: Priority): Promise<boolean> {
    return !this.#one.hasEnded && this.#host.move(this.id, priority)
  }

  async position(): Promise<number | undefined> {
    return this.#one.hasEnded ? undefined : this.#host.position(this.id)
  }
}

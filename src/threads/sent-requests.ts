/**
 * What this side has sent to a shard in a thread and is not answered yet: by its number, and, so that a caller with the id of a live
 * request finds it at once, by its id.
 */
import type { Priority } from '../core/priority.ts'
import type { HandleLike, RequestOptions, RequestStateLike } from '../index.ts'
import type { Reach } from './came-back.ts'

/** A request that lives there. */
export interface Sent<Res> {
  readonly id: string
  readonly priority: Priority
  /** What it was submitted with, for whoever is told that it is lost. */
  readonly request: unknown
  readonly options: RequestOptions
  /** Of `submit()`, until it is admitted. */
  admitted: ((handle: HandleLike<Res>) => void) | undefined
  refused: ((error: unknown) => void) | undefined
  resolve(value: Res): void
  reject(error: unknown): void
}

export class Live<Res> {
  readonly sent: Sent<Res>
  state: RequestStateLike = 'waiting'
  /** It was told so: only where somebody listens. */
  isQueued = false
  handle: HandleLike<Res> | undefined
  /** Ends the care for its caller's signal. */
  leave: (() => void) | undefined

  constructor(sent: Sent<Res>) {
    this.sent = sent
  }
}

export class SentRequests<Res> {
  readonly #reach: Omit<Reach<Res>, 'result'>
  readonly #live = new Map<number, Live<Res>>()
  /** The youngest of an id. */
  readonly #byId = new Map<string, number>()

  constructor(reach: Omit<Reach<Res>, 'result'>) {
    this.#reach = reach
  }

  get size(): number {
    return this.#live.size
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  add(number: number, sent: Sent<Res>): Live<Res> {
    const live = new Live(sent)
    this.#live.set(number, live)
    this.#byId.set(sent.id, number)
    return live
  }

  get(id: string): HandleLike<Res> | undefined {
    const live = this.#of(id)
    if (live === undefined || live.handle !== undefined) return live?.handle
    // Of one that was executed: whoever asks for its result has a promise of their own.
    const { resolve, reject } = live.sent
    const result = Promise.withResolvers<Res>()
    live.sent.resolve = (value) => {
      resolve(value)
      result.resolve(value)
    }
    live.sent.reject = (error) => {
      reject(error)
      result.reject(error)
    }
    return this.keep(live, result.promise)
  }

  #of(id: string): Live<Res> | undefined {
    return this.#live.get(this.#byId.get(id) ?? 0)
  }

  /** Gives it its handle. */
  keep(live: Live<Res>, result: Promise<Res>): HandleLike<Res> {
    // Whoever never reads the result is not told of its rejection by Node.
    result.catch(() => {})
    const { id } = live.sent
    live.handle = {
      id,
      get state() {
        return live.state
      },
      result,
      cancel: (reason) => this.#reach.cancel(id, reason),
      setPriority: (priority) => this.#reach.setPriority(id, priority),
      position: () => this.#reach.position(id),
    }
    return live.handle
  }

  admitted(number: number): void {
    const live = this.#live.get(number)
    if (live?.handle === undefined) return
    live.sent.admitted?.(live.handle)
    live.sent.admitted = undefined
    live.sent.refused = undefined
  }

  moved(number: number, state: RequestStateLike): void {
    const live = this.#live.get(number)
    if (live !== undefined) live.state = state
  }

  /** The event of it was heard. */
  queued(id: string): void {
    const live = this.#of(id)
    if (live !== undefined) live.isQueued = true
  }

  answered(number: number, value: Res): void {
    const live = this.#forget(number)
    if (live === undefined) return
    live.state = 'completed'
    live.sent.resolve(value)
  }

  ended(number: number, error: unknown): void {
    const live = this.#forget(number)
    if (live === undefined) return
    live.state = stateAfter(error)
    live.sent.refused?.(error)
    live.sent.reject(error)
  }

  /** All end at once. @returns each id once, as it was before */
  allEnd(errorOf: (state: RequestStateLike) => unknown): (Sent<Res> & Pick<Live<Res>, 'state' | 'isQueued'>)[] {
    const were = [...this.#byId.values()].flatMap((number) => {
      const live = this.#live.get(number)
      return live === undefined ? [] : [{ ...live.sent, state: live.state, isQueued: live.isQueued }]
    })
    for (const [number, { state }] of [...this.#live]) this.ended(number, errorOf(state))
    return were
  }

  #forget(number: number): Live<Res> | undefined {
    const live = this.#live.get(number)
    if (live === undefined) return undefined
    this.#live.delete(number)
    if (this.#byId.get(live.sent.id) === number) this.#byId.delete(live.sent.id)
    live.leave?.()
    return live
  }
}

function stateAfter(error: unknown): RequestStateLike {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  if (code === 'TRIAGE_CANCELLED') return 'cancelled'
  if (code === 'TRIAGE_SHED') return 'shed'
  return /TIMEOUT$/.test(`${code}`) ? 'expired' : 'failed'
}

/**
 * What lives in a shard in a thread, as this side knows it: by its number, and by its id. Each has a state, may have a handle, and ends
 * once.
 *
 * Callers who share the run of one id are each one of these. Whoever leaves takes nothing from the others: the id leads to those that
 * are left.
 */
import type { Priority } from '../core/priority.ts'
import type { HandleLike, RequestStateLike } from '../index.ts'
import { crossing } from './crossing.ts'
import type { Question } from './shard-wire.ts'

/** Who is told how it ends. */
export interface Ends<Res> {
  /** Of `submit()`, until it is admitted. */
  admitted: ((handle: HandleLike<Res>) => void) | undefined
  refused: ((error: unknown) => void) | undefined
  resolve(value: Res): void
  reject(error: unknown): void
}

interface About {
  readonly number: number
  readonly id: string
  readonly priority: Priority
  /** What it was submitted with, while somebody listens to those that fail: told when its thread is lost. */
  readonly about: { readonly request: unknown; readonly metadata: unknown; readonly options: object } | undefined
}

/** A request that lives there. */
export interface Live<Res> extends About, Ends<Res> {
  state: RequestStateLike
  /** Its signal was aborted: its caller has been told, and there it is left as soon as that is heard. */
  hasLeft: boolean
  handle: HandleLike<Res> | undefined
  leave: (() => void) | undefined
  /** Of the same id. */
  older: Live<Res> | undefined
  younger: Live<Res> | undefined
}

/** Asks its shard; `over` is the answer when that has closed. */
export type Ask = <T>(question: Question, over: T) => Promise<T>

/** What the handle of a request asks its shard. @param number undefined: it was not sent from here */
export function askedOf(
  id: string,
  number: number | undefined,
  ask: Ask,
): Pick<HandleLike, 'cancel' | 'setPriority' | 'position'> {
  return {
    cancel: (reason) => ask({ what: 'cancel', id, number, reason: crossing(reason) }, false),
    setPriority: (priority) => ask({ what: 'priority', id, number, priority }, false),
    position: () => ask<number | undefined>({ what: 'position', id, number }, undefined),
  }
}

export class LivesThere<Res> {
  readonly #ask: Ask
  readonly #byNumber = new Map<number, Live<Res>>()
  /** The youngest of an id. */
  readonly #byId = new Map<string, Live<Res>>()

  constructor(ask: Ask) {
    this.#ask = ask
  }

  get size(): number {
    return this.#byNumber.size
  }

  get(number: number): Live<Res> | undefined {
    return this.#byNumber.get(number)
  }

  /** The youngest with this id, of those whose callers still wait if there is one. */
  of(id: string): Live<Res> | undefined {
    const youngest = this.#byId.get(id)
    for (let live = youngest; live !== undefined; live = live.older) if (!live.hasLeft) return live
    return youngest
  }

  numbers(): number[] {
    return [...this.#byNumber.keys()]
  }

  add(given: About & Ends<Res>): Live<Res> {
    const older = this.#byId.get(given.id)
    const live: Live<Res> = {
      ...given,
      ...{ state: 'waiting', hasLeft: false, handle: undefined, leave: undefined, older, younger: undefined },
    }
    if (older !== undefined) older.younger = live
    this.#byNumber.set(live.number, live)
    this.#byId.set(live.id, live)
    return live
  }

  /** Its caller is told at once when the signal is aborted; there it is left as soon as that is heard. */
  follow(live: Live<Res>, signal: AbortSignal, tell: () => void): void {
    const leave = (): void => {
      tell()
      live.hasLeft = true
      live.state = 'cancelled'
      const end = live.refused ?? live.reject
      end(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    live.leave = () => signal.removeEventListener('abort', leave)
  }

  handleOf(id: string): HandleLike<Res> | undefined {
    const live = this.of(id)
    if (live === undefined || live.handle !== undefined) return live?.handle
    // Of one that was executed: whoever asks for its result has a promise of their own.
    const { resolve, reject } = live
    const result = Promise.withResolvers<Res>()
    live.resolve = (value) => {
      resolve(value)
      result.resolve(value)
    }
    live.reject = (error) => {
      reject(error)
      result.reject(error)
    }
    return this.giveHandle(live, result.promise)
  }

  giveHandle(live: Live<Res>, result: Promise<Res>): HandleLike<Res> {
    // Whoever never reads the result is not told of its rejection by Node.
    result.catch(() => {})
    const { id, number } = live
    // Its own share in the run, and never a later life of the id.
    const ask = <T>(question: Question, over: T): Promise<T> =>
      this.#byNumber.get(number) === live ? this.#ask(question, over) : Promise.resolve(over)
    live.handle = {
      id,
      get state() {
        return live.state
      },
      result,
      ...askedOf(id, number, ask),
    }
    return live.handle
  }

  admitted(number: number): void {
    const live = this.#byNumber.get(number)
    if (live?.handle === undefined) return
    live.admitted?.(live.handle)
    live.admitted = undefined
    live.refused = undefined
  }

  moved(number: number, state: RequestStateLike): void {
    const live = this.#byNumber.get(number)
    if (live !== undefined && !live.hasLeft) live.state = state
  }

  answered(number: number, value: Res): void {
    const live = this.#delete(number)
    if (live === undefined) return
    if (!live.hasLeft) live.state = 'completed'
    live.resolve(value)
  }

  ended(number: number, error: unknown): void {
    const live = this.#delete(number)
    if (live === undefined) return
    if (!live.hasLeft) live.state = stateBy(error)
    live.refused?.(error)
    live.reject(error)
  }

  #delete(number: number): Live<Res> | undefined {
    const live = this.#byNumber.get(number)
    if (live === undefined) return undefined
    const { id, older, younger } = live
    this.#byNumber.delete(number)
    if (older !== undefined) older.younger = younger
    if (younger !== undefined) younger.older = older
    else if (older !== undefined) this.#byId.set(id, older)
    else this.#byId.delete(id)
    live.leave?.()
    return live
  }
}

/** How it has ended, by its error. */
function stateBy(error: unknown): RequestStateLike {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  if (code === 'TRIAGE_CANCELLED') return 'cancelled'
  if (/TIMEOUT$/.test(`${code}`)) return 'expired'
  return code === 'TRIAGE_SHED' ? 'shed' : 'failed'
}

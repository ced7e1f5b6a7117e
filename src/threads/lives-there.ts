/**
 * What lives in a shard in a thread, as this side knows it: by its number, and by its id.
 *
 * Callers who share the run of one id are each one of these. Whoever leaves takes nothing from the others: the id leads to those that
 * are left.
 */
import type { Priority } from '../core/priority.ts'
import type { HandleLike, RequestStateLike } from '../index.ts'

/** A request that lives there. */
export interface Live<Res> {
  readonly number: number
  readonly id: string
  readonly priority: Priority
  state: RequestStateLike
  /** Its signal was aborted: its caller has been told, and there it is left as soon as that is heard. */
  hasLeft: boolean
  handle: HandleLike<Res> | undefined
  /** Of `submit()`, until it is admitted. */
  admitted: ((handle: HandleLike<Res>) => void) | undefined
  refused: ((error: unknown) => void) | undefined
  resolve(value: Res): void
  reject(error: unknown): void
  leave: (() => void) | undefined
  /** What it was submitted with, while somebody listens to those that fail: told when its thread is lost. */
  readonly about: { readonly request: unknown; readonly metadata: unknown; readonly options: object } | undefined
  /** Of the same id. */
  older: Live<Res> | undefined
  younger: Live<Res> | undefined
}

export class LivesThere<Res> {
  readonly #byNumber = new Map<number, Live<Res>>()
  /** The youngest of an id. */
  readonly #byId = new Map<string, Live<Res>>()

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

  add(live: Live<Res>): void {
    const older = this.#byId.get(live.id)
    live.older = older
    if (older !== undefined) older.younger = live
    this.#byNumber.set(live.number, live)
    this.#byId.set(live.id, live)
  }

  delete(number: number): Live<Res> | undefined {
    const live = this.#byNumber.get(number)
    if (live === undefined) return undefined
    const { id, older, younger } = live
    this.#byNumber.delete(number)
    if (older !== undefined) older.younger = younger
    if (younger !== undefined) younger.older = older
    else if (older !== undefined) this.#byId.set(id, older)
    else this.#byId.delete(id)
    return live
  }
}

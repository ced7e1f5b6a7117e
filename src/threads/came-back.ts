/**
 * What lives in a shard in a thread and was not sent by this side: its store has brought it back after a start, or it was requeued there.
 * The shard says when one comes, moves and goes, so that it is found by its id at once.
 */
import type { HandleLike } from '../index.ts'
import type { Word } from './shard-wire.ts'

type Back = Word & { readonly is: 'back' }
type Gone = Word & { readonly is: 'gone' }

/** How it is reached. */
export interface Reach<Res> {
  cancel(id: string, reason: unknown): Promise<boolean>
  setPriority(id: string, priority: Back['priority']): Promise<boolean>
  position(id: string): Promise<number | undefined>
  /** Asked for when somebody reads it. */
  result(id: string): Promise<Res>
}

export class CameBack<Res> {
  readonly #reach: Reach<Res>
  readonly #live = new Map<string, BackHandle<Res>>()

  constructor(reach: Reach<Res>) {
    this.#reach = reach
  }

  get size(): number {
    return this.#live.size
  }

  get(id: string): BackHandle<Res> | undefined {
    return this.#live.get(id)
  }

  values(): Iterable<BackHandle<Res>> {
    return this.#live.values()
  }

  hear(word: Back | Gone): void {
    const { id } = word
    const known = this.#live.get(id)
    if (known !== undefined) known.state = word.state
    if (word.is === 'gone') this.#live.delete(id)
    else if (known === undefined) this.#live.set(id, new BackHandle(word, this.#reach))
  }

  /** Their thread has died. What the store of the next one has kept, that one brings back. */
  clear(): void {
    this.#live.clear()
  }
}

export class BackHandle<Res> implements HandleLike<Res> {
  readonly id: string
  readonly priority: Back['priority']
  state: Back['state']
  readonly #reach: Reach<Res>
  #result: Promise<Res> | undefined

  constructor({ id, priority, state }: Back, reach: Reach<Res>) {
    this.id = id
    this.priority = priority
    this.state = state
    this.#reach = reach
  }

  get result(): Promise<Res> {
    this.#result ??= this.#reach.result(this.id)
    return this.#result
  }

  cancel(reason?: unknown): Promise<boolean> {
    return this.#reach.cancel(this.id, reason)
  }

  setPriority(priority: Back['priority']): Promise<boolean> {
    return this.#reach.setPriority(this.id, priority)
  }

  position(): Promise<number | undefined> {
    return this.#reach.position(this.id)
  }
}

/**
 * What lives in a shard in a thread and was not sent by this side: its store has brought it back after a start, or it was requeued there.
 * The shard says when one comes, moves and goes, so that it is found by its id at once.
 */
import type { Priority } from '../core/priority.ts'
import type { HandleLike } from '../index.ts'
import { type Ask, askedOf } from './lives-there.ts'
import type { Word } from './shard-wire.ts'

type Back = Word & { readonly is: 'back' }
type Gone = Word & { readonly is: 'gone' }

export interface BackHandle<Res> extends HandleLike<Res> {
  readonly priority: Priority
  state: Back['state']
}

export class CameBack<Res> {
  readonly #ask: Ask
  readonly #resultOf: (id: string) => Promise<Res>
  readonly #live = new Map<string, BackHandle<Res>>()

  /** @param resultOf asked when somebody reads it */
  constructor(ask: Ask, resultOf: (id: string) => Promise<Res>) {
    this.#ask = ask
    this.#resultOf = resultOf
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
    else if (known === undefined) this.#live.set(id, this.#handle(word))
  }

  /** Their thread has died. What the store of the next one has kept, that one brings back. */
  clear(): void {
    this.#live.clear()
  }

  #handle({ id, priority, state }: Back): BackHandle<Res> {
    const resultOf = this.#resultOf
    // Never a later life of the id.
    const ask: Ask = (question, over) =>
      this.#live.get(id) === handle ? this.#ask(question, over) : Promise.resolve(over)
    let result: Promise<Res> | undefined
    const handle: BackHandle<Res> = {
      ...{ id, priority, state },
      get result() {
        if (result === undefined) {
          result = resultOf(id)
          result.catch(() => {})
        }
        return result
      },
      ...askedOf(id, undefined, ask),
    }
    return handle
  }
}

/**
 * Who listens to a shard in a thread? It is asked only for the events that somebody listens to.
 */
import { describe } from '../core/any-value.ts'
import type { ExecutorEvent, Listener } from '../index.ts'

type Any = Listener<ExecutorEvent>

export class Listeners {
  readonly #name: string
  readonly #asks: (event: ExecutorEvent, isOn: boolean) => void
  readonly #all = new Map<ExecutorEvent, readonly Any[]>()

  /** @param asks told when the first one listens, and when the last one has left */
  constructor(name: string, asks: (event: ExecutorEvent, isOn: boolean) => void) {
    this.#name = name
    this.#asks = asks
  }

  on(event: ExecutorEvent, listener: Any): void {
    const listeners = this.#all.get(event) ?? []
    this.#all.set(event, [...listeners, listener])
    if (listeners.length === 0) this.#asks(event, true)
  }

  off(event: ExecutorEvent, listener: Any): void {
    const listeners = this.#all.get(event) ?? []
    const left = listeners.filter((each) => each !== listener)
    this.#all.set(event, left)
    if (listeners.length > 0 && left.length === 0) this.#asks(event, false)
  }

  isListened(event: ExecutorEvent): boolean {
    return (this.#all.get(event)?.length ?? 0) > 0
  }

  /** What somebody listens to. */
  events(): ExecutorEvent[] {
    return [...this.#all.keys()].filter((event) => this.isListened(event))
  }

  /** What a listener throws is reported, as a Node warning, and changes nothing. */
  tell(event: ExecutorEvent, told: object): void {
    for (const listener of this.#all.get(event) ?? []) {
      try {
        listener(told as never)
      } catch (thrown) {
        process.emitWarning(`A listener of '${event}' of '${this.#name}' has thrown: ${describe(thrown)}`)
      }
    }
  }
}

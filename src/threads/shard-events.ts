/**
 * Who is told of what happens in the shards? What is about a request, or about one shard, is told as that shard tells it. What is about
 * the whole is told once, when the last of them has come so far.
 */
import type { ExecutorEvent, ExecutorStatus, Listener } from '../index.ts'
import { liveIn, type Shard, statusNow } from './shard.ts'

interface OfAll {
  /** What takes it back: a shard that was paused, and goes on, is paused no more. */
  readonly back: ExecutorEvent
  /** Is a shard that has not told it there already? */
  isSo(status: ExecutorStatus): boolean
}

const ofAll: { readonly [event in ExecutorEvent]?: OfAll } = {
  idle: { back: 'queued', isSo: (status) => liveIn(status) === 0 },
  paused: { back: 'resumed', isSo: ({ state }) => state === 'paused' },
  resumed: { back: 'paused', isSo: ({ state }) => state !== 'paused' },
  closed: { back: 'queued', isSo: ({ state }) => state === 'closed' },
}

type Any = Listener<ExecutorEvent>

export class ShardEvents {
  readonly #shards: readonly Shard[]
  /** By event and listener: how each shard is left. */
  readonly #left = new Map<ExecutorEvent, Map<Any, (() => void)[]>>()

  constructor(shards: readonly Shard[]) {
    this.#shards = shards
  }

  on(event: ExecutorEvent, listener: Any): void {
    const leave = ofAll[event] === undefined ? this.#each(event, listener) : this.#last(event, listener)
    const listeners = this.#left.get(event) ?? new Map<Any, (() => void)[]>()
    this.#left.set(event, listeners)
    listeners.set(listener, [...(listeners.get(listener) ?? []), leave])
  }

  off(event: ExecutorEvent, listener: Any): void {
    const listeners = this.#left.get(event)
    for (const leave of listeners?.get(listener) ?? []) leave()
    listeners?.delete(listener)
  }

  #each(event: ExecutorEvent, listener: Any): () => void {
    for (const shard of this.#shards) shard.on(event, listener)
    return () => {
      for (const shard of this.#shards) shard.off(event, listener)
    }
  }

  #last(event: ExecutorEvent, listener: Any): () => void {
    const { back, isSo } = ofAll[event] as OfAll
    const there = new Set(this.#shards.filter((shard) => isSo(statusNow(shard))))
    const leaves = this.#shards.map((shard) => {
      const come: Any = (payload) => {
        there.add(shard)
        return there.size < this.#shards.length ? undefined : listener(payload)
      }
      const gone: Any = () => void there.delete(shard)
      shard.on(event, come)
      shard.on(back, gone)
      return () => {
        shard.off(event, come)
        shard.off(back, gone)
      }
    })
    return () => {
      for (const leave of leaves) leave()
    }
  }
}

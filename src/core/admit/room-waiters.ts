/**
 * Who is waiting to be told that a request would come in? The promises of `ready()`. Step 2 of 7.
 *
 * They reserve nothing: all for whom there is room are told, and whoever submits first has the place.
 */

interface Waiter<Asked> {
  readonly asked: Asked
  resolve(): void
  reject(error: unknown): void
}

export class RoomWaiters<Asked> {
  readonly #waiters = new Set<Waiter<Asked>>()
  readonly #gone: () => void

  /** @param gone is called when the last one has its answer */
  constructor(gone: () => void) {
    this.#gone = gone
  }

  get size(): number {
    return this.#waiters.size
  }

  /** What all of them ask for. */
  *asked(): Generator<Asked> {
    for (const { asked } of this.#waiters) yield asked
  }

  /** Resolves when there is room for it; rejects with the signal's reason, or when all are refused. */
  wait(asked: Asked, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => waiter.reject(signal?.reason)
      const leave = (): void => {
        signal?.removeEventListener('abort', aborted)
        if (this.#waiters.delete(waiter) && this.#waiters.size === 0) this.#gone()
      }
      const waiter: Waiter<Asked> = {
        asked,
        resolve() {
          leave()
          resolve()
        },
        reject(error) {
          leave()
          reject(error)
        },
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** There may be room again: tells those for whom there is. What the question throws is that one's answer. */
  tell(hasRoom: (asked: Asked) => boolean): void {
    for (const waiter of [...this.#waiters]) {
      try {
        if (this.#waiters.has(waiter) && hasRoom(waiter.asked)) waiter.resolve()
      } catch (error) {
        waiter.reject(error)
      }
    }
  }

  /** There will be none any more. */
  refuse(error: () => unknown): void {
    for (const waiter of [...this.#waiters]) waiter.reject(error())
  }
}

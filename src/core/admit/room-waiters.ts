/**
 * Who is waiting to be told that there is room? The promises of `ready()`. Step 2 of 7.
 *
 * They reserve nothing: all of a priority are told, and whoever submits first has the place.
 */

interface Waiter {
  readonly tier: number
  resolve(): void
  reject(error: unknown): void
}

export class RoomWaiters {
  #waiters: Waiter[] = []

  get size(): number {
    return this.#waiters.length
  }

  /** Resolves when there is room for a tier; rejects with the signal's reason, or when all are refused. */
  wait(tier: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        reject(signal?.reason)
      }
      const forget = (): void => signal?.removeEventListener('abort', aborted)
      const waiter: Waiter = {
        tier,
        resolve() {
          forget()
          resolve()
        },
        reject(error) {
          forget()
          reject(error)
        },
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#waiters.push(waiter)
    })
  }

  /** There may be room again: tells those for whom there is. */
  tell(hasRoom: (tier: number) => boolean): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) {
      if (hasRoom(waiter.tier)) waiter.resolve()
      else this.#waiters.push(waiter)
    }
  }

  /** There will be none any more. */
  refuse(error: () => unknown): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error())
  }
}

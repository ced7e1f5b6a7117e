/**
 * What was refused lately, and why? The last thousand of a queue, as events have told them.
 */
import type { ErrorView, ExecutorEvents } from '../index.ts'
import { refusalOf } from './events/frame.ts'

/** One that was not admitted. Its id is null when its caller gave none. */
export interface RefusalView {
  readonly at: string
  readonly id: string | null
  readonly priority: string
  readonly key?: string | undefined
  /** As `getStatus().rejectedByPriority` counts it. */
  readonly reason: string
  readonly error: ErrorView
  readonly explain?: { readonly [name: string]: unknown }
  readonly retryAfterMs?: number
}

const KEPT = 1_000

export class Refusals {
  readonly #ring: { readonly at: number; readonly event: object }[] = []
  #next = 0
  /** How many there were. */
  count = 0

  add({ id, priority, reason, error }: ExecutorEvents['rejected'], key: string | undefined): void {
    // What it was about is not held.
    this.#ring[this.#next] = { at: Date.now(), event: { id: id ?? null, priority, key, reason, ...refusalOf(error) } }
    this.#next = (this.#next + 1) % KEPT
    this.count++
  }

  /** The youngest first. */
  list({
    reason,
    priority,
    limit,
  }: {
    reason?: string | undefined
    priority?: string | undefined
    limit: number
  }): RefusalView[] {
    const found: RefusalView[] = []
    for (let back = 1; back <= this.#ring.length && found.length < limit; back++) {
      const entry = this.#ring[(this.#next - back + KEPT) % KEPT]
      if (entry === undefined) break
      const view = { at: new Date(entry.at).toISOString(), ...entry.event } as RefusalView
      if ((reason === undefined || view.reason === reason) && (priority === undefined || view.priority === priority))
        found.push(view)
    }
    return found
  }
}

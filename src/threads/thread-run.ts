/**
 * What a function in a thread may know of its run: its second argument.
 */
import type { Priority } from '../core/priority.ts'
import { arrived, type Crossing } from './crossing.ts'
import type { Flag } from './flag.ts'
import { type About, now } from './wire.ts'

/**
 * The second argument of a function that runs in a thread. What it says of times and of the request is what `RunContext` says; what
 * that has besides, `holdUntil()` and `close()`, is not here: an answer leaves the thread when the call has settled.
 */
export interface ThreadRun<Metadata = unknown> {
  readonly id: string
  readonly priority: Priority
  readonly kind: string | undefined
  /** 1 for the first attempt. */
  readonly attempt: number
  readonly waitMs: number
  readonly delayMs: number
  readonly metadata: Metadata
  /** How much of its time is left now, in ms: 0 when it is over, Infinity when there is no end. */
  readonly remainingMs: number
  /**
   * Aborted when nobody waits for the answer any more. A thread that computes hears of it only when it comes back to its event loop:
   * there, ask `aborted()`. Whoever does not stop within `killAfterMs` is ended with the thread.
   */
  readonly signal: AbortSignal
  /** The same as `signal.aborted`, read from shared memory: some 20 ns, also in the middle of a loop. */
  aborted(): boolean
  /** Says how far it has come, as in this thread. */
  progress(fraction: number, message?: string): void
  /** Moves these along with the answer instead of copying them: `run.transfer(pixels.buffer)`. They are empty here afterwards. */
  transfer(...items: readonly Transferable[]): void
}

/** What may be moved to another thread: an `ArrayBuffer`, a `MessagePort`, a stream … Types of Node would be needed to say it. */
export type Transferable = ArrayBuffer | object

export class Run implements ThreadRun {
  readonly #about: About
  readonly #flag: Flag
  readonly #says: (fraction: number, message: string | undefined) => void
  #controller: AbortController | undefined
  readonly transferred: Transferable[] = []

  constructor(about: About, flag: Flag, says: (fraction: number, message: string | undefined) => void) {
    this.#about = about
    this.#flag = flag
    this.#says = says
  }

  get id(): string {
    return this.#about.id
  }

  get priority(): Priority {
    return this.#about.priority
  }

  get kind(): string | undefined {
    return this.#about.kind
  }

  get attempt(): number {
    return this.#about.attempt
  }

  get waitMs(): number {
    return this.#about.waitMs
  }

  get delayMs(): number {
    return this.#about.delayMs
  }

  get metadata(): unknown {
    return this.#about.metadata
  }

  get remainingMs(): number {
    return Math.max(this.#about.deadline - now(), 0)
  }

  get signal(): AbortSignal {
    const controller = this.#controller ?? new AbortController()
    if (this.#controller === undefined) {
      this.#controller = controller
      if (this.#flag.isAborted) controller.abort(reasonOf(this.#flag))
      else void this.#flag.changed().then(() => this.#flag.isAborted && controller.abort(reasonOf(this.#flag)))
    }
    return controller.signal
  }

  aborted(): boolean {
    return this.#flag.isAborted
  }

  progress(fraction: number, message?: string): void {
    this.#says(fraction, message)
  }

  transfer(...items: readonly Transferable[]): void {
    for (const item of items) this.transferred.push(item)
  }
}

/** What the caller's signal, timeout or `cancel()` has said, in short. */
export function reasonOf(flag: Flag): unknown {
  const sent = flag.reason as Crossing | undefined
  return sent === undefined ? new DOMException('Nobody waits for the answer any more', 'AbortError') : arrived(sent)
}

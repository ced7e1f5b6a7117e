/**
 * What an executor may know of its run on a worker: that of the queue inside the worker, with what only Redis knows.
 */
import type { CloseOptions } from '../core/close-options.ts'
import type { Priority } from '../core/priority.ts'
import type { RunContext } from '../core/run/run-context.ts'

/** What a job says. */
export interface RunFacts {
  readonly id: string
  readonly priority: Priority
  readonly kind: string | undefined
  readonly attempt: number
  readonly waitMs: number
  readonly delayMs: number
  readonly metadata: unknown
  readonly traceparent: string | undefined
}

/** The second argument of a function that a remote worker runs. */
export interface RemoteRunContext<Metadata = unknown> extends RunContext<Metadata> {
  /** The trace that it belongs to, as its submitter said: a W3C `traceparent`. */
  readonly traceparent: string | undefined
}

export class RemoteRun implements RemoteRunContext {
  readonly #run: RunContext
  readonly #facts: RunFacts

  constructor(run: RunContext, facts: RunFacts) {
    this.#run = run
    this.#facts = facts
  }

  get id(): string {
    return this.#facts.id
  }
  get priority(): Priority {
    return this.#facts.priority
  }
  get kind(): string | undefined {
    return this.#facts.kind
  }
  get attempt(): number {
    return this.#facts.attempt
  }
  /** On the clock of this process. */
  get enqueuedAt(): number {
    return this.#run.enqueuedAt - this.#facts.waitMs
  }
  get waitMs(): number {
    return this.#facts.waitMs
  }
  get delayMs(): number {
    return this.#facts.delayMs
  }
  get deadline(): number {
    return this.#run.deadline
  }
  get remainingMs(): number {
    return this.#run.remainingMs
  }
  get metadata(): unknown {
    return this.#facts.metadata
  }
  get traceparent(): string | undefined {
    return this.#facts.traceparent
  }
  get signal(): AbortSignal {
    return this.#run.signal
  }
  holdUntil(promise: PromiseLike<unknown>): void {
    this.#run.holdUntil(promise)
  }
  progress(fraction: number, message?: string): void {
    this.#run.progress(fraction, message)
  }
  close(options?: CloseOptions): Promise<void> {
    return this.#run.close(options)
  }
}

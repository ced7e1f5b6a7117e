/**
 * One request that a worker runs, for as long as it is the worker's: by a lock in Redis, which it renews.
 */
import { LockLostError } from '../core/remote-errors.ts'
import { ParkedError } from '../core/store-errors.ts'
import type { ErrorSubject } from '../core/triage-error.ts'
import { errorOf } from './error-text.ts'

/** So long a call may take to settle when its signal is aborted and the worker closes. */
const ABORT_MS = 200

export class Lease {
  readonly jobId: string
  readonly token: string
  readonly subject: ErrorSubject
  readonly #aborter = new AbortController()
  /** When the lock was last known to be ours, on the clock of this process. */
  renewedAt = performance.now()
  isRenewing = false
  isLost = false
  isParked = false
  /** What its callers were told already, while its call goes on. */
  endedBy: string | undefined
  /** The executor has it, or its call goes on. */
  isRunning = false
  /** What the function has thrown, where nobody had ended its run before. */
  thrown: { readonly error: unknown } | undefined
  #call: Promise<unknown> = Promise.resolve()
  readonly #letGo: Promise<void>
  #go: () => void = () => {}
  /** When its progress was last told. */
  toldAt = 0

  constructor(jobId: string, token: string, subject: ErrorSubject) {
    this.jobId = jobId
    this.token = token
    this.subject = subject
    this.#letGo = new Promise((resolve) => {
      this.#go = resolve
    })
  }

  /** The function was called. */
  calls(answer: unknown, run: { readonly signal: AbortSignal }): void {
    const settled = Promise.resolve(answer).catch((error: unknown) => {
      if (!run.signal.aborted) this.thrown = { error }
    })
    this.#call = Promise.race([settled, this.#letGo])
  }

  /** Fulfils when the call of the function has settled, or, some time after the worker was told to close, is waited for no more. */
  async settled(): Promise<void> {
    await this.#call
    this.isRunning = false
  }

  get signal(): AbortSignal {
    return this.#aborter.signal
  }

  /** Another worker may have it: what it answers does not count. */
  lose(): void {
    if (this.isLost) return
    this.isLost = true
    this.#aborter.abort(new LockLostError({ ...this.subject, started: true }))
  }

  /** Its callers were told how it has ended. */
  end(text: string): void {
    if (this.endedBy !== undefined) return
    this.endedBy = text
    this.#aborter.abort(errorOf(text, { ...this.subject, started: true }))
  }

  /** The worker closes: it goes back to where it waited. */
  park(): void {
    setTimeout(this.#go, ABORT_MS)
    if (this.endedBy !== undefined || this.isLost) return
    this.isParked = true
    this.#aborter.abort(new ParkedError({ ...this.subject, started: true }))
  }
}

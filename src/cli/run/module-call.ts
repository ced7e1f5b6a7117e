/**
 * How long is a call of the function waited for? Until it has answered, its time is over, or all is ended. A call can't be ended from
 * outside: it is told by its signal, and where it does not heed that, it goes on, and its answer is nobody's.
 */
import type { CloseOptions, RunContext } from '../../index.ts'

/** The call took longer than `--timeout`. */
export class TookTooLong extends Error {
  constructor() {
    super('it took longer than --timeout')
  }
}

interface Waited {
  readonly run: RunContext
  leave(reason: unknown): void
}

/** The calls that are waited for. Their runs are aborted only when all is ended: until then no signal is made for one that is not read. */
export class Calls {
  readonly #all = new Set<Waited>()

  /**
   * @param call given what it may know of its run, with a signal and a time of its own
   * @throws {TookTooLong}
   * @throws the reason of the run's signal, or what the call throws
   */
  run<T>(call: (run: RunContext) => Promise<T>, run: RunContext, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const own = new OwnRun(run, performance.now() + timeoutMs)
      const leave = (reason: unknown): void => {
        over()
        reject(reason)
        OwnRun.abort(own, reason)
      }
      const timer =
        timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => leave(new TookTooLong()), timeoutMs)
      const waited: Waited = { run, leave }
      const over = (): void => {
        clearTimeout(timer)
        this.#all.delete(waited)
      }
      this.#all.add(waited)
      call(own)
        .then((answer) => OwnRun.held(own, answer))
        .then(
          (answer) => {
            over()
            resolve(answer)
          },
          (error: unknown) => {
            over()
            reject(error)
          },
        )
    })
  }

  /** All is ended: each is waited for until its run is aborted. */
  end(): void {
    for (const waited of this.#all) {
      const { signal } = waited.run
      const leave = (): void => {
        if (this.#all.has(waited)) waited.leave(signal.reason)
      }
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true })
    }
  }
}

/** What a call may know of its run: the same as in a queue, but for the signal and for when its time is over. */
class OwnRun implements RunContext {
  readonly #run: RunContext
  readonly deadline: number
  #controller: AbortController | undefined
  #aborted: { readonly reason: unknown } | undefined
  #held: PromiseLike<unknown>[] | undefined

  constructor(run: RunContext, deadline: number) {
    this.#run = run
    this.deadline = deadline
  }

  get id() {
    return this.#run.id
  }

  get priority() {
    return this.#run.priority
  }

  get kind() {
    return this.#run.kind
  }

  get attempt() {
    return this.#run.attempt
  }

  get enqueuedAt() {
    return this.#run.enqueuedAt
  }

  get waitMs() {
    return this.#run.waitMs
  }

  get delayMs() {
    return this.#run.delayMs
  }

  get metadata() {
    return this.#run.metadata
  }

  get remainingMs() {
    return Math.max(this.deadline - performance.now(), 0)
  }

  /** Made when it is first read. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  holdUntil(promise: PromiseLike<unknown>): void {
    this.#held ??= []
    this.#held.push(promise)
  }

  progress(fraction: number, message?: string): void {
    this.#run.progress(fraction, message)
  }

  close(options?: CloseOptions): Promise<void> {
    return this.#run.close(options)
  }

  // What follows is not for the call.

  static abort(own: OwnRun, reason: unknown): void {
    own.#aborted = { reason }
    own.#controller?.abort(reason)
  }

  /** The answer, when all has settled that the call still holds its slot for. */
  static held<T>(own: OwnRun, answer: T): T | Promise<T> {
    return own.#held === undefined ? answer : Promise.all(own.#held).then(() => answer)
  }
}

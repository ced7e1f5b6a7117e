/**
 * How long is a call of the function waited for? Until it has answered, its time is over, or all is ended. A call can't be ended from
 * outside: it is told by its signal, and where it does not heed that, it goes on, and its answer is nobody's.
 */
import type { RunContext } from '../../index.ts'

/** The call took longer than `--timeout`. */
export class TookTooLong extends Error {
  constructor() {
    super('it took longer than --timeout')
  }
}

/**
 * @param call given what it may know of its run, with a signal and a time of its own
 * @throws {TookTooLong}
 * @throws the reason of the run's signal, or what the call throws
 */
export function callWithin<T>(call: (run: RunContext) => Promise<T>, run: RunContext, timeoutMs: number): Promise<T> {
  const own = new AbortController()
  return new Promise((resolve, reject) => {
    const leave = (reason: unknown): void => {
      over()
      reject(reason)
      own.abort(reason)
    }
    const ended = (): void => leave(run.signal.reason)
    const timer =
      timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(() => leave(new TookTooLong()), timeoutMs)
    const over = (): void => {
      clearTimeout(timer)
      run.signal.removeEventListener('abort', ended)
    }
    if (run.signal.aborted) return ended()
    run.signal.addEventListener('abort', ended, { once: true })
    const { context, held } = contextOf(run, own.signal, performance.now() + timeoutMs)
    call(context)
      .then(async (answer) => {
        await Promise.all(held)
        return answer
      })
      .finally(over)
      .then(resolve, reject)
  })
}

/** What it may know of its run: the same as in a queue, but for when its time is over. */
function contextOf(run: RunContext, signal: AbortSignal, deadline: number) {
  const held: PromiseLike<unknown>[] = []
  const { id, priority, kind, attempt, enqueuedAt, waitMs, delayMs, metadata } = run
  const context: RunContext = {
    ...{ id, priority, kind, attempt, enqueuedAt, waitMs, delayMs, metadata, deadline, signal },
    get remainingMs() {
      return Math.max(deadline - performance.now(), 0)
    },
    holdUntil: (promise) => void held.push(promise),
    progress: (fraction, message) => run.progress(fraction, message),
    close: (options) => run.close(options),
  }
  return { context, held }
}

/**
 * Work for all cores: an executor whose calls run in threads.
 *
 *     queue ──▶ slot ──▶ thread      one call each; the queue in front is the only one
 */
import { OptionsError } from '../core/errors.ts'
import type { Run, RunContext } from '../core/run/run-context.ts'
import { readThreadsOptions, type ThreadsOptions } from './options.ts'
import { ThreadPool } from './thread-pool.ts'
import { now } from './wire.ts'

/** How the threads do. */
export interface ThreadsStatus {
  /** How many there may be. */
  readonly threads: number
  /** How many there are now, and how many calls have not settled. */
  readonly live: number
  readonly busy: number
  /** How many have ended since it was made, idle ones included; and how many of them were ended since a call did not stop. */
  readonly ended: number
  readonly killed: number
  /** True: its file does not start, and nothing is run any more. */
  readonly failed: boolean
}

/** A function for a `QueuedExecutor`, and what is behind it. */
export interface ThreadsExecutor<Req = unknown, Res = unknown> {
  (request: Req, run: RunContext): Promise<Res>
  /** How many threads there may be: what `concurrency` may be at most. */
  readonly threads: number
  getStatus(): ThreadsStatus
  /** Runs no more, waits for what runs, and ends the threads. Close the queue first. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Runs the function of a file in threads, one request in each at a time.
 *
 * ```ts
 * const render = threads<Page, Uint8Array>(new URL('./render.js', import.meta.url), { threads: 4 })
 * const queue = new QueuedExecutor(render, { concurrency: render.threads, runTimeoutMs: 10_000 })
 * ```
 * The file has `export default (request, run: ThreadRun) => …`. Requests and answers are copied (structured clone). Errors keep their
 * name, code, properties and cause. A thread that dies rejects its request with a `WorkerLostError`, whether the retry policy tries
 * again or not, and is replaced.
 *
 * @throws {OptionsError} for bad options, and when piscina is not installed. Through the promise of the first request, when the queue
 * has a higher `concurrency` than there are threads
 */
export function threads<Req = unknown, Res = unknown>(
  file: string | URL,
  options: ThreadsOptions = {},
): ThreadsExecutor<Req, Res> {
  const settings = readThreadsOptions(file, options)
  const pool = new ThreadPool(settings)
  const { threads: most } = settings

  const execute = (request: Req, run: RunContext): Promise<Res> => {
    const limit = limitOf(run)
    if (limit > most) {
      const error = new OptionsError('concurrency', `at most ${most}, since its executor has ${most} threads`, limit)
      return Promise.reject(error)
    }
    const { id, priority, kind, attempt, waitMs, delayMs, metadata, remainingMs } = run
    const running = {
      about: { id, priority, kind, attempt, waitMs, delayMs, metadata, deadline: now() + remainingMs },
      signal: run.signal,
      subject: { requestId: id, priority },
      progress: (fraction: number, message: string | undefined): void => run.progress(fraction, message),
    }
    return pool.run(request, running) as Promise<Res>
  }

  return Object.assign(execute, {
    threads: most,
    getStatus: (): ThreadsStatus => {
      const { live, busy, deaths, kills, hasFailed } = pool
      return { threads: most, live, busy, ended: deaths, killed: kills, failed: hasFailed }
    },
    close: () => pool.close(),
    [Symbol.asyncDispose]: () => pool.close(),
  })
}

/** How many the queue may run at once; 0 when that can't be known. */
function limitOf(run: RunContext): number {
  const { recordOf } = run.constructor as { readonly recordOf?: typeof Run.recordOf }
  if (recordOf === undefined) return 0
  return (recordOf(run as Run).owner.slots() as { readonly limit?: number }).limit ?? 0
}

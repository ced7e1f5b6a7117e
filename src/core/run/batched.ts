/**
 * How do many small requests become one call? An executor that collects what runs at the same time. Step 4 of 7.
 *
 * Each request still has its slot, its priority, its timeouts and its answer of its own; what is called is the function
 * for many. A batch is called when it is full, or `maxWaitMs` after its first request has started. So `concurrency` is how
 * many requests may be on their way: for two full batches of 32 at a time, 64.
 */
import { type Clock, systemClock } from '../clock.ts'
import { OptionsError } from '../errors.ts'
import type { RunContext } from './run-context.ts'

/** The answer for one request of a batch: itself, or that it has failed alone. */
export type BatchAnswer<Res> = Res | Error | PromiseLike<Res>

export interface BatchOptions {
  /** How many requests make a full batch: an integer of at least 1. */
  maxSize: number
  /**
   * For how long, in ms, the first request of a batch waits for others. 0: for those that start in the same burst.
   * @default 0
   */
  maxWaitMs?: number
  /** @default systemClock */
  clock?: Clock
}

interface Member<Req, Res> {
  readonly request: Req
  readonly run: RunContext
  resolve(answer: BatchAnswer<Res>): void
  reject(error: unknown): void
}

/**
 * An executor out of a function for many requests. `fn` gets the requests in the order in which they have started, and
 * answers with as many answers, in that order: an `Error` among them fails its own request only. When `fn` itself fails,
 * all of its batch do. Requests whose callers have left before the call are not in it.
 *
 * ```ts
 * const embed = new QueuedExecutor(batched(async (texts: string[]) => model.embed(texts), { maxSize: 32, maxWaitMs: 5 }), {
 *   concurrency: 64,
 * })
 * ```
 * @throws {OptionsError}
 */
export function batched<Req, Res>(
  fn: (
    requests: Req[],
    runs: readonly RunContext[],
  ) => readonly BatchAnswer<Res>[] | PromiseLike<readonly BatchAnswer<Res>[]>,
  { maxSize, maxWaitMs = 0, clock = systemClock }: BatchOptions,
): (request: Req, run: RunContext) => Promise<Res> {
  if (typeof fn !== 'function') throw new OptionsError('batched', 'a function', fn)
  if (!(Number.isInteger(maxSize) && maxSize >= 1)) {
    throw new OptionsError('batched.maxSize', 'an integer of at least 1', maxSize)
  }
  if (!(typeof maxWaitMs === 'number' && maxWaitMs >= 0)) {
    throw new OptionsError('batched.maxWaitMs', 'a number of ms of at least 0', maxWaitMs)
  }
  let open: Member<Req, Res>[] = []
  let timer: unknown

  const call = (): void => {
    if (timer !== undefined) clock.clearTimeout(timer)
    timer = undefined
    const members = open.filter(leave)
    open = []
    if (members.length > 0) void callFor(members)
  }
  // Their signals are made only where somebody could abort them; a caller who has left is answered already.
  const leave = ({ run, reject }: Member<Req, Res>): boolean => {
    if (!run.signal.aborted) return true
    reject(run.signal.reason)
    return false
  }
  const callFor = async (members: readonly Member<Req, Res>[]): Promise<void> => {
    try {
      const requests = members.map(({ request }) => request)
      const answers = await fn(
        requests,
        members.map(({ run }) => run),
      )
      if (!Array.isArray(answers) || answers.length !== members.length) {
        throw new TypeError(`A batch of ${members.length} must have as many answers, in an array`)
      }
      for (const [index, { resolve, reject }] of members.entries()) {
        const answer = answers[index] as BatchAnswer<Res>
        if (answer instanceof Error) reject(answer)
        else resolve(answer)
      }
    } catch (error) {
      for (const { reject } of members) reject(error)
    }
  }

  return (request, run) =>
    new Promise<Res>((resolve, reject) => {
      open.push({ request, run, resolve: resolve as Member<Req, Res>['resolve'], reject })
      if (open.length >= maxSize) call()
      else if (open.length === 1) {
        if (maxWaitMs > 0) timer = clock.setTimeout(call, maxWaitMs)
        // After the burst, in which the others start.
        else {
          const first = open
          Promise.resolve().then(() => open === first && call())
        }
      }
    })
}

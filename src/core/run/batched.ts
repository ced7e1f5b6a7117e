/**
 * How do many small requests become one call? An executor that collects what runs at the same time. Step 4 of 7.
 *
 * Each request still has its slot, its priority, its timeouts and its answer of its own; what is called is the function
 * for many. A batch is called when it is full, or `maxWaitMs` after its first request has started. So `concurrency` is how
 * many requests may be on their way: for two full batches of 32 at a time, 64.
 */

import { describe } from '../any-value.ts'
import { aFunction, isCount, numberThat, requireOptions } from '../checks.ts'
import { type Clock, MAX_DELAY_MS, soon, systemClock } from '../clock.ts'
import { OptionsError } from '../errors.ts'
import type { RunContext } from './run-context.ts'

/** The answer for one request of a batch: itself, or that it has failed alone. */
export type BatchAnswer<Res> = Res | Error | PromiseLike<Res>

export interface BatchOptions {
  /** How many requests make a full batch: an integer of at least 1. Requests whose callers have left don't count. */
  maxSize: number
  /**
   * For how long, in ms, the first request of a batch waits for others. 0: only for those that start in the same burst.
   * Infinity: until the batch is full, or all of its callers have left.
   * @default 0
   */
  maxWaitMs?: number | undefined
  /** @default systemClock */
  clock?: Clock | undefined
}

interface Member<Req, Res> {
  readonly request: Req
  readonly run: RunContext
  resolve(answer: BatchAnswer<Res>): void
  reject(error: unknown): void
}

const rules = {
  maxSize: { expected: 'an integer of at least 1', fits: (value: unknown) => isCount(value, 1) },
  maxWaitMs: /* @__PURE__ */ numberThat('a number of ms of at least 0', (ms) => ms >= 0),
  clock: {
    expected: 'a clock with setTimeout and clearTimeout',
    fits: (value: unknown) => {
      const { setTimeout, clearTimeout } = (value ?? {}) as Partial<Clock>
      return aFunction.fits(setTimeout) && aFunction.fits(clearTimeout)
    },
  },
}

/**
 * An executor out of a function for many requests. `fn` gets the requests in the order in which they have started, and
 * answers with as many answers, in that order: an `Error` among them (of whatever realm) fails its own request only. When
 * `fn` itself fails, or gives another number of answers, all requests of its batch fail.
 *
 * A request whose caller leaves before the call is not in it. Where a batch waits (`maxWaitMs`), such a request gives its
 * slot back at once.
 *
 * ```ts
 * const embed = new QueuedExecutor(batched(async (texts: string[]) => model.embed(texts), { maxSize: 32, maxWaitMs: 5 }), {
 *   concurrency: 64,
 * })
 * ```
 * @throws {OptionsError}
 */
export function batched<Req, Res, Metadata = unknown>(
  fn: (
    requests: Req[],
    runs: readonly RunContext<Metadata>[],
  ) => readonly BatchAnswer<Res>[] | PromiseLike<readonly BatchAnswer<Res>[]>,
  options: BatchOptions,
): (request: Req, run: RunContext<Metadata>) => Promise<Res> {
  if (!aFunction.fits(fn)) throw new OptionsError('batched', aFunction.expected, fn)
  requireOptions('batched', options, Object.keys(rules))
  const { maxSize, maxWaitMs = 0, clock = systemClock } = options
  // What may be left out comes first: where it is there and wrong, it is named rather than what is missing.
  for (const [name, value] of Object.entries({ maxWaitMs, clock, maxSize })) {
    const { expected, fits } = rules[name as keyof typeof rules]
    if (!fits(value)) throw new OptionsError(`batched.${name}`, expected, value)
  }
  let open = new Set<Member<Req, Res>>()
  let timer: unknown

  const call = (): void => {
    const members = [...open].filter(isThere)
    open = new Set()
    try {
      disarm()
    } finally {
      if (members.length > 0) void callFor(fn as (requests: Req[], runs: readonly RunContext[]) => unknown, members)
    }
  }
  const disarm = (): void => {
    const armed = timer
    timer = undefined
    if (armed !== undefined) clock.clearTimeout(armed)
  }
  /** A time beyond the reach of timers is reached in steps. */
  const arm = (leftMs: number): void => {
    const stepMs = Math.min(leftMs, MAX_DELAY_MS)
    timer = clock.setTimeout(() => {
      if (leftMs > stepMs) arm(leftMs - stepMs)
      else call()
    }, stepMs)
  }
  const begin = (): void => {
    // After the burst, in which the others start.
    if (maxWaitMs === 0) {
      const first = open
      soon.then(() => open === first && call())
    } else if (maxWaitMs < Number.POSITIVE_INFINITY) arm(maxWaitMs)
  }

  return (request, run) =>
    new Promise<Res>((resolve, reject) => {
      const member: Member<Req, Res> = { request, run, resolve: resolve as Member<Req, Res>['resolve'], reject }
      if (!isThere(member)) return
      const isFull = open.size + 1 >= maxSize
      if (open.size === 0 && !isFull) begin()
      open.add(member)
      if (isFull) call()
      else if (maxWaitMs > 0) {
        // The listener dies with the run: the signal is the run's own.
        const left = (): void => {
          isThere(member)
          if (open.delete(member) && open.size === 0) disarm()
        }
        run.signal.addEventListener('abort', left, { once: true })
      }
    })
}

/** False: its caller has left, and was answered; its slot is given back. */
function isThere<Req, Res>({ run: { signal }, reject }: Member<Req, Res>): boolean {
  if (signal.aborted) reject(signal.reason)
  return !signal.aborted
}

/** Each of them settles, whatever `fn` does. */
async function callFor<Req, Res>(
  fn: (requests: Req[], runs: readonly RunContext[]) => unknown,
  members: readonly Member<Req, Res>[],
): Promise<void> {
  try {
    const answers = await fn(
      members.map(({ request }) => request),
      members.map(({ run }) => run),
    )
    const { length } = members
    if (!Array.isArray(answers) || answers.length !== length) {
      void ignoreAll(answers)
      const came = Array.isArray(answers) ? answers.length : describe(answers)
      throw new TypeError(`A batch of ${length} needs an array of ${length} answers, but got ${came}`)
    }
    for (const [index, { resolve, reject }] of members.entries()) {
      try {
        const answer: BatchAnswer<Res> = answers[index]
        if (isError(answer)) reject(answer)
        else resolve(answer)
      } catch (error) {
        // A getter in the place of an answer.
        reject(error)
      }
    }
  } catch (error) {
    for (const { reject } of members) reject(error)
  }
}

/** Nobody hears of these answers: a rejected promise among them must not be unhandled. */
async function ignoreAll(answers: unknown): Promise<void> {
  try {
    await Promise.allSettled(Object.values(answers as object))
  } catch {
    // There are none, or a getter in the place of one has thrown.
  }
}

/** Also one of another realm: of `node:vm`, or, under jest, any of Node's own. A plain object with a `message` is none. */
function isError(value: unknown): boolean {
  const { isError: isOne } = Error as { isError?: (value: unknown) => boolean }
  return (
    isOne?.(value) === true ||
    value instanceof Error ||
    /^\[object (Error|DOMException)]$/.test(Object.prototype.toString.call(value))
  )
}

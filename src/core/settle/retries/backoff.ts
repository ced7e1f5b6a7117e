/**
 * When is a failed request tried again? Exponential backoff with full jitter, under a budget. Step 5 of 7.
 *
 * After the nth failure it waits for a random time between 0 and `baseMs · 2^(n − 1)`, `maxMs` at most: callers who have
 * failed together do not come back together. The budget is a share of all admitted requests: when everything fails,
 * retries add that share to the load, and do not double it.
 *
 * A service that says itself when it can be asked again (`Retry-After`) knows better: `retryAfter` reads that from its error. It is
 * the least wait, whatever the longest is.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (full jitter)
 * @see https://sre.google/sre-book/addressing-cascading-failures/ (retry budgets)
 */
import {
  aFunction,
  isCount,
  isYes,
  noAnswer,
  numberThat,
  type OptionRule,
  readGiven,
  shareOf,
  yesOrNo,
} from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import type { RetryPolicy } from '../retry.ts'

export interface BackoffOptions {
  /**
   * How often a request is tried in all, the first attempt included: an integer of at least 1.
   * @default 3
   */
  attempts?: number | undefined
  /**
   * The longest wait after the first failure, in ms; it doubles with each.
   * @default 100
   */
  baseMs?: number | undefined
  /**
   * The longest wait of all, in ms.
   * @default 10_000
   */
  maxMs?: number | undefined
  /**
   * `'full'`: any time up to the longest. `'none'`: always the longest.
   * @default 'full'
   */
  jitter?: 'full' | 'none' | undefined
  /** Whether an error is worth another attempt; without it, every error is. */
  retryIf?: ((error: unknown, attempt: number) => boolean) | undefined
  /**
   * When the service can be asked again, if the error says so: in how many ms, or at which time. Without an answer the wait is as
   * usual. With one it is no shorter.
   */
  retryAfter?: ((error: unknown) => number | Date | undefined) | undefined
  /**
   * True: nothing starts before that time, not even requests that have not failed, nor when this one is not tried again.
   * @default false
   */
  holdAll?: boolean | undefined
  /**
   * How many retries there may be for each admitted request, on average: 0.1 is 10 %. Infinity: no budget.
   * @default 0.1
   */
  budget?: number | undefined
  /**
   * How many retries the budget may have saved up, so that a few failures of a quiet service are tried again too.
   * @default 10
   */
  reserve?: number | undefined
  /**
   * A number from 0 to 1, for the jitter; another one is no jitter, and the wait the longest.
   * @default Math.random
   */
  random?: (() => number) | undefined
}

/**
 * Tries failed requests again: `retry: backoff({ attempts: 3, retryIf: isTransient })`.
 * @throws {OptionsError}
 */
export function backoff(options: BackoffOptions = {}): RetryPolicy {
  const given = readGiven<BackoffOptions>('backoff', options, rules)
  const { attempts = 3, baseMs = 100, maxMs = 10_000, jitter = 'full', budget = 0.1, reserve = 10 } = given
  const { retryIf = () => true, random = () => Math.random() } = given
  const { retryAfter, holdAll = false } = given
  if (holdAll && retryAfter === undefined) {
    throw new OptionsError('backoff.holdAll', 'nothing, unless retryAfter says for how long', holdAll)
  }
  const leastOf = (error: unknown): number => (retryAfter === undefined ? 0 : msUntil(retryAfter(error)))
  const unlimited = budget === Number.POSITIVE_INFINITY
  let seen = 0
  let saved = reserve

  return {
    name: `backoff(${attempts} attempts, ${baseMs} to ${maxMs} ms)`,
    option: 'retry',
    remembers: !unlimited,
    delayMs({ attempt, error, admitted }) {
      if (!unlimited) {
        saved = Math.min(saved + (admitted - seen) * budget, reserve)
        seen = admitted
      }
      if (attempt >= attempts || !isYes('backoff.retryIf', retryIf(error, attempt))) return undefined
      const leastMs = leastOf(error)
      if (!unlimited) {
        if (saved < 1) return undefined
        saved--
      }
      const longest = Math.min(baseMs * 2 ** (attempt - 1), maxMs)
      const delayMs = jitter === 'none' ? longest : longest * shareOf('backoff.random', random, 1)
      return Math.max(delayMs, leastMs)
    },
    ...(holdAll && { holdMs: ({ error }) => leastOf(error) }),
  }
}

/** From now on, in ms: 0 for what is past, or not said. */
function msUntil(time: unknown): number {
  if (time === undefined || time === null) return 0
  const ms = time instanceof Date ? time.getTime() - Date.now() : time
  if (typeof ms === 'number' && Number.isFinite(ms)) return Math.max(ms, 0)
  throw noAnswer('backoff.retryAfter', 'a function that returns a finite number of ms, a Date, or undefined', time)
}

const fromZero = /* @__PURE__ */ numberThat('a number of at least 0', (value) => value >= 0)

const rules: { readonly [K in keyof BackoffOptions]-?: OptionRule } = {
  attempts: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  baseMs: fromZero,
  maxMs: fromZero,
  jitter: { expected: "'full' or 'none'", fits: (value) => value === 'full' || value === 'none' },
  retryIf: aFunction,
  retryAfter: aFunction,
  holdAll: yesOrNo,
  budget: fromZero,
  reserve: fromZero,
  random: aFunction,
}

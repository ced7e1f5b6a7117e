/**
 * Does what is behind the executor work at all? A circuit breaker: after many failures it is left alone. Step 2 of 7.
 *
 *     closed      ──  of at least 20 calls in 10 s half or more have failed  ──▶  open
 *     open        ──  5 s later                                              ──▶  half-open
 *     half-open   ──  3 calls have succeeded  ──▶  closed;   one has failed  ──▶  open
 *
 * Open, it refuses newcomers, and lets nobody start who waits already. Half-open, it lets a few start: the most urgent,
 * since it is the queue that picks them; and newcomers come in only where they could be among those.
 *
 * It learns from answers, the executor's errors and run timeouts; a cancelled run says nothing. Probes of which nothing is
 * heard hold nobody up for ever: after `openMs` as many others may start.
 *
 * It has no state but a window of ten counters and the time of its last change; what began before that time teaches nothing.
 *
 * @see https://learn.microsoft.com/azure/architecture/patterns/circuit-breaker
 */
import { aFunction, type Complete, isCount, isYes, numberThat, readGiven } from '../../checks.ts'
import type { Reads } from '../../reads.ts'
import type { Guard, GuardQuestion, Refusal } from '../guard.ts'
import { positiveMs, rounded } from './guard-options.ts'

export interface CircuitBreakerOptions<Req = unknown, Metadata = unknown> {
  /**
   * Which part of the calls must have failed, for it to open: greater than 0, at most 1.
   * @default 0.5
   */
  readonly failureRatio?: number | undefined
  /**
   * How many calls there must be in the window before anything follows from them: an integer of at least 1.
   * @default 20
   */
  readonly minimumRequests?: number | undefined
  /**
   * How far back it looks, in ms, in steps of a tenth.
   * @default 10_000
   */
  readonly windowMs?: number | undefined
  /**
   * For how long it is open, in ms.
   * @default 5_000
   */
  readonly openMs?: number | undefined
  /**
   * How many calls it tries half-open, and how many must succeed for it to close: an integer of at least 1.
   * @default 3
   */
  readonly probes?: number | undefined
  /**
   * Whether a call counts as a failure. It is given whether the call was answered, how long it ran (a slow call may count too),
   * and the error: that of the executor, or a `RunTimeoutError`.
   * @default (ok) => !ok
   */
  readonly isFailure?:
    | ((ok: boolean, runMs: number, question: Readonly<GuardQuestion<Req, Metadata>>, error: unknown) => boolean)
    | undefined
}

const BUCKETS = 10

const atLeastOne = { expected: 'an integer of at least 1', fits: (value: unknown) => isCount(value, 1) }

const rules = {
  failureRatio: /* @__PURE__ */ numberThat(
    'a number greater than 0, and at most 1',
    (value) => value > 0 && value <= 1,
  ),
  minimumRequests: atLeastOne,
  windowMs: positiveMs,
  openMs: positiveMs,
  probes: atLeastOne,
  isFailure: aFunction,
}

/**
 * Leaves a failing downstream alone for a while: `overload: circuitBreaker()`. One object serves one executor.
 * @throws {OptionsError}
 */
export function circuitBreaker<Req = unknown, Metadata = unknown>(
  options: CircuitBreakerOptions<Req, Metadata> = {},
): Guard & Reads<Req, Metadata> {
  const given = readGiven<CircuitBreakerOptions>('circuitBreaker', options, rules)
  return new CircuitBreaker({
    failureRatio: 0.5,
    minimumRequests: 20,
    windowMs: 10_000,
    openMs: 5_000,
    probes: 3,
    isFailure: (ok) => !ok,
    ...given,
  })
}

class CircuitBreaker implements Guard {
  readonly name = 'circuitBreaker'
  readonly option = 'overload'
  readonly remembers = true
  readonly #options: Complete<CircuitBreakerOptions>
  readonly #window: Window
  #state: 'closed' | 'open' | 'half-open' = 'closed'
  /** When it was opened, or the present round of probes began. */
  #since = 0
  /** Calls that began before this teach nothing. */
  #countsFrom = Number.NEGATIVE_INFINITY
  #started = 0
  #succeeded = 0
  /** What it was opened for. */
  #failed = 0
  #of = 0

  constructor(options: Complete<CircuitBreakerOptions>) {
    this.#options = options
    this.#window = new Window(options.windowMs)
  }

  admit({ at, ahead }: Readonly<GuardQuestion>): Refusal | undefined {
    const state = this.#stateAt(at)
    if (state === 'closed') return undefined
    const leftMs = Math.max(Math.ceil(this.#leftMs(at)), 1)
    if (state === 'open') return this.#refusal(`one that comes in ${leftMs} ms, when it is half-open`, leftMs)
    if (ahead < this.#options.probes - this.#started) return undefined
    return this.#refusal(
      `one that comes when the calls that are tried have succeeded; in ${leftMs} ms others are tried`,
    )
  }

  holdMs({ at, recentRunMs }: Readonly<GuardQuestion>): number {
    const state = this.#stateAt(at)
    if (state === 'closed') return 0
    if (state === 'open') return this.#leftMs(at)
    if (this.#started < this.#options.probes) return 0
    // Until their answers are there, which comes unannounced: looked for every half run, or more often.
    const tenth = this.#options.openMs / 10
    return Math.min(recentRunMs > 2 ? recentRunMs / 2 : 1, tenth, this.#leftMs(at))
  }

  started({ at }: Readonly<GuardQuestion>): void {
    if (this.#stateAt(at) === 'half-open') this.#started++
  }

  settled(question: Readonly<GuardQuestion>, ok: boolean, runMs: number, error?: unknown): void {
    const { at } = question
    const state = this.#stateAt(at)
    if (state === 'open' || at - runMs < this.#countsFrom) return
    const { isFailure, failureRatio, minimumRequests, probes } = this.#options
    const failed = isYes('circuitBreaker.isFailure', isFailure(ok, runMs, question, error))
    if (state === 'half-open') {
      if (failed) this.#open(at, 1, this.#succeeded + 1)
      else if (++this.#succeeded >= probes) this.#state = 'closed'
      return
    }
    const { calls, failures } = this.#window.add(at, failed)
    if (calls >= minimumRequests && failures >= failureRatio * calls) this.#open(at, failures, calls)
  }

  #stateAt(at: number): 'closed' | 'open' | 'half-open' {
    if (this.#state === 'closed') return 'closed'
    const { openMs } = this.#options
    const passedMs = at - this.#since
    // A clock that has gone back goes on from there.
    if (passedMs < 0) this.#since = at
    if (passedMs >= openMs) {
      this.#state = 'half-open'
      this.#since = at
      this.#started = 0
    }
    return this.#state
  }

  #open(at: number, failed: number, of: number): void {
    this.#state = 'open'
    this.#since = at
    // Nothing starts before it is half-open, so that anywhere between tells what began before from the probes.
    this.#countsFrom = at + this.#options.openMs / 2
    this.#succeeded = 0
    this.#failed = failed
    this.#of = of
    this.#window.clear()
  }

  #leftMs(at: number): number {
    return this.#since + this.#options.openMs - at
  }

  #refusal(wouldAdmit: string, retryAfterMs?: number): Refusal {
    const compared = { state: this.#state, failed: this.#failed, of: this.#of, ratio: rounded(this.#failed / this.#of) }
    const answer = { rule: this.name, compared, wouldAdmit }
    return retryAfterMs === undefined ? answer : { ...answer, retryAfterMs }
  }
}

/** Calls and failures of the last `windowMs`. */
class Window {
  readonly #stepMs: number
  readonly #calls = new Array<number>(BUCKETS).fill(0)
  readonly #failures = new Array<number>(BUCKETS).fill(0)
  /** The number of the step that was counted last. */
  #step = Number.NaN
  calls = 0
  failures = 0

  constructor(windowMs: number) {
    this.#stepMs = windowMs / BUCKETS
  }

  add(at: number, failed: boolean): this {
    const step = Math.floor(at / this.#stepMs)
    this.#goTo(step)
    const bucket = ((step % BUCKETS) + BUCKETS) % BUCKETS
    this.#calls[bucket] = (this.#calls[bucket] as number) + 1
    this.calls++
    if (failed) {
      this.#failures[bucket] = (this.#failures[bucket] as number) + 1
      this.failures++
    }
    return this
  }

  clear(): void {
    this.#calls.fill(0)
    this.#failures.fill(0)
    this.calls = 0
    this.failures = 0
  }

  /** Forgets what is too old now; all of it, when the clock has jumped, whichever way. */
  #goTo(step: number): void {
    const steps = step - this.#step
    this.#step = step
    if (steps === 0) return
    if (!(steps > 0 && steps < BUCKETS)) {
      this.clear()
      return
    }
    for (let each = step - steps + 1; each <= step; each++) {
      const bucket = ((each % BUCKETS) + BUCKETS) % BUCKETS
      this.calls -= this.#calls[bucket] as number
      this.failures -= this.#failures[bucket] as number
      this.#calls[bucket] = 0
      this.#failures[bucket] = 0
    }
  }
}

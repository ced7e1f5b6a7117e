/**
 * In which time does the load live? On a virtual clock, with deadlines that pass; or on the system's, as fast as it goes,
 * with deadlines that are set and never reached.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'

export interface Time {
  readonly clock: WatchedClock
  /** Time passes for a run: `ms` of it, or just a turn of the event loop. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Time passes for everyone. */
  pass(ms: number): Promise<void>
  /** Goes on until that is done. */
  until(done: Promise<unknown>): Promise<void>
  /** Goes on until calls have settled that nobody waits for any more: they outlive their timeouts. */
  rest(): Promise<void>
  /** A timeout: of about so long, where it may be reached. */
  timeoutMs(ms: number): number
  /** A delay, where there are any. */
  delayMs(ms: number): number | undefined
}

/** Knows which timers are set, those included that do not keep the process alive. */
class WatchedClock implements Clock {
  readonly #clock: Clock
  readonly #timers = new Set<unknown>()
  readonly defer?: (callback: () => void) => void

  constructor(clock: Clock) {
    this.#clock = clock
    if (clock.defer !== undefined) this.defer = (callback) => clock.defer?.(callback)
  }

  get timers(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#clock.now()
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer)
      callback()
    }, delayMs)
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer)
    this.#clock.clearTimeout(timer)
  }
}

export function virtualTime(): Time {
  const clock = new VirtualClock()
  return {
    clock: new WatchedClock(clock),
    sleep: (ms, signal) => clock.sleep(ms, signal === undefined ? {} : { signal }),
    pass: (ms) => clock.advance(ms),
    until: (done) => clock.run({ until: done }),
    rest: () => clock.run(),
    timeoutMs: (ms) => ms,
    delayMs: (ms) => ms,
  }
}

export function systemTime(): Time {
  return {
    clock: new WatchedClock(systemClock),
    async sleep(_ms, signal) {
      await nextTurn()
      signal?.throwIfAborted()
    },
    pass: () => nextTurn(),
    async until(done) {
      await done
    },
    rest: () => nextTurn(),
    timeoutMs: (ms) => ms * 60_000,
    delayMs: () => undefined,
  }
}

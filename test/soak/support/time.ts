/**
 * In which time does the load live? On a virtual clock, with deadlines that pass; or on the system's, as fast as it goes,
 * with deadlines that are set and never reached.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'

export interface Time {
  readonly clock: Clock
  /** Time passes for a run: `ms` of it, or just a turn of the event loop. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Time passes for everyone. */
  pass(ms: number): Promise<void>
  /** Goes on until that is done. */
  until(done: Promise<unknown>): Promise<void>
  /** A timeout: of about so long, where it may be reached. */
  timeoutMs(ms: number): number
  /** A delay, where there are any. */
  delayMs(ms: number): number | undefined
  /** Timers that are set on a clock of its own. */
  timers(): number
}

export function virtualTime(): Time {
  const clock = new VirtualClock()
  return {
    clock,
    sleep: (ms, signal) => clock.sleep(ms, signal === undefined ? {} : { signal }),
    pass: (ms) => clock.advance(ms),
    async until(done) {
      await clock.run({ until: done })
      // What nobody waits for: calls that outlive their timeouts.
      await clock.run()
    },
    timeoutMs: (ms) => ms,
    delayMs: (ms) => ms,
    timers: () => clock.timers,
  }
}

/**
 * The system's clock, but a timer is held again before it is cleared: of one that is not (`unref()`), Node keeps the list of
 * all timers of its duration until that duration is over, some 240 bytes for each duration that nobody uses any more.
 */
const clearing: Clock = {
  now: () => systemClock.now(),
  setTimeout: (callback, delayMs) => systemClock.setTimeout(callback, delayMs),
  clearTimeout(timer) {
    ;(timer as { handle: NodeJS.Timeout }).handle.ref()
    systemClock.clearTimeout(timer)
  },
}

export function systemTime(): Time {
  return {
    clock: clearing,
    async sleep(_ms, signal) {
      await nextTurn()
      signal?.throwIfAborted()
    },
    pass: () => nextTurn(),
    async until(done) {
      await done
    },
    timeoutMs: (ms) => ms * 60_000,
    delayMs: () => undefined,
    timers: () => 0,
  }
}

import type { Clock } from 'triage-queue'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * A clock that fires on the stack of whoever moves it: what comes next is in the very burst in which a timer has rung.
 * (`VirtualClock` first lets the program do all that it can.)
 */
export class HandClock implements Clock {
  #now = 0
  readonly timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = { at: this.#now + delayMs, callback }
    this.timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as Timer)
  }

  passTo(time: number): void {
    for (;;) {
      const due = [...this.timers].filter(({ at }) => at <= time).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.timers.delete(due)
      this.#now = Math.max(this.#now, due.at)
      due.callback()
    }
    this.#now = time
  }
}

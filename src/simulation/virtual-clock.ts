/**
 * A clock that stands still until it is told to go on: time for tests and simulations.
 *
 * It runs the unchanged production classes event by event. Before each timer it lets the program do all that it can do
 * without time passing (real awaits, in a real turn of the event loop), then it jumps to the timer's time. No real time
 * is spent waiting: a simulated hour takes as long as its events.
 */
import { setImmediate } from 'node:timers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'

interface VirtualTimer {
  readonly at: number
  /** Timers for the same time fire in the order in which they were set. */
  readonly sequence: number
  readonly callback: () => void
  index: number
}

/**
 * ```ts
 * const clock = new VirtualClock()
 * const executor = new QueuedExecutor(async () => clock.sleep(1_000), { clock, concurrency: 1 })
 * const answer = executor.execute('a')
 * await clock.advance(1_000) // at once
 * await answer
 * ```
 */
export class VirtualClock implements Clock {
  #now: number
  #sequence = 0
  #deferred = 0
  // A binary heap by time: simulations have many timers, and cancel most of them.
  readonly #timers: VirtualTimer[] = []

  /** @param startAt what `now()` says at first, in ms */
  constructor(startAt = 0) {
    this.#now = startAt
  }

  now(): number {
    return this.#now
  }

  setTimeout(callback: () => void, delayMs: number): VirtualTimer {
    const timer = { at: this.#now + Math.max(delayMs, 0), sequence: ++this.#sequence, callback, index: -1 }
    this.#timers.push(timer)
    this.#settle(this.#timers.length - 1, timer)
    return timer
  }

  clearTimeout(handle: unknown): void {
    const timer = handle as VirtualTimer
    if (this.#timers[timer.index] === timer) this.#take(timer.index)
  }

  defer(callback: () => void): void {
    this.#deferred++
    setImmediate(() => {
      this.#deferred--
      callback()
    })
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.length
  }

  /** When the next timer is due; Infinity when none is set. */
  get nextAt(): number {
    return this.#timers[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /**
   * Resolves after `ms` of this clock's time: what an executor awaits in a simulation.
   * @throws the reason of `signal`, through the promise, as soon as it is aborted
   */
  sleep(ms: number, options?: { signal?: AbortSignal }): Promise<void> {
    const signal = options?.signal
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const aborted = (): void => {
        this.clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = this.setTimeout(() => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      }, ms)
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }

  /** Lets the program do all that it can do at this instant. */
  async settle(): Promise<void> {
    do await nextTurn()
    while (this.#deferred > 0)
  }

  /** Goes `ms` on, firing every timer on the way at its own time. */
  async advance(ms: number): Promise<void> {
    await this.advanceTo(this.#now + ms)
  }

  /** Goes on to a time, firing every timer on the way at its own time. */
  async advanceTo(time: number): Promise<void> {
    await this.settle()
    while (this.nextAt <= time) await this.#fire()
    this.#now = Math.max(this.#now, time)
  }

  /** Goes on to the next timer, and fires all that are due then. False when none is set. */
  async step(): Promise<boolean> {
    await this.settle()
    const at = this.nextAt
    if (at === Number.POSITIVE_INFINITY) return false
    while (this.nextAt <= at) await this.#fire()
    return true
  }

  /**
   * Goes on until `done`, or until no timer is set: the whole simulation.
   * @throws {RangeError} through the promise, after `maxEvents` timers: a simulation that never ends
   */
  async run(options?: { until?: Promise<unknown>; maxEvents?: number }): Promise<void> {
    const { until, maxEvents = 10_000_000 } = options ?? {}
    let done = false
    const stop = (): void => {
      done = true
    }
    until?.then(stop, stop)
    await this.settle()
    for (let events = 0; !done && this.#timers.length > 0; events++) {
      if (events >= maxEvents) throw new RangeError(`The simulation did not end within ${maxEvents} events`)
      await this.#fire()
    }
  }

  async #fire(): Promise<void> {
    const timer = this.#timers[0] as VirtualTimer
    this.#take(0)
    this.#now = Math.max(this.#now, timer.at)
    timer.callback()
    await this.settle()
  }

  #take(index: number): void {
    const timer = this.#timers[index] as VirtualTimer
    timer.index = -1
    const last = this.#timers.pop() as VirtualTimer
    if (last !== timer) this.#settle(index, last)
  }

  /** Puts a timer where it belongs, from an index on up or down. */
  #settle(from: number, timer: VirtualTimer): void {
    const timers = this.#timers
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(timer, timers[parent] as VirtualTimer)) break
      index = this.#move(parent, index)
    }
    for (;;) {
      let child = 2 * index + 1
      if (child >= timers.length) break
      if (child + 1 < timers.length && before(timers[child + 1] as VirtualTimer, timers[child] as VirtualTimer)) child++
      if (!before(timers[child] as VirtualTimer, timer)) break
      index = this.#move(child, index)
    }
    timers[index] = timer
    timer.index = index
  }

  #move(from: number, to: number): number {
    const timer = this.#timers[from] as VirtualTimer
    this.#timers[to] = timer
    timer.index = to
    return from
  }
}

function before(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence)
}

/**
 * What time is it, and who wakes us? All time comes from one injected clock, and one armed timer serves everything.
 *
 * Three parts: the `Clock` that a user may replace, the `Timeline` that reads it once for a whole synchronous burst and
 * never lets it run backwards, and the `Alarm`, the only timer that an executor ever arms.
 */

import { type Fakes, fakesOf } from './fake-timers.ts'
import { QuietResource, withoutContext } from './without-context.ts'

/**
 * A source of time. The default is `systemClock`; `VirtualClock` of `triage-queue/simulation` is another.
 *
 * It must not call the executor, since it is asked while the executor changes its state. Its timers must not throw: without a
 * timer no deadline is kept, so the error is thrown on.
 */
export interface Clock {
  /**
   * Monotonic time in ms; only differences count. While it goes back, or throws, or answers with no finite number, its last good
   * answer holds.
   */
  now(): number
  /** Calls back once after `delayMs` (at most 2^31−1). A handle with `ref()` and `unref()` has them used. */
  setTimeout(callback: () => void, delayMs: number): unknown
  /** Forgets a timer that has not fired. */
  clearTimeout(handle: unknown): void
  /**
   * Calls back in another turn of the event loop, without time passing. Without it, a message to ourselves does it.
   */
  defer?(callback: () => void): void
  /**
   * True when time may move inside one synchronous stretch of code, as under fake timers. A time that was read is then
   * not kept for the rest of the burst. Looked at when `source` has changed.
   * @default false
   */
  readonly stepped?: boolean | undefined
  /**
   * Whose timers and time these are. When it changes while something is live, as when fake timers are installed or taken
   * away, time goes on from where it was, and the armed timer is armed anew.
   */
  readonly source?: unknown
}

/** The longest delay of Node's timers; a longer one fires after 1 ms. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * Sums of times are off by fractions of this: 1,000.0000001 ms are 1,000. A timer that is this much early is on time.
 */
const ROUNDING_MS = 0.001

/** Timers count whole milliseconds: this is a twentieth of what they can tell. */
const SAME_INSTANT_MS = 0.05

/** `soon.then(f)` is a microtask at a third of the price of `queueMicrotask(f)`. */
export const soon: Promise<void> = withoutContext(Promise.resolve())

/** Calls back in another turn of the event loop: by a message, since that is no timer, and so not faked with them. */
export function inAnotherTurn(callback: () => void): void {
  const { port1, port2 } = new MessageChannel()
  const ring = (): void => {
    port1.close()
    callback()
  }
  // Bun's ports have no `once()`. On Node each request that comes after an `onmessage` takes 29 bytes more.
  if ('once' in port1) port1.once('message', ring)
  else (port1 as { onmessage: (() => void) | null }).onmessage = ring
  port2.postMessage(undefined)
}

interface SystemTimer {
  readonly handle: { ref?(): void; unref?(): void }
  readonly clear: (handle: unknown) => void
}

const bunFakes = Symbol()

/** Bun fakes time, `performance` included, behind the same `setTimeout`, and marks that. */
function isBunFaked(): boolean {
  return (setTimeout as { clock?: unknown }).clock === true
}

let timers: unknown
let fakes: Fakes | undefined

/** Looked at anew whenever `setTimeout` is another one. */
function fakesNow(): Fakes | undefined {
  if (setTimeout !== timers) {
    timers = setTimeout
    fakes = fakesOf(timers)
  }
  return fakes
}

/**
 * `performance.now()` and `setTimeout`, looked up at each use, so that fake timers work whenever they are installed. Where
 * `setTimeout` is a fake and `performance` is not, time is that of the timers.
 */
export const systemClock: Clock = {
  now() {
    const faked = fakesNow()
    return faked === undefined ? performance.now() : faked.now()
  },
  setTimeout(callback, delayMs): SystemTimer {
    if (fakesNow()?.mayClear === false) {
      let isWanted = true
      const handle = setTimeout(() => isWanted && callback(), delayMs)
      return {
        handle,
        clear: () => {
          isWanted = false
        },
      }
    }
    // The `clearTimeout` of the same moment: a real timer must not be handed to a fake clock that was installed later.
    return { handle: setTimeout(callback, delayMs), clear: clearTimeout as (handle: unknown) => void }
  },
  clearTimeout(timer) {
    const { handle, clear } = timer as SystemTimer
    clear(handle)
  },
  get source() {
    return isBunFaked() ? bunFakes : setTimeout
  },
  get stepped() {
    return isBunFaked() || fakesNow() !== undefined
  },
}

/** Bun's fake timers stand behind the same `setTimeout`. */
const isBun = 'bun' in process.versions

/** A point in time, in ms on the clock; and whose: what holds an instant needs no field for its owner. */
export interface Instant {
  readonly at: number
  readonly owner: object
}

/**
 * One synchronous burst has one instant: the clock is read at its first question, and again only when the microtask
 * that ends the burst has run. Reading costs 50–70 ns, and a burst asks once or twice for each request.
 *
 * Time that runs backwards (fake timers installed while requests are live, a clock made of `Date`) is held, and goes on
 * from there: durations are never negative.
 */
export class Timeline {
  readonly #clock: Clock
  /** The system's is asked without its getters, for as long as its timers are the ones that they were: each call costs, cold. */
  readonly isSystem: boolean
  readonly #owner: object
  #instant: Instant
  #source: unknown = undefined
  /** May time move inside one synchronous stretch of code? */
  isStepped = false
  #offset = 0
  #fresh = false
  /** Nothing is live: corrections are forgotten, so that the times of later requests are the clock's own. */
  isOver = true
  /** As it was when something came to live last, and when it was read with care: to look it up is a call of a getter. */
  #performance = performance
  /** Called when the clock has become another one. */
  onSwitch: (() => void) | undefined = undefined
  readonly #expire = (): void => {
    this.#fresh = false
  }

  constructor(clock: Clock, owner: object) {
    this.#clock = clock
    this.isSystem = clock === systemClock && !isBun
    this.#owner = owner
    this.#instant = { at: 0, owner }
  }

  /** The instant of this burst. One object for all its requests: 16 bytes less for each than a number of its own. */
  instant(): Instant {
    if (!this.#fresh) return this.#read()
    return this.#instant
  }

  /** The time of this burst. */
  now(): number {
    return this.instant().at
  }

  /**
   * The instant of a request whose time counts: read anew, however long this burst has taken. It becomes the instant of what is
   * left of the burst. Requests within 50 µs share one: a million of them would else have one of 40 bytes each.
   */
  reading(): Instant {
    const last = this.#instant
    const wasFresh = this.#fresh
    const { at } = this.#read()
    if (wasFresh && at - last.at < SAME_INSTANT_MS) this.#instant = last
    return this.#instant
  }

  /** The time right now; it becomes the instant of what is left of this burst. */
  read(): number {
    return this.#read().at
  }

  #read(): Instant {
    this.look()
    this.keep()
    return this.#instant
  }

  /** What was read last is the instant of what is left of this burst. */
  keep(): void {
    if (this.isStepped) this.#fresh = false
    else if (!this.#fresh) {
      this.#fresh = true
      soon.then(this.#expire)
    }
  }

  /** The instant, read anew, for one alone: the others of this burst, if there are any, read it again. */
  look(): Instant {
    if (!this.isSystem || this.#source !== setTimeout || this.isStepped) return this.#lookCarefully()
    // The system's clock, with the timers that were looked at before.
    if (this.isOver) {
      this.isOver = false
      this.#offset = 0
      this.#performance = performance
      this.#instant = { at: this.#performance.now(), owner: this.#owner }
      return this.#instant
    }
    const { at: last } = this.#instant
    const at = this.#performance.now() + this.#offset
    if (at > last) this.#instant = { at, owner: this.#owner }
    else this.#offset += last - at
    return this.#instant
  }

  #lookCarefully(): Instant {
    if (this.isOver) {
      this.#begin()
      return this.#instant
    }
    const last = this.#instant.at
    const at = this.#ask() + this.#offset
    if (this.#source !== this.#clock.source) this.#switch(at)
    else if (Number.isFinite(at)) {
      if (at > last) this.#instant = { at, owner: this.#owner }
      else this.#offset += last - at
    }
    return this.#instant
  }

  /** What the clock says. If it throws, or answers with no number, its last good answer holds. */
  #ask(): number {
    try {
      const at: unknown = this.#clock.now()
      if (typeof at === 'number') return at
    } catch {
      // It does not know.
    }
    return Number.NaN
  }

  /** Has the clock become another one while something is live? Then time goes on from here, and the timer is armed anew. */
  follow(): void {
    if (this.isSystem && this.#source === setTimeout) return
    if (!this.isOver && this.#source !== this.#clock.source) this.#read()
  }

  #begin(): void {
    this.isOver = false
    this.#offset = 0
    this.#recognise()
    const at = this.#ask()
    // A clock that does not know begins where it was.
    this.#instant = { at: Number.isFinite(at) ? at : this.#instant.at, owner: this.#owner }
  }

  #switch(at: number): void {
    this.#recognise()
    if (Number.isFinite(at)) this.#offset += this.#instant.at - at
    this.onSwitch?.()
  }

  #recognise(): void {
    this.#source = this.#clock.source
    this.isStepped = this.#clock.stepped === true
    this.#performance = performance
  }

  /** A timer that fires proves that its time has come, also where only `setTimeout` is faked, and not the clock. */
  atLeast(at: number): number {
    const now = this.read()
    if (now >= at) return now
    this.#offset += at - now
    this.#instant = { at, owner: this.#owner }
    return at
  }
}

/**
 * The one timer. It is armed for the earliest deadline anyone has named, and asks at each ring for the next; a deadline
 * that went away meanwhile costs an idle ring, not a search. A time beyond the reach of timers is reached in steps.
 */
export class Alarm {
  // The timer must not keep the context of whichever request happened to arm it, nor that of the constructor.
  readonly #home = withoutContext(new QuietResource('TriageAlarm'))
  readonly #clock: Clock
  readonly #timeline: Timeline
  readonly #ring: (now: number) => void
  /** Is a timer set? */
  armed = false
  #timer: unknown
  /** Does it keep the process alive, when it is armed? */
  keepsAlive = true
  /** When it will ring; Infinity when nobody waits for it. */
  dueAt = Number.POSITIVE_INFINITY

  /** `ring` deals with all that is due, and sets the alarm again. */
  constructor(clock: Clock, timeline: Timeline, ring: (now: number) => void) {
    this.#clock = clock
    this.#timeline = timeline
    this.#ring = ring
    timeline.onSwitch = () => this.#rearm()
  }

  /** Rings at `dueAt`, or earlier if it was set earlier. */
  setFor(dueAt: number, now: number): void {
    if (this.#timer !== undefined && dueAt >= this.dueAt) return
    this.off()
    this.dueAt = dueAt
    // Rounded up: timers count whole milliseconds, and a deadline must not be early.
    const delayMs = Math.min(Math.max(Math.ceil(dueAt - now - ROUNDING_MS), 0), MAX_DELAY_MS)
    // A real timer may ring a little before its whole milliseconds are over; a fake one never does, and may be all that moves time.
    const ringsAt = this.#timeline.isStepped ? now + delayMs : Math.min(dueAt, now + MAX_DELAY_MS)
    const rings = (): void => {
      this.#timer = undefined
      this.armed = false
      this.dueAt = Number.POSITIVE_INFINITY
      this.#ring(this.#timeline.atLeast(ringsAt))
    }
    // A clock may have no handles; then there is nothing to clear, and a ring too many does no harm.
    this.#timer = this.#home.runInAsyncScope(() => this.#clock.setTimeout(rings, delayMs)) ?? {}
    this.armed = true
    if (!this.keepsAlive) this.#hold(false)
  }

  /** The timer that is armed belongs to a clock that has gone. */
  #rearm(): void {
    if (this.#timer === undefined) return
    const { dueAt } = this
    this.off()
    this.setFor(dueAt, this.#timeline.now())
  }

  /** Whether the armed timer keeps the process alive. */
  keepAlive(alive: boolean): void {
    if (alive === this.keepsAlive) return
    this.keepsAlive = alive
    if (this.#timer !== undefined) this.#hold(alive)
  }

  off(): void {
    if (this.#timer === undefined) return
    // Of a timer that is cleared while it holds nothing, Node keeps the list of its duration until that is over.
    if (!this.keepsAlive) this.#hold(true)
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.armed = false
    this.dueAt = Number.POSITIVE_INFINITY
  }

  #hold(alive: boolean): void {
    const timer = this.#timer as Partial<SystemTimer> & SystemTimer['handle']
    const handle = timer.handle ?? timer
    if (alive) handle.ref?.()
    else handle.unref?.()
  }
}

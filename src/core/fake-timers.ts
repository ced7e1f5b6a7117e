/**
 * What time is it under fake timers? Whoever fakes the timers need not fake the clocks: by default vitest 1 and 2 leave
 * `performance` alone, node:test knows no such thing, jest's legacy timers fake no clock at all. Time follows the timers all the
 * same, or else a timeout would be over by one and not by the other.
 *
 * Only fakes that are known count. A `setTimeout` that is wrapped to be watched, as by tracers, is a real one.
 */

/** What fake timers put in the place of `setTimeout`. */
interface Faked {
  readonly name: string
  /** Of @sinonjs/fake-timers, which is in vitest, jest and sinon: it has a monotonic time, be `performance` faked or not. */
  readonly clock?: { readonly performance?: { now?(): number } }
  /** Of a mock function of jest, as its legacy timers are. */
  getMockImplementation?(): { readonly name?: string } | undefined
}

/** Such fakes, as they are to be used. */
export interface Fakes {
  /** The time of the timers, in ms. */
  now(): number
  /** May a timer be cleared whenever it is not wanted any more? */
  readonly mayClear: boolean
}

/** What to know of the timers, if they are such fakes; undefined where only `performance.now()` can say the time. */
export function fakesOf(timers: unknown): Fakes | undefined {
  const { clock, name, getMockImplementation } = timers as Faked
  const now = clock?.performance?.now
  if (typeof now === 'function') return { now, mayClear: true }
  // node:test, whose timers say when they are due. Once they were reset, clearing one removes whatever has its place by then, or
  // breaks the heap if that is empty.
  if (name === 'bound #createTimer') return { now: timeOfNode, mayClear: false }
  // jest's legacy timers, whose time can't be asked for. It stands still, and moves with what rings.
  if (getMockImplementation?.()?.name === 'bound _fakeSetTimeout') return { now: () => 0, mayClear: true }
  return undefined
}

function timeOfNode(): number {
  // Cleared before it rings.
  const timer = setTimeout(timeOfNode, 1)
  clearTimeout(timer)
  return (timer as unknown as { readonly runAt: number }).runAt - 1
}

/**
 * Who comes when? Made-up arrivals that are the same on each run: the pictures must not change by themselves.
 *
 * Poisson arrivals (exponential gaps), as independent callers make them; run times spread evenly over half to one and a
 * half times their mean.
 */
import type { VirtualClock } from '../../src/simulation/index.ts'

/** Calls `arrive` at random times, on average so often a second, between two times in ms. */
export function arrivals(
  clock: VirtualClock,
  { random, perSecond, fromMs = 0, untilMs }: Arrivals,
  arrive: () => void,
): void {
  const next = (): void => {
    const gapMs = (-Math.log(1 - random()) * 1_000) / perSecond
    const wait = Math.max(fromMs - clock.now(), 0) + gapMs
    if (clock.now() + wait > untilMs) return
    clock.setTimeout(() => {
      arrive()
      next()
    }, wait)
  }
  next()
}

export interface Arrivals {
  readonly random: () => number
  readonly perSecond: number
  readonly fromMs?: number
  readonly untilMs: number
}

/** A run time of half to one and a half times the mean. */
export function spread(random: () => number, meanMs: number): number {
  return meanMs * (0.5 + random())
}

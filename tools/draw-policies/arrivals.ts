/**
 * Who comes when? Made-up arrivals that are the same on each run: the pictures must not change by themselves.
 *
 * Poisson arrivals (exponential gaps), as independent callers make them; run times spread evenly over half to one and a
 * half times their mean.
 */
import type { VirtualClock } from '../../src/simulation/index.ts'

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), 1 | state)
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }
}

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

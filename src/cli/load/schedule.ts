/**
 * When shall which request start? All of it is settled before the first one is sent, so that nothing the service does can move it: a
 * service that stands still does not make those behind it start later (coordinated omission).
 *
 * @see G. Tene, How NOT to measure latency (2013)
 */
import { type Priority, priorities } from '../../core/priority.ts'
import { usage } from '../fault.ts'
import { exponential, pickBy, seededRandom } from '../random.ts'

export interface Schedule {
  readonly count: number
  /** The intended start of each, in ms from the beginning; ascending. */
  readonly at: Float64Array
  /** The tier of each. */
  readonly tier: Uint8Array
  /** From the first start to the time when the next would come. */
  readonly lengthMs: number
}

/** Each takes some bytes until the end. */
const MAX_COUNT = 10_000_000

export interface Rate {
  readonly ratePerSecond: number
  readonly isPoisson: boolean
  readonly lengthMs: number
  readonly mix: ReadonlyMap<Priority, number>
  readonly seed: number
}

/** @throws {Fault} when it is too much */
export function scheduleOf({ ratePerSecond, isPoisson, lengthMs, mix, seed }: Rate): Schedule {
  const random = seededRandom(seed)
  const mean = 1_000 / ratePerSecond
  const expected = lengthMs / mean
  if (expected > MAX_COUNT) throw tooMany()
  const at: number[] = []
  let time = isPoisson ? exponential(random, mean) : 0
  while (time < lengthMs) {
    at.push(time)
    // Not by a sum of steps, which would drift.
    time = isPoisson ? time + exponential(random, mean) : at.length * mean
  }
  return { count: at.length, at: Float64Array.from(at), tier: tiers(at.length, mix, random), lengthMs }
}

export interface TraceEntry {
  /** ms */
  readonly at: number
  readonly priority: Priority | undefined
}

/** As it was recorded, from its first request on; those that name no priority are given one by the mix. */
export function scheduleOfTrace(
  trace: readonly TraceEntry[],
  mix: ReadonlyMap<Priority, number>,
  seed: number,
): Schedule {
  if (trace.length > MAX_COUNT) throw tooMany()
  const sorted = [...trace].sort((a, b) => a.at - b.at)
  const first = sorted[0]?.at ?? 0
  const tier = tiers(sorted.length, mix, seededRandom(seed))
  for (const [i, { priority }] of sorted.entries()) if (priority !== undefined) tier[i] = priorities.indexOf(priority)
  const at = Float64Array.from(sorted, (entry) => entry.at - first)
  return { count: sorted.length, at, tier, lengthMs: at.at(-1) ?? 0 }
}

function tiers(count: number, mix: ReadonlyMap<Priority, number>, random: () => number): Uint8Array {
  return Uint8Array.from({ length: count }, () => priorities.indexOf(pickBy(mix, random)))
}

function tooMany(): Error {
  return usage(`That is more than ${MAX_COUNT} requests: a lower --rate, or --for a shorter time`)
}

/**
 * Streams of samples, the same for the same seed.
 */
import type { LimitSample } from '../../../../../src/core/run/limit.ts'
import { seeded } from '../../../../support/seeded.ts'

/** One sample as the Java library is given it: whole nanoseconds. */
export interface JavaSample {
  readonly rtt: number
  readonly inflight: number
  readonly didDrop: boolean
}

export function toSample({ rtt, inflight, didDrop }: JavaSample): LimitSample {
  return { at: 0, runMs: rtt / 1e6, inflight, dropped: didDrop }
}

/**
 * A downstream that is idle, calm, busy and overloaded in turn: run times over three orders of magnitude, inflight from
 * unused to beyond the limit, drops, and calm long enough for a limit to go all the way. The limit is asked for each
 * time, so that inflight stays around it.
 */
export function randomSamples(seed: number): (limit: number) => JavaSample {
  const random = seeded(seed)
  let base = 10e6
  let use = 1
  let trouble = 0
  return (limit) => {
    if (random() < 0.005) base = 1e6 * 10 ** (random() * 3)
    if (random() < 0.005) use = random() * 1.3
    if (random() < 0.002) trouble = random() < 0.5 ? 0 : random()
    const spread = random() < 0.2 * trouble ? 10 * random() : 1 + 0.5 * trouble * (random() - 0.5)
    return {
      rtt: Math.max(1, Math.round(base * spread)),
      inflight: Math.max(1, Math.round(limit * use)),
      didDrop: random() < 0.1 * trouble,
    }
  }
}

/**
 * How much is several times its capacity? Measures the service, and makes the load to fit.
 */
import type { Priority } from '../../src/index.ts'
import type { DemoArguments } from './arguments.ts'
import { type Arrival, madeUpLoad, randomBytes, randomFrom } from './load.ts'
import type { Service } from './service-client.ts'
import { replay, scale, type Trace, tiersOf } from './trace.ts'

export interface Plan {
  readonly arrivals: readonly Arrival[]
  /** The tiers in use, most urgent first. */
  readonly tiers: readonly Priority[]
  readonly durationMs: number
  /** How many of these requests the service can do in a second, when it does nothing else. */
  readonly capacityPerSecond: number
  /** How many of them arrive in a second, at the mean. */
  readonly arrivalsPerSecond: number
}

/** Enough to keep its one thread busy. */
const IN_FLIGHT = 4
const WARM_UP_MS = 300
const MEASURE_MS = 300
const MEASURES = 4

export async function makePlan(service: Service, wanted: DemoArguments, traces: readonly Trace[]): Promise<Plan> {
  const random = randomFrom(wanted.seed)
  const anySize = (): number => randomBytes(random)
  await bytesPerMs(service, anySize, WARM_UP_MS)
  const capacity = await capacityOf(service, anySize)
  return traces.length === 0
    ? planMadeUp(capacity, wanted)
    : planReplay(capacity, wanted, traces, (sizes) => capacityOf(service, sizes))
}

function planMadeUp(capacity: number, { load, seconds = 8, seed, mix }: DemoArguments): Plan {
  const sizes = randomFrom(seed)
  const meanBytes = mean(Array.from({ length: 10_000 }, () => randomBytes(sizes)))
  const perSecond = (1000 * capacity * load) / meanBytes
  const arrivals = madeUpLoad(perSecond, seconds, seed, mix)
  return planOf(arrivals, ['urgent', 'high', 'normal', 'low'], seconds * 1000, capacity)
}

async function planReplay(
  capacity: number,
  { load, seconds = Number.POSITIVE_INFINITY, limit, speed, seed }: DemoArguments,
  traces: readonly Trace[],
  measure: (sizes: () => number) => Promise<number>,
): Promise<Plan> {
  const replayed = replay(traces, speed)
    .slice(0, limit)
    .filter(({ atMs }) => atMs < seconds * 1000)
  // A load needs a duration: the last arrival's time, but a second for a trace that is shorter.
  const durationMs = Math.max(replayed.at(-1)?.atMs ?? 0, 1000)
  const serviceMs = replayed.reduce((sum, { serviceMs }) => sum + serviceMs, 0)
  const sized = (bytesPerMs: number): Arrival[] =>
    scale(replayed, (load * bytesPerMs * durationMs) / Math.max(serviceMs, 1))
  // Small requests cost more for each byte than large ones do: fit, measure with these very sizes, and fit again.
  const random = randomFrom(seed)
  const first = sized(capacity)
  const measured = await measure(() => first[Math.floor(random() * first.length)]?.bytes ?? 1)
  return planOf(sized(measured), tiersOf(traces.length), durationMs, measured)
}

function planOf(arrivals: readonly Arrival[], tiers: readonly Priority[], durationMs: number, capacity: number): Plan {
  return {
    arrivals,
    tiers,
    durationMs,
    capacityPerSecond: (1000 * capacity) / mean(arrivals.map(({ bytes }) => bytes)),
    arrivalsPerSecond: (1000 * arrivals.length) / durationMs,
  }
}

/** What the service can do, in bytes for each ms: the best of some, as whatever else runs on the machine only takes away. */
async function capacityOf(service: Service, nextSize: () => number): Promise<number> {
  let best = 0
  for (let n = 0; n < MEASURES; n++) best = Math.max(best, await bytesPerMs(service, nextSize, MEASURE_MS))
  return best
}

/** What it does in a while, in bytes for each ms: a few clients, each with its next request as soon as it is answered. */
async function bytesPerMs(service: Service, nextSize: () => number, forMs: number): Promise<number> {
  const startedAt = performance.now()
  let done = 0
  const client = async (): Promise<void> => {
    while (performance.now() - startedAt < forMs) {
      const { bytes } = await service.compress(nextSize())
      done += bytes
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, client))
  return done / (performance.now() - startedAt)
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(numbers.length, 1)
}

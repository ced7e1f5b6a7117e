/**
 * Is it so? The same load through the production classes on virtual time.
 */
import type { Priority } from '../../core/priority.ts'
import { exponential, pickBy, seededRandom } from '../random.ts'

export interface Confirmed {
  readonly requests: number
  /** By tier, and of all: the wait of 99 %, in ms. */
  readonly p99Ms: number
  readonly meanMs: number
  readonly byPriority: ReadonlyMap<Priority, { readonly meanMs: number; readonly p99Ms: number }>
}

export interface ConfirmQuestion {
  readonly ratePerSecond: number
  readonly runMs: number
  readonly cv: number
  readonly mix: ReadonlyMap<Priority, number>
  readonly slots: number
  readonly requests: number
}

export async function confirm({ ratePerSecond, runMs, cv, mix, slots, requests }: ConfirmQuestion): Promise<Confirmed> {
  const { QueuedExecutor } = await import('../../index.ts')
  const { VirtualClock } = await import('../../simulation/index.ts')
  const random = seededRandom(1)
  const clock = new VirtualClock()
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), {
    ...{ clock, concurrency: slots, maxQueueSize: 0, runTimeoutMs: Number.POSITIVE_INFINITY },
  })
  const waits = new Map<Priority, number[]>([...mix.keys()].map((priority) => [priority, []]))
  queue.on('started', ({ priority, waitMs }) => void waits.get(priority)?.push(waitMs))
  // It begins empty: what comes in the first runs is not counted.
  const warmUp = Math.ceil((ratePerSecond * runMs) / 500)
  let left = requests + warmUp
  const arrive = (): void => {
    void queue.execute(runOf(random, runMs, cv), { priority: pickBy(mix, random) })
    if (--left === requests) for (const all of waits.values()) all.length = 0
    if (left > 0) clock.setTimeout(arrive, exponential(random, 1_000 / ratePerSecond))
  }
  clock.setTimeout(arrive, 0)
  await clock.run({ maxEvents: Number.POSITIVE_INFINITY })
  const all = [...waits.values()].flat()
  return {
    requests: all.length,
    ...statisticsOf(all),
    byPriority: new Map([...waits].map(([priority, own]) => [priority, statisticsOf(own)])),
  }
}

/** Runs with that mean and variation: a gamma distribution, which is the exponential one for a cv of 1. */
function runOf(random: () => number, mean: number, cv: number): number {
  if (cv === 0) return mean
  if (cv === 1) return exponential(random, mean)
  const shape = 1 / cv ** 2
  return gamma(random, shape) * (mean / shape)
}

/** @see G. Marsaglia, W. W. Tsang, A simple method for generating gamma variables, ACM TOMS 26 (2000) */
function gamma(random: () => number, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * (1 - random()) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const v = (1 + c * normal) ** 3
    if (v > 0 && Math.log(1 - random()) < 0.5 * normal ** 2 + d - d * v + d * Math.log(v)) return d * v
  }
}

function statisticsOf(values: readonly number[]): { readonly meanMs: number; readonly p99Ms: number } {
  const sorted = [...values].sort((a, b) => a - b)
  const meanMs = values.reduce((sum, each) => sum + each, 0) / Math.max(values.length, 1)
  return { meanMs, p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN }
}

/**
 * Does LOW starve? The oldest that waits in each tier, under 1.3 times the capacity: strict order against aging.
 */
import { aging, agingBoundMs, type OrderPolicy, priorities, QueuedExecutor, strict } from '../../src/index.ts'
import { VirtualClock } from '../../src/simulation/index.ts'
import { seeded } from '../../test/support/seeded.ts'
import { arrivals, spread } from './arrivals.ts'
import { draw } from './chart.ts'
import { type Point, sample } from './sampling.ts'
import { byPriority } from './series.ts'

const SLOTS = 4
const MEAN_RUN_MS = 200
const SECONDS = 60
/** In parts of the capacity: URGENT, HIGH and NORMAL alone are already more than it. */
const LOADS = [0.3, 0.4, 0.4, 0.2]
const SIZE = { total: 60, low: 20 }
const LOW_TARGET_MS = 10_000

export async function starvation(): Promise<string> {
  const strictWaits = await waits(strict())
  const agingWaits = await waits(aging({ high: 500, normal: 2_000, low: LOW_TARGET_MS }))
  const boundMs = agingBoundMs({
    differenceMs: LOW_TARGET_MS,
    ahead: SIZE.total,
    concurrency: SLOTS,
    runMs: 1.5 * MEAN_RUN_MS,
  })
  return draw({
    title:
      `Strict order lets LOW wait without end: ${seconds(worst(strictWaits, 3))}, and growing. With aging() it waits for at most ` +
      `${seconds(worst(agingWaits, 3))}, within its bound of ${seconds(boundMs / 1_000)}; and URGENT for up to ${seconds(worst(agingWaits, 0))} instead of ${seconds(worst(strictWaits, 0))}.`,
    subtitle:
      `${SLOTS} slots, runs of 100 to 300 ms; urgent, high, normal and low come at 0.3, 0.4, 0.4 and 0.2 × capacity; ` +
      'maxQueueSize: { total: 60, low: 20 }; aging({ high: 500, normal: 2_000, low: 10_000 }).',
    x: { label: 'time, s', ticks: [0, 15, 30, 45, 60] },
    y: { label: 'wait of the oldest, s', ticks: [0, 20, 40, 60] },
    panels: [
      { heading: 'strict()', series: byPriority(strictWaits) },
      {
        heading: 'aging()',
        series: byPriority(agingWaits),
        mark: { y: boundMs / 1_000, text: `bound for LOW: ${seconds(boundMs / 1_000)}` },
      },
    ],
  })
}

/** For each tier, how long the oldest one has waited, in s. */
async function waits(order: OrderPolicy): Promise<Point[][]> {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor((runMs: number) => clock.sleep(runMs), {
    clock,
    order,
    concurrency: SLOTS,
    maxQueueSize: SIZE,
  })
  for (const [tier, load] of LOADS.entries()) {
    const random = seeded(tier + 1)
    const perSecond = (load * SLOTS * 1_000) / MEAN_RUN_MS
    arrivals(clock, { random, perSecond, untilMs: SECONDS * 1_000 }, () => {
      queue.offer(spread(random, MEAN_RUN_MS), { priority: priorities[tier] as (typeof priorities)[number] })
    })
  }
  const points: Point[][] = priorities.map(() => [])
  await sample(clock, { everyMs: 500, untilMs: SECONDS * 1_000 }, (at) => {
    const { oldestWaitMsByPriority } = queue.getStatus()
    for (const [tier, priority] of priorities.entries()) {
      points[tier]?.push([at, oldestWaitMsByPriority[priority] / 1_000])
    }
  })
  return points
}

function worst(waits: readonly Point[][], tier: number): number {
  return Math.max(...(waits[tier] ?? []).map(([, seconds]) => seconds))
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`
}

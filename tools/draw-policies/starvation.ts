/**
 * Does LOW starve? The oldest that waits in each tier, under 1.3 times the capacity: strict order against aging.
 */
import { aging, agingBoundMs, type OrderPolicy, priorities, QueuedExecutor, strict } from '../../src/index.ts'
import { VirtualClock } from '../../src/simulation/index.ts'
import { arrivals, seeded, spread } from './arrivals.ts'
import { draw, type Series, tierStyles } from './chart.ts'
import { type Point, sample } from './sampling.ts'

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
  const [starved, aged] = [strictWaits, agingWaits].map((all) => worst(all[3] as Point[])) as [number, number]
  return draw({
    title: [
      `Strict order lets LOW wait without end: ${starved.toFixed(0)} s, and growing. With aging() its longest`,
      `wait is ${aged.toFixed(1)} s, within the bound of ${(boundMs / 1_000).toFixed(1)} s; the others pay for it.`,
    ],
    subtitle: [
      `${SLOTS} slots, runs of 100 to 300 ms, arrivals at 1.3 × capacity; maxQueueSize { total: 60, low: 20 };`,
      'aging({ high: 500, normal: 2_000, low: 10_000 })',
    ],
    x: { label: 'time, s', ticks: [0, 15, 30, 45, 60] },
    y: { label: 'wait of the oldest, s', ticks: [0, 20, 40, 60] },
    panels: [
      { heading: 'strict()', series: asSeries(strictWaits) },
      {
        heading: 'aging()',
        series: asSeries(agingWaits),
        mark: { y: boundMs / 1_000, text: `bound for LOW: ${(boundMs / 1_000).toFixed(1)} s` },
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
  await sample(clock, { everyMs: 500, untilMs: SECONDS * 1_000 }, (seconds) => {
    const { oldestWaitMsByPriority } = queue.getStatus()
    for (const [tier, priority] of priorities.entries()) {
      points[tier]?.push([seconds, oldestWaitMsByPriority[priority] / 1_000])
    }
  })
  return points
}

function asSeries(points: readonly Point[][]): Series[] {
  return priorities.map((name, tier) => ({ name, points: points[tier] ?? [], ...tierStyles[tier] }) as Series)
}

function worst(points: readonly Point[]): number {
  return Math.max(...points.map(([, y]) => y))
}

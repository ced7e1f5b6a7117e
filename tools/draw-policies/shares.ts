/**
 * Does each tier get its share? Starts by tier under weighted(), while URGENT has a pause in the middle.
 */
import { type Priority, priorities, QueuedExecutor, weighted } from '../../src/index.ts'
import { VirtualClock } from '../../src/simulation/index.ts'
import { seeded } from '../../test/support/seeded.ts'
import { spread } from './arrivals.ts'
import { draw } from './chart.ts'
import { mean, Stretches } from './sampling.ts'
import { byPriority } from './series.ts'

const SLOTS = 8
const MEAN_RUN_MS = 100
const SECONDS = 60
const STRETCH = 2
/** URGENT has nothing to do between these times. */
const PAUSE_MS = [20_000, 40_000] as const
/** So many of each tier wait or run at any time. */
const CALLERS = 20

export async function shares(): Promise<string> {
  const starts = await startsByTier()
  const all = starts[0]?.points((_, i) => starts.reduce((sum, tier) => sum + tier.at(i), 0)).map(([, sum]) => sum) ?? []
  const points = starts.map((tier) => tier.points((sum, i) => (100 * sum) / (all[i] as number)))
  const percent = (tier: number, from: number, to: number): string =>
    `${mean((points[tier] ?? []).slice(from / STRETCH, to / STRETCH).map(([, share]) => share)).toFixed(1)} %`
  return draw({
    title:
      `weighted() gives 8 : 4 : 2 : 1 of the starts: ${priorities.map((_, tier) => percent(tier, 0, 20)).join(', ')}. ` +
      `While URGENT pauses the others share its part; back again it has ${percent(0, 42, 60)}, and has saved up nothing.`,
    subtitle: '8 slots, runs of 50 to 150 ms, 20 callers of each priority that ask again as soon as they are answered.',
    x: { label: 'time, s', ticks: [0, 10, 20, 30, 40, 50, 60] },
    y: { label: 'share of the starts', ticks: [0, 20, 40, 60], suffix: ' %' },
    panels: [
      {
        heading: 'weighted()',
        series: byPriority(points),
      },
    ],
  })
}

async function startsByTier(): Promise<Stretches[]> {
  const clock = new VirtualClock()
  const random = seeded(1)
  const starts = priorities.map(() => new Stretches(SECONDS, STRETCH))
  const queue = new QueuedExecutor(
    (tier: number) => {
      starts[tier]?.add(clock.now())
      return clock.sleep(spread(random, MEAN_RUN_MS))
    },
    { clock, concurrency: SLOTS, order: weighted() },
  )
  const caller = async (priority: Priority, tier: number): Promise<void> => {
    while (clock.now() < SECONDS * 1_000) {
      const [from, to] = PAUSE_MS
      if (tier === 0 && clock.now() >= from && clock.now() < to) await clock.sleep(to - clock.now())
      await queue.execute(tier, { priority })
    }
  }
  for (const [tier, priority] of priorities.entries()) {
    for (let i = 0; i < CALLERS; i++) void caller(priority, tier)
  }
  await clock.run()
  return starts
}

/**
 * What does a quiet tenant notice of a noisy one? Its latency, first-in first-out against fairBy().
 */
import { fairBy, type OrderPolicy, QueuedExecutor, strict } from '../../src/index.ts'
import { VirtualClock } from '../../src/simulation/index.ts'
import { seeded } from '../../test/support/seeded.ts'
import { arrivals, spread } from './arrivals.ts'
import { draw } from './chart.ts'
import { type Point, quantile } from './sampling.ts'
import { colours } from './series.ts'

const SLOTS = 8
const MEAN_RUN_MS = 200
const CAPACITY_PER_SECOND = (SLOTS * 1_000) / MEAN_RUN_MS
const SECONDS = 60
const NOISE_MS = [10_000, 30_000] as const

interface Job {
  readonly tenant: string
  readonly runMs: number
}

export async function noisyTenant(): Promise<string> {
  const inTurn = await quietLatencies(strict())
  const fair = await quietLatencies(fairBy((job: Job) => job.tenant))
  const p99 = (points: readonly Point[]): string =>
    quantile(
      points.map(([, y]) => y),
      0.99,
    ).toFixed(1)
  return draw({
    title:
      `A quiet tenant waits for everything that a noisy one has sent: p99 ${p99(inTurn)} s, first-in first-out. ` +
      `With fairBy(tenant) it is answered within ${p99(fair)} s (p99) throughout.`,
    subtitle:
      '8 slots, runs of 100 to 300 ms, one priority. Quiet: 2 requests a second; noisy: 1.5 × capacity, from 10 s to 30 s.',
    x: { label: 'time of the request, s', ticks: [0, 10, 20, 30, 40, 50, 60] },
    y: { label: 'latency of the quiet tenant, s', ticks: [0, 4, 8, 12] },
    panels: [
      {
        heading: 'latency of each request of the quiet tenant',
        series: [
          { name: 'strict(): first-in first-out', colour: colours.orange, points: inTurn, dots: true },
          { name: 'fairBy(tenant)', colour: colours.blue, points: fair, dots: true },
        ],
      },
    ],
  })
}

/** Of each request of the quiet tenant: when it came, and how long it took, in s. */
async function quietLatencies(order: OrderPolicy): Promise<Point[]> {
  const clock = new VirtualClock()
  const points: Point[] = []
  const queue = new QueuedExecutor(({ runMs }: Job) => clock.sleep(runMs), { clock, concurrency: SLOTS, order })
  const submit = async (tenant: string, runMs: number): Promise<void> => {
    const at = clock.now()
    await queue.execute({ tenant, runMs })
    if (tenant === 'quiet') points.push([at / 1_000, (clock.now() - at) / 1_000])
  }
  const [fromMs, untilMs] = NOISE_MS
  const quiet = seeded(1)
  const noisy = seeded(2)
  arrivals(clock, { random: quiet, perSecond: 2, untilMs: SECONDS * 1_000 }, () => {
    void submit('quiet', spread(quiet, MEAN_RUN_MS))
  })
  arrivals(clock, { random: noisy, perSecond: 1.5 * CAPACITY_PER_SECOND, fromMs, untilMs }, () => {
    void submit('noisy', spread(noisy, MEAN_RUN_MS))
  })
  await clock.run()
  return points
}

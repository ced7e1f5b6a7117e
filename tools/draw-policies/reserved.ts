/**
 * How long does URGENT wait while LOW holds the slots? Without a reserve, with a slot kept, and with one that is lent.
 */
import { type Priority, QueuedExecutor, type QueuedExecutorOptions } from '../../src/index.ts'
import { VirtualClock } from '../../src/simulation/index.ts'
import { seeded } from '../../test/support/seeded.ts'
import { arrivals, spread } from './arrivals.ts'
import { draw } from './chart.ts'
import { type Point, quantile } from './sampling.ts'
import { colours, type Series } from './series.ts'

const SLOTS = 4
const SECONDS = 120
const LOW_RUN_MS = 4_000
const URGENT_RUN_MS = 100

const ways: readonly { name: string; colour: string; options: QueuedExecutorOptions<number> }[] = [
  { name: 'no reserve', colour: colours.orange, options: {} },
  { name: 'lent', colour: colours.amber, options: { reserve: { urgent: 1 }, lendReserve: true } },
  { name: 'kept', colour: colours.blue, options: { reserve: { urgent: 1 } } },
]

export async function reserved(): Promise<string> {
  const results: Way[] = []
  for (const each of ways) results.push({ ...each, ...(await run(each.options)) })
  const p99 = (points: readonly Point[]): string =>
    `${quantile(
      points.map(([, y]) => y),
      0.99,
    ).toFixed(2)} s`
  const [none, lent, kept] = results as [Way, Way, Way]
  const panel = ({ name, colour, points, lows }: Way): { heading: string; series: Series[] } => ({
    heading: `${name}: p99 ${p99(points)}, ${lows} LOW`,
    series: [{ name: 'one urgent request', colour, points, dots: true }],
  })
  return draw({
    title:
      `No order helps URGENT while LOW runs in every slot: it waits for up to ${longest(none)} s. With one of four slots ` +
      `kept for it, up to ${longest(kept)} s, and ${percent(none.lows, kept.lows)} % less of LOW is done. A slot that is lent comes back too late: ${longest(lent)} s.`,
    subtitle:
      '4 slots, strict order. LOW: runs of 2 to 6 s, always some waiting. URGENT: one request a second, of 50 to 150 ms.',
    x: { label: 'time of the request, s', ticks: [0, 40, 80, 120] },
    y: { label: 'wait of URGENT, s', ticks: [0, 1, 2, 3] },
    panels: [panel(none), panel(lent), panel(kept)],
  })
}

type Way = (typeof ways)[number] & Result

interface Result {
  /** Of each URGENT request: when it came, and how long it waited, in s. */
  readonly points: Point[]
  /** How many of LOW were done. */
  readonly lows: number
}

async function run(options: QueuedExecutorOptions<number>): Promise<Result> {
  const clock = new VirtualClock()
  const untilMs = SECONDS * 1_000
  const points: Point[] = []
  const queue = new QueuedExecutor(
    (runMs: number, { priority, waitMs, enqueuedAt }) => {
      if (priority === 'urgent') points.push([enqueuedAt / 1_000, waitMs / 1_000])
      return clock.sleep(runMs)
    },
    { clock, concurrency: SLOTS, ...options },
  )
  const low = seeded(1)
  const urgent = seeded(2)
  const caller = async (priority: Priority): Promise<void> => {
    while (clock.now() < untilMs) await queue.execute(spread(low, LOW_RUN_MS), { priority })
  }
  for (let i = 0; i < 2 * SLOTS; i++) void caller('low')
  arrivals(clock, { random: urgent, perSecond: 1, untilMs }, () => {
    void queue.execute(spread(urgent, URGENT_RUN_MS), { priority: 'urgent' })
  })
  await clock.advanceTo(untilMs)
  const lows = queue.getStatus().totalsByPriority.low.completed
  await clock.run()
  return { points, lows }
}

function longest({ points }: Result): string {
  return Math.max(...points.map(([, y]) => y)).toFixed(1)
}

function percent(whole: number, part: number): string {
  return (100 * (1 - part / whole)).toFixed(0)
}

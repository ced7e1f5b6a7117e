/**
 * What is left of a service at twice its capacity? The work that is answered in time: with nothing, with each guard, with
 * p-queue and with a bare semaphore.
 *
 * Each caller waits for a second and then leaves. A call that nobody waits for any more runs to its end: its slot did work
 * for nothing. The peers are used as most people use them, told priorities where they know them and nothing else; and p-queue
 * once more with what it can do about those who have left.
 */
import PQueue from 'p-queue'
import {
  codel,
  type Guard,
  meetsDeadline,
  type Priority,
  priorities,
  QueuedExecutor,
  shedByPriority,
} from '../../src/index.ts'
import { VirtualClock } from '../../src/simulation/index.ts'
import { seeded } from '../../test/support/seeded.ts'
import { arrivals, spread } from './arrivals.ts'
import { draw } from './chart.ts'
import { Stretches } from './sampling.ts'
import { colours, type Series } from './series.ts'

const SLOTS = 8
const MEAN_RUN_MS = 200
const SECONDS = 60
const STRETCH = 2
const PATIENCE_MS = 1_000
const LOADS = [0.2, 0.3, 0.5, 1]

type Call = (runMs: number) => Promise<void>
/** Runs a call for a request of a priority; what is refused rejects. */
type Way = (call: Call, clock: VirtualClock) => (runMs: number, priority: Priority, tier: number) => Promise<unknown>

const ways: readonly { name: string; colour: string; dash?: string; way: Way }[] = [
  { name: 'shedByPriority()', colour: colours.blue, way: guarded(shedByPriority) },
  { name: 'codel()', colour: colours.green, way: guarded(codel) },
  { name: 'meetsDeadline()', colour: colours.sky, dash: '6 3', way: guarded(meetsDeadline) },
  { name: 'timeouts only', colour: colours.amber, way: guarded() },
  { name: 'p-queue, with priorities', colour: colours.orange, way: pQueue },
  { name: 'p-queue, callers abort', colour: colours.pink, dash: '2 2', way: pQueueWithAborts },
  { name: 'bare semaphore', colour: colours.grey, dash: '4 2', way: semaphore },
]

export async function overloaded(): Promise<string> {
  const results: (Result & (typeof ways)[number])[] = []
  for (const each of ways) results.push({ ...each, ...(await overload(each.way)) })
  const percent = (name: string): string => `${results.find((each) => each.name === name)?.goodPercent.toFixed(0)} %`
  const series = results.map(({ name, colour, dash, points, goodPercent, inTime }): Series => {
    const parts = inTime.map((part) => part.toFixed(0)).join(', ')
    const legend = `${name}: ${goodPercent.toFixed(0)} % (${parts} %)`
    return { name: legend, colour, points, ...(dash === undefined ? {} : { dash }) }
  })
  return draw({
    title:
      `At twice the capacity ${percent('codel()')} of it is work done in time with codel(), ${percent('meetsDeadline()')} with meetsDeadline(), ` +
      `${percent('shedByPriority()')} with shedByPriority(); ${percent('timeouts only')} with timeouts alone, ${percent('p-queue, with priorities')} in p-queue (${percent('p-queue, callers abort')} if callers abort), ${percent('bare semaphore')} behind a semaphore.`,
    subtitle:
      '8 slots, runs of 100 to 300 ms; urgent, high, normal and low come at 0.2, 0.3, 0.5 and 1 × capacity; each caller leaves after 1 s. ' +
      'Goodput: run time of what was answered within that second, of all slots’ time. ' +
      'In brackets: how many of each priority were answered in time.',
    x: { label: 'time, s', ticks: [0, 10, 20, 30, 40, 50, 60] },
    y: { label: 'goodput, of capacity', ticks: [0, 25, 50, 75, 100], suffix: ' %' },
    panels: [{ heading: 'goodput', series }],
  })
}

interface Result {
  readonly points: readonly (readonly [number, number])[]
  /** The mean goodput, and the part of each tier's requests that was answered in time. */
  readonly goodPercent: number
  readonly inTime: readonly number[]
}

async function overload(way: Way): Promise<Result> {
  const clock = new VirtualClock()
  const execute = way((runMs) => clock.sleep(runMs), clock)
  const untilMs = SECONDS * 1_000
  const goodMs = new Stretches(SECONDS, STRETCH)
  const came = priorities.map(() => 0)
  const answered = priorities.map(() => 0)
  let sumMs = 0
  const submit = async (tier: number, runMs: number): Promise<void> => {
    const at = clock.now()
    came[tier] = (came[tier] as number) + 1
    try {
      await execute(runMs, priorities[tier] as Priority, tier)
    } catch {
      return
    }
    const now = clock.now()
    if (now - at > PATIENCE_MS) return
    answered[tier] = (answered[tier] as number) + 1
    if (now > untilMs) return
    goodMs.add(now, runMs)
    sumMs += runMs
  }
  for (const [tier, load] of LOADS.entries()) {
    const random = seeded(tier + 1)
    const perSecond = (load * SLOTS * 1_000) / MEAN_RUN_MS
    arrivals(clock, { random, perSecond, untilMs }, () => void submit(tier, spread(random, MEAN_RUN_MS)))
  }
  await clock.advanceTo(untilMs + PATIENCE_MS)
  return {
    points: goodMs.points((ms) => (100 * ms) / (SLOTS * STRETCH * 1_000)),
    goodPercent: (100 * sumMs) / (SLOTS * untilMs),
    inTime: came.map((count, tier) => (100 * (answered[tier] as number)) / count),
  }
}

function guarded(guard?: () => Guard): Way {
  return (call, clock) => {
    const queue = new QueuedExecutor(call, {
      clock,
      concurrency: SLOTS,
      timeoutMs: PATIENCE_MS,
      ...(guard === undefined ? {} : { overload: guard() }),
    })
    return (runMs, priority) => queue.execute(runMs, { priority })
  }
}

/** p-queue asks no clock for this, so it runs on virtual time as it is. Its greater priority goes first. */
function pQueue(call: Call): ReturnType<Way> {
  const queue = new PQueue({ concurrency: SLOTS })
  return (runMs, _priority, tier) => queue.add(() => call(runMs), { priority: -tier })
}

/**
 * The same, but a caller who leaves takes its request out of the queue. One that runs is left alone: when it is aborted
 * p-queue starts the next one, though the call goes on, and more would run at once than it was told.
 */
function pQueueWithAborts(call: Call, clock: VirtualClock): ReturnType<Way> {
  const queue = new PQueue({ concurrency: SLOTS })
  return (runMs, _priority, tier) => {
    const caller = new AbortController()
    const patience = clock.setTimeout(() => caller.abort(), PATIENCE_MS)
    const start = (): Promise<void> => {
      clock.clearTimeout(patience)
      return call(runMs)
    }
    return queue.add(start, { priority: -tier, signal: caller.signal })
  }
}

/** So many at once, the others in a line. */
function semaphore(call: Call): ReturnType<Way> {
  const line: (() => void)[] = []
  let free = SLOTS
  return async (runMs) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => line.push(resolve))
    try {
      await call(runMs)
    } finally {
      const next = line.shift()
      if (next === undefined) free++
      else next()
    }
  }
}

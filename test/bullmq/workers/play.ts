/**
 * A trace through an executor of this package on virtual time, whose slots are those of the workers that the policy wants; a worker takes
 * some seconds to start. Beside it the oracle, who knows what comes.
 */
import { QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { slotsFor, WorkersWanted } from '../../../src/bullmq/workers-wanted.ts'
import type { Trace } from './traces.ts'

export const SLOTS = 8
const SAMPLE_MS = 5_000
const START_MS = 15_000
const DOWN_AFTER_MS = 300_000
/** What has just begun is not known to anybody yet. */
const WARM_MS = 120_000
/** For so long what the oracle said still counts: a jump must be seen, and workers must start. */
const LATELY_MS = 60_000

export interface Played {
  readonly name: string
  readonly samples: number
  /** The share of samples in which what was wanted is within one worker of what the oracle has said lately. */
  readonly within: number
  /** The farthest that it was off, in workers. */
  readonly farthest: number
  /** How often it went up within five minutes after it had gone down, though the oracle had not gone up meanwhile. */
  readonly flaps: number
  readonly changes: number
  readonly least: number
  readonly most: number
  readonly waitP99Ms: number
  /** Worker-hours, and those of the oracle. */
  readonly hours: number
  readonly oracleHours: number
}

export async function play(trace: Trace): Promise<Played> {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor((runMs: number) => clock.sleep(runMs), {
    ...{ clock, concurrency: SLOTS, maxQueueSize: 0, runTimeoutMs: Number.POSITIVE_INFINITY },
  })
  const policy = new WorkersWanted({ concurrency: SLOTS, min: 1, max: 60, downAfterMs: DOWN_AFTER_MS })
  const started: { readonly at: number; readonly workers: number }[] = []
  const oracle: { readonly at: number; readonly workers: number }[] = []
  const samples: { readonly at: number; readonly wanted: number }[] = []
  let next = 0
  const arrive = (): void => {
    const now = clock.now()
    while (next < trace.arrivals.length && (trace.arrivals[next]?.at ?? 0) <= now) {
      executor.offer(trace.arrivals[next++]?.runMs as number)
    }
    const at = trace.arrivals[next]?.at
    if (at !== undefined) clock.setTimeout(arrive, at - now)
  }
  clock.setTimeout(arrive, 0)
  for (let at = SAMPLE_MS; at <= trace.endMs; at += SAMPLE_MS) {
    await clock.advance(SAMPLE_MS)
    const wanted = policy.see(executor.getStatus(), at)
    samples.push({ at, wanted })
    oracle.push({ at, workers: Math.max(Math.ceil(slotsFor(trace.busyAt(at)) / SLOTS), 1) })
    started.push({ at: at + START_MS, workers: wanted })
    const there = started.findLast((each) => each.at <= at)?.workers ?? 1
    // Fewer are gone at once, more take their time.
    executor.concurrency = Math.min(there, wanted) * SLOTS
  }
  const { wait } = executor.getStatus()
  const closed = executor.close({ drain: false, graceMs: 0 })
  await clock.advance(1_000)
  await closed
  return { name: trace.name, ...judged(samples, oracle), waitP99Ms: Math.round(wait.p99Ms) }
}

type At = { readonly at: number; readonly workers: number }

function judged(
  samples: readonly { at: number; wanted: number }[],
  oracle: readonly At[],
): Omit<Played, 'name' | 'waitP99Ms'> {
  const warm = samples.filter(({ at }) => at > WARM_MS)
  let farthest = 0
  let within = 0
  for (const { at, wanted } of warm) {
    // Down it goes only when less was enough for some time.
    const above = oracle.filter((each) => each.at <= at && each.at > at - DOWN_AFTER_MS - LATELY_MS)
    const below = oracle.filter((each) => each.at <= at && each.at > at - LATELY_MS)
    const most = above.reduce((max, { workers }) => Math.max(max, workers), 0)
    const least = below.reduce((min, { workers }) => Math.min(min, workers), Number.POSITIVE_INFINITY)
    const off = Math.max(wanted - most, least - wanted, 0)
    farthest = Math.max(farthest, off)
    if (off <= 1) within++
  }
  let [flaps, changes, wentDownAt, oracleThen] = [0, 0, Number.NEGATIVE_INFINITY, 0]
  for (const [i, { at, wanted }] of samples.entries()) {
    const before = samples[i - 1]?.wanted ?? wanted
    if (wanted === before) continue
    changes++
    const says = oracle[i]?.workers ?? 0
    if (wanted > before && at - wentDownAt < DOWN_AFTER_MS && says <= oracleThen) flaps++
    if (wanted < before) [wentDownAt, oracleThen] = [at, says]
  }
  const hours = (of: readonly number[]): number =>
    of.reduce((sum, workers) => sum + workers, 0) * (SAMPLE_MS / 3_600_000)
  const all = warm.map(({ wanted }) => wanted)
  return {
    ...{ samples: warm.length, within: within / Math.max(warm.length, 1), farthest, flaps, changes },
    least: all.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    most: all.reduce((a, b) => Math.max(a, b), 0),
    hours: hours(samples.map(({ wanted }) => wanted)),
    oracleHours: hours(oracle.map(({ workers }) => workers)),
  }
}

export function lineOf({
  name,
  within,
  farthest,
  flaps,
  changes,
  least,
  most,
  waitP99Ms,
  hours,
  oracleHours,
}: Played): string {
  return (
    `${name}: ${least} to ${most} workers, ${changes} changes, ${flaps} flaps; within one worker of the oracle in ` +
    `${(within * 100).toFixed(1)} % of the samples, at most ${farthest} off; p99 of the wait ${waitP99Ms} ms; ` +
    `${hours.toFixed(1)} worker-hours, the oracle's ${oracleHours.toFixed(1)}`
  )
}

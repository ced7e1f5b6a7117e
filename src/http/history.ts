/**
 * How did it go in the last fifteen minutes? A point every five seconds for each queue, so that whoever looks in does not begin with
 * empty charts.
 *
 * Quantiles are of the last sixty seconds: the difference of two readings of the histograms, which only grow.
 */
import { type ByPriority, byPriority, priorities } from '../core/priority.ts'
import type { ExecutorHistograms, ExecutorStatus, HistogramReading } from '../index.ts'
import type { ServedQueue } from './served-queue.ts'

const EVERY_MS = 5_000
const POINTS = 180
/** Readings of one minute, and the one before. */
const READINGS = 13
/** Where the buckets of the histograms end, 16 for each doubling, from 0.25 ms to 70 minutes: so none is more than 6 % too high. */
const bounds = Array.from({ length: 385 }, (_, step) => 2 ** ((step >> 4) - 2) * (1 + (step & 15) / 16))

interface Quantiles {
  readonly count: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

/** Five seconds of a queue. Rates are a second; null where nothing is known. */
export interface HistoryPoint {
  readonly at: string
  readonly waitingByPriority: ByPriority<number>
  readonly askedByPriority: ByPriority<number>
  /** By reason, then by tier; only what there was. */
  readonly refusedByReason: { readonly [reason: string]: ByPriority<number> }
  /** Refused, or displaced after they were admitted. */
  readonly refusedByPriority: ByPriority<number>
  readonly doneByPriority: ByPriority<number>
  readonly donePerSecond: number
  readonly failedPerSecond: number
  readonly expiredPerSecond: number
  readonly refusedPerSecond: number
  readonly busy: number
  readonly stuck: number
  readonly slots: number
  /** Of the last sixty seconds. */
  readonly waitByPriority: ByPriority<Quantiles> | null
  readonly run: Quantiles | null
}

/** The limit, and since when it is so. */
export interface LimitChange {
  readonly at: string
  readonly from: number
  readonly to: number
}

interface Reading {
  /** Counts at the bounds: a row for each tier's wait, and one for all runs. */
  readonly rows: readonly (readonly number[])[]
}

class QueueHistory {
  readonly points: HistoryPoint[] = []
  readonly limits: LimitChange[] = []
  readonly #readings: Reading[] = []
  #last: ExecutorStatus | undefined
  #lastAt = 0

  sample(status: ExecutorStatus, histograms: ExecutorHistograms | undefined): void {
    const before = this.#last
    this.#last = status
    // As long as it was, not as it should have been: a process that is busy is late.
    const now = performance.now()
    const seconds = Math.max(now - this.#lastAt, 1) / 1_000
    this.#lastAt = now
    const at = new Date().toISOString()
    if (before !== undefined && before.maxWorkers !== status.maxWorkers) {
      this.limits.push({ at, from: before.maxWorkers, to: status.maxWorkers })
      if (this.limits.length > POINTS) this.limits.shift()
    }
    const quantiles = histograms === undefined ? undefined : this.#quantiles(histograms)
    this.points.push(pointOf(at, status, before ?? status, seconds, quantiles))
    if (this.points.length > POINTS) this.points.shift()
  }

  #quantiles(histograms: ExecutorHistograms): Quantiles[] {
    const runs = priorities.flatMap((priority) =>
      Object.values(histograms.runByPriority[priority]).filter((one): one is HistogramReading => one !== undefined),
    )
    const rows = [...priorities.map((priority) => [histograms.waitByPriority[priority]]), runs].map(countsOf)
    this.#readings.push({ rows })
    if (this.#readings.length > READINGS) this.#readings.shift()
    const oldest = this.#readings[0] as Reading
    return rows.map((row, index) =>
      quantilesOf(row.map((count, step) => Math.max(count - (oldest.rows[index]?.[step] ?? 0), 0))),
    )
  }
}

export class History {
  readonly #queues: ReadonlyMap<string, ServedQueue>
  readonly #histories = new Map<string, QueueHistory>()
  readonly #timer: NodeJS.Timeout

  constructor(queues: ReadonlyMap<string, ServedQueue>) {
    this.#queues = queues
    for (const name of queues.keys()) this.#histories.set(name, new QueueHistory())
    this.#timer = setInterval(() => void this.sample(), EVERY_MS)
    this.#timer.unref()
    void this.sample()
  }

  /** Takes a point of each queue. */
  async sample(): Promise<void> {
    for (const [name, { executor }] of this.#queues) {
      try {
        this.#histories.get(name)?.sample(await executor.getStatus(), await executor.getHistograms?.())
      } catch {
        // One elsewhere does not answer: there is no point of that time.
      }
    }
  }

  of(name: string): { readonly points: readonly HistoryPoint[]; readonly limits: readonly LimitChange[] } {
    const { points = [], limits = [] } = this.#histories.get(name) ?? {}
    return { points, limits }
  }

  /** The last five seconds. */
  lastOf(name: string): HistoryPoint | undefined {
    return this.#histories.get(name)?.points.at(-1)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

function pointOf(
  at: string,
  now: ExecutorStatus,
  before: ExecutorStatus,
  seconds: number,
  quantiles: Quantiles[] | undefined,
): HistoryPoint {
  // The totals of a shard begin anew when its thread has died.
  const perSecond = (count: number): number => Math.round((Math.max(count, 0) / seconds) * 10) / 10
  const total = (...names: Counter[]): number => perSecond(sumOf(now.totals, names) - sumOf(before.totals, names))
  const each = (...names: Counter[]): ByPriority<number> =>
    byPriority((tier) => {
      const priority = priorities[tier] as (typeof priorities)[number]
      return perSecond(sumOf(now.totalsByPriority[priority], names) - sumOf(before.totalsByPriority[priority], names))
    })
  return {
    ...{
      at,
      waitingByPriority: now.waitingByPriority,
      askedByPriority: each('admitted', 'rejected'),
      refusedByReason: refusedOf(now, before, perSecond),
    },
    ...{ refusedByPriority: each('rejected', 'shed'), doneByPriority: each('completed') },
    ...{ donePerSecond: total('completed'), failedPerSecond: total('failed'), expiredPerSecond: total('expired') },
    refusedPerSecond: total('rejected', 'shed'),
    ...{ busy: now.activeWorkers - now.stuckWorkers, stuck: now.stuckWorkers, slots: now.maxWorkers },
    waitByPriority: quantiles === undefined ? null : byPriority((tier) => quantiles[tier] as Quantiles),
    run: quantiles?.[priorities.length] ?? null,
  }
}

type Counter = 'admitted' | 'completed' | 'failed' | 'expired' | 'rejected' | 'shed'

function sumOf(counts: { readonly [C in Counter]: number }, names: readonly Counter[]): number {
  return names.reduce((sum, name) => sum + counts[name], 0)
}

function refusedOf(
  now: ExecutorStatus,
  before: ExecutorStatus,
  perSecond: (count: number) => number,
): Record<string, ByPriority<number>> {
  const reasons = new Set(priorities.flatMap((priority) => Object.keys(now.rejectedByPriority[priority])))
  const found: Record<string, ByPriority<number>> = {}
  for (const reason of reasons) {
    const rates = byPriority((tier) => {
      const priority = priorities[tier] as (typeof priorities)[number]
      return perSecond(
        (now.rejectedByPriority[priority][reason] ?? 0) - (before.rejectedByPriority[priority][reason] ?? 0),
      )
    })
    if (Object.values(rates).some((rate) => rate > 0)) found[reason] = rates
  }
  return found
}

/** Of several histograms together; the last count is that of all. */
function countsOf(histograms: readonly HistogramReading[]): number[] {
  const sums = new Array<number>(bounds.length + 1).fill(0)
  for (const histogram of histograms) {
    for (const [step, count] of histogram.countsAtMost(bounds).entries()) sums[step] = (sums[step] as number) + count
    sums[bounds.length] = (sums[bounds.length] as number) + histogram.count
  }
  return sums
}

function quantilesOf(counts: readonly number[]): Quantiles {
  const count = counts[bounds.length] as number
  const at = (share: number): number => {
    if (count === 0) return 0
    const step = counts.findIndex((sum) => sum >= share * count)
    return bounds[Math.min(step, bounds.length - 1)] as number
  }
  return { count, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
}

/**
 * The shards as one: sums, and the spread of all durations together.
 *
 * Each status is that of one instant, in which all that was admitted waits, runs or has ended. A sum of such is one, too.
 */
import { type ByPriority, byPriority, priorities } from '../core/priority.ts'
import { type Outcome, outcomes } from '../core/request-state.ts'
import type { HistogramReading } from '../core/watch/histogram.ts'
import {
  type DurationStatus,
  durationStatusOf,
  type ExecutorHistograms,
  type RejectionCounts,
} from '../core/watch/statistics.ts'
import type { ExecutorState, ExecutorStatus } from '../core/watch/status.ts'
import { SummedHistogram } from './summed-histogram.ts'

/** What `getStatus()` of `Shards` answers: totals, in the shape of one executor, and each shard. */
export interface ShardsStatus extends ExecutorStatus {
  readonly shards: readonly ExecutorStatus[]
}

/** One shard at one instant. */
export interface ShardReading {
  readonly status: ExecutorStatus
  readonly histograms: ExecutorHistograms
}

export function totalsOf(name: string, readings: readonly ShardReading[]): ShardsStatus {
  const all = readings.map(({ status }) => status)
  const [first] = all as [ExecutorStatus]
  const histograms = histogramsOf(readings)
  const sum = (number: (status: ExecutorStatus) => number): number =>
    all.reduce((total, each) => total + number(each), 0)
  const bound = (number: (status: ExecutorStatus) => number | null): number | null =>
    all.some((each) => number(each) === null) ? null : sum((each) => number(each) as number)
  const tiers = (
    number: (status: ExecutorStatus, priority: (typeof priorities)[number]) => number,
  ): ByPriority<number> =>
    byPriority((tier) => sum((status) => number(status, priorities[tier] as (typeof priorities)[number])))
  const { limit } = first
  return {
    name,
    state: stateOf(all),
    waiting: sum(({ waiting }) => waiting),
    waitingByPriority: tiers(({ waitingByPriority }, priority) => waitingByPriority[priority]),
    running: sum(({ running }) => running),
    retrying: sum(({ retrying }) => retrying),
    maxRetrying: bound(({ maxRetrying }) => maxRetrying),
    checking: sum(({ checking }) => checking),
    blocked: sum(({ blocked }) => blocked),
    blockedByPriority: tiers(({ blockedByPriority }, priority) => blockedByPriority[priority]),
    maxQueueSize: bound(({ maxQueueSize }) => maxQueueSize),
    activeWorkers: sum(({ activeWorkers }) => activeWorkers),
    maxWorkers: sum(({ maxWorkers }) => maxWorkers),
    limit: limit && { ...limit, limit: sum((each) => each.limit?.limit ?? each.maxWorkers) },
    stuckWorkers: sum(({ stuckWorkers }) => stuckWorkers),
    replacedWorkers: sum(({ replacedWorkers }) => replacedWorkers),
    maxReplacedWorkers: sum(({ maxReplacedWorkers }) => maxReplacedWorkers),
    order: first.order,
    store: storeOf(all),
    oldestWaitMsByPriority: byPriority((tier) => {
      const priority = priorities[tier] as (typeof priorities)[number]
      return all.reduce((oldest, each) => Math.max(oldest, each.oldestWaitMsByPriority[priority]), 0)
    }),
    wait: durationOf(Object.values(histograms.waitByPriority)),
    run: durationOf(Object.values(histograms.runByPriority).flatMap((byOutcome) => Object.values(byOutcome))),
    waitByPriority: eachTier((priority) => durationOf([histograms.waitByPriority[priority]])),
    runByPriority: eachTier((priority) => durationOf(Object.values(histograms.runByPriority[priority]))),
    totals: summed(all.map(({ totals }) => totals)),
    totalsByPriority: eachTier((priority) => summed(all.map(({ totalsByPriority }) => totalsByPriority[priority]))),
    rejectedByPriority: eachTier(
      (priority): RejectionCounts => summed(all.map(({ rejectedByPriority }) => rejectedByPriority[priority])),
    ),
    listenerErrors: sum(({ listenerErrors }) => listenerErrors),
    shards: all,
  }
}

/** Of all shards together. */
export function histogramsOf(readings: readonly { readonly histograms: ExecutorHistograms }[]): ExecutorHistograms {
  return {
    waitByPriority: eachTier(
      (priority) => new SummedHistogram(readings.map(({ histograms }) => histograms.waitByPriority[priority])),
    ),
    runByPriority: eachTier((priority) => {
      const byOutcome: { [outcome in Outcome]?: HistogramReading } = {}
      for (const outcome of outcomes) {
        const found = readings.flatMap(({ histograms }) => histograms.runByPriority[priority][outcome] ?? [])
        if (found.length > 0) byOutcome[outcome] = new SummedHistogram(found)
      }
      return byOutcome
    }),
  }
}

function eachTier<T>(value: (priority: (typeof priorities)[number]) => T): ByPriority<T> {
  return byPriority((tier) => value(priorities[tier] as (typeof priorities)[number]))
}

/** Closed when all are, closing when one is; paused when nothing starts anywhere. */
function stateOf(all: readonly ExecutorStatus[]): ExecutorState {
  const is = (state: ExecutorState) => (status: ExecutorStatus) => status.state === state
  if (all.every(is('closed'))) return 'closed'
  if (all.some((status) => status.state === 'closing' || status.state === 'closed')) return 'closing'
  return all.every(is('paused')) ? 'paused' : 'open'
}

/** That of the first one that is not open, with the numbers of all. */
function storeOf(all: readonly ExecutorStatus[]): ExecutorStatus['store'] {
  const stores = all.flatMap(({ store }) => store ?? [])
  const worst = stores.find(({ state }) => state !== 'open') ?? stores[0]
  if (worst === undefined) return null
  const sum = (name: 'storing' | 'recovered' | 'parked'): number =>
    stores.reduce((total, each) => total + each[name], 0)
  return { ...worst, storing: sum('storing'), recovered: sum('recovered'), parked: sum('parked') }
}

/** Of each member its sum. */
export function summed<T extends { readonly [name: string]: number }>(all: readonly T[]): T {
  const sums: Record<string, number> = {}
  for (const each of all) for (const [name, value] of Object.entries(each)) sums[name] = (sums[name] ?? 0) + value
  return sums as T
}

function durationOf(readings: readonly (HistogramReading | undefined)[]): DurationStatus {
  return durationStatusOf(new SummedHistogram(readings))
}

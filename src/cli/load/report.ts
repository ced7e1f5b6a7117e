/**
 * What has become of it? By tier and of all: how many, how long, refused and failed by code; and whether the gates hold.
 */
import { type Priority, priorities } from '../../core/priority.ts'
import { type Goal, keeps, quantileOf } from '../../simulation/goal.ts'
import type { Schedule } from './schedule.ts'

/** What was noted of each request, by its number. Times are in ms from the beginning; NaN: it did not happen. */
export interface Noted {
  /** ms since 1970. */
  readonly beganAt: number
  readonly sentAt: Float64Array
  readonly endedAt: Float64Array
  /** An index of `codes`; 0 is `'done'`. */
  readonly code: Uint8Array
  readonly codes: readonly string[]
  /** NaN where it was not told; undefined: nobody asked. */
  readonly waits: Float64Array | undefined
}

export interface Times {
  readonly count: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface TierReport {
  readonly sent: number
  readonly done: number
  readonly refused: number
  readonly failed: number
  /** From the intended start, of those that were done; undefined: there were none. */
  readonly latency: Times | undefined
  readonly wait: Times | undefined
}

export interface GateReport {
  readonly gate: string
  readonly holds: boolean
  /** In ms, a share, or a rate; undefined: there was nothing to measure. */
  readonly value: number | undefined
}

export interface LoadReport {
  readonly asked: number
  readonly lengthMs: number
  readonly askedPerSecond: number
  readonly sentPerSecond: number
  readonly donePerSecond: number
  readonly all: TierReport
  readonly byPriority: { readonly [P in Priority]?: TierReport }
  readonly codes: { readonly [code: string]: number }
  /** How much later than intended they were sent. */
  readonly lag: Times | undefined
  readonly gates: readonly GateReport[]
}

/** For load, or for want of time: refused, not failed. */
const refusals = new Set([
  ...['TRIAGE_QUEUE_FULL', 'TRIAGE_RATE_LIMITED', 'TRIAGE_OVERLOADED', 'TRIAGE_SHED', 'TRIAGE_WAIT_TIMEOUT'],
  ...['TRIAGE_QUEUE_CLOSED', 'TRIAGE_STORE_UNAVAILABLE', 'TRIAGE_PARKED', 'TOO_MANY_REQUESTS', 'HTTP 429', 'HTTP 503'],
  ...['TRIAGE_CANCELLED', 'CLOSING'],
])

export function reportOf(schedule: Schedule, noted: Noted, gates: readonly Goal[]): LoadReport {
  const tiers = priorities.map((priority, tier) => [priority, tierReport(schedule, noted, tier)] as const)
  const all = tierReport(schedule, noted, undefined)
  const lag = timesOf(collected(schedule.count, (i) => (noted.sentAt[i] as number) - (schedule.at[i] as number)))
  const lastEnd = noted.endedAt.reduce((last, at) => (at > last ? at : last), 0)
  const seconds = Math.max(schedule.lengthMs, 1) / 1_000
  const lastSent = noted.sentAt.reduce((last, at) => (at > last ? at : last), 0)
  const report = {
    asked: schedule.count,
    lengthMs: schedule.lengthMs,
    askedPerSecond: schedule.count / seconds,
    sentPerSecond: all.sent / Math.max(seconds, lastSent / 1_000),
    donePerSecond: all.done / Math.max(seconds, lastEnd / 1_000),
    all,
    byPriority: Object.fromEntries(tiers.filter(([, tier]) => tier.sent > 0)),
    codes: codesOf(noted),
    lag,
  }
  return { ...report, gates: gates.map((gate) => gateReport(gate, report)) }
}

function tierReport({ count, at, tier }: Schedule, noted: Noted, own: number | undefined): TierReport {
  const { sentAt, endedAt, code, codes, waits } = noted
  const isOwn = (i: number): boolean => (own === undefined || tier[i] === own) && !Number.isNaN(sentAt[i])
  const isDone = (i: number): boolean => code[i] === 0 && !Number.isNaN(endedAt[i])
  let [sent, done, refused] = [0, 0, 0]
  for (let i = 0; i < count; i++) {
    if (!isOwn(i)) continue
    sent++
    if (isDone(i)) done++
    else if (refusals.has(codes[code[i] as number] as string)) refused++
  }
  return {
    ...{ sent, done, refused, failed: sent - done - refused },
    latency: timesOf(
      collected(count, (i) => (isOwn(i) && isDone(i) ? (endedAt[i] as number) - (at[i] as number) : Number.NaN)),
    ),
    wait:
      waits === undefined
        ? undefined
        : timesOf(collected(count, (i) => (isOwn(i) ? (waits[i] as number) : Number.NaN))),
  }
}

/** In ascending order, without what did not happen. */
function collected(count: number, of: (i: number) => number): Float64Array {
  const values = new Float64Array(count)
  let length = 0
  for (let i = 0; i < count; i++) {
    const value = of(i)
    if (!Number.isNaN(value)) values[length++] = Math.max(value, 0)
  }
  return values.subarray(0, length).sort()
}

function timesOf(sorted: Float64Array): Times | undefined {
  if (sorted.length === 0) return undefined
  const at = (q: number): number => quantile(sorted, q)
  return {
    count: sorted.length,
    meanMs: sorted.reduce((sum, each) => sum + each, 0) / sorted.length,
    ...{ p50Ms: at(0.5), p90Ms: at(0.9), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: sorted.at(-1) as number },
  }
}

/** The least value that a share `q` does not exceed: one that was measured, not one in between. */
function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.max(Math.ceil(q * sorted.length) - 1, 0)] as number
}

function codesOf({ code, codes, endedAt }: Noted): Record<string, number> {
  const counts = new Array<number>(codes.length).fill(0)
  for (let i = 0; i < code.length; i++) {
    const own = code[i] as number
    if (own > 0 && !Number.isNaN(endedAt[i])) counts[own] = (counts[own] as number) + 1
  }
  return Object.fromEntries(
    codes.map((name, i) => [name, counts[i] as number] as const).filter(([, count]) => count > 0),
  )
}

function gateReport(gate: Goal, report: Omit<LoadReport, 'gates'>): GateReport {
  const value = measured(gate, report)
  return { gate: gate.text, holds: keeps(gate, value), value }
}

/** Undefined: there are no samples. */
function measured(
  { priority, of, statistic }: Goal,
  { all, byPriority, donePerSecond, lag }: Omit<LoadReport, 'gates'>,
): number | undefined {
  const tier = priority === undefined ? all : byPriority[priority]
  if (tier === undefined || tier.sent === 0) return undefined
  if (of === 'rate') return priority === undefined ? donePerSecond : undefined
  if (of === 'refused' || of === 'failed' || of === 'done') return tier[of] / tier.sent
  const times = of === 'lag' ? lag : of === 'wait' ? tier.wait : tier.latency
  if (times === undefined || statistic === undefined) return undefined
  const known: { readonly [name: string]: number } = {
    ...{ mean: times.meanMs, max: times.maxMs, p50: times.p50Ms, p90: times.p90Ms, p95: times.p95Ms, p99: times.p99Ms },
  }
  return known[statistic]
}

/** Of the percentiles those that are measured. */
export function isMeasured({ statistic }: Goal): boolean {
  return (
    statistic === undefined ||
    ['mean', 'max'].includes(statistic) ||
    [0.5, 0.9, 0.95, 0.99].includes(quantileOf(statistic))
  )
}

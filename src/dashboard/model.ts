/**
 * What is known of a queue? What its snapshot said, and each frame since. Nothing is made up here: what the service has not said is
 * null.
 */
import type { Frame, Kept, LimitChange, Point, QueueSnapshot, Settings, Slot, Status, Tier } from './wire.ts'
import { tiers } from './wire.ts'

/** Fifteen minutes, a point each five seconds. */
const POINTS = 180
export const SPAN_MS = 900_000
/** A second is the mean of so many points. */
const RATE_POINTS = 3
const MINUTE_POINTS = 12
const POINT_SECONDS = 5
const TEN_MINUTES = 120

export interface QueueModel {
  readonly name: string
  readonly status: Status
  readonly workers: readonly Slot[]
  readonly points: readonly Point[]
  readonly limits: readonly LimitChange[]
  readonly kept: Kept
  readonly settings: Settings | null
  /** When it was paused, if that was told. */
  readonly pausedAt: number | null
}

export function modelOf({ name, status, workers, history, kept, settings }: QueueSnapshot): QueueModel {
  const { points, limits } = history
  return { name, status, workers, points, limits, kept, settings, pausedAt: null }
}

/** The model after a frame of its queue. */
export function afterFrame(model: QueueModel, frame: Frame): QueueModel {
  switch (frame.event) {
    case 'stats': {
      const {
        status,
        workers,
        point,
        kept = model.kept,
      } = frame as unknown as {
        status: Status
        workers: readonly Slot[]
        point: Point | null
        kept?: Kept
      }
      return { ...model, status, workers, kept, points: withPoint(model.points, point) }
    }
    case 'resized': {
      const { at, from, to } = frame as unknown as LimitChange
      return { ...model, limits: [...model.limits, { at, from, to }].slice(-POINTS) }
    }
    case 'paused':
      return { ...model, pausedAt: Date.parse(frame.at) }
    case 'resumed':
      return { ...model, pausedAt: null }
    default:
      return model
  }
}

function withPoint(points: readonly Point[], point: Point | null): readonly Point[] {
  if (point === null || point.at === points.at(-1)?.at) return points
  return [...points, point].slice(-POINTS)
}

/** What a second brings to a tier: the mean of the last 15 s. */
export interface Rates {
  readonly asked: number
  readonly done: number
  readonly refused: number
}

export function ratesOf({ points }: QueueModel, tier: Tier, at = points.length - 1): Rates | null {
  const last = points.slice(Math.max(at - RATE_POINTS + 1, 0), at + 1)
  if (last.length === 0) return null
  const mean = (of: (point: Point) => number): number => last.reduce((sum, point) => sum + of(point), 0) / last.length
  return {
    asked: mean((point) => point.askedByPriority[tier]),
    done: mean((point) => point.doneByPriority[tier]),
    refused: mean((point) => point.refusedByPriority[tier]),
  }
}

export function allRates(model: QueueModel, at = model.points.length - 1): Rates | null {
  const each = tiers.map((tier) => ratesOf(model, tier, at))
  if (each[0] === null) return null
  const sum = (name: keyof Rates): number => each.reduce((all, one) => all + (one as Rates)[name], 0)
  return { asked: sum('asked'), done: sum('done'), refused: sum('refused') }
}

export type Share = 'p50Ms' | 'p95Ms' | 'p99Ms'
/** Fewer than so many waits can't tell. */
export const least: { readonly [S in Share]: number } = { p50Ms: 1, p95Ms: 20, p99Ms: 100 }

/** A quantile of a tier's waits, of the sixty seconds before a point; null: too few to tell, or they did not wait for a slot. */
export function waitAt(points: readonly Point[], at: number, tier: Tier, share: Share): number | null {
  const quantiles = points[at]?.waitByPriority?.[tier]
  if (quantiles === undefined || quantiles.count < least[share] || noWaitAt(points, at, tier) !== null) return null
  return quantiles[share]
}

/** What one of a tier waits now. */
export function waitNow({ points }: QueueModel, tier: Tier, share: Share): number | null {
  return waitAt(points, points.length - 1, tier, share)
}

/** Why quantiles are no waits for a slot. */
export type NoWait = 'none started' | 'none done' | 'most displaced'

const noWaits = new WeakMap<readonly Point[], readonly { readonly [T in Tier]: NoWait | null }[]>()

/**
 * What leaves the queue is measured, also what is displaced, and that is soon: the less of a tier starts, the shorter its waits would
 * look. Where half of what left in the minute was displaced they are not shown as waits. Null: they are waits.
 */
function noWaitAt(points: readonly Point[], at: number, tier: Tier): NoWait | null {
  let all = noWaits.get(points)
  if (all === undefined) {
    all = points.map((_, each) => {
      const minute = points.slice(Math.max(each - MINUTE_POINTS + 1, 0), each + 1)
      const of = (one: Tier): NoWait | null => noWaitIn(minute, one)
      return { urgent: of('urgent'), high: of('high'), normal: of('normal'), low: of('low') }
    })
    noWaits.set(points, all)
  }
  return all[at]?.[tier] ?? null
}

function noWaitIn(minute: readonly Point[], tier: Tier): NoWait | null {
  const left = minute.at(-1)?.waitByPriority?.[tier].count ?? 0
  if (left === 0) return null
  let displaced = 0
  let done = 0
  for (const { refusedByPriority, refusedByReason, doneByPriority } of minute) {
    // Refused or displaced, but for what was refused for a reason.
    let perSecond = refusedByPriority[tier]
    for (const reason in refusedByReason) perSecond -= refusedByReason[reason]?.[tier] ?? 0
    // Rates are rounded.
    if (perSecond > 0.05) displaced += perSecond * POINT_SECONDS
    done += doneByPriority[tier]
  }
  if (displaced < left / 2) return null
  if (done > 0) return 'most displaced'
  return displaced >= left * 0.9 - 3 ? 'none started' : 'none done'
}

/** Why there is no wait of a tier now; null: there is one, or too few left the queue to tell. */
export function noWaitNow({ points }: QueueModel, tier: Tier): NoWait | null {
  return noWaitAt(points, points.length - 1, tier)
}

/** How a number compares with its mean in the ten minutes before the last one; null: not known. */
export function changeOf(
  points: readonly Point[],
  of: (point: Point, at: number) => number | null,
  at = points.length - 1,
): number | null {
  const last = points[at]
  const now = last === undefined ? null : of(last, at)
  if (now === null) return null
  const from = Math.max(at - MINUTE_POINTS - TEN_MINUTES, 0)
  const before = points
    .slice(from, Math.max(at - MINUTE_POINTS + 1, 0))
    .map((point, each) => of(point, from + each))
    .filter((value): value is number => value !== null && value > 0)
  if (before.length < MINUTE_POINTS) return null
  return now / (before.reduce((sum, value) => sum + value, 0) / before.length)
}

export function waitChange({ points }: QueueModel, tier: Tier): number | null {
  return changeOf(points, (_, at) => waitAt(points, at, tier, 'p99Ms'))
}

/** Failed or expired, a second, as the mean of the same 15 s. */
export function lostAt(points: readonly Point[], at: number): number {
  const last = points.slice(Math.max(at - RATE_POINTS + 1, 0), at + 1)
  return (
    last.reduce((sum, { failedPerSecond, expiredPerSecond }) => sum + failedPerSecond + expiredPerSecond, 0) /
    last.length
  )
}

/** Since when at least 5 % of what is asked is refused, for half a minute at least, and not below 1 % for a minute since. */
export function overloadedSince(points: readonly Point[]): number | null {
  let since: number | null = null
  let high = 0
  let low = 0
  for (const [index, { askedByPriority, refusedPerSecond }] of points.entries()) {
    const asked = tiers.reduce((sum, tier) => sum + askedByPriority[tier], 0)
    const share = asked > 0 ? refusedPerSecond / asked : 0
    high = share >= 0.05 ? high + 1 : 0
    low = share < 0.01 ? low + 1 : 0
    if (since === null && high >= 6) since = Date.parse((points[index - 5] as Point).at)
    if (since !== null && low >= MINUTE_POINTS) since = null
  }
  return since
}

/** Are the points all that the service keeps? What began with the first of them may have begun before. */
export function reachesBack({ points }: QueueModel): boolean {
  return points.length >= POINTS
}

/** For how long something has waited and nothing was done, when that is a minute or more, and longer than runs take. */
export function nothingDoneFor({ points, status }: QueueModel): number | null {
  if (status.waiting === 0) return null
  const first = points.findLastIndex(
    ({ waitingByPriority, donePerSecond }) => donePerSecond > 0 || tiers.every((tier) => waitingByPriority[tier] === 0),
  )
  const [since, last] = [points[first + 1], points.at(-1)]
  if (since === undefined || last === undefined) return null
  const ms = Date.parse(last.at) - Date.parse(since.at) + 5_000
  const usual = points.reduce((most, { run }) => Math.max(most, run === null || run.count === 0 ? 0 : run.p99Ms), 0)
  return ms >= Math.max(60_000, 3 * usual) ? ms : null
}

/** Under pressure: every slot is taken and something waits. */
export function isFull({ status }: QueueModel): boolean {
  return status.waiting > 0 && status.activeWorkers >= status.maxWorkers
}

const askedIn = ({ askedByPriority }: Point): number => tiers.reduce((sum, tier) => sum + askedByPriority[tier], 0)
const doneIn = ({ donePerSecond }: Point): number => donePerSecond

/** With every slot taken, was more asked for than got done, in nearly each five seconds of the last minute? */
export function asksMore(model: QueueModel, countsRefused: boolean): boolean {
  const last = model.points.slice(-MINUTE_POINTS)
  if (last.length < MINUTE_POINTS || !isFull(model)) return false
  const more = last.filter((point) => {
    const asked = askedIn(point) - (countsRefused ? 0 : point.refusedPerSecond)
    return asked >= (doneIn(point) + point.failedPerSecond + point.expiredPerSecond) * 1.05 + 0.2
  })
  return more.length >= MINUTE_POINTS - 2
}

/** Is more admitted than gets done? */
export function fallsBehind(model: QueueModel): boolean {
  return asksMore(model, false)
}

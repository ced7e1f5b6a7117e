/**
 * How is it, in one sentence? The first of these that holds: not connected, closed or paused, nothing completes, overloaded, waiting
 * longer, busy, keeping up, idle.
 */
import { allRates, changeOf, overloadedSince, type QueueModel, waitAt, waitChange, waitNow } from './model.ts'
import { clockMinute, count, duration, many, shortRate } from './units.ts'
import { type Tier, tiers } from './wire.ts'

/** A sentence, with what stands out in it. */
export type Words = readonly (string | { readonly strong: string })[]

export interface Verdict {
  readonly kind: 'good' | 'bad' | 'warn' | 'idle'
  readonly headline: string
  readonly words: Words
}

const strong = (text: string): { readonly strong: string } => ({ strong: text })
const MINUTE_POINTS = 12
/** A wait below this may double and nobody minds. */
const NOTABLE_MS = 50

export function verdictOf(model: QueueModel): Verdict {
  const { status, points } = model
  const { state, waiting, running, retrying, maxWorkers, activeWorkers } = status
  if (state === 'closing') return { kind: 'warn', headline: 'Closing', words: leftOf(model) }
  if (state === 'closed') return { kind: 'warn', headline: 'Closed', words: ['Nothing more is admitted or started.'] }
  if (state === 'paused') {
    const headline = model.pausedAt === null ? 'Paused' : `Paused since ${clockMinute(model.pausedAt)}`
    return {
      kind: 'warn',
      headline,
      words: [strong(count(waiting)), ' wait, and none is started. ', strong(count(running)), ' running go on.'],
    }
  }
  const stalledMs = nothingDoneFor(model)
  if (stalledMs !== null) {
    const words = [
      strong(count(waiting)),
      ' wait, and nothing was done for ',
      strong(duration(stalledMs)),
      '. ',
      strong(count(activeWorkers)),
      ` of ${many(maxWorkers, 'slot')} are taken.`,
    ]
    return { kind: 'bad', headline: 'Nothing completes', words }
  }
  const since = overloadedSince(points)
  if (since !== null) return overloaded(model, since)
  const slower = (['urgent', 'high'] as const).find((tier) => waitsLonger(model, tier))
  if (slower !== undefined) {
    const wait = waitNow(model, slower, 'p99Ms') as number
    const times = (waitChange(model, slower) as number).toFixed(1)
    const words = [
      `${slower.toUpperCase()} waits `,
      strong(duration(wait)),
      ` (p99), ${times} times as long as in the ten minutes before. `,
      ...flowOf(model),
    ]
    return { kind: 'warn', headline: 'Waiting longer', words }
  }
  if (waiting + running + retrying === 0) {
    const words = [
      'Open, and nothing to do. ',
      strong(count(maxWorkers)),
      ` ${maxWorkers === 1 ? 'slot is' : 'slots are'} free.`,
      ...lastDone(model),
    ]
    return { kind: 'idle', headline: 'Idle', words }
  }
  return {
    kind: 'good',
    headline: activeWorkers >= maxWorkers ? 'Busy, keeping up' : 'Keeping up',
    words: flowOf(model),
  }
}

function leftOf({ status: { waiting, running } }: QueueModel): Words {
  return [strong(count(running)), ' run and ', strong(count(waiting)), ' wait. Newcomers are refused.']
}

/** `80 wait, LOW longest: 8.6 s. 38 a second are asked for, 38 done, none refused.` */
function flowOf(model: QueueModel): Words {
  const { waiting, oldestWaitMsByPriority } = model.status
  const oldest = tiers.reduce((most, tier) =>
    oldestWaitMsByPriority[tier] > oldestWaitMsByPriority[most] ? tier : most,
  )
  const rates = allRates(model)
  const waits: Words =
    waiting === 0
      ? ['Nobody waits. ']
      : [
          strong(count(waiting)),
          ` ${waiting === 1 ? 'waits' : 'wait'}, ${oldest.toUpperCase()} longest: `,
          strong(duration(oldestWaitMsByPriority[oldest])),
          '. ',
        ]
  if (rates === null) return waits
  const refused = rates.refused === 0 ? ', none refused.' : `, ${shortRate(rates.refused)} refused.`
  return [
    ...waits,
    strong(shortRate(rates.asked)),
    ' a second are asked for, ',
    strong(shortRate(rates.done)),
    ` done${refused}`,
  ]
}

function lastDone({ points }: QueueModel): Words {
  const last = points.findLast(({ donePerSecond }) => donePerSecond > 0)
  const end = points.at(-1)
  if (last === undefined || end === undefined)
    return points.length < 180 ? [] : [' Nothing has ended in the last 15 min.']
  return [` The last request ended ${duration(Math.max(Date.parse(end.at) - Date.parse(last.at), 5_000))} ago.`]
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

/** Its p99 was half as long again as before, for a minute. */
function waitsLonger({ points }: QueueModel, tier: Tier): boolean {
  if (points.length < MINUTE_POINTS) return false
  for (let at = points.length - MINUTE_POINTS; at < points.length; at++) {
    const wait = waitAt(points[at], tier, 'p99Ms')
    const change = changeOf(points, (point) => waitAt(point, tier, 'p99Ms'), at)
    if (wait === null || wait < NOTABLE_MS || change === null || change < 1.5) return false
  }
  return true
}

function overloaded(model: QueueModel, since: number): Verdict {
  const { asked, done } = allRates(model) ?? { asked: 0, done: 0 }
  const refusing = tiers
    .map((tier) => ({ tier, perSecond: model.points.at(-1)?.refusedByPriority[tier] ?? 0 }))
    .filter(({ perSecond }) => perSecond > 0)
  const urgent = waitNow(model, 'urgent', 'p99Ms')
  const words: (string | { strong: string })[] = [
    strong(shortRate(done)),
    ' of ',
    strong(shortRate(asked)),
    ` a second get done, ${trendOf(model)}. `,
  ]
  if (refusing.length > 0) {
    const all = refusing.reduce((sum, { perSecond }) => sum + perSecond, 0)
    const names = refusing.map(({ tier }) => tier.toUpperCase()).join(', ')
    words.push(`${names} ${refusing.length === 1 ? 'is' : 'are'} refused: `, strong(`${shortRate(all)}/s`), '. ')
  }
  if (urgent !== null) words.push('URGENT waits ', strong(duration(urgent)), ' (p99).')
  return { kind: 'bad', headline: `Overloaded since ${clockMinute(since)}`, words }
}

/** Against the two minutes before this half minute. */
function trendOf({ points }: QueueModel): string {
  const share = (from: number, to: number | undefined): number => {
    const some = points.slice(from, to)
    const [refused, asked] = some.reduce(
      ([r, a], point) =>
        [r + point.refusedPerSecond, a + tiers.reduce((sum, tier) => sum + point.askedByPriority[tier], 0)] as const,
      [0, 0] as readonly [number, number],
    )
    return asked === 0 ? 0 : refused / asked
  }
  const [now, before] = [share(-6, undefined), share(-30, -6)]
  if (now > before * 1.15 + 0.01) return 'getting worse'
  return now < before * 0.85 ? 'getting better' : 'no worse for 2 min'
}

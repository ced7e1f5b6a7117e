/**
 * How is it, in one sentence? The first of these that holds: not connected, closed or paused, recovering, nothing completes,
 * overloaded, waiting longer, falling behind, in need of a look, idle, busy, keeping up.
 */
import { findingsOf, reasonsOf } from './findings.ts'
import {
  allRates,
  changeOf,
  fallsBehind,
  nothingDoneFor,
  noWaitNow,
  overloadedSince,
  type QueueModel,
  ratesOf,
  reachesBack,
  waitAt,
  waitChange,
  waitNow,
} from './model.ts'
import { clockMinute, count, duration, many, shortRate, strong, type Words, waits } from './units.ts'
import { type Tier, tiers } from './wire.ts'

export interface Verdict {
  readonly kind: 'good' | 'bad' | 'warn' | 'idle'
  readonly headline: string
  readonly words: Words
}

const MINUTE_POINTS = 12
/** A wait below this may double and nobody minds. */
const NOTABLE_MS = 50

export function verdictOf(model: QueueModel): Verdict {
  const { status, points } = model
  const { state, waiting, running, retrying, checking, blocked, maxWorkers, activeWorkers, store } = status
  if (state === 'closing') return { kind: 'warn', headline: 'Closing', words: leftOf(model) }
  if (state === 'closed') return { kind: 'warn', headline: 'Closed', words: ['Nothing more is admitted or started.'] }
  if (state === 'paused') {
    const headline = model.pausedAt === null ? 'Paused' : `Paused since ${clockMinute(model.pausedAt)}`
    return {
      kind: 'warn',
      headline,
      words: [
        ...(waiting === 0
          ? ['Nothing waits, and no newcomer is started. ']
          : [strong(count(waiting)), ` ${waits(waiting)}, and nothing is started. `]),
        ...(running === 0
          ? ['Nothing runs.']
          : [strong(count(running)), ` running ${running === 1 ? 'goes' : 'go'} on.`]),
      ],
    }
  }
  if (store?.recovering === true) {
    const words = [
      'Nothing starts before all that the store has kept is back: ',
      strong(count(store.recovered)),
      ' so far.',
    ]
    return { kind: 'warn', headline: 'Recovering', words }
  }
  const stalledMs = nothingDoneFor(model)
  if (stalledMs !== null) {
    const words = [
      strong(count(waiting)),
      ` ${waits(waiting)}, and nothing was done for `,
      strong(`${duration(stalledMs)}${isWhole(model, stalledMs) ? ' or more' : ''}`),
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
  if (fallsBehind(model)) return fallingBehind(model)
  const finding = findingsOf(model).find(({ kind }) => kind === 'bad')
  if (finding !== undefined) {
    return { kind: 'warn', headline: 'Needs a look', words: [strong(finding.what), '. ', ...sizeOf(model)] }
  }
  if (waiting + running + retrying + checking + blocked === 0) {
    const free = Math.max(maxWorkers - activeWorkers, 0)
    const words = [
      'Open, and nothing to start. ',
      strong(count(free)),
      ` ${free === 1 ? 'slot is' : 'slots are'} free.`,
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
  if (running + waiting === 0) return ['Nothing runs and nothing waits. Newcomers are refused.']
  const [run, wait] = [running === 1 ? 'runs' : 'run', waits(waiting)]
  return [strong(count(running)), ` ${run} and `, strong(count(waiting)), ` ${wait}. Newcomers are refused.`]
}

/** For as long as anything is known here. */
function isWhole(model: QueueModel, ms: number): boolean {
  return reachesBack(model) && ms >= 899_000
}

function fallingBehind(model: QueueModel): Verdict {
  const { asked, refused, done } = allRates(model) ?? { asked: 0, refused: 0, done: 0 }
  const words = [
    // It has been so for a minute, and these are of its last 15 s.
    ...(asked - refused > done
      ? [strong(shortRate(asked - refused)), ' a second are admitted, ', strong(shortRate(done)), ' done: ']
      : ['For a minute more was admitted than got done: ']),
    strong(count(model.status.waiting)),
    ` ${waits(model.status.waiting)}, and that grows.`,
  ]
  return { kind: 'warn', headline: 'Falling behind', words }
}

/** `80 wait, LOW longest: 8.6 s. ` */
function sizeOf({ status: { waiting, waitingByPriority, oldestWaitMsByPriority } }: QueueModel): Words {
  const some = tiers.filter((tier) => waitingByPriority[tier] > 0)
  const oldest = some.reduce<Tier | undefined>(
    (most, tier) => (most === undefined || oldestWaitMsByPriority[tier] > oldestWaitMsByPriority[most] ? tier : most),
    undefined,
  )
  if (waiting === 0 || oldest === undefined) return ['Nothing waits. ']
  return [
    strong(count(waiting)),
    ` ${waits(waiting)}, ${oldest.toUpperCase()}${some.length > 1 ? ' longest' : ''}: `,
    strong(duration(oldestWaitMsByPriority[oldest])),
    '. ',
  ]
}

/** `80 wait, LOW longest: 8.6 s. 38 a second are asked for, 38 done, none refused.` */
function flowOf(model: QueueModel): Words {
  const rates = allRates(model)
  if (rates === null) return sizeOf(model)
  const refused = rates.refused === 0 ? ', none refused.' : `, ${shortRate(rates.refused)} refused.`
  return [
    ...sizeOf(model),
    strong(shortRate(rates.asked)),
    ' a second are asked for, ',
    strong(shortRate(rates.done)),
    ` done${refused}`,
  ]
}

function lastDone(model: QueueModel): Words {
  const { points } = model
  const last = points.findLast(
    ({ donePerSecond, failedPerSecond, expiredPerSecond }) => donePerSecond + failedPerSecond + expiredPerSecond > 0,
  )
  const end = points.at(-1)
  if (last === undefined || end === undefined)
    return reachesBack(model) ? [' Nothing has ended in the last 15 min.'] : []
  return [` The last request ended ${duration(Math.max(Date.parse(end.at) - Date.parse(last.at), 5_000))} ago.`]
}

/** Its p99 was half as long again as before, for a minute. */
function waitsLonger({ points }: QueueModel, tier: Tier): boolean {
  if (points.length < MINUTE_POINTS) return false
  for (let at = points.length - MINUTE_POINTS; at < points.length; at++) {
    const wait = waitAt(points, at, tier, 'p99Ms')
    const change = changeOf(points, (_, each) => waitAt(points, each, tier, 'p99Ms'), at)
    if (wait === null || wait < NOTABLE_MS || change === null || change < 1.5) return false
  }
  return true
}

function overloaded(model: QueueModel, since: number): Verdict {
  const { asked, done } = allRates(model) ?? { asked: 0, done: 0 }
  const refusing = tiers
    .map((tier) => ({ tier, perSecond: ratesOf(model, tier)?.refused ?? 0 }))
    .filter(({ perSecond }) => perSecond >= 0.05)
  const urgent = waitNow(model, 'urgent', 'p99Ms')
  const words: (string | { readonly strong: string })[] =
    asked === 0
      ? ['Nothing was asked for in the last 15 s. ']
      : [strong(shortRate(done)), ' of ', strong(shortRate(asked)), ` a second get done, ${trendOf(model)}. `]
  if (refusing.length > 0) {
    const all = refusing.reduce((sum, { perSecond }) => sum + perSecond, 0)
    const names = refusing.map(({ tier }) => tier.toUpperCase()).join(', ')
    const how = reasonsOf(model).length === 0 ? 'displaced' : 'refused'
    words.push(`${names} ${refusing.length === 1 ? 'is' : 'are'} ${how}: `, strong(`${shortRate(all)}/s`), '. ')
  }
  for (const word of starvedOf(model)) words.push(word)
  if (urgent !== null) words.push('URGENT waits ', strong(duration(urgent)), ' (p99).')
  const isLonger = reachesBack(model) && since === Date.parse(model.points[0]?.at ?? '')
  // It would be another minute each minute.
  const headline = isLonger ? 'Overloaded for 15 min or more' : `Overloaded since ${clockMinute(since)}`
  return { kind: 'bad', headline, words }
}

/** `None of LOW has started for 60 s, the oldest waits 4.1 s. ` */
function starvedOf(model: QueueModel): Words {
  const starved = tiers.filter((tier) => noWaitNow(model, tier) === 'none started')
  if (starved.length === 0) return []
  const oldest = starved.reduce((most, tier) => Math.max(most, model.status.oldestWaitMsByPriority[tier]), 0)
  return [
    `None of ${starved.map((tier) => tier.toUpperCase()).join(', ')} has started for 60 s`,
    ...(oldest > 0 ? [', the oldest waits ', strong(duration(oldest))] : []),
    '. ',
  ]
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

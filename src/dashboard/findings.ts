/**
 * What is there to look at, and what to turn? At most three, causes before symptoms, each with its evidence.
 */
import { allRates, asksMore, changeOf, isFull, nothingDoneFor, type QueueModel, ratesOf, reachesBack } from './model.ts'
import { count, duration, inSentence, many, shortRate, strong, type Words, waits } from './units.ts'
import { type Point, type Tier, tiers } from './wire.ts'

export interface Finding {
  readonly kind: 'bad' | 'warn'
  readonly what: string
  readonly evidence: Words
  /** What to do about it. */
  readonly turn: string
}

const SLOWER = 1.25
/** Seconds of a point. */
const EVERY = 5

export function findingsOf(model: QueueModel): readonly Finding[] {
  const found = [
    store(model),
    recovering(model),
    paused(model),
    slower(model),
    ...stuck(model),
    idleSlots(model),
    standstill(model),
    moreAsked(model),
    failing(model),
    refused(model),
    retrying(model),
  ]
  return found.filter((each) => each !== undefined).slice(0, 3)
}

function store({ status: { store: kept } }: QueueModel): Finding | undefined {
  if (kept === null || kept.state === 'open') return undefined
  return {
    kind: 'bad',
    what: `The store is ${kept.state}`,
    evidence: [
      kept.pending === 0 ? '' : `${many(kept.pending, 'record')} ${waits(kept.pending)} for it. `,
      'What is not recorded is not acknowledged.',
    ],
    turn: 'Look at its disk first.',
  }
}

function recovering({ status: { store: kept } }: QueueModel): Finding | undefined {
  if (kept === null || kept.state !== 'open' || kept.recovering !== true) return undefined
  return {
    kind: 'warn',
    what: 'What the store has kept is coming back',
    evidence: [`${many(kept.recovered, 'request')} so far; nothing starts before all of them are here.`],
    turn: 'It goes on by itself.',
  }
}

function paused({ status }: QueueModel): Finding | undefined {
  if (status.state !== 'paused') return undefined
  return {
    kind: 'warn',
    what: 'It is paused: nothing is started',
    evidence: [
      status.waiting === 0 ? 'Nothing waits yet.' : `${many(status.waiting, 'request')} ${waits(status.waiting)}.`,
    ],
    turn: status.waiting === 0 ? 'Resume lets newcomers start.' : 'Resume starts what waits.',
  }
}

function runOf(point: Point): number | null {
  return point.run === null || point.run.count < 20 ? null : point.run.p50Ms
}

function slower(model: QueueModel): Finding | undefined {
  const { points, name, limits, status } = model
  const change = changeOf(points, runOf)
  if (change === null || change < SLOWER || !isFull(model)) return undefined
  const now = runOf(points.at(-1) as Point) as number
  const { limit } = status
  const last = limits.at(-1)
  const took =
    limit !== null && !limit.shadow && last !== undefined && last.to < last.from
      ? `, and ${limit.name} took the limit to ${status.maxWorkers}`
      : ''
  return {
    kind: 'bad',
    what: `What ${inSentence(name)} calls has become slower`,
    evidence: [`Half of the runs take `, strong(duration(now)), ` or longer; it was ${duration(now / change)}${took}.`],
    turn: 'Look there first: more slots may slow it further.',
  }
}

function stuck({ workers, status }: QueueModel): Finding[] {
  const slots = workers.filter(({ healthy }) => !healthy)
  const [first] = slots
  if (first === undefined) return []
  const lost = `${many(slots.length, 'slot')} of ${count(status.maxWorkers)} ${slots.length === 1 ? 'is' : 'are'} lost`
  const since = first.runMs === null ? '' : ` for ${duration(first.runMs)}`
  return [
    {
      kind: 'bad',
      what: slots.length === 1 ? `Slot ${first.slot + 1} is stuck${since}` : `${many(slots.length, 'slot')} are stuck`,
      evidence: [
        `${first.currentRequest === null ? 'A run' : inSentence(first.currentRequest)} is over its time and has not settled; ${lost}.`,
      ],
      turn: "Pass run.signal on to what it calls; onStuck: 'replace' lends a slot.",
    },
  ]
}

function idleSlots(model: QueueModel): Finding | undefined {
  const { status } = model
  if (status.state !== 'open' || status.activeWorkers > 0 || nothingDoneFor(model) === null) return undefined
  return {
    kind: 'bad',
    what: 'Nothing runs, although slots are free',
    evidence: [
      `${many(status.waiting, 'request')} ${waits(status.waiting)}, for tokens of a rate, a time or another request.`,
    ],
    turn: 'Look at rates and delays in Settings.',
  }
}

/** Runs go on, and none of them ends well. */
function standstill(model: QueueModel): Finding | undefined {
  const { status, workers, points, name } = model
  const ms = nothingDoneFor(model)
  // Others say why.
  if (ms === null || status.state !== 'open' || status.activeWorkers === 0 || status.stuckWorkers > 0) return undefined
  if (points.slice(-12).some(({ failedPerSecond }) => failedPerSecond > 0)) return undefined
  const longest = workers.reduce((longest, { runMs }) => Math.max(longest, runMs ?? 0), 0)
  return {
    kind: 'bad',
    what: `No run has ended for ${duration(ms)}${ms >= 60_000 && reachesBack(model) && points.every(({ donePerSecond }) => donePerSecond === 0) ? ' or more' : ''}`,
    evidence: [
      `${count(status.activeWorkers)} of ${many(status.maxWorkers, 'slot')} are taken`,
      ...(longest > 0 ? ['; the longest run has taken ', strong(duration(longest)), ' so far.'] : ['.']),
    ],
    turn: `Look at what ${inSentence(name)} calls: it may hang.`,
  }
}

function moreAsked(model: QueueModel): Finding | undefined {
  const { asked, done } = allRates(model) ?? { asked: 0, done: 0 }
  if (!asksMore(model, true) || nothingDoneFor(model) !== null) return undefined
  const change = changeOf(model.points, runOf)
  if (change !== null && change >= SLOWER) return undefined
  return {
    kind: 'warn',
    what: `More is asked for than ${many(model.status.maxWorkers, 'slot')} get done`,
    evidence: [
      // It has been so for a minute, and these are of its last 15 s.
      ...(asked > done
        ? [strong(shortRate(asked)), ' a second are asked for, ', strong(shortRate(done)), ' done']
        : ['It has been so for a minute']),
      change === null ? '.' : '; runs are no slower than before.',
    ],
    turn: 'More slots help, if what it calls can take it.',
  }
}

function failing({ points }: QueueModel): Finding | undefined {
  const last = points.slice(-12)
  const done = last.reduce((sum, point) => sum + point.donePerSecond, 0)
  const failed = last.reduce((sum, point) => sum + point.failedPerSecond, 0)
  if (failed === 0 || failed < 0.05 * (done + failed)) return undefined
  // The share is that of what is counted beside it.
  const lost = Math.max(Math.round(failed * EVERY), 1)
  const all = Math.max(Math.round((done + failed) * EVERY), lost)
  return {
    kind: 'bad',
    what: `${Math.round((100 * lost) / all)} % of what ends has failed`,
    evidence: [`${count(lost)} of the ${count(all)} of the last minute.`],
    turn: 'Their errors are in Dead.',
  }
}

function refused(model: QueueModel): Finding | undefined {
  const by = tiers
    .map((tier) => ({ tier, perSecond: ratesOf(model, tier)?.refused ?? 0 }))
    .filter(({ perSecond }) => perSecond >= 0.05)
  if (by.length === 0) return undefined
  const all = by.reduce((sum, { perSecond }) => sum + perSecond, 0)
  const names = by.map(({ tier }) => tier.toUpperCase()).join(', ')
  const isLowAlone = by.length === 1 && by[0]?.tier === 'low'
  const reasons = reasonsOf(model)
  const isDisplaced = reasons.length === 0
  return {
    kind: isLowAlone ? 'warn' : 'bad',
    what: `${names} ${by.length === 1 ? 'is' : 'are'} being ${isDisplaced ? 'displaced' : 'refused'}, ${shortRate(all)} a second`,
    evidence: whyOf(model, reasons, isLowAlone),
    turn: isLowAlone
      ? 'As designed, if LOW can come back.'
      : isDisplaced
        ? 'They are in Ended, as shed.'
        : 'Callers are told when to come again; Refused says why for each.',
  }
}

/** The most frequent first. */
export function reasonsOf({ points }: QueueModel): readonly string[] {
  const sums = new Map<string, number>()
  for (const { refusedByReason } of points.slice(-3)) {
    for (const [reason, byTier] of Object.entries(refusedByReason)) {
      sums.set(reason, (sums.get(reason) ?? 0) + tiers.reduce((sum, tier) => sum + byTier[tier], 0))
    }
  }
  return [...sums].sort(([, a], [, b]) => b - a).map(([reason]) => reason)
}

function whyOf({ status, settings }: QueueModel, reasons: readonly string[], isLowAlone: boolean): Words {
  const named =
    reasons.length === 0 ? 'Displaced by what goes before it. ' : `Reason: ${reasons.slice(0, 3).join(', ')}. `
  const bound = settings?.maxQueueSizeByPriority.low ?? null
  const places =
    bound === null || !isLowAlone ? '' : `${count(status.waitingByPriority.low)} of at most ${count(bound)} LOW wait. `
  return [`${named}${places}${isLowAlone ? 'All other tiers are admitted.' : ''}`]
}

function retrying({ status: { retrying: now, maxRetrying } }: QueueModel): Finding | undefined {
  if (maxRetrying === null || now < 0.8 * maxRetrying || now === 0) return undefined
  return {
    kind: 'warn',
    what: 'Retries are near their bound',
    evidence: [`${count(now)} of at most ${count(maxRetrying)} back off; beyond that a failure is final.`],
    turn: 'Look at what fails.',
  }
}

/** How near something is to its bound. */
export interface Nearness {
  readonly what: string
  readonly tier?: Tier
  readonly now: number
  readonly most: number
}

/** The five sizes that are nearest to their limits. */
export function nearestOf({ status, settings }: QueueModel): readonly Nearness[] {
  const all: Nearness[] = [{ what: 'Slots', now: status.activeWorkers, most: status.maxWorkers }]
  if (status.maxQueueSize !== null && status.maxQueueSize > 0)
    all.push({ what: 'Waiting', now: status.waiting, most: status.maxQueueSize })
  if (status.maxRetrying !== null) all.push({ what: 'Retrying', now: status.retrying, most: status.maxRetrying })
  for (const tier of tiers) {
    const most = settings?.maxQueueSizeByPriority[tier] ?? null
    if (most !== null && most > 0)
      all.push({ what: `${tier.toUpperCase()} waiting`, tier, now: status.waitingByPriority[tier], most })
  }
  return all.sort((a, b) => b.now / b.most - a.now / a.most).slice(0, 5)
}

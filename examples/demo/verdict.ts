/**
 * So what? The result in one sentence, computed from the numbers, whatever they are.
 */
import type { Priority } from '../../src/index.ts'
import { count, latency, ms, percent } from './format.ts'
import { DEADLINE_MS } from './load.ts'
import { quantile, sum } from './tally.ts'
import type { Results, WayResult } from './ways.ts'

/** A sender that is later than this has itself given the service a rest. */
const MAX_BEHIND_MS = 500

export function verdict({ tiers, directly, queued }: Results): string {
  const behindMs = Math.max(directly.behindMs, queued.behindMs)
  if (behindMs > MAX_BEHIND_MS) {
    return `No verdict: the sender was up to ${ms(behindMs)} behind its schedule, so the two ways were not sent the same; this machine needs less at a time (--speed, --load).`
  }
  const inTime = ({ tally }: WayResult): number => sum(tiers.map((tier) => tally[tier].inTime))
  const sent = sum(tiers.map((tier) => queued.tally[tier].sent))
  const [first, last] = [tiers[0] as Priority, tiers.at(-1) as Priority]
  const change = (tier: Priority): string => {
    const [before, after] = [directly.tally[tier], queued.tally[tier]]
    return `${tier.toUpperCase()}: ${percent(after.inTime, after.sent)} in time instead of ${percent(before.inTime, before.sent)}`
  }
  const { refused, refusedCount, sent: lastSent } = queued.tally[last]
  const toldMs = quantile(
    [...refused.values()].flatMap(({ afterMs }) => afterMs),
    0.5,
  )
  const told = toldMs === undefined ? '' : `, half of these told within ${ms(Math.ceil(toldMs))}`
  return [
    `With the queue, ${count(inTime(queued))} of ${count(sent)} were answered in time, ${compared(inTime(queued), inTime(directly))}`,
    `${change(first)}, p99 ${latency(queued.tally[first].answerMs, 0.99, DEADLINE_MS[first])}`,
    ...(first === last ? [] : [change(last)]),
  ]
    .join('; ')
    .concat(refusedCount === 0 ? '.' : ` and ${percent(refusedCount, lastSent)} refused with a reason${told}.`)
}

function compared(after: number, before: number): string {
  if (after === before) return 'as many as without it'
  if (before === 0) return 'none without it'
  const times = after / before
  if (times < 1) return `fewer than the ${count(before)} without it`
  return times < 1.05
    ? `more than the ${count(before)} without it`
    : `${times.toFixed(1)} times the ${count(before)} without it`
}

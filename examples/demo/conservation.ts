/**
 * Was any request lost, or counted twice? The totals must add up, and both sides must tell the same story.
 */
import type { ExecutorStatus } from '../../src/index.ts'
import { count } from './format.ts'
import { sum, type TierTally } from './tally.ts'
import type { Results } from './ways.ts'

type Ended = Omit<ExecutorStatus['totals'], 'joined' | 'retries'>

/** One line for each way, one for the executor, and one for each thing that is wrong. */
export function conservation({ tiers, directly, queued }: Results): string[] {
  const lines = [directly, queued].map(({ tally }, index) => {
    const parts = tiers.map((tier) => tally[tier])
    const of = (read: (tier: TierTally) => number): string => count(sum(parts.map(read)))
    const total = `sent ${of((tier) => tier.sent)} = ${of((tier) => tier.inTime)} in time + ${of((tier) => tier.late)} late + ${of((tier) => tier.refusedCount)} refused + ${of((tier) => tier.failedCount)} failed`
    return `${index === 0 ? 'directly' : 'queued'.padEnd(8)}  ${total}`
  })
  if (queued.status !== undefined) {
    const { totals, waiting, running } = queued.status
    lines.push(
      `executor  rejected ${count(totals.rejected)}, ${conservationLine(totals)} + waiting ${waiting} + running ${running}`,
    )
  }
  return [...lines, ...discrepancies({ tiers, directly, queued }).map((what) => `DOES NOT ADD UP: ${what}`)]
}

/** What became of all that were admitted, once nothing waits or runs. */
export function conservationLine({ admitted, completed, failed, expired, cancelled, shed }: Ended): string {
  return `admitted ${count(admitted)} = completed ${count(completed)} + failed ${count(failed)} + expired ${count(expired)} + cancelled ${count(cancelled)} + shed ${count(shed)}`
}

/** What is wrong with the totals: nothing, one hopes. */
export function discrepancies({ tiers, directly, queued }: Results): string[] {
  const wrong: string[] = []
  for (const tier of tiers) {
    for (const [way, { tally }] of Object.entries({ directly, queued })) {
      if (tally[tier].sent !== tally[tier].settled) wrong.push(`${tier} ${way}: not everything sent has settled`)
    }
    if (directly.tally[tier].sent !== queued.tally[tier].sent)
      wrong.push(`${tier}: the two ways were not sent the same`)
    const ended = queued.status?.totalsByPriority[tier]
    if (ended === undefined) continue
    const { admitted, rejected, completed, failed, expired, cancelled, shed } = ended
    const { sent, answerMs, refused } = queued.tally[tier]
    if (admitted !== completed + failed + expired + cancelled + shed) wrong.push(`${tier}: admitted and ended differ`)
    if (sent !== admitted + rejected) wrong.push(`${tier}: sent is not admitted + rejected`)
    if (completed !== answerMs.filter(Number.isFinite).length) wrong.push(`${tier}: completed is not what was answered`)
    if (shed !== (refused.get('TRIAGE_SHED')?.count ?? 0)) wrong.push(`${tier}: shed is not what callers were told`)
  }
  return wrong
}

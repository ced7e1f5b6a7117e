/**
 * What came of it, for a program to read? `--json`: the numbers of the tables.
 */
import { DEADLINE_MS } from './load.ts'
import type { Plan } from './plan.ts'
import { quantile, type TierTally } from './tally.ts'
import type { Results, WayResult } from './ways.ts'

export function asJson({ tiers, directly, queued }: Results, plan: Plan): object {
  const way = ({ tally, behindMs, wastedShare, status }: WayResult): object => ({
    behindMs,
    wastedShare,
    tiers: Object.fromEntries(
      tiers.map((tier) => [tier, { ...tierAsJson(tally[tier]), executor: status?.totalsByPriority[tier] }]),
    ),
    executor: status?.totals,
  })
  return {
    capacityPerSecond: plan.capacityPerSecond,
    arrivalsPerSecond: plan.arrivalsPerSecond,
    seconds: plan.durationMs / 1000,
    deadlineMs: DEADLINE_MS,
    directly: way(directly),
    queued: way(queued),
  }
}

/** A quantile is null when there were no answers, or when it is above the deadline, where callers had given up. */
function tierAsJson(tier: TierTally): object {
  const finite = (value: number | undefined): number | null => (Number.isFinite(value) ? (value as number) : null)
  const refused = [...tier.refused].map(([code, { count, afterMs, retryAfterMs }]) => [
    code,
    { count, medianAfterMs: finite(quantile(afterMs, 0.5)), medianRetryAfterMs: finite(quantile(retryAfterMs, 0.5)) },
  ])
  return {
    sent: tier.sent,
    inTime: tier.inTime,
    late: tier.late,
    refused: Object.fromEntries(refused),
    failed: Object.fromEntries(tier.failed),
    p50Ms: finite(quantile(tier.answerMs, 0.5)),
    p99Ms: finite(quantile(tier.answerMs, 0.99)),
  }
}

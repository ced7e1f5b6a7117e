/**
 * What came of it? One table for each tier, both ways side by side; then the whole at a glance.
 */
import type { Priority } from '../../src/index.ts'
import { conservation, conservationLine } from './conservation.ts'
import { count, latency, ms, percent } from './format.ts'
import { DEADLINE_MS } from './load.ts'
import { quantile, type Refusals, sum, type Tally, type TierTally } from './tally.ts'
import { verdict } from './verdict.ts'
import type { Results } from './ways.ts'

const LABEL = 50
const COLUMN = 18
const BAR = 20

/** All that is printed at the end. */
export function report(results: Results): string {
  return [
    ...results.tiers.map((tier) => tierTable(tier, results)),
    overview(results),
    [...conservation(results), sender(results)].join('\n'),
    verdict(results),
  ].join('\n\n')
}

function tierTable(priority: Priority, { directly, queued }: Results): string {
  const ways = [directly.tally[priority], queued.tally[priority]]
  const deadlineMs = DEADLINE_MS[priority]
  const row = (label: string, cell: (tally: TierTally) => string): string =>
    `  ${label.padEnd(LABEL - 2)}${ways.map((way) => cell(way).padStart(COLUMN)).join('')}`
  const codes = [...new Set(ways.flatMap(({ refused }) => [...refused.keys()]))].sort()
  const reasons = [...new Set(ways.flatMap(({ failed }) => [...failed.keys()]))].sort()
  const ended = queued.status?.totalsByPriority[priority]
  return [
    `${`${priority.toUpperCase()}, wanted within ${ms(deadlineMs)}`.padEnd(LABEL)}${'directly'.padStart(COLUMN)}${'queued'.padStart(COLUMN)}`,
    row('sent', ({ sent }) => count(sent)),
    row('answered within the deadline', ({ inTime, sent }) => `${count(inTime)} ${percent(inTime, sent).padStart(7)}`),
    row('late, or given up at the deadline', ({ late }) => count(late)),
    row('refused, never sent to the service', ({ refusedCount }) => count(refusedCount)),
    ...codes.map((code) =>
      row(`  ${code}${hint(ways.flatMap(({ refused }) => refused.get(code) ?? []))}`, ({ refused }) =>
        count(refused.get(code)?.count ?? 0),
      ),
    ),
    ...reasons.map((reason) =>
      row(`failed: ${reason}`.slice(0, LABEL - 3), ({ failed }) => count(failed.get(reason) ?? 0)),
    ),
    row('p50, those given up included', ({ answerMs }) => latency(answerMs, 0.5, deadlineMs)),
    row('p99, those given up included', ({ answerMs }) => latency(answerMs, 0.99, deadlineMs)),
    ...(ended === undefined ? [] : [`  rejected ${count(ended.rejected)}, ${conservationLine(ended)}`]),
  ].join('\n')
}

/** When those who were refused were told, and when they should come again; the medians. */
function hint(refusals: readonly Refusals[]): string {
  const after = quantile(
    refusals.flatMap(({ afterMs }) => afterMs),
    0.5,
  )
  const retry = quantile(
    refusals.flatMap(({ retryAfterMs }) => retryAfterMs),
    0.5,
  )
  const told = after === undefined ? '' : after < 1 ? ' at once' : ` after ${ms(after)}`
  return retry === undefined ? told : `${told}: retry in ${ms(retry)}`
}

function overview({ tiers, directly, queued }: Results): string {
  const line = (name: string, cells: readonly string[]): string =>
    `  ${name.padEnd(12)}${cells.map((cell) => cell.padEnd(BAR + 12)).join('')}`.trimEnd()
  const bars = (name: string, of: (tally: Tally) => readonly TierTally[]): string =>
    line(
      name,
      [directly, queued].map(({ tally }) => {
        const inTime = sum(of(tally).map((tier) => tier.inTime))
        const sent = sum(of(tally).map((tier) => tier.sent))
        return `${bar(inTime / Math.max(sent, 1))} ${percent(inTime, sent)}`
      }),
    )
  return [
    line('IN TIME', ['directly', 'queued']),
    ...tiers.map((tier) => bars(tier.toUpperCase(), (tally) => [tally[tier]])),
    bars('all', (tally) => Object.values(tally)),
    line(
      'wasted work',
      [directly, queued].map(({ wastedShare }) => `${percent(wastedShare, 1)} of what the service did`),
    ),
  ].join('\n')
}

/** How true the load was: an open loop that falls behind spares the service. */
function sender({ directly, queued }: Results): string {
  return `sender    at most ${ms(directly.behindMs)} and ${ms(queued.behindMs)} behind its schedule`
}

function bar(share: number): string {
  const full = share > 0 ? Math.max(Math.round(share * BAR), 1) : 0
  return '█'.repeat(full) + '░'.repeat(BAR - full)
}

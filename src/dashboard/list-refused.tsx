/** What was refused lately: with the reason, and what explains it. */
import { useSignal } from '@preact/signals'
import { ask, pathOf } from './api.ts'
import { Empty, Failed, Held, KeyCell, KeyHead, Row, Table, useRows } from './list-parts.tsx'
import type { QueueModel } from './model.ts'
import { TierName } from './parts.tsx'
import { findText, idLength, isStale, now, tierFilter } from './state.ts'
import { count, middle, preciseTime, shortSeconds } from './units.ts'
import { type Refusal, type Tier, tiers } from './wire.ts'

/** One that was not admitted: with what explains it. */
export function Refused({ model }: { readonly model: QueueModel }) {
  const { name, status } = model
  const reason = useSignal('')
  const query = new URLSearchParams({ limit: '50' })
  if (reason.value !== '') query.set('reason', reason.value)
  if (tierFilter.value !== '') query.set('priority', tierFilter.value)
  const { shown, waiting, problem, hold, showNew, tryAgain } = useRows(`${pathOf(name)}/refusals?${query}`, (path) =>
    ask<{ refusals: readonly Refusal[]; count: number }>(path),
  )
  const sums = new Map<string, number>()
  for (const tier of tiers) {
    for (const [each, n] of Object.entries(status.rejectedByPriority[tier])) sums.set(each, (sums.get(each) ?? 0) + n)
  }
  const all = [...sums.values()].reduce((sum, n) => sum + n, 0)
  if (problem.value !== undefined && !isStale.value) return <Failed problem={problem.value} tryAgain={tryAgain} />
  const displaced = tiers.reduce((sum, tier) => sum + status.totalsByPriority[tier].shed, 0)
  if (all === 0) {
    const why = displaced > 0 ? `None was refused; ${displacedIn(displaced)}.` : undefined
    return <Empty tab="refused" queue={name} isAll why={why} />
  }
  const rows = (shown.value?.refusals ?? []).filter(
    ({ id }) => findText.value === '' || id?.startsWith(findText.value.trim()),
  )
  const hasKey = rows.some(({ key }) => key !== undefined)
  const newer = waiting.value === undefined ? 0 : waiting.value.count - (shown.value?.count ?? 0)
  return (
    <>
      <div class="reasons">
        <b>{count(all)} since it was made</b>
        <span class="gap" />
        {[['', 'all reasons'] as const, ...[...sums].map(([each, n]) => [each, `${each} ${count(n)}`] as const)].map(
          ([each, text]) => (
            <button
              key={each}
              type="button"
              class="chip"
              aria-pressed={reason.value === each}
              onClick={() => (reason.value = each)}
            >
              {text}
            </button>
          ),
        )}
      </div>
      <Table
        caption="The last that were refused"
        hold={(held) => {
          hold(held)
          if (!held) showNew()
        }}
        head={
          <>
            <th scope="col" class="narrow-off">
              Refused at, UTC
            </th>
            <th scope="col">Id</th>
            <th scope="col">Tier</th>
            {hasKey && <KeyHead />}
            <th scope="col">Reason</th>
            <th scope="col" class="wide-only">
              Explanation
            </th>
            <th scope="col" class="num narrow-off">
              Retry after, s
            </th>
          </>
        }
        foot={
          <>
            <Held newer={newer} showNew={showNew} />
            <span>
              {rows.length === 0 && shown.value !== undefined
                ? 'none that fits, of those that are kept: the last 1,000 since this service began to listen'
                : 'the last 1,000 are kept'}
            </span>
            {displaced > 0 && <span>{displacedIn(displaced)}</span>}
            <span class="right">{count(rows.length)} shown</span>
          </>
        }
      >
        {rows.map(({ at, id, priority, key, reason: why, explain, retryAfterMs }, index) => (
          <Row key={`${at} ${id} ${index}`} queue={name} id={null}>
            <td class="narrow-off">{preciseTime(at, now.value)}</td>
            <td class="id" title={id ?? undefined}>
              {id === null ? '–' : middle(id, idLength.value)}
            </td>
            <td>
              <TierName tier={priority as Tier} />
            </td>
            {hasKey && <KeyCell of={key} />}
            <td>
              <code>{why}</code>
            </td>
            <td class="wide-only cut expl" title={explanationOf(explain)}>
              {explanationOf(explain)}
            </td>
            <td class="num narrow-off">{retryAfterMs === undefined ? '–' : shortSeconds(retryAfterMs)}</td>
          </Row>
        ))}
      </Table>
    </>
  )
}

function displacedIn(n: number): string {
  return `${count(n)} displaced by others ${n === 1 ? 'is' : 'are'} in Ended, as shed`
}

/** What the service says of it, as it says it: the rule, what was compared, and what would be admitted. */
function explanationOf(explain: Refusal['explain']): string {
  if (explain === undefined) return '–'
  const { rule, compared, wouldAdmit } = explain as { rule?: unknown; compared?: object; wouldAdmit?: unknown }
  const numbers = Object.entries(compared ?? {}).map(([name, value]) => `${name} ${value}`)
  const would = wouldAdmit === undefined ? '' : `; it would admit ${wouldAdmit}`
  return `${rule ?? 'refused'}${numbers.length === 0 ? '' : `: ${numbers.join(', ')}`}${would}`
}

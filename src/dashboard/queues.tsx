/** Several queues: a line for each, the ones that need somebody first. */
import { allRates, type QueueModel, waitNow } from './model.ts'
import { Icon, Panel } from './parts.tsx'
import { isStale, queues, urlOf } from './state.ts'
import { count, middle, rate, shortSeconds } from './units.ts'
import { type Verdict, verdictOf } from './verdict.ts'
import { tiers } from './wire.ts'

const rank: { readonly [K in Verdict['kind']]: number } = { bad: 0, warn: 1, good: 2, idle: 2 }
const icons = { bad: 'alert', warn: 'warn', good: 'check', idle: 'dash' } as const

export function AllQueues() {
  const all = [...queues.value.values()].map((model) => ({ model, verdict: verdictOf(model) }))
  // In their own order, unless one needs somebody: rows must stay where they are.
  const sorted = all.sort((a, b) => rank[a.verdict.kind] - rank[b.verdict.kind])
  const needing = all.filter(({ verdict: { kind } }) => kind === 'bad' || kind === 'warn').length
  const headline = isStale.value
    ? 'Disconnected'
    : needing > 0
      ? `${count(needing)} of ${count(all.length)} queues ${needing === 1 ? 'needs' : 'need'} a look`
      : `${count(all.length)} queues, none needs you`
  return (
    <>
      <div class={`verdict ${isStale.value ? 'warn' : needing > 0 ? 'bad' : 'good'}`}>
        <span class="mark">
          <Icon name={isStale.value ? 'pulse' : needing > 0 ? 'alert' : 'check'} />
        </span>
        <p class="hidden" role="status">
          {headline}
        </p>
        <h1>{headline}</h1>
      </div>
      <Panel class="table" title="Queues" note="those that need a look first">
        <table class="list queues">
          <caption class="hidden">Each queue: how it is, what waits, how long, and what a second brings</caption>
          <thead>
            <tr>
              <th scope="col">Queue</th>
              <th scope="col">How it is</th>
              <th scope="col" class="num">
                Waiting
              </th>
              <th scope="col" class="num tiny-off">
                Oldest, s
              </th>
              <th scope="col" class="num narrow-off">
                URGENT p99, s
              </th>
              <th scope="col" class="num narrow-off">
                Slots
              </th>
              <th scope="col" class="num narrow-off mid-off">
                asked/s
              </th>
              <th scope="col" class="num narrow-off mid-off">
                done/s
              </th>
              <th scope="col" class="num narrow-off mid-off">
                refused/s
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map(({ model, verdict }) => (
              <Line key={model.name} model={model} verdict={verdict} />
            ))}
          </tbody>
        </table>
      </Panel>
    </>
  )
}

function Line({ model, verdict }: { readonly model: QueueModel; readonly verdict: Verdict }) {
  const { name, status } = model
  const rates = allRates(model)
  const p99 = waitNow(model, 'urgent', 'p99Ms')
  const oldest = Math.max(...tiers.map((tier) => status.oldestWaitMsByPriority[tier]))
  return (
    <tr tabIndex={-1}>
      <th scope="row" class="name">
        <a href={urlOf({ at: 'queue', queue: name, tab: 'running' })} title={name}>
          {middle(name, 60)}
        </a>
      </th>
      <td>
        {isStale.value ? (
          <span class="state idle">was: {verdict.headline}</span>
        ) : (
          <span class={`state ${verdict.kind}`}>
            <Icon name={icons[verdict.kind]} /> {verdict.headline}
          </span>
        )}
      </td>
      <td class="num">
        <b>{count(status.waiting)}</b>
      </td>
      <td class="num tiny-off">{status.waiting === 0 ? '–' : shortSeconds(oldest)}</td>
      <td class="num narrow-off">{p99 === null ? '–' : shortSeconds(p99)}</td>
      <td class="num narrow-off">
        {count(status.activeWorkers)} of {count(status.maxWorkers)}
      </td>
      <td class="num narrow-off mid-off">{rates === null ? '–' : rate(rates.asked)}</td>
      <td class="num narrow-off mid-off">{rates === null ? '–' : rate(rates.done)}</td>
      <td class="num narrow-off mid-off">
        {rates === null ? '–' : <span class={rates.refused >= 0.05 ? 'hot' : ''}>{rate(rates.refused)}</span>}
      </td>
    </tr>
  )
}

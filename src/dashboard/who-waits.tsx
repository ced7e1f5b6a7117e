/** Who waits, how long, and is it getting worse? A line for each tier. */
import { allRates, noWaitNow, type QueueModel, ratesOf, waitAt, waitChange, waitNow } from './model.ts'
import { Panel, Share, TierName } from './parts.tsx'
import { count, rate, shortSeconds } from './units.ts'
import { type Point, type Tier, tiers } from './wire.ts'

const orders: { readonly [name: string]: string } = {
  strict: 'the most urgent first; strict order, so each tier waits for those above it',
}

export function WhoWaits({ model }: { readonly model: QueueModel }) {
  const { status, settings } = model
  const all = allRates(model)
  const isByAge = status.order === 'strict' || status.order.startsWith('strict')
  const oldest = Math.max(...tiers.map((tier) => status.oldestWaitMsByPriority[tier]))
  return (
    <Panel
      title="Who waits, and how long?"
      note={status.waiting === 0 ? 'nothing waits' : (orders[status.order] ?? `order: ${status.order}`)}
      class="who"
    >
      <table class="who">
        <caption class="hidden">
          Each tier: how many wait, how long, whether that grows, and what a second brings
        </caption>
        <colgroup>
          {[
            'tier-c',
            'size-c',
            'bound',
            'oldest-c',
            'q',
            'q',
            'p99-c',
            'spark',
            'change-c',
            'rate',
            'rate',
            'rate',
          ].map((each, at) => (
            <col key={at} class={each} />
          ))}
        </colgroup>
        <thead>
          <tr class="groups">
            <td />
            <td />
            <td class="bound" />
            <td />
            <td colSpan={3}>
              <span>wait, last 60 s, in s</span>
            </td>
            <td class="spark" />
            <td />
            <td colSpan={3} class="second">
              <span>a second</span>
            </td>
          </tr>
          <tr>
            <th scope="col" class="left">
              Tier
            </th>
            <th scope="col">Waiting</th>
            <th scope="col" class="bound">
              <span class="hidden">of its bound</span>
            </th>
            <th scope="col">
              {isByAge ? 'Oldest' : 'Next'}
              <span class="unit">, s</span>
            </th>
            <th scope="col" class="q">
              p50
            </th>
            <th scope="col" class="q">
              p95
            </th>
            <th scope="col">p99</th>
            <th scope="col" class="spark">
              p99, 15 min
            </th>
            <th scope="col">Change</th>
            <th scope="col" class="rate">
              asked
            </th>
            <th scope="col" class="rate">
              done
            </th>
            <th scope="col" class="rate">
              refused
            </th>
          </tr>
        </thead>
        <tbody>
          {tiers.map((tier) => (
            <Row key={tier} model={model} tier={tier} />
          ))}
          <tr class="all">
            <th scope="row" class="left">
              All
            </th>
            <td class="size">{count(status.waiting)}</td>
            <td class="bound">
              {status.maxQueueSize !== null && <Bound now={status.waiting} most={status.maxQueueSize} />}
            </td>
            <td>{status.waiting === 0 ? '–' : shortSeconds(oldest)}</td>
            <td class="q">–</td>
            <td class="q">–</td>
            <td>–</td>
            <td class="spark" />
            <td />
            <td class="rate">{all === null ? '–' : rate(all.asked)}</td>
            <td class="rate">{all === null ? '–' : rate(all.done)}</td>
            <td class="rate">{all === null ? '–' : rate(all.refused)}</td>
          </tr>
        </tbody>
      </table>
      {settings === null && <p class="note">Its bounds by tier are not known here: the executor is elsewhere.</p>}
    </Panel>
  )
}

function Row({ model, tier }: { readonly model: QueueModel; readonly tier: Tier }) {
  const { status, settings, points } = model
  const waiting = status.waitingByPriority[tier]
  const bound = settings?.maxQueueSizeByPriority[tier] ?? null
  const isFull = bound !== null && bound > 0 && waiting >= bound
  const rates = ratesOf(model, tier)
  const p99 = waitNow(model, tier, 'p99Ms')
  const noWait = noWaitNow(model, tier)
  return (
    <tr>
      <th scope="row" class="left">
        <TierName tier={tier} />
      </th>
      <td class={isFull ? 'size bad' : 'size'}>{count(waiting)}</td>
      <td class="bound">{bound !== null && <Bound now={waiting} most={bound} tier={tier} />}</td>
      <td>{waiting === 0 ? '–' : shortSeconds(status.oldestWaitMsByPriority[tier])}</td>
      <Quantile of={waitNow(model, tier, 'p50Ms')} class="q" />
      <Quantile of={waitNow(model, tier, 'p95Ms')} class="q" />
      <Quantile of={p99} class="strong" />
      <td class="spark">
        <Spark points={points} tier={tier} />
      </td>
      <td class="change">
        {noWait === null ? (
          <Change by={waitChange(model, tier)} ms={p99} />
        ) : (
          <span class={noWait === 'most displaced' ? 'no-wait' : 'no-wait bad'} title={noWaitWords}>
            {noWait}
          </span>
        )}
      </td>
      <td class="rate">{rates === null ? '–' : rate(rates.asked)}</td>
      <td class="rate">{rates === null ? '–' : rate(rates.done)}</td>
      <td class="rate">
        {rates === null ? '–' : <span class={rates.refused >= 0.05 ? 'hot' : ''}>{rate(rates.refused)}</span>}
      </td>
    </tr>
  )
}

const noWaitWords =
  'In the last 60 s most of what left the queue was displaced: how long that took is no wait for a slot.'

function Bound({ now, most, tier }: { readonly now: number; readonly most: number; readonly tier?: Tier }) {
  return (
    <>
      <Share of={most === 0 ? 0 : now / most} tier={tier} /> <span>of {count(most)}</span>
    </>
  )
}

function Quantile({ of, ...rest }: { readonly of: number | null; readonly class: string }) {
  return (
    <td class={rest.class} title={of === null ? 'too few to tell' : undefined}>
      {of === null ? '–' : shortSeconds(of)}
    </td>
  )
}

/** Within a tenth it is steady; half as much again is red, unless nobody would notice. */
function Change({ by, ms }: { readonly by: number | null; readonly ms: number | null }) {
  if (by === null) return <>–</>
  if (by > 0.9 && by < 1.1) return <span class="quiet">steady</span>
  const text = by >= 99.5 ? '>×99' : `${by > 1 ? '▲' : '▼'} ×${by >= 10 ? Math.round(by) : by.toFixed(1)}`
  return <span class={by >= 1.5 && (ms ?? 0) >= 50 ? 'bad' : 'quiet'}>{text}</span>
}

/** From 0, each with its own top. */
function Spark({ points, tier }: { readonly points: readonly Point[]; readonly tier: Tier }) {
  const values = points.map((_, at) => waitAt(points, at, tier, 'p99Ms'))
  const most = Math.max(...values.map((value) => value ?? 0), 1e-9)
  const step = 100 / 180
  const from = 100 - values.length * step
  let path = ''
  let isDown = false
  for (const [at, value] of values.entries()) {
    if (value !== null)
      path += `${isDown ? 'L' : 'M'}${(from + at * step).toFixed(1)} ${(21 - (value / most) * 19).toFixed(1)}`
    isDown = value !== null
  }
  return (
    <svg
      class={`line ${tier}`}
      width="100"
      height="24"
      viewBox="0 0 100 24"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="floor" d="M0 22.5h100" />
      <path d={path} />
    </svg>
  )
}

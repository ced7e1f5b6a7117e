/** Is the queue growing, do they wait longer, is it keeping up, are the slots taken? Four charts, each with a sentence that says it. */
import { axisCount, axisDuration, Chart, ownAt } from './chart.tsx'
import type { Trace } from './chart-paint.ts'
import { allRates, least, lostAt, noWaitNow, type QueueModel, type Rates, type Share, waitAt } from './model.ts'
import { Panel } from './parts.tsx'
import { countTopOf, decadesOf, topOf } from './scale.ts'
import { share } from './state.ts'
import { count, duration, shortCount, shortRate, shortTime } from './units.ts'
import { type Point, tiers } from './wire.ts'

const PLOT = 190
/** For what stands at the ends of lines; the same for all, so that a time is at the same place in each. */
const MARGIN = 104

const lowestFirst = [...tiers].reverse()

/** Waiting, by tier, stacked: URGENT at the base. */
export function QueueChart({ model }: { readonly model: QueueModel }) {
  const { points, status } = model
  // The highest stack is drawn first, and the lower ones over it.
  const traces = lowestFirst.map((tier): Trace => {
    const from = tiers.slice(0, tiers.indexOf(tier) + 1)
    const values = points.map(({ waitingByPriority }) => from.reduce((sum, each) => sum + waitingByPriority[each], 0))
    const label = (at: number): string | undefined =>
      `${shortCount(ownAt(points, at, (point) => point.waitingByPriority[tier]))} ${tier}`
    return {
      name: tier.toUpperCase(),
      color: `--${tier}`,
      values,
      own: points.map(({ waitingByPriority }) => waitingByPriority[tier]),
      fill: 'solid',
      stroke: '--surface',
      width: 1,
      mark: 'square',
      label,
    }
  })
  const most = Math.max(0, ...(traces[0]?.values ?? []).map((value) => value ?? 0))
  const { maxQueueSize } = status
  const top = countTopOf(Math.max(most, maxQueueSize !== null && maxQueueSize < most * 2 ? maxQueueSize : 0))
  return (
    <Panel title="Is the queue growing?" note="waiting, by tier" class="chart">
      <Chart
        {...{ points, traces, height: PLOT, margin: MARGIN, format: axisCount }}
        range={[0, most === 0 ? 10 : top]}
        bound={
          maxQueueSize === null || most === 0
            ? undefined
            : { at: maxQueueSize, text: `bound ${shortCount(maxQueueSize)}` }
        }
        nothing={most === 0 ? 'Nothing has waited in the last 15 min.' : undefined}
        sentence={`Waiting now: ${tiers.map((tier) => `${tier} ${count(status.waitingByPriority[tier])}`).join(', ')}. At most ${count(most)} in the last 15 minutes.`}
      />
    </Panel>
  )
}

/** One line a tier, on a scale of whole decades. */
export function WaitChart({ model }: { readonly model: QueueModel }) {
  const { points } = model
  const chosen = share.signal.value
  const traces = tiers.map((tier): Trace => {
    const values = points.map((_, at) => waitAt(points, at, tier, chosen))
    const label = (at: number): string => `${shortTime(ownAt(points, at, (_, own) => values[own] ?? 0))} ${tier}`
    return { name: tier.toUpperCase(), color: `--${tier}`, values, mark: 'dash', label }
  })
  const all = traces.flatMap(({ values }) => values)
  const isEmpty = all.every((value) => value === null)
  const last = tiers.map((tier, at) => {
    const value = traces[at]?.values.at(-1)
    return `${tier} ${value == null ? (noWaitNow(model, tier) ?? 'unknown') : duration(value)}`
  })
  const without = tiers.filter((tier) => noWaitNow(model, tier) !== null)
  const choice = (
    <fieldset class="choice" aria-label="Quantile">
      {(['p50Ms', 'p95Ms', 'p99Ms'] satisfies Share[]).map((each) => (
        <button key={each} type="button" aria-pressed={chosen === each} onClick={() => share.set(each)}>
          {each.slice(0, 3)}
        </button>
      ))}
    </fieldset>
  )
  return (
    <Panel title="Do they wait longer?" side={choice} class="chart">
      <Chart
        {...{ points, traces, isLog: true, height: PLOT, margin: MARGIN, format: axisDuration, inTable: shortTime }}
        range={decadesOf(all)}
        nothing={isEmpty && without.length === 0 ? noWaits(points, chosen) : undefined}
        remarks={without.map((tier) => `${tier.toUpperCase()}: ${noWaitNow(model, tier)}`)}
        sentence={`${chosen.slice(0, 3)} of the waits of the last 60 seconds, on a log scale: ${last.join(', ')}.`}
      />
    </Panel>
  )
}

/** Why is there no line: nothing has waited, or too few for what was chosen? */
function noWaits(points: readonly Point[], chosen: Share): string {
  const some = tiers.some((tier) => points.some((_, at) => waitAt(points, at, tier, 'p50Ms') !== null))
  if (!some) return 'No waits to measure in the last 15 min.'
  return `Too few waits for a ${chosen.slice(0, 3)}, which needs ${least[chosen]} of a tier in a minute: look at the p50.`
}

/** Done filled, refused on top of it, so that their sum is what was asked; failed as a line. */
export function RatesChart({ model }: { readonly model: QueueModel }) {
  const { points } = model
  // Each point is what the table of tiers has said at that time.
  const rates = points.map((_, at) => allRates(model, at) as Rates)
  const done = rates.map((each) => each.done)
  const refused = rates.map((each) => each.refused)
  const both = rates.map((each) => each.done + each.refused)
  const failed = points.map((_, at) => lostAt(points, at))
  const refusing = lowestFirst.find((tier) => points.some((point) => point.refusedByPriority[tier] > 0)) ?? 'low'
  const hasExpired = points.some(({ expiredPerSecond }) => expiredPerSecond > 0)
  const traces: Trace[] = [
    {
      ...{
        name: 'done and refused',
        ownName: 'refused',
        own: refused,
        color: `--${refusing}`,
        values: both,
        fill: 'hatch',
        stroke: `--${refusing}`,
        width: 1,
        mark: 'hatch',
      },
      label: (at) => `${shortRate(ownAt(points, at, (_, own) => refused[own] ?? 0))} refused`,
    },
    {
      ...{ name: 'done', color: '--done', values: done, fill: 'solid', stroke: '--done-line', mark: 'square' },
      label: (at) => `${shortRate(ownAt(points, at, (_, own) => done[own] ?? 0))} done`,
    },
    {
      ...{ name: hasExpired ? 'failed or expired' : 'failed', color: '--bad', own: failed, mark: 'dash' },
      // No red line says that nothing was lost.
      values: failed.some((perSecond) => perSecond > 0) ? failed : failed.map(() => null),
      label: (at) => `${shortRate(ownAt(points, at, (_, own) => failed[own] ?? 0))} ${hasExpired ? 'lost' : 'failed'}`,
    },
  ]
  const most = Math.max(0, ...both, ...failed)
  return (
    <Panel title="Is it keeping up?" note="requests a second" class="chart">
      <Chart
        {...{ points, traces, height: PLOT, margin: MARGIN, format: axisCount }}
        range={[0, topOf(most)]}
        nothing={most === 0 ? 'Nothing was asked for in the last 15 min.' : undefined}
        sentence={`A second: ${shortRate(done.at(-1) ?? 0)} done, ${shortRate(refused.at(-1) ?? 0)} refused, ${shortRate(failed.at(-1) ?? 0)} ${hasExpired ? 'failed or expired' : 'failed'}.`}
      />
    </Panel>
  )
}

/** Busy as steps, the limit as a line, stuck in red. */
export function SlotsChart({ model }: { readonly model: QueueModel }) {
  const { points } = model
  const at = (of: (point: Point) => number) => (index: number) => shortCount(ownAt(points, index, of))
  const limit = at(({ slots }) => slots)
  const busy = at((point) => point.busy)
  const stuck = at((point) => point.stuck)
  const hasStuck = points.some((point) => point.stuck > 0)
  const traces: Trace[] = [
    {
      name: 'busy',
      color: '--done',
      values: points.map((point) => point.busy + point.stuck),
      own: points.map((point) => point.busy),
      fill: 'solid',
      stroke: '--done-line',
      width: 1,
      isStepped: true,
      mark: 'square',
      label: (index) => `${busy(index)} busy`,
    },
    {
      name: 'stuck',
      color: '--bad',
      values: points.map((point) => (hasStuck ? point.stuck : null)),
      fill: 'solid',
      width: 1,
      isStepped: true,
      mark: 'square',
      label: (index) => `${stuck(index)} stuck`,
    },
    {
      name: 'limit',
      color: '--ink',
      values: points.map((point) => point.slots),
      isStepped: true,
      mark: 'dash',
      label: (index) => `limit ${limit(index)}`,
    },
  ]
  const most = Math.max(1, ...points.map((point) => Math.max(point.slots, point.busy + point.stuck)))
  return (
    <Chart
      {...{ points, traces, height: 84, margin: MARGIN, format: axisCount }}
      range={[0, countTopOf(most * 1.05)]}
      sentence={`Slots: limit ${points.at(-1)?.slots ?? 0}, ${points.at(-1)?.busy ?? 0} busy, ${points.at(-1)?.stuck ?? 0} stuck.`}
    />
  )
}

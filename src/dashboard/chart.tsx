/**
 * One chart of the last fifteen minutes; all of them have one crosshair.
 *
 * Three grammars: solid is a tier or what was served, a hatch is what was refused, red what has failed or is stuck. A value and its
 * name stand at the end of each line, in place of a legend. A hatch in amber at the right: nothing is known of it.
 */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { type ChartProps, decorate, hatch, styles, type Trace } from './chart-paint.ts'
import { SPAN_MS } from './model.ts'
import { isStale, link, now, share, theme } from './state.ts'
import { clockTime, shortCount } from './units.ts'
import type { Point } from './wire.ts'

/** Gaps are gaps: where a point is missing, nothing is drawn. */
function columns(points: readonly Point[], traces: readonly Trace[]): uPlot.AlignedData {
  const times: number[] = []
  const values: (number | null)[][] = traces.map(() => [])
  let last = Number.NaN
  for (const [at, point] of points.entries()) {
    const time = Date.parse(point.at) / 1_000
    if (time - last > 12) {
      times.push(last + 1)
      for (const column of values) column.push(null)
    }
    times.push(time)
    for (const [index, column] of values.entries()) column.push(traces[index]?.values[at] ?? null)
    last = time
  }
  return [times, ...values] as uPlot.AlignedData
}

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef(props)
  const until = useRef(now.value)
  latest.current = props
  // The axis moves with the points, not with the clock: five seconds are three pixels.
  const end = props.points.at(-1)?.at
  const pointAt = end === undefined ? now.value : Date.parse(end)
  // While nothing is heard time goes on, and nothing is known of it.
  const silent = isStale.value ? Math.floor(link.value.silentMs / 5_000) * 5_000 : 0
  until.current = pointAt + silent

  useEffect(() => {
    const host = box.current
    if (host === null) return
    const made = new uPlot(
      optionsOf(latest, until, host.clientWidth),
      columns(latest.current.points, latest.current.traces),
      host,
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: host.clientWidth, height: latest.current.height }))
    observer.observe(host)
    // A canvas keeps its colours; on paper they are others.
    const schemes = ['(prefers-color-scheme: dark)', 'print'].map((media) => matchMedia(media))
    const repaint = (): void => made.redraw(true)
    for (const scheme of schemes) scheme.addEventListener('change', repaint)
    return () => {
      observer.disconnect()
      for (const scheme of schemes) scheme.removeEventListener('change', repaint)
      made.destroy()
    }
  }, [props.traces.length, props.isLog])

  const key = `${end} ${silent} ${props.range.join(' ')} ${props.bound?.text} ${theme.signal.value} ${share.signal.value} ${isStale.value}`
  useEffect(() => {
    plot.current?.setData(columns(props.points, props.traces))
  }, [key])

  const isTable = useSignal(false)
  return (
    <>
      <div class="plot" role="img" aria-label={props.sentence}>
        <div ref={box} />
        {props.nothing !== undefined && <p class="nothing">{props.nothing}</p>}
      </div>
      <details class="as-table" onToggle={({ currentTarget }) => (isTable.value = currentTarget.open)}>
        <summary>Show as table</summary>
        {isTable.value && <AsTable {...props} />}
      </details>
    </>
  )
}

/** One minute a row. */
function AsTable({ points, traces, format, inTable = format }: ChartProps) {
  const rows = points.map((point, at) => ({ point, at })).filter(({ at }) => (points.length - 1 - at) % 12 === 0)
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">UTC</th>
          {traces.map(({ name, ownName = name }) => (
            <th key={name} scope="col">
              {ownName}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ point, at }) => (
          <tr key={point.at}>
            <th scope="row">{clockTime(Date.parse(point.at))}</th>
            {traces.map(({ name, values: drawn, own: values = drawn }) => (
              <td key={name}>
                {values[at] === null || values[at] === undefined ? '–' : inTable(values[at] as number)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

type Latest = { readonly current: ChartProps }

function optionsOf(latest: Latest, until: { readonly current: number }, width: number): uPlot.Options {
  const { traces, height, margin, isLog = false } = latest.current
  const color = (name: string): string => styles().getPropertyValue(name).trim()
  const font = (): string => `11px ${styles().getPropertyValue('--sans').trim()}`
  const axis: uPlot.Axis = {
    stroke: () => color('--ink-3'),
    font: font(),
    grid: { stroke: () => color('--grid'), width: 1 },
    ticks: { show: false },
  }
  return {
    ...{ width, height, padding: [8, margin, 0, 0] },
    legend: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    cursor: {
      drag: { x: false, y: false },
      y: false,
      points: { show: false },
      sync: { key: 'triage-queue', setSeries: false },
    },
    scales: {
      x: { time: false, range: () => [(until.current - SPAN_MS) / 1_000, until.current / 1_000] },
      y: { distr: isLog ? 3 : 1, range: () => [...latest.current.range] as [number, number] },
    },
    axes: [
      {
        ...axis,
        ...{ size: 24, gap: 6 },
        splits: (u) => {
          const end = u.scales.x?.max ?? 0
          return [end - 900, end - 600, end - 300, end]
        },
        values: (u, at) => at.map((time) => minutes(time - (u.scales.x?.max ?? 0), u.width < 260)),
      },
      {
        ...axis,
        ...{ size: 50, gap: 6 },
        splits: () => splitsOf(latest.current),
        values: (_, at) => at.map((value) => (value === null ? '' : latest.current.format(value))),
        ...(isLog && { filter: (_: uPlot, at: number[]) => at }),
      },
    ],
    series: [
      {},
      ...traces.map(({ color: name, fill, stroke, width: line = 1.6, isStepped = false }): uPlot.Series => {
        const stepped = isStepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined
        return {
          ...{ points: { show: false }, spanGaps: false, width: line, stroke: () => color(stroke ?? name) },
          ...(stepped !== undefined && { paths: stepped }),
          ...(fill !== undefined && {
            fill: (u: uPlot) => (fill === 'solid' ? color(name) : (hatch(u.ctx, color(name)) as string)),
          }),
        }
      }),
    ],
    hooks: {
      setCursor: [(u) => u.redraw(false)],
      draw: [(u) => decorate(u, latest.current, color, font())],
    },
  }
}

function minutes(seconds: number, isNarrow: boolean): string {
  if (seconds === 0) return 'now'
  const at = Math.round(seconds / 60)
  return at === -15 ? (isNarrow ? '−15' : '−15 min') : `−${-at}`
}

function splitsOf({ range: [from, to], isLog = false, splits }: ChartProps): number[] {
  if (splits !== undefined) return [...splits]
  if (!isLog) return [0, to / 2, to]
  const decades: number[] = []
  for (let at = from; at <= to * 1.000_001; at *= 10) decades.push(at)
  return decades
}

/** The points are also at other places than the columns, where there are gaps: by time, then. */
export function ownAt(points: readonly Point[], at: number, of: (point: Point, at: number) => number): number {
  let column = -1
  let last = Number.NaN
  for (const [index, point] of points.entries()) {
    const time = Date.parse(point.at) / 1_000
    column += time - last > 12 ? 2 : 1
    last = time
    if (column >= at) return of(point, index)
  }
  return points.length === 0 ? 0 : of(points.at(-1) as Point, points.length - 1)
}

export function axisCount(value: number): string {
  return value < 10_000 ? value.toLocaleString('en-US', { maximumFractionDigits: 2 }) : shortCount(value)
}

/** 100 ms, 10 s, 100 s: a decade is no minute. */
export function axisDuration(ms: number): string {
  return ms < 1_000 ? `${axisCount(ms)} ms` : `${axisCount(ms / 1_000)} s`
}

/** What is drawn over a chart: what stands at the ends of its lines, its bound, the hatch of what was refused and of what is not known. */
import type uPlot from 'uplot'
import { spread } from './scale.ts'
import { isStale } from './state.ts'
import { clockTime } from './units.ts'
import type { Point } from './wire.ts'

/** One line, and what stands at its end. */
export interface Trace {
  readonly name: string
  /** The custom property of its colour. */
  readonly color: string
  readonly values: readonly (number | null)[]
  /** What stands in the table, where it is stacked upon others. */
  readonly own?: readonly number[]
  /** Its name there. */
  readonly ownName?: string
  readonly fill?: 'solid' | 'hatch'
  /** The line itself, if it is another than the fill. */
  readonly stroke?: string
  readonly width?: number
  readonly isStepped?: boolean
  /** Of a value: what stands at the end. Undefined: nothing. */
  label?(at: number): string | undefined
  readonly mark: 'square' | 'dash' | 'hatch'
}

export interface ChartProps {
  readonly points: readonly Point[]
  readonly traces: readonly Trace[]
  readonly range: readonly [number, number]
  readonly isLog?: boolean
  readonly height: number
  readonly margin: number
  readonly format: (value: number) => string
  /** In the table, if it is another way. */
  readonly inTable?: (value: number) => string
  /** A line across, where a bound is. */
  readonly bound?: { readonly at: number; readonly text: string } | undefined
  /** What stands at the top, of lines that are not there. */
  readonly remarks?: readonly string[]
  /** In place of lines, when there is nothing to show. */
  readonly nothing?: string | undefined
  readonly sentence: string
  readonly splits?: readonly number[]
}

export const styles = (): CSSStyleDeclaration => getComputedStyle(document.documentElement)

export function hatch(context: CanvasRenderingContext2D, color: string): CanvasPattern | string {
  const tile = document.createElement('canvas')
  const size = Math.round(5 * devicePixelRatio)
  tile.width = size
  tile.height = size
  const draw = tile.getContext('2d')
  if (draw === null) return color
  draw.strokeStyle = color
  draw.lineWidth = 1.2 * devicePixelRatio
  for (const from of [-size, 0, size]) {
    draw.moveTo(from, size)
    draw.lineTo(from + size, 0)
  }
  draw.stroke()
  return context.createPattern(tile, 'repeat') ?? color
}

/** What stands at the ends of lines, the bound, and where nothing is known. */
export function decorate(
  u: uPlot,
  { traces, bound, range, points, nothing, remarks = [] }: ChartProps,
  color: (name: string) => string,
  font: string,
): void {
  const { ctx, bbox } = u
  const ratio = devicePixelRatio
  ctx.save()
  ctx.font = font.replace('11px', `${11 * ratio}px`)
  ctx.textBaseline = 'middle'
  for (const [line, remark] of remarks.entries()) write(u, remark, bbox.top + (7 + 14 * line) * ratio, color)
  if (bound !== undefined) drawBound(u, bound, range, color)
  const last = points.at(-1)
  if (last !== undefined && isStale.value) {
    const from = u.valToPos(Date.parse(last.at) / 1_000, 'x', true)
    ctx.fillStyle = hatch(ctx, color('--warn'))
    ctx.fillRect(from, bbox.top, bbox.left + bbox.width - from, bbox.height)
  }
  if (nothing === undefined) drawLabels(u, traces, color)
  const { idx } = u.cursor
  const time = idx === null || idx === undefined ? undefined : u.data[0][idx]
  if (time !== undefined && time !== null && (u.cursor.left ?? -1) >= 0) {
    ctx.textAlign = 'center'
    ctx.fillStyle = color('--ink')
    ctx.fillText(clockTime(time * 1_000), u.valToPos(time, 'x', true), bbox.top + 5 * ratio)
  }
  ctx.restore()
}

/** At the left, on whatever is drawn there. */
function write({ ctx, bbox }: uPlot, words: string, y: number, color: (name: string) => string): void {
  const ratio = devicePixelRatio
  const left = bbox.left + 6 * ratio
  ctx.textAlign = 'left'
  ctx.fillStyle = color('--surface')
  ctx.fillRect(left - 2 * ratio, y - 7 * ratio, ctx.measureText(words).width + 4 * ratio, 13 * ratio)
  ctx.fillStyle = color('--ink-2')
  ctx.fillText(words, left, y)
}

function drawBound(
  u: uPlot,
  { at, text }: { at: number; text: string },
  [, top]: readonly [number, number],
  color: (name: string) => string,
): void {
  const { ctx, bbox } = u
  const ratio = devicePixelRatio
  if (at > top) {
    write(u, `${text} is above`, bbox.top + 7 * ratio, color)
    return
  }
  const y = u.valToPos(at, 'y', true)
  ctx.strokeStyle = color('--ink-2')
  ctx.lineWidth = ratio
  ctx.setLineDash([4 * ratio, 3 * ratio])
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  ctx.setLineDash([])
  write(u, text, y + (y - bbox.top < 16 * ratio ? 9 : -8) * ratio, color)
}

function drawLabels(u: uPlot, traces: readonly Trace[], color: (name: string) => string): void {
  const { ctx, bbox } = u
  const ratio = devicePixelRatio
  const { idx } = u.cursor
  const isOver = idx !== null && idx !== undefined && (u.cursor.left ?? -1) >= 0
  const at = isOver ? idx : (u.data[0]?.length ?? 0) - 1
  const labels = traces.flatMap((trace, index) => {
    const value = u.data[index + 1]?.[at]
    const text = value === null || value === undefined ? undefined : trace.label?.(at)
    return text === undefined || value === null || value === undefined
      ? []
      : [{ trace, text, y: u.valToPos(value, 'y', true) }]
  })
  const half = 7 * ratio
  const places = spread(
    labels.map(({ y }) => y),
    14 * ratio,
    bbox.top + half,
    bbox.top + bbox.height - half / 2,
  )
  ctx.textAlign = 'left'
  for (const [index, { trace, text }] of labels.entries()) {
    const y = places[index] as number
    const x = bbox.left + bbox.width + 6 * ratio
    const own = color(trace.mark === 'dash' ? (trace.stroke ?? trace.color) : trace.color)
    ctx.fillStyle = trace.mark === 'hatch' ? hatch(ctx, own) : own
    if (trace.mark === 'dash') ctx.fillRect(x, y - ratio, 8 * ratio, 2 * ratio)
    else ctx.fillRect(x, y - 4 * ratio, 8 * ratio, 8 * ratio)
    ctx.fillStyle = color('--ink')
    ctx.fillText(text, x + 13 * ratio, y + 0.5 * ratio)
  }
}

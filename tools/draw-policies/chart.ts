/**
 * How does a run become a picture? Panels side by side with lines or dots, one scale, and a legend; as SVG.
 *
 * The card has a background of its own, so that it can be read on a light page as on a dark one. Coordinates are
 * rounded to a tenth of a pixel, so that the same run gives the same bytes.
 */
import { drawLegend, legendRows } from './legend.ts'
import type { Series } from './series.ts'
import { escaped, FAINT, GRID, INK, LEFT, line, MARGIN, tenth, text, turned, WIDTH, wrapped } from './svg.ts'

interface Panel {
  readonly heading: string
  readonly series: readonly Series[]
  /** A level that means something, and what. */
  readonly mark?: { readonly y: number; readonly text: string }
}

interface Chart {
  /** The finding, in a sentence or two. */
  readonly title: string
  /** What was run. */
  readonly subtitle: string
  readonly x: { readonly label: string; readonly ticks: readonly number[] }
  readonly y: { readonly label: string; readonly ticks: readonly number[]; readonly suffix?: string }
  readonly panels: readonly Panel[]
}

const PLOT_HEIGHT = 190
const GAP = 36
const LINE = 18
// So many fit into a line, in a wide font.
const TITLE_LETTERS = 82
const TEXT_LETTERS = 118

export function draw(chart: Chart): string {
  const { x, y, panels } = chart
  const title = wrapped(chart.title, TITLE_LETTERS)
  const subtitle = wrapped(chart.subtitle, TEXT_LETTERS)
  const headTop = MARGIN + title.length * 22 + subtitle.length * 16
  const top = headTop + 34
  const bottom = top + PLOT_HEIGHT
  const width = (WIDTH - LEFT - MARGIN - GAP * (panels.length - 1)) / panels.length
  const rows = legendRows(panels.flatMap(({ series }) => series))
  const height = bottom + 52 + rows.length * LINE + 6
  const [xMax, yMax] = [last(x.ticks), last(y.ticks)]
  const body = [
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="#fcfcfd" stroke="${GRID}"/>`,
    ...title.map((line, i) =>
      text(MARGIN, MARGIN + 14 + i * 22, line, `font-size="15" font-weight="600" fill="${INK}"`),
    ),
    ...subtitle.map((line, i) => text(MARGIN, MARGIN + 10 + title.length * 22 + i * 16, line, `fill="${FAINT}"`)),
    text(
      16,
      top + PLOT_HEIGHT / 2,
      y.label,
      `fill="${FAINT}" text-anchor="middle" ${turned(16, top + PLOT_HEIGHT / 2)}`,
    ),
    ...panels.flatMap((panel, index) => {
      const left = LEFT + index * (width + GAP)
      const atX = (value: number): number => left + (value / xMax) * width
      const atY = (value: number): number => bottom - (Math.min(value, yMax) / yMax) * PLOT_HEIGHT
      return drawPanel(panel, { left, width, top, bottom, atX, atY, x, y })
    }),
    ...rows.flatMap((row, index) => drawLegend(row, bottom + 56 + index * LINE)),
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="12">`,
    `<title>${escaped(chart.title)}</title>`,
    `<desc>${escaped(chart.subtitle)}</desc>`,
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

interface Frame extends Pick<Chart, 'x' | 'y'> {
  readonly left: number
  readonly width: number
  readonly top: number
  readonly bottom: number
  atX(value: number): number
  atY(value: number): number
}

function drawPanel({ heading, series, mark }: Panel, frame: Frame): string[] {
  const { left, width, top, bottom, atX, atY, x, y } = frame
  const right = left + width
  const parts = [text(left, top - 10, heading, `font-weight="600" font-size="13" fill="${INK}"`)]
  for (const value of y.ticks) {
    parts.push(line([left, atY(value)], [right, atY(value)], GRID))
    parts.push(text(left - 6, atY(value) + 4, `${value}${y.suffix ?? ''}`, `fill="${FAINT}" text-anchor="end"`))
  }
  for (const value of x.ticks) {
    parts.push(line([atX(value), bottom], [atX(value), bottom + 4], FAINT))
    parts.push(text(atX(value), bottom + 17, `${value}`, `fill="${FAINT}" text-anchor="middle"`))
  }
  parts.push(text(left + width / 2, bottom + 33, x.label, `fill="${FAINT}" text-anchor="middle"`))
  if (mark !== undefined) {
    parts.push(line([left, atY(mark.y)], [right, atY(mark.y)], INK, 'stroke-dasharray="1 3"'))
    parts.push(text(right - 4, atY(mark.y) - 5, mark.text, `fill="${INK}" text-anchor="end"`))
  }
  for (const each of series) parts.push(...drawSeries(each, frame))
  return parts
}

function drawSeries({ points, colour, dash, dots }: Series, { atX, atY }: Frame): string[] {
  const places = points.map(([px, py]) => `${tenth(atX(px))} ${tenth(atY(py))}`)
  if (places.length === 0) return []
  // Lines of no length with round ends: one element for all dots.
  const path = dots ? places.map((place) => `M${place}h0`).join('') : `M${places.join('L')}`
  const pen = dots ? 'stroke-width="4" stroke-opacity="0.6"' : 'stroke-width="2"'
  const dashes = dash === undefined ? '' : ` stroke-dasharray="${dash}"`
  return [
    `<path d="${path}" fill="none" stroke="${colour}" ${pen} stroke-linejoin="round" stroke-linecap="${dash === undefined ? 'round' : 'butt'}"${dashes}/>`,
  ]
}

function last(ticks: readonly number[]): number {
  return ticks.at(-1) as number
}

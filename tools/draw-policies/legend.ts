/**
 * Which line is which? The names below a picture.
 */
import type { Series } from './series.ts'
import { INK, LEFT, line, MARGIN, text, WIDTH } from './svg.ts'

interface Entry {
  readonly series: Series
  readonly at: number
}

/** Each name once, from left to right, in as many rows as it takes; of a single one the heading says enough. */
export function legendRows(all: readonly Series[]): Entry[][] {
  const named = [...new Map(all.map((series) => [series.name, series])).values()]
  if (named.length === 1) return []
  const rows: Entry[][] = [[]]
  let at = LEFT
  for (const series of named) {
    // Wide enough for any font.
    const width = 44 + series.name.length * 6.8
    if (at > LEFT && at + width > WIDTH - MARGIN) {
      rows.push([])
      at = LEFT
    }
    rows.at(-1)?.push({ series, at })
    at += width
  }
  return rows
}

export function drawLegend(row: readonly Entry[], y: number): string[] {
  return row.flatMap(({ series: { name, colour, dash }, at }) => [
    line(
      [at, y - 4],
      [at + 20, y - 4],
      colour,
      `stroke-width="3"${dash === undefined ? '' : ` stroke-dasharray="${dash}"`}`,
    ),
    text(at + 26, y, name, `fill="${INK}"`),
  ])
}

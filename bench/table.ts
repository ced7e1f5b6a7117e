/**
 * How are numbers shown? As Markdown tables that also read well in a terminal.
 */
import type { Ratio, Spread } from './results.ts'

/** Columns of numbers are aligned to the right, those of words to the left. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)))
  const areNumbers = head.map((_, i) => i > 0 && rows.every((row) => /^([-\d–]|skipped|$)/.test(row[i] ?? '')))
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => pad(cells[i] ?? '', width, areNumbers[i] === true)).join(' | ')} |`
  const rule = widths.map((width, i) => (areNumbers[i] ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2)))
  return [line(head), `|${rule.join('|')}|`, ...rows.map(line)].join('\n')
}

function pad(cell: string, width: number, toTheRight: boolean): string {
  return toTheRight ? cell.padStart(width) : cell.padEnd(width)
}

/** Three digits count, more are shown only in front of the point: 0.123, 1.23, 12.3, 1,234. */
export function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** `431 (425–440)`: the median, and from the first to the third quartile. */
export function withSpread(spread: Spread | undefined): string {
  if (spread === undefined) return '–'
  return `${number(spread.median)} (${number(spread.q1)}–${number(spread.q3)})`
}

/** `1.23×` */
export function times(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '–' : `${number(value)}×`
}

/** `1.23× (1.10–1.31)`: by the medians, and the least and most of any one round. */
export function withRange(ratio: Ratio | undefined): string {
  return ratio === undefined ? '–' : `${times(ratio.value)} (${number(ratio.least)}–${number(ratio.most)})`
}

/** 1_000 → 1 k, 1_000_000 → 1 M. */
export function short(count: number): string {
  return count >= 1_000_000 ? `${count / 1_000_000} M` : count >= 1_000 ? `${count / 1_000} k` : `${count}`
}

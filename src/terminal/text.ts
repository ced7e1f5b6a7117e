/**
 * How is it written? Numbers, bars and lines as text that fits: pure functions, that know no stream.
 *
 * A line is made of pieces, each with its style, and is cut while it is still plain: so that a colour never counts as
 * width, and no escape sequence is cut in half.
 */
import type { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

export interface Piece {
  readonly text: string
  readonly style?: Style
}

export type Line = readonly Piece[]

export type Paint = (style: Style, text: string) => string

/** A line as it is written, and how many columns of the terminal it takes. */
export interface Drawn {
  readonly text: string
  readonly width: number
}

/** Twice as wide as a letter in most terminals. What is counted so by mistake is only cut a little early. */
const WIDE =
  /[\u1100-\u115f\u231a-\u23ff\u2600-\u27bf\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{3fffd}]/u

/** Cuts a line to so many columns, then paints it. */
export function drawLine(line: Line, columns: number, paint: Paint): Drawn {
  let text = ''
  let width = 0
  for (const piece of line) {
    let cut = ''
    for (const char of piece.text) {
      const charWidth = WIDE.test(char) ? 2 : 1
      if (width + charWidth > columns) return { text: text + painted(cut, piece.style, paint), width }
      cut += char
      width += charWidth
    }
    text += painted(cut, piece.style, paint)
  }
  return { text, width }
}

function painted(text: string, style: Style | undefined, paint: Paint): string {
  return style === undefined || text === '' ? text : paint(style, text)
}

/** A text of the user's, safe in a terminal: without control characters, and at most 40 characters long. */
export function printable(text: string): string {
  const chars = [...text.replace(/\p{C}|\p{Zl}|\p{Zp}/gu, '�')]
  return chars.length > 40 ? `${chars.slice(0, 39).join('')}…` : chars.join('')
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** A rate, with a decimal where it matters; a dash when it is not known yet. */
export function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return '–'
  return perSecond >= 10 ? count(perSecond) : String(Math.round(perSecond * 10) / 10)
}

export function duration(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  return ms < 3_600_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`
}

/** A duration of those that were measured; a dash when none was. */
export function measured(of: { readonly count: number }, ms: number): string {
  return of.count === 0 ? '–' : duration(ms)
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A share as a bar, in eighths of a column; what is not 0 is seen. */
export function bar(share: number, width: number): string {
  const eighths = Math.min(Math.max(Math.round(share * width * 8), share > 0 ? 1 : 0), width * 8)
  return ('█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]).padEnd(width)
}

const LEVELS = '▁▂▃▄▅▆▇█'

/** One column for each value, the highest as high as a line; only 0 lies on the ground. */
export function sparkline(values: readonly number[]): string {
  const max = Math.max(...values)
  return values.map((value) => LEVELS[value > 0 ? Math.max(Math.round((7 * value) / max), 1) : 0]).join('')
}

/**
 * How does a frame replace the one before? Up, over it, and erase what was longer: written at once, so nothing flickers.
 *
 * No alternate screen: the last frame stays where it is, and what is printed afterwards goes below. The cursor is hidden
 * only within a frame, never between two: whatever ends the process, the terminal is as it was.
 */
import type { Drawn } from './text.ts'

const HIDE = '\x1b[?25l'
const SHOW = '\x1b[?25h'
const ERASE_LINE_REST = '\x1b[K'
const ERASE_BELOW = '\x1b[J'

export class Screen {
  #drawn: readonly Drawn[] = []

  /** What to write for these lines to stand where the last ones did. */
  replace(lines: readonly Drawn[], columns: number): string {
    // A terminal that has become narrower has wrapped what stood there.
    const rows = this.#drawn.reduce((sum, { width }) => sum + Math.max(Math.ceil(width / columns), 1), 0)
    this.#drawn = lines
    const up = rows === 0 ? '' : `\x1b[${rows}A`
    return `${HIDE}\r${up}${lines.map(({ text }) => `${text}${ERASE_LINE_REST}\n`).join('')}${ERASE_BELOW}${SHOW}`
  }
}

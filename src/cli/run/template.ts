/**
 * How does a line become a command? By the placeholders of GNU parallel: `{}` the line, `{.}` without its extension, `{/}` its last
 * part, `{#}` the number, `{2}` a column. There is no shell in between: what a line has in it can't become another command.
 */
import { basename, extname } from 'node:path'
import { oneLine, shellWord } from '../words.ts'

const placeholder = /\{(\.|\/|#|\d+)?\}/g

export class Template {
  readonly #words: readonly string[]
  readonly #separator: string | undefined

  /** @param separator what stands between columns; undefined: a line is one */
  constructor(words: readonly string[], separator: string | undefined) {
    // As GNU parallel does it.
    this.#words = words.some((word) => word.search(placeholder) >= 0) ? words : [...words, '{}']
    this.#separator = separator
  }

  columns(line: string): readonly string[] {
    return this.#separator === undefined ? [line] : line.split(this.#separator)
  }

  /** The command, and what follows it. */
  fill(line: string, seq: number): readonly string[] {
    const columns = this.columns(line)
    const filled = (_all: string, what: string | undefined): string => {
      if (what === undefined) return line
      if (what === '#') return `${seq}`
      if (what === '/') return basename(line)
      if (what === '.') return line.slice(0, line.length - extname(line).length)
      return columns[Number(what) - 1] ?? ''
    }
    return this.#words.map((word) => word.replaceAll(placeholder, filled))
  }
}

/** As it would be typed, in one line. */
export function shown(words: readonly string[]): string {
  return oneLine(words.map(shellWord).join(' '))
}

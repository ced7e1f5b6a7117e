/**
 * A line in a terminal that replaces itself. No escape sequences are needed for that: it is written over, with spaces behind it, and is
 * never wider than the terminal.
 */
import { columnsOf } from './output.ts'

export class StatusLine {
  readonly #stream: NodeJS.WriteStream
  /** Of what stands there. */
  #width = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  /** How wide a line may be. */
  get room(): number {
    return columnsOf(this.#stream) - 1
  }

  draw(text: string): void {
    const line = text.slice(0, Math.max(this.room, 0))
    this.#stream.write(`\r${line.padEnd(this.#width)}`)
    this.#width = line.length
  }

  /** Makes room for a line of somebody else. */
  clear(): void {
    if (this.#width === 0) return
    this.#stream.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }
}

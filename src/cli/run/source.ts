/**
 * Where do the lines come from? A stream, read only as fast as they are taken: so a file of any length takes the same memory.
 */
import { isUtf8 } from 'node:buffer'
import { createReadStream, existsSync, fstatSync, statSync } from 'node:fs'
import { cannot, codeOf, messageOf } from '../fault.ts'

/** A line, and its number, from 1. */
export interface Line {
  readonly seq: number
  /** Without its end, LF or CRLF. */
  readonly text: string
  /** Otherwise some bytes are none of UTF-8, and U+FFFD stands for them. */
  readonly isUtf8: boolean
}

/** The longest line, in bytes: beyond it what comes is no list of jobs. */
const MAX_LINE = 64 * 1024 * 1024

const [LF, CR] = [10, 13]

export class Source {
  readonly #stream: NodeJS.ReadableStream & { destroy(): void }
  readonly #name: string
  readonly #bytes: number | undefined
  #readBytes = 0
  #lines = 0
  #isOver = false
  #isStopped = false

  /** @throws {Fault} */
  constructor(file: string | undefined) {
    this.#name = file ?? 'stdin'
    if (file === undefined) {
      // Node would find it empty.
      if (fstatSync(0).isDirectory()) throw cannot('stdin is a directory: there are no lines in it')
      this.#stream = process.stdin
      this.#bytes = sizeOf(0)
      return
    }
    this.#bytes = sizeOf(file)
    if (!existsSync(file)) throw cannot(`There is no file ${file}`)
    this.#stream = createReadStream(file)
  }

  /** How many lines there are: exactly at the end, before it as those that were read let expect; undefined: nobody knows. */
  get expected(): number | undefined {
    if (this.#isOver) return this.#lines
    if (this.#bytes === undefined || this.#lines < 10 || this.#readBytes === 0) return undefined
    return Math.max(Math.round((this.#lines * this.#bytes) / this.#readBytes), this.#lines)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** No more lines come, also while one is waited for. */
  stop(): void {
    this.#isStopped = true
    this.#stream.destroy()
  }

  /** @throws {Fault} through the iterator, when it can't be read */
  async *lines(): AsyncGenerator<Line, void, undefined> {
    // Of a line whose end has not come yet.
    let parts: Buffer[] = []
    let bytes = 0
    try {
      for await (const chunk of this.#stream as AsyncIterable<Buffer>) {
        this.#readBytes += chunk.length
        let from = 0
        for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
          parts.push(chunk.subarray(from, at))
          yield this.#line(parts)
          parts = []
          bytes = 0
          from = at + 1
        }
        parts.push(chunk.subarray(from))
        bytes += chunk.length - from
        if (bytes > MAX_LINE) throw cannot(`${this.#name}, line ${this.#lines + 1}: it is longer than 64 MB`)
      }
    } catch (error) {
      if (this.#isStopped) return
      if (codeOf(error) === undefined) throw error
      throw cannot(`${this.#name} can't be read: ${messageOf(error)}`)
    }
    if (this.#isStopped) return
    if (bytes > 0) yield this.#line(parts)
    this.#isOver = true
  }

  #line(parts: readonly Buffer[]): Line {
    const [first] = parts
    const line = parts.length === 1 ? (first as Buffer) : Buffer.concat(parts)
    const whole = line.at(-1) === CR ? line.subarray(0, -1) : line
    return { seq: ++this.#lines, text: whole.toString(), isUtf8: isUtf8(whole) }
  }
}

/** Of a file, also where it is stdin; undefined: there is none, or it is none. */
function sizeOf(file: string | 0): number | undefined {
  try {
    const stat = file === 0 ? fstatSync(file) : statSync(file)
    return stat.isFile() ? stat.size : undefined
  } catch {
    return undefined
  }
}

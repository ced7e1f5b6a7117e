/**
 * Where do the lines come from? A stream, read only as fast as they are taken: so a file of any length takes the same memory.
 */
import { createReadStream, existsSync, fstatSync, statSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { cannot, codeOf, messageOf } from '../fault.ts'

/** A line, and its number, from 1. */
export interface Line {
  readonly seq: number
  readonly text: string
}

/** The longest line, in characters: beyond it what comes is no list of jobs. */
const MAX_LINE = 64 * 1024 * 1024

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
    const decoder = new StringDecoder('utf8')
    let rest = ''
    try {
      for await (const chunk of this.#stream as AsyncIterable<Buffer>) {
        this.#readBytes += chunk.length
        const texts = (rest + decoder.write(chunk)).split('\n')
        rest = texts.pop() as string
        for (const text of texts) yield this.#line(text)
        if (rest.length > MAX_LINE) throw cannot(`${this.#name}, line ${this.#lines + 1}: it is longer than 64 MB`)
      }
    } catch (error) {
      if (this.#isStopped) return
      if (codeOf(error) === undefined) throw error
      throw cannot(`${this.#name} can't be read: ${messageOf(error)}`)
    }
    if (this.#isStopped) return
    rest += decoder.end()
    if (rest !== '') yield this.#line(rest)
    this.#isOver = true
  }

  #line(text: string): Line {
    return { seq: ++this.#lines, text: text.endsWith('\r') ? text.slice(0, -1) : text }
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

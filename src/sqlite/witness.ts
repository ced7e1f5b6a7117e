/**
 * How much was committed? A second witness, in a file of its own: one flipped bit in the `-wal` file drops every later commit, and
 * SQLite says nothing.
 *
 * It is written after each commit and before its answer, and not synced. So after a SIGKILL it says what the file says, or one
 * commit less; after a power cut it may be behind. When it is ahead of the file, commits were lost that somebody was told of.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'

export interface Mark {
  /** Of which store. */
  readonly instance: string
  readonly commits: number
  readonly seq: number
}

/** Each mark has as many bytes as the one before, so that it is written over it. */
const LENGTH = 96
const SHAPE = /^triage-queue mark 1 ([0-9a-f]{16}) (\d{1,16}) (\d{1,16}) +([0-9a-f]{8})\n$/

function textOf({ instance, commits, seq }: Mark): string {
  const text = `triage-queue mark 1 ${instance} ${commits} ${seq} `.padEnd(LENGTH - 9)
  return `${text}${sum(text)}\n`
}

function sum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

/** `'missing'`, or `'damaged'`: then it is no witness. */
export function readMark(path: string): Mark | 'missing' | 'damaged' {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'damaged'
  }
  const [, instance, commits, seq, given] = SHAPE.exec(text) ?? []
  if (instance === undefined || given !== sum(text.slice(0, LENGTH - 9))) return 'damaged'
  return { instance, commits: Number(commits), seq: Number(seq) }
}

export class Witness {
  readonly #file: number
  #failed = false

  /** @throws the file system's error */
  constructor(path: string) {
    try {
      this.#file = openSync(path, 'r+')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      this.#file = openSync(path, 'wx+', 0o600)
    }
  }

  /** It could not be written once: then it is behind, which is no harm. */
  get failed(): boolean {
    return this.#failed
  }

  write(mark: Mark): void {
    try {
      writeSync(this.#file, textOf(mark), 0, 'latin1')
    } catch {
      this.#failed = true
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}

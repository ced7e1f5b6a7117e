/**
 * What has been done? A line for each job, with the columns of GNU parallel, written as soon as it has ended: so that after a crash,
 * also of this process itself, `--resume` knows what is left.
 *
 * A line is written to a file that is opened for appending, and one that did not get there whole is taken back. Where even that could
 * not be done any more, what is behind the last end of a line is no line.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { cannot, messageOf, usage, whyNoWrite } from '../fault.ts'
import { lockLog } from './log-lock.ts'

const HEADER = 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n'

export interface Logged {
  readonly seq: number
  /** ms since 1970. */
  readonly startedAt: number
  readonly runMs: number
  readonly sent: number
  readonly received: number
  readonly exitCode: number
  readonly signal: number
  readonly command: string
}

/** What is to be done with a log that is there already. */
export type Resume = 'no' | 'rest' | 'failed'

export class JobLog {
  readonly #file: string
  readonly #descriptor: number
  readonly #unlock: () => void
  /** How much of it is whole lines, in bytes. */
  #bytes: number
  readonly #done = new Done()

  /** @throws {Fault} when it can't be written, another run writes it, or there is one already that is not gone on with */
  constructor(file: string, resume: Resume) {
    this.#file = file
    this.#unlock = lockLog(realName(file))
    try {
      const isThere = existsSync(file)
      if (isThere && resume === 'no') {
        throw usage(`${file} is there already: --resume goes on from it, or remove it to begin anew`)
      }
      this.#descriptor = opened(file)
      this.#bytes = 0
      if (isThere) this.#read(resume)
      if (this.#bytes === 0) this.#begin(isThere)
    } catch (error) {
      this.#unlock()
      throw error
    }
  }

  /**
   * Is it done already?
   * @throws {Fault} when another command was: the log is not of these jobs
   */
  has(seq: number, command: string): boolean {
    const digest = this.#done.get(seq)
    if (digest === 0) return false
    if (digest === digestOf(command)) return true
    throw usage(`${this.#file} is of other jobs: its number ${seq} was not ${command}`)
  }

  write({ seq, startedAt, runMs, sent, received, exitCode, signal, command }: Logged): void {
    const times = `${(startedAt / 1_000).toFixed(3)}\t${(runMs / 1_000).toFixed(3).padStart(10)}`
    this.#write(`${seq}\t:\t${times}\t${sent}\t${received}\t${exitCode}\t${signal}\t${command}\n`)
  }

  close(): void {
    closeSync(this.#descriptor)
    this.#unlock()
  }

  #begin(isThere: boolean): void {
    try {
      this.#write(HEADER)
    } catch (error) {
      // Nothing has been done: the next time is the first one again.
      if (!isThere) rmSync(this.#file, { force: true })
      throw error
    }
  }

  #write(line: string): void {
    const bytes = Buffer.from(line)
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(this.#descriptor, bytes, written)
    } catch (error) {
      if (written > 0) ftruncateSync(this.#descriptor, this.#bytes)
      throw cannot(`The job log can't be written: ${whyNoWrite(error)}`)
    }
    this.#bytes += bytes.length
  }

  #read(resume: Resume): void {
    const content = readFileSync(this.#file)
    this.#bytes = content.lastIndexOf('\n') + 1
    if (this.#bytes > 0 && content.toString('latin1', 0, 4) !== HEADER.slice(0, 4)) {
      throw usage(`${this.#file} is no job log: choose another file with --joblog`)
    }
    // The last one may have been cut.
    if (this.#bytes < content.length) ftruncateSync(this.#descriptor, this.#bytes)
    let from = content.indexOf('\n') + 1
    while (from < this.#bytes) {
      const end = content.indexOf('\n', from)
      const columns = content.toString('utf8', from, end).split('\t')
      from = end + 1
      const [seq, , , , , , exitCode, signal] = columns
      if (seq === undefined || !/^[1-9]\d{0,14}$/.test(seq)) continue
      const isDone = resume === 'rest' || (exitCode === '0' && signal === '0')
      // One that has failed, and then succeeded, stands there twice.
      if (isDone) this.#done.set(Number(seq), digestOf(columns.slice(8).join('\t')))
    }
  }
}

/** Whatever links lead to it, also where it is still to be made. @throws {Fault} */
function realName(file: string): string {
  try {
    return existsSync(file) ? realpathSync(file) : join(realpathSync(dirname(file)), basename(file))
  } catch (error) {
    throw cannot(`The job log can't be written: ${messageOf(error)}`)
  }
}

function opened(file: string): number {
  let descriptor: number
  try {
    descriptor = openSync(file, 'a+')
  } catch (error) {
    throw cannot(`The job log can't be written: ${messageOf(error)}`)
  }
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  throw usage(`${file} is no file that a job log can stand in: choose another with --joblog`)
}

/** By number: a digest of the command that has been done; 0: none was. In pages, so that a million takes four bytes each. */
class Done {
  readonly #pages = new Map<number, Uint32Array>()

  get(seq: number): number {
    return this.#pages.get(Math.floor(seq / PAGE))?.[seq % PAGE] ?? 0
  }

  set(seq: number, digest: number): void {
    const number = Math.floor(seq / PAGE)
    let page = this.#pages.get(number)
    if (page === undefined) {
      page = new Uint32Array(PAGE)
      this.#pages.set(number, page)
    }
    page[seq % PAGE] = digest
  }
}

const PAGE = 4_096

/** FNV-1a: two commands with one digest are unlikely, and only a mistake of the user is at stake. */
function digestOf(text: string): number {
  let digest = 0x811c9dc5
  for (let i = 0; i < text.length; i++) digest = Math.imul(digest ^ text.charCodeAt(i), 0x01000193)
  return digest >>> 0 || 1
}

/**
 * What has been done? A line for each job, with the columns of GNU parallel, written as soon as it has ended: so that after a crash,
 * also of this process itself, `--resume` knows what is left.
 *
 * A line is one write to a file that is opened for appending. So it is whole, or was cut by a full disk; then it is no line.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { cannot, codeOf, messageOf, usage } from '../fault.ts'

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
  /** By number: a digest of the command that has been done. */
  readonly #done = new Map<number, number>()

  /** @throws {Fault} when it can't be written, and when there is one already that is not gone on with */
  constructor(file: string, resume: Resume) {
    this.#file = file
    const isThere = existsSync(file)
    if (isThere && resume === 'no') {
      throw usage(`${file} is there already: --resume goes on from it, or remove it to begin anew`)
    }
    try {
      this.#descriptor = openSync(file, 'a+')
    } catch (error) {
      throw cannot(`The job log can't be written: ${messageOf(error)}`)
    }
    if (isThere) this.#read(readFileSync(file, 'utf8'), resume)
    else this.#write(HEADER)
  }

  get doneBefore(): number {
    return this.#done.size
  }

  /**
   * Is it done already?
   * @throws {Fault} when another command was: the log is not of these jobs
   */
  has(seq: number, command: string): boolean {
    const digest = this.#done.get(seq)
    if (digest === undefined) return false
    if (digest === digestOf(command)) return true
    throw usage(`${this.#file} is of other jobs: its number ${seq} was not ${command}`)
  }

  write({ seq, startedAt, runMs, sent, received, exitCode, signal, command }: Logged): void {
    const times = `${(startedAt / 1_000).toFixed(3)}\t${(runMs / 1_000).toFixed(3).padStart(10)}`
    this.#write(`${seq}\t:\t${times}\t${sent}\t${received}\t${exitCode}\t${signal}\t${command}\n`)
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #write(line: string): void {
    try {
      writeSync(this.#descriptor, line)
    } catch (error) {
      throw cannot(
        `The job log can't be written: ${codeOf(error) === 'ENOSPC' ? 'the disk is full' : messageOf(error)}`,
      )
    }
  }

  #read(content: string, resume: Resume): void {
    const whole = content.slice(0, content.lastIndexOf('\n') + 1)
    if (whole === '') {
      ftruncateSync(this.#descriptor)
      this.#write(HEADER)
      return
    }
    if (!whole.startsWith('Seq\t')) throw usage(`${this.#file} is no job log: choose another file with --joblog`)
    // The last one may have been cut.
    if (whole.length < content.length) ftruncateSync(this.#descriptor, Buffer.byteLength(whole))
    for (const line of whole.split('\n').slice(1)) {
      const columns = line.split('\t')
      const [seq, , , , , , exitCode, signal] = columns
      if (seq === undefined || seq === '') continue
      const isDone = resume === 'rest' || (exitCode === '0' && signal === '0')
      // One that has failed, and then succeeded, stands there twice.
      if (isDone) this.#done.set(Number(seq), digestOf(columns.slice(8).join('\t')))
    }
  }
}

/** FNV-1a: two commands with one digest are unlikely, and only a mistake of the user is at stake. */
function digestOf(text: string): number {
  let digest = 0x811c9dc5
  for (let i = 0; i < text.length; i++) digest = Math.imul(digest ^ text.charCodeAt(i), 0x01000193)
  return digest >>> 0
}

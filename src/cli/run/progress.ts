/**
 * How far has it come? One line on stderr that replaces itself in a terminal, and the sum at the end. No escape sequences are needed for
 * that: a line is written over, with spaces behind it, and is never wider than the terminal.
 */
import { bar } from '../../terminal/text.ts'
import { columnsOf } from '../output.ts'
import { count, duration, plural } from '../words.ts'

export interface Counts {
  readonly succeeded: number
  readonly failed: number
  /** Done in an earlier run. */
  readonly before: number
  readonly running: number
  /** Undefined: nobody knows. */
  readonly expected: number | undefined
}

const DRAW_MS = 200
/** The pace is that of so much time, so that it follows when it changes. */
const PACE_MS = 10_000

export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #counts: () => Counts
  readonly #beganAt = performance.now()
  readonly #isLive: boolean
  readonly #marks: { readonly at: number; readonly done: number }[] = []
  #timer: NodeJS.Timeout | undefined
  /** The width of what stands there. */
  #width = 0

  constructor(stream: NodeJS.WriteStream, counts: () => Counts, isQuiet: boolean) {
    this.#stream = stream
    this.#counts = counts
    this.#isLive = !isQuiet && stream.isTTY === true
    if (!this.#isLive) return
    this.#timer = setInterval(() => this.#draw(), DRAW_MS)
    this.#timer.unref()
  }

  /** Makes room for a line of somebody else. */
  clear(): void {
    if (this.#width === 0) return
    this.#stream.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }

  stop(): void {
    clearInterval(this.#timer)
    this.clear()
  }

  /** `1,000 done in 12.3 s, 81 a second; 3 failed` */
  sum(): string {
    const { succeeded, failed, before } = this.#counts()
    const ms = performance.now() - this.#beganAt
    const done = succeeded + failed
    const pace = done > 0 && ms >= 1_000 ? `, ${rateText((done / ms) * 1_000)}` : ''
    const parts = [`${count(done)} done in ${duration(ms)}${pace}`]
    if (failed > 0) parts.push(`${count(failed)} failed`)
    if (before > 0) parts.push(`${plural(before, 'was', 'were')} done before`)
    return parts.join('; ')
  }

  #draw(): void {
    const line = progressLine(this.#counts(), this.#pace(), columnsOf(this.#stream) - 1)
    this.#stream.write(`\r${line}${' '.repeat(Math.max(this.#width - line.length, 0))}`)
    this.#width = line.length
  }

  /** Done a second, lately. */
  #pace(): number | undefined {
    const now = performance.now()
    const { succeeded, failed } = this.#counts()
    this.#marks.push({ at: now, done: succeeded + failed })
    while (this.#marks.length > 2 && now - (this.#marks[0]?.at ?? now) > PACE_MS) this.#marks.shift()
    const [first] = this.#marks
    if (first === undefined || now - first.at < 500) return undefined
    return ((succeeded + failed - first.done) / (now - first.at)) * 1_000
  }
}

/** What is less needed goes first when it is narrow. */
function progressLine(counts: Counts, pace: number | undefined, columns: number): string {
  const { succeeded, failed, before, running, expected } = counts
  const done = succeeded + failed
  const left = expected === undefined ? undefined : Math.max(expected - before - done, 0)
  const of = expected === undefined ? '' : `/${count(expected - before)}`
  const parts = [`${count(done)}${of} done`]
  if (failed > 0) parts.push(`${count(failed)} failed`)
  if (left !== undefined && pace !== undefined && pace > 0) parts.push(`${duration((left / pace) * 1_000)} left`)
  if (pace !== undefined) parts.push(rateText(pace))
  parts.push(`${count(running)} running`)
  const share = expected === undefined || expected <= before ? undefined : done / (expected - before)
  for (let many = parts.length; many > 0; many--) {
    const text = parts.slice(0, many).join('  ')
    const room = columns - text.length - 2
    if (share !== undefined && room >= 8) return `${bar(Math.min(share, 1), Math.min(room, 20))}  ${text}`
    if (text.length <= columns) return text
  }
  return (parts[0] as string).slice(0, Math.max(columns, 0))
}

function rateText(perSecond: number): string {
  return `${perSecond >= 10 ? count(perSecond) : perSecond.toFixed(1)}/s`
}

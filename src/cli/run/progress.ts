/**
 * How far has it come? One line on stderr that replaces itself in a terminal, and the sum at the end.
 */
import { bar } from '../../terminal/text.ts'
import { StatusLine } from '../status-line.ts'
import { count, duration } from '../words.ts'

export interface Counts {
  readonly succeeded: number
  readonly failed: number
  /** Ended in an earlier run. */
  readonly before: number
  readonly running: number
  /** Undefined: nobody knows. */
  readonly expected: number | undefined
}

const DRAW_MS = 200
/** The pace is that of so much time, so that it follows when it changes. */
const PACE_MS = 10_000

export class Progress {
  readonly #line: StatusLine
  readonly #counts: () => Counts
  readonly #beganAt = performance.now()
  readonly #estimate = new Estimate(performance.now())
  readonly #marks: { readonly at: number; readonly done: number }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(stream: NodeJS.WriteStream, counts: () => Counts, isQuiet: boolean) {
    this.#line = new StatusLine(stream)
    this.#counts = counts
    if (isQuiet || stream.isTTY !== true) return
    this.#timer = setInterval(() => this.#draw(), DRAW_MS)
    this.#timer.unref()
  }

  /** Makes room for a line of somebody else. */
  clear(): void {
    this.#line.clear()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.clear()
  }

  /** `1,000 done in 12.3 s, 81/s`, or `1,000 ended in 12.3 s, 81/s: 997 done, 3 failed` */
  sum(): string {
    const { succeeded, failed, before } = this.#counts()
    const ms = performance.now() - this.#beganAt
    const ended = succeeded + failed
    const pace = ended > 0 && ms >= 1_000 ? `, ${rateText((ended / ms) * 1_000)}` : ''
    const how = failed > 0 ? `: ${count(succeeded)} done, ${count(failed)} failed` : ''
    const earlier = before > 0 ? `; ${count(before)} had ended before` : ''
    return `${count(ended)} ${failed > 0 ? 'ended' : 'done'} in ${duration(ms)}${pace}${how}${earlier}`
  }

  #draw(): void {
    const counts = this.#counts()
    const leftMs = this.#estimate.leftMs(performance.now(), counts)
    this.#line.draw(progressLine(counts, this.#pace(), leftMs, this.#line.room))
  }

  /** Ended a second, lately. */
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

/** So many ends make an estimate, however long they take. */
const ESTIMATE_ENDS = 20

/** How long will it still take? It is estimated anew when a job has ended, and counts down while jobs run. */
export class Estimate {
  readonly #marks: { readonly at: number; readonly ended: number }[]
  #overAt: number | undefined

  constructor(beganAt: number) {
    this.#marks = [{ at: beganAt, ended: 0 }]
  }

  /** @returns undefined: nobody knows, or it takes longer than it should have */
  leftMs(now: number, { succeeded, failed, before, expected }: Omit<Counts, 'running'>): number | undefined {
    const marks = this.#marks
    const ended = succeeded + failed
    if (expected === undefined) return undefined
    if (ended !== marks.at(-1)?.ended) {
      marks.push({ at: now, ended })
      while (marks.length > ESTIMATE_ENDS && now - (marks[0]?.at ?? now) > PACE_MS) marks.shift()
      const [first = { at: now, ended }] = marks
      const perMs = (ended - first.ended) / (now - first.at)
      this.#overAt = now - first.at < 500 ? undefined : now + Math.max(expected - before - ended, 0) / perMs
    }
    return this.#overAt !== undefined && this.#overAt >= now ? this.#overAt - now : undefined
  }
}

/** What is less needed goes first when it is narrow. */
function progressLine(counts: Counts, pace: number | undefined, leftMs: number | undefined, columns: number): string {
  const { succeeded, failed, before, running, expected } = counts
  const ended = succeeded + failed
  const of = expected === undefined ? '' : `/${count(expected - before)}`
  const parts = [`${count(ended)}${of} ${failed > 0 ? 'ended' : 'done'}`]
  if (failed > 0) parts.push(`${count(failed)} failed`)
  if (leftMs !== undefined) parts.push(`${duration(leftMs)} left`)
  if (pace !== undefined) parts.push(rateText(pace))
  parts.push(`${count(running)} running`)
  const share = expected === undefined || expected <= before ? undefined : ended / (expected - before)
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

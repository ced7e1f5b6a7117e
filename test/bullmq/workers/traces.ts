/**
 * What comes, and how long it runs: generated traces, each from its seed, and recorded ones.
 */
import { readFileSync } from 'node:fs'
import { seeded } from '../../support/seeded.ts'

interface Arrival {
  /** In ms since the beginning. */
  readonly at: number
  readonly runMs: number
}

export interface Trace {
  readonly name: string
  readonly arrivals: readonly Arrival[]
  readonly endMs: number
  /** How many slots are busy, in the mean, at this time, if none is missing: what an oracle knows. */
  busyAt(ms: number): number
}

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

/** How many come in a second, and how long one runs in the mean, at each time. */
interface Shape {
  readonly name: string
  perSecond(ms: number): number
  meanRunMs(ms: number): number
}

const minutes = (ms: number): number => ms / MINUTE_MS
const shapes: readonly Shape[] = [
  { name: 'steady', perSecond: () => 10, meanRunMs: () => 3_000 },
  { name: 'ramp', perSecond: (ms) => 3 + 17 * Math.min(minutes(ms) / 45, 1), meanRunMs: () => 3_000 },
  { name: 'wave', perSecond: (ms) => 10 + 7 * Math.sin((2 * Math.PI * minutes(ms)) / 40), meanRunMs: () => 3_000 },
  {
    name: 'steps',
    perSecond: (ms) => [8, 12, 12, 16, 10, 6][Math.min(Math.floor(minutes(ms) / 10), 5)] as number,
    meanRunMs: () => 3_000,
  },
  { name: 'slower runs', perSecond: () => 8, meanRunMs: (ms) => 2_000 + 3_000 * Math.min(minutes(ms) / 40, 1) },
]

export const generated = shapes.length

/** @param n from 0 */
export function generate(n: number, seed: number): Trace {
  const shape = shapes[n] as Shape
  const random = seeded(seed)
  const arrivals: Arrival[] = []
  // Poisson, by thinning; run times are log-normal, with a coefficient of variation of 1.
  const most = 20
  const spread = Math.sqrt(Math.log(2))
  for (let at = 0; ; ) {
    at += (-Math.log(1 - random()) / most) * 1_000
    if (at >= HOUR_MS) break
    if (random() > shape.perSecond(at) / most) continue
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    arrivals.push({ at, runMs: shape.meanRunMs(at) * Math.exp(spread * normal - (spread * spread) / 2) })
  }
  return {
    name: shape.name,
    arrivals,
    endMs: HOUR_MS,
    busyAt: (ms) => (shape.perSecond(ms) * shape.meanRunMs(ms)) / 1_000,
  }
}

const PER_TOKEN_MS = 20
const PER_CONTEXT_TOKEN_MS = 0.2
/** An oracle of what was recorded sees so far, back and ahead. */
const SIGHT_MS = 2 * MINUTE_MS

/**
 * A recorded trace: a CSV file with the column TIMESTAMP, and `run_ms` or those of an LLM service (ContextTokens, GeneratedTokens).
 * @throws {Error} for another file
 */
export function recorded(path: string): Trace {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/)
  const columns = head.split(',').map((name) => name.trim().toLowerCase())
  const column = (name: string): number => columns.indexOf(name)
  const [time, run, context, tokens] = ['timestamp', 'run_ms', 'contexttokens', 'generatedtokens'].map(column)
  if (time === -1 || (run === -1 && tokens === -1)) {
    throw new Error(`${path}: expected the columns TIMESTAMP, and run_ms or GeneratedTokens, got ${head}`)
  }
  const all = lines.map((line): Arrival => {
    const cells = line.split(',')
    const number = (at: number | undefined): number => Number(cells[at as number] ?? 0)
    const runMs = run === -1 ? number(tokens) * PER_TOKEN_MS + number(context) * PER_CONTEXT_TOKEN_MS : number(run)
    return { at: Date.parse(`${(cells[time as number] as string).slice(0, 23).replace(' ', 'T')}Z`), runMs }
  })
  const first = all.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY)
  const arrivals = all.map(({ at, runMs }) => ({ at: at - first, runMs })).sort((a, b) => a.at - b.at)
  const endMs = arrivals.at(-1)?.at ?? 0
  return {
    name: path.split('/').at(-1) as string,
    arrivals,
    endMs,
    busyAt: (ms) => {
      const [from, to] = [Math.max(ms - SIGHT_MS, 0), Math.min(ms + SIGHT_MS, endMs)]
      let work = 0
      for (const { at, runMs } of arrivals) if (at >= from && at < to) work += runMs
      return to > from ? work / (to - from) : 0
    },
  }
}

/**
 * What came in production, and when? Reads files of `TIMESTAMP,ContextTokens,GeneratedTokens`, and compresses their time.
 */
import { open } from 'node:fs/promises'
import type { Priority } from '../../src/index.ts'
import { InputError } from './arguments.ts'
import type { Arrival } from './load.ts'

export interface TraceRow {
  /** Ms since 1970, with fractions. */
  readonly atMs: number
  readonly contextTokens: number
  readonly generatedTokens: number
}

export interface Trace {
  readonly path: string
  readonly rows: readonly TraceRow[]
}

/** An arrival whose work is known only as what it took in production. */
export interface Replayed extends Pick<Arrival, 'atMs' | 'priority'> {
  readonly serviceMs: number
}

const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens'
const TIMESTAMP = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})?$/

const MS_PER_CONTEXT_TOKEN = 0.25
const MS_PER_GENERATED_TOKEN = 20
/** The smallest piece of work, for a row without tokens. */
const MIN_BYTES = 1024

/**
 * Reads at most `limit` rows.
 * @throws {InputError} that names the file, and the line if there is one
 */
export async function readTrace(path: string, limit = Number.POSITIVE_INFINITY): Promise<Trace> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(error.code === 'ENOENT' ? `${path}: no such file` : `${path}: ${error.message}`)
  })
  try {
    if ((await file.stat()).isDirectory()) throw new InputError(`${path}: is a directory, not a file`)
    return { path, rows: await readRows(path, file.readLines({ autoClose: false }), limit) }
  } finally {
    await file.close()
  }
}

async function readRows(path: string, lines: AsyncIterable<string>, limit: number): Promise<TraceRow[]> {
  const rows: TraceRow[] = []
  let line = 0
  for await (const text of lines) {
    line++
    if (line === 1) requireHeader(path, text)
    else if (text.trim() !== '') rows.push(readRow(path, line, text))
    if (rows.length >= limit) break
  }
  if (line === 0) throw new InputError(`${path}:1: the file is empty; it must begin with the header ${HEADER}`)
  if (rows.length === 0) throw new InputError(`${path}:${line}: there are no requests after the header`)
  return rows
}

function requireHeader(path: string, text: string): void {
  const header = text.replace(/^\uFEFF/, '').trim()
  if (header !== HEADER) throw new InputError(`${path}:1: the header must be ${HEADER}, but is ${shown(header)}`)
}

function readRow(path: string, line: number, text: string): TraceRow {
  const fields = text.split(',').map((field) => field.trim())
  if (fields.length !== 3) {
    throw new InputError(`${path}:${line}: there must be 3 fields (${HEADER}), but there are ${fields.length}`)
  }
  const [timestamp, context, generated] = fields as [string, string, string]
  const wrong = (what: string, expected: string, value: string): never => {
    throw new InputError(`${path}:${line}: ${what} must be ${expected}, but is ${shown(value)}`)
  }
  const tokens = (what: string, value: string): number =>
    /^\d{1,9}$/.test(value) ? Number(value) : wrong(what, 'a whole number of at least 0', value)
  return {
    atMs: timeOf(timestamp) ?? wrong('TIMESTAMP', "a time such as '2023-11-16 18:17:03.9799600'", timestamp),
    contextTokens: tokens('ContextTokens', context),
    generatedTokens: tokens('GeneratedTokens', generated),
  }
}

/** Ms since 1970, UTC unless the zone is given; undefined for what is no time, the 30th of February among it. */
function timeOf(timestamp: string): number | undefined {
  const [, date, time, fraction = '', zone = 'Z'] = TIMESTAMP.exec(timestamp) ?? []
  const atMs = Date.parse(`${date}T${time}${zone}`)
  const isReal = new Date(Date.parse(`${date}T00:00:00Z`) || 0).toISOString().startsWith(`${date}T`)
  if (Number.isNaN(atMs) || !isReal) return undefined
  return atMs + Number(`0${fraction}`) * 1000
}

function shown(text: string): string {
  return `'${text.length > 60 ? `${text.slice(0, 57)}…` : text}'`
}

/** The tier of each file: the first is the most urgent. */
export function tiersOf(files: number): Priority[] {
  return files === 1
    ? ['normal']
    : files === 2
      ? ['high', 'normal']
      : (['urgent', 'high', 'normal', 'low'].slice(0, files) as Priority[])
}

/**
 * All traces as one, by time, `speed` times as fast. Traces of the same period keep their times to each other; if any two
 * have no moment in common, each begins at zero.
 */
export function replay(traces: readonly Trace[], speed: number): Replayed[] {
  const tiers = tiersOf(traces.length)
  const spans = traces.map(({ rows }) => spanOf(rows))
  const isShared = Math.max(...spans.map(({ from }) => from)) <= Math.min(...spans.map(({ to }) => to))
  const earliest = Math.min(...spans.map(({ from }) => from))
  return traces
    .flatMap(({ rows }, index) => {
      const from = isShared ? earliest : (spans[index]?.from ?? earliest)
      return rows.map((row) => ({
        atMs: (row.atMs - from) / speed,
        priority: tiers[index] as Priority,
        serviceMs: MS_PER_CONTEXT_TOKEN * row.contextTokens + MS_PER_GENERATED_TOKEN * row.generatedTokens,
      }))
    })
    .sort((a, b) => a.atMs - b.atMs)
}

function spanOf(rows: readonly TraceRow[]): { from: number; to: number } {
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (const { atMs } of rows) {
    from = Math.min(from, atMs)
    to = Math.max(to, atMs)
  }
  return { from, to }
}

/** Turns what it took in production into bytes to compress here. */
export function scale(replayed: readonly Replayed[], bytesPerServiceMs: number): Arrival[] {
  return replayed.map(({ atMs, priority, serviceMs }) => ({
    atMs,
    priority,
    bytes: Math.max(MIN_BYTES, Math.round(serviceMs * bytesPerServiceMs)),
  }))
}

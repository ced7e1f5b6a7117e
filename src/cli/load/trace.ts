/**
 * What has come once, to come again: a trace as `{ t, tier }` lines, or a table with a column of times.
 */
import { isPlain } from '../../core/checks.ts'
import { isPriority } from '../../core/priority.ts'
import { usage } from '../fault.ts'
import { textIn } from '../file.ts'
import type { TraceEntry } from './schedule.ts'

/** @throws {Fault} */
export function readTrace(file: string): readonly TraceEntry[] {
  const lines = textIn(file, '--trace')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
  const entries = lines[0]?.startsWith('{') === true ? ofLines(lines, file) : ofTable(lines, file)
  if (entries.length > 0) return entries
  throw usage(`${file} has no requests in it`)
}

/** The trace of `recordTrace`: a header, and a line for each request; `t` is in ms. */
function ofLines(lines: readonly string[], file: string): TraceEntry[] {
  return lines.flatMap((line, i) => {
    let entry: unknown
    try {
      entry = JSON.parse(line)
    } catch {
      throw usage(`${file}, line ${i + 1}: it is not JSON`)
    }
    if (!isPlain(entry)) throw usage(`${file}, line ${i + 1}: expected { "t": …, "tier": … }`)
    // The header, and what was lost.
    if ('gap' in entry) return []
    if ('v' in entry && !('t' in entry)) {
      if (entry.v === 1) return []
      throw usage(`${file} is a trace of version ${entry.v}, and this version of triage-queue knows 1`)
    }
    const { t, tier } = entry
    if (typeof t !== 'number' || !Number.isFinite(t)) throw usage(`${file}, line ${i + 1}: expected a number as "t"`)
    return [{ at: t, priority: isPriority(tier) ? tier : undefined }]
  })
}

/** `TIMESTAMP,…`: a date, or ms; a column `PRIORITY` or `TIER`, if there is one. */
function ofTable(lines: readonly string[], file: string): TraceEntry[] {
  const [head = '', ...rows] = lines
  const names = head.split(',').map((name) => name.trim().toLowerCase())
  const time = names.findIndex((name) => name === 'timestamp' || name === 't' || name === 'time')
  const tier = names.findIndex((name) => name === 'priority' || name === 'tier')
  if (time < 0) throw usage(`${file}: expected a first line with the names of the columns, TIMESTAMP among them`)
  return rows.map((row, i) => {
    const cells = row.split(',')
    const text = (cells[time] ?? '').trim()
    // A date without a zone counts as UTC, so that no hour is twice in it.
    const at = /^[\d.]+$/.test(text)
      ? Number(text)
      : Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(' ', 'T')}Z`)
    if (Number.isNaN(at)) throw usage(`${file}, line ${i + 2}: ${JSON.stringify(text)} is no time`)
    const named = tier < 0 ? undefined : cells[tier]?.trim().toLowerCase()
    return { at, priority: isPriority(named) ? named : undefined }
  })
}

/**
 * What is promised? `'urgent.wait.p99 < 200ms'`, `'p99wait < 200ms'`, `'refused < 0.1%'`: a number that is measured or computed, and
 * its bound.
 */
import { isPriority, type Priority } from '../core/priority.ts'

/** A goal, read. Times are in ms, shares from 0 to 1. */
export interface Goal {
  readonly text: string
  /** Of this priority alone; undefined: of all requests. */
  readonly priority: Priority | undefined
  /** `'wait'`, `'latency'`, `'refused'` … */
  readonly of: string
  /** For times: `'p99'`, `'mean'`, `'max'`. Undefined: for shares and rates. */
  readonly statistic: string | undefined
  readonly isUpper: boolean
  readonly bound: number
}

const unitMs: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: 60_000, min: 60_000 }

const pattern =
  /^(?:(\w+)\.)?(?:(p\d{1,2}(?:\.\d+)?|mean|max)\.?(wait|latency|lag)|(wait|latency|lag)\.?(p\d{1,2}(?:\.\d+)?|mean|max)|(refused|failed|rate|done))(<=?|>=?)(\d+(?:\.\d+)?)(ms|s|min|m|%|\/s)?$/

/** @returns undefined for what is no goal */
export function readGoal(text: string): Goal | undefined {
  const found = pattern.exec(text.replaceAll(/\s+/g, ''))
  if (found === null) return undefined
  const [, named, stat1, time1, time2, stat2, share, relation = '', number, unit = ''] = found
  if (named !== undefined && !isPriority(named)) return undefined
  const of = time1 ?? time2 ?? (share as string)
  const statistic = stat1 ?? stat2
  const factor = statistic === undefined ? shareFactor(of, unit) : unitMs[unit]
  if (factor === undefined) return undefined
  return {
    text: text.trim(),
    priority: named,
    of,
    statistic,
    isUpper: relation.startsWith('<'),
    bound: Number(number) * factor,
  }
}

/** Shares in per cent; rates a second. */
function shareFactor(of: string, unit: string): number | undefined {
  if (of === 'rate') return unit === '/s' || unit === '' ? 1 : undefined
  return unit === '%' ? 0.01 : undefined
}

/** Does a value keep it? What was not measured keeps nothing. */
export function keeps({ isUpper, bound }: Goal, value: number | undefined): boolean {
  if (value === undefined || Number.isNaN(value)) return false
  return isUpper ? value <= bound : value >= bound
}

/** `'p99'` is 0.99. */
export function quantileOf(statistic: string): number {
  return Number(statistic.slice(1)) / 100
}

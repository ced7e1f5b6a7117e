/**
 * How is a number written? The same everywhere in the demo's output.
 */
import { quantile } from './tally.ts'

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

export function ms(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${count(Math.round(value))} ms`
}

/** A quantile of the answers; those that were given up came later than the deadline, whenever that would have been. */
export function latency(answerMs: readonly number[], q: number, deadlineMs: number): string {
  const value = quantile(answerMs, q)
  if (value === undefined) return '–'
  return value === Number.POSITIVE_INFINITY ? `> ${ms(deadlineMs)}` : ms(value)
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return '–'
  const share = (100 * part) / whole
  if (share === 0 || share === 100) return `${share} %`
  return `${Math.min(Math.max(share, 0.1), 99.9).toFixed(1)} %`
}

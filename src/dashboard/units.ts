/**
 * How is a number written? In tables in seconds with two decimals; in sentences with the unit that fits it; times in UTC.
 */

/** 1,204,881 */
export function count(n: number): string {
  return Math.round(n).toLocaleString('en-US')
}

/** Of a table: 27.60, 1,204.50. */
export function seconds(ms: number): string {
  return (ms / 1_000).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
}

/** Of the tiers' table, whose columns are narrow: 27.60; 1,204 from a thousand seconds on, 12 d from a million on. */
export function shortSeconds(ms: number): string {
  if (ms < 999_995) return seconds(ms)
  return ms < 999_999_500 ? count(ms / 1_000) : `${Math.floor(ms / 86_400_000)} d`
}

/** Where there is little room: 900, 9,999, 12.3K, 1.2M. */
export function shortCount(n: number): string {
  return n < 10_000 ? count(n) : n.toLocaleString('en-US', { notation: 'compact', maximumFractionDigits: 1 })
}

/** Of a table: a second, 31.2; none and very many without a decimal. */
export function rate(perSecond: number): string {
  if (perSecond >= 999_999.5) return shortCount(perSecond)
  // Something is not nothing.
  if (perSecond > 0 && perSecond < 0.05) return '<0.1'
  if (perSecond === 0 || perSecond >= 10_000) return count(perSecond)
  return perSecond.toLocaleString('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
}

/** Of a sentence: 31, 2.4, 0.3, <0.1. */
export function shortRate(perSecond: number): string {
  return perSecond >= 10 ? shortCount(perSecond) : rate(perSecond < 0.05 ? perSecond : Math.round(perSecond * 10) / 10)
}

/** Of a sentence: 420 ms, 2.3 s, 28 s, 1 min 12 s, 2 h 14 min. */
export function duration(ms: number): string {
  if (ms < 999.5) return ms < 10 && ms > 0 ? `${Math.max(ms, 0.1).toFixed(1)} ms` : `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  const all = Math.round(ms / 1_000)
  if (all < 60) return `${all} s`
  if (all < 3_600) return pair(Math.floor(all / 60), 'min', all % 60, 's')
  if (all < 172_800) return pair(Math.floor(all / 3_600), 'h', Math.floor((all % 3_600) / 60), 'min')
  return `${Math.floor(all / 86_400)} days`
}

/** Where there is little room: 420 ms, 2.3 s, 72 s, 20 min, 14 h, 7 d. */
export function shortTime(ms: number): string {
  if (ms < 9_950) return duration(ms)
  if (ms < 999_500) return `${Math.round(ms / 1_000)} s`
  if (ms < 6_000_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.floor(ms / 86_400_000)} d`
}

/** What `describe()` says, with its times as they stand elsewhere: `30 s` for `30000 ms`, where that is the same. */
export function withTimes(text: string): string {
  return text.replace(/\b(\d{4,}) ms\b/g, (all, digits: string) => {
    const ms = Number(digits)
    const unit = ms < 10_000 ? 100 : ms < 3_600_000 ? 1_000 : ms < 172_800_000 ? 60_000 : 86_400_000
    return ms % unit === 0 ? duration(ms) : all
  })
}

function pair(first: number, unit: string, second: number, smaller: string): string {
  return second === 0 ? `${first} ${unit}` : `${first} ${unit} ${second} ${smaller}`
}

/** 03:12:09 */
export function clockTime(at: number): string {
  return new Date(at).toISOString().slice(11, 19)
}

/** 03:08 */
export function clockMinute(at: number): string {
  return new Date(at).toISOString().slice(11, 16)
}

/** 03:12:08.937; with the day when that is not today's. */
export function preciseTime(iso: string, now: number): string {
  const time = iso.slice(11, 23)
  return iso.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? time : `${iso.slice(5, 10)} ${time}`
}

/** Cut in the middle, since ids often differ at their ends. */
export function middle(text: string, most: number): string {
  const chars = [...text]
  if (chars.length <= most) return text
  const head = Math.ceil((most - 1) / 2)
  return `${chars.slice(0, head).join('')}…${chars.slice(chars.length - (most - 1 - head)).join('')}`
}

/** A sentence, with what stands out in it. */
export type Words = readonly (string | { readonly strong: string })[]

export const strong = (text: string): { readonly strong: string } => ({ strong: text })

const rightToLeft = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/

/** A name in a sentence: one that is written from right to left, or says so, turns nothing around but itself. */
export function inSentence(name: string, most = 60): string {
  const short = middle(name, most)
  return rightToLeft.test(short) ? `\u2068${short}\u2069` : short
}

/** `1 waits`, `12 wait` */
export function waits(n: number): string {
  return n === 1 ? 'waits' : 'wait'
}

/** `1 slot`, `12 slots` */
export function many(n: number, one: string, more = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : more}`
}

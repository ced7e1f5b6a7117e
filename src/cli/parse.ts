/**
 * How is the text of an option read? Each reader says what it expects when the text is something else.
 */
import { isPriority, type Priority, priorities } from '../core/priority.ts'

/** Reads a text. @throws {Misread} */
export type Parse<T> = (text: string) => T

/** The text is not what it must be. */
export class Misread extends Error {
  readonly expected: string

  constructor(expected: string) {
    super(`expected ${expected}`)
    this.expected = expected
  }
}

export const text: Parse<string> = (given) => {
  if (given === '') throw new Misread('a text that is not empty')
  return given
}

export function integer(least: number, most = Number.MAX_SAFE_INTEGER): Parse<number> {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  return (given) => {
    const value = Number(given.replaceAll('_', ''))
    if (/^\d[\d_]*$/.test(given) && value >= least && value <= most) return value
    throw new Misread(`an integer ${range}`)
  }
}

/** A number above 0. */
export const positive: Parse<number> = (given) => {
  const value = Number(given.replaceAll('_', ''))
  if (given.trim() !== '' && value > 0 && Number.isFinite(value)) return value
  throw new Misread('a number greater than 0')
}

export const fromZero: Parse<number> = (given) => {
  const value = Number(given)
  if (given.trim() !== '' && value >= 0 && Number.isFinite(value)) return value
  throw new Misread('a number of at least 0')
}

export function choice<W extends string>(...words: readonly W[]): Parse<W> {
  return (given) => {
    if (words.includes(given as W)) return given as W
    throw new Misread(`one of ${words.join(', ')}`)
  }
}

const unitMs: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 }

/** A time, in ms: `'250ms'`, `'3.5s'`, `'2m'`. */
export const duration: Parse<number> = (given) => {
  const [, number, unit] = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|min|h)$/.exec(given.trim()) ?? []
  if (number !== undefined && unit !== undefined) return Number(number) * (unitMs[unit] as number)
  throw new Misread("a time with its unit: '250ms', '3.5s', '2m'")
}

/** What a timer can wait for: 2^31 - 1 ms. Beyond it Node would not wait at all. */
const MAX_WAIT_MS = 2_147_483_647

/** A time that is waited for. */
export const waitTime: Parse<number> = (given) => {
  const ms = duration(given)
  if (ms <= MAX_WAIT_MS) return ms
  throw new Misread('at most 596h')
}

/** One after which something is ended. */
export const timeLimit: Parse<number> = (given) => {
  const ms = waitTime(given)
  if (ms > 0) return ms
  throw new Misread('a time greater than 0')
}

/** The values of these are times. */
export const times: ReadonlySet<unknown> = new Set([duration, waitTime, timeLimit])

const unitBytes: { readonly [unit: string]: number } = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

/** A size, in bytes: `'512MB'`; 1 kB is 1,024 bytes. */
export const bytes: Parse<number> = (given) => {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(b|kb|mb|gb)$/.exec(given.trim().toLowerCase().replace('ib', 'b')) ?? []
  if (number !== undefined && unit !== undefined) return Number(number) * (unitBytes[unit] as number)
  throw new Misread("a size with its unit: '64kB', '512MB', '2GB'")
}

/** Shares of the priorities: `'urgent=5,normal=95'`. What is not named has none. */
export const mix: Parse<ReadonlyMap<Priority, number>> = (given) => {
  const shares = new Map<Priority, number>()
  for (const part of given.split(',')) {
    const [, name, share] = /^\s*(\w+)\s*[=:]\s*(\d+(?:\.\d+)?)\s*%?\s*$/.exec(part) ?? []
    if (!isPriority(name) || shares.has(name)) throw new Misread(mixExpected)
    if (Number(share) > 0) shares.set(name, Number(share))
  }
  if (shares.size === 0) throw new Misread(mixExpected)
  // In the order of the priorities, whatever was written.
  return new Map(priorities.filter((name) => shares.has(name)).map((name) => [name, shares.get(name) as number]))
}

const mixExpected = `shares of ${priorities.join(', ')}: 'urgent=5,normal=95'`

export const url: Parse<URL> = (given) => {
  const whole = /^https?:\/\//.test(given) ? given : `http://${given}`
  if (URL.canParse(whole)) return new URL(whole)
  throw new Misread("an address as 'http://127.0.0.1:8080'")
}

export const json: Parse<unknown> = (given) => {
  try {
    return JSON.parse(given) as unknown
  } catch {
    throw new Misread('JSON')
  }
}

export const names: Parse<readonly string[]> = (given) => {
  const all = given.split(',').map((name) => name.trim())
  if (all.every((name) => name !== '')) return all
  throw new Misread('names with commas between them')
}

/**
 * Is it what it must be? The checks that stations, the executor and the subpaths share.
 */
import { OptionsError } from './errors.ts'
import { priorities, tierOf } from './priority.ts'

/** Any of some words, as a message says it. */
export function wordList(words: readonly string[]): string {
  return `one of ${words.map((word) => `'${word}'`).join(', ')}`
}

export function isCount(value: unknown, least: number): value is number {
  return Number.isInteger(value) && (value as number) >= least
}

/** What one option must be. */
export interface OptionRule {
  readonly expected: string
  fits(value: unknown): boolean
}

export const aFunction: OptionRule = { expected: 'a function', fits: (value) => typeof value === 'function' }

/** A number that `fits`, NaN never. */
export function numberThat(expected: string, fits: (value: number) => boolean): OptionRule {
  return { expected, fits: (value) => typeof value === 'number' && fits(value) }
}

/** The error for an option that does not exist. */
export function unknownOption(path: string, known: readonly string[], value: unknown): OptionsError {
  return new OptionsError(path, `left out, since there is no such option (there are ${known.join(', ')})`, value)
}

/** @throws {OptionsError} unless they are an object, and none of them is unknown */
export function requireOptions(owner: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionsError(owner, 'an object', options)
  }
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) throw unknownOption(`${owner}.${name}`, known, value)
  }
}

/** @throws {OptionsError} for what is none of the four priorities */
export function requireTier(priority: unknown): number {
  const tier = tierOf(priority)
  if (tier < 0) throw new OptionsError('priority', wordList(priorities), priority)
  return tier
}

/** @throws {OptionsError} unless it is an integer of at least 1 */
export function requireConcurrency(concurrency: unknown): number {
  if (isCount(concurrency, 1)) return concurrency
  throw new OptionsError('concurrency', 'an integer of at least 1', concurrency)
}

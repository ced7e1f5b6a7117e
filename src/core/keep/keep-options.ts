/**
 * How much of what has ended is kept? What may be chosen, for every store alike.
 */
import { isCount, numberThat, type OptionRule } from '../checks.ts'
import { OptionsError } from '../errors.ts'

/** How much of what has ended is kept, of each queue. */
export interface KeepOptions {
  /** How many records; of more, the oldest are dropped. Infinity: no bound. */
  readonly count?: number | undefined
  /** For how long, in ms since the end. Infinity: no bound. */
  readonly ageMs?: number | undefined
}

/** `completed` is for all but dead letters: what has expired, was cancelled or shed as well. */
export interface KeepChoice {
  readonly completed?: KeepOptions | undefined
  readonly dead?: KeepOptions | undefined
}

/** With nothing left out. */
export interface Keep {
  readonly count: number
  readonly ageMs: number
}

const DAY_MS = 24 * 60 * 60_000

const rulesOfOne: OptionRule = {
  expected: "an object with 'count' and 'ageMs'",
  fits: () => false,
  parts: {
    count: /* @__PURE__ */ numberThat(
      'an integer of at least 0, or Infinity',
      (value) => value === Infinity || isCount(value, 0),
    ),
    ageMs: /* @__PURE__ */ numberThat('a number of ms of at least 0, or Infinity', (value) => value >= 0),
  },
}

/** What the option `keep` must be. */
export const keepRule: OptionRule = {
  expected: "an object with 'completed' and 'dead'",
  fits: () => false,
  parts: { completed: rulesOfOne, dead: rulesOfOne },
}

/** What was not chosen is 10,000 records of each, for a day and for thirty. */
export function wholeKeep({ completed, dead }: KeepChoice = {}): { readonly completed: Keep; readonly dead: Keep } {
  return { completed: keepOf(completed, DAY_MS), dead: keepOf(dead, 30 * DAY_MS) }
}

function keepOf({ count = 10_000, ageMs }: KeepOptions = {}, defaultMs: number): Keep {
  return { count, ageMs: ageMs ?? defaultMs }
}

/**
 * What an executor asks its store for: a part of its own.
 * @param taken those that others have
 * @throws {OptionsError}
 */
export function requireFree(name: string, maxAttempts: number, taken: { has(name: string): boolean }): void {
  if (!isCount(maxAttempts, 1)) throw new OptionsError('maxAttempts', 'an integer of at least 1', maxAttempts)
  if (taken.has(name)) {
    throw new OptionsError('name', 'another one than that of each other executor of the store', name)
  }
}

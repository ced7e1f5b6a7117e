/**
 * Is it what it must be? The checks that stations, the executor and the subpaths share.
 */
import { misfitMessage, OptionsError } from './errors.ts'
import { priorities, tierOf } from './priority.ts'
import { type Elsewhere, unknownOption } from './unknown-option.ts'

/** Any of some words, as a message says it. */
export function wordList(words: readonly string[]): string {
  return `one of ${words.map((word) => `'${word}'`).join(', ')}`
}

export function isCount(value: unknown, least: number): value is number {
  return Number.isInteger(value) && (value as number) >= least
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isFunction<T>(value: T): value is T & ((...args: never[]) => unknown) {
  return typeof value === 'function'
}

/** Whatever has them will do: an object, also one that can be called. */
export function hasMethods(value: unknown, ...names: string[]): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return names.every((name) => isFunction((value as Record<string, unknown>)[name]))
}

/** What one option must be. */
export interface OptionRule {
  readonly expected: string
  fits(value: unknown): boolean
  /** What is said besides of a value that does not fit, when it is a known mistake. */
  hint?(value: unknown): string | undefined
  /** It may also be an object with these. */
  readonly parts?: { readonly [part: string]: OptionRule }
}

export const aFunction: OptionRule = { expected: 'a function', fits: isFunction }

export const yesOrNo: OptionRule = { expected: 'a boolean', fits: (value) => typeof value === 'boolean' }

export function oneOf(...words: readonly string[]): OptionRule {
  return { expected: wordList(words), fits: (value) => words.includes(value as string) }
}

/**
 * A number that `fits`, NaN never. Where a module calls it as it loads, it calls it `@__PURE__`: then a bundler drops the
 * rules of a policy that is not imported. For the same reason rules have no spreads and no template literals.
 */
export function numberThat(expected: string, fits: (value: number) => boolean): OptionRule {
  return { expected, fits: (value) => typeof value === 'number' && fits(value) }
}

export const msFromZero = /* @__PURE__ */ numberThat(
  'a finite number of ms of at least 0',
  (value) => value >= 0 && Number.isFinite(value),
)

/**
 * Options that are what they must be, each read once, own or inherited: what was checked is what is used, whatever a getter
 * answers the next time. What is set to undefined is not set. Arrays are copied.
 * @param owner stands in front of each name (`'codel.targetMs'`), if there is one
 * @throws {OptionsError} that names the option, what it must be, and what it is
 */
export function readGiven<O extends object>(
  owner: string,
  options: unknown,
  rules: { readonly [K in keyof O]-?: OptionRule },
  elsewhere?: Elsewhere,
): Given<O> {
  const known = Object.keys(rules)
  requireOptions(owner, options, known, elsewhere)
  const read: Record<string, unknown> = {}
  for (const name of known) {
    const rule = rules[name as keyof O]
    const { fits, parts } = rule
    const given = (options as Record<string, unknown>)[name]
    if (given === undefined) continue
    const value = Array.isArray(given) ? [...given] : given
    if (parts !== undefined && isPlain(value)) read[name] = readGiven(pathOf(owner, name), value, parts)
    else if (fits(value)) read[name] = value
    else throw misfit(pathOf(owner, name), rule, given)
  }
  return read as Given<O>
}

/** The error for an option that is not what it must be; a known mistake has a sentence of its own. */
export function misfit(path: string, rule: OptionRule, value: unknown): OptionsError {
  const hint = rule.hint === undefined ? undefined : rule.hint(value)
  if (hint === undefined) return new OptionsError(path, rule.expected, value)
  return new OptionsError(
    path,
    rule.expected,
    value,
    undefined,
    `${misfitMessage(path, rule.expected, value)}; ${hint}`,
  )
}

function pathOf(owner: string, name: string): string {
  return owner === '' ? name : `${owner}.${name}`
}

/** @throws {OptionsError} unless they are an object, and none of them is unknown */
export function requireOptions(owner: string, options: unknown, known: readonly string[], elsewhere?: Elsewhere): void {
  if (!isPlain(options)) throw new OptionsError(owner || 'options', 'an object', options)
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw unknownOption(pathOf(owner, name), known, options[name], elsewhere)
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

/** Options as they were given: what was set to undefined is not there. */
export type Given<O> = { [K in keyof O]: Exclude<O[K], undefined> }

/** Options with nothing left out. */
export type Complete<O> = { readonly [K in keyof O]-?: Exclude<O[K], undefined> }

/** May it be a promise? What its own getter throws is thrown. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}

/** A promise that nobody asked for, and that nobody will look at: its rejection is not left unhandled. */
export function hush(value: unknown): void {
  try {
    if (isThenable(value)) value.then(undefined, () => {})
  } catch {
    // It is no promise, then.
  }
}

/**
 * Yes or no, as JavaScript takes it; but no promise.
 * @throws {OptionsError} for a function that is asynchronous by mistake: its promise would always be a yes
 */
export function isYes(path: string, answer: unknown): boolean {
  if (isThenable(answer)) throw noAnswer(path, 'a function that returns true or false', answer)
  return Boolean(answer)
}

/**
 * A number from 0 to 1; `otherwise` for another one.
 * @throws {OptionsError} for what is no number, such as a promise
 */
export function shareOf(path: string, random: () => number, otherwise: number): number {
  const share: unknown = random()
  if (typeof share !== 'number') throw noAnswer(path, 'a function that returns a number', share)
  return share >= 0 && share <= 1 ? share : otherwise
}

/**
 * The error for what a function of the user has answered, and is no answer: such as the promise of a function that is
 * asynchronous by mistake.
 */
export function noAnswer(path: string, expected: string, answer: unknown): OptionsError {
  hush(answer)
  return new OptionsError(path, expected, answer)
}

/** Of a signal that throws when it is asked nothing is known. */
export function isAborted(signal: AbortSignal): boolean {
  try {
    return signal.aborted
  } catch {
    return false
  }
}

/** Has a signal that was aborted said this? One that throws when it is asked has said nothing. */
export function isReasonOf(signal: AbortSignal | undefined, error: unknown): boolean {
  try {
    return signal !== undefined && isAborted(signal) && signal.reason === error
  } catch {
    return false
  }
}

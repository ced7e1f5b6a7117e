/**
 * What may a guard be told? How each of them looks at its own options: once, when it is made. Step 2 of 7.
 */
import { numberThat, type OptionRule, unknownOption } from '../checks.ts'
import { OptionsError } from '../errors.ts'

export const positiveMs = numberThat(
  'a finite number of ms greater than 0',
  (value) => value > 0 && Number.isFinite(value),
)

export const fromZero = numberThat('a finite number of at least 0', (value) => value >= 0 && Number.isFinite(value))

export const msFromZero = numberThat(
  'a finite number of ms of at least 0',
  (value) => value >= 0 && Number.isFinite(value),
)

/**
 * Options that are what they must be. What is set to undefined is not set.
 * @throws {OptionsError} that names the option (`'codel.targetMs'`), what it must be, and what it is
 */
export function readGuardOptions<O extends object>(
  guard: string,
  options: unknown,
  rules: { readonly [K in keyof O]-?: OptionRule },
): O {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionsError(guard, 'an object', options)
  }
  const read: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof O] : undefined
    if (rule === undefined) throw unknownOption(`${guard}.${name}`, Object.keys(rules), value)
    if (value === undefined) continue
    if (!rule.fits(value)) throw new OptionsError(`${guard}.${name}`, rule.expected, value)
    read[name] = value
  }
  return read as O
}

/** A number as an explanation shows it. */
export function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

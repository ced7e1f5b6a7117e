/**
 * A number given on the command line; undefined when it was not given.
 * @throws {Error} that names the flag
 */
export function wholeNumber(flag: string, value: string | undefined, least: number): number | undefined {
  if (value === undefined) return undefined
  const read = Number(value)
  if (!Number.isSafeInteger(read) || read < least) throw new Error(`--${flag} must be an integer of at least ${least}`)
  return read
}

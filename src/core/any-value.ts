/**
 * Any value in words, for a message. It may be a value of the user, whose getters throw.
 */

/** The stack of an error, or what there is instead, whatever its own getters do. */
export function stackOf(error: unknown): string {
  try {
    if (error instanceof Error && typeof error.stack === 'string') return error.stack
  } catch {
    // A hostile one: its description must do.
  }
  return describe(error)
}

/** Shows any value in a message, in one short line, whatever its own methods do. */
export function describe(value: unknown): string {
  try {
    if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}…` : value}'`
    if (typeof value === 'function') return 'a function'
    if (value instanceof Error) return `${value.name}: ${value.message}`
    if (typeof value === 'object') {
      const text = JSON.stringify(value)
      return text.length > 60 ? `${text.slice(0, 57)}…` : text
    }
    return String(value)
  } catch {
    return `a value of type ${typeof value}`
  }
}

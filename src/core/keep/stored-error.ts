/**
 * An error as it is kept: its name, code, message and stack, each bounded, whatever its getters do.
 */
import { describe } from '../any-value.ts'
import type { StoredError } from '../store.ts'

const MAX_WORD = 200
const MAX_MESSAGE = 2_000
const MAX_STACK = 8_000

export function storedError(error: unknown): StoredError {
  try {
    if (!(error instanceof Error)) return { name: typeof error, message: describe(error) }
    const { code, stack } = error as { code?: unknown; stack?: unknown }
    return {
      name: String(error.name).slice(0, MAX_WORD),
      ...(typeof code === 'string' || typeof code === 'number' ? { code: String(code).slice(0, MAX_WORD) } : {}),
      message: String(error.message).slice(0, MAX_MESSAGE),
      ...(typeof stack === 'string' ? { stack: stack.slice(0, MAX_STACK) } : {}),
    }
  } catch {
    return { name: 'Error', message: 'an error that does not want to be looked at' }
  }
}

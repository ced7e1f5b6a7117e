/**
 * What went wrong, in the words of the conventions? Anything can be thrown, with getters that throw themselves; a watcher
 * must survive it.
 */
import { describe } from '../core/any-value.ts'
import { isTriageError } from '../index.ts'

/** An error as a span shows it. */
export interface Fault {
  /** `error.type`: the stable `code`, if it has one, else the name of its class; of few different values. */
  readonly type: string
  readonly message: string
  readonly stack: string | undefined
  /** It is the queue's own, not the executor's, and not the reason of a signal. */
  readonly isOurs: boolean
  readonly retryAfterMs: number | undefined
}

/** What the conventions say for an error that has no type. */
const OTHER = '_OTHER'

export function faultOf(error: unknown): Fault {
  try {
    if (typeof error === 'object' && error !== null) {
      const { code, name, message, stack } = error as Record<string, unknown>
      return {
        type: text(code) ?? text(name) ?? OTHER,
        message: text(message) ?? describe(error),
        stack: text(stack),
        isOurs: isTriageError(error),
        retryAfterMs: isTriageError(error) ? error.retryAfterMs : undefined,
      }
    }
  } catch {
    // A hostile one: its description must do.
  }
  return { type: OTHER, message: describe(error), stack: undefined, isOurs: false, retryAfterMs: undefined }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/**
 * How does this logger want to be called? pino takes `(fields, message)`, a console `(message, fields)`.
 *
 * The rule, applied once: a logger that has both `child()` and `fatal()`, and no `transports`, is pino-shaped (pino, bunyan,
 * Fastify's); any other is console-shaped (a console, loglevel, winston, which may have a level `fatal`). The option `shape` overrides it. Nothing is guessed at a call.
 */
import { OptionsError } from '../core/errors.ts'

/** Which argument goes first: the fields (`'pino'`) or the message (`'console'`). */
export type LogShape = 'pino' | 'console'

/** The logger's method for a line; `'off'` writes none. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'off'

export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'off']

/** Any function: the shape says how it is called. */
type Method = (...args: never[]) => unknown

/** A logger of either shape. It must have the method of every level that is in use. */
export interface Logger {
  readonly error: Method
  readonly warn: Method
  readonly info: Method
}

/** What a line says, beside its message. */
export type Fields = Record<string, unknown>

/** Writes a line, and hands on what the logger returned: it may be a promise. */
export type Write = (level: LogLevel, fields: Fields, message: string) => unknown

type Methods = Record<string, (...args: unknown[]) => unknown>

/** @throws {OptionsError} unless it has the methods of all these levels */
export function requireLogger(logger: unknown, levels: Iterable<LogLevel>): void {
  const wanted = [...new Set(levels)].filter((level) => level !== 'off')
  const isObject = (typeof logger === 'object' && logger !== null) || typeof logger === 'function'
  const missing = wanted.filter((level) => !isObject || typeof (logger as Methods)[level] !== 'function')
  if (isObject && missing.length === 0) return
  const methods = missing.map((level) => `${level}()`).join(', ')
  throw new OptionsError('logger', methods === '' ? 'a logger' : `a logger that has ${methods}`, logger)
}

export function shapeOf(logger: Logger): LogShape {
  const { child, fatal } = logger as unknown as Methods
  const hasBoth = typeof child === 'function' && typeof fatal === 'function'
  return hasBoth && !('transports' in logger) ? 'pino' : 'console'
}

export function writeTo(logger: Logger, shape: LogShape): Write {
  const methods = logger as unknown as Methods
  // The method is looked up for each line: pino exchanges its methods when its level is changed.
  return shape === 'pino'
    ? (level, fields, message) => methods[level]?.(fields, message)
    : (level, fields, message) => methods[level]?.(message, fields)
}

/**
 * What may be chosen about the log, and what is wrong with it?
 */
import { isCount, unknownOption, wordList } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import { type LogEvent, lines, logEvents } from './lines.ts'
import { type Logger, type LogLevel, type LogShape, logLevels, requireLogger, shapeOf } from './logger.ts'

export interface LogOptions {
  /**
   * The order of a logger's arguments: `'pino'` for `(fields, message)`, `'console'` for `(message, fields)`.
   * @default 'pino' for a logger that has both child() and fatal(), else 'console'
   */
  readonly shape?: LogShape
  /**
   * The logger's method for each event; `'off'` writes no line and costs nothing.
   * @default failed and stuck 'error'; rejected, expired, shed and full 'warn'; resized and closed 'info'; cancelled, completed and retrying 'off'
   */
  readonly levels?: { readonly [E in LogEvent]?: LogLevel }
  /**
   * How many lines of one kind (an event; for refusals, an event and a reason) may be written in a second. What is
   * beyond is counted, and the next line of its kind says how many: `suppressed`. Greater than 0; Infinity: no limit.
   * @default 10
   */
  readonly perSecond?: number
  /**
   * How many lines of one kind may come at once, after a quiet while: an integer of at least 1.
   * @default 20
   */
  readonly burst?: number
  /**
   * What a line shows of a request and its metadata, as the field `payload`; undefined shows nothing. Without it, neither
   * is ever logged.
   */
  readonly redact?: (about: Redactable, event: LogEvent) => unknown
}

/** What only a redactor may see. */
export interface Redactable {
  readonly request: unknown
  readonly metadata: unknown
}

export interface LogSettings {
  readonly shape: LogShape
  readonly levels: Readonly<Record<LogEvent, LogLevel>>
  readonly perSecond: number
  readonly burst: number
  readonly redact: LogOptions['redact']
}

const known: readonly (keyof LogOptions)[] = ['shape', 'levels', 'perSecond', 'burst', 'redact']

/** @throws {OptionsError} that names the option, what it must be, and what it is */
export function readLogOptions(logger: Logger, options: LogOptions = {}): LogSettings {
  requireObject('options', options, known)
  const { shape, levels: given = {}, perSecond = 10, burst = 20, redact } = options
  requireObject('levels', given, logEvents)
  const levels = Object.fromEntries(logEvents.map((event) => [event, given[event] ?? lines[event].level]))
  for (const [event, level] of Object.entries(levels)) {
    if (!logLevels.includes(level)) throw new OptionsError(`levels.${event}`, wordList(logLevels), level)
  }
  requireLogger(logger, Object.values(levels))
  if (shape !== undefined && shape !== 'pino' && shape !== 'console') {
    throw new OptionsError('shape', wordList(['pino', 'console']), shape)
  }
  if (!(typeof perSecond === 'number' && perSecond > 0)) {
    throw new OptionsError('perSecond', 'a number greater than 0, or Infinity', perSecond)
  }
  if (!isCount(burst, 1)) throw new OptionsError('burst', 'an integer of at least 1', burst)
  if (redact !== undefined && typeof redact !== 'function') throw new OptionsError('redact', 'a function', redact)
  return { shape: shape ?? shapeOf(logger), levels: levels as LogSettings['levels'], perSecond, burst, redact }
}

function requireObject(path: string, value: unknown, names: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OptionsError(path, 'an object', value)
  }
  for (const [name, each] of Object.entries(value)) {
    if (names.includes(name)) continue
    throw unknownOption(path === 'options' ? name : `${path}.${name}`, names, each)
  }
}

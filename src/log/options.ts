/**
 * What may be chosen about the log, and what is wrong with it?
 */
import { aFunction, isCount, numberThat, type OptionRule, oneOf, readGiven } from '../core/checks.ts'
import { type LogEvent, lines, logEvents } from './lines.ts'
import { type Logger, type LogLevel, type LogShape, logLevels, requireLogger, shapeOf } from './logger.ts'

export interface LogOptions {
  /**
   * The order of a logger's arguments: `'pino'` for `(fields, message)`, `'console'` for `(message, fields)`.
   * @default 'pino' for a logger that has both child() and fatal(), and no transports (as winston has); else 'console'
   */
  readonly shape?: LogShape | undefined
  /**
   * The logger's method for each event; `'off'` writes no line and costs nothing. That of `store` is for a store that is faulty;
   * that it is open again, or was closed, is said at the level info.
   * @default failed, stuck, selfWaiting, store and unrecorded 'error'; rejected, expired, shed and full 'warn'; resized and closed
   * 'info'; cancelled, completed, retrying and parked 'off'
   */
  readonly levels?: { readonly [E in LogEvent]?: LogLevel | undefined } | undefined
  /**
   * How many lines of one kind (an event; for refusals, an event and a reason) may be written in a second. What is
   * beyond is counted, and the next line of its kind says how many: `suppressed`. Greater than 0; Infinity: no limit.
   * @default 10
   */
  readonly perSecond?: number | undefined
  /**
   * How many lines of one kind may come at once, after a quiet while: an integer of at least 1.
   * @default 20
   */
  readonly burst?: number | undefined
  /**
   * What a line shows of a request and its metadata, as the field `payload`; undefined shows nothing. Without it, neither
   * is ever logged.
   */
  readonly redact?: ((about: Redactable, event: LogEvent) => unknown) | undefined
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

const level = oneOf(...logLevels)

const rules: { readonly [K in keyof LogOptions]-?: OptionRule } = {
  shape: oneOf('pino', 'console'),
  levels: {
    expected: 'an object',
    fits: () => false,
    parts: Object.fromEntries(logEvents.map((event) => [event, level])),
  },
  perSecond: numberThat('a number greater than 0, or Infinity', (value) => value > 0),
  burst: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  redact: aFunction,
}

/** @throws {OptionsError} that names the option, what it must be, and what it is */
export function readLogOptions(logger: Logger, options: LogOptions = {}): LogSettings {
  const { shape, levels: given = {}, perSecond = 10, burst = 20, redact } = readGiven<LogOptions>('', options, rules)
  const levels = Object.fromEntries(logEvents.map((event) => [event, given[event] ?? lines[event].level]))
  requireLogger(logger, [...Object.values(levels), levels.store === 'off' ? 'off' : 'info'])
  return { shape: shape ?? shapeOf(logger), levels: levels as LogSettings['levels'], perSecond, burst, redact }
}

/**
 * What may be chosen about the view, and what is wrong with it?
 */

import { unknownOption } from '../core/checks.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { OptionsError } from '../core/errors.ts'

/** What the view needs of a stream: `process.stdout` and `process.stderr` have it, and so has any writable stream. */
export interface WatchStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly writableNeedDrain?: boolean | undefined
  readonly destroyed?: boolean | undefined
  hasColors?(): boolean
  on?(event: 'error', listener: () => void): unknown
  off?(event: 'error', listener: () => void): unknown
}

export interface WatchOptions {
  /**
   * Where it is shown: a live view if it is a TTY and TERM is not 'dumb', else plain lines.
   * @default process.stdout
   */
  readonly stream?: WatchStream
  /**
   * How often the live view is drawn, in ms; it is written only when something has changed.
   * @default 250
   */
  readonly intervalMs?: number
  /**
   * How often there is a plain line, in ms, if something has changed.
   * @default 5_000
   */
  readonly plainIntervalMs?: number
  /**
   * Whether the live view has colours.
   * @default what the stream says of itself; never when NO_COLOR is set and not empty
   */
  readonly colors?: boolean
  /**
   * The source of time for the timer and the rates.
   * @default systemClock
   */
  readonly clock?: Clock
}

export interface WatchSettings {
  readonly stream: WatchStream
  readonly isLive: boolean
  readonly intervalMs: number
  readonly colors: boolean
  readonly clock: Clock
}

const known: readonly (keyof WatchOptions)[] = ['stream', 'intervalMs', 'plainIntervalMs', 'colors', 'clock']

/** The longest delay of Node's timers. */
const MAX_INTERVAL_MS = 2 ** 31 - 1

/** @throws {OptionsError} that names the option, what it must be, and what it is */
export function readWatchOptions(options: WatchOptions = {}): WatchSettings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionsError('options', 'an object', options)
  }
  for (const [name, value] of Object.entries(options)) {
    if ((known as readonly string[]).includes(name)) continue
    throw unknownOption(name, known, value)
  }
  const { stream = process.stdout, intervalMs = 250, plainIntervalMs = 5_000, colors, clock = systemClock } = options
  requireMethods('stream', 'a writable stream', stream, 'write')
  requireMethods('clock', 'a clock with now, setTimeout and clearTimeout', clock, 'now', 'setTimeout', 'clearTimeout')
  requireInterval('intervalMs', intervalMs)
  requireInterval('plainIntervalMs', plainIntervalMs)
  if (colors !== undefined && typeof colors !== 'boolean') throw new OptionsError('colors', 'a boolean', colors)
  const isLive = stream.isTTY === true && process.env.TERM !== 'dumb'
  return {
    stream,
    isLive,
    intervalMs: isLive ? intervalMs : plainIntervalMs,
    colors: colors ?? hasColors(stream),
    clock,
  }
}

/** @throws {OptionsError} */
export function requireMethods(path: string, expected: string, value: unknown, ...names: string[]): void {
  const has = (name: string): boolean => typeof (value as Record<string, unknown>)[name] === 'function'
  if (typeof value !== 'object' || value === null || !names.every(has)) throw new OptionsError(path, expected, value)
}

function requireInterval(path: string, ms: unknown): void {
  if (typeof ms === 'number' && ms >= 1 && ms <= MAX_INTERVAL_MS) return
  throw new OptionsError(path, `a number of ms from 1 to ${MAX_INTERVAL_MS}`, ms)
}

/** @see https://no-color.org */
function hasColors(stream: WatchStream): boolean {
  return (process.env.NO_COLOR ?? '') === '' && (stream.hasColors?.() ?? true)
}

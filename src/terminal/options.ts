/**
 * What may be chosen about the view, and what is wrong with it?
 */

import { hasMethods, numberThat, type OptionRule, readGiven, yesOrNo } from '../core/checks.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { environment } from '../core/environment.ts'

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
  readonly stream?: WatchStream | undefined
  /**
   * How often the live view is drawn, in ms; it is written only when something has changed.
   * @default 250
   */
  readonly intervalMs?: number | undefined
  /**
   * How often there is a plain line, in ms, if something has changed.
   * @default 5_000
   */
  readonly plainIntervalMs?: number | undefined
  /**
   * Whether the live view has colours.
   * @default what the stream says of itself; never when NO_COLOR is set and not empty
   */
  readonly colors?: boolean | undefined
  /**
   * The source of time for the timer and the rates.
   * @default systemClock
   */
  readonly clock?: Clock | undefined
}

export interface WatchSettings {
  readonly stream: WatchStream
  readonly isLive: boolean
  readonly intervalMs: number
  readonly colors: boolean
  readonly clock: Clock
}

/** The longest delay of Node's timers. */
const MAX_INTERVAL_MS = 2 ** 31 - 1

const interval = numberThat(
  `a number of ms from 1 to ${MAX_INTERVAL_MS}`,
  (value) => value >= 1 && value <= MAX_INTERVAL_MS,
)

const rules: { readonly [K in keyof WatchOptions]-?: OptionRule } = {
  stream: { expected: 'a writable stream', fits: (value) => hasMethods(value, 'write') },
  intervalMs: interval,
  plainIntervalMs: interval,
  colors: yesOrNo,
  clock: {
    expected: 'a clock with now, setTimeout and clearTimeout',
    fits: (value) => hasMethods(value, 'now', 'setTimeout', 'clearTimeout'),
  },
}

/** @throws {OptionsError} that names the option, what it must be, and what it is */
export function readWatchOptions(options: WatchOptions = {}): WatchSettings {
  const given = readGiven<WatchOptions>('', options, rules)
  const { stream = process.stdout, intervalMs = 250, plainIntervalMs = 5_000, clock = systemClock } = given
  const isLive = stream.isTTY === true && environment('TERM') !== 'dumb'
  return {
    stream,
    isLive,
    intervalMs: isLive ? intervalMs : plainIntervalMs,
    colors: given.colors ?? hasColors(stream),
    clock,
  }
}

/** @see https://no-color.org */
function hasColors(stream: WatchStream): boolean {
  return (environment('NO_COLOR') ?? '') === '' && (stream.hasColors?.() ?? true)
}

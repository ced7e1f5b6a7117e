/**
 * How shall it be traced? Options and what they may be: looked at once, when an executor is attached.
 */

import type { Attributes, Meter, MeterProvider, Tracer, TracerProvider } from '@opentelemetry/api'
import { hasMethods, isPlain, type OptionRule, readGiven, yesOrNo } from '../core/checks.ts'
import { type Clock, OptionsError, systemClock } from '../index.ts'
import type { Watched } from './watched.ts'

export interface OtelOptions {
  /**
   * Makes the spans; false: no spans.
   * @default the tracer `triage-queue` of `tracerProvider`
   */
  tracer?: Tracer | false | undefined
  /** @default the global one, which may also be registered later */
  tracerProvider?: TracerProvider | undefined
  /**
   * Makes the instruments; false: no metrics.
   * @default the meter `triage-queue` of `meterProvider`
   */
  meter?: Meter | false | undefined
  /** @default the global one, which must have been registered before */
  meterProvider?: MeterProvider | undefined
  /**
   * Whether the histograms `triage.queue.wait_time` and `triage.run_time` are recorded. Unlike all other instruments,
   * which cost nothing until they are collected, these cost two measurements for each request.
   * @default true when a `meter` or a `meterProvider` is given
   */
  histograms?: boolean | undefined
  /** Added to each request's span and to each measurement. Few values: each combination is a time series. */
  attributes?: Attributes | undefined
  /**
   * The clock of the executor, if it was given one. With a clock that does not run with real time, spans begin at the
   * real time of the attachment, and from there on are as long and as far apart as on that clock.
   * @default systemClock
   */
  clock?: Clock | undefined
}

const rules: { readonly [K in keyof OtelOptions]-?: OptionRule } = {
  tracer: { expected: 'a Tracer, or false', fits: (value) => value === false || hasMethods(value, 'startSpan') },
  tracerProvider: { expected: 'a TracerProvider', fits: (value) => hasMethods(value, 'getTracer') },
  meter: {
    expected: 'a Meter, or false',
    fits: (value) => value === false || hasMethods(value, 'createHistogram', 'addBatchObservableCallback'),
  },
  meterProvider: { expected: 'a MeterProvider', fits: (value) => hasMethods(value, 'getMeter') },
  histograms: yesOrNo,
  attributes: {
    expected: 'an object of strings, numbers, booleans, or arrays of these',
    fits: (value) => isPlain(value) && Object.values(value).every(isAttribute),
  },
  clock: { expected: 'a clock with now', fits: (value) => hasMethods(value, 'now') },
}

/**
 * The options as they are, but checked, and with a clock. What is set to undefined is not set.
 * @throws {OptionsError} that names the option, what it must be, and what it is
 */
export function readOptions(options: OtelOptions = {}): OtelOptions & { readonly clock: Clock } {
  const given = readGiven<OtelOptions>('', options, rules)
  return { ...given, clock: given.clock ?? systemClock }
}

/** @throws {OptionsError} for what is no executor */
export function requireWatched(executor: Watched): Watched {
  if (hasMethods(executor, 'on', 'off', 'get', 'getStatus')) return executor
  throw new OptionsError('executor', 'a QueuedExecutor', executor)
}

function isAttribute(value: unknown): boolean {
  return value === undefined || isScalar(value) || (Array.isArray(value) && value.every(isScalar))
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

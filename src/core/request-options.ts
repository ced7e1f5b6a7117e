/**
 * What one call asks for: a request, or a close. It is read at each call, so there is no table as in `settings.ts`.
 */
import {
  type Complete,
  hasMethods,
  isCount,
  misfit,
  msFromZero,
  type OptionRule,
  requireOptions,
  requireTier,
} from './checks.ts'
import type { CloseOptions } from './close-options.ts'
import { OptionsError } from './errors.ts'
import type { RequestOptions } from './options.ts'
import type { RequestRecord } from './request-record.ts'
import { duplicateRule, executorOptions, isTimeout, requestOptions, timeout } from './settings.ts'

/**
 * Takes over what one request asks for; the object is not kept, and may be changed afterwards.
 * @throws {OptionsError}
 */
export function readRequestOptions(options: RequestOptions, record: RequestRecord): void {
  if (typeof options !== 'object' || options === null) throw new OptionsError('options', 'an object', options)
  // Each is read once: a getter may answer differently the second time.
  const { priority } = options
  if (priority !== undefined && keysOf(options) === 1) {
    record.tier = requireTier(priority)
    return
  }
  const { id, signal, waitTimeoutMs, runTimeoutMs, timeoutMs, metadata, delayMs, startAt, after, cost } = options
  const { onDuplicate, deadline, kind } = options
  // How many of them are given: where the object has no more keys, none is unknown, and no name need be looked up.
  let given = 0
  if (priority !== undefined) {
    given++
    record.tier = requireTier(priority)
  }
  if (id !== undefined) {
    given++
    if (typeof id !== 'string' || id === '') throw new OptionsError('id', 'a string that is not empty', id)
    const extras = record.more()
    extras.id = id
    extras.ownId = true
  }
  if (signal !== undefined) {
    given++
    if (!isSignal(signal)) throw misfit('signal', aSignal, signal)
    record.more().signal = signal
  }
  if (kind !== undefined) {
    given++
    if (typeof kind !== 'string') throw new OptionsError('kind', 'a string', kind)
    record.later().kind = kind
  }
  if (metadata !== undefined) {
    given++
    record.more().metadata = metadata
  }
  if (cost !== undefined) {
    given++
    if (!isCount(cost, 1)) throw new OptionsError('cost', 'an integer of at least 1', cost)
    if (cost > 1) record.more().cost = cost
  }
  if (delayMs !== undefined || startAt !== undefined) {
    given += delayMs === undefined || startAt === undefined ? 1 : 2
    record.later().startAt = startOf(record, delayMs, startAt)
  }
  if (deadline !== undefined) {
    given++
    const ms = remainingMs(deadline)
    if (ms !== Number.POSITIVE_INFINITY) record.later().deadlineAt = record.enqueuedAt + ms
  }
  if (after !== undefined) {
    given++
    if (!Array.isArray(after)) throw new OptionsError('after', 'an array of requests or promises', after)
    record.later().after = [...after]
  }
  if (onDuplicate !== undefined) {
    given++
    const { expected, fits } = duplicateRule
    if (!fits(onDuplicate)) throw new OptionsError('onDuplicate', expected, onDuplicate)
    record.later().onDuplicate = onDuplicate
  }
  // Last: by then it is known whether it has anything else of its own.
  if (waitTimeoutMs !== undefined || runTimeoutMs !== undefined || timeoutMs !== undefined) {
    given += checkTimeout('waitTimeoutMs', waitTimeoutMs)
    given += checkTimeout('runTimeoutMs', runTimeoutMs)
    given += checkTimeout('timeoutMs', timeoutMs)
    record.limit(waitTimeoutMs, runTimeoutMs, timeoutMs)
  }
  if (given !== keysOf(options)) requireOptions('', options, requestOptions, executorOptions)
}

/** How many names there are in an object that is nothing but its own; -1 for another one. */
function keysOf(options: object): number {
  if (Object.getPrototypeOf(options) !== Object.prototype) return -1
  let count = 0
  for (const _ in options) count++
  return count
}

export const aSignal: OptionRule = {
  expected: 'an AbortSignal',
  fits: isSignal,
  hint: (value) =>
    hasMethods(value, 'abort') && isSignal((value as { signal?: unknown }).signal) ? 'give its signal' : undefined,
}

function isSignal(value: unknown): boolean {
  return (
    hasMethods(value, 'addEventListener', 'removeEventListener') && typeof (value as AbortSignal).aborted === 'boolean'
  )
}

function startOf(record: RequestRecord, delayMs: unknown = 0, startAt?: unknown): number {
  if (!msFromZero.fits(delayMs)) throw misfit('delayMs', msFromZero, delayMs)
  const leastMs = delayMs as number
  if (startAt === undefined) return record.enqueuedAt + leastMs
  const at = startAt instanceof Date ? startAt.getTime() : Number.NaN
  if (Number.isNaN(at)) throw new OptionsError('startAt', 'a Date', startAt)
  return record.enqueuedAt + Math.max(at - Date.now(), leastMs)
}

const closeOptions = ['drain', 'graceMs', 'lameDuckMs']

/** Ten years: no deadline is that old, but a time on another clock looks as if it were. */
const TOO_OLD_MS = 10 * 365 * 86_400_000

const aDeadline: OptionRule = {
  expected: 'a Date, or ms since 1970',
  fits: (value) => value === Number.POSITIVE_INFINITY || Number.isFinite(value),
  hint: (value) =>
    Number.isFinite(value) ? 'if it is `run.deadline`, give `timeoutMs: run.remainingMs` instead' : undefined,
}

/** How much time is left, in ms: 0 or less when it is over. */
function remainingMs(deadline: unknown): number {
  const at: unknown = deadline instanceof Date ? deadline.getTime() : deadline
  const ms = aDeadline.fits(at) ? (at as number) - Date.now() : Number.NaN
  if (ms > -TOO_OLD_MS) return ms
  throw misfit('deadline', aDeadline, deadline)
}

/** @throws {OptionsError} */
export function readCloseOptions(options: CloseOptions = {}): Complete<CloseOptions> {
  requireOptions('', options, closeOptions)
  const { drain = true, graceMs = Number.POSITIVE_INFINITY, lameDuckMs = 0 } = options as CloseOptions
  if (typeof drain !== 'boolean') throw new OptionsError('drain', 'a boolean', drain)
  if (!(typeof graceMs === 'number' && graceMs >= 0)) {
    throw new OptionsError('graceMs', 'a number of ms of at least 0, or Infinity', graceMs)
  }
  if (!msFromZero.fits(lameDuckMs)) throw misfit('lameDuckMs', msFromZero, lameDuckMs)
  return { drain, graceMs, lameDuckMs }
}

/** How many of it are given: 1, or 0. */
function checkTimeout(path: string, value: unknown): number {
  if (value === undefined) return 0
  if (!isTimeout(value)) throw new OptionsError(path, timeout.expected, value)
  return 1
}

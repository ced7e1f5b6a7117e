/**
 * What one call asks for: a request, or a close. It is read at each call, so there is no table as in `settings.ts`.
 */
import { type Complete, hasMethods, isCount, isPlain, requireTier } from './checks.ts'
import { OptionsError } from './errors.ts'
import type { CloseOptions, RequestOptions } from './options.ts'
import type { RequestRecord } from './request-record.ts'
import { duplicateRule, isTimeout, timeout } from './settings.ts'

/**
 * Takes over what one request asks for; the object is not kept, and may be changed afterwards.
 * @throws {OptionsError}
 */
export function readRequestOptions(options: RequestOptions, record: RequestRecord): void {
  if (typeof options !== 'object' || options === null) throw new OptionsError('options', 'an object', options)
  // Each is read once: a getter may answer differently the second time.
  const { priority, id, signal, waitTimeoutMs, runTimeoutMs, timeoutMs, metadata, delayMs, startAt, after, cost } =
    options
  const { onDuplicate } = options
  if (priority !== undefined) record.tier = requireTier(priority)
  if (id !== undefined) {
    if (typeof id !== 'string' || id === '') throw new OptionsError('id', 'a string that is not empty', id)
    const extras = record.more()
    extras.id = id
    extras.ownId = true
  }
  if (signal !== undefined) {
    if (!hasMethods(signal, 'addEventListener', 'removeEventListener') || typeof signal.aborted !== 'boolean') {
      throw new OptionsError('signal', 'an AbortSignal', signal)
    }
    record.more().signal = signal
  }
  if (metadata !== undefined) record.more().metadata = metadata
  if (cost !== undefined) {
    if (!isCount(cost, 1)) throw new OptionsError('cost', 'an integer of at least 1', cost)
    if (cost > 1) record.more().cost = cost
  }
  if (delayMs !== undefined || startAt !== undefined) record.later().startAt = startOf(record, delayMs, startAt)
  if (after !== undefined) {
    if (!Array.isArray(after)) throw new OptionsError('after', 'an array of requests or promises', after)
    record.later().after = [...after]
  }
  if (onDuplicate !== undefined) {
    const { expected, fits } = duplicateRule
    if (!fits(onDuplicate)) throw new OptionsError('onDuplicate', expected, onDuplicate)
    record.later().onDuplicate = onDuplicate
  }
  // Last: by then it is known whether it has anything else of its own.
  if (waitTimeoutMs !== undefined || runTimeoutMs !== undefined || timeoutMs !== undefined) {
    checkTimeout('waitTimeoutMs', waitTimeoutMs)
    checkTimeout('runTimeoutMs', runTimeoutMs)
    checkTimeout('timeoutMs', timeoutMs)
    record.limit(waitTimeoutMs, runTimeoutMs, timeoutMs)
  }
}

function startOf(record: RequestRecord, delayMs: unknown = 0, startAt?: unknown): number {
  if (!(typeof delayMs === 'number' && delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY)) {
    throw new OptionsError('delayMs', 'a finite number of ms of at least 0', delayMs)
  }
  if (startAt === undefined) return record.enqueuedAt + delayMs
  const at = startAt instanceof Date ? startAt.getTime() : Number.NaN
  if (Number.isNaN(at)) throw new OptionsError('startAt', 'a Date', startAt)
  return record.enqueuedAt + Math.max(at - Date.now(), delayMs)
}

/** @throws {OptionsError} */
export function readCloseOptions(options: CloseOptions = {}): Complete<CloseOptions> {
  if (!isPlain(options)) throw new OptionsError('options', 'an object', options)
  const { drain = true, graceMs = Number.POSITIVE_INFINITY } = options as CloseOptions
  if (typeof drain !== 'boolean') throw new OptionsError('drain', 'a boolean', drain)
  if (!(typeof graceMs === 'number' && graceMs >= 0)) {
    throw new OptionsError('graceMs', 'a number of ms of at least 0, or Infinity', graceMs)
  }
  return { drain, graceMs }
}

function checkTimeout(path: string, value: unknown): void {
  if (value !== undefined && !isTimeout(value)) throw new OptionsError(path, timeout.expected, value)
}

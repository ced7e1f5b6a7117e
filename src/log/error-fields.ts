/**
 * What may a line say of an error? Its name, message and code, and our own errors' numbers; nothing of a request.
 *
 * Some messages of ours quote what they were given: a schema's issues may show the payload (valibot's do), a guard may
 * name the tenant that it counts, an option or a reason may be anything. So only messages that are known to be made of
 * numbers are logged; of the others the code is. What was thrown and is no error may be the payload itself, so an object
 * is only said to be one.
 */
import { types } from 'node:util'
import { isTriageError } from '../core/any-triage-error.ts'
import type { Fields } from './logger.ts'

/** Longer than any sentence; short enough for a line. */
const MAX_TEXT = 500
/** Node's own ten frames, with long paths. */
const MAX_STACK = 4_000

/** Their messages hold numbers, priorities and the request's id, which its line shows anyway; nothing else of a request. */
const QUOTES_NOTHING = new Set([
  'TRIAGE_QUEUE_FULL',
  'TRIAGE_QUEUE_CLOSED',
  'TRIAGE_DUPLICATE_REQUEST',
  'TRIAGE_WAIT_TIMEOUT',
  'TRIAGE_RUN_TIMEOUT',
  'TRIAGE_SHED',
  'TRIAGE_PAYLOAD_TOO_LARGE',
  // That of a disk: where the store is, and what its driver says.
  'TRIAGE_STORE_UNAVAILABLE',
])

/** What our errors know, and what a line calls it: the same as in events. */
const DETAILS: Readonly<Record<string, string>> = {
  retryAfterMs: 'retryAfterMs',
  bound: 'bound',
  size: 'size',
  maxSize: 'maxSize',
  waitedMs: 'waitMs',
  ranMs: 'runMs',
  timeoutMs: 'timeoutMs',
  displacedBy: 'displacedBy',
  bytes: 'bytes',
  maxBytes: 'maxBytes',
  path: 'option',
  // `queue` is whose line it is.
  queue: 'errorQueue',
}

export function errorFields(error: unknown): Fields {
  try {
    if (isTriageError(error)) return ownFields(error)
    if (isError(error)) {
      const { name, message, code } = error as Error & { code?: unknown }
      return {
        ...(isShort(code) && { code: loggable(code) }),
        errorName: loggable(name),
        errorMessage: loggable(message),
      }
    }
    const isObject = (typeof error === 'object' && error !== null) || typeof error === 'function'
    return { errorName: `a thrown ${typeof error}`, ...(!isObject && { errorMessage: loggable(String(error)) }) }
  } catch {
    return { errorName: 'an error that can not be read' }
  }
}

/** Where the executor's own error came from. */
export function stackFields(error: unknown): Fields {
  try {
    return isError(error) && typeof error.stack === 'string' ? { stack: cut(error.stack, MAX_STACK) } : {}
  } catch {
    return {}
  }
}

/** A value that is safe in a line: text is cut, a duration has two decimals. */
export function loggable(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 100) / 100
  return typeof value === 'string' ? cut(value, MAX_TEXT) : undefined
}

function ownFields(error: Error & { readonly code: string }): Fields {
  const fields: Fields = { code: error.code, errorName: loggable(error.name) }
  const known = error as unknown as Fields & { readonly explain?: { readonly rule?: unknown } }
  if (QUOTES_NOTHING.has(error.code)) fields.errorMessage = loggable(error.message)
  // Which guard it was; what it has compared may name somebody.
  else if (isShort(known.explain?.rule)) fields.rule = loggable(known.explain.rule)
  for (const [from, to] of Object.entries(DETAILS)) if (isShort(known[from])) fields[to] = loggable(known[from])
  if (error.code.startsWith('TRIAGE_STORE_')) {
    // There it is that of the file.
    fields.path = fields.option
    delete fields.option
  }
  if (Array.isArray(known.issues)) fields.issues = known.issues.length
  return fields
}

function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value)
}

function isShort(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

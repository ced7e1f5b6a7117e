/**
 * How does an error cross from a worker to its caller? As JSON text, in the place where BullMQ has the reason of a failure: name, code,
 * message, own properties and cause, each bounded.
 */
import { describe } from '../core/any-value.ts'
import { errorAnew, errorClassOf } from '../core/error-classes.ts'
import { WorkerLostError } from '../core/remote-errors.ts'
import type { StoredError } from '../core/store.ts'
import type { ErrorSubject, TriageErrorCode } from '../core/triage-error.ts'

interface ErrorText {
  readonly v: 1
  readonly name: string
  readonly message: string
  readonly code?: string | number | undefined
  readonly stack?: string | undefined
  readonly own?: { readonly [name: string]: unknown } | undefined
  readonly cause?: ErrorText | undefined
  /** It was no Error: this value. */
  readonly value?: unknown
  /** The function of a worker has thrown it. One of ours is of another executor, then, and says nothing of this request. */
  readonly thrown?: true | undefined
}

const MAX_NAME = 200
const MAX_MESSAGE = 4_000
const MAX_STACK = 4_000
const MAX_OWN = 8_000
const MAX_CAUSES = 4

const builtins: { readonly [name: string]: ErrorConstructor } = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}

/** Whatever a request has failed with, as text. It never throws. @param isThrown by the function of a worker */
export function textOf(error: unknown, isThrown = false): string {
  try {
    return JSON.stringify({ ...partsOf(error, MAX_CAUSES), thrown: isThrown || undefined })
  } catch {
    return JSON.stringify({ v: 1, name: 'Error', message: 'an error that does not want to be looked at' })
  }
}

function partsOf(error: unknown, causes: number): ErrorText {
  if (!(error instanceof Error)) {
    const value = small(error)
    return { v: 1, name: typeof error, message: describe(error), ...(value !== undefined && { value }) }
  }
  const { code } = error as { code?: unknown }
  return {
    v: 1,
    name: String(error.name).slice(0, MAX_NAME),
    message: String(error.message).slice(0, MAX_MESSAGE),
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    stack: typeof error.stack === 'string' ? error.stack.slice(0, MAX_STACK) : undefined,
    own: ownOf(error),
    cause: error.cause === undefined || causes === 0 ? undefined : partsOf(error.cause, causes - 1),
  }
}

const told = new Set(['name', 'message', 'stack', 'code', 'cause'])

/** Its own properties that JSON keeps, as far as there is room. */
function ownOf(error: Error): ErrorText['own'] {
  let room = MAX_OWN
  const own: Record<string, unknown> = {}
  for (const name of Object.keys(error)) {
    if (told.has(name) || name === '__proto__') continue
    const value = small((error as unknown as Record<string, unknown>)[name])
    if (value === undefined) continue
    room -= name.length + JSON.stringify(value).length
    if (room < 0) break
    own[name] = value
  }
  return Object.keys(own).length === 0 ? undefined : own
}

function small(value: unknown): unknown {
  try {
    const text = JSON.stringify(value)
    return text === undefined || text.length > MAX_OWN ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function parsed(text: string): ErrorText | undefined {
  try {
    const parts = JSON.parse(text) as ErrorText
    return typeof parts === 'object' && parts !== null && parts.v === 1 && typeof parts.message === 'string'
      ? parts
      : undefined
  } catch {
    return undefined
  }
}

/** BullMQ's own reason for a job whose worker was lost too often. */
const STALLED = 'stalled more than allowable limit'

/** The error that a text tells of: one of ours has its class again; of any other its builtin class, if it has one. */
export function errorOf(text: string, subject: ErrorSubject): unknown {
  const parts = parsed(text)
  if (parts !== undefined) return made(parts, subject)
  if (text.includes(STALLED)) {
    return new WorkerLostError('its workers were lost too often', { ...subject, started: true })
  }
  return new Error(text)
}

function made(parts: ErrorText, subject: ErrorSubject): unknown {
  const { name, message, code, own = {}, stack, cause } = parts
  if ('value' in parts) return parts.value
  const reason = cause === undefined ? undefined : made(cause, subject)
  const type = errorClassOf(code)
  if (type !== undefined) {
    const { retryAfterMs, explain, started, ...members } = own as Record<string, never>
    const about = { retryAfterMs, explain, ...(reason !== undefined && { cause: reason }) }
    const { queue: _, requestId: __, priority: ___, ...rest } = members
    const error = errorAnew(type, [code as TriageErrorCode, message], { ...subject, started }, about, rest)
    if (error.name !== name) Object.defineProperty(error, 'name', { value: name, enumerable: false })
    return error
  }
  const error = new (builtins[name] ?? Error)(message, reason === undefined ? undefined : { cause: reason })
  if (error.name !== name) {
    Object.defineProperty(error, 'name', { value: name, enumerable: false, writable: true, configurable: true })
  }
  // Where it was thrown, on the other machine.
  if (stack !== undefined) error.stack = stack
  Object.assign(error, own)
  return code === undefined ? error : Object.assign(error, { code })
}

/** The state of a request that has ended with this. */
export function stateBy(text: string): 'failed' | 'expired' | 'cancelled' {
  const { code, thrown } = parsed(text) ?? {}
  if (thrown) return 'failed'
  if (code === 'TRIAGE_CANCELLED') return 'cancelled'
  return code === 'TRIAGE_WAIT_TIMEOUT' || code === 'TRIAGE_RUN_TIMEOUT' ? 'expired' : 'failed'
}

/** What is kept of an error, for a list. */
export function storedErrorOf(text: string): StoredError {
  const parts = parsed(text)
  if (parts === undefined) {
    return text.includes(STALLED)
      ? { name: 'WorkerLostError', code: 'TRIAGE_WORKER_LOST', message: text }
      : { name: 'Error', message: text }
  }
  const { name, message, code, stack } = parts
  return { name, message, ...(code !== undefined && { code: String(code) }), ...(stack !== undefined && { stack }) }
}

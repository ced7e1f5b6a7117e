/**
 * An error on its way to another thread, or a value that was thrown: what structured cloning loses of one.
 *
 * Cloning keeps the message, the stack, the cause, and the class of the few errors of JavaScript. It drops the name of any other, its
 * `code` and all else that it has of its own. What can't be cloned is left out, whatever the getters of an error do.
 */
import { describe } from '../core/any-value.ts'
import * as errors from '../core/errors.ts'
import * as remoteErrors from '../core/remote-errors.ts'
import * as storeErrors from '../core/store-errors.ts'
import { TriageError } from '../core/triage-error.ts'

/** What is sent of it. */
export type Crossing = { readonly value: unknown } | CrossingError

interface CrossingError {
  /** The nearest class of it that both sides have. */
  readonly type: string
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** What it has of its own, each as it is or as an error. */
  readonly members: readonly (readonly [name: string, member: Crossing])[]
  readonly cause: Crossing | undefined
  /** Of an `AggregateError`. */
  readonly errors: readonly Crossing[] | undefined
}

/** A cause has a cause: so many are kept. */
const MAX_DEPTH = 8
const notMembers: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause', 'errors'])

const prototypes = new Map<string, object>(
  Object.entries({
    ...{ Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError },
    ...{ TriageError, ...errors, ...remoteErrors, ...storeErrors },
  }).flatMap(([name, type]) => {
    const { prototype } = type as { readonly prototype?: object }
    return prototype instanceof Error || prototype === Error.prototype ? [[name, prototype]] : []
  }),
)

/** What was thrown, as it can be sent. */
export function crossing(thrown: unknown, depth = 0): Crossing {
  try {
    if (thrown instanceof Error) return ofError(thrown, depth)
    return { value: cloneable(thrown) ? thrown : describe(thrown) }
  } catch {
    return ofError(new Error('an error that does not want to be looked at'), depth)
  }
}

function ofError(error: Error, depth: number): CrossingError {
  const { cause, errors: inner } = error as { readonly cause?: unknown; readonly errors?: unknown }
  const isDeep = depth >= MAX_DEPTH
  return {
    type: typeOf(error),
    name: String(error.name),
    message: String(error.message),
    stack: typeof error.stack === 'string' ? error.stack : undefined,
    members: isDeep ? [] : membersOf(error, depth),
    cause: cause === undefined || isDeep ? undefined : crossing(cause, depth + 1),
    errors: Array.isArray(inner) && !isDeep ? inner.map((each) => crossing(each, depth + 1)) : undefined,
  }
}

/** By name: another copy of this package, or another realm, has classes of its own. */
function typeOf(error: Error): string {
  if (error instanceof DOMException) return 'DOMException'
  for (let at: object | null = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    const { name } = at.constructor
    if (prototypes.has(name)) return name
  }
  return 'Error'
}

function membersOf(error: Error, depth: number): [string, Crossing][] {
  return Object.keys(error).flatMap((name): [string, Crossing][] => {
    if (notMembers.has(name)) return []
    try {
      const value = (error as unknown as Record<string, unknown>)[name]
      if (value instanceof Error) return [[name, crossing(value, depth + 1)]]
      return cloneable(value) ? [[name, { value }]] : []
    } catch {
      return []
    }
  })
}

/** Can it be sent? */
export function cloneable(value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return false
  if (typeof value !== 'object' || value === null) return true
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

/** What was thrown, on this side. */
export function arrived(sent: Crossing): unknown {
  if (!('type' in sent)) return sent.value
  const { type, name, message, stack, members, cause, errors: inner } = sent
  if (type === 'DOMException') return new DOMException(message, name)
  const options = cause === undefined ? undefined : { cause: arrived(cause) }
  const error =
    inner === undefined ? new Error(message, options) : new AggregateError(inner.map(arrived), message, options)
  // Its class may have a constructor with other arguments: what an error is to its reader are its prototype and its members.
  Object.setPrototypeOf(error, prototypes.get(type) ?? Error.prototype)
  hide(error, 'stack', stack ?? `${name}: ${message}`)
  if (error.name !== name) hide(error, 'name', name)
  for (const [member, value] of members) {
    Object.defineProperty(error, member, {
      ...{ value: arrived(value), enumerable: true, configurable: true, writable: true },
    })
  }
  return error
}

function hide(error: Error, name: string, value: string): void {
  Object.defineProperty(error, name, { value, enumerable: false, configurable: true, writable: true })
}

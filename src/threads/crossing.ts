/**
 * An error on its way to another thread, or a value that was thrown: what structured cloning loses of one.
 *
 * Cloning keeps the message, the stack, the cause, and the class of the few errors of JavaScript. It drops the name of any other, its
 * `code` and all else that it has of its own. What can't be cloned is left out, whatever the getters of an error do.
 */
import { describe } from '../core/any-value.ts'
import { errorClassOf } from '../core/error-classes.ts'
import { isBranded, stacksOff, TriageError } from '../core/triage-error.ts'

/** What is sent of it. */
export type Crossing = { readonly value: unknown } | CrossingError

interface CrossingError {
  /** The code of an error of ours; else the nearest class of it that both sides have. */
  readonly type: string
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** What it has of its own. */
  readonly members: { readonly [name: string]: unknown }
  /** … and that is an error. */
  readonly inner: { readonly [name: string]: Crossing } | undefined
  readonly cause: Crossing | undefined
  /** Of an `AggregateError`. */
  readonly errors: readonly Crossing[] | undefined
}

/** A cause has a cause: so many are kept. */
const MAX_DEPTH = 8
const notMembers: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause', 'errors'])

const prototypes = new Map<string, object>(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError].map(
    ({ name, prototype }) => [name, prototype],
  ),
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
  const { cause, errors: others, stack } = error as Error & { readonly errors?: unknown }
  const isDeep = depth >= MAX_DEPTH
  const { members, inner } = isDeep ? nothing : membersOf(error, depth)
  return {
    ...{ type: typeOf(error), name: String(error.name), message: String(error.message), members, inner },
    // One that was made without a stack has a line that says nothing more.
    stack: typeof stack === 'string' && stack.includes('\n') ? stack : undefined,
    cause: cause === undefined || isDeep ? undefined : crossing(cause, depth + 1),
    errors: Array.isArray(others) && !isDeep ? others.map((each) => crossing(each, depth + 1)) : undefined,
  }
}

/** Ours by the code, the others by name: another copy of this package, or another realm, has classes of its own. */
function typeOf(error: Error): string {
  if (isBranded(error)) return error.code
  if (error instanceof DOMException) return 'DOMException'
  for (let at: object | null = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    const { name } = at.constructor
    if (prototypes.has(name)) return name
  }
  return 'Error'
}

/** One of ours whose code is not known here is of a later version. */
function prototypeOf(type: string): object {
  return (
    prototypes.get(type) ??
    errorClassOf(type)?.prototype ??
    (type.startsWith('TRIAGE_') ? TriageError : Error).prototype
  )
}

type Members = Pick<CrossingError, 'members' | 'inner'>

const nothing: Members = { members: {}, inner: undefined }

function membersOf(error: Error, depth: number): Members {
  const members: Record<string, unknown> = {}
  let inner: Record<string, Crossing> | undefined
  for (const name of Object.keys(error)) {
    if (notMembers.has(name)) continue
    try {
      const value = (error as unknown as Record<string, unknown>)[name]
      if (value instanceof Error) inner = { ...inner, [name]: crossing(value, depth + 1) }
      else if (cloneable(value)) members[name] = value
    } catch {
      // It does not want to be looked at.
    }
  }
  return { members, inner }
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
  const { type, name, message, stack, members, inner } = sent
  if (type === 'DOMException') return new DOMException(message, name)
  const error = bare(sent)
  // Its class may have a constructor with other arguments: what an error is to its reader are its prototype and its members.
  Object.setPrototypeOf(error, prototypeOf(type))
  if (stack !== undefined) hide(error, 'stack', stack)
  if (error.name !== name) hide(error, 'name', name)
  for (const member of Object.keys(members)) show(error, member, members[member])
  for (const member of Object.keys(inner ?? {}))
    show(error, member, arrived((inner as Record<string, Crossing>)[member] as Crossing))
  return error
}

/** Without a stack: that of its own is on the other side, and to make one costs more than all the rest. */
function bare({ message, cause, errors: others }: CrossingError): Error {
  const options = cause === undefined ? undefined : { cause: arrived(cause) }
  const inner = others?.map(arrived)
  const limit = stacksOff()
  try {
    return inner === undefined ? new Error(message, options) : new AggregateError(inner, message, options)
  } finally {
    if (limit !== undefined) Error.stackTraceLimit = limit
  }
}

/** Defined, since a member of that name may be inherited and read-only, or `__proto__`. */
function show(error: Error, name: string, value: unknown): void {
  Object.defineProperty(error, name, { value, enumerable: true, configurable: true, writable: true })
}

function hide(error: Error, name: string, value: string): void {
  Object.defineProperty(error, name, { value, enumerable: false, configurable: true, writable: true })
}

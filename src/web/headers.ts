/**
 * How urgent is it, and how long will its client wait? What request headers say.
 *
 * A header is a client's claim. A header of ours that can't be read is the client's mistake: an `InvalidRequestError`, which is
 * a 400. Where clients are not yours, say who may be urgent yourself.
 */
import { describe } from '../core/any-value.ts'
import { isPlain, numberThat, readGiven, yesOrNo } from '../core/checks.ts'
import { InvalidRequestError, OptionsError } from '../core/errors.ts'
import { type Priority, priorities, tierOf } from '../core/priority.ts'

/** Headers as Node has them (an object with names in lower case), or as fetch has them. */
export type HeadersLike = { get(name: string): string | null } | NodeHeaders

export interface NodeHeaders {
  readonly [name: string]: string | readonly string[] | undefined
}

export interface PriorityOptions {
  /**
   * Whether `priority: u=0` to `u=7` counts where there is no `triage-priority`: 0 is urgent, 1 and 2 high, 3 normal, 4 to 7 low.
   * Browsers send it unasked, for their own purposes. What is not as RFC 9218 has it is ignored, as it says.
   * @default false
   * @see https://www.rfc-editor.org/rfc/rfc9218
   */
  readonly rfc9218?: boolean | undefined
}

export interface DeadlineOptions {
  /**
   * The longest that a client may ask for, in ms; more is cut.
   * @default 300000
   */
  readonly maxMs?: number | undefined
}

const priorityRules = { rfc9218: yesOrNo }
const deadlineRules = { maxMs: numberThat('a number of ms of at least 1, or Infinity', (value) => value >= 1) }

const URGENCIES: readonly Priority[] = ['urgent', 'high', 'high', 'normal', 'low', 'low', 'low', 'low']

/** The units of `grpc-timeout`, in ms. */
const UNITS = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 } as const

const deadlines = [
  {
    name: 'triage-deadline',
    form: /^(\d{1,15}(?:\.\d{1,15})?)([HMSmun])?$/,
    expected: "a number of ms, or one with a unit of H, M, S, m, u or n, as '1.5S'",
  },
  {
    name: 'grpc-timeout',
    form: /^(\d{1,8})([HMSmun])$/,
    expected: "one to eight digits and a unit of H, M, S, m, u or n, as '250m'",
  },
]

/**
 * The priority that `triage-priority: high` names; 'normal' where there is none.
 * @throws {InvalidRequestError} when it names none of the four
 */
export function priorityFrom(headers: HeadersLike, options: PriorityOptions = {}): Priority {
  const value = headerOf(headers, 'triage-priority')
  if (value !== undefined) {
    const word = value.trim().toLowerCase()
    if (tierOf(word) < 0) throw unreadable('triage-priority', `one of ${priorities.join(', ')}`, value)
    return word as Priority
  }
  const { rfc9218 = false } = readGiven<PriorityOptions>('', options, priorityRules)
  return rfc9218 ? byUrgency(headerOf(headers, 'priority')) : 'normal'
}

/**
 * For how many ms the client will wait from now on: a request's `timeoutMs`. It stands in `triage-deadline`, as a number of ms or
 * with a unit of gRPC's (`250`, `1.5S`), or else in `grpc-timeout` (`250m`). At least 1. Undefined where there is neither.
 * @throws {InvalidRequestError} when it is no time
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function deadlineFrom(headers: HeadersLike, options: DeadlineOptions = {}): number | undefined {
  const { maxMs = 300_000 } = readGiven<DeadlineOptions>('', options, deadlineRules)
  for (const { name, form, expected } of deadlines) {
    const value = headerOf(headers, name)
    if (value === undefined) continue
    const [, amount, unit = 'm'] = form.exec(value.trim()) ?? []
    if (amount === undefined) throw unreadable(name, expected, value)
    return Math.min(Math.max(Number(amount) * UNITS[unit as keyof typeof UNITS], 1), maxMs)
  }
  return undefined
}

function headerOf(headers: HeadersLike, name: string): string | undefined {
  if (typeof headers?.get === 'function') return headers.get(name) ?? undefined
  // A request in place of its headers would have none of these.
  if (!isPlain(headers) || isPlain((headers as NodeHeaders).headers)) {
    throw new OptionsError('headers', "a request's headers", headers)
  }
  const value = (headers as NodeHeaders)[name]
  return typeof value === 'object' ? value.join(', ') : value
}

/** A dictionary of structured fields: the last `u` counts, and where there is none it is 3. */
function byUrgency(value: string | undefined): Priority {
  const members = value?.split(',').filter((member) => /^\s*u\s*(=|;|$)/.test(member)) ?? []
  const urgency = /^\s*u=([0-7])\s*(;|$)/.exec(members.at(-1) ?? '')?.[1] ?? 3
  return URGENCIES[Number(urgency)] as Priority
}

function unreadable(name: string, expected: string, value: string): InvalidRequestError {
  const issue = { message: `expected ${expected}, got ${describe(value)}`, path: [name] }
  return new InvalidRequestError([issue], undefined, 'A header can not be read')
}

/**
 * What does one request ask for? Its options, read once; what Redis can't do is refused by name.
 */
import type { OnDuplicate } from '../core/admit/duplicates.ts'
import { hasMethods, isCount, msFromZero, requireOptions, requireTier } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { RequestOptions } from '../core/options.ts'
import { NORMAL } from '../core/priority.ts'
import { duplicateRule, executorOptions, isTimeout, requestOptions } from '../core/settings.ts'
import type { RemoteKind } from './options.ts'

export interface Asked {
  /** Undefined: the caller has given none. */
  readonly id: string | undefined
  readonly tier: number
  readonly kind: string | undefined
  readonly onDuplicate: OnDuplicate
  readonly signal: AbortSignal | undefined
  readonly metadata: unknown
  readonly delayMs: number
  /** Infinity: no limit. In ms since it may start. */
  readonly waitTimeoutMs: number
  readonly timeoutMs: number
  /** In ms from now; Infinity: none. */
  readonly deadlineMs: number
  /** Undefined: what the worker says. */
  readonly runTimeoutMs: number | undefined
}

export interface Defaults {
  readonly onDuplicate: OnDuplicate
  readonly kinds: ReadonlyMap<string, RemoteKind> | undefined
  readonly waitTimeoutMs: readonly number[]
  readonly timeoutMs: readonly number[]
  readonly runTimeoutMs: readonly number[] | undefined
}

/** @throws {OptionsError} */
export function readRequest(options: RequestOptions, defaults: Defaults): Asked {
  requireOptions('', options, requestOptions, executorOptions)
  const { id, priority, kind, signal, metadata, delayMs = 0, startAt, deadline, cost = 1, after } = options
  const { onDuplicate = defaults.onDuplicate } = options
  if (id !== undefined && (typeof id !== 'string' || id === '')) {
    throw new OptionsError('id', 'a string that is not empty', id)
  }
  const tier = priority === undefined ? NORMAL : requireTier(priority)
  if (kind !== undefined && typeof kind !== 'string') throw new OptionsError('kind', 'a string', kind)
  if (kind !== undefined && defaults.kinds !== undefined && !defaults.kinds.has(kind)) {
    throw new OptionsError('kind', `one of ${[...defaults.kinds.keys()].join(', ')}`, kind)
  }
  if (!isCount(cost, 1)) throw new OptionsError('cost', 'an integer of at least 1', cost)
  if (cost > 1) throw new OptionsError('cost', '1: over Redis each request takes one slot', cost)
  if (after !== undefined) {
    throw new OptionsError('after', 'nothing: over Redis a request waits for no other', after)
  }
  if (!duplicateRule.fits(onDuplicate)) throw new OptionsError('onDuplicate', duplicateRule.expected, onDuplicate)
  if (signal !== undefined && !hasMethods(signal, 'addEventListener', 'removeEventListener')) {
    throw new OptionsError('signal', 'an AbortSignal', signal)
  }
  if (!msFromZero.fits(delayMs)) throw new OptionsError('delayMs', msFromZero.expected, delayMs)
  const of = (kind === undefined ? undefined : defaults.kinds?.get(kind)) ?? {}
  const limit = (name: 'waitTimeoutMs' | 'runTimeoutMs' | 'timeoutMs'): number | undefined => {
    const value = options[name]
    if (value !== undefined && !isTimeout(value)) {
      throw new OptionsError(name, 'a number of ms greater than 0, or Infinity', value)
    }
    return value ?? of[name] ?? defaults[name]?.[tier]
  }
  return {
    ...{ id, tier, kind, onDuplicate, signal, metadata },
    delayMs: Math.max(delayMs, startAt === undefined ? 0 : msUntil('startAt', startAt)),
    waitTimeoutMs: limit('waitTimeoutMs') ?? Number.POSITIVE_INFINITY,
    timeoutMs: limit('timeoutMs') ?? Number.POSITIVE_INFINITY,
    deadlineMs: deadline === undefined ? Number.POSITIVE_INFINITY : msUntil('deadline', deadline),
    runTimeoutMs: limit('runTimeoutMs'),
  }
}

function msUntil(name: 'startAt' | 'deadline', when: unknown): number {
  const at = when instanceof Date ? when.getTime() : name === 'deadline' ? when : Number.NaN
  if (typeof at !== 'number' || Number.isNaN(at)) {
    throw new OptionsError(name, name === 'deadline' ? 'a Date, or ms since 1970' : 'a Date', when)
  }
  return at - Date.now()
}

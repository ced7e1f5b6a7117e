/**
 * What does one request ask for? Its options, read once; what Redis can't do is refused by name.
 */
import type { OnDuplicate } from '../core/admit/duplicates.ts'
import { askedElsewhere } from '../core/asked-elsewhere.ts'
import { wordList } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { RequestOptions } from '../core/options.ts'
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
  const { tier, extras } = askedElsewhere(options)
  const { id, signal, metadata, cost = 1, later } = extras ?? {}
  const { kind, after, startAt = 0, deadlineAt = Number.POSITIVE_INFINITY } = later ?? {}
  if (kind !== undefined && defaults.kinds !== undefined && !defaults.kinds.has(kind)) {
    throw new OptionsError('kind', wordList([...defaults.kinds.keys()]), kind)
  }
  if (cost > 1) throw new OptionsError('cost', '1: over Redis each request takes one slot', cost)
  if (after !== undefined) {
    throw new OptionsError('after', 'nothing: over Redis a request waits for no other', after)
  }
  const of = (kind === undefined ? undefined : defaults.kinds?.get(kind)) ?? {}
  const limit = (name: 'waitTimeoutMs' | 'runTimeoutMs' | 'timeoutMs'): number | undefined =>
    extras?.[name] ?? of[name] ?? defaults[name]?.[tier]
  return {
    ...{ id, tier, kind, signal, metadata },
    onDuplicate: (later?.onDuplicate as OnDuplicate | undefined) ?? defaults.onDuplicate,
    delayMs: Math.max(startAt, 0),
    waitTimeoutMs: limit('waitTimeoutMs') ?? Number.POSITIVE_INFINITY,
    timeoutMs: limit('timeoutMs') ?? Number.POSITIVE_INFINITY,
    deadlineMs: deadlineAt,
    runTimeoutMs: limit('runTimeoutMs'),
  }
}

const none: Defaults = {
  onDuplicate: 'join',
  kinds: undefined,
  waitTimeoutMs: [],
  timeoutMs: [],
  runTimeoutMs: undefined,
}

/** Can Redis do it at all, whatever the defaults of an executor are? @throws {OptionsError} */
export function requireRequest(options: RequestOptions): Asked {
  return readRequest(options, none)
}

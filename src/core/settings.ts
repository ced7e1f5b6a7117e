/**
 * The options of an executor as the engine reads them: checked, complete, by tier. They are looked at once, when it is made.
 *
 * They are checked by a small table, not by zod: even `zod/mini` is 4.3 kB (of 16) and some ms at each start of each service,
 * for some twenty options. The tests hold the table against a zod schema of the same options.
 */
import type { WhenFull } from './admit/admission.ts'
import type { OnDuplicate } from './admit/duplicates.ts'
import type { Guard } from './admit/guard.ts'
import { keptFor } from './admit/openings.ts'
import type { StandardSchema } from './admit/schema.ts'
import {
  aFunction,
  type Given,
  hasMethods,
  isCount,
  isPlain,
  isThenable,
  misfit,
  type OptionRule,
  oneOf,
  readGiven,
  requireConcurrency,
  yesOrNo,
} from './checks.ts'
import { type Clock, systemClock } from './clock.ts'
import { environment } from './environment.ts'
import { OptionsError } from './errors.ts'
import type { KindOptions, QueuedExecutorOptions, QueueSize, RequestOptions, UpdateOptions } from './options.ts'
import { isGuard, isRetry, type Policy, policyRule } from './policy.ts'
import { type Priority, priorities } from './priority.ts'
import { anOrder, type OrderPolicy, strict } from './queue/order.ts'
import type { KindLimits } from './request-extras.ts'
import { aLimit, type LimitPolicy } from './run/limit.ts'
import { keepSomeOut } from './run/reserve.ts'
import type { Executor, StuckPolicy } from './run/slots.ts'
import type { RetryPolicy } from './settle/retry.ts'
import type { Store } from './store.ts'
import type { Elsewhere } from './unknown-option.ts'
import type { ListenerErrorHandler } from './watch/events.ts'

/** The options as the engine reads them: complete, and by tier. */
export interface Settings {
  readonly name: string
  readonly concurrency: number
  /** 0: nothing may wait; no bound is Infinity. */
  readonly total: number
  readonly byTier: readonly number[]
  /** Where 0 was given, which asks for no bound: `'maxQueueSize.low'`. */
  readonly zeroSizes: readonly string[]
  /** Priorities that were given a bound although nothing may wait at all. */
  readonly unusedSizes: readonly Priority[]
  readonly whenFull: WhenFull
  /** How many of each priority, the first that wait, are displaced by nobody of another one. */
  readonly kept: readonly number[]
  readonly maxBlocked: number
  readonly waitTimeoutMs: readonly number[]
  readonly runTimeoutMs: readonly number[]
  readonly timeoutMs: readonly number[]
  /** The smaller of the wait's and the whole request's. */
  readonly waitLimitMs: readonly number[]
  readonly onStuck: StuckPolicy
  readonly maxReplaced: number
  readonly schema: StandardSchema<unknown> | undefined
  readonly maxChecking: number
  readonly onDuplicate: OnDuplicate
  readonly order: OrderPolicy
  readonly limit: LimitPolicy | undefined
  readonly reserve: readonly number[]
  readonly lendReserve: boolean
  readonly retry: RetryPolicy | undefined
  readonly maxRetrying: number
  readonly rateLimits: readonly Guard[]
  readonly overload: readonly Guard[]
  readonly store: Store | undefined
  readonly kinds: ReadonlyMap<string, Kind>
  readonly maxAttempts: number
  readonly results: 'recorded' | 'eager'
  readonly tellWithinMs: number
  readonly clock: Clock
  readonly onListenerError: ListenerErrorHandler | undefined
  readonly random: () => number
  readonly debug: boolean
}

const DEFAULT_QUEUE_SIZE = 10_000
const DEFAULT_BLOCKED = 10_000
const DEFAULT_CONCURRENCY = 10
const DEFAULT_RUN_TIMEOUT_MS = 300_000

/** It may also be an object with one such value for each of these. */
function orEach(names: readonly string[], rule: OptionRule): OptionRule {
  return { ...rule, parts: Object.fromEntries(names.map((name) => [name, rule])) }
}

export const timeout: OptionRule = { expected: 'a number of ms greater than 0, or Infinity', fits: isTimeout }
const timeouts = orEach(['default', ...priorities], timeout)
const slots: OptionRule = {
  expected: 'an object with a number of slots for each priority',
  fits: (value) => isCount(value, 0),
}
const bound: OptionRule = {
  expected: 'an integer of at least 0, or Infinity',
  fits: (value) => value === Number.POSITIVE_INFINITY || isCount(value, 0),
}

export const duplicateRule = oneOf('join', 'join-by-id', 'reject')

const rules: { readonly [K in keyof QueuedExecutorOptions]-?: OptionRule } = {
  name: { expected: 'a string that is not empty', fits: isName },
  concurrency: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  maxQueueSize: orEach(['total', ...priorities], {
    expected: "an integer of at least 0, Infinity, or 'none'",
    fits: (value) => value === 'none' || bound.fits(value),
  }),
  whenFull: oneOf('reject', 'block', 'shed'),
  maxBlocked: bound,
  waitTimeoutMs: timeouts,
  runTimeoutMs: timeouts,
  timeoutMs: timeouts,
  onStuck: oneOf('hold', 'replace'),
  maxReplaced: { expected: 'an integer of at least 0', fits: (value) => isCount(value, 0) },
  schema: { expected: "a Standard Schema, with a '~standard' property", fits: isSchema },
  maxChecking: bound,
  onDuplicate: duplicateRule,
  limit: aLimit,
  reserve: { ...orEach(priorities, slots), fits: () => false },
  lendReserve: yesOrNo,
  rateLimit: policyRule('rateLimit', 'a rate limit, such as tokenBucket(), or an array of them', isGuard),
  overload: policyRule('overload', 'a guard, such as codel(), or an array of them', isGuard),
  retry: policyRule('retry', 'a retry policy, such as backoff()', isRetry),
  maxRetrying: bound,
  order: anOrder,
  store: {
    expected: "a store, such as `await openStore('requests.db')`",
    fits: (value) => hasMethods(value, 'keeper', 'queue', 'status', 'watch', 'flushed'),
    hint: (value) => (isThenable(value) ? 'await it first' : undefined),
  },
  kinds: { expected: 'an object of kinds, each with an `executor`', fits: isPlain },
  maxAttempts: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
  results: oneOf('recorded', 'eager'),
  tellWithinMs: timeout,
  clock: {
    expected: 'a clock with now, setTimeout and clearTimeout',
    fits: (value) => hasMethods(value, 'now', 'setTimeout', 'clearTimeout'),
  },
  onListenerError: aFunction,
  random: aFunction,
  debug: yesOrNo,
}

/** What a request may ask for; `request-options.ts` reads it. */
export const requestOptions = Object.keys({
  ...{ priority: 0, id: 0, onDuplicate: 0, signal: 0, waitTimeoutMs: 0, runTimeoutMs: 0, timeoutMs: 0 },
  ...{ metadata: 0, deadline: 0, cost: 0, delayMs: 0, startAt: 0, after: 0, kind: 0 },
} satisfies { [K in keyof Required<RequestOptions>]: 0 })

/** What may be changed while it runs; `update.ts` does that. */
export const changeable = {
  concurrency: rules.concurrency,
  maxQueueSize: rules.maxQueueSize,
  maxBlocked: rules.maxBlocked,
  maxChecking: rules.maxChecking,
  maxRetrying: rules.maxRetrying,
  waitTimeoutMs: rules.waitTimeoutMs,
  runTimeoutMs: rules.runTimeoutMs,
  timeoutMs: rules.timeoutMs,
  rateLimit: rules.rateLimit,
  overload: rules.overload,
}

/** What was given of settings, without the defaults. */
const givenOf = new WeakMap<object, object>()

export const executorOptions: Elsewhere = { names: Object.keys(rules), owner: 'the executor' }

/**
 * Options with their defaults. What is set to undefined is not set.
 * @param onDuplicate the default of that option
 * @throws {OptionsError} that names the option, what it must be, and what it is
 */
export function readSettings(options: QueuedExecutorOptions = {}, onDuplicate: OnDuplicate = 'join'): Settings {
  const given = readGiven<QueuedExecutorOptions>('', options, rules, { names: requestOptions, owner: 'a request' })
  given.onDuplicate ??= onDuplicate
  return settingsOf(given)
}

/**
 * The same settings, but for some options: all that follows from these follows anew.
 * @throws {OptionsError} where they don't fit the others
 */
export function changedSettings(settings: Settings, changes: Given<UpdateOptions>): Settings {
  return settingsOf({ ...(givenOf.get(settings) as Given<QueuedExecutorOptions>), ...changes })
}

function settingsOf(given: Given<QueuedExecutorOptions>): Settings {
  const { limit } = given
  const decides = limit !== undefined && limit.shadow !== true
  if (decides && given.concurrency !== undefined) {
    throw new OptionsError('concurrency', 'nothing, since `limit` decides', given.concurrency)
  }
  const concurrency = decides ? requireConcurrency(limit.initial) : (given.concurrency ?? DEFAULT_CONCURRENCY)
  const size = partsOf(given.maxQueueSize, 'total') as Record<string, QueueSize | undefined>
  const total = sizeOf(size.total ?? DEFAULT_QUEUE_SIZE)
  // For what goes by it; where nothing may wait that is no measure.
  const atMost = total || DEFAULT_QUEUE_SIZE
  const order = given.order ?? strict()
  const reserve = floorsOf(given.reserve, concurrency, given.lendReserve ?? false)
  const waitTimeoutMs = byTier(given.waitTimeoutMs, Number.POSITIVE_INFINITY)
  const timeoutMs = byTier(given.timeoutMs, Number.POSITIVE_INFINITY)
  const settings: Settings = {
    name: given.name ?? 'triage',
    concurrency,
    total,
    byTier: priorities.map((priority) => (total === 0 ? 0 : sizeOf(size[priority] ?? Number.POSITIVE_INFINITY))),
    zeroSizes: [
      ...Object.keys(size).flatMap((part) =>
        size[part] !== 0 || total === 0 ? [] : part === 'total' ? 'maxQueueSize' : `maxQueueSize.${part}`,
      ),
      ...(['maxBlocked', 'maxChecking', 'maxRetrying'] as const).filter((option) => given[option] === 0),
    ],
    unusedSizes: priorities.filter((priority) => total === 0 && (size[priority] ?? 'none') !== 'none'),
    whenFull: given.whenFull ?? (total === 0 || given.store?.isDurable === true ? 'reject' : 'shed'),
    kept: keptFor(total, order.targetsMs !== undefined, reserve),
    maxBlocked: unbounded(given.maxBlocked ?? DEFAULT_BLOCKED),
    waitTimeoutMs,
    runTimeoutMs: byTier(given.runTimeoutMs, DEFAULT_RUN_TIMEOUT_MS),
    timeoutMs,
    waitLimitMs: timeoutMs.map((ms, tier) => Math.min(ms, waitTimeoutMs[tier] as number)),
    onStuck: given.onStuck ?? 'hold',
    maxReplaced: given.maxReplaced ?? concurrency,
    schema: given.schema,
    maxChecking: unbounded(given.maxChecking ?? atMost),
    onDuplicate: given.onDuplicate as OnDuplicate,
    order,
    limit,
    reserve,
    lendReserve: given.lendReserve ?? false,
    retry: given.retry,
    maxRetrying: unbounded(given.maxRetrying ?? atMost),
    rateLimits: [given.rateLimit ?? []].flat(),
    overload: [given.overload ?? []].flat(),
    store: given.store,
    kinds: kindsOf(given.kinds),
    maxAttempts: given.maxAttempts ?? 3,
    results: given.results ?? 'recorded',
    tellWithinMs: given.tellWithinMs ?? 30_000,
    clock: given.clock ?? systemClock,
    onListenerError: given.onListenerError,
    random: given.random ?? (() => Math.random()),
    debug: given.debug ?? environment('TRIAGE_DEBUG') === '1',
  }
  givenOf.set(settings, given)
  return settings
}

/** A kind of work, as the engine reads it. */
interface Kind extends KindLimits {
  readonly executor: Executor<unknown, unknown>
}

const kindRules: { readonly [K in keyof KindOptions]-?: OptionRule } = {
  executor: aFunction,
  waitTimeoutMs: timeout,
  runTimeoutMs: timeout,
  timeoutMs: timeout,
}

function kindsOf(given: QueuedExecutorOptions['kinds'] = {}): ReadonlyMap<string, Kind> {
  return new Map(
    Object.entries(given).map(([kind, options]) => {
      const read = readGiven<KindOptions>(`kinds.${kind}`, options, kindRules)
      if (read.executor === undefined) throw misfit(`kinds.${kind}.executor`, aFunction, undefined)
      return [kind, read as Kind]
    }),
  )
}

/** All its policies, each with its option. */
export function policiesOf({
  order,
  limit,
  retry,
  rateLimits,
  overload,
}: Pick<Settings, 'order' | 'limit' | 'retry' | 'rateLimits' | 'overload'>): [path: string, policy: Policy][] {
  return [
    ['order', order],
    ...(limit === undefined ? [] : [['limit', limit] as [string, Policy]]),
    ...(retry === undefined ? [] : [['retry', retry] as [string, Policy]]),
    ...rateLimits.map((guard): [string, Policy] => ['rateLimit', guard]),
    ...overload.map((guard): [string, Policy] => ['overload', guard]),
  ]
}

function floorsOf(reserve: QueuedExecutorOptions['reserve'] = {}, concurrency: number, lend: boolean): number[] {
  const floors = priorities.map((priority) => reserve[priority] ?? 0)
  const all = floors.reduce((sum, floor) => sum + floor, 0)
  if (all > concurrency) throw new OptionsError('reserve', `at most ${concurrency} slots in all (concurrency)`, reserve)
  if (!lend && keepSomeOut(floors, concurrency)) {
    const none = priorities.filter((_, tier) => floors[tier] === 0).join(', ')
    const expected = `fewer than ${concurrency} slots in all (concurrency), since without one ${none} would never run`
    throw new OptionsError('reserve', expected, reserve)
  }
  return floors
}

export function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value > 0
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isSchema(value: unknown): boolean {
  return hasMethods((value as { '~standard'?: unknown } | null)?.['~standard'], 'validate')
}

function sizeOf(size: QueueSize): number {
  return size === 'none' ? 0 : unbounded(size)
}

function unbounded(size: number): number {
  return size === 0 ? Number.POSITIVE_INFINITY : size
}

/** The parts of an option that may also be one value, which then is that of one of them. */
function partsOf(value: unknown, whole: string): Record<string, number | undefined> {
  return isPlain(value) ? (value as Record<string, number | undefined>) : { [whole]: value as number | undefined }
}

function byTier(value: unknown, otherwise: number): number[] {
  const parts = partsOf(value, 'default')
  return priorities.map((priority) => parts[priority] ?? parts.default ?? otherwise)
}

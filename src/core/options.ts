/**
 * How shall it behave? Options, their defaults, and what they may be: looked at once, when an executor is made.
 *
 * Checked by a small table, not by zod: even `zod/mini` is 4.3 kB (of 16) and some ms at each start of each service, for
 * seventeen options. The tests hold the table against a zod schema of the same options.
 */

import type { Guard } from './admit/guard.ts'
import type { StandardSchema } from './admit/schema.ts'
import {
  aFunction,
  isCount,
  isPlain,
  type OptionRule,
  readGiven,
  requireConcurrency,
  requireTier,
  wordList,
} from './checks.ts'
import { type Clock, systemClock } from './clock.ts'
import { OptionsError } from './errors.ts'
import { type Priority, priorities } from './priority.ts'
import { type OrderPolicy, strict } from './queue/order.ts'
import type { RequestRecord } from './request-record.ts'
import type { LimitPolicy } from './run/limit.ts'
import { keepSomeOut } from './run/reserve.ts'
import type { StuckPolicy } from './run/slots.ts'
import type { RetryPolicy } from './settle/retry.ts'
import type { ListenerErrorHandler } from './watch/events.ts'

/** One value for all priorities, or one for each; those not named have `default`, or the option's own default. */
export type PerPriority<T> = T | ({ readonly [P in Priority]?: T } & { readonly default?: T })

/** How many may wait; `'none'`: nothing may, while 0 is no bound. */
type QueueSize = number | 'none'

/** What happens to a request for which there is no room. */
export type WhenFull = 'reject' | 'block' | 'shed'

/** What happens to a request whose id is that of a live one. */
export type OnDuplicate = 'join' | 'join-by-id' | 'reject'

export interface QueuedExecutorOptions<Req = unknown> {
  /**
   * What it is called in logs and metrics.
   * @default 'triage'
   */
  name?: string
  /**
   * How many calls of the executor may run at once: an integer of at least 1. It can be changed while it runs.
   * @default 10
   */
  concurrency?: number
  /**
   * How many requests may wait, in all and by priority: `1_000`, or `{ total: 1_000, low: 100 }`. A burst that finds
   * free slots does not count as waiting. `'none'`: nothing may wait; a request starts in the dispatch of its burst, or is
   * refused (with `whenFull: 'block'`: its caller waits for a slot). 0 or Infinity: no bound.
   * @default 10_000
   */
  maxQueueSize?: QueueSize | ({ readonly [P in Priority]?: QueueSize } & { readonly total?: QueueSize })
  /**
   * What happens when there is no room: `'reject'` refuses with a `QueueFullError`; `'block'` lets the caller wait for
   * room, by priority; `'shed'` displaces the youngest request of the lowest priority below the newcomer's, if any (with
   * another order than `strict()`: the one that would start last).
   * @default 'reject'
   */
  whenFull?: WhenFull
  /**
   * How many callers may be blocked (`whenFull: 'block'`); one more is refused. 0 or Infinity: no bound.
   * @default 10_000
   */
  maxBlocked?: number
  /**
   * Ends a request that has waited too long for its slot, in ms since it was submitted, with a `WaitTimeoutError`.
   * Greater than 0; Infinity: never.
   * @default Infinity
   */
  waitTimeoutMs?: PerPriority<number>
  /**
   * Ends a request that has run too long, in ms since it got its slot, with a `RunTimeoutError`: the caller is answered
   * and `run.signal` aborted at once; the slot is free when the call settles. Greater than 0; Infinity: never.
   * @default 300_000
   */
  runTimeoutMs?: PerPriority<number>
  /**
   * Ends a request that has taken too long in all, waiting and running, in ms since it was submitted. Greater than 0;
   * Infinity: never.
   * @default Infinity
   */
  timeoutMs?: PerPriority<number>
  /**
   * What to do about a slot whose run is over its deadline and has not settled: `'hold'` keeps to `concurrency`;
   * `'replace'` grants a substitute for it, up to `maxReplaced` at a time.
   * @default 'hold'
   */
  onStuck?: StuckPolicy
  /**
   * How many substitutes there may be at a time: no more than `concurrency + maxReplaced` calls ever run.
   * @default concurrency
   */
  maxReplaced?: number
  /** Checks (and may transform) each request before it is admitted: any Standard Schema, zod's among them. */
  schema?: StandardSchema<Req>
  /**
   * How many requests an asynchronous `schema` may check at a time; one more is refused with a `QueueFullError`,
   * `bound: 'checking'`, whatever `whenFull` says. They hold no room in the queue: that is taken when the check has passed,
   * in the order of arrival. 0 or Infinity: no bound.
   * @default the total of `maxQueueSize`; 10_000 where that is 'none'
   */
  maxChecking?: number
  /**
   * A request with the id of a live one: `'join'` shares the run and its outcome if the payload is equal, else it is
   * refused; `'join-by-id'` shares them whatever the payload is; `'reject'` refuses it. What is refused gets a
   * `DuplicateRequestError`.
   *
   * Payloads are compared as they were submitted, before the `schema`, and deeply if they are plain data: objects, arrays,
   * Map, Set, Date, RegExp, ArrayBuffer and its views. What holds functions, instances of classes or streams is equal only if
   * these are the very same ones; so is what is large: of more than 10,000 objects and members or 16 MiB of buffers, or more
   * than 100 deep. What throws while it is compared refuses the newcomer. Metadata and options are not compared.
   * @default 'join'
   */
  onDuplicate?: OnDuplicate
  /**
   * Who goes first.
   * @default strict()
   */
  order?: OrderPolicy
  /**
   * Learns how many calls may run at once, in place of `concurrency`; in shadow mode only says what it would set.
   * @default none: `concurrency` holds
   */
  limit?: LimitPolicy
  /**
   * How many slots each priority has for itself: `{ urgent: 2 }`. While it runs fewer, it goes first, and its slots stay free
   * for it. All together fewer than `concurrency`: what is left is for everyone. Only if each priority has one may they be all
   * slots, or if they are lent. When there are fewer slots later, since `concurrency` or a `limit` was lowered or slots are
   * stuck, reserves give way, one slot at a time and the least urgent first, until every priority has a slot that it may use;
   * with more slots they come back. With a reserve, a burst counts as waiting until it is dispatched, a microtask later, so
   * that `maxQueueSize` must have room for it.
   * @default none
   * @throws {OptionsError} when a priority would never run
   */
  reserve?: { readonly [P in Priority]?: number }
  /**
   * Lends reserved slots to others while their own priority does not need them: it then has them back as runs end.
   * @default false
   */
  lendReserve?: boolean
  /**
   * Which failures of the executor are tried again, and when.
   * @default none: a failure is the caller's
   */
  retry?: RetryPolicy
  /**
   * How many may be retried at a time: those that back off, and those that are back in the queue for another attempt. One
   * more failure is final: the caller gets the executor's error, and the event and the handle say `notRetried: 'full'`. The
   * retry policy is not asked then, so that its budget is not used up. 0 or Infinity: no bound.
   * @default the total of `maxQueueSize`; 10_000 where that is 'none'
   */
  maxRetrying?: number
  /**
   * How fast requests may come, or start. What is over it is refused with a `RateLimitedError`, or waits, as it says.
   * @default none
   */
  rateLimit?: Guard | readonly Guard[]
  /**
   * When to refuse although there is room, with an `OverloadedError` that explains itself.
   * @default none
   */
  overload?: Guard | readonly Guard[]
  /**
   * The source of all time.
   * @default systemClock
   */
  clock?: Clock
  /** Told what a listener or a policy has thrown; without it, such an error becomes a Node warning. */
  onListenerError?: ListenerErrorHandler
  /**
   * A number from 0 to 1, for the jitter of `retryAfterMs`; any other answer is no jitter. It must not call the executor.
   * @default Math.random
   */
  random?: () => number
  /**
   * Has a second set of books kept, and holds the queue's own laws against them at every step: a law that is broken is an
   * uncaught `InvariantError` with the state. For tests, or to hunt a suspicion; it looks at all that wait at each start.
   * @default true if the environment variable TRIAGE_DEBUG is 1, else false
   */
  debug?: boolean
}

/** What one request may ask for. */
export interface RequestOptions {
  /** @default 'normal' */
  priority?: Priority
  /** The caller's own id: while a request with it is live, another one joins it or is refused (`onDuplicate`). */
  id?: string
  /** In place of the executor's. */
  onDuplicate?: OnDuplicate
  /** Ends the request with `signal.reason`, wherever it is. A request that runs has `run.signal` aborted. */
  signal?: AbortSignal
  /** In place of the executor's, in ms. */
  waitTimeoutMs?: number
  /** In place of the executor's, in ms. */
  runTimeoutMs?: number
  /** In place of the executor's, in ms. */
  timeoutMs?: number
  /**
   * How many slots its run takes: an integer of at least 1, and at most what it can ever have (`concurrency`, less the
   * slots that are reserved for others). When it is first it waits until so many are free, and nobody overtakes it. When
   * the limit has become smaller than its cost meanwhile, it runs alone. In its own burst it always counts as waiting.
   * @default 1
   */
  cost?: number
  /** Not before so many ms from now, of at least 0; its timeouts count from then. Meanwhile it counts as waiting. */
  delayMs?: number
  /** Not before this date. */
  startAt?: Date
  /**
   * Not before all of these have settled: requests that were submitted before, or any promises. When one of them fails,
   * it is cancelled, with that error as the cause; it runs only after all that it depends on.
   */
  after?: readonly (PromiseLike<unknown> | { readonly result: PromiseLike<unknown> })[]
  /** Anything: the executor finds it in `run.metadata`, listeners in each event. */
  metadata?: unknown
}

/** How to close. */
export interface CloseOptions {
  /**
   * True: what was admitted is finished first. False: what waits is cancelled, only what runs is finished.
   * @default true
   */
  drain?: boolean
  /**
   * After how many ms what is left is cancelled, and the signals of what runs aborted. At least 0.
   * @default Infinity
   */
  graceMs?: number
}

/** The options as the engine reads them: complete, and by tier. */
export interface Settings<Req> {
  readonly name: string
  readonly concurrency: number
  /** 0: nothing may wait; no bound is Infinity. */
  readonly total: number
  readonly byTier: readonly number[]
  /** Where 0 was given, which asks for no bound: `'maxQueueSize.low'`. */
  readonly zeroSizes: readonly string[]
  readonly whenFull: WhenFull
  readonly maxBlocked: number
  readonly waitTimeoutMs: readonly number[]
  readonly runTimeoutMs: readonly number[]
  readonly timeoutMs: readonly number[]
  /** The smaller of the wait's and the whole request's. */
  readonly waitLimitMs: readonly number[]
  readonly onStuck: StuckPolicy
  readonly maxReplaced: number
  readonly schema: StandardSchema<Req> | undefined
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
  readonly clock: Clock
  readonly onListenerError: ListenerErrorHandler | undefined
  readonly random: () => number
  readonly debug: boolean
}

const DEFAULT_QUEUE_SIZE = 10_000
const DEFAULT_BLOCKED = 10_000
const DEFAULT_CONCURRENCY = 10
const DEFAULT_RUN_TIMEOUT_MS = 300_000

type Given = Record<string, unknown>

/** It may also be an object with one such value for each of these. */
function orEach(names: readonly string[], rule: OptionRule): OptionRule {
  return { ...rule, parts: Object.fromEntries(names.map((name) => [name, rule])) }
}

const timeout: OptionRule = { expected: 'a number of ms greater than 0, or Infinity', fits: isTimeout }
const timeouts = orEach(['default', ...priorities], timeout)
const slots: OptionRule = {
  expected: 'an object with a number of slots for each priority',
  fits: (value) => isCount(value, 0),
}
const bound: OptionRule = {
  expected: 'an integer of at least 0, or Infinity',
  fits: (value) => value === Number.POSITIVE_INFINITY || isCount(value, 0),
}
const yesOrNo: OptionRule = { expected: 'a boolean', fits: (value) => typeof value === 'boolean' }
const oneOf = (...words: string[]): OptionRule => ({
  expected: wordList(words),
  fits: (value) => words.includes(value as string),
})

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
  onDuplicate: oneOf('join', 'join-by-id', 'reject'),
  limit: { expected: 'a limit policy, such as adaptive()', fits: (value) => hasMethods(value, 'sample') },
  reserve: { ...orEach(priorities, slots), fits: () => false },
  lendReserve: yesOrNo,
  rateLimit: { expected: 'a rate limit, such as tokenBucket(), or an array of them', fits: areGuards },
  overload: { expected: 'a guard, such as codel(), or an array of them', fits: areGuards },
  retry: { expected: 'a retry policy, such as backoff()', fits: (value) => hasMethods(value, 'delayMs') },
  maxRetrying: bound,
  order: { expected: 'an order policy, such as strict()', fits: (value) => hasMethods(value, 'rank') },
  clock: {
    expected: 'a clock with now, setTimeout and clearTimeout',
    fits: (value) => hasMethods(value, 'now', 'setTimeout', 'clearTimeout'),
  },
  onListenerError: aFunction,
  random: aFunction,
  debug: yesOrNo,
}

/**
 * Options with their defaults. What is set to undefined is not set.
 * @throws {OptionsError} that names the option, what it must be, and what it is
 */
export function readSettings<Req>(options: QueuedExecutorOptions<Req> = {}): Settings<Req> {
  const given = readGiven<QueuedExecutorOptions<Req>>('', options, rules)
  const { limit } = given
  const decides = limit !== undefined && limit.shadow !== true
  if (decides && given.concurrency !== undefined) {
    throw new OptionsError('concurrency', 'left out, since `limit` decides', given.concurrency)
  }
  const concurrency = decides ? requireConcurrency(limit.initial) : (given.concurrency ?? DEFAULT_CONCURRENCY)
  const size = partsOf(given.maxQueueSize, 'total') as Record<string, QueueSize | undefined>
  const total = sizeOf(size.total ?? DEFAULT_QUEUE_SIZE)
  // For what goes by it; where nothing may wait that is no measure.
  const atMost = total || DEFAULT_QUEUE_SIZE
  const waitTimeoutMs = byTier(given.waitTimeoutMs, Number.POSITIVE_INFINITY)
  const timeoutMs = byTier(given.timeoutMs, Number.POSITIVE_INFINITY)
  return {
    name: given.name ?? 'triage',
    concurrency,
    total,
    byTier: priorities.map((priority) => (total === 0 ? 0 : sizeOf(size[priority] ?? Number.POSITIVE_INFINITY))),
    zeroSizes: Object.keys(size).flatMap((part) =>
      size[part] !== 0 ? [] : part === 'total' ? 'maxQueueSize' : `maxQueueSize.${part}`,
    ),
    whenFull: given.whenFull ?? 'reject',
    maxBlocked: unbounded(given.maxBlocked ?? DEFAULT_BLOCKED),
    waitTimeoutMs,
    runTimeoutMs: byTier(given.runTimeoutMs, DEFAULT_RUN_TIMEOUT_MS),
    timeoutMs,
    waitLimitMs: timeoutMs.map((ms, tier) => Math.min(ms, waitTimeoutMs[tier] as number)),
    onStuck: given.onStuck ?? 'hold',
    maxReplaced: given.maxReplaced ?? concurrency,
    schema: given.schema,
    maxChecking: unbounded(given.maxChecking ?? atMost),
    onDuplicate: given.onDuplicate ?? 'join',
    order: given.order ?? strict(),
    limit,
    reserve: floorsOf(given.reserve, concurrency, given.lendReserve ?? false),
    lendReserve: given.lendReserve ?? false,
    retry: given.retry,
    maxRetrying: unbounded(given.maxRetrying ?? atMost),
    rateLimits: [given.rateLimit ?? []].flat(),
    overload: [given.overload ?? []].flat(),
    clock: given.clock ?? systemClock,
    onListenerError: given.onListenerError,
    random: given.random ?? (() => Math.random()),
    debug: given.debug ?? process.env.TRIAGE_DEBUG === '1',
  }
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
    const { expected, fits } = rules.onDuplicate
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
export function readCloseOptions(options: CloseOptions = {}): Required<CloseOptions> {
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

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value > 0
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function areGuards(value: unknown): boolean {
  return [value].flat().every((each) => isPlain(each) && isName(each.name))
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

function hasMethods(value: unknown, ...names: string[]): boolean {
  return typeof value === 'object' && value !== null && names.every((name) => isFunction((value as Given)[name]))
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

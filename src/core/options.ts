/**
 * How shall it behave? Options, their defaults, and what they may be: looked at once, when an executor is made.
 *
 * The check is zod's, by way of `zod/mini`, which is bundled: full zod costs 100 ms at import. What a submit brings is
 * checked by hand below, since that happens for each request.
 */
import { custom, optional, pipe, safeParse, strictObject, transform, config as zodConfig } from 'zod/mini'
import type { StandardSchema } from './admit/schema.ts'
import { type Clock, systemClock } from './clock.ts'
import { OptionsError } from './errors.ts'
import { type Priority, priorities, tierOf } from './priority.ts'
import { type OrderPolicy, strict } from './queue/order.ts'
import type { RequestRecord } from './queued-request.ts'
import type { StuckPolicy } from './run/slots.ts'
import type { ListenerErrorHandler } from './watch/events.ts'

/** One value for all priorities, or one for each; those not named have `default`, or the option's own default. */
export type PerPriority<T> = T | ({ readonly [P in Priority]?: T } & { readonly default?: T })

/** What happens to a request for which there is no room. */
export type WhenFull = 'reject' | 'block' | 'shed'

/** What happens to a request whose id is that of a live one. */
export type OnDuplicate = 'join' | 'reject'

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
   * free slots does not count as waiting. 0 or Infinity: no bound.
   * @default 10_000
   */
  maxQueueSize?: number | ({ readonly [P in Priority]?: number } & { readonly total?: number })
  /**
   * What happens when there is no room: `'reject'` refuses with a `QueueFullError`; `'block'` lets the caller wait for
   * room, by priority; `'shed'` displaces the youngest request of the lowest priority below the newcomer's, if any.
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
   * A request with the id of a live one: `'join'` shares the run and its outcome, `'reject'` refuses it with a
   * `DuplicateRequestError`.
   * @default 'join'
   */
  onDuplicate?: OnDuplicate
  /**
   * Who goes first.
   * @default strict()
   */
  order?: OrderPolicy
  /**
   * The source of all time.
   * @default systemClock
   */
  clock?: Clock
  /** Told what a listener has thrown; without it, such an error becomes a Node warning. */
  onListenerError?: ListenerErrorHandler
  /**
   * A number from 0 to 1, for the jitter of `retryAfterMs`.
   * @default Math.random
   */
  random?: () => number
}

/** What one request may ask for. */
export interface RequestOptions {
  /** @default 'normal' */
  priority?: Priority
  /** The caller's own id: while a request with it is live, another one joins it or is refused (`onDuplicate`). */
  id?: string
  /** Ends the request with `signal.reason`, wherever it is. A request that runs has `run.signal` aborted. */
  signal?: AbortSignal
  /** In place of the executor's, in ms. */
  waitTimeoutMs?: number
  /** In place of the executor's, in ms. */
  runTimeoutMs?: number
  /** In place of the executor's, in ms. */
  timeoutMs?: number
  /** Anything: the executor finds it in `run.metadata`, listeners in each event. */
  metadata?: unknown
}

/** The options as the engine reads them: complete, and by tier. */
export interface Settings<Req> {
  readonly name: string
  readonly concurrency: number
  readonly total: number
  readonly byTier: readonly number[]
  readonly whenFull: WhenFull
  readonly maxBlocked: number
  readonly waitTimeoutMs: readonly number[]
  readonly runTimeoutMs: readonly number[]
  readonly timeoutMs: readonly number[]
  readonly onStuck: StuckPolicy
  readonly maxReplaced: number
  readonly schema: StandardSchema<Req> | undefined
  readonly onDuplicate: OnDuplicate
  readonly order: OrderPolicy
  readonly clock: Clock
  readonly onListenerError: ListenerErrorHandler | undefined
  readonly random: () => number
}

const DEFAULT_QUEUE_SIZE = 10_000
const DEFAULT_BLOCKED = 10_000
const DEFAULT_CONCURRENCY = 10
const DEFAULT_RUN_TIMEOUT_MS = 300_000

const isFunction = (value: unknown): boolean => typeof value === 'function'
const hasMethods =
  (...names: string[]) =>
  (value: unknown): boolean =>
    typeof value === 'object' && value !== null && names.every((name) => isFunction((value as never)[name]))
const oneOf = <T extends string>(...values: T[]) =>
  custom<T>((value) => values.includes(value as T), `one of ${values.map((value) => `'${value}'`).join(', ')}`)

const count = custom<number>((value) => Number.isInteger(value) && (value as number) >= 1, 'an integer of at least 1')
const bound = custom<number>(
  (value) => value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && (value as number) >= 0),
  'an integer of at least 0, or Infinity',
)
const timeout = custom<number>(isTimeout, 'a number of ms greater than 0, or Infinity')
const perPriority = pipe(
  transform((value) => (isPlain(value) ? value : { default: value })),
  strictObject({
    default: optional(timeout),
    urgent: optional(timeout),
    high: optional(timeout),
    normal: optional(timeout),
    low: optional(timeout),
  }),
)

const schema = strictObject({
  name: optional(custom<string>((value) => typeof value === 'string' && value !== '', 'a string that is not empty')),
  concurrency: optional(count),
  maxQueueSize: optional(
    pipe(
      transform((value) => (isPlain(value) ? value : { total: value })),
      strictObject({
        total: optional(bound),
        urgent: optional(bound),
        high: optional(bound),
        normal: optional(bound),
        low: optional(bound),
      }),
    ),
  ),
  whenFull: optional(oneOf('reject', 'block', 'shed')),
  maxBlocked: optional(bound),
  waitTimeoutMs: optional(perPriority),
  runTimeoutMs: optional(perPriority),
  timeoutMs: optional(perPriority),
  onStuck: optional(oneOf('hold', 'replace')),
  maxReplaced: optional(
    custom<number>((value) => Number.isInteger(value) && (value as number) >= 0, 'an integer of at least 0'),
  ),
  schema: optional(custom<StandardSchema<never>>(isSchema, "a Standard Schema, with a '~standard' property")),
  onDuplicate: optional(oneOf('join', 'reject')),
  order: optional(custom<OrderPolicy>(hasMethods('rank'), 'an order policy, such as strict()')),
  clock: optional(
    custom<Clock>(hasMethods('now', 'setTimeout', 'clearTimeout'), 'a clock with now, setTimeout and clearTimeout'),
  ),
  onListenerError: optional(custom<ListenerErrorHandler>(isFunction, 'a function')),
  random: optional(custom<() => number>(isFunction, 'a function')),
})

// No code is made at run time: services run with `--disallow-code-generation-from-strings`.
zodConfig({ jitless: true })

/**
 * Options with their defaults.
 * @throws {OptionsError} that names the option, what it must be, and what it is
 */
export function readSettings<Req>(options: QueuedExecutorOptions<Req> = {}): Settings<Req> {
  if (!isPlain(options)) throw new OptionsError('options', 'an object', options)
  // What is set to undefined is not set: `{ ...defaults, name: undefined }`.
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const parsed = safeParse(schema, given)
  if (!parsed.success) throw optionsError(parsed.error.issues[0] as Issue, given)
  const read = parsed.data
  const size = (read.maxQueueSize ?? {}) as Record<string, number | undefined>
  const concurrency = read.concurrency ?? DEFAULT_CONCURRENCY
  return {
    name: read.name ?? 'triage',
    concurrency,
    total: unbounded(size.total ?? DEFAULT_QUEUE_SIZE),
    byTier: priorities.map((priority) => unbounded(size[priority] ?? Number.POSITIVE_INFINITY)),
    whenFull: read.whenFull ?? 'reject',
    maxBlocked: unbounded(read.maxBlocked ?? DEFAULT_BLOCKED),
    waitTimeoutMs: timeouts(read.waitTimeoutMs, Number.POSITIVE_INFINITY),
    runTimeoutMs: timeouts(read.runTimeoutMs, DEFAULT_RUN_TIMEOUT_MS),
    timeoutMs: timeouts(read.timeoutMs, Number.POSITIVE_INFINITY),
    onStuck: read.onStuck ?? 'hold',
    maxReplaced: read.maxReplaced ?? concurrency,
    schema: read.schema as StandardSchema<Req> | undefined,
    onDuplicate: read.onDuplicate ?? 'join',
    order: read.order ?? strict(),
    clock: read.clock ?? systemClock,
    onListenerError: read.onListenerError,
    random: read.random ?? (() => Math.random()),
  }
}

/**
 * Takes over what one request asks for; the object is not kept, and may be changed afterwards.
 * @throws {OptionsError}
 */
export function readRequestOptions(options: RequestOptions, record: RequestRecord): void {
  if (typeof options !== 'object' || options === null) throw new OptionsError('options', 'an object', options)
  // Each is read once: a getter may answer differently the second time.
  const { priority, id, signal, waitTimeoutMs, runTimeoutMs, timeoutMs, metadata } = options
  if (priority !== undefined) record.tier = requireTier(priority)
  if (id !== undefined) {
    if (typeof id !== 'string' || id === '') throw new OptionsError('id', 'a string that is not empty', id)
    const extras = record.more()
    extras.id = id
    extras.ownId = true
  }
  if (signal !== undefined) {
    if (!hasMethods('addEventListener', 'removeEventListener')(signal) || typeof signal.aborted !== 'boolean') {
      throw new OptionsError('signal', 'an AbortSignal', signal)
    }
    record.more().signal = signal
  }
  if (waitTimeoutMs !== undefined) record.more().waitTimeoutMs = requireTimeout('waitTimeoutMs', waitTimeoutMs)
  if (runTimeoutMs !== undefined) record.more().runTimeoutMs = requireTimeout('runTimeoutMs', runTimeoutMs)
  if (timeoutMs !== undefined) record.more().timeoutMs = requireTimeout('timeoutMs', timeoutMs)
  if (metadata !== undefined) record.more().metadata = metadata
}

/** @throws {OptionsError} for what is none of the four priorities */
export function requireTier(priority: unknown): number {
  const tier = tierOf(priority)
  if (tier < 0) {
    throw new OptionsError('priority', `one of ${priorities.map((word) => `'${word}'`).join(', ')}`, priority)
  }
  return tier
}

/** @throws {OptionsError} unless it is an integer of at least 1 */
export function requireConcurrency(concurrency: unknown): number {
  if (Number.isInteger(concurrency) && (concurrency as number) >= 1) return concurrency as number
  throw new OptionsError('concurrency', 'an integer of at least 1', concurrency)
}

function requireTimeout(path: string, value: unknown): number {
  if (isTimeout(value)) return value as number
  throw new OptionsError(path, 'a number of ms greater than 0, or Infinity', value)
}

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value > 0
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSchema(value: unknown): boolean {
  const standard = (value as { '~standard'?: { validate?: unknown } } | null | undefined)?.['~standard']
  return isFunction(standard?.validate)
}

function unbounded(size: number): number {
  return size === 0 ? Number.POSITIVE_INFINITY : size
}

function timeouts(given: unknown, otherwise: number): number[] {
  const by = (given ?? {}) as Record<string, number | undefined>
  return priorities.map((priority) => by[priority] ?? by.default ?? otherwise)
}

interface Issue {
  readonly code?: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly keys?: readonly string[]
}

function optionsError(issue: Issue, given: Record<string, unknown>): OptionsError {
  if (issue.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys?.[0] as string]
    const known = issue.path.length === 0 ? Object.keys(schema.def.shape) : ['total', 'default', ...priorities]
    return new OptionsError(
      path.join('.'),
      `left out: there is no such option (there are ${known.join(', ')})`,
      valueAt(given, path),
    )
  }
  const [first] = issue.path
  // A plain value was read as if it were `{ default: value }`: the path that the user wrote is the shorter one.
  const path = first !== undefined && !isPlain(given[first as string]) ? [first] : issue.path
  return new OptionsError(path.map(String).join('.'), issue.message, valueAt(given, path))
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], given)
}

/**
 * What holds now? The options of an executor in their own words, with the defaults: what `executor.settings` shows.
 *
 * The engine reads `Settings`, by tier; nobody else should have to.
 */
import type { Guard } from './admit/guard.ts'
import type { StandardSchema } from './admit/schema.ts'
import type { QueuedExecutorOptions, QueueSize } from './options.ts'
import { type ByPriority, byPriority, type Priority } from './priority.ts'
import type { OrderPolicy } from './queue/order.ts'
import type { Settings } from './settings.ts'
import { byTierOf } from './watch/describe.ts'

type Words =
  | ('name' | 'whenFull' | 'maxBlocked' | 'onStuck' | 'maxReplaced' | 'maxChecking' | 'onDuplicate' | 'limit')
  | ('lendReserve' | 'retry' | 'maxRetrying' | 'clock' | 'onListenerError' | 'random' | 'debug')

/** What was given and what is taken without, each by the name and in the words of its option. Frozen. */
export type EffectiveOptions<Req = unknown, Input = Req> = {
  readonly [K in Exclude<Words, 'limit' | 'retry' | 'onListenerError'>]: Exclude<QueuedExecutorOptions[K], undefined>
} & {
  readonly [K in 'limit' | 'retry' | 'onListenerError']: QueuedExecutorOptions[K] | undefined
} & {
  /** As it is now: as it was set last, or as `limit` has learnt. */
  readonly concurrency: number
  /** Infinity: no bound. */
  readonly maxQueueSize: { readonly [P in Priority | 'total']: QueueSize }
  readonly waitTimeoutMs: Readonly<ByPriority<number>>
  readonly runTimeoutMs: Readonly<ByPriority<number>>
  readonly timeoutMs: Readonly<ByPriority<number>>
  readonly reserve: Readonly<ByPriority<number>>
  readonly schema: StandardSchema<Req, Input> | undefined
  readonly order: OrderPolicy
  readonly rateLimit: readonly Guard[]
  readonly overload: readonly Guard[]
}

export function effectiveOptions<Req, Input>(settings: Settings, concurrency: number): EffectiveOptions<Req, Input> {
  const each = (values: readonly number[]) => Object.freeze(byPriority((tier) => values[tier] as number))
  const sizes = byPriority((tier) => sizeOf(settings.byTier[tier] as number))
  const { rateLimits, overload } = settings
  const options: EffectiveOptions<Req, Input> = {
    name: settings.name,
    concurrency,
    maxQueueSize: Object.freeze({ total: sizeOf(settings.total), ...sizes }),
    whenFull: settings.whenFull,
    maxBlocked: settings.maxBlocked,
    waitTimeoutMs: each(settings.waitTimeoutMs),
    runTimeoutMs: each(settings.runTimeoutMs),
    timeoutMs: each(settings.timeoutMs),
    onStuck: settings.onStuck,
    maxReplaced: settings.maxReplaced,
    schema: settings.schema as StandardSchema<Req, Input> | undefined,
    maxChecking: settings.maxChecking,
    onDuplicate: settings.onDuplicate,
    order: settings.order,
    limit: settings.limit,
    reserve: each(settings.reserve),
    lendReserve: settings.lendReserve,
    retry: settings.retry,
    maxRetrying: settings.maxRetrying,
    rateLimit: Object.freeze([...rateLimits]),
    overload: Object.freeze([...overload]),
    clock: settings.clock,
    onListenerError: settings.onListenerError,
    random: settings.random,
    debug: settings.debug,
  }
  return Object.freeze(Object.defineProperty(options, byTierOf, { value: settings }))
}

function sizeOf(size: number): QueueSize {
  return size === 0 ? 'none' : size
}

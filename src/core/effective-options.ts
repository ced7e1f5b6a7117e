/**
 * What holds now? The options of an executor in their own words, with the defaults: what `executor.settings` shows.
 *
 * The engine reads `Settings`, by tier; nobody else should have to.
 */
import type { Guard } from './admit/guard.ts'
import type { StandardSchema } from './admit/schema.ts'
import type { KindOptions, QueuedExecutorOptions, QueueSize } from './options.ts'
import { type ByPriority, byPriority, type Priority } from './priority.ts'
import type { OrderPolicy } from './queue/order.ts'
import { executorOptions, type Settings } from './settings.ts'
import { byTierOf } from './watch/describable.ts'

type Words =
  | ('name' | 'whenFull' | 'maxBlocked' | 'onStuck' | 'maxReplaced' | 'maxChecking' | 'onDuplicate' | 'limit')
  | ('lendReserve' | 'retry' | 'maxRetrying' | 'clock' | 'onListenerError' | 'random' | 'debug')
  | ('store' | 'maxAttempts' | 'results' | 'tellWithinMs')

/** What was given and what is taken without, each by the name and in the words of its option. Frozen. */
export type EffectiveOptions<Req = unknown, Input = Req> = {
  readonly [K in Exclude<Words, 'limit' | 'retry' | 'onListenerError' | 'store'>]: Exclude<
    QueuedExecutorOptions[K],
    undefined
  >
} & {
  readonly [K in 'limit' | 'retry' | 'onListenerError' | 'store']: QueuedExecutorOptions[K] | undefined
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
  readonly kinds: { readonly [kind: string]: KindOptions }
  readonly rateLimit: readonly Guard[]
  readonly overload: readonly Guard[]
}

export function effectiveOptions<Req, Input>(settings: Settings, concurrency: number): EffectiveOptions<Req, Input> {
  const { total, byTier } = settings
  // Most are the same there; what is there besides is no option.
  const same = Object.fromEntries(
    executorOptions.names.map((name) => [name, settings[name as keyof Settings]]),
  ) as Pick<Settings, Words | 'order'>
  const each = <T>(of: (tier: number) => T) => Object.freeze(byPriority(of))
  const eachOf = (values: readonly number[]) => each((tier) => values[tier] as number)
  const options: EffectiveOptions<Req, Input> = {
    ...same,
    concurrency,
    maxQueueSize: Object.freeze({ total: sizeOf(total), ...each((tier) => sizeOf(byTier[tier] as number)) }),
    waitTimeoutMs: eachOf(settings.waitTimeoutMs),
    runTimeoutMs: eachOf(settings.runTimeoutMs),
    timeoutMs: eachOf(settings.timeoutMs),
    reserve: eachOf(settings.reserve),
    schema: settings.schema as StandardSchema<Req, Input> | undefined,
    kinds: Object.freeze(Object.fromEntries(settings.kinds)),
    rateLimit: Object.freeze([...settings.rateLimits]),
    overload: Object.freeze([...settings.overload]),
  }
  return Object.freeze(Object.defineProperty(options, byTierOf, { value: settings }))
}

function sizeOf(size: number): QueueSize {
  return size === 0 ? 'none' : size
}

/**
 * One schedule, twice: as the options of a real executor, and as the rules of the model.
 */
import {
  adaptive,
  aging,
  aimd,
  backoff,
  circuitBreaker,
  codel,
  earliestDeadlineFirst,
  fairBy,
  type Guard,
  gradient2,
  meetsDeadline,
  type OrderPolicy,
  type Priority,
  priorities,
  type QueuedExecutorOptions,
  type StandardResult,
  shadow,
  shedByPriority,
  strict,
  tokenBucket,
  vegas,
  weighted,
} from 'triage-queue'
import type { Faults } from './faults.ts'
import type { Rules } from './rules.ts'
import {
  type ByTier,
  type GuardName,
  isBulk,
  type LimitName,
  type Options,
  type OrderName,
  type Policies,
  type Schedule,
} from './schedule.ts'

/** What is handed to the executor: equal for some, so that they may join each other. Which request it is, the metadata says. */
export interface Payload {
  readonly key: string
  readonly refused: 'guard' | 'schema' | undefined
}

/** Of the token bucket, for each priority. */
export const PER_SECOND = 2
export const BURST = 4
const TARGETS_MS = [0, 500, 2_000, 10_000]
const DEFAULT_RUN_TIMEOUT_MS = 300_000
const DEFAULT_SIZE = 10_000
const MAX_RETRIES = 2

const keyOf = (request: unknown): string => (request as Payload).key

const lastIn: OrderPolicy = { name: 'last in', acrossTiers: false, rank: ({ sequence }) => -sequence }
const oldest: OrderPolicy = { name: 'oldest', acrossTiers: true, rank: ({ admittedAt }) => admittedAt }

const targets = { high: 500, normal: 2_000, low: 10_000 }
const within = { strict, deadlines: earliestDeadlineFirst, 'last in': () => lastIn, fair: () => fairBy(keyOf) }
const pairs = Object.fromEntries(
  Object.entries(within).flatMap(([name, inner]) => [
    [`aging, ${name}`, () => aging(targets, { within: inner() })],
    [`weighted, ${name}`, () => weighted({}, { within: inner() })],
  ]),
) as { readonly [K in OrderName & `${string}, ${string}`]: () => OrderPolicy }

/** It wants to hear of everything. */
const told: OrderPolicy = {
  ...{ name: 'told', acrossTiers: true, rank: ({ tier, sequence }) => 10 * tier + sequence },
  ...{ started() {}, left() {}, settled() {} },
}

/** The functions that policies are made with, as they are, or with faults. */
type Wrap = <F extends (...args: never[]) => unknown>(name: string, original: F) => F
const asItIs: Wrap = (_, original) => original

const orders: { readonly [K in OrderName]: (wrap: Wrap) => OrderPolicy } = {
  ...pairs,
  told: () => told,
  aging: () => aging(targets),
  deadlines: earliestDeadlineFirst,
  'last in': () => lastIn,
  oldest: () => oldest,
  weighted: () => weighted(),
  fair: (wrap) => {
    const of = { weight: wrap('FairByOptions.weight', () => 1), cost: wrap('FairByOptions.cost', () => 1) }
    return fairBy(wrap('fairBy.key', keyOf), wrap === asItIs ? {} : of)
  },
}

const scripted: Guard = {
  name: 'scripted',
  admit: ({ request }) =>
    (request as Payload).refused === 'guard'
      ? { rule: 'scripted', compared: {}, wouldAdmit: 'another', retryAfterMs: 1 }
      : undefined,
}

/** It wants to be asked everything, and to hear of everything. */
const every: Guard = {
  ...{ name: 'every', admit: () => undefined, drop: () => undefined, started() {}, settled() {} },
  holdMs: ({ at }) => (at % 400 === 0 ? 5 : 0),
  delayMs: ({ tier }) => (tier === 3 ? 30 : 0),
}

const makers: { readonly [K in GuardName]: (wrap: Wrap) => Guard } = {
  every: () => every,
  scripted: () => scripted,
  tokens: () => tokenBucket({ perSecond: PER_SECOND, burst: BURST, per: 'priority' }),
  'waiting tokens': (wrap) =>
    tokenBucket({ perSecond: PER_SECOND, burst: BURST, over: 'wait', per: wrap('TokenBucketOptions.per', keyOf) }),
  codel: () => codel({ targetMs: 300 }),
  deadline: () => meetsDeadline(),
  shedding: (wrap) => shedByPriority(wrap === asItIs ? {} : { cohort: wrap('ShedByPriorityOptions.cohort', keyOf) }),
  breaker: (wrap) =>
    circuitBreaker(wrap === asItIs ? {} : { isFailure: wrap('CircuitBreakerOptions.isFailure', (ok) => !ok) }),
}

const limits: { readonly [K in LimitName]: (initial: number, wrap: Wrap) => QueuedExecutorOptions['limit'] & object } =
  {
    shadow: () => shadow(aimd({ initial: 1, min: 1, max: 5, timeoutMs: 500 })),
    aimd: (initial, wrap) => {
      const isDropped = wrap('LearningLimitOptions.isDropped', () => true)
      return aimd({ initial, min: 1, max: 6, timeoutMs: 500, ...(wrap !== asItIs && { isDropped }) })
    },
    vegas: (initial, wrap) => {
      const probes = { probeMultiplier: 1, random: wrap('VegasOptions.random', () => 0.5) }
      return vegas({ initial, min: 1, max: 6, ...(wrap !== asItIs && probes) })
    },
    gradient2: (initial) => gradient2({ initial, min: 1, max: 6 }),
    adaptive: (initial) => adaptive({ initial, min: 1, max: 6 }),
  }
export const MAX_LEARNED = 6

/** By when a tier has its turn, under `aging`. */
export const targetMs = (tier: number): number => TARGETS_MS[tier] as number

/** Is each choice of its policies known beforehand, and not a matter of numbers? */
export function isExact({ options, policies, reactions, commands, faults }: Schedule): boolean {
  const { order, guards: named, limit, schema } = policies
  // Who of the blocked comes in beside one that is too heavy for the room there is, is not said.
  const isHeavy = commands.some((command) => command.do === 'arrive' && (command.cost ?? 1) > 1)
  return (
    !commands.some(isBulk) &&
    faults === undefined &&
    !(isHeavy && (options.whenFull === 'block' || options.reserve !== undefined)) &&
    order !== 'fair' &&
    named.every((name) => name === 'scripted' || (name === 'waiting tokens' && isKnownRate(options, policies))) &&
    (limit === undefined || limit === 'shadow') &&
    schema !== 'async' &&
    reactions.every(({ does }) => does.do === 'throw' || does.do === 'reject')
  )
}

/** Not which tier has its turn when none has a token, nor who comes in then of those that are blocked, or may not wait. */
function isKnownRate({ maxQueueSize, whenFull }: Options, { order }: Policies): boolean {
  const sizes = typeof maxQueueSize === 'object' ? Object.values(maxQueueSize) : [maxQueueSize]
  return !order?.startsWith('weighted') && !order?.includes(', ') && whenFull !== 'block' && !sizes.includes('none')
}

export function optionsOf({ options, policies }: Schedule, faults?: Faults): QueuedExecutorOptions<Payload> {
  const { order, limit, schema, retryMs, backsOff, guards: named } = policies
  const { concurrency, ...others } = options
  const wrap: Wrap = faults === undefined ? asItIs : (name, original) => faults.wrap(name, original)
  const policy = <P extends object>(type: string, made: P): P => faults?.policy(type, made) ?? made
  const made = named.map((name) => policy('Guard', makers[name](wrap)))
  return {
    ...(others as QueuedExecutorOptions<Payload>),
    // A limit policy decides in its place.
    ...(limit === undefined || limit === 'shadow' ? { concurrency } : undefined),
    ...(order === undefined ? undefined : { order: policy('OrderPolicy', orders[order](wrap)) }),
    ...(limit === undefined ? undefined : { limit: policy('LimitPolicy', limits[limit](concurrency, wrap)) }),
    ...(schema === undefined ? undefined : { schema: schemaOf(schema === 'async', wrap) }),
    ...(retryMs === undefined ? undefined : { retry: policy('RetryPolicy', retryOf(retryMs)) }),
    ...(backsOff ? { retry: policy('RetryPolicy', backoffOf(wrap)) } : undefined),
    rateLimit: made.filter(({ name }) => name === 'tokenBucket'),
    overload: made.filter(({ name }) => name !== 'tokenBucket'),
  }
}

function backoffOf(wrap: Wrap): QueuedExecutorOptions['retry'] & object {
  const [retryIf, random] = [wrap('BackoffOptions.retryIf', () => true), wrap('BackoffOptions.random', () => 0.5)]
  return backoff({ baseMs: 50, budget: 1, retryIf, random })
}

function schemaOf(isAsync: boolean, wrap: Wrap): QueuedExecutorOptions<Payload>['schema'] & object {
  const look = (value: unknown): StandardResult<Payload> =>
    (value as Payload).refused === 'schema' ? { issues: [{ message: 'no' }] } : { value: value as Payload }
  const validate = (value: unknown) => (isAsync ? Promise.resolve(value).then(look) : look(value))
  return { '~standard': { version: 1, vendor: 'simulation', validate: wrap('StandardSchema.~standard', validate) } }
}

function retryOf(retryMs: number): QueuedExecutorOptions['retry'] & object {
  return { name: 'again', delayMs: ({ attempt }) => delayMs(retryMs, attempt) }
}

const delayMs = (retryMs: number, failures: number): number | undefined =>
  failures > MAX_RETRIES ? undefined : retryMs * failures

export function rulesOf({ options, policies }: Schedule): Rules {
  const { concurrency, onStuck, maxReplaced = concurrency } = options
  const { guards, order, retryMs } = policies
  const never = Number.POSITIVE_INFINITY
  const { maxQueueSize = {} } = options
  const size = typeof maxQueueSize === 'object' ? maxQueueSize : { total: maxQueueSize }
  const sizeOf = (part: Priority | 'total', otherwise: number) => {
    const value = (size as { [P in Priority | 'total']?: number | 'none' })[part] ?? otherwise
    return value === 'none' ? 0 : value
  }
  const total = sizeOf('total', DEFAULT_SIZE)
  return {
    total,
    byTier: priorities.map((priority) => sizeOf(priority, never)),
    whenFull: options.whenFull ?? (total === 0 ? 'reject' : 'shed'),
    maxBlocked: options.maxBlocked ?? DEFAULT_SIZE,
    waitMs: byTier(options.waitTimeoutMs, never),
    runMs: byTier(options.runTimeoutMs, DEFAULT_RUN_TIMEOUT_MS),
    totalMs: byTier(options.timeoutMs, never),
    maxReplaced: onStuck === 'replace' ? maxReplaced : 0,
    onDuplicate: options.onDuplicate ?? 'join',
    ...(guards.includes('waiting tokens') && { tokens: { perSecond: PER_SECOND, burst: BURST } }),
    ...(order === 'weighted' && { weights: [8, 4, 2, 1] }),
    targets: order === 'aging',
    across: order === 'aging' || order === 'oldest',
    rank: ({ tier, sequence, from }, deadline) => {
      if (order === 'aging') return from + (TARGETS_MS[tier] as number)
      if (order === 'deadlines') return deadline
      if (order === 'oldest') return from
      return order === 'last in' ? -sequence : sequence
    },
    reserve: priorities.map((priority) => options.reserve?.[priority] ?? 0),
    lends: options.lendReserve ?? false,
    maxRetrying: options.maxRetrying ?? (total || DEFAULT_SIZE),
    retryMs: (failures) => (retryMs === undefined ? undefined : delayMs(retryMs, failures)),
  }
}

function byTier(value: ByTier | undefined, otherwise: number): number[] {
  if (typeof value === 'number') return [value, value, value, value]
  return priorities.map((priority) => value?.[priority] ?? value?.default ?? otherwise)
}

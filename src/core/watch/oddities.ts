/**
 * What is odd about a configuration: what can't work, or not as one would think? Step 7 of 7.
 *
 * One rule for each oddity, and a table of the policies that do not go together.
 */
import { type Priority, priorities } from '../priority.ts'
import type { Described } from './describable.ts'

/** Two policies, by the beginnings of their names, that do not go together, and why. */
interface Pair {
  readonly policies: readonly [one: string, other: string]
  readonly warning: string
}

/** A token bucket that judges arrivals: one of starts has the same name. */
const ARRIVALS = 'rate of arrivals'
const BEFORE = 'tokenBucket() refuses before'

/** A row for each pair, as docs/policies.md shows them: all else about policies is a rule below. */
const pairs: readonly Pair[] = [
  {
    policies: ['fair by key', 'shedByPriority'],
    warning:
      'shedByPriority() refuses before fairBy() is asked, by priority and not by key: a key that asks for less than its share may be refused; give it the same key as `cohort`',
  },
  {
    policies: ['fair by key', ARRIVALS],
    warning: `${BEFORE} fairBy() is asked: a key that asks for less than its share may be refused; over: 'wait' takes tokens in its order`,
  },
  {
    policies: ['weighted', ARRIVALS],
    warning: `${BEFORE} weighted() is asked: priorities are not answered in their shares; over: 'wait' takes tokens in its order`,
  },
  { policies: ['fair by key', 'pressure'], warning: 'pressure() refuses by priority, and not by key' },
  { policies: ['weighted', 'pressure'], warning: 'pressure() refuses the lower priorities, whatever their shares' },
  {
    policies: ['aging', 'meetsDeadline'],
    warning:
      'under overload aging() lets old requests go first, and meetsDeadline() then refuses urgent ones that would come too late behind them',
  },
]

type Settings = Described['settings']
type Rule = (executor: Described) => readonly string[]

/** From how many runs on a typical one is known. */
const ENOUGH_RUNS = 20
const LOW = priorities.length - 1
const NEVER = Number.POSITIVE_INFINITY

const rules: readonly Rule[] = [
  lowStarves,
  fewMayWait,
  noBound,
  blocksForEver,
  hasNoDeadlines,
  doNotGoTogether,
  byPriority,
  isNotKept,
  isLeftInStore,
]

/** A sentence for each thing that is odd. */
export function odditiesOf(executor: Described): string[] {
  return rules.flatMap((rule) => rule(executor))
}

function lowStarves(executor: Described): readonly string[] {
  const { settings } = executor
  const { order, byTier, whenFull } = settings
  if (hasOwnSlot(executor, LOW)) return []
  if (whenFull === 'block' && byTier[LOW] === 0) {
    return [
      'blocked callers come in by priority: low starves for as long as there are others; reserve: { low: 1 } gives it a slot of its own',
    ]
  }
  if (order.acrossTiers || !mayWait(settings, LOW)) return []
  const [which, remedy] =
    order.name === 'strict'
      ? ['strict order', 'aging() bounds its wait']
      : [`the order '${order.name}'`, 'aging({}, { within: … }) bounds the wait of its priority']
  return [`with ${which}, low starves for as long as there is anything else; ${remedy}`]
}

function fewMayWait({ settings: { total }, concurrency }: Described): readonly string[] {
  if (concurrency <= total || total === 0) return []
  return [
    `priorities decide little: ${concurrency} run at once, and no more than ${total} can wait; lower concurrency to what the work can take`,
  ]
}

function noBound({ settings }: Described): readonly string[] {
  const { total, zeroSizes, unusedSizes } = settings
  return [
    ...(total === NEVER ? ['the queue is unbounded: under overload it takes all memory'] : []),
    ...zeroSizes.map((option) =>
      option.startsWith('maxQueueSize')
        ? `${option} is 0: 0 means unlimited; 'none' means that nothing waits`
        : `${option} is 0: 0 means unlimited`,
    ),
    ...unusedSizes.map((priority) => `maxQueueSize.${priority} never counts, since maxQueueSize.total is 'none'`),
  ]
}

function blocksForEver({ settings }: Described): readonly string[] {
  if (settings.whenFull !== 'block') return []
  const which = namesOf(withoutDeadline(settings))
  return which === '' ? [] : [`${which}: a blocked caller waits for ever; waitTimeoutMs or timeoutMs ends that`]
}

function hasNoDeadlines({ settings }: Described): readonly string[] {
  const { order, overload, rateLimits, timeoutMs } = settings
  const warn = (name: string, tiers: readonly Priority[], what: string): string[] =>
    tiers.length === 0
      ? []
      : [
          `${namesOf(tiers)}: ${name} goes by deadlines, and a request has none unless it brings one; ${what} gives it one`,
        ]
  return [
    ...(order.needsDeadline === true ? warn(order.name, withoutDeadline(settings), 'waitTimeoutMs or timeoutMs') : []),
    ...[...rateLimits, ...overload].flatMap((guard) =>
      guard.needsDeadline === true ? warn(guard.name, without(timeoutMs), 'timeoutMs') : [],
    ),
  ]
}

function doNotGoTogether({ settings }: Described): readonly string[] {
  const { order, limit, retry, rateLimits, overload } = settings
  // An order may be two: 'aging, then fair by key'.
  const all = [...order.name.split(', then '), limit?.name, retry?.name, ...[...rateLimits, ...overload].map(nameOf)]
  const has = (name: string): boolean => all.some((each) => each?.startsWith(name))
  return pairs.filter(({ policies }) => policies.every(has)).map(({ warning }) => warning)
}

function byPriority(executor: Described): readonly string[] {
  const { runByPriority } = executor.getStatus()
  const { order, total, byTier, waitTimeoutMs, runTimeoutMs, timeoutMs } = executor.settings
  const warnings: string[] = []
  for (const [tier, priority] of priorities.entries()) {
    const [wait, run, all] = [waitTimeoutMs[tier], runTimeoutMs[tier], timeoutMs[tier]] as [number, number, number]
    if (wait >= all && wait < NEVER) {
      warnings.push(`${priority}: waitTimeoutMs (${wait}) never counts, since timeoutMs (${all}) is over before`)
    }
    if (run === NEVER && all === NEVER) {
      warnings.push(`${priority}: a call that never settles holds its slot for ever, and nobody is told`)
    }
    const { count, p50Ms } = runByPriority[priority]
    if (count >= ENOUGH_RUNS && p50Ms >= Math.min(run, all)) {
      warnings.push(
        `${priority}: half of the runs take ${round(p50Ms)} ms or more, and time out at ${Math.min(run, all)}`,
      )
    }
    const target = order.targetsMs?.[tier]
    if (target !== undefined && target >= Math.min(wait, all)) {
      warnings.push(
        `${priority}: its turn comes after up to ${target} ms, and it has given up after ${Math.min(wait, all)}`,
      )
    }
    const bound = byTier[tier] as number
    if (bound < NEVER && bound > total) {
      warnings.push(`${priority}: its bound (${bound}) never counts, since that of all is ${total}`)
    }
  }
  return warnings
}

function isNotKept({ settings }: Described): readonly string[] {
  const { store, whenFull, total, byTier, results } = settings
  if (store?.isDurable !== true) return []
  const hasBound = [total, ...byTier].some((size) => size > 0 && size < NEVER)
  return [
    ...(whenFull === 'shed' && hasBound
      ? [
          "whenFull: 'shed' ends requests that the store has acknowledged, to make room; 'reject' takes none of them back",
        ]
      : []),
    ...(results === 'eager'
      ? [
          "results: 'eager' tells answers before they are recorded: after a crash in between the request is run again, though its caller has the answer",
        ]
      : []),
  ]
}

function isLeftInStore(executor: Described): readonly string[] {
  const { unopened, unhandled } = executor.getStatus().store ?? { unopened: [], unhandled: [] }
  return [
    ...unopened.map(({ queue, live }) => `${left(live)} the queue '${queue}', which no executor has opened`),
    ...unhandled.map(({ kind, live }) => `${left(live)} the kind '${kind}', for which there is no function`),
  ]
}

function left(live: number): string {
  return `nobody runs what the store has kept: ${live} of`
}

/** Is a slot kept for a tier, or lent and given back, with the slots that there are now? */
function hasOwnSlot({ settings, concurrency }: Described, tier: number): boolean {
  const { reserve, lendReserve } = settings
  const sum = reserve.reduce((all, floor) => all + floor, 0)
  if (reserve[tier] === 0 || sum > concurrency) return false
  return sum < concurrency || lendReserve || !reserve.includes(0)
}

/** Does any request of a tier ever wait, be it to come in or to run once more? */
export function mayWait({ byTier, whenFull, retry }: Settings, tier: number): boolean {
  return byTier[tier] !== 0 || whenFull === 'block' || retry !== undefined
}

/** The priorities that may wait for ever. */
function withoutDeadline({ waitTimeoutMs, timeoutMs }: Settings): Priority[] {
  return without(timeoutMs.map((ms, tier) => Math.min(ms, waitTimeoutMs[tier] as number)))
}

function without(timesMs: readonly number[]): Priority[] {
  return priorities.filter((_, tier) => timesMs[tier] === NEVER)
}

function namesOf(some: readonly Priority[]): string {
  return some.length === priorities.length ? 'all priorities' : some.join(', ')
}

function nameOf({ name, tokensInMs }: Described['settings']['rateLimits'][number]): string {
  return name === 'tokenBucket' && tokensInMs === undefined ? ARRIVALS : name
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

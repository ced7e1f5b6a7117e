/**
 * What have I configured, and can it work? An executor's options in words, with their defaults, and what is odd about
 * them. Step 7 of 7.
 */
import { type Priority, priorities } from '../priority.ts'

interface Named {
  readonly name: string
}

/**
 * Where the settings by tier are, behind the options in words that an executor shows: what was given for a bound of 0, and
 * what is in vain, is only in these. The same in each copy of the package.
 */
export const byTierOf = Symbol.for('triage-queue.settings')

/** An executor. */
export interface Describable {
  readonly concurrency: number
  readonly settings: object
  getStatus(): StatusDescribed
}

/** What is needed of it. */
export interface Described {
  readonly concurrency: number
  readonly settings: {
    readonly name: string
    readonly total: number
    readonly byTier: readonly number[]
    readonly zeroSizes: readonly string[]
    readonly unusedSizes: readonly Priority[]
    readonly whenFull: 'reject' | 'block' | 'shed'
    readonly maxBlocked: number
    readonly waitTimeoutMs: readonly number[]
    readonly runTimeoutMs: readonly number[]
    readonly timeoutMs: readonly number[]
    readonly onStuck: 'hold' | 'replace'
    readonly maxReplaced: number
    readonly reserve: readonly number[]
    readonly lendReserve: boolean
    readonly order: Named & { readonly acrossTiers: boolean; readonly targetsMs?: readonly number[] | undefined }
    readonly limit: (Named & { readonly shadow?: boolean | undefined }) | undefined
    readonly retry: Named | undefined
    readonly maxRetrying: number
    readonly rateLimits: readonly Named[]
    readonly overload: readonly Named[]
    readonly schema: object | undefined
    readonly maxChecking: number
    readonly onDuplicate: 'join' | 'join-by-id' | 'reject'
  }
  getStatus(): StatusDescribed
}

interface StatusDescribed {
  readonly runByPriority: { readonly [P in (typeof priorities)[number]]: { count: number; p50Ms: number } }
}

export interface Description {
  /** The effective configuration, one sentence each. */
  readonly lines: readonly string[]
  /** Combinations that can't work, or not as one would think. */
  readonly warnings: readonly string[]
  /** All of it, as text. */
  toString(): string
}

/** From how many runs on a typical one is known. */
const ENOUGH_RUNS = 20
const LOW = priorities.length - 1

/**
 * The effective configuration in words, with warnings: `console.log(String(describe(executor)))`. Ask again when it has run
 * for a while: some warnings compare timeouts with how long runs take.
 */
export function describe(executor: Describable): Description {
  const { [byTierOf]: settings } = executor.settings as { readonly [byTierOf]: Described['settings'] }
  const described: Described = { concurrency: executor.concurrency, settings, getStatus: () => executor.getStatus() }
  const lines = linesOf(described)
  const warnings = warningsOf(described)
  return {
    lines,
    warnings,
    toString: () => [...lines, ...warnings.map((warning) => `Warning: ${warning}`)].join('\n'),
  }
}

function linesOf({ settings, concurrency }: Described): string[] {
  const { limit, order, total, byTier, whenFull } = settings
  const bounds = priorities.flatMap((priority, tier) =>
    byTier[tier] === Number.POSITIVE_INFINITY || total === 0 ? [] : [`${byTier[tier] || 'none'} of them ${priority}`],
  )
  const full = {
    reject: 'one more is refused',
    block: `then callers wait for room, ${size(settings.maxBlocked)}`,
    shed: `then ${lastOf(order)} makes room for a newcomer that goes before it`,
  }
  const duplicate = {
    join: 'shares its run if it is equal, and is refused if not',
    'join-by-id': 'shares its run',
    reject: 'is refused',
  }
  const lines = [
    `'${settings.name}' runs at most ${concurrency} requests at once${
      limit === undefined
        ? ''
        : limit.shadow === true
          ? `; ${limit.name} only says what it would set`
          : `, as ${limit.name} learns`
    }.`,
    total === 0
      ? `Nothing may wait: a request starts at once, or ${whenFull === 'block' ? 'its caller waits for a slot' : 'is refused'}.`
      : `${capital([size(total), ...bounds].join(', '))} may wait; ${full[whenFull]}.`,
    `Order: ${order.name}${order.acrossTiers ? ', across priorities' : ', by priority first'}.`,
    timesOf(settings),
    settings.onStuck === 'hold'
      ? 'A slot whose call outlives its timeout is held until the call settles.'
      : `A slot whose call outlives its timeout has a substitute, up to ${settings.maxReplaced} at a time.`,
    `A second request with the id of a live one ${duplicate[settings.onDuplicate]}.`,
    settings.retry === undefined
      ? 'A failure is not tried again.'
      : `A failure is tried again: ${settings.retry.name}; ${size(settings.maxRetrying)} at a time.`,
  ]
  const floors = priorities.flatMap((priority, tier) => {
    const floor = settings.reserve[tier] as number
    return floor === 0 ? [] : [`${floor} for ${priority}`]
  })
  if (floors.length > 0)
    lines.push(`Slots are reserved: ${floors.join(', ')}${settings.lendReserve ? ', lent when idle' : ''}.`)
  if (settings.schema !== undefined) {
    const most = settings.maxChecking
    const more = most === Number.POSITIVE_INFINITY ? '' : `; if it is asynchronous, at most ${most} at a time`
    lines.push(`Each request is checked against the schema${more}.`)
  }
  const guards = [...settings.rateLimits, ...settings.overload].map(({ name }) => name)
  if (guards.length > 0) lines.push(`Guards: ${guards.join(', ')}.`)
  return lines
}

/** The request that goes last of all. */
function lastOf({ acrossTiers, name }: Described['settings']['order']): string {
  if (name === 'strict') return 'the youngest of the lowest priority'
  return acrossTiers ? 'the one that would start last' : 'the last one of the lowest priority'
}

function warningsOf(executor: Described): string[] {
  const { settings, concurrency } = executor
  const { order, total, byTier, waitTimeoutMs, runTimeoutMs, timeoutMs } = settings
  const warnings: string[] = []
  const hasSlot = hasOwnSlot(executor, LOW)
  if (settings.whenFull === 'block' && byTier[LOW] === 0 && !hasSlot) {
    warnings.push(
      'blocked callers come in by priority: low starves for as long as there are others; reserve: { low: 1 } gives it a slot of its own',
    )
  } else if (!hasSlot && order.name === 'strict' && mayWait(settings, LOW)) {
    warnings.push('with strict order, low starves for as long as there is anything else; aging() bounds its wait')
  }
  if (concurrency > total && total > 0) {
    warnings.push(
      `priorities decide little: ${concurrency} run at once, and no more than ${total} can wait; lower concurrency to what the work can take`,
    )
  }
  if (total === Number.POSITIVE_INFINITY) warnings.push('the queue is unbounded: under overload it takes all memory')
  for (const option of settings.zeroSizes) {
    warnings.push(`${option} is 0: 0 means unlimited; 'none' means that nothing waits`)
  }
  for (const priority of settings.unusedSizes) {
    warnings.push(`maxQueueSize.${priority} never counts, since maxQueueSize.total is 'none'`)
  }
  const { runByPriority } = executor.getStatus()
  for (const [tier, priority] of priorities.entries()) {
    const [wait, run, all] = [waitTimeoutMs[tier], runTimeoutMs[tier], timeoutMs[tier]] as [number, number, number]
    if (wait >= all && wait < Number.POSITIVE_INFINITY) {
      warnings.push(`${priority}: waitTimeoutMs (${wait}) never counts, since timeoutMs (${all}) is over before`)
    }
    if (run === Number.POSITIVE_INFINITY && all === Number.POSITIVE_INFINITY) {
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
    if (bound < Number.POSITIVE_INFINITY && bound > total) {
      warnings.push(`${priority}: its bound (${bound}) never counts, since that of all is ${total}`)
    }
  }
  return warnings
}

/** Is a slot kept for a tier, or lent and given back, with the slots that there are now? */
function hasOwnSlot({ settings, concurrency }: Described, tier: number): boolean {
  const { reserve, lendReserve } = settings
  const sum = reserve.reduce((all, floor) => all + floor, 0)
  if (reserve[tier] === 0 || sum > concurrency) return false
  return sum < concurrency || lendReserve || !reserve.includes(0)
}

/** Does any request of a tier ever wait, be it to come in or to run once more? */
function mayWait({ byTier, whenFull, retry }: Described['settings'], tier: number): boolean {
  return byTier[tier] !== 0 || whenFull === 'block' || retry !== undefined
}

/** Each time as it can be at most, the others being what they are. */
function timesOf(settings: Described['settings']): string {
  const { timeoutMs, retry } = settings
  const waits = settings.waitTimeoutMs.map((ms, tier) =>
    mayWait(settings, tier) ? Math.min(ms, timeoutMs[tier] as number) : 0,
  )
  const runs = settings.runTimeoutMs.map((ms, tier) => Math.min(ms, timeoutMs[tier] as number))
  const all = timeoutMs.map((ms, tier) =>
    retry === undefined ? Math.min(ms, (waits[tier] as number) + (runs[tier] as number)) : ms,
  )
  return `A request may wait ${times(waits)}, run ${times(runs)}, and take ${times(all)} in all.`
}

/** One value, or one for each priority. */
function times(byTier: readonly number[]): string {
  const time = (ms: number): string => (ms === Number.POSITIVE_INFINITY ? 'for ever' : `${ms} ms`)
  const [first] = byTier as [number]
  if (byTier.every((ms) => ms === first)) return time(first)
  return `(${priorities.map((priority, tier) => `${priority} ${time(byTier[tier] as number)}`).join(', ')})`
}

function size(count: number): string {
  return count === Number.POSITIVE_INFINITY ? 'any number' : `at most ${count}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

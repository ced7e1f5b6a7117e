/**
 * What have I configured, and can it work? An executor's options in words, with their defaults, and what is odd about
 * them. Step 7 of 7.
 */
import { priorities } from '../priority.ts'
import { byTierOf, type Describable, type Described, timeouts } from './describable.ts'
import { mayWait, odditiesOf } from './oddities.ts'

export interface Description {
  /** The effective configuration, one sentence each. */
  readonly lines: readonly string[]
  /** Combinations that can't work, or not as one would think. */
  readonly warnings: readonly string[]
  /** All of it, as text. */
  toString(): string
}

/**
 * The effective configuration in words, with warnings: `console.log(String(describe(executor)))`. Ask again when it has run
 * for a while: some warnings compare timeouts with how long runs take.
 */
export function describe(executor: Describable): Description {
  const { [byTierOf]: settings } = executor.settings as { readonly [byTierOf]: Described['settings'] }
  const described: Described = { concurrency: executor.concurrency, settings, getStatus: () => executor.getStatus() }
  const lines = linesOf(described)
  const warnings = odditiesOf(described)
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
    reject: `one more is refused${settings.store?.isDurable ? ', since what was acknowledged is not taken back' : ''}`,
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
  if (settings.kinds.size > 0) lines.push(`Other kinds of work: ${kindsOf(settings)}.`)
  if (settings.store !== undefined) lines.push(storeOf(settings, settings.store))
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

/** Each with the time limits that it has of its own. */
function kindsOf({ kinds }: Described['settings']): string {
  return Array.from(kinds, ([kind, limits]) => {
    const own = timeouts.flatMap((name) => (limits[name] === undefined ? [] : `${name} ${limits[name]}`))
    return own.length === 0 ? kind : `${kind} (${own.join(', ')})`
  }).join(', ')
}

/** What the store promises; of a durable one also when answers are told, and what becomes of a request that kills the process. */
function storeOf(
  { results, tellWithinMs, maxAttempts }: Described['settings'],
  { isDurable, promises }: NonNullable<Described['settings']['store']>,
): string {
  const latest = tellWithinMs === Number.POSITIVE_INFINITY ? '' : `, or else after ${tellWithinMs} ms`
  const told = results === 'eager' ? 'at once' : `when it is recorded${latest}`
  const more = [
    `an answer is told ${told}`,
    `a request whose attempts end with the process is a dead letter after ${maxAttempts} of them`,
  ]
  return `The store: ${[...promises, ...(isDurable ? more : [])].join('; ')}.`
}

/** The request that goes last of all. */
function lastOf({ acrossTiers, name }: Described['settings']['order']): string {
  if (name === 'strict') return 'the youngest of the lowest priority'
  return acrossTiers ? 'the one that would start last' : 'the last one of the lowest priority'
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

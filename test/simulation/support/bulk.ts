/**
 * Many at once, as plain data: a long schedule is made of a dozen of these, so that it can be printed, kept and shrunk.
 */
import { priorities } from 'triage-queue'
import { arrive } from './actions.ts'
import { Dice } from './dice.ts'
import type { Arrive, Work } from './schedule.ts'
import type { Seen, World } from './world.ts'

/** Requests that come at one instant. The first of them are the same, however many there are. */
export interface Burst {
  readonly do: 'burst'
  readonly count: number
  readonly seed: number
  readonly tiers: readonly number[]
  readonly keys: number
  readonly kinds: readonly Work['kind'][]
  /** The longest run. */
  readonly ms: number
  /** How many of them, from 0 to 1, have what follows. */
  readonly share: number
  readonly waitTimeoutMs?: number
  /** Their wait timeouts are up to so much longer. */
  readonly spreadMs?: number
  readonly signal?: number
  /** The longest delay. */
  readonly delayMs?: number
  readonly maxCost?: number
  /** Each has a handle. */
  readonly hasHandles?: boolean
  /** All have one id. */
  readonly isShared?: true
}

/** The same to each of those who are live, in the order in which they came: or to each `every`th, from one part to another. */
export interface Each {
  readonly do: 'each'
  readonly does: 'cancel' | 'setPriority'
  /** From 0 to 1. */
  readonly from: number
  readonly to: number
  readonly every: number
  readonly backwards: boolean
  readonly tiers: readonly number[]
}

export type Bulk = Burst | Each

export function isBulk(action: { readonly do: string }): action is Bulk {
  return action.do === 'burst' || action.do === 'each'
}

export function performBulk(world: World, bulk: Bulk): void {
  if (bulk.do === 'each') each(world, bulk)
  else for (const one of arrivalsOf(bulk)) arrive(world, one)
}

const SHARED_ID = 0
const handles = ['offer', 'offer', 'submit'] as const
const vias = [...handles, 'execute'] as const

function* arrivalsOf(burst: Burst): Generator<Arrive> {
  const { count, seed, tiers, keys, kinds, share, hasHandles, isShared } = burst
  const { waitTimeoutMs, spreadMs = 0, signal, delayMs, maxCost } = burst
  const dice = new Dice(seed)
  for (let n = 0; n < count; n++) {
    // Drawn for each, whether or not it has it.
    const [tier, key, kind] = [dice.pick(tiers), dice.int(0, keys - 1), dice.pick(kinds)]
    const via = dice.pick(hasHandles ? handles : vias)
    const [ms, isOne, spread, delay, cost] = [dice.next(), dice.chance(share), dice.next(), dice.next(), dice.next()]
    yield {
      ...{ do: 'arrive', via: isShared ? 'execute' : via, tier, key },
      work: { kind, ms: 1 + Math.floor(ms * burst.ms), times: 1 },
      ...(isShared && { id: SHARED_ID }),
      ...(isOne && waitTimeoutMs !== undefined && { waitTimeoutMs: waitTimeoutMs + Math.floor(spread * spreadMs) }),
      ...(isOne && signal !== undefined && { signal }),
      ...(isOne && delayMs !== undefined && { delayMs: 1 + Math.floor(delay * delayMs) }),
      ...(isOne && maxCost !== undefined && { cost: 1 + Math.floor(cost * maxCost) }),
    }
  }
}

function each(world: World, { does, from, to, every, backwards, tiers }: Each): void {
  const live = world.seen.filter(isLive)
  const some = live.slice(Math.floor(from * live.length), Math.ceil(to * live.length)).filter((_, n) => n % every === 0)
  if (backwards) some.reverse()
  for (const [n, seen] of some.entries()) {
    if (does === 'cancel') {
      if (seen.handle?.cancel('a reason')) world.counts.add('cancelled by handle')
      continue
    }
    const tier = tiers[n % tiers.length] as number
    if (!seen.handle?.setPriority(priorities[tier] as 'low')) continue
    world.counts.add('moved')
    world.reference?.moved(seen, tier)
  }
}

function isLive({ handle }: Seen): boolean {
  const state = handle?.state
  return state === 'blocked' || state === 'waiting' || state === 'retrying' || state === 'running'
}

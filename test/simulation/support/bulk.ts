/**
 * Many at once: what a burst is made of, and who is meant by each.
 */
import { priorities } from 'triage-queue'
import { arrive } from './arrive.ts'
import { Dice } from './dice.ts'
import type { Arrive, Bulk, Burst, Each } from './schedule.ts'
import type { Seen } from './seen.ts'
import type { World } from './world.ts'

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

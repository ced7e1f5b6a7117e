/**
 * A long schedule from one seed: thousands of live requests, of which many leave, expire, move and start at once, under every
 * order and every pair of them.
 */
import { Dice } from './dice.ts'
import type { Bulk, Burst, Command, Each, Options, OrderName, Schedule, Work } from './schedule.ts'

const inner = ['strict', 'deadlines', 'last in', 'fair'] as const
const orders: readonly (OrderName | undefined)[] = [
  ...([undefined, 'aging', 'deadlines', 'last in', 'oldest', 'weighted', 'fair'] as const),
  ...inner.flatMap((within) => [`aging, ${within}`, `weighted, ${within}`] as const),
]

/** As many as a block of a sorted line holds, those around that, and several blocks. */
const counts = [40, 150, 511, 513, 600, 700, 1_100, 1_600, 2_600]
/** How many come in all. */
const totals = [700, 700, 1_300, 1_300, 2_600, 5_000]
/** Every so many seeds are callers that share one run: more than there is room for on a stack. */
const CROWD_EVERY = 100
const CROWD = 140_000

const quick: readonly Work['kind'][] = ['returns', 'throws', 'resolves', 'rejects']
const slow: readonly Work['kind'][] = ['sleeps', 'sleeps', 'fails', 'obeys', 'hangs']

interface Features {
  /** Slots are kept, and some take several. */
  readonly isSlotted: boolean
  /** The unit of all times: with 1 ms much happens at one instant, with 100 ms tiers overtake each other under `aging`. */
  readonly unitMs: number
  /** All have handles, so that it can be seen when they come (back) to the queue. */
  readonly hasHandles: boolean
}

export function generateLarge(seed: number): Schedule {
  const dice = new Dice(~seed)
  if (seed % CROWD_EVERY === CROWD_EVERY / 2) return crowdOf(dice, seed)
  const order = dice.pick(orders)
  const isSlotted = dice.chance(0.1)
  const unitMs = dice.pick([1, 100])
  const options = optionsOf(dice, isSlotted, unitMs)
  const retryMs = dice.chance(0.2) ? dice.int(1, 30) * unitMs : undefined
  return {
    seed,
    options,
    policies: {
      guards: [],
      ...(order !== undefined && { order }),
      ...(retryMs !== undefined && { retryMs }),
    },
    reactions: [],
    commands: commandsOf(dice, options, { isSlotted, unitMs, hasHandles: retryMs !== undefined || dice.chance(0.5) }),
  }
}

function optionsOf(dice: Dice, isSlotted: boolean, unitMs: number): Options {
  return {
    concurrency: dice.pick([1, 2, 4, 16]),
    ...dice.maybe(0.5, () => ({
      maxQueueSize: dice.pick([511, 600, 1_100, 2_000, { total: 2_000, low: 520 }]),
      whenFull: dice.pick(['reject', 'block', 'shed', 'shed'] as const),
    })),
    ...dice.maybe(0.2, () => ({ waitTimeoutMs: dice.int(5, 60) * unitMs })),
    ...dice.maybe(0.2, () => ({ timeoutMs: dice.int(5, 80) * unitMs })),
    ...(isSlotted ? { lendReserve: true, reserve: { low: 1 }, concurrency: 4 } : undefined),
  }
}

function commandsOf(dice: Dice, { concurrency }: Options, features: Features): Command[] {
  const commands: Command[] = []
  const add = (action: Bulk | Command, passMs = dice.pick([-1, -1, 0, 0, 1, 3, 10])): void => {
    commands.push({ ...action, passMs: passMs < 0 ? passMs : passMs * features.unitMs } as Command)
  }
  if (dice.chance(0.4)) add({ do: 'pause', passMs: -1 })
  let left = dice.pick(totals)
  for (let n = dice.int(5, 12); n > 0; n--) {
    const count = Math.min(dice.pick(counts), left)
    if (count > 0) add(burstOf(dice, count, features))
    left -= count
    for (let more = dice.int(0, 3); more > 0; more--) {
      const what = dice.next()
      if (what < 0.45) add(eachOf(dice, 'cancel'))
      else if (what < 0.6) add(eachOf(dice, 'setPriority'))
      else if (what < 0.75) add({ do: 'abort', signal: dice.int(0, 2), passMs: 0 })
      else if (what < 0.85) add({ do: dice.pick(['pause', 'resume']), passMs: 0 })
      else if (what < 0.95) add({ do: 'resize', concurrency: dice.pick([1, 3, 8, concurrency]), passMs: 0 })
      else add({ do: 'release', which: dice.int(0, 9), passMs: 0 })
    }
  }
  add({ do: 'resume', passMs: 0 }, dice.pick([1, 10, 60]))
  return commands
}

function burstOf(dice: Dice, count: number, { hasHandles, isSlotted, unitMs }: Features): Burst {
  return {
    ...{ do: 'burst', count, seed: dice.int(1, 2 ** 31) },
    tiers: dice.pick([[2], [3], [1, 3], [0, 1, 2, 3], [2, 2, 2, 2, 2, 0, 3]]),
    keys: dice.pick([1, 3, 30]),
    kinds: dice.pick([quick, slow, [...quick, ...slow], ['sleeps']]),
    ms: dice.pick([1, 5, 40]) * unitMs,
    share: dice.pick([0.1, 0.5, 0.95, 1]),
    ...dice.maybe(0.4, () => ({
      waitTimeoutMs: dice.int(1, 40) * unitMs,
      spreadMs: dice.pick([0, 20, 2_000]) * unitMs,
    })),
    ...dice.maybe(0.3, () => ({ signal: dice.int(0, 2) })),
    ...(hasHandles && dice.maybe(0.3, () => ({ delayMs: dice.pick([1, 30]) * unitMs }))),
    hasHandles,
    ...(isSlotted ? { maxCost: 3 } : undefined),
  }
}

function eachOf(dice: Dice, does: Each['does']): Each {
  const [from, to] = dice.pick([
    [0, 1],
    [0, 0.9],
    [0.1, 1],
    [0.2, 0.8],
    [0.5, 0.6],
  ] as const)
  return {
    ...{ do: 'each', does, from, to, every: dice.pick([1, 1, 1, 2, 7]), backwards: dice.chance(0.4) },
    tiers: dice.pick([[0], [2], [3], [0, 1, 2, 3]]),
  }
}

function crowdOf(dice: Dice, seed: number): Schedule {
  const burst: Burst = {
    ...{ do: 'burst', count: CROWD, seed, tiers: [2], keys: 1, kinds: ['sleeps'], ms: 5 },
    ...{ share: 0.5, waitTimeoutMs: 2, spreadMs: 10, isShared: true },
  }
  return {
    ...{ seed, policies: { guards: [] }, reactions: [] },
    options: { concurrency: 1, timeoutMs: dice.int(20, 40) },
    commands: [{ ...burst, passMs: dice.pick([0, 3, 12]) }],
  }
}

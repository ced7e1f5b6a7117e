/**
 * Short schedules that together come to every call-out: bursts, timeouts, retries, joins, delays, shedding, blocking, an end.
 */
import type {
  Action,
  Arrive,
  Command,
  Options,
  Policies,
  Reaction,
  Schedule,
  Work,
} from '../simulation/support/schedule.ts'

const work = (kind: Work['kind'], ms = 100): Work => ({ kind, ms, times: 1 })
const arrive = (tier: number, more: Partial<Arrive> = {}, passMs = -1): Command => ({
  ...({ do: 'arrive', via: 'submit', tier, key: tier % 2, work: work('sleeps') } as const),
  ...more,
  passMs,
})
const then = (action: Action, passMs = 0): Command => ({ ...action, passMs })
const [urgent, high, normal, low] = [0, 1, 2, 3] as const

/** Whatever has happened: it goes on, all is let go, and one that is well runs. */
const goesOn: readonly Command[] = [
  then({ do: 'resume' }, -1),
  ...[0, 1, 2, 3, 4].map((which) => then({ do: 'release', which }, -1)),
  then({ do: 'idle' }, 900_000),
  arrive(urgent, { via: 'execute', work: work('returns') }, 20_000),
]

const burst: readonly Command[] = [
  arrive(normal, { via: 'execute', signal: 0 }),
  arrive(low, { signal: 1, timeoutMs: 5_000 }),
  arrive(high, { via: 'offer', runTimeoutMs: 900 }),
  arrive(normal, { id: 0, waitTimeoutMs: 250, work: work('fails') }, 0),
  arrive(urgent, { id: 0, signal: 0 }),
  arrive(low, { delayMs: 150, id: 1, signal: 2 }),
  arrive(normal, { startAt: true, after: 2 }, 50),
  arrive(high, { id: 1 }),
  then({ do: 'abort', signal: 1 }),
  then({ do: 'ready', tier: low }, -1),
  then({ do: 'setPriority', which: 3, tier: low }),
  then({ do: 'setPriority', which: 2, tier: high }, 100),
  arrive(low, { work: work('holds'), signal: 0 }),
  arrive(low, { work: work('hangs'), runTimeoutMs: 300 }),
  arrive(normal, { work: work('thenable') }, 200),
  then({ do: 'cancel', which: 1, by: 'handle' }, 500),
]

const crowd: readonly Command[] = [
  ...[normal, low, low, normal].map((tier) => arrive(tier, { work: work('fails') })),
  arrive(low, { delayMs: 60, signal: 0 }),
  arrive(high, { signal: 1 }, 0),
  arrive(urgent, { cost: 2, signal: 1 }, 80),
  then({ do: 'pause' }),
  then({ do: 'ready', tier: high }, -1),
  arrive(low, { refused: 'guard' }),
  arrive(normal, { refused: 'schema' }),
  arrive(high, { delayMs: 20, metadata: 1 } as Partial<Arrive>, 130),
  then({ do: 'setPriority', which: 0, tier: urgent }),
  then({ do: 'clear', tier: low }),
  then({ do: 'resize', concurrency: 3 }),
  then({ do: 'resume' }, 400),
  arrive(low, { work: work('throws') }),
  ...[0, 1, 2, 3, 4].map(() => arrive(low, { work: work('returns') })),
  arrive(urgent, { work: work('returns') }, 700),
]

const closes: readonly Command[] = [
  ...[normal, low, urgent].map((tier) => arrive(tier, { signal: 0 })),
  arrive(low, { delayMs: 300, signal: 1 }, 0),
  arrive(low, { work: work('fails'), id: 0 }),
  arrive(normal, { via: 'execute' }, 150),
  then({ do: 'close', drain: true, graceMs: 200 }, 250),
  arrive(normal, {}, 100),
]

export interface Named extends Schedule {
  readonly name: string
}

/** So that there is something to report. */
const reactions: readonly Reaction[] = [
  { on: 'queued', after: 1, times: 1, does: { do: 'throw' } },
  { on: 'started', after: 1, times: 1, does: { do: 'reject' } },
]

let seed = 0
function made(
  name: string,
  options: Partial<Options>,
  policies: Partial<Policies>,
  commands: readonly Command[],
): Named {
  const isClosed = commands.some((command) => command.do === 'close')
  // By every other one, the second set of books is kept: it must find nothing wrong in the middle of a step.
  const debug = ++seed % 2 === 0
  return {
    ...{ name, seed, options: { concurrency: 2, debug, ...options }, reactions, faults: [] },
    policies: { guards: [], ...policies },
    commands: isClosed ? commands : [...commands, ...goesOn],
  }
}

const shed = { maxQueueSize: 3, whenFull: 'shed' } as const
const block = { maxQueueSize: 2, whenFull: 'block', maxBlocked: 3 } as const

export const schedules: readonly Named[] = [
  made('a burst, told of everything', { maxQueueSize: 4 }, { order: 'told', guards: ['every'], backsOff: true }, burst),
  made('a burst, fair, by tokens', shed, { order: 'fair', guards: ['waiting tokens'], retryMs: 40 }, burst),
  made(
    'a crowd, shed, checked',
    shed,
    { order: 'told', guards: ['every', 'scripted'], schema: 'sync', retryMs: 30 },
    crowd,
  ),
  made(
    'a crowd, blocked, checked later',
    block,
    { order: 'fair', guards: ['breaker'], schema: 'async', backsOff: true },
    crowd,
  ),
  made('a crowd, blocked, in turns', block, { order: 'weighted', guards: ['shedding'] }, crowd),
  made(
    'a limit that learns',
    { maxQueueSize: 3, runTimeoutMs: 90 },
    { order: 'last in', limit: 'aimd', guards: ['every'] },
    crowd,
  ),
  made('one that closes', shed, { order: 'told', guards: ['every'], retryMs: 50 }, closes),
  made(
    'one that closes, blocked, stuck',
    { ...block, runTimeoutMs: 60, onStuck: 'replace' },
    { order: 'oldest', limit: 'vegas' },
    closes,
  ),
]

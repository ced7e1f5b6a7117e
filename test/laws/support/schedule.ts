/**
 * What may happen to an executor: random schedules, for fast-check to make and to shrink.
 *
 * Times are small whole numbers, so that timeouts, answers and the steps of the clock often meet in one instant.
 */
import fc from 'fast-check'
import { type ExecutorEvent, type Priority, priorities, type QueuedExecutorOptions } from 'triage-queue'
import { eventNames } from '../../support/event-names.ts'

/** What the executor does with one request. */
export interface Work {
  readonly kind:
    | 'primitive'
    | 'object'
    | 'throws'
    | 'rejects'
    | 'sleeps' // until `ms` are over or its signal is aborted
    | 'deaf' // until `ms` are over, whatever its signal says
    | 'fails' // after `ms`
    | 'hangs' // until a `release`
    | 'thenable' // that answers after `ms`, twice
    | 'thenThrows' // an object whose `then` can't even be read
    | 'closes' // the executor itself, and awaits that
  readonly ms: number
  /** Done inside the call, before anything else. */
  readonly inside?: Action
  /** Done by a listener on `run.signal`. */
  readonly onAbort?: Action
}

export interface Arrive {
  readonly do: 'arrive'
  readonly via: 'execute' | 'submit' | 'offer'
  readonly priority: Priority
  /** One of a few ids, so that duplicates happen. */
  readonly id?: number
  /** One of a few signals, so that requests share them. */
  readonly signal?: number
  readonly waitTimeoutMs?: number
  readonly runTimeoutMs?: number
  readonly timeoutMs?: number
  readonly cost?: number
  readonly work: Work
}

/** Something that anybody may do at any moment: from outside, inside an executor, a listener, an abort listener. */
export type Action =
  | Arrive
  | { readonly do: 'cancel'; readonly which: number; readonly by: 'handle' | 'id' }
  | { readonly do: 'setPriority'; readonly which: number; readonly priority: Priority }
  | { readonly do: 'abort'; readonly signal: number }
  | { readonly do: 'release'; readonly which: number }
  | { readonly do: 'pause' | 'resume' | 'idle' }
  | { readonly do: 'ready'; readonly priority: Priority }
  | { readonly do: 'resize'; readonly concurrency: number }
  | { readonly do: 'close'; readonly drain: boolean; readonly graceMs: number }

/** From outside, time may also pass: none of it, or some. */
type Step = Action | { readonly do: 'settle' } | { readonly do: 'advance'; readonly ms: number }

/** A listener that does something at the `after`th event and the next few, and may throw, or reject later. */
interface Reaction {
  readonly on: ExecutorEvent
  readonly after: number
  readonly times: number
  readonly does: Action | { readonly do: 'throw' } | { readonly do: 'reject' }
}

/** By name, since a policy remembers: each world makes its own. */
interface Policies {
  readonly order?: 'aging' | 'weighted' | 'deadlines' | 'fair'
  readonly limit?: 'aimd' | 'gradient2' | 'shadow'
  readonly reserve?: { readonly urgent?: number; readonly low?: number }
  readonly lendReserve?: boolean
}

export interface Schedule {
  readonly policies: Policies
  readonly options: QueuedExecutorOptions<never> & { readonly concurrency: number }
  readonly reactions: readonly Reaction[]
  readonly steps: readonly Step[]
}

/** What a schedule may be told to leave out. */
export type Feature =
  | Action['do']
  | 'id'
  | 'signal'
  | 'timeouts'
  | 'cost'
  | 'policies'
  | 'limit'
  | 'reactions'
  | 'inside'
  | 'replace'
  | 'reject'
  | 'block'
  | 'shed'
  | 'reject'

export const SIGNALS = 3
const IDS = 3

const priority = fc.constantFrom(...priorities)
const which = fc.nat(30)
const infinity = fc.constant(Number.POSITIVE_INFINITY)
const timeoutMs = fc.integer({ min: 1, max: 40 })

function works(inside: fc.Arbitrary<Action> | undefined, without: readonly Feature[]): fc.Arbitrary<Work> {
  const kinds = ['primitive', 'object', 'throws', 'rejects', 'fails', 'hangs', 'thenable', 'thenThrows'] as const
  const kind = fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(...kinds) },
    { weight: 8, arbitrary: fc.constantFrom('sleeps' as const, 'deaf' as const) },
    ...(without.includes('close') ? [] : [{ weight: 1, arbitrary: fc.constant('closes' as const) }]),
  )
  const ms = fc.integer({ min: 1, max: 30 })
  const plain: fc.Arbitrary<Work> = fc.record({ kind, ms })
  if (inside === undefined || without.includes('inside')) return plain
  const busy: fc.Arbitrary<Work> = fc.record({ kind, ms, inside, onAbort: inside }, { requiredKeys: ['kind', 'ms'] })
  return fc.oneof({ weight: 3, arbitrary: plain }, { weight: 2, arbitrary: busy })
}

function arrivals(work: fc.Arbitrary<Work>, without: readonly Feature[]): fc.Arbitrary<Arrive> {
  const own: { -readonly [K in keyof Arrive]?: fc.Arbitrary<NonNullable<Arrive[K]>> } = {}
  if (!without.includes('id')) own.id = fc.nat(IDS - 1)
  if (!without.includes('cost')) own.cost = fc.integer({ min: 1, max: 3 })
  if (!without.includes('signal')) own.signal = fc.nat(SIGNALS - 1)
  if (!without.includes('timeouts'))
    Object.assign(own, { waitTimeoutMs: timeoutMs, runTimeoutMs: timeoutMs, timeoutMs })
  const via = fc.constantFrom('execute' as const, 'submit' as const, 'offer' as const)
  const always = { do: fc.constant('arrive' as const), via, priority, work }
  const special = fc.record({ ...always, ...own }, { requiredKeys: ['do', 'via', 'priority', 'work'] })
  return fc.oneof(
    { weight: 1, arbitrary: fc.record(always) },
    { weight: 1, arbitrary: special as fc.Arbitrary<Arrive> },
  )
}

function actions(arrive: fc.Arbitrary<Arrive>, without: readonly Feature[]): fc.Arbitrary<Action> {
  const all: { weight: number; does: Action['do'][]; arbitrary: fc.Arbitrary<Action> }[] = [
    { weight: 24, does: ['arrive'], arbitrary: arrive },
    {
      weight: 4,
      does: ['cancel'],
      arbitrary: fc.record({ do: fc.constant('cancel'), which, by: fc.constantFrom('handle', 'id') }),
    },
    { weight: 4, does: ['setPriority'], arbitrary: fc.record({ do: fc.constant('setPriority'), which, priority }) },
    { weight: 3, does: ['release'], arbitrary: fc.record({ do: fc.constant('release'), which }) },
    { weight: 2, does: ['abort'], arbitrary: fc.record({ do: fc.constant('abort'), signal: fc.nat(SIGNALS - 1) }) },
    { weight: 2, does: ['pause', 'resume'], arbitrary: fc.record({ do: fc.constantFrom('pause', 'resume') }) },
    {
      weight: 2,
      does: ['resize'],
      arbitrary: fc.record({ do: fc.constant('resize'), concurrency: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 1, does: ['ready'], arbitrary: fc.record({ do: fc.constant('ready'), priority }) },
    { weight: 1, does: ['idle'], arbitrary: fc.record({ do: fc.constant('idle') }) },
    {
      weight: 1,
      does: ['close'],
      arbitrary: fc.record({
        do: fc.constant('close'),
        drain: fc.boolean(),
        graceMs: fc.oneof(infinity, fc.nat(30)),
      }),
    },
  ]
  return fc.oneof(...all.filter(({ does }) => !does.some((name) => without.includes(name))))
}

function settings(without: readonly Feature[]): fc.Arbitrary<Schedule['options']> {
  const size = fc.integer({ min: 1, max: 4 })
  const modes = (['reject', 'block', 'shed'] as const).filter((mode) => !(without as readonly string[]).includes(mode))
  return fc.record(
    {
      concurrency: fc.integer({ min: 1, max: 3 }),
      maxQueueSize: fc.oneof(size, fc.record({ total: size, urgent: size, low: size }, { requiredKeys: [] })),
      whenFull: fc.constantFrom(...modes),
      maxBlocked: size,
      ...(without.includes('timeouts')
        ? { runTimeoutMs: infinity }
        : { waitTimeoutMs: fc.oneof(infinity, timeoutMs), runTimeoutMs: fc.oneof(infinity, timeoutMs), timeoutMs }),
      onStuck: fc.constantFrom('hold' as const, ...(without.includes('replace') ? [] : ['replace' as const])),
      maxReplaced: fc.nat(2),
      onDuplicate: fc.constantFrom('join-by-id' as const, 'reject' as const),
    },
    { requiredKeys: ['concurrency'] },
  )
}

function policies(without: readonly Feature[]): fc.Arbitrary<Policies> {
  return fc.record(
    {
      order: fc.constantFrom('aging', 'weighted', 'deadlines', 'fair'),
      ...(without.includes('limit')
        ? {}
        : { limit: fc.constantFrom('aimd' as const, 'gradient2' as const, 'shadow' as const) }),
      reserve: fc.constantFrom({ urgent: 1 }, { low: 1 }),
      lendReserve: fc.boolean(),
    },
    { requiredKeys: [] },
  )
}

/** Random schedules; `without` leaves features out, where a law is told apart better without them. */
export function schedules(...without: Feature[]): fc.Arbitrary<Schedule> {
  const simple = actions(arrivals(works(undefined, without), without), without)
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 5, arbitrary: actions(arrivals(works(simple, without), without), without) },
    { weight: 1, arbitrary: fc.constant({ do: 'settle' as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 25 }) }) },
  )
  const hurt = fc.constantFrom({ do: 'throw' as const }, { do: 'reject' as const })
  const reaction: fc.Arbitrary<Reaction> = fc.record({
    on: fc.constantFrom(...eventNames),
    after: fc.nat(4),
    times: fc.integer({ min: 1, max: 3 }),
    does: fc.oneof({ weight: 6, arbitrary: simple }, { weight: 1, arbitrary: hurt }),
  })
  return fc.record({
    // Half of the schedules are those of an executor without any.
    policies: without.includes('policies') ? fc.constant({}) : fc.oneof(fc.constant({}), policies(without)),
    options: settings(without),
    reactions: without.includes('reactions') ? fc.constant([]) : fc.array(reaction, { maxLength: 6 }),
    steps: fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
  })
}

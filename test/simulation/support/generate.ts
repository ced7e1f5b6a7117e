/**
 * Everything from one seed: the options, what comes, what the executor does with it, and when.
 *
 * Each seed takes only some of all features: what a few have in common is found sooner than what all have a little of.
 */
import { type Priority, priorities } from 'triage-queue'
import { eventNames } from '../../support/event-names.ts'
import { callOuts } from './call-outs.ts'
import { Dice } from './dice.ts'
import { doesOf } from './faults.ts'
import {
  type Action,
  type Arrive,
  type ByTier,
  COMMANDS,
  type Command,
  type Fault,
  type GuardName,
  IDS,
  type LimitName,
  type Options,
  type OrderName,
  type Policies,
  type Reaction,
  type Schedule,
  SIGNALS,
  type Work,
} from './schedule.ts'

const exactOrders: readonly OrderName[] = ['aging', 'deadlines', 'last in', 'oldest']
const numericOrders: readonly OrderName[] = ['weighted', 'fair']
const numericGuards: readonly GuardName[] = ['tokens', 'waiting tokens', 'codel', 'deadline', 'shedding', 'breaker']
const numericLimits: readonly LimitName[] = ['aimd', 'vegas', 'gradient2', 'adaptive']
/** None of its calls awaits a request of the same executor. */
const events = eventNames.filter((event) => event !== 'selfWaiting')

/** Up to a full partition of four slots. */
const reserves: readonly { readonly [P in Priority]?: number }[] = [
  ...[{ urgent: 1 }, { low: 1 }, { urgent: 1, low: 1 }, { urgent: 2 }, { high: 1, normal: 1 }],
  ...[
    { urgent: 2, low: 1 },
    { urgent: 1, normal: 2 },
    { urgent: 1, high: 1, normal: 1, low: 1 },
  ],
]

// What the last one does not report is a warning of the process.
const left = ['QueuedExecutorOptions.onListenerError', 'RequestOptions.kind']
const mayFail = Object.keys(callOuts).filter((name) => !left.includes(name))
const sizeNames = ['total', ...priorities]

/** What a seed has chosen for all its requests. */
interface Features {
  readonly timeouts: boolean
  readonly signals: boolean
  readonly ids: boolean
  readonly later: boolean
  readonly cost: boolean
  readonly inside: boolean
  readonly canOffer: boolean
  readonly retries: boolean
  readonly isCrossed: boolean
  readonly concurrency: number
  readonly refusals: readonly ('guard' | 'schema')[]
  readonly actions: readonly (Action['do'] | 'nothing')[]
  readonly kinds: readonly Work['kind'][]
  /** The unit of all times: with a small one, much happens at the same instant. */
  readonly unitMs: number
  readonly spread: readonly number[]
}

const MAX_COST = 5

const allKinds: readonly Work['kind'][] = [
  ...(['returns', 'throws', 'resolves', 'rejects', 'fails', 'obeys', 'thenable', 'hangs', 'never'] as const),
]
const allActions: readonly Action['do'][] = [
  ...(['cancel', 'setPriority', 'abort', 'release', 'pause', 'resume', 'idle', 'ready', 'resize', 'close'] as const),
]

const crossed: readonly Action['do'][] = ['resize', 'pause', 'resume']

export function generate(seed: number): Schedule {
  const schedule = anySchedule(seed)
  // By dice of their own: all others stay as they are.
  const dice = new Dice(seed ^ 0x91a_1f)
  const made = schedule.faults === undefined && dice.chance(0.3) ? plain(schedule, dice) : schedule
  return { ...made, commands: withOthers(seed, made.options, made.commands) }
}

/** Most of its requests have nothing special, and no policy is asked: what changes from step to step is whether anyone listens. */
function plain({ seed, options, commands }: Schedule, dice: Dice): Schedule {
  const { concurrency, maxQueueSize, whenFull, maxBlocked, waitTimeoutMs, runTimeoutMs, onStuck } = options
  const given = { maxQueueSize, whenFull, maxBlocked, waitTimeoutMs, runTimeoutMs, onStuck }
  const isBound = dice.chance(0.5)
  const kept = Object.entries(given).filter(([name, value]) => {
    return value !== undefined && (name === 'runTimeoutMs' || isBound) && !hasNone(value)
  })
  const share = dice.pick([0.6, 0.9, 1])
  return {
    ...{ seed, policies: { guards: [] }, reactions: [], plain: seed },
    options: { concurrency, ...Object.fromEntries(kept) },
    commands: commands.map((command) => {
      if (isOfNone(command)) return { do: 'idle', passMs: command.passMs }
      if (command.do !== 'arrive') return command
      return { ...plainArrival(command, !dice.chance(share)), passMs: command.passMs }
    }),
  }
}

/** Nobody is there to refuse it; unless it stays special, it has nothing but its priority. */
function plainArrival(arrive: Arrive, isSpecial: boolean): Arrive {
  const { refused, ...special } = arrive
  const { tier, key, work } = arrive
  const { inside, ...others } = work
  const does = inside?.do === 'arrive' ? plainArrival(inside, isSpecial) : inside
  const plainWork = does === undefined || isOfNone(does) ? others : { ...others, inside: does }
  if (isSpecial) return { ...special, work: plainWork }
  return { do: 'arrive', via: 'execute', tier, key, work: plainWork, isPlain: true }
}

/** In a plain schedule something may wait in each priority, and that can't be changed. */
function isOfNone(action: Action): boolean {
  return action.do === 'update' && hasNone(action.bounds.maxQueueSize)
}

function hasNone(value: unknown): boolean {
  return value === 'none' || (typeof value === 'object' && value !== null && Object.values(value).includes('none'))
}

function anySchedule(seed: number): Schedule {
  const dice = new Dice(seed)
  const isNumeric = dice.chance(0.15)
  // Retries, reserves, costs, another limit and pauses, all at once: one in a thousand else.
  const isCrossed = dice.chance(0.04)
  const policies = withTokens(policiesOf(dice, isNumeric, isCrossed), seed)
  // With dice of their own, so that all else stays as it is.
  const holds = new Dice(~seed).chance(0.25)
  const features = featuresOf(dice, policies, { holds, isCrossed })
  const options = optionsOf(dice, features)
  const hurts = dice.chance(0.15)
  // By dice of their own: so a schedule without faults is what it was before there were any.
  const others = new Dice(seed ^ 0x0fa0_17)
  const faults = others.maybe(0.05, () => ({
    faults: Array.from({ length: others.int(1, 3) }, () => faultOf(others)),
  }))
  return {
    ...faults,
    seed,
    // With faults, some keep the second set of books, too: it must find nothing wrong in the middle of a step.
    options: faults !== undefined && others.chance(0.5) ? { ...options, debug: true } : options,
    policies,
    reactions: hurts ? Array.from({ length: dice.int(1, 4) }, () => reactionOf(dice, features)) : [],
    commands: Array.from({ length: COMMANDS }, (_, i) =>
      // Else all that is left comes through in the end, before it is closed.
      i === COMMANDS - 1 && dice.chance(0.25)
        ? { do: 'close', drain: dice.chance(0.7), graceMs: dice.pick([0, 50]), passMs: 60 }
        : commandOf(dice, features),
    ),
  }
}

/** By dice of their own, and for some seeds only: so all else stays as it is. */
function withOthers(seed: number, options: Options, commands: readonly Command[]): readonly Command[] {
  const [clears, limps] = [new Dice(seed ^ 0xc1_ea45), new Dice(seed ^ 0x1a_3edc)]
  const all = clears.chance(0.1) ? insteadOf(commands, clears, clearOf, 0.06) : commands
  const more = limps.chance(0.1) ? insteadOf(all, limps, lameOf, 0.03) : all
  const changes = new Dice(seed ^ 0xc4a_26e5)
  const most = changes.chance(0.1) ? insteadOf(more, changes, () => boundsOf(changes, options), 0.1) : more
  const ends = new Dice(seed ^ 0xdead_11e)
  return ends.chance(0.1) ? withDeadlines(most, ends) : most
}

function withDeadlines(commands: readonly Command[], dice: Dice): readonly Command[] {
  const longest = dice.pick([20, 500, 4_000])
  return commands.map((command) => {
    if (command.do !== 'arrive' || command.isPlain || dice.chance(0.6)) return command
    return { ...command, deadlineMs: dice.chance(0.1) ? dice.int(-5, 1) : dice.int(1, longest) }
  })
}

/** In place of a few commands, and of what is done inside a call. */
function insteadOf(
  commands: readonly Command[],
  dice: Dice,
  make: (dice: Dice) => Action,
  share: number,
): readonly Command[] {
  return commands.map((command) => {
    if (dice.chance(share)) return { ...make(dice), passMs: command.passMs }
    if (command.do !== 'arrive' || command.work.inside === undefined || dice.chance(0.7)) return command
    return { ...command, work: { ...command.work, inside: make(dice) } }
  })
}

function lameOf(dice: Dice): Action {
  const [graceMs, lameDuckMs] = [dice.pick([0, 50, 500, 1e9, 1e9]), dice.int(1, dice.pick([10, 200, 4_000]))]
  return { do: 'close', drain: dice.chance(0.7), graceMs, lameDuckMs }
}

/** What may wait at all stays as it was. */
function boundsOf(dice: Dice, { maxQueueSize = {} }: Options): Action {
  const size = (): number => dice.int(1, dice.pick([2, 6]))
  const sizes = typeof maxQueueSize === 'object' ? maxQueueSize : { total: maxQueueSize }
  const of = (part: string): ByTier<number | 'none'> =>
    sizes[part as 'total'] === 'none' ? { [part]: 'none' } : (dice.maybe(0.5, () => ({ [part]: size() })) ?? {})
  const bounds = {
    ...(sizes.total !== 'none' && { maxQueueSize: Object.assign({}, ...sizeNames.map(of)) }),
    ...dice.maybe(0.3, () => ({ maxBlocked: size() })),
    ...dice.maybe(0.2, () => ({ maxChecking: size() })),
    ...dice.maybe(0.2, () => ({ maxRetrying: dice.int(1, 2) })),
  }
  return { do: 'update', bounds }
}

function clearOf(dice: Dice): Action {
  return { do: 'clear', ...dice.maybe(0.7, () => ({ tier: dice.int(0, 3) })) }
}

function policiesOf(dice: Dice, isNumeric: boolean, isCrossed: boolean): Policies {
  return {
    guards: [
      ...(dice.chance(0.15) ? (['scripted'] as const) : []),
      ...(isNumeric && dice.chance(0.5) ? [dice.pick(numericGuards)] : []),
    ],
    ...dice.maybe(0.35, () => ({ order: dice.pick(exactOrders) })),
    ...(isNumeric ? dice.maybe(0.5, () => ({ order: dice.pick(numericOrders) })) : undefined),
    ...dice.maybe(0.05, () => ({ limit: 'shadow' as const })),
    ...(isNumeric ? dice.maybe(0.4, () => ({ limit: dice.pick(numericLimits) })) : undefined),
    ...dice.maybe(0.15, () => ({ schema: dice.chance(0.7) ? ('sync' as const) : ('async' as const) })),
    ...dice.maybe(isCrossed ? 1 : 0.25, () => ({ retryMs: dice.int(1, 900) })),
  }
}

/** By dice of their own: all else stays as it is. */
function withTokens(policies: Policies, seed: number): Policies {
  if (!new Dice(seed ^ 0x70ce25).chance(0.05)) return policies
  return { ...policies, guards: [...policies.guards.filter((name) => name !== 'waiting tokens'), 'waiting tokens'] }
}

function featuresOf(
  dice: Dice,
  { guards, schema, limit, retryMs }: Policies,
  { holds, isCrossed }: { readonly holds: boolean; readonly isCrossed: boolean },
): Features {
  const unitMs = dice.chance(0.1) ? 1 : 100
  const some = dice.pick([0.2, 0.5])
  const cost = dice.chance(isCrossed ? 1 : 0.2) && (limit === undefined || limit === 'shadow')
  return {
    timeouts: dice.chance(0.4),
    signals: dice.chance(0.25),
    ids: dice.chance(0.25),
    later: dice.chance(0.25),
    cost,
    inside: dice.chance(0.15),
    retries: retryMs !== undefined,
    canOffer: schema !== 'async',
    isCrossed,
    concurrency: dice.int(isCrossed ? 2 : 1, 4),
    refusals: [
      ...(guards.includes('scripted') ? (['guard'] as const) : []),
      ...(schema === undefined ? [] : (['schema'] as const)),
    ],
    actions: allActions.filter(
      (name) => dice.chance(name === 'close' ? 0.2 : some) || (isCrossed && crossed.includes(name)),
    ),
    kinds: ['sleeps', holds ? 'holds' : 'sleeps', ...allKinds.filter(() => dice.chance(0.4))],
    unitMs,
    spread: dice.pick([
      [-1, -1, 0, 5, 20],
      [-1, 0, 10, 10, 40],
      [-1, -1, -1, 0, 30],
      [5, 10, 20, 100, 600],
    ]),
  }
}

function optionsOf(dice: Dice, { timeouts, unitMs, concurrency, retries, isCrossed }: Features): Options {
  const size = (): number => dice.int(1, dice.pick([2, 6]))
  const sizeOrNone = dice.pick([size, size, () => (dice.chance(0.5) ? ('none' as const) : size())])
  const byTier = <T>(names: readonly string[], value: () => T): ByTier<T> =>
    dice.chance(0.7) ? value() : Object.fromEntries(names.filter(() => dice.chance(0.5)).map((name) => [name, value()]))
  const timeout = (): number => dice.int(1, 40 * unitMs)
  const timeoutNames = ['default', ...priorities]
  const reserve = dice.pick(isCrossed ? reserves.slice(0, 2) : reserves)
  const lendReserve = dice.chance(0.4)
  const sum = Object.values(reserve).reduce((all, slots) => all + slots, 0)
  const leavesOne = lendReserve || Object.values(reserve).length === priorities.length
  const fits = sum + (leavesOne ? 0 : 1) <= concurrency
  return {
    concurrency,
    ...dice.maybe(0.8, () => ({ maxQueueSize: byTier(sizeNames, sizeOrNone) })),
    ...dice.maybe(0.7, () => ({ whenFull: dice.pick(['reject', 'block', 'block', 'shed'] as const) })),
    ...dice.maybe(0.5, () => ({ maxBlocked: size() })),
    ...dice.maybe(0.5, () => ({ maxChecking: size() })),
    ...(timeouts
      ? {
          ...dice.maybe(0.4, () => ({ waitTimeoutMs: byTier(timeoutNames, timeout) })),
          ...dice.maybe(0.5, () => ({ runTimeoutMs: byTier(timeoutNames, timeout) })),
          ...dice.maybe(0.4, () => ({ timeoutMs: byTier(timeoutNames, timeout) })),
          ...dice.maybe(0.4, () => ({ onStuck: 'replace' as const })),
        }
      : { runTimeoutMs: Number.POSITIVE_INFINITY }),
    ...dice.maybe(0.3, () => ({ maxReplaced: dice.int(0, 2) })),
    ...(retries ? dice.maybe(0.5, () => ({ maxRetrying: dice.int(1, 2) })) : undefined),
    ...dice.maybe(0.5, () => ({ onDuplicate: dice.pick(['reject', 'join-by-id'] as const) })),
    ...(fits ? dice.maybe(isCrossed ? 1 : 0.35, () => ({ reserve, lendReserve })) : undefined),
  }
}

function commandOf(dice: Dice, features: Features): Command {
  const passMs = dice.pick(features.spread)
  const ms = passMs <= 0 ? passMs : dice.int(1, passMs * features.unitMs)
  return { ...actionOf(dice, features, 0.6, true), passMs: ms }
}

function actionOf(dice: Dice, features: Features, arrivals: number, mayNest: boolean): Action {
  const name = dice.chance(arrivals) || features.actions.length === 0 ? 'arrive' : dice.pick(features.actions)
  const tier = dice.int(0, 3)
  switch (name) {
    case 'cancel':
      return { do: name, which: dice.int(0, 11), by: dice.pick(['handle', 'id'] as const) }
    case 'setPriority':
      return { do: name, which: dice.int(0, 11), tier }
    case 'abort':
      return { do: name, signal: dice.int(0, SIGNALS - 1) }
    case 'release':
      return { do: name, which: dice.int(0, 11) }
    case 'ready':
      return { do: name, tier }
    case 'resize':
      return { do: name, concurrency: dice.int(1, 5) }
    case 'close':
      // Most schedules would else be over when they have hardly begun.
      if (!dice.chance(0.2)) return { do: 'resume' }
      return { do: name, drain: dice.chance(0.6), graceMs: dice.pick([0, 5 * features.unitMs, 1e9]) }
    case 'pause':
    case 'resume':
    case 'idle':
      return { do: name }
    default:
      return arrivalOf(dice, features, tier, mayNest)
  }
}

/** Most with one id have one payload, too. */
function keyOf(dice: Dice, ids: boolean): Pick<Arrive, 'key' | 'id'> {
  const key = dice.int(0, 2)
  if (!ids || dice.chance(0.5)) return { key }
  const id = dice.int(0, IDS - 1)
  return { id, key: dice.chance(0.8) ? id % 3 : key }
}

function arrivalOf(dice: Dice, features: Features, tier: number, mayNest: boolean): Arrive {
  const { timeouts, signals, ids, later, cost, refusals, unitMs, canOffer, concurrency } = features
  const timeout = (): number => dice.int(1, 40 * unitMs)
  return {
    do: 'arrive',
    // What an asynchronous schema must look at can't be offered.
    via: dice.pick(['execute', 'submit', 'submit', canOffer ? 'offer' : 'execute'] as const),
    tier,
    ...keyOf(dice, ids),
    work: workOf(dice, features, mayNest),
    ...(signals ? dice.maybe(0.5, () => ({ signal: dice.int(0, SIGNALS - 1) })) : undefined),
    ...(timeouts
      ? {
          ...dice.maybe(0.2, () => ({ waitTimeoutMs: timeout() })),
          ...dice.maybe(0.2, () => ({ runTimeoutMs: timeout() })),
          ...dice.maybe(0.2, () => ({ timeoutMs: timeout() })),
        }
      : undefined),
    ...(later
      ? dice.pick([
          {},
          {},
          { delayMs: dice.int(0, 20 * unitMs) },
          { after: dice.int(1, 6) },
          { startAt: true as const },
        ])
      : undefined),
    ...(cost ? dice.maybe(0.4, () => ({ cost: dice.int(1, dice.chance(0.1) ? MAX_COST : concurrency) })) : undefined),
    ...(refusals.length > 0 ? dice.maybe(0.2, () => ({ refused: dice.pick(refusals) })) : undefined),
  }
}

function workOf(dice: Dice, features: Features, mayNest: boolean): Work {
  const inside = mayNest && features.inside && dice.chance(0.3)
  return {
    kind: dice.pick(features.kinds),
    ms: dice.int(1, dice.pick([5, 20, 60]) * features.unitMs),
    times: dice.int(1, 3),
    ...(inside ? { inside: actionOf(dice, features, 0.5, false) } : undefined),
  }
}

function faultOf(dice: Dice): Fault {
  const at = dice.pick(mayFail)
  return { at, call: dice.int(1, dice.pick([2, 12])), does: dice.pick(doesOf(at)) }
}

function reactionOf(dice: Dice, features: Features): Reaction {
  const does = dice.chance(0.3) ? { do: dice.pick(['throw', 'reject'] as const) } : actionOf(dice, features, 0.5, false)
  return { on: dice.pick(events), after: dice.int(0, 4), times: dice.int(1, 3), does }
}

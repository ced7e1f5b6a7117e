/**
 * What is known of the load, and what is wanted? Read and looked at before anything is computed.
 */
import { isCount, isPlain, numberThat, type OptionRule, readGiven, requireOptions, yesOrNo } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import { type Priority, priorities } from '../core/priority.ts'
import { type Goal, readGoal } from './goal.ts'

export interface SizeOptions {
  /** How many requests come in a second, on average. */
  readonly ratePerSecond: number
  /** How long a run takes on average, in ms. */
  readonly runMs: number
  /**
   * The coefficient of variation of the runs, their standard deviation over their mean: 0 for runs that all take the same time, 1 for
   * exponential ones.
   * @default 1
   */
  readonly cv?: number | undefined
  /**
   * That of the times between arrivals: 1 for requests that come independently of each other, more for bursts.
   * @default 1
   */
  readonly arrivalCv?: number | undefined
  /**
   * The shares of the priorities, in whatever unit: `{ urgent: 5, normal: 95 }`.
   * @default all are normal
   */
  readonly mix?: { readonly [P in Priority]?: number | undefined } | undefined
  /**
   * What is promised: `'p99wait < 200ms'`, `'urgent.wait.p99 < 50ms'`, `'wait.mean < 10ms'`, `'refused < 0.1%'`.
   * @default the wait of 99 % is at most a quarter of the run, and at most 0.1 % are refused
   */
  readonly goals?: readonly string[] | undefined
  /**
   * How many slots there are: then it is said what they give, and none are looked for.
   * @default as few as keep the goals
   */
  readonly slots?: number | undefined
  /**
   * How many requests may wait.
   * @default as few as keep the goal for refusals
   */
  readonly maxQueueSize?: number | undefined
  /**
   * How much of a processor's time a request takes in the function itself, in ms: 0 where it only waits for others.
   * @default 0
   */
  readonly cpuMs?: number | undefined
  /** How many processors there are. @default 1 */
  readonly cores?: number | undefined
  /** How much memory there is, in bytes. @default nothing is said of whether it suffices */
  readonly memoryBytes?: number | undefined
  /** How large a request is, with its answer, in bytes. @default 1024 */
  readonly payloadBytes?: number | undefined
  /** How much memory a run takes in your function, in bytes. @default 0 */
  readonly runBytes?: number | undefined
  /** Each request comes over HTTP, on a connection that waits for its answer. @default false */
  readonly overHttp?: boolean | undefined
}

export interface SizeQuestion {
  readonly perMs: number
  readonly runMs: number
  /** By how much other runs and arrivals change a wait, as Allen and Cunneen have it. */
  readonly variability: number
  readonly cv: number
  readonly arrivalCv: number
  /** The tiers that there are, the most urgent first, and their shares, which sum up to 1. */
  readonly tiers: readonly { readonly priority: Priority; readonly share: number }[]
  readonly waitGoals: readonly Goal[]
  /** A share. */
  readonly refused: number
  readonly hasGoals: boolean
  readonly slots: number | undefined
  readonly maxQueueSize: number | undefined
  readonly cpuMs: number
  readonly cores: number
  readonly memoryBytes: number | undefined
  readonly payloadBytes: number
  readonly runBytes: number
  readonly overHttp: boolean
}

/** More than any machine has; the search ends there. */
export const MAX_SLOTS = 1_000_000

const finite = (value: number): boolean => Number.isFinite(value)
const positive = /* @__PURE__ */ numberThat('a number greater than 0', (value) => value > 0 && finite(value))
const fromZero = /* @__PURE__ */ numberThat('a number of at least 0', (value) => value >= 0 && finite(value))
const fromOne: OptionRule = { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) }

const rules: { readonly [K in keyof SizeOptions]-?: OptionRule } = {
  ratePerSecond: positive,
  runMs: positive,
  cv: fromZero,
  arrivalCv: fromZero,
  mix: { expected: 'shares of the priorities: { urgent: 5, normal: 95 }', fits: isPlain },
  goals: { expected: 'an array of goals', fits: Array.isArray },
  slots: {
    expected: `an integer from 1 to ${MAX_SLOTS}`,
    fits: (value) => isCount(value, 1) && value <= MAX_SLOTS,
  },
  maxQueueSize: { expected: 'an integer of at least 0', fits: (value) => isCount(value, 0) },
  cpuMs: fromZero,
  cores: fromOne,
  memoryBytes: positive,
  payloadBytes: fromZero,
  runBytes: fromZero,
  overHttp: yesOrNo,
}

/** @throws {OptionsError} */
export function readSizeOptions(options: SizeOptions): SizeQuestion {
  const given = readGiven<SizeOptions>('', options, rules)
  for (const name of ['ratePerSecond', 'runMs'] as const) {
    if (given[name] === undefined) throw new OptionsError(name, rules[name].expected, undefined)
  }
  const { ratePerSecond, runMs, cv = 1, arrivalCv = 1, mix, goals, slots, maxQueueSize } = given
  const { cpuMs = 0, cores = 1, memoryBytes, payloadBytes = 1_024, runBytes = 0, overHttp = false } = given
  const load = (ratePerSecond * runMs) / 1_000
  if (load >= MAX_SLOTS) {
    throw new OptionsError('ratePerSecond', `at most what ${MAX_SLOTS} slots can do`, ratePerSecond)
  }
  if (slots !== undefined && slots <= load) throw tooMuch(ratePerSecond, runMs, slots, load)
  const read = (goals ?? []).map(goalOf)
  const tiers = tiersOf(mix)
  const missing = read.find(
    ({ priority }) => priority !== undefined && tiers.every((tier) => tier.priority !== priority),
  )
  if (missing !== undefined) throw new OptionsError('goals', 'goals of priorities that the mix has', missing.text)
  const refusals = read.filter(({ of }) => of === 'refused').map(({ bound }) => bound)
  return {
    ...{ perMs: ratePerSecond / 1_000, runMs, cv, arrivalCv, tiers, slots, maxQueueSize },
    variability: (arrivalCv ** 2 + cv ** 2) / 2,
    waitGoals: read.filter(({ of }) => of === 'wait'),
    refused: refusals.length === 0 ? 0.001 : refusals.reduce((least, bound) => Math.min(least, bound)),
    hasGoals: read.some(({ of }) => of === 'wait'),
    ...{ cpuMs, cores, memoryBytes, payloadBytes, runBytes, overHttp },
  }
}

function tooMuch(ratePerSecond: number, runMs: number, slots: number, load: number): OptionsError {
  const least = Math.floor(load) + 1
  const most = Math.floor((slots / runMs) * 1_000 * 1_000) / 1_000
  return new OptionsError(
    'slots',
    `at least ${least}`,
    slots,
    undefined,
    `${slots} slots can do ${most} requests a second of ${runMs} ms, and ${ratePerSecond} come: it takes ${least} at least`,
  )
}

function goalOf(text: unknown): Goal {
  const goal = typeof text === 'string' ? readGoal(text) : undefined
  const fits = goal?.isUpper === true && (goal.of === 'wait' || (goal.of === 'refused' && goal.priority === undefined))
  const isTail = goal?.statistic !== 'max'
  if (goal !== undefined && fits && isTail) return goal
  throw new OptionsError('goals', "goals as 'p99wait < 200ms', 'urgent.wait.p99 < 50ms', 'refused < 0.1%'", text)
}

function tiersOf(mix: SizeOptions['mix']): SizeQuestion['tiers'] {
  if (mix === undefined) return [{ priority: 'normal', share: 1 }]
  requireOptions('mix', mix, priorities)
  const shares = priorities.map((priority) => mix[priority] ?? 0)
  for (const [tier, share] of shares.entries()) {
    if (!(typeof share === 'number' && share >= 0 && finite(share))) {
      throw new OptionsError(`mix.${priorities[tier]}`, 'a number of at least 0', share)
    }
  }
  const sum = shares.reduce((all, share) => all + share, 0)
  if (sum === 0) throw new OptionsError('mix', 'a share greater than 0', mix)
  return priorities.flatMap((priority, tier) => {
    const share = (shares[tier] as number) / sum
    return share > 0 ? [{ priority, share }] : []
  })
}

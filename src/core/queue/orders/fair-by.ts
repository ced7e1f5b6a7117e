/**
 * Who goes first within a tier, if nobody shall crowd out the others? Keys (tenants, users) take turns. Step 3 of 7.
 *
 * The model is start-time fair queuing. Each tier has a virtual time V, the rank of the last request that started; each key
 * a virtual finish time F, up to which it has used its share, and L, the rank of its last request that still waits. The unit
 * of all is a typical run, the guess:
 *
 *     start S = max(V, F)     rank = max(S, L)     F = S + cost / weight
 *     when it has run: F += cost / weight · (actual / guess − 1)
 *
 * A key that was idle starts at V: it has saved up nothing. One that waits with a thousand requests has its ranks far ahead
 * of V, and whoever comes with one goes before all but the first of them. Each further attempt of a request is charged when
 * it starts, and corrected in the same way. A key whose F is past is forgotten.
 *
 * A request that leaves before its turn takes back all that it has changed, in whatever order others come and leave: its
 * charge; the lift of an idle F up to V, unless another one of its key has begun from there, which then takes it back; and
 * L, which falls to the rank of the one before it. So L is never below the rank of one that waits: corrections, and requests
 * that come only to leave, let no later request of a key pass an earlier one.
 *
 * The ranks of those who wait can't be corrected. So the unit is the mean of recent runs, not a fixed G as in Kubernetes,
 * which ranks anew at each start.
 *
 * The keys of a tier, and which of their requests wait, are in `flows.ts`.
 *
 * @see Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996; with several slots: Jin, Chase and Kaur, SFQ(D),
 *   SIGMETRICS 2004
 * @see https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/1040-priority-and-fairness (the guess)
 */
import { aFunction, isCount, isPlain, noAnswer, type OptionRule, readGiven } from '../../checks.ts'
import { OptionsError } from '../../errors.ts'
import { priorities } from '../../priority.ts'
import type { Reads } from '../../reads.ts'
import type { OrderPolicy, OrderQuestion } from '../order.ts'
import { Flows, startOf } from './flows.ts'

export interface FairByOptions<Req = unknown, Metadata = unknown> {
  /**
   * The weight of a key, from 0.001 to 1000: with twice the weight it has twice the share.
   * @default 1 for each
   */
  weight?: ((key: string) => number) | undefined
  /**
   * How much of what is scarce a request holds while it runs: greater than 0, at most a million. One that holds two of
   * something counts as two that hold one.
   * @default how many slots it takes, its own `cost`
   */
  cost?: number | ((request: Req, metadata: Metadata) => number) | undefined
  /**
   * How long a run is taken to last until it is known, in ms: a finite number greater than 0. If it is far too small, a
   * burst of a new key counts for too little at first; if it is far too large, keys with short runs get less than their
   * share.
   * @default the mean of recent runs
   */
  guessMs?: number | undefined
  /**
   * How many keys of a tier are remembered: an integer of at least 1. When there are more, V moves on, and the half that
   * has used the least is forgotten; so a stream of keys that were never seen before can't hold up a known one for longer.
   * @default 10_000
   */
  maxKeys?: number | undefined
}

/**
 * Fair shares by key within each tier: `fairBy((job: Job) => job.tenant)`, or by metadata:
 * `fairBy((_job: Job, about: { tenant: string }) => about.tenant)`. A higher tier still goes before a lower one.
 *
 * A place is given at admission. If most requests of a key give up before their turn, the rest of them stand far behind, and
 * later requests of that key stand behind those.
 *
 * The functions are asked again when the call has settled, and must then give the same answer for the same request. An error
 * that they throw at admission refuses the request. A key that is no string, or a weight or cost out of range, refuses it with
 * an `OptionsError`: to let such requests share one key would hide the mistake.
 * @throws {OptionsError}
 */
export function fairBy<Req = unknown, Metadata = unknown>(
  key: (request: Req, metadata: Metadata) => string,
  options: FairByOptions<Req, Metadata> = {},
): OrderPolicy & Reads<Req, Metadata> {
  if (typeof key !== 'function') throw new OptionsError('fairBy.key', 'a function that returns a string', key)
  if (!isPlain(options)) throw new OptionsError('fairBy.options', 'an object', options)
  return new FairBy(key as Reader<string>, readGiven<FairByOptions>('fairBy', options, rules))
}

type Reader<T> = (request: unknown, metadata: unknown) => T

class FairBy implements OrderPolicy {
  readonly name = 'fair by key'
  readonly option = 'order'
  readonly remembers = true
  readonly acrossTiers = false
  readonly key: Reader<string>
  readonly #weight: ((key: string) => number) | undefined
  readonly #cost: number | Reader<number> | undefined
  readonly #unit: Unit
  readonly #flows: readonly Flows[]

  constructor(key: Reader<string>, { weight, cost, guessMs, maxKeys = 10_000 }: FairByOptions) {
    this.key = key
    this.#weight = weight
    this.#cost = cost
    this.#unit = new Unit(guessMs)
    this.#flows = priorities.map(() => new Flows(maxKeys))
  }

  rank(question: Readonly<OrderQuestion>): number {
    // All that may throw comes first: a request that is refused has changed nothing.
    const key = this.#keyOf(question)
    const charge = this.#charge(question, key)
    const flows = this.#flows[question.tier] as Flows
    const flow = flows.of(key)
    const { finish, last } = flow
    const start = startOf(flow, flows)
    const rank = last === undefined ? start : Math.max(start, last.rank)
    // A further attempt has another priority: it is charged when it starts.
    if (question.attempt > 1) return rank
    flow.finish = start + charge
    flows.waits(question.sequence, { flow, rank, charge, lift: start - finish, before: last, after: undefined })
    return rank
  }

  started(question: Readonly<OrderQuestion>, rank: number): void {
    const { tier, attempt, sequence } = question
    const flows = this.#flows[tier] as Flows
    if (rank > flows.now) flows.now = rank
    flows.leaves(sequence)
    if (attempt === 1) return
    const key = this.#keyOf(question)
    const charge = this.#charge(question, key)
    const flow = flows.of(key)
    flow.finish = startOf(flow, flows) + charge
  }

  settled(question: Readonly<OrderQuestion>, rank: number, runMs: number): void {
    const key = this.#keyOf(question)
    const charge = this.#charge(question, key)
    const actual = charge * this.#unit.of(runMs)
    const flows = this.#flows[question.tier] as Flows
    const flow = flows.find(key)
    if (flow !== undefined) flow.finish += actual - charge
    // Forgotten while it ran, since by the guess it had used its share up to before V only.
    else if (rank + actual > flows.now) flows.of(key).finish = rank + actual
  }

  /** It has left before its turn, or has another priority: it has used nothing here. */
  left(question: Readonly<OrderQuestion>): void {
    if (question.attempt > 1) return
    const flows = this.#flows[question.tier] as Flows
    const place = flows.leaves(question.sequence)
    if (place === undefined) {
      // It was given its turn, and was not called after all.
      const key = this.#keyOf(question)
      const flow = flows.find(key)
      if (flow !== undefined) flow.finish -= this.#charge(question, key)
      return
    }
    const { flow, charge, lift, after } = place
    flow.finish -= charge
    if (after === undefined) flow.finish -= lift
    else after.lift += lift
  }

  #keyOf({ request, metadata }: Readonly<OrderQuestion>): string {
    const key: unknown = this.key(request, metadata)
    if (typeof key !== 'string') throw noAnswer('fairBy.key', 'a function that returns a string', key)
    return key
  }

  /** What a run of one unit uses up of its key's share. */
  #charge({ request, metadata, cost: slots }: Readonly<OrderQuestion>, key: string): number {
    const cost = typeof this.#cost === 'function' ? this.#cost(request, metadata) : (this.#cost ?? slots)
    if (!isCost(cost)) throw noAnswer('fairBy.cost', `a function that returns ${COST}`, cost)
    const weight = this.#weight === undefined ? 1 : this.#weight(key)
    if (!isWithin(weight, 0.001, 1000)) {
      throw noAnswer('fairBy.weight', 'a function that returns a number from 0.001 to 1000', weight)
    }
    return cost / weight
  }
}

/** How long is a run? Either what was said, or the mean of recent ones. */
class Unit {
  readonly #isFixed: boolean
  #ms: number
  #runs = 0

  constructor(fixedMs: number | undefined) {
    this.#isFixed = fixedMs !== undefined
    this.#ms = fixedMs ?? 0
  }

  /** The length of a run that has settled, in units. It counts for the mean first, so that the very first is 1. */
  of(runMs: number): number {
    if (!this.#isFixed) {
      this.#runs = Math.min(this.#runs + 1, RECENT_RUNS)
      this.#ms += (runMs - this.#ms) / this.#runs
    }
    // Runs that take no time are all alike.
    return this.#ms > 0 ? runMs / this.#ms : 1
  }
}

/** Many, so that a key with short runs and one with long ones are measured by the same unit. */
const RECENT_RUNS = 256

const COST = 'a number greater than 0, at most 1000000'

function isCost(value: unknown): boolean {
  return value !== 0 && isWithin(value, 0, 1_000_000)
}

function isWithin(value: unknown, least: number, greatest: number): boolean {
  return typeof value === 'number' && value >= least && value <= greatest
}

const rules: { readonly [K in keyof FairByOptions]-?: OptionRule } = {
  weight: { expected: 'a function that returns a number', fits: (value) => aFunction.fits(value) },
  cost: {
    expected: 'a number greater than 0, at most 1000000, or a function',
    fits: (value) => typeof value === 'function' || isCost(value),
  },
  guessMs: {
    expected: 'a finite number of ms greater than 0',
    fits: (value) => Number.isFinite(value) && (value as number) > 0,
  },
  maxKeys: { expected: 'an integer of at least 1', fits: (value) => isCount(value, 1) },
}

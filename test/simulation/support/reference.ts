/**
 * Which request must start next, and which one waits at which place: for long schedules, for which the model is too slow. The
 * executor's events tell it which requests wait; in which sequence they start it knows from the rules of the order alone.
 *
 * Sorted arrays, and the formula of each order on plain numbers.
 */
import { type ExecutorEvents, priorities } from 'triage-queue'
import { FairShares, type Waiting } from './fair-shares.ts'
import type { Rules } from './rules.ts'
import { isBulk, type OrderName, type Schedule } from './schedule.ts'
import type { Seen } from './seen.ts'
import { rulesOf, targetMs } from './setup.ts'
import { Shares } from './shares.ts'
import type { World } from './world.ts'

/** One that is not in the line: until its time has come. */
interface Held {
  readonly waiting: Waiting
  readonly dueAt: number
}

const TIERS = [0, 1, 2, 3]
/** Positions are looked at now and then, and always after a command. */
const LOOK_EVERY = 16

/** Has it anything to say? Not where slots are kept or requests take several: then the first may not be the next to start. */
export function canRefer({ options, policies, commands, plain }: Schedule): boolean {
  const remembers = policies.order !== undefined && /fair|weighted|, /.test(policies.order)
  return (
    commands.some(isBulk) &&
    plain === undefined &&
    options.reserve === undefined &&
    commands.every((each) => each.do !== 'burst' || (each.maxCost === undefined && each.isShared === undefined)) &&
    // When one leaves, another may come in before it is told of that one: an order that remembers knows what was first.
    !(remembers && options.whenFull === 'block') &&
    // When a further attempt is charged is a matter of microtasks.
    !(policies.order?.includes('fair') && policies.retryMs !== undefined)
  )
}

export class Reference {
  readonly #world: World
  readonly #rules: Rules
  readonly #inner: string
  readonly #all = new Map<Seen, Waiting>()
  /** Those that have just come in: maybe beside one that was chosen before, and is not called yet. */
  #newcomers: Waiting[] = []
  readonly #lines: Waiting[][] = TIERS.map(() => [])
  /** In the order in which their time comes. */
  readonly #held: Held[] = []
  readonly #shares: Shares | undefined
  /** Of `aging` with another order within: when each tier has its turns. */
  readonly #turns: number[][] | undefined
  readonly #fair: FairShares | undefined
  #sequence = 0
  #looks = 0
  #isPaused = false
  isAsked = false

  constructor(world: World) {
    this.#world = world
    this.#rules = rulesOf(world.schedule)
    const [outer = '', inner] = (world.schedule.policies.order ?? 'strict').split(', ')
    this.#inner = inner ?? outer
    if (outer === 'weighted') this.#shares = new Shares([8, 4, 2, 1])
    if (outer === 'aging' && inner !== undefined) this.#turns = TIERS.map(() => [])
    if (this.#inner === 'fair') this.#fair = new FairShares()
    const { executor } = world
    executor.on('queued', (about) => this.#came(about))
    executor.on('retrying', (about) => this.#retries(about))
    for (const end of ['completed', 'failed', 'expired', 'cancelled', 'shed'] as const) {
      executor.on(end, (about) => this.#ended(about.metadata as number))
    }
    executor.on('paused', () => {
      this.#isPaused = true
    })
    executor.on('resumed', () => {
      this.#isPaused = false
    })
  }

  // ── What happens ───────────────────────────────────────────────────────────────────────────────────────────────────

  #came({ metadata, priority }: ExecutorEvents['queued']): void {
    const seen = this.#world.seen[metadata as number] as Seen
    const { caller } = seen
    const tier = priorities.indexOf(priority)
    // One that was blocked until its time had come is as old as its submission.
    const from = caller.startAt > this.#world.clock.now() ? caller.startAt : caller.at
    const { waitMs, totalMs } = this.#rules
    const { waitTimeoutMs = waitMs[caller.tier] as number, timeoutMs = totalMs[caller.tier] as number } = seen.arrive
    const waiting: Waiting = {
      ...{ seen, tier, from, rank: 0, sequence: 0, failures: 0, startedAt: 0 },
      deadline: from + Math.min(waitTimeoutMs, timeoutMs),
    }
    this.#all.set(seen, waiting)
    this.#newcomers.push(waiting)
  }

  /** Whatever is done next, those that have come in count. */
  flush(): void {
    this.#release()
    if (this.#newcomers.length === 0) return
    const newcomers = this.#newcomers
    this.#newcomers = []
    for (const waiting of newcomers) {
      if (waiting.from > this.#world.clock.now()) this.#hold(waiting, waiting.from)
      else this.#enter(waiting)
    }
  }

  #enter(waiting: Waiting): void {
    waiting.sequence = ++this.#sequence
    waiting.rank = this.#rankOf(waiting, waiting.tier)
    this.#stand(waiting)
  }

  #stand(waiting: Waiting): void {
    const { tier, from } = waiting
    const line = this.#line(tier)
    if (line.length === 0) this.#shares?.came(tier)
    line.splice(indexOf(line, waiting), 0, waiting)
    const turns = this.#turns?.[tier]
    if (turns === undefined) return
    const dueAt = from + targetMs(tier)
    turns.splice(countBelow(turns, dueAt), 0, dueAt)
  }

  /** False: it does not stand in the line. */
  #takeOut(waiting: Waiting): boolean {
    const { tier, from } = waiting
    const line = this.#line(tier)
    const index = indexOf(line, waiting)
    if (line[index] !== waiting) return false
    line.splice(index, 1)
    const turns = this.#turns?.[tier]
    // Its own turn, or a later one if somebody else has taken that.
    turns?.splice(Math.min(countBelow(turns, from + targetMs(tier)), turns.length - 1), 1)
    return true
  }

  moved(seen: Seen, tier: number): void {
    const waiting = this.#all.get(seen)
    if (waiting === undefined || waiting.tier === tier) return
    this.flush()
    const { tier: from } = waiting
    const stands = indexIn(this.#line(from), waiting)
    if (stands || waiting.failures > 0) {
      const rank = this.#rankOf(waiting, tier)
      if (stands) this.#takeOut(waiting)
      this.#fair?.left(waiting, from)
      waiting.rank = rank
    }
    waiting.tier = tier
    if (stands) this.#stand(waiting)
  }

  #ended(n: number): void {
    this.flush()
    const seen = this.#world.seen[n] as Seen
    const waiting = this.#all.get(seen)
    if (waiting === undefined) return
    this.#all.delete(seen)
    if (this.#takeOut(waiting)) this.#fair?.left(waiting, waiting.tier)
    if (this.#held.length > 0) this.#letGo(waiting)
  }

  #retries({ metadata, delayMs }: ExecutorEvents['retrying']): void {
    const waiting = this.#all.get(this.#world.seen[metadata as number] as Seen) as Waiting
    waiting.failures++
    this.#hold(waiting, this.#world.clock.now() + delayMs)
  }

  #hold(waiting: Waiting, dueAt: number): void {
    let [low, high] = [0, this.#held.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#held[middle] as Held).dueAt <= dueAt) low = middle + 1
      else high = middle
    }
    this.#held.splice(low, 0, { waiting, dueAt })
  }

  #letGo(waiting: Waiting): void {
    const index = this.#held.findIndex((held) => held.waiting === waiting)
    if (index >= 0) this.#held.splice(index, 1)
  }

  /**
   * Those whose time has come are in the line, up to the last one that has a place there, or is called. Timers count whole
   * milliseconds, and of several for one instant it is not said which is first.
   */
  #release(called?: Seen): void {
    const now = this.#world.clock.now()
    let count = 0
    for (const [i, { waiting, dueAt }] of this.#held.entries()) {
      if (dueAt > now) break
      const { seen } = waiting
      if (seen === called || seen.handle?.position() !== undefined) count = i + 1
    }
    for (const { waiting } of this.#held.splice(0, count)) {
      if (waiting.failures > 0) this.#stand(waiting)
      else this.#enter(waiting)
    }
  }

  /** The executor is called with it. */
  called(seen: Seen): void {
    this.#release(seen)
    const waiting = this.#all.get(seen)
    // It was chosen before those came in that have come just now, or is one of them.
    if (waiting === undefined || this.#first() !== waiting) this.flush()
    const first = this.#first()
    if (waiting === undefined || first !== waiting) {
      this.#world.fail(`${seen.n} is called, the reference says ${first?.seen.n}`)
      return
    }
    this.#line(waiting.tier).shift()
    this.#turns?.[waiting.tier]?.shift()
    this.#shares?.took(waiting.tier, [])
    this.#fair?.started(waiting)
    waiting.startedAt = this.#world.clock.now()
    this.flush()
    // It may end before its call settles.
    this.#calls.set(seen, waiting)
  }

  readonly #calls = new Map<Seen, Waiting>()

  settled(seen: Seen): void {
    this.flush()
    const waiting = this.#calls.get(seen)
    if (waiting === undefined) return
    this.#calls.delete(seen)
    this.#fair?.settled(waiting, this.#world.clock.now() - waiting.startedAt)
  }

  // ── What it says ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Everything has been done that can be done at this instant. */
  look(): void {
    const world = this.#world
    this.flush()
    const first = this.#first()
    const late = this.#held[0]
    if (late !== undefined && late.dueAt < world.clock.now() - 1) world.fail(`${late.waiting.seen.n} comes too late`)
    if (!this.#isPaused && first !== undefined && world.unsettled < world.executor.concurrency) {
      world.fail(`nobody is called, the reference says ${first.seen.n}`)
    }
    if (!this.isAsked && ++this.#looks % LOOK_EVERY > 0) return
    this.isAsked = false
    world.counts.add('places compared')
    const order = this.#order()
    const { length } = order
    const places = [
      0,
      1,
      2,
      510,
      511,
      512,
      513,
      length - 1,
      ...[1, 2, 3, 4, 5].map((n) => Math.floor((length * n) / 6)),
    ]
    for (const place of places) {
      const handle = order[place]?.seen.handle
      const position = handle?.position()
      if (handle !== undefined && position !== place) {
        world.fail(`the position of ${order[place]?.seen.n} is ${position}, the reference says ${place}`)
      }
    }
  }

  #first(): Waiting | undefined {
    const heads = this.#lines.flatMap(([head]) => head ?? [])
    if (this.#turns === undefined) return this.#sorted(heads)[0]
    const turnOf = ({ tier }: Waiting) => this.#turns?.[tier]?.[0] as number
    return heads.sort((a, b) => turnOf(a) - turnOf(b) || a.tier - b.tier)[0]
  }

  /** All that stand in the line. */
  #order(): Waiting[] {
    if (this.#turns === undefined) return this.#sorted(this.#lines.flat())
    const turns = this.#turns.flatMap((all, tier) => all.map((dueAt, index) => ({ dueAt, index, tier })))
    return turns
      .sort((a, b) => a.dueAt - b.dueAt || a.tier - b.tier || a.index - b.index)
      .map(({ tier, index }) => this.#line(tier)[index] as Waiting)
  }

  #sorted(all: Waiting[]): Waiting[] {
    if (this.#shares !== undefined) return this.#shares.merged(all)
    return this.#rules.across ? all.sort(byPlace) : all.sort((a, b) => a.tier - b.tier || byPlace(a, b))
  }

  #rankOf(waiting: Waiting, tier: number): number {
    const { sequence, from, deadline } = waiting
    switch (this.#inner as OrderName | 'strict') {
      case 'fair':
        return (this.#fair as FairShares).rank(waiting, tier)
      case 'aging':
        return from + targetMs(tier)
      case 'oldest':
        return from
      case 'deadlines':
        return deadline
      case 'last in':
        return -sequence
      default:
        return sequence
    }
  }

  #line(tier: number): Waiting[] {
    return this.#lines[tier] as Waiting[]
  }
}

const byPlace = (a: Waiting, b: Waiting): number =>
  a.rank === b.rank ? a.sequence - b.sequence : a.rank < b.rank ? -1 : 1

/** Where one stands in a sorted line, or would. */
function indexOf(line: readonly Waiting[], waiting: Waiting): number {
  let [low, high] = [0, line.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (byPlace(line[middle] as Waiting, waiting) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function indexIn(line: readonly Waiting[], waiting: Waiting): boolean {
  return line[indexOf(line, waiting)] === waiting
}

function countBelow(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

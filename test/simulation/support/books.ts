/**
 * What the model knows at one instant, and what follows from that alone: who waits in which order, and who is next.
 * Plain arrays, sorted and searched at each question.
 */
import type { Caller, Job, Place, Rules } from './rules.ts'
import { Shares } from './shares.ts'
import { TokensByKey } from './tokens.ts'

const NEVER = Number.POSITIVE_INFINITY
export const sign = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0)

export class Books {
  rules: Rules
  limit: number
  now = 0
  paused = false
  state: 'open' | 'draining' | 'stopping' = 'open'
  graceAt = NEVER
  /** It serves until then, and is to close. */
  lameUntil = NEVER
  /** All that are live, or whose call has not settled. */
  jobs: Job[] = []
  readonly totals = { admitted: 0, joined: 0, retries: 0, completed: 0, failed: 0, expired: 0, cancelled: 0, shed: 0 }
  rejected = 0
  /** Why what follows can't be said. */
  unsure = ''
  readonly firstLimit: number
  shares: Shares
  readonly tokens: TokensByKey | undefined

  constructor(rules: Rules, concurrency: number) {
    this.rules = rules
    this.limit = concurrency
    this.firstLimit = concurrency
    this.shares = new Shares(rules.weights ?? [1, 1, 1, 1])
    this.tokens = rules.tokens && new TokensByKey(rules.tokens)
  }

  in = (...places: Place[]): Job[] => this.jobs.filter(({ place }) => places.includes(place))
  open = (): Caller[] => this.jobs.flatMap(({ callers }) => callers)
  of = (caller: Caller): Job | undefined => this.jobs.find(({ callers }) => callers.includes(caller))
  find = (id: string): Job | undefined => this.jobs.find(({ callers, first }) => callers.length > 0 && first.id === id)
  twin = ({ id }: Caller): Job | undefined => (id === undefined ? undefined : this.find(id))
  calls = (): Job[] => this.jobs.filter(({ inCall }) => inCall)
  stuck = (): number => slotsOf(this.calls().filter((job) => this.stuckAt(job) <= this.now))
  blocked = (): Job[] => this.in('blocked').sort((a, b) => a.tier - b.tier || a.sequence - b.sequence)
  retrying = (): number => this.in('held', 'line').filter(({ failures }) => failures > 0).length

  waiting(): Job[] {
    return this.in('line', 'held').filter(({ failures }) => failures === 0)
  }

  /** Who waits in the queue, in the order in which they start. */
  line(): Job[] {
    const byTier = (a: Job, b: Job) => (this.rules.across ? 0 : a.tier - b.tier)
    const line = this.in('line').sort((a, b) => byTier(a, b) || sign(a.rank, b.rank) || a.sequence - b.sequence)
    return this.rules.weights === undefined ? line : this.shares.merged(line)
  }

  free(): number {
    const used = slotsOf([...this.calls(), ...this.in('chosen')])
    return this.limit + Math.min(this.rules.maxReplaced, this.stuck()) - used
  }

  /** Who has a slot, and is not stuck in it. */
  #runs = (job: Job): boolean => (job.inCall && this.stuckAt(job) > this.now) || job.place === 'chosen'

  #missing(tier: number): number {
    const { rules, limit } = this
    const stuck = this.stuck()
    const usable = limit - stuck + Math.min(rules.maxReplaced, stuck)
    const kept = rules.lends ? rules.reserve : keptOf(rules.reserve, usable)
    const has = this.jobs.filter((job) => job.tier === tier && this.#runs(job)).length
    return Math.max((kept[tier] as number) - has, 0)
  }

  /** Who must be called next, if anybody. */
  next(): Job | undefined {
    const chosen = this.in('chosen')[0]
    return chosen ?? this.pick()
  }

  pick(): Job | undefined {
    return this.pickOf(this.line())
  }

  /** Is there a token for it, after so many others? */
  protected hasToken = ({ first }: Job, ahead = 0): boolean =>
    this.tokens === undefined || this.tokens.at(first.key, this.now) >= ahead + 1

  /** Is there none for it when those have theirs that stand before it, or are no less urgent? */
  protected lacksToken = (job: Job): boolean => {
    const line = this.line()
    const before = line.slice(0, line.indexOf(job))
    const others = line.filter((other) => other !== job && (before.includes(other) || other.tier <= job.tier))
    return !this.hasToken(job, others.filter(({ first }) => first.key === job.first.key).length)
  }

  /** The next of some that stand in this order: those without a token hold back nobody. */
  protected pickOf(all: readonly Job[]): Job | undefined {
    const free = this.free()
    if (this.paused || free < 1) return undefined
    const line = this.tokens === undefined ? all : all.filter((job) => this.hasToken(job))
    const mayStart = ({ tier }: Job) => free > this.#keptFrom(tier)
    const first = line.find((job) => this.#missing(job.tier) > 0 && mayStart(job)) ?? line.find(mayStart)
    if (first === undefined || first.first.cost <= free - this.#keptFrom(first.tier)) return first
    // It runs alone, or beside calls that are stuck and have substitutes.
    return first.first.cost > this.limit && free >= this.limit ? first : undefined
  }

  #keptFrom(tier: number): number {
    return [0, 1, 2, 3].reduce((sum, t) => sum + (t === tier || this.rules.lends ? 0 : this.#missing(t)), 0)
  }

  /** When the time of a caller is over. */
  due(job: Job, caller: Caller): number {
    const { waitMs, runMs, totalMs } = this.rules
    const from = caller === job.first ? job.from : caller.at
    const totalAt = Math.min(from + (caller.totalMs ?? (totalMs[caller.tier] as number)), caller.deadlineAt)
    const ownRunMs = job.first.runMs ?? (runMs[job.first.tier] as number)
    if (job.place === 'slot' || job.place === 'chosen') return Math.min(totalAt, job.startedAt + ownRunMs)
    return Math.min(totalAt, from + (caller.waitMs ?? (waitMs[caller.tier] as number)))
  }

  /** When its slot is stuck if its call has not settled: when the time of all is over who share it, or of whoever left last. */
  protected stuckAt(job: Job): number {
    return job.callers.length === 0 ? job.dueAt : Math.max(...job.callers.map((caller) => this.due(job, caller)))
  }

  /** When something happens by itself. */
  nextAt(): number {
    const dues = this.jobs.flatMap((job) => job.callers.map((caller) => this.due(job, caller)))
    const stuck = this.calls().map((job) => this.stuckAt(job))
    const backs = this.in('held', 'blocked').map(({ backAt }) => backAt)
    const tokens = this.in('line').map(({ first }) => this.tokens?.dueAt(first.key, this.now, 1) ?? NEVER)
    return Math.min(
      ...[this.graceAt, this.lameUntil, ...dues, ...stuck, ...backs, ...tokens].filter((at) => at > this.now),
      NEVER,
    )
  }
}

/**
 * How many slots are kept for each priority, when there are so many: those of the reserve that are named first, the most urgent
 * before the others, as many as leave one for whoever has none.
 */
export function keptOf(reserve: readonly number[], slots: number): number[] {
  const named = reserve.flatMap((floor, tier) => new Array<number>(floor).fill(tier))
  const leavesOne = (count: number) => count < slots || (count === slots && new Set(named.slice(0, count)).size === 4)
  const counts = named.map((_, i) => named.length - i)
  const kept = named.slice(0, counts.find(leavesOne) ?? 0)
  return reserve.map((_, tier) => kept.filter((each) => each === tier).length)
}

function slotsOf(jobs: readonly Job[]): number {
  return jobs.reduce((sum, { first }) => sum + first.cost, 0)
}

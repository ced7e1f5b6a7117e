/**
 * Who has room? A bound for all, and one for each priority; and slots that are promised until a burst is over.
 */

import { sign } from './books.ts'
import type { Job } from './rules.ts'
import { Seating } from './seating.ts'

export class Room extends Seating {
  /** How many of the line have a slot promised: a burst takes the free ones at once, and starts a microtask later. */
  promised = 0
  /** Those of the line that were set aside, since they had no token when it was their turn. */
  aside = new Set<Job>()

  isPromised(job: Job): boolean {
    // One that is set aside for want of a token saves no slots.
    const heavy = this.in('line').filter(({ first }) => first.cost > 1)
    const isHeavy = job.first.cost > 1 || heavy.some((other) => this.hasToken(other))
    const isReserved = this.rules.reserve.some((slots) => slots > 0)
    // Those that are set aside have no use for a slot.
    const again = this.in('line').filter((other) => other.failures > 0 && this.hasToken(other)).length
    const taken = this.promised + again + this.seated().reduce((sum, { first }) => sum + first.cost, 0)
    const sameKey = this.in('line').filter((other) => other.first.key === job.first.key).length
    const hasToken = this.hasToken(job, sameKey)
    const is = !this.paused && !this.isLater(job) && !isHeavy && !isReserved && hasToken && this.free() > taken
    if (is && heavy.some((other) => !this.aside.has(other)))
      this.unsure = 'one that takes several slots has no token, and it may not be its turn yet'
    return is
  }

  /** All has been done that can be done at this instant: if a slot is free, those without a token have had their turn. */
  settles(): void {
    const had = this.paused || this.free() < 1 ? [] : this.in('line').filter((job) => !this.hasToken(job))
    this.aside = new Set([...had, ...this.aside].filter((job) => job.place === 'line' && !this.hasToken(job)))
  }

  isTierFull(tier: number): boolean {
    return this.waiting().filter((job) => job.tier === tier).length >= (this.rules.byTier[tier] as number)
  }

  hasRoom(job: Job, mayPromise = true): boolean {
    if (this.isNone(job.tier)) return this.wouldStart(job)
    if (this.isTierFull(job.tier)) return false
    const promised = job.first.cost > 1 ? 0 : this.promised
    return (mayPromise && this.isPromised(job)) || this.waiting().length - promised < this.rules.total
  }

  /** Who makes room: whoever goes last of all that wait, if that is of any use, and the newcomer goes before it. */
  victim(job: Job): Job | undefined {
    // A priority with a bound of its own displaces none by it, and where others may wait no seat is taken.
    if (this.rules.total > 0 && this.isNone(job.tier)) return undefined
    return this.#lastOfAll(job).find((other) => this.#makesRoom(other, job))
  }

  #lastOfAll(job: Job): Job[] {
    if (this.rules.total === 0) return this.#behind(job).slice(0, 1)
    const isOwn = (tier: number) => tier === job.tier
    const isFull = this.isTierFull(job.tier)
    const mayGo = ({ tier }: Job) => isOwn(tier) || (!isFull && !this.isNone(tier) && !this.#isKept(tier))
    // One that waits for others is not looked at before it is in: they may have ended.
    const laterAt = job.first.after.length > 0 ? Number.POSITIVE_INFINITY : job.backAt
    const startAt = this.isLater(job) ? laterAt : Number.NEGATIVE_INFINITY
    const held = this.in('held')
      .filter(
        (other) => other.failures === 0 && other.tier >= job.tier && mayGo(other) && this.#startOf(other) > startAt,
      )
      .sort((a, b) => b.tier - a.tier || sign(this.#startOf(b), this.#startOf(a)) || b.sequence - a.sequence)
    const isAwaited = (other: Job) =>
      this.in('held').some(({ failures, first }) => failures === 0 && first.after.some((one) => this.of(one) === other))
    const [later] = held.filter((other) => !isAwaited(other))
    const [awaited] = held.filter(isAwaited)
    const standing = startAt === Number.NEGATIVE_INFINITY ? this.#behind(job).find(mayGo) : undefined
    const byTier = !this.rules.across && this.rules.weights === undefined
    const isLower = byTier && standing !== undefined && later !== undefined && standing.tier > later.tier
    return (isLower ? [standing, later, awaited] : [later, standing, awaited]).filter((one) => one !== undefined)
  }

  /** Those that stand behind it, the last one first, but for those that have come back for another attempt. */
  #behind(job: Job): Job[] {
    const { place, rank, sequence } = job
    Object.assign(job, { place: 'line', sequence: Number.MAX_SAFE_INTEGER })
    job.rank = this.rules.rank(job, this.due(job, job.first))
    const { jobs, shares } = this
    this.jobs = [...jobs, job]
    if (!jobs.some((other) => other.place === 'line' && other.tier === job.tier)) this.shares = shares.with(job.tier)
    const line = this.line()
    Object.assign(this, { jobs, shares })
    Object.assign(job, { place, rank, sequence })
    return line
      .slice(line.indexOf(job) + 1)
      .reverse()
      .filter(({ failures }) => failures === 0)
  }

  /** The first that wait of a tier are displaced by nobody of another one, where each is promised its turn, or has slots. */
  #isKept(tier: number): boolean {
    const { total, reserve, targets } = this.rules
    const kept = reserve.map((slots) => (targets || slots > 0 ? Math.max(Math.floor(total / 8), slots) : 0))
    while (kept.reduce((sum, each) => sum + each) > Math.floor(total / 2)) {
      const most = kept.lastIndexOf(Math.max(...kept))
      kept[most] = (kept[most] as number) - 1
    }
    return this.waiting().filter((job) => job.tier === tier).length <= (kept[tier] as number)
  }

  /** When it may start; nobody knows when those will have ended that it waits for. */
  #startOf({ first, backAt }: Job): number {
    return first.after.every(({ end }) => end !== '') ? backAt : Number.POSITIVE_INFINITY
  }

  /** Is there room for a job without that one? Where more wait than may, since the bound was lowered, one for one is no more. */
  #makesRoom(victim: Job, job: Job): boolean {
    const { jobs, promised, rules } = this
    const waiting = this.waiting()
    const total = Math.max(rules.total, waiting.length - promised)
    const byTier = rules.byTier.map((most, tier) => Math.max(most, waiting.filter((one) => one.tier === tier).length))
    this.rules = { ...rules, total, byTier }
    this.jobs = jobs.filter((other) => other !== victim)
    this.clamp()
    const hasRoom = this.hasRoom(job)
    Object.assign(this, { jobs, promised, rules })
    return hasRoom
  }

  /** It has its slot. Those who are tried again were promised none. */
  takesTurn({ tier, failures, first }: Job): void {
    this.shares.took(tier, [...new Set(this.in('line').map((job) => job.tier))])
    this.tokens?.take(first.key, this.now)
    if (failures === 0 && !this.isNone(tier)) this.promised = Math.max(this.promised - 1, 0)
  }

  /** A promised slot is for one who waits; those who need several, or who are tried again, have none promised. */
  clamp(): void {
    const mayBe = (job: Job) => job.failures === 0 && job.first.cost === 1 && !this.isSeated(job)
    const light = this.in('line').filter(mayBe)
    this.promised = Math.min(this.promised, light.length)
  }

  /** Nobody passes it: it comes in when there is room for anyone, or a slot. */
  isNext = (job: Job): boolean => !this.isLater(job) && !this.#isKeptOut(job)

  /** By the bound of its own priority, which is nobody else's matter. */
  #isKeptOut = (job: Job): boolean =>
    this.isNone(job.tier) ? this.isForOwnSlot(job) && !this.hasRoom(job) : this.isTierFull(job.tier)
}

/**
 * Who has room? A bound for all, and one for each priority; and slots that are promised until a burst is over.
 */
import type { Job } from './rules.ts'
import { Seating } from './seating.ts'

export class Room extends Seating {
  /** How many of the line have a slot promised: a burst takes the free ones at once, and starts a microtask later. */
  promised = 0

  isPromised(job: Job): boolean {
    const isHeavy = [job, ...this.in('line')].map(({ first }) => first).some(({ cost }) => cost > 1)
    const isReserved = this.rules.reserve.some((slots) => slots > 0)
    const again = this.in('line').filter(({ failures }) => failures > 0).length
    const taken = this.promised + again + this.seated().reduce((sum, { first }) => sum + first.cost, 0)
    return !this.paused && !this.isLater(job) && !isHeavy && !isReserved && this.free() > taken
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

  /** Who makes room: the last of the lowest priority below, if that is of any use. */
  victim(job: Job): Job | undefined {
    // A priority with a bound of its own displaces none by it, and where others may wait no seat is taken.
    if (this.rules.total > 0 && this.isNone(job.tier)) return undefined
    const mayGo = (other: Job) => this.rules.total === 0 || !this.isSeated(other)
    const below = this.line().filter((other) => other.tier > job.tier && other.failures === 0 && mayGo(other))
    const victim = below.findLast((other) => below.every(({ tier }) => tier <= other.tier))
    const others = this.jobs.filter((other) => other !== victim)
    return victim !== undefined && this.#without(others, job) ? victim : undefined
  }

  /** Is there room for a job if only these others were there? */
  #without(others: Job[], job: Job): boolean {
    const { jobs, promised } = this
    this.jobs = others
    this.clamp()
    const hasRoom = this.hasRoom(job)
    Object.assign(this, { jobs, promised })
    return hasRoom
  }

  /** It has its slot. Those who are tried again were promised none. */
  takesTurn({ tier, failures }: Job): void {
    this.shares.took(tier)
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

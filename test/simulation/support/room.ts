/**
 * Who has room? A bound for all, and one for each priority; and slots that are promised until a burst is over.
 */
import { Books } from './books.ts'
import type { Job } from './rules.ts'

export class Room extends Books {
  /** How many of the line have a slot promised: a burst takes the free ones at once, and starts a microtask later. */
  promised = 0

  /** It starts later than at once: it waits for a time, or for others. */
  isLater = ({ first, backAt }: Job): boolean => backAt > first.at || first.after.length > 0

  isPromised(job: Job): boolean {
    const isHeavy = [job, ...this.in('line')].map(({ first }) => first).some(({ cost }) => cost > 1)
    const isReserved = this.rules.reserve.some((slots) => slots > 0)
    const again = this.in('line').filter(({ failures }) => failures > 0).length
    return !this.paused && !this.isLater(job) && !isHeavy && !isReserved && this.free() > this.promised + again
  }

  isTierFull(tier: number): boolean {
    return this.waiting().filter((job) => job.tier === tier).length >= (this.rules.byTier[tier] as number)
  }

  hasRoom(job: Job, mayPromise = true): boolean {
    if (this.isTierFull(job.tier)) return false
    const promised = job.first.cost > 1 ? 0 : this.promised
    return (mayPromise && this.isPromised(job)) || this.waiting().length - promised < this.rules.total
  }

  /** Who makes room: the last of the lowest priority below, if that is of any use. */
  victim(job: Job): Job | undefined {
    const below = this.line().filter(({ tier, failures }) => tier > job.tier && failures === 0)
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
    if (failures === 0) this.promised = Math.max(this.promised - 1, 0)
  }

  /** A promised slot is for one who waits; those who need several, or who are tried again, have none promised. */
  clamp(): void {
    const light = this.in('line').filter(({ failures, first }) => failures === 0 && first.cost === 1)
    this.promised = Math.min(this.promised, light.length)
  }

  /** Nobody passes it: it comes in when there is room for anyone, or a slot. */
  isNext = (job: Job): boolean => !this.isTierFull(job.tier) && !this.isLater(job)
}

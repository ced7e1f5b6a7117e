/**
 * Who has a slot before it starts? Where nothing may wait, whoever comes in: the dispatch is played beforehand, with all that
 * stand in line, and then with the newcomer.
 */
import { Books } from './books.ts'
import type { Job } from './rules.ts'

export class Seating extends Books {
  /** Nothing of this tier may wait. */
  isNone = (tier: number): boolean => this.rules.total === 0 || this.rules.byTier[tier] === 0
  hasNone = (): boolean => [0, 1, 2, 3].some(this.isNone)
  isSeated = ({ place, tier, failures }: Job): boolean => place === 'line' && failures === 0 && this.isNone(tier)
  seated = (): Job[] => this.line().filter(this.isSeated)
  keeps = (): boolean => this.rules.reserve.some((slots) => slots > 0)
  /** Others may wait, or have slots of their own, so that it holds nobody back. */
  isForOwnSlot = ({ tier }: Job): boolean => this.isNone(tier) && (this.rules.total > 0 || this.keeps())
  /** It starts later than at once: it waits for a time, or for others. */
  isLater = ({ first, backAt }: Job): boolean => backAt > first.at || first.after.length > 0

  override waiting(): Job[] {
    return super.waiting().filter((job) => !this.isSeated(job))
  }

  /** Whoever has a seat is passed by nobody who would take it. */
  override pick(): Job | undefined {
    const first = super.pick()
    if (first !== undefined && (this.isSeated(first) || this.#isLeftFor(first))) return first
    const seated = this.seated()
    if (seated.length === 0) return first
    // More slots may be kept for others than when it came: it has its own all the same.
    const mayStart = ({ first: { cost } }: Job): boolean => !this.paused && cost <= this.free()
    return seated.find((job) => this.pickOf([job]) === job) ?? seated.find(mayStart)
  }

  /** Can all that have a seat start beside it? */
  #isLeftFor(job: Job): boolean {
    return this.#asIf([job], () => {
      const all = this.seated()
      return this.#asIf(all, () => all.every((one) => this.#asIf([one], () => this.pickOf([one]) === one, 'line')))
    })
  }

  /** Would it start in this dispatch, beside all that start without it? */
  wouldStart(job: Job): boolean {
    if (this.isLater(job)) return false
    const started: Job[] = []
    for (let next = this.pick(); next !== undefined; next = this.pick()) {
      started.push(next)
      next.place = 'chosen'
    }
    const { place, rank, sequence } = job
    const isOfItsTier = (other: Job): boolean => other.tier === job.tier && other !== job
    const isThere = this.jobs.includes(job)
    if (!isThere) this.jobs.push(job)
    // Its rank is not known yet: nobody of its own priority, or across priorities, is passed by it.
    Object.assign(job, { place: 'line', rank: Number.POSITIVE_INFINITY, sequence: Number.POSITIVE_INFINITY })
    // Where nobody of its priority stands it has brought that no turn yet, and comes after all.
    const isLast = this.rules.weights !== undefined && ![...this.in('line'), ...started].some(isOfItsTier)
    const first = isLast ? this.pickOf([...this.line().filter((other) => other !== job), job]) : super.pick()
    const would = first === job && !started.includes(job) && this.seated().every((other) => other === job)
    Object.assign(job, { place, rank, sequence })
    if (!isThere) this.jobs = this.jobs.filter((other) => other !== job)
    for (const other of started) other.place = 'line'
    return would
  }

  #asIf<T>(jobs: readonly Job[], what: () => T, place: Job['place'] = 'chosen'): T {
    const places = jobs.map((job) => job.place)
    for (const job of jobs) job.place = place
    try {
      return what()
    } finally {
      for (const [i, job] of jobs.entries()) job.place = places[i] as Job['place']
    }
  }
}

/**
 * Who comes in, and when? Who asks is refused, waits at the door, makes another leave, or stands in line.
 */
import { Room } from './room.ts'
import type { Caller, Job } from './rules.ts'

export class Arrivals extends Room {
  protected sequence = 0

  arrive(job: Job): void {
    const { first } = job
    const refusal = this.#refusal(job)
    const twin = this.twin(first)
    if (refusal !== '') this.#refuse(first, refusal)
    else if (twin !== undefined) this.#join(twin, first)
    else this.#comeIn(job)
  }

  #refusal({ first, tier }: Job): string {
    const { onDuplicate, reserve, lends } = this.rules
    const kept = lends ? 0 : reserve.reduce((sum, slots, other) => sum + (other === tier ? 0 : slots), 0)
    const twin = this.twin(first)
    if (first.deadlineAt <= Math.max(first.startAt, this.now)) return 'TRIAGE_WAIT_TIMEOUT'
    if (first.cost > Math.max(this.limit, this.firstLimit) - kept && first.cost > 1) return 'TRIAGE_INVALID_OPTIONS'
    if (this.state !== 'open') return 'TRIAGE_QUEUE_CLOSED'
    if (first.refusal === 'TRIAGE_INVALID_REQUEST') return first.refusal
    if (twin === undefined) return first.refusal
    if (onDuplicate === 'reject') return 'TRIAGE_DUPLICATE_REQUEST'
    if (onDuplicate === 'join' && twin.first.payload !== first.payload) return 'TRIAGE_DUPLICATE_REQUEST'
    return twin.place === 'blocked' && first.via === 'offer' ? 'TRIAGE_QUEUE_FULL' : ''
  }

  #comeIn(job: Job): void {
    const { first, tier } = job
    const { whenFull, maxBlocked } = this.rules
    job.sequence = ++this.sequence
    const isFull = !this.hasRoom(job)
    // Whoever may be blocked as well comes in by its priority.
    const next = this.blocked().filter(this.isNext)
    // It is blocked for a moment, and so needs a place there.
    const hasNoPlace = next.length > 0 && this.blocked().length >= maxBlocked
    const isBehind = hasNoPlace || next.some((other) => other.tier <= tier || first.via === 'offer')
    const neverFits = this.isNone(tier) && this.isLater(job)
    if (whenFull === 'block' && !neverFits && (isFull || isBehind)) {
      if (first.via === 'offer' || this.blocked().length >= maxBlocked) this.#refuse(first, 'TRIAGE_QUEUE_FULL')
      else this.jobs.push(Object.assign(job, { place: 'blocked' }))
      this.letIn()
      return
    }
    const victim = isFull && whenFull === 'shed' ? this.victim(job) : undefined
    // It is a matter of microtasks whether one that waits for others knows that they have ended.
    const hasJustEnded = (other: Job) =>
      other.first.after.length > 0 && other.first.after.every(({ end }) => end !== '')
    if (isFull && whenFull === 'shed' && this.in('held').some(hasJustEnded))
      this.unsure = 'one is displaced as those end that another waits for'
    // Those without a token go first: since when one is set aside is a matter of microtasks.
    if (isFull && whenFull === 'shed' && this.line().some(this.lacksToken))
      this.unsure = 'one makes room, and some have no token'
    if (isFull && victim === undefined) {
      this.#refuse(first, 'TRIAGE_QUEUE_FULL')
      return
    }
    if (victim !== undefined) this.end(victim, 'shed', 'TRIAGE_SHED')
    this.clamp()
    this.jobs.push(job)
    this.#admit(job)
  }

  #refuse(caller: Caller, code: string): void {
    caller.end = code
    this.rejected++
  }

  #join(twin: Job, caller: Caller): void {
    twin.callers.push(caller)
    this.totals.joined++
    if (caller.tier < twin.tier) this.move(twin, caller.tier)
  }

  #admit(job: Job): void {
    this.totals.admitted++
    job.sequence = ++this.sequence
    // When it hears that the others have ended is a matter of microtasks, and so is who comes to the queue before it.
    const { after } = job.first
    if (job.place === 'blocked' && after.length > 0 && after.every(({ end }) => end !== ''))
      this.unsure = 'one comes in that waits for others who have ended'
    if (!this.isNone(job.tier)) {
      if (this.isPromised(job)) this.promised++
      if (job.first.cost > 1 && !this.isLater(job)) this.promised = 0
    }
    job.place = 'held'
    // One that was blocked until then has its timeouts from its submission.
    if (job.backAt > this.now) job.from = job.backAt
    if (job.backAt <= this.now && job.first.after.length === 0) this.enter(job)
  }

  protected enter(job: Job): void {
    this.comesTo(job.tier)
    job.place = 'line'
    if (job.failures > 0) return
    job.sequence = ++this.sequence
    job.rank = this.rules.rank(job, this.due(job, job.first))
  }

  protected comesTo(tier: number): void {
    if (!this.in('line').some((job) => job.tier === tier)) this.shares.came(tier)
  }

  /** There may be room: who is blocked comes in, by priority, then first-in first-out. */
  protected letIn(mayPromise = true): void {
    this.clamp()
    for (;;) {
      const all = this.blocked().filter(({ tier }) => this.isNone(tier) || !this.isTierFull(tier))
      // Whoever starts later has no use for a slot, and lets those pass who have.
      const forSlot = all.find((job) => !this.isLater(job))
      const next = this.#firstWithRoom(all, mayPromise) ?? forSlot
      if (next === undefined || !this.hasRoom(next, mayPromise)) return
      this.#admit(next)
    }
  }

  /** Nobody passes the first for whom there is no room, unless others have slots of their own. */
  #firstWithRoom(all: readonly Job[], mayPromise: boolean): Job | undefined {
    for (const [i, job] of all.entries()) {
      if (all.findIndex(({ tier }) => tier === job.tier) < i) continue
      if (this.hasRoom(job, mayPromise)) return job
      if (!this.isForOwnSlot(job) && !(this.keeps() && this.hasNone())) return undefined
    }
    return undefined
  }

  /** Another priority: it stands where it would stand had it come with that one. False when it waits no more. */
  move(job: Job, tier: number): boolean {
    if (job.place === 'slot' || job.place === 'chosen' || job.place === 'gone') return false
    if (this.isSeated(job)) return job.tier === tier
    // Where nothing may wait it would never come in.
    if (job.place === 'blocked' && this.isNone(tier) && this.isLater(job)) return false
    const isFull = this.isTierFull(tier)
    if (isFull && job.tier !== tier && job.place !== 'blocked' && job.failures === 0) return false
    if (job.place === 'line' && job.tier !== tier) this.comesTo(tier)
    job.tier = tier
    if (job.place === 'line' || job.failures > 0) job.rank = this.rules.rank(job, this.due(job, job.first))
    this.letIn()
    return true
  }

  protected end(job: Job, how: 'completed' | 'failed' | 'expired' | 'cancelled' | 'shed', code: string): void {
    if (job.place !== 'blocked') this.totals[how]++
    for (const caller of job.callers) Object.assign(caller, { end: code, endedAs: ++this.sequence })
    job.dueAt = this.stuckAt(job)
    job.callers = []
    job.place = 'gone'
    this.jobs = this.jobs.filter((other) => other !== job || other.inCall)
  }
}

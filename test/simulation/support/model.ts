/**
 * What should happen: an oracle written from what users are promised, not from the engine. It is told what comes in and
 * which call has settled; its books then say who must be called next, who waits in which order, and how each ends.
 */
import { Books } from './books.ts'
import type { Caller, Job } from './rules.ts'

export class Model extends Books {
  #sequence = 0

  arrive(job: Job): void {
    const { first } = job
    const refusal = this.#refusal(job)
    const twin = this.twin(first)
    if (refusal !== '') this.#refuse(first, refusal)
    else if (twin !== undefined) this.#join(twin, first)
    else this.#comeIn(job)
  }

  #refusal({ first, tier }: Job): string {
    const { joins, reserve, lends } = this.rules
    const kept = lends ? 0 : reserve.reduce((sum, slots, other) => sum + (other === tier ? 0 : slots), 0)
    const twin = this.twin(first)
    if (first.cost > Math.max(this.limit, this.firstLimit) - kept && first.cost > 1) return 'TRIAGE_INVALID_OPTIONS'
    if (this.state !== 'open') return 'TRIAGE_QUEUE_CLOSED'
    if (first.refusal === 'TRIAGE_INVALID_REQUEST') return first.refusal
    if (twin === undefined) return first.refusal
    if (!joins) return 'TRIAGE_DUPLICATE_REQUEST'
    return twin.place === 'blocked' && first.via === 'offer' ? 'TRIAGE_QUEUE_FULL' : ''
  }

  #comeIn(job: Job): void {
    const { first, tier } = job
    const { whenFull, maxBlocked } = this.rules
    job.sequence = ++this.#sequence
    const isFull = !this.hasRoom(job)
    const isBehind = this.blocked().some((other) => other.tier <= tier && this.isNext(other))
    if (whenFull === 'block' && (isFull || isBehind)) {
      if (first.via === 'offer' || this.blocked().length >= maxBlocked) this.#refuse(first, 'TRIAGE_QUEUE_FULL')
      else this.jobs.push(Object.assign(job, { place: 'blocked' }))
      this.#letIn()
      return
    }
    const victim = isFull && whenFull === 'shed' ? this.victim(job) : undefined
    if (isFull && victim === undefined) {
      this.#refuse(first, 'TRIAGE_QUEUE_FULL')
      return
    }
    if (victim !== undefined) this.#end(victim, 'shed', 'TRIAGE_SHED')
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
    job.sequence = ++this.#sequence
    // When it hears that the others have ended is a matter of microtasks, and so is who comes to the queue before it.
    const { after } = job.first
    if (job.place === 'blocked' && after.length > 0 && after.every(({ end }) => end !== ''))
      this.unsure = 'one comes in that waits for others who have ended'
    if (this.isPromised(job)) this.promised++
    job.place = 'held'
    if (job.first.cost > 1 && !this.isLater(job)) this.promised = 0
    // One that was blocked until then has its timeouts from its submission.
    if (job.backAt > this.now) job.from = job.backAt
    if (job.backAt <= this.now && job.first.after.length === 0) this.#enter(job)
  }

  #enter(job: Job): void {
    job.place = 'line'
    if (job.failures > 0) return
    job.sequence = ++this.#sequence
    job.rank = this.rules.rank(job, this.due(job, job.first))
  }

  /** There may be room: who is blocked comes in, by priority, then first-in first-out. */
  #letIn(mayPromise = true): void {
    this.clamp()
    for (;;) {
      const all = this.blocked().filter(({ tier }) => !this.isTierFull(tier))
      // Whoever starts later has no use for a slot, and lets those pass who have.
      const forSlot = all.find((job) => !this.isLater(job))
      const next = all[0] !== undefined && this.hasRoom(all[0], mayPromise) ? all[0] : forSlot
      if (next === undefined || !this.hasRoom(next, mayPromise)) return
      this.#admit(next)
    }
  }

  /** Another priority: it stands where it would stand had it come with that one. False when it waits no more. */
  move(job: Job, tier: number): boolean {
    if (job.place === 'slot' || job.place === 'chosen' || job.place === 'gone') return false
    const isFull = this.isTierFull(tier)
    if (isFull && job.tier !== tier && job.place !== 'blocked' && job.failures === 0) return false
    job.tier = tier
    if (job.place === 'line' || job.failures > 0) job.rank = this.rules.rank(job, this.due(job, job.first))
    this.#letIn()
    return true
  }

  /** One of its callers does not wait any more; when none is left, it ends. */
  leave(caller: Caller, code: string): void {
    const job = this.of(caller)
    if (job === undefined) return
    Object.assign(caller, { end: code, endedAs: ++this.#sequence })
    job.callers = job.callers.filter((other) => other !== caller)
    if (job.callers.length > 0) return
    if (job.place === 'blocked') this.rejected++
    const isTimeout = code === 'TRIAGE_WAIT_TIMEOUT' || code === 'TRIAGE_RUN_TIMEOUT'
    this.#end(job, isTimeout ? 'expired' : 'cancelled', code)
  }

  #end(job: Job, how: 'completed' | 'failed' | 'expired' | 'cancelled' | 'shed', code: string): void {
    if (job.place !== 'blocked') this.totals[how]++
    for (const caller of job.callers) Object.assign(caller, { end: code, endedAs: ++this.#sequence })
    job.callers = []
    job.place = 'gone'
    this.jobs = this.jobs.filter((other) => other !== job || other.inCall)
  }

  /** Many may leave in one instant; only then is there room for others. */
  leaveAll(callers: readonly Caller[], code: (job: Job) => string): void {
    for (const caller of callers) this.leave(caller, code(this.of(caller) as Job))
    this.#letIn()
  }

  /** The executor is called. */
  start(job: Job): void {
    if (job.place === 'line') this.keepsPromise(job)
    Object.assign(job, { place: 'slot', inCall: true, startedAt: this.now })
    job.dueAt = this.due(job, job.first)
    this.#letIn()
  }

  /** A call has settled: its slot goes straight to the next. */
  settled(job: Job, ok: boolean): void {
    job.inCall = false
    const retryMs = ok || this.state === 'stopping' ? undefined : this.rules.retryMs(job.failures + 1)
    if (job.place === 'gone') this.jobs = this.jobs.filter((other) => other !== job)
    else if (ok) this.#end(job, 'completed', 'ok')
    else if (retryMs === undefined || !this.#backsOff(job, retryMs)) this.#end(job, 'failed', 'failure')
    const next = this.in('chosen').length > 0 ? undefined : this.pick()
    if (next !== undefined) this.keepsPromise(Object.assign(next, { place: 'chosen', startedAt: this.now } as const))
    if (this.in('blocked').length > 0 && next !== undefined && this.pick() !== undefined)
      this.unsure = 'slots come free for the blocked in a burst'
    this.#letIn(next === undefined)
  }

  #backsOff(job: Job, retryMs: number): boolean {
    Object.assign(job, { place: 'held', failures: job.failures + 1, backAt: this.now + retryMs })
    const isInTime = job.callers.some((caller) => job.backAt < this.due(job, caller))
    if (!isInTime) return false
    this.totals.retries++
    // It waits again; of those who share it, some may have no time for that.
    const late = job.callers.filter((caller) => this.due(job, caller) <= this.now)
    for (const caller of late) this.leave(caller, 'TRIAGE_WAIT_TIMEOUT')
    return true
  }

  /** Time has come: for timeouts, for those who come to the queue (again), for the end of patience. */
  pass(now: number): void {
    this.now = now
    const due = this.open().filter((caller) => this.due(this.of(caller) as Job, caller) <= now)
    const isBlocked = due.some((caller) => this.of(caller)?.place === 'blocked')
    const isPromised = this.promised > 0 && this.in('blocked').length > 0
    if ((isBlocked || isPromised) && due.length > 1) this.unsure = 'one who is blocked expires with another'
    this.leaveAll(due, ({ place }) => (place === 'slot' ? 'TRIAGE_RUN_TIMEOUT' : 'TRIAGE_WAIT_TIMEOUT'))
    this.wake()
    if (now >= this.graceAt) this.leaveAll(this.open(), () => 'TRIAGE_CANCELLED')
  }

  /** Those come to the queue whose time has come, and who wait for nobody. */
  wake(): void {
    const readyAs = ({ first }: Job) => Math.max(0, ...first.after.map(({ endedAs }) => endedAs))
    let woken = 0
    for (const job of this.in('held').sort((a, b) => readyAs(a) - readyAs(b))) {
      const ends = job.failures > 0 ? [] : job.first.after.map(({ end }) => end)
      if (ends.some((end) => end !== 'ok' && end !== '')) {
        // Whoever comes meanwhile, or with its id, may do so before it hears of that or after.
        if (this.blocked().length > 0 || job.first.id !== undefined)
          this.unsure = 'one is cancelled since another has failed'
        this.leaveAll(job.callers, () => 'TRIAGE_CANCELLED')
        // Others may have waited for this one.
        this.wake()
        return
      }
      if (job.backAt <= this.now && !ends.includes('')) {
        this.#enter(job)
        if (ends.length > 0 && ++woken > 1) this.unsure = 'two that waited for others come to the queue together'
      }
    }
  }

  resume(): void {
    this.paused = false
    this.#letIn()
  }

  resize(limit: number): void {
    const isAgain = this.in('line').some(({ failures }) => failures > 0)
    if (isAgain && this.promised > 0) this.unsure = 'promised slots go in a burst, and one is tried again'
    this.limit = limit
    this.#letIn()
  }

  abort(signal: object): void {
    const all = this.open().filter((caller) => caller.signal === signal)
    // They are told one after the other, and between two of them somebody may come in.
    if (all.length > 1 && this.in('blocked').length > 0)
      this.unsure = 'several leave by one abort, and others are blocked'
    this.leaveAll(all, () => 'aborted')
  }

  close(drain: boolean, graceMs: number): void {
    this.paused = false
    if (graceMs === 0 && this.calls().length > 0) this.unsure = 'there is no grace, and calls go on'
    this.leaveAll(
      this.blocked().flatMap(({ callers }) => callers),
      () => 'TRIAGE_QUEUE_CLOSED',
    )
    if (this.state === 'open' || !drain) this.state = drain ? 'draining' : 'stopping'
    if (!drain)
      this.leaveAll(
        this.in('line', 'held').flatMap(({ callers }) => callers),
        () => 'TRIAGE_CANCELLED',
      )
    this.graceAt = Math.min(this.graceAt, this.now + graceMs)
  }
}

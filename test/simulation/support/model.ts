/**
 * What should happen: an oracle written from what users are promised, not from the engine. It is told what comes in and
 * which call has settled; its books then say who must be called next, who waits in which order, and how each ends.
 */
import { Arrivals } from './arrivals.ts'
import type { Caller, Job, Rules } from './rules.ts'

export class Model extends Arrivals {
  #drains = true
  #graceMs = Number.POSITIVE_INFINITY

  /** One of its callers does not wait any more; when none is left, it ends. */
  leave(caller: Caller, code: string): void {
    const job = this.of(caller)
    if (job === undefined) return
    Object.assign(caller, { end: code, endedAs: ++this.sequence })
    if (job.callers.length === 1) job.dueAt = this.due(job, caller)
    job.callers = job.callers.filter((other) => other !== caller)
    if (job.callers.length > 0) return
    if (job.place === 'blocked') this.rejected++
    const isTimeout = code === 'TRIAGE_WAIT_TIMEOUT' || code === 'TRIAGE_RUN_TIMEOUT'
    this.end(job, isTimeout ? 'expired' : 'cancelled', code)
  }

  /** Many may leave in one instant; only then is there room for others. */
  leaveAll(callers: readonly Caller[], code: (job: Job) => string): void {
    for (const caller of callers) this.leave(caller, code(this.of(caller) as Job))
    this.letIn()
  }

  /** They end for all who share them: what still runs goes on to the deadline that it was told. */
  cancel(...jobs: Job[]): void {
    for (const job of jobs) {
      const dueAt = this.stuckAt(job)
      for (const caller of job.callers) this.leave(caller, 'TRIAGE_CANCELLED')
      job.dueAt = dueAt
    }
    this.letIn()
  }

  /** The executor is called. */
  start(job: Job): void {
    if (job.place === 'line') this.takesTurn(job)
    Object.assign(job, { place: 'slot', inCall: true, startedAt: this.now })
    this.letIn()
  }

  /** A call has an answer, but its slot is held: it goes on as one that nobody waits for. */
  answered(job: Job): void {
    if (job.place !== 'gone') this.end(job, 'completed', 'ok')
  }

  /** A call has settled, and nothing holds its slot: that goes straight to the next. */
  settled(job: Job, ok: boolean): void {
    const coming = this.in('held').filter(this.#comes)
    job.inCall = false
    const isFinal = ok || this.state === 'stopping' || this.retrying() >= this.rules.maxRetrying
    const retryMs = isFinal ? undefined : this.rules.retryMs(job.failures + 1)
    if (job.place === 'gone') this.jobs = this.jobs.filter((other) => other !== job)
    else if (ok) this.end(job, 'completed', 'ok')
    else if (retryMs === undefined || !this.#backsOff(job, retryMs)) this.end(job, 'failed', 'failure')
    const next = this.in('chosen').length > 0 ? undefined : this.pick()
    // It is a matter of microtasks whether these stand in the queue already.
    if (coming.length > 0 && (this.in('blocked').length > 0 || this.#pickWith(coming) !== next))
      this.unsure = 'a slot is handed over as one comes that waited for others'
    if (next !== undefined) this.takesTurn(Object.assign(next, { place: 'chosen', startedAt: this.now } as const))
    if (this.in('blocked').length > 0 && next !== undefined && this.pick() !== undefined)
      this.unsure = 'slots come free for the blocked in a burst'
    this.letIn(next === undefined)
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
    if (due.length > 1 && (due.some((caller) => this.of(caller)?.place === 'blocked') || this.#areCounted()))
      this.unsure = 'several expire at once, and others are blocked'
    this.leaveAll(due, ({ place }) => (place === 'slot' ? 'TRIAGE_RUN_TIMEOUT' : 'TRIAGE_WAIT_TIMEOUT'))
    this.wake()
    if (now >= this.lameUntil) this.#closes()
    if (now >= this.graceAt) this.cancel(...this.jobs)
  }

  /**
   * Those who leave do so one after the other, and between two of them somebody may come in: for a slot, for the turn of a tier,
   * or before one of a tier with a bound of its own, for which there is room only when the second has left.
   */
  #areCounted(): boolean {
    const { weights, byTier } = this.rules
    const isCounted = this.promised > 0 || weights !== undefined || byTier.some(Number.isFinite)
    return isCounted && this.in('blocked').length > 0
  }

  /** All that wait are cancelled, or those of one priority; how many these are. */
  clear(tier: number | undefined): number {
    const all = [...this.line(), ...this.in('held')].filter((job) => tier === undefined || job.tier === tier)
    if (all.length > 1 && this.#areCounted()) this.unsure = 'several are cleared, and others are blocked'
    this.cancel(...all)
    return all.length
  }

  /** All that it has waited for have ended. */
  #comes = ({ failures, first, backAt }: Job): boolean =>
    failures === 0 && first.after.length > 0 && backAt <= this.now && first.after.every(({ end }) => end !== '')

  /** Who would be next if these stood in the queue, too. */
  #pickWith(coming: readonly Job[]): Job | undefined {
    const before = coming.map((job) => ({ job, place: job.place, rank: job.rank, sequence: job.sequence }))
    for (const [i, job] of coming.entries()) {
      Object.assign(job, { place: 'line', sequence: this.sequence + 1 + i })
      job.rank = this.rules.rank(job, this.due(job, job.first))
    }
    const next = this.in('chosen').length > 0 ? undefined : this.pick()
    for (const { job, ...was } of before) Object.assign(job, was)
    return next
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
        this.enter(job)
        if (ends.length > 0 && ++woken > 1) this.unsure = 'two that waited for others come to the queue together'
      }
    }
  }

  resume(): void {
    this.paused = false
    this.letIn()
  }

  /** Other bounds: what is in stays, and others may come in. */
  update(rules: Rules): void {
    this.rules = rules
    this.letIn()
  }

  resize(limit: number): void {
    if (limit < this.limit && this.seated().length > 0)
      this.unsure = 'fewer slots, and some had theirs before they start'
    const isAgain = this.in('line').some(({ failures }) => failures > 0)
    if (isAgain && this.promised > 0) this.unsure = 'promised slots go in a burst, and one is tried again'
    this.limit = limit
    this.letIn()
  }

  abort(signal: object): void {
    const all = this.open().filter((caller) => caller.signal === signal)
    // They are told one after the other, and between two of them somebody may come in.
    if (all.length > 1 && this.in('blocked').length > 0)
      this.unsure = 'several leave by one abort, and others are blocked'
    this.leaveAll(all, () => 'aborted')
  }

  /** All that is asked for holds from when it begins to close: the earliest time, the least patience. */
  close(drain: boolean, graceMs: number, lameDuckMs: number): void {
    this.#drains &&= drain
    this.#graceMs = Math.min(this.#graceMs, graceMs)
    if (this.state !== 'open' || lameDuckMs === 0) this.#closes()
    else this.lameUntil = Math.min(this.lameUntil, this.now + lameDuckMs)
  }

  #closes(): void {
    this.lameUntil = Number.POSITIVE_INFINITY
    this.paused = false
    if (this.#graceMs === 0 && this.calls().length > 0) this.unsure = 'there is no grace, and calls go on'
    this.leaveAll(
      this.blocked().flatMap(({ callers }) => callers),
      () => 'TRIAGE_QUEUE_CLOSED',
    )
    this.state = this.#drains ? 'draining' : 'stopping'
    if (!this.#drains)
      this.leaveAll(
        this.in('line', 'held').flatMap(({ callers }) => callers),
        () => 'TRIAGE_CANCELLED',
      )
    this.graceAt = Math.min(this.graceAt, this.now + this.#graceMs)
  }
}

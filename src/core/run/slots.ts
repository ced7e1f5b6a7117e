/**
 * Where a request runs: a fixed number of async slots around the executor. Step 4 of 7.
 *
 * A slot is truthful: it is busy from the call of the executor until that call has settled, whatever its caller was
 * told meanwhile. So no more calls run than there are slots, also when runs time out or are cancelled. A slot whose run
 * is over its deadline is *stuck* until its call settles; `onStuck: 'replace'` grants substitutes, up to a cap.
 *
 * The executor may hold its slot beyond its answer (`run.holdUntil()`): then the answer is given, and all else goes on as if
 * the call had not settled.
 *
 * A run that costs more than one slot takes them all, and gives them back together.
 *
 * A slot is handed over, not freed and taken again: when its call settles it asks for the next request while it still
 * counts as busy, and no newcomer can get in between.
 *
 * The file is long, but it is one idea: all methods move the same few numbers (`active`, `free`, `stuck`, `held`), and a plain
 * run goes through nothing else. A single slot is in `slot.ts`, what they ask of their host in `pool-host.ts`.
 */
import type { AsyncResource } from 'node:async_hooks'
import { OptionsError } from '../errors.ts'
import type { RunProgress } from '../queued-request.ts'
import type { RequestRecord, RunOwner } from '../request-record.ts'
import { type Aside, adopt, readProgress } from './aside.ts'
import { hasNoContext, Marks, marksTasks } from './inside.ts'
import type { PoolHost, RunTimes } from './pool-host.ts'
import { Run, type RunContext } from './run-context.ts'
import { asideOf, healthOf, Slot, type WorkerHealth, widthOf } from './slot.ts'

/** The user's function behind the queue. What it throws or rejects with reaches the caller untouched. */
export type Executor<Req, Res, Metadata = unknown> = (request: Req, run: RunContext<Metadata>) => Res | PromiseLike<Res>

/** What to do about a slot whose run is over its deadline and has not settled. */
export type StuckPolicy = 'hold' | 'replace'

/** For how long synchronous executors may keep the event loop to themselves, in ms. */
const TURN_MS = 10

/** After how many runs the others have a turn, also where runs are asynchronous in name only: 4 ms of trivial ones. */
const TURN_RUNS = 10_000

/** When so many have ended in a row, the next one is the last. */
export const MAX_IN_TURN = TURN_RUNS - 1

// Looked up once: a promise with a `then` of its own making must not be able to settle twice.
export const promiseThen = Promise.prototype.then

/** The slots of an executor; `WorkerPool` offers them without a queue. */
export class Slots<Req, Res> implements RunOwner {
  readonly executor: Executor<Req, Res>
  readonly #host: PoolHost
  readonly marks = new Marks<Slot>()
  readonly #all: Slot[] = []
  // Slots that are free; the one that was freed last is taken first.
  readonly idle: Slot[] = []
  readonly maxReplaced: number
  // What the next run takes besides its own.
  #claimed: Slot[] | undefined = undefined
  /** What a slot tells when its promise has settled; the plain path has it told itself first. */
  onSettled = (slot: Slot, ok: boolean, value: unknown): void => this.settle(slot, ok, value)
  /** How many runs have ended since the others had their turn. */
  runsInTurn = 0
  #limit: number
  /** Slots of calls that have not settled. */
  active = 0
  /** How many more calls may start now; negative when the limit has shrunk below what runs. */
  free: number
  stuck = 0
  replaced = 0
  /** Runs that were answered, and hold their slots. */
  held = 0

  constructor(executor: Executor<Req, Res>, host: PoolHost, limit: number, onStuck: StuckPolicy, maxReplaced: number) {
    this.executor = executor
    this.#host = host
    this.#limit = limit
    this.free = limit
    this.maxReplaced = onStuck === 'replace' ? maxReplaced : 0
  }

  /** How many slots there are, substitutes not counted. */
  get limit(): number {
    return this.#limit
  }

  /** A smaller limit shrinks as runs end. */
  set limit(limit: number) {
    this.free += limit - this.#limit
    this.#limit = limit
  }

  /** How many of them can be used: one that is stuck can't, but for its substitute. */
  get usable(): number {
    return this.#limit - this.stuck + this.replaced
  }

  /** Is each run known that calls us, also after it has awaited? */
  readonly knowsCallers = marksTasks

  /** What runs in the slot that the calling code was started by; undefined outside of all runs. */
  get calledFrom(): RequestRecord | undefined {
    const run = this.currentRun
    return run === undefined ? undefined : Run.recordOf(run)
  }

  /** The same, as the run that it is. */
  get currentRun(): Run | undefined {
    return this.marks.current?.run
  }

  /**
   * Runs the host's next request in a free slot, and whatever is next after it for as long as runs end synchronously.
   * False: there was none.
   */
  fill(): boolean {
    const slot = this.take()
    // Asked for when the slot is taken: those whom the host lets in for this one must not count on the same slot.
    const record = this.#host.next()
    if (record === undefined) this.#release(slot)
    else this.work(slot, record)
    return record !== undefined
  }

  /** Runs a request in a free slot. */
  start(record: RequestRecord): void {
    this.work(this.take(), record)
  }

  /** The request that `next()` answers with takes so many slots more. */
  claim(count: number): void {
    this.#claimed = Array.from({ length: count }, () => this.take())
  }

  /** Takes a free slot. */
  take(): Slot {
    let slot = this.idle.pop()
    if (slot === undefined) {
      slot = new Slot(this.#all.length, this.onSettled)
      this.#all.push(slot)
    }
    this.active++
    this.free--
    return slot
  }

  /** Tells a running request's executor that nobody waits for its answer any more, and when at last it must be over. */
  abort(record: RequestRecord, reason: unknown, dueAt: number): void {
    const slot = this.#slotOf(record)
    if (slot?.run === undefined) return
    if (dueAt < slot.deadline) slot.deadline = dueAt
    Run.abort(slot.run, reason)
  }

  /** The time of a running request is over, for a reason that only the host knows. */
  overdue(record: RequestRecord, now: number): void {
    const slot = this.#slotOf(record)
    if (slot !== undefined && !slot.stuck) this.#stick(slot, now)
  }

  holdUntil(run: object, promise: PromiseLike<unknown>): void {
    const slot = this.#slotRunning(run)
    if (slot === undefined || slot.aside?.isAnswered === true) {
      const inTime = 'before the executor has answered'
      const message = `run.holdUntil() was called too late: call it ${inTime}`
      throw new OptionsError('holdUntil', `called ${inTime}`, promise, undefined, message)
    }
    const settled = adopt(promise)
    const aside = asideOf(slot)
    aside.hold(settled, () => this.#letGo(slot, aside))
  }

  progress(run: object, fraction: number, message: string | undefined): void {
    const progress = readProgress(fraction, message, this.#host.now())
    const slot = this.#slotRunning(run)
    const record = Run.recordOf(run as Run)
    // Whoever waited for it has left, or has the answer.
    if (slot === undefined || record.ended) return
    asideOf(slot).progress = progress
    this.#host.progressed?.(record, progress)
  }

  /** What it runs; undefined when its call has settled. */
  recordIn(run: object): RequestRecord | undefined {
    return this.#slotRunning(run) === undefined ? undefined : Run.recordOf(run as Run)
  }

  progressOf(record: RequestRecord): RunProgress | undefined {
    return this.#slotOf(record)?.aside?.progress
  }

  /** The times of a running request. */
  timesOf(record: RequestRecord): RunTimes | undefined {
    return this.#slotOf(record)
  }

  /** Tells the host of each run that is over its deadline. Returns when the next one will be. */
  sweep(now: number): number {
    let next = Number.POSITIVE_INFINITY
    // The host answers callers in here, and they may do anything; but slots are only ever added at the end.
    for (let i = 0; i < this.#all.length; i++) {
      const slot = this.#all[i] as Slot
      if (slot.run === undefined || slot.stuck) continue
      if (slot.deadline > now) {
        if (slot.deadline < next) next = slot.deadline
        continue
      }
      this.#host.overdue(Run.recordOf(slot.run), slot.startedAt, now)
      if (!slot.stuck) this.#stick(slot, now)
    }
    return next
  }

  /** Runs of slots that are neither free nor stuck: what a drain waits for. */
  get unsettled(): number {
    return this.active - this.stuck
  }

  health(): WorkerHealth[] {
    const health = this.#all.map(healthOf)
    for (let slot = health.length; slot < this.#limit; slot++) {
      health.push(healthOf(new Slot(slot, this.settle)))
    }
    // Slots beyond a limit that was lowered are shown for as long as they are busy.
    return health.filter((slot) => slot.slot < this.#limit || slot.currentRequest !== null)
  }

  /** Are all that run, and are not stuck, among these? */
  areAllAmong(records: { has(record: RequestRecord): boolean }): boolean {
    return this.everyRun((run) => records.has(Run.recordOf(run)))
  }

  /** Is that so for all that run, and are not stuck? */
  everyRun(holds: (run: Run) => boolean): boolean {
    return this.#all.every((slot) => slot.run === undefined || slot.stuck || holds(slot.run))
  }

  /** The records that run now, those included whose callers were answered already. */
  *running(): Generator<RequestRecord> {
    for (const slot of this.#all) if (slot.run !== undefined) yield Run.recordOf(slot.run)
  }

  #slotOf(record: RequestRecord): Slot | undefined {
    // Whoever can be asked for by a handle, an id or a signal has extras; the others are looked for.
    const known = record.extras?.slot as Slot | undefined
    return known ?? this.#all.find((slot) => slot.run !== undefined && Run.recordOf(slot.run) === record)
  }

  #slotRunning(run: object): Slot | undefined {
    // Mostly it is the run itself that asks.
    const { current } = this.marks
    return current?.run === run ? current : this.#all.find((slot) => slot.run === run)
  }

  #stick(slot: Slot, now: number): void {
    slot.stuck = true
    this.stuck += widthOf(slot)
    this.#replace()
    this.#host.stuck(Run.recordOf(slot.run as Run), slot.index, slot.startedAt, now)
  }

  /** As many substitutes as slots are stuck, up to the cap: when one is not needed any more, another slot may have it. */
  #replace(): void {
    const replaced = Math.min(this.stuck, this.maxReplaced)
    this.free += replaced - this.replaced
    this.replaced = replaced
  }

  /** Runs a request in a slot that was taken. */
  work(slot: Slot, first: RequestRecord): void {
    if (!this.#call(slot, first)) this.#goOn(slot)
  }

  /** The call of a run has settled synchronously. */
  settled(slot: Slot, ok: boolean, value: unknown): void {
    if (!this.#isSettled(slot, ok, value)) this.#goOn(slot)
  }

  #goOn(slot: Slot): void {
    const host = this.#host
    let record: RequestRecord | undefined
    // It has settled synchronously; so may the next ones, and they must not keep the event loop to themselves.
    const began = host.now()
    for (;;) {
      record = this.free >= 0 ? host.next() : undefined
      if (record === undefined) break
      if (this.#call(slot, record)) return
      if (host.now() - began > TURN_MS) {
        host.pauseForOthers()
        break
      }
    }
    this.#release(slot)
  }

  /** True: the call is pending, and the slot busy. False: there was no call, or it has settled already. */
  #call(slot: Slot, record: RequestRecord): boolean {
    const host = this.#host
    const run = new Run(record, host.instant())
    slot.run = run
    slot.inflight = this.active
    const extras = record.own()
    if (extras !== undefined) {
      extras.slot = slot
      if (this.#claimed !== undefined) this.#lend(slot)
      if (extras.stored !== undefined) {
        host.waits?.(record, () => this.#goesOn(slot, record))
        return true
      }
    }
    return this.#begin(slot, record, run)
  }

  /** What its slot was kept for may be called now, or has ended meanwhile. */
  #goesOn(slot: Slot, record: RequestRecord): void {
    const run = new Run(record, this.#host.instant())
    slot.run = run
    slot.inflight = this.active
    if (!this.#begin(slot, record, run)) this.handOn(slot)
  }

  #begin(slot: Slot, record: RequestRecord, run: Run): boolean {
    const host = this.#host
    if (!host.begin(record, slot)) {
      this.#clear(slot)
      return false
    }
    let value: unknown
    let ok = true
    try {
      if (!hasNoContext(record)) value = this.marks.run(record, this.invoke, slot, run)
      else {
        value = this.markOf(slot, record).runInAsyncScope(this.invoke, undefined, slot, run)
      }
      if (value === pending) {
        host.began(slot)
        return true
      }
    } catch (error) {
      ok = false
      value = error
    }
    return this.#isSettled(slot, ok, value)
  }

  /** The bare mark of a slot, made now for the first run of a submitter without a context. */
  markOf(slot: Slot, record: RequestRecord): AsyncResource {
    slot.mark ??= this.marks.bare(slot, record)
    return slot.mark
  }

  /** True: the call has settled, and holds the slot. */
  #isSettled(slot: Slot, ok: boolean, value: unknown): boolean {
    this.#host.passed()
    if (slot.aside !== undefined && this.#isHeld(slot, slot.aside, ok, value)) return true
    this.#finish(slot, ok, value)
    return false
  }

  // Runs in the submitter's context, the reactions to its promise included.
  readonly invoke = (slot: Slot, run: Run): unknown => {
    const executor = this.executor
    const value = executor(Run.recordOf(run).request as Req, run)
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return value
    // Anything that could be a thenable is adopted once, by the rules of promises: the first answer counts.
    promiseThen.call(Promise.resolve(value), slot.fulfilled, slot.rejected)
    return pending
  }

  /** The promise of a run has settled. */
  readonly settle = (slot: Slot, ok: boolean, value: unknown): void => {
    if (slot.aside !== undefined && this.#isHeld(slot, slot.aside, ok, value)) return
    this.#finish(slot, ok, value)
    this.handOn(slot)
  }

  /** False: its slot is free, and nothing is left of what only this run had. */
  #isHeld(slot: Slot, aside: Aside, ok: boolean, value: unknown): boolean {
    if (!ok || aside.holds === 0) {
      slot.aside = undefined
      if (ok && aside.hasFailed) slot.errors++
      return false
    }
    aside.isAnswered = true
    this.held++
    slot.processed++
    this.#host.settled(Run.recordOf(slot.run as Run), true, value, slot, false)
    return true
  }

  /** What held its slot beyond the answer has settled. */
  #letGo(slot: Slot, { hasFailed }: Aside): void {
    const record = Run.recordOf(slot.run as Run)
    this.held--
    if (hasFailed) slot.errors++
    slot.aside = undefined
    this.#clear(slot)
    this.#host.freed(record, slot)
    this.handOn(slot)
  }

  /** A call has settled, and its slot is for the next request. */
  handOn(slot: Slot): void {
    if (++this.runsInTurn >= TURN_RUNS) {
      this.runsInTurn = 0
      this.#host.pauseForOthers()
    }
    const next = this.free >= 0 ? this.#host.next() : undefined
    if (next === undefined) this.#release(slot)
    else this.work(slot, next)
  }

  #finish(slot: Slot, ok: boolean, value: unknown): void {
    const record = Run.recordOf(slot.run as Run)
    slot.processed++
    if (!ok) slot.errors++
    this.#clear(slot)
    this.#host.settled(record, ok, value, slot, true)
  }

  #clear(slot: Slot): void {
    const extras = Run.recordOf(slot.run as Run).own()
    if (extras !== undefined) extras.slot = undefined
    slot.run = undefined
    slot.deadline = Number.POSITIVE_INFINITY
    if (slot.stuck) {
      slot.stuck = false
      this.stuck -= widthOf(slot)
      this.#replace()
    }
    if (slot.others !== undefined) this.#giveBack(slot)
  }

  #lend(slot: Slot): void {
    slot.others = this.#claimed
    this.#claimed = undefined
    for (const other of slot.others as Slot[]) other.lentTo = slot
  }

  #giveBack(slot: Slot): void {
    for (const other of slot.others as Slot[]) {
      other.lentTo = undefined
      this.active--
      this.free++
      this.idle.push(other)
    }
    slot.others = undefined
    this.#host.widened?.()
  }

  #release(slot: Slot): void {
    this.putBack(slot)
    this.#host.vacated()
  }

  /** It is free. Nobody is told. */
  putBack(slot: Slot): void {
    this.active--
    this.free++
    this.idle.push(slot)
  }
}

/** What `invoke()` answers when the call has not settled. */
export const pending = Symbol('pending')

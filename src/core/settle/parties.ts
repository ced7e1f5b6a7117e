/**
 * Who waits for a request, and what each of them is told: the one who submitted it, and those who joined it by its id.
 * Step 6 of 7.
 *
 * Each has a signal and timeouts of its own, and leaves without hurting the others; when the last one leaves, the request
 * itself is ended. As long as anyone is left it goes on, also when the one who submitted it has gone.
 */
import { isAborted } from '../checks.ts'
import type { Timeline } from '../clock.ts'
import { CancelledError, RunTimeoutError, WaitTimeoutError } from '../errors.ts'
import type { Extras } from '../request-extras.ts'
import { type RequestRecord, rejecterOf, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import { JoinedRequest } from './joined-request.ts'
import { Signals } from './signals.ts'

export type Party<Req, Res> = RequestRecord<Req, Res> | JoinedRequest<Req, Res>
export type HowItLeft = typeof State.CANCELLED | typeof State.EXPIRED

/** What it needs to know of the timeouts: in ms since the submission. */
export interface PartyLimits<P> {
  waitOf(record: RequestRecord): number
  wholeOf(record: RequestRecord): number
  untilRunOf(record: RequestRecord): number
  set(party: P, limitMs: number): void
  change(party: P, limitMs: number): void
  clear(party: P): void
}

/** What it asks of the executor. */
export interface PartiesHost<Req, Res> {
  /** Ends a request that nobody waits for any more. False: it has ended already. */
  finish(record: RequestRecord<Req, Res>, state: HowItLeft, error: unknown): boolean
  /** Tells a run whose caller has its answer that nobody reads that any more. */
  abandon(record: RequestRecord<Req, Res>, reason: unknown): void
  /** When its run began; undefined: it does not run. */
  startedAt(record: RequestRecord<Req, Res>): number | undefined
  /** When another try would likely find room. */
  retryAfterMs(record: RequestRecord<Req, Res>): number
  /** A signal has thrown when it was let go of, or asked. */
  report(event: 'cancelled', error: unknown): void
}

export class Parties<Req, Res> {
  readonly #host: PartiesHost<Req, Res>
  readonly #limits: PartyLimits<Party<Req, Res>>
  readonly #timeline: Timeline
  readonly #signals: Signals<Party<Req, Res>>
  readonly #ids = new Map<string, RequestRecord<Req, Res>>()
  /** Those that are answered and hold their slots, and the signals of their callers. */
  readonly #staying = new Map<RequestRecord<Req, Res>, AbortSignal[]>()

  constructor(host: PartiesHost<Req, Res>, limits: PartyLimits<Party<Req, Res>>, timeline: Timeline) {
    this.#host = host
    this.#limits = limits
    this.#timeline = timeline
    this.#signals = new Signals(
      (party, reason) => {
        const signals = this.#staying.get(party as RequestRecord<Req, Res>)
        if (signals === undefined) this.leave(party, State.CANCELLED, reason)
        else if (signals.every(isAborted)) this.#host.abandon(party as RequestRecord<Req, Res>, reason)
      },
      (error) => host.report('cancelled', error),
    )
  }

  /** What is held that only live requests need. */
  held(): { signals: number; ids: number; staying: number } {
    return { signals: this.#signals.size, ids: this.#ids.size, staying: this.#staying.size }
  }

  /** Its signal will be heard. Throws what the signal throws, if it can't be listened to. */
  hears(record: RequestRecord<Req, Res>, signal: AbortSignal): void {
    this.#signals.add(signal, record)
  }

  /** The live request with this id, of those whose id was given or read. */
  byId(id: string): RequestRecord<Req, Res> | undefined {
    return this.#ids.get(id)
  }

  named(record: RequestRecord<Req, Res>, id: string): void {
    this.#ids.set(id, record)
  }

  /** Somebody waits for it from now on, who has something of his own. */
  lives(record: RequestRecord<Req, Res>, { id }: Extras): void {
    // While a schema looks at it, nobody can join it: it may be unfit, and the next one with its id is not.
    if (id !== undefined && record.status !== State.CHECKING) this.#ids.set(id, record)
    this.#limits.set(record, this.#limits.untilRunOf(record))
  }

  /** Nothing refers to an ended request any more: no signal, no deadline, no id. */
  unlink(record: RequestRecord<Req, Res>): void {
    this.#limits.clear(record)
    const { extras } = record
    if (extras === undefined) return
    if (extras.id !== undefined && this.#ids.get(extras.id) === record) this.#ids.delete(extras.id)
    // Last: the methods of a signal may be anybody's, and do anything.
    this.#unhear(record, extras)
  }

  #unhear(record: RequestRecord<Req, Res>, extras: Extras): void {
    const { signal } = extras
    if (signal === undefined) return
    extras.signal = undefined
    this.#signals.delete(signal, record)
  }

  /** A second caller with the id of a live request shares its run. */
  join(twin: RequestRecord<Req, Res>, newcomer: RequestRecord<Req, Res>): void {
    const others = newcomer.extras?.joined as Set<JoinedRequest<Req, Res>> | undefined
    // Whoever has submitted it may have gone.
    if (newcomer.extras?.left === undefined) this.#joins(twin, newcomer)
    else this.unlink(newcomer)
    newcomer.status = State.REJECTED
    if (others === undefined) return // Those who had joined it.
    ;(newcomer.extras as Extras).joined = undefined
    for (const other of others) {
      other.record = twin
      this.#limits.clear(other)
      this.#shares(twin, other, false)
    }
  }

  #joins(twin: RequestRecord<Req, Res>, newcomer: RequestRecord<Req, Res>): void {
    const joined = new JoinedRequest<Req, Res>(
      twin,
      newcomer,
      this.#limits.waitOf(newcomer),
      this.#limits.wholeOf(newcomer),
      (party, reason) => this.leave(party, State.CANCELLED, new CancelledError(reason, subjectOf(twin))),
    )
    // Before it is let go of: so the signal itself is not asked again.
    if (joined.signal !== undefined) this.#signals.add(joined.signal, joined)
    this.unlink(newcomer)
    this.#shares(twin, joined, newcomer.extras?.nowOrNever === true)
  }

  /** @param atOnce `offer()` answers at once: with a store, also before that has it */
  #shares(twin: RequestRecord<Req, Res>, joined: JoinedRequest<Req, Res>, atOnce: boolean): void {
    const more = twin.more()
    more.joined ??= new Set()
    more.joined.add(joined)
    this.#limits.set(joined, twin.status >= State.STARTING ? joined.timeoutMs : joined.waitUntil - joined.timedFrom)
    const isKept = twin.extras?.stored?.isKept !== false || atOnce
    if (twin.status > State.BLOCKED && isKept) admittedJoined(joined)
  }

  /** Is there anyone whose signal was not aborted? The others leave, also those who were not told of it yet. */
  isWanted(record: RequestRecord<Req, Res>): boolean {
    const { extras } = record
    if (extras === undefined) return true
    for (const joined of [...joinedOf<Req, Res>(extras)]) this.#leaveIfAborted(joined, joined.signal)
    this.#leaveIfAborted(record, extras.signal)
    return !record.ended
  }

  #leaveIfAborted(party: Party<Req, Res>, signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    try {
      if (signal.aborted) this.leave(party, State.CANCELLED, signal.reason)
    } catch (error) {
      this.#host.report('cancelled', error)
    }
  }

  /** Keeps the promise of `submit()`, and of those who joined meanwhile. */
  admitted(record: RequestRecord<Req, Res>, extras: Extras): void {
    extras.admission?.resolve(record as never)
    extras.admission = undefined
    if (extras.joined === undefined) return
    for (const joined of joinedOf<Req, Res>(extras)) admittedJoined(joined)
  }

  /** Its wait is over, and the timeout of that; the time of the whole goes on, for each of them. */
  starts(record: RequestRecord<Req, Res>, extras: Extras): void {
    if (extras.left === undefined) this.#limits.change(record, this.#limits.wholeOf(record))
    if (extras.joined === undefined) return
    for (const joined of joinedOf<Req, Res>(extras)) this.#limits.change(joined, joined.timeoutMs)
  }

  /** When the time of the last of them is over who still waits for it, or of whoever left last. */
  wantedUntil(record: RequestRecord<Req, Res>): number {
    const { extras } = record
    const own = record.timedFrom + this.#limits.wholeOf(record)
    if (extras === undefined) return own
    if (extras.later?.wantedUntil !== undefined) return extras.later.wantedUntil
    if (extras.joined === undefined) return own
    let until = extras.left === undefined ? own : 0
    for (const { enqueuedAt, timeoutMs } of joinedOf<Req, Res>(extras)) until = Math.max(until, enqueuedAt + timeoutMs)
    return until
  }

  /** All who wait for its run leave it: that still goes on, to the deadline that it was told. */
  leaves(record: RequestRecord<Req, Res>): void {
    const { extras } = record
    if (extras?.joined !== undefined) record.later().wantedUntil = this.wantedUntil(record)
  }

  /** It waits again, for another attempt, and so do all of them. False: by then, the time of each would be over. */
  waitAgain(record: RequestRecord<Req, Res>, dueAt: number): boolean {
    const extras = record.more()
    const parties: Party<Req, Res>[] = [...joinedOf<Req, Res>(extras)]
    if (extras.left === undefined) parties.push(record)
    if (!parties.some((party) => dueAt < party.waitUntil)) return false
    for (const party of parties) this.#limits.change(party, party.waitUntil - party.timedFrom)
    return true
  }

  /** It has ended: whoever reads its result from now on finds this. */
  ended(record: RequestRecord<Req, Res>, value: unknown): void {
    const extras = record.own()
    if (extras === undefined || extras.left !== undefined) return
    extras.endedAt = this.#timeline.now()
    if (extras.kept) extras.value = value
  }

  /** Tells everyone who waits for a request that has ended, and lets go of them. */
  answer(record: RequestRecord<Req, Res>, value: unknown): void {
    const settle = record.status === State.COMPLETED ? record.resolve : rejecterOf(record as RequestRecord)
    record.resolve = undefined
    record.reject = undefined
    const { extras } = record
    // To resolve reads `value.then`, which may be a getter, and do anything.
    if (settle !== undefined) settle(value as never)
    if (extras === undefined) return
    // It was not admitted.
    extras.admission?.reject(value)
    if (extras.joined !== undefined) this.#answerJoined(extras, value)
  }

  /** Those who have joined. */
  #answerJoined(extras: Extras, value: unknown): void {
    const now = this.#timeline.now()
    const all = joinedOf<Req, Res>(extras)
    extras.joined = undefined
    for (const joined of all) {
      this.#letGo(joined)
      joined.end(value, now)
      joined.admission?.reject(value)
    }
  }

  /**
   * It is about to be answered, and holds its slot: when the signals of all who waited for it are aborted, nobody reads its
   * answer any more. One who has no signal can't say so.
   */
  stays(record: RequestRecord<Req, Res>): void {
    const extras = record.own()
    if (extras === undefined) return
    const all = Array.from(joinedOf<Req, Res>(extras), ({ signal }) => signal)
    if (extras.left === undefined) all.push(extras.signal)
    const signals = all.filter((signal) => signal !== undefined)
    if (signals.length < all.length) return
    this.#staying.set(record, signals)
    for (const signal of signals) this.#signals.add(signal, record)
    // Its own is not let go of when it is answered.
    extras.signal = undefined
  }

  /** Its slot is free. */
  goes(record: RequestRecord<Req, Res>): void {
    for (const signal of this.#staying.get(record) ?? []) this.#signals.delete(signal, record)
    this.#staying.delete(record)
  }

  /** The time of one of them is over. */
  expire(party: Party<Req, Res>, now: number): void {
    const [record, waitMs, wholeMs] =
      party instanceof JoinedRequest
        ? [party.record, party.waitTimeoutMs, party.timeoutMs]
        : [party, this.#limits.waitOf(party), this.#limits.wholeOf(party)]
    const subject = subjectOf(record)
    const error =
      record.status >= State.STARTING
        ? new RunTimeoutError(now - (this.#host.startedAt(record) ?? now), wholeMs, subject)
        : new WaitTimeoutError(
            Math.max(now - party.timedFrom, 0),
            Math.max(Math.min(waitMs, wholeMs), 0),
            subject,
            this.#host.retryAfterMs(record),
          )
    this.leave(party, State.EXPIRED, error)
  }

  /** One of them is no longer interested. False: it had its answer. */
  leave(party: Party<Req, Res>, state: HowItLeft, error: unknown): boolean {
    return party instanceof JoinedRequest
      ? this.#leaveJoined(party, state, error)
      : this.#leaveFirst(party, state, error)
  }

  #leaveFirst(record: RequestRecord<Req, Res>, state: HowItLeft, error: unknown): boolean {
    const { extras } = record
    if (record.ended) return false
    if (extras?.joined === undefined || extras.joined.size === 0) return this.#host.finish(record, state, error)
    if (extras.left !== undefined) return false
    this.#limits.clear(record)
    extras.left = state
    extras.endedAt = this.#timeline.now()
    extras.value = error
    rejecterOf(record as RequestRecord)?.(error)
    record.resolve = undefined
    record.reject = undefined
    extras.admission?.reject(error)
    extras.admission = undefined
    // Last: its signal may have the others leave, too.
    this.#unhear(record, extras)
    return true
  }

  #leaveJoined(joined: JoinedRequest<Req, Res>, state: HowItLeft, error: unknown): boolean {
    const { record } = joined
    const parties = record.extras?.joined
    if (parties === undefined || !parties.has(joined)) return false
    const isLast = parties.size === 1 && record.extras?.left !== undefined
    if (isLast) this.leaves(record)
    parties.delete(joined)
    this.#letGo(joined)
    joined.end(error, this.#timeline.now(), state)
    joined.admission?.reject(error)
    if (isLast) this.#host.finish(record, state, error)
    return true
  }

  #letGo(joined: JoinedRequest<Req, Res>): void {
    this.#limits.clear(joined)
    if (joined.signal !== undefined) this.#signals.delete(joined.signal, joined)
  }
}

function joinedOf<Req, Res>(extras: Extras): Set<JoinedRequest<Req, Res>> {
  return (extras.joined ?? new Set()) as Set<JoinedRequest<Req, Res>>
}

function admittedJoined<Req, Res>(joined: JoinedRequest<Req, Res>): void {
  joined.admission?.resolve(joined as never)
  joined.admission = undefined
}

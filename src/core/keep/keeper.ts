/**
 * What an executor does with its store: which moments wait for a commit, and which only follow.
 *
 *     arrives ──▶ encoded ──▶ has its room ═══▶ admitted ──▶ its turn ═══▶ called ──▶ settled ═══▶ told
 *                                  storing               starting                        recording
 *
 *     ═══▶ waits for a commit; meanwhile the room, the slot, or the answer is there already, and stays
 *
 * So the engine's order is that of arrival, whatever the disk does: a request takes its room and its turn as without a store,
 * and only the call of the executor waits. All that is handed over in one stretch of code is one commit: the admission of a
 * request that meets a free slot and the beginning of its first attempt; an end and the beginning of the next attempt in that slot.
 *
 * The first of both is why an admission is handed over at the end of its burst: by then it is known whether it starts.
 *
 * While the disk does not do what it should, admissions are refused, nothing starts, and what has ended waits to be told; but
 * nobody waits for ever (`telling.ts`). What was kept before comes back first of all (`recovery.ts`).
 */
import type { Alarm, Timeline } from '../clock.ts'
import { soon } from '../clock.ts'
import { DuplicateRequestError, OptionsError } from '../errors.ts'
import type { Keeper, KeeperMeans, RunOf } from '../keeper.ts'
import { ResultLostError } from '../remote-errors.ts'
import type { Extras } from '../request-extras.ts'
import { RequestRecord, subjectOf } from '../request-record.ts'
import { type Outcome, outcomes, State } from '../request-state.ts'
import type {
  Admission,
  Encoded,
  NewRecord,
  QueueStore,
  Store,
  StoredEnd,
  StoredLimits,
  StoredView,
  StoreEvent,
} from '../store.ts'
import { ParkedError, PayloadTooLargeError, StoreUnavailableError } from '../store-errors.ts'
import { Recovery, type RecoveryParts } from './recovery.ts'
import { StoredRequest } from './stored-request.ts'
import { Telling, type TellingParts } from './telling.ts'

/** What it acts on. */
export interface KeeperParts extends RecoveryParts, TellingParts {
  readonly settings: RecoveryParts['settings'] & {
    readonly name: string
    readonly maxAttempts: number
    readonly results: 'recorded' | 'eager'
    readonly tellWithinMs: number
    readonly onDuplicate: string
    readonly clock: { setTimeout(callback: () => void, ms: number): unknown; clearTimeout(handle: unknown): void }
  }
  readonly timeline: Timeline
  readonly alarm: Alarm
  readonly admission: RecoveryParts['admission'] & {
    admit(record: RequestRecord, whenFull: 'reject'): void
    tells(record: RequestRecord): void
  }
  readonly endings: RecoveryParts['endings'] & {
    takeOut(record: RequestRecord): void
    left(record: RequestRecord): void
  }
  readonly refusals: { refuse(record: RequestRecord, why: unknown): void }
  readonly parties: RecoveryParts['parties'] &
    TellingParts['parties'] & {
      admitted(record: RequestRecord, extras: Extras): void
      ended(record: RequestRecord, value: unknown): void
    }
  readonly lives: { ends(record: RequestRecord): void }
  readonly closing: RecoveryParts['closing'] & TellingParts['closing']
  readonly room: { made(): void }
  readonly dispatch: { running: number; schedule(): void; waitsForStore(waits: boolean): void }
  readonly statistics: {
    joined: number
    readonly parked: number
    stores(tier: number, by: 1 | -1): void
    takesBack(tier: number): void
  }
  readonly tell: TellingParts['tell'] & {
    of(record: RequestRecord, event: 'joined' | 'parked', more: object): void
    all(event: 'store', more: { state: string; error: Error | undefined }): void
  }
  readonly audit: { takenBack(record: RequestRecord): void } | undefined
  waiting(): RequestRecord[]
}

/** How long an attempt whose beginning was refused waits, in ms, where the store says that it is well. */
const AGAIN_MS = 100

/** What an executor does with its store. Made by the store's own `keeper`, so that who has no store need not bundle it. */
export class StoreKeeper implements Keeper {
  readonly isDurable: boolean
  readonly #parts: KeeperParts
  readonly #store: Store
  readonly #queue: QueueStore
  readonly #telling: Telling
  readonly #recovery: Recovery
  readonly #unwatch: () => void
  /** Those that have their room, and are handed over at the end of this burst. */
  #fresh: RequestRecord[] = []
  /** Those that have their slots, and whose beginning could not be recorded. */
  readonly #again = new Set<RequestRecord>()
  #againAt = Number.POSITIVE_INFINITY
  #storing = 0

  constructor(store: Store, parts: KeeperParts, means: KeeperMeans) {
    const { name, maxAttempts } = parts.settings
    this.isDurable = store.isDurable
    this.#parts = parts
    this.#store = store
    this.#queue = store.queue(name, { maxAttempts })
    this.#telling = new Telling(parts, means.line)
    this.#recovery = new Recovery(this.#queue, parts, means, () => store.status().state === 'closed')
    this.#queue.arrived = (record) => void this.#recovery.comesBack(record)
    this.#unwatch = store.watch((event) => this.#hears(event))
    this.#holds()
    void this.#recovery.run(() => this.#holds())
  }

  get recovered(): Promise<void> | undefined {
    return this.isDurable ? this.#recovery.promise : undefined
  }

  get isDown(): boolean {
    return this.#store.status().state !== 'open'
  }

  get nextDueAt(): number {
    return Math.min(this.#telling.nextDueAt, this.#againAt)
  }

  status(): ReturnType<Keeper['status']> {
    return {
      ...this.#store.status(),
      storing: this.#storing,
      recovering: this.#recovery.promise !== undefined,
      recovered: this.#recovery.count,
      parked: this.#parts.statistics.parked,
      unhandled: this.#recovery.unhandled(),
    }
  }

  /** Nothing starts before all that was kept is back, nor while the disk does not do what it should. */
  #holds(): void {
    this.#parts.dispatch.waitsForStore(this.recovered !== undefined || this.isDown)
  }

  #hears(event: StoreEvent): void {
    if (event.type !== 'state') return
    const { state, error } = event
    this.#holds()
    this.#parts.tell.all('store', { state, error })
    if (state === 'open') this.#triesAgain()
    // What it has kept runs after the next start.
    else if (state === 'closed' && this.isDurable) {
      for (const record of [...this.#parts.waiting(), ...this.#again]) this.#park(record)
    }
  }

  #park(record: RequestRecord): void {
    const error = this.parks(record)
    if (error !== undefined) this.#parts.endings.end(record, State.PARKED, error)
  }

  // Admission.

  takes(record: RequestRecord): void {
    const extras = record.more()
    const { recovered } = this
    // All that is live with a store can be found by its id.
    const id = record.lastId
    const after = extras.later?.after?.map((each) => this.#idOf(each))
    const payload = this.#encode(record, record.request, 'request')
    const { metadata } = extras
    const kept = metadata === undefined ? undefined : this.#encode(record, metadata, 'metadata')
    extras.stored = new StoredRequest(this.#queue.nextSeq(), payload, kept, limitsOf(record, extras, after))
    extras.id = id
    // What was kept before goes first.
    if (recovered !== undefined) record.later().after = [...(extras.later?.after ?? []), recovered]
  }

  #encode(record: RequestRecord, value: unknown, what: 'request' | 'metadata') {
    try {
      return this.#queue.encode(value, what)
    } catch (error) {
      if (!(error instanceof PayloadTooLargeError)) throw error
      throw new PayloadTooLargeError(what, error.bytes, error.maxBytes, subjectOf(record))
    }
  }

  /** By its id it is found again after a restart. */
  #idOf(each: unknown): string {
    const { record = each } = Object(each) as { record?: unknown }
    if (record instanceof RequestRecord && record.owner.name === this.#queue.name) return record.id
    throw new OptionsError('after', 'an array of requests of this executor, since the store keeps their ids', each)
  }

  isSame(one: RequestRecord, other: RequestRecord): boolean | undefined {
    const [a, b] = [storedOf(one), storedOf(other)]
    return isEqual(a.payload, b.payload) && one.extras?.kind === other.extras?.kind
  }

  stores(record: RequestRecord): void {
    const stored = storedOf(record)
    if (stored.isHanded) {
      // It was there before.
      this.#parts.admission.tells(record)
      return
    }
    this.#counts(stored, record.tier)
    const extras = record.extras as Extras
    // `offer()` answers at once, with a handle.
    if (extras.nowOrNever) {
      extras.admission?.resolve(record as never)
      extras.admission = undefined
    }
    if (this.#fresh.push(record) === 1) soon.then(() => this.#hand())
  }

  #counts(stored: StoredRequest, tier: number): void {
    stored.tier = tier
    this.#storing++
    this.#parts.statistics.stores(tier, 1)
  }

  /** It is storing no more. False: it was not. */
  #uncounts(stored: StoredRequest): boolean {
    if (stored.tier < 0) return false
    this.#storing--
    this.#parts.statistics.stores(stored.tier, -1)
    stored.tier = -1
    return true
  }

  #hand(): void {
    const fresh = this.#fresh
    this.#fresh = []
    for (const record of fresh) {
      const stored = storedOf(record)
      if (!stored.isHanded) this.#hands(record, stored)
    }
  }

  #hands(record: RequestRecord, stored: StoredRequest): void {
    stored.isHanded = true
    const starts = record.status === State.STARTING
    if (starts) stored.asked = 1
    const { timeline } = this.#parts
    const submittedAt = Date.now() - (timeline.now() - record.enqueuedAt)
    const extras = record.extras as Extras
    const startAt = extras.later?.startAt ?? Number.NEGATIVE_INFINITY
    const kept: NewRecord = {
      ...{ seq: stored.seq, id: record.lastId, isKey: extras.ownId, kind: extras.kind, priority: record.priority },
      ...{ payload: stored.payload, metadata: stored.metadata, submittedAt, limits: stored.limits },
      startAt: startAt > record.enqueuedAt ? submittedAt + (startAt - record.enqueuedAt) : undefined,
      startedAt: starts ? Date.now() : undefined,
    }
    asked(() => this.#queue.admitted(kept)).then(
      (admission) => this.#answers(record, stored, admission, starts),
      (error) => this.#refuses(record, stored, error),
    )
  }

  #answers(record: RequestRecord, stored: StoredRequest, admission: Admission, starts: boolean): void {
    if (admission.as === 'stored') {
      stored.kept()
      if (stored.tells !== undefined) stored.tells()
      if (record.ended) return
      this.#uncounts(stored)
      this.#parts.admission.tells(record)
      if (starts) this.#goes(stored)
    } else if (record.ended) stored.refused(new DuplicateRequestError(subjectOf(record), 'live'))
    else if (admission.as === 'known') this.#replays(record, stored, admission)
    else void this.#isTaken(record, stored, admission)
  }

  /** Its id is that of a live request, or of one whose answer is kept, and that has another payload. */
  async #isTaken(record: RequestRecord, stored: StoredRequest, admission: Admission): Promise<void> {
    const onDuplicate = record.extras?.later?.onDuplicate ?? this.#parts.settings.onDuplicate
    const isEnded = admission.as === 'payload' && !admission.isLive
    if (isEnded && onDuplicate === 'join-by-id') {
      const view = await this.#queue.find(record.lastId)
      if (record.ended) return
      if (view?.state === 'completed') {
        const { generation: seq, result, resultOmitted } = view
        const omitted = resultOmitted === undefined ? {} : { omitted: resultOmitted }
        this.#replays(record, stored, { as: 'known', seq, result, ...omitted })
        return
      }
    }
    // One that has come back meanwhile may be joined.
    await this.#recovery.promise
    if (record.ended) return
    const twin = this.#parts.parties.byId(record.lastId)
    if (twin === undefined || twin === record || admission.as !== 'live') {
      const reason = admission.as === 'payload' ? 'payload' : 'live'
      this.#refuses(record, stored, new DuplicateRequestError(subjectOf(record), reason))
      return
    }
    const signal = record.extras?.signal
    this.#takesBack(record, stored)
    record.status = State.ARRIVING
    this.#parts.lives.ends(record)
    if (record.extras !== undefined) record.extras.signal = signal
    this.#parts.admission.admit(record, 'reject')
  }

  /** It has completed before: its caller gets that answer, and nothing runs. */
  #replays(record: RequestRecord, stored: StoredRequest, known: Extract<Admission, { as: 'known' }>): void {
    const { closing, lives, parties, room, settings, statistics, tell } = this.#parts
    const extras = record.extras as Extras
    if ((extras.later?.onDuplicate ?? settings.onDuplicate) === 'reject') {
      this.#refuses(record, stored, new DuplicateRequestError(subjectOf(record), 'completed'))
      return
    }
    const [state, value] = this.#answerOf(record, known)
    this.#takesBack(record, stored)
    statistics.joined++
    stored.kept()
    parties.admitted(record, extras)
    record.status = state
    parties.ended(record, value)
    lives.ends(record)
    parties.answer(record, value)
    tell.of(record, 'joined', {})
    room.made()
    if (closing.live === 0) closing.rest()
  }

  #answerOf(record: RequestRecord, { result, omitted }: Extract<Admission, { as: 'known' }>): [State, unknown] {
    try {
      if (result !== undefined) return [State.COMPLETED, this.#queue.decode(result)]
      return [State.FAILED, new ResultLostError(omitted ?? 'it was not kept', subjectOf(record))]
    } catch (error) {
      return [State.FAILED, new ResultLostError('it can not be read', subjectOf(record), error)]
    }
  }

  /** It could not be recorded, so it was never admitted: its room is another's. */
  #refuses(record: RequestRecord, stored: StoredRequest, why: unknown): void {
    stored.refused(why)
    if (stored.tells !== undefined) stored.tells(why)
    if (record.ended) return
    const { closing, refusals, room } = this.#parts
    const error =
      why instanceof StoreUnavailableError
        ? new StoreUnavailableError(why.path, why.why, subjectOf(record), why.cause)
        : why
    this.#takesBack(record, stored)
    refusals.refuse(record, error)
    room.made()
    if (closing.live === 0) closing.rest()
  }

  /** Out of where it is, as if it had not come in. */
  #takesBack(record: RequestRecord, stored: StoredRequest): void {
    const { audit, dispatch, endings, statistics } = this.#parts
    const from = record.status
    const { tier } = stored
    this.#uncounts(stored)
    statistics.takesBack(tier)
    if (audit !== undefined) audit.takenBack(record)
    if (from >= State.STARTING) dispatch.running--
    else endings.takeOut(record)
    record.status = State.BLOCKED
    if (from === State.WAITING || from === State.ASIDE) endings.left(record)
    this.#leavesSlot(stored)
  }

  // Attempts.

  mustWait(record: RequestRecord, go: () => void): boolean {
    const stored = storedOf(record)
    stored.go = go
    // Else it is recorded with its admission.
    if (stored.isHanded) this.#begins(record, stored)
    return true
  }

  #begins(record: RequestRecord, stored: StoredRequest): void {
    stored.asked = record.attemptsWith(record.attempt)
    asked(() => this.#queue.begins(stored.seq, stored.asked, Date.now())).then(
      () => this.#goes(stored),
      () => this.#waitsForDisk(record, stored),
    )
  }

  #goes(stored: StoredRequest): void {
    const { go } = stored
    stored.go = undefined
    go?.()
  }

  /** It has ended on its way to the call: its slot is another's. Not at once, since this may be the middle of a step. */
  #leavesSlot(stored: StoredRequest): void {
    const { go } = stored
    stored.go = undefined
    if (go !== undefined) soon.then(go)
  }

  #waitsForDisk(record: RequestRecord, stored: StoredRequest): void {
    if (stored.go === undefined) return
    const { state } = this.#store.status()
    if (state === 'closed') {
      this.#park(record)
      return
    }
    this.#again.add(record)
    if (state !== 'open') return
    const { alarm, timeline } = this.#parts
    const now = timeline.now()
    this.#againAt = Math.min(this.#againAt, now + AGAIN_MS)
    alarm.setFor(this.#againAt, now)
  }

  #triesAgain(): void {
    this.#againAt = Number.POSITIVE_INFINITY
    const all = [...this.#again]
    this.#again.clear()
    for (const record of all) if (storedOf(record).go !== undefined) this.#begins(record, storedOf(record))
  }

  retries(record: RequestRecord, error: unknown, delayMs: number): void {
    const { seq, asked: attempt } = storedOf(record)
    fact(() => this.#queue.attemptEnded(seq, attempt, { error, retryAt: Date.now() + delayMs }))
  }

  // Changes.

  moved(record: RequestRecord): void {
    const { isHanded, seq } = storedOf(record)
    if (isHanded) fact(() => this.#queue.changed(seq, { priority: record.priority }))
  }

  paused(isPaused: boolean): void {
    fact(() => this.#queue.paused(isPaused))
  }

  // Ends.

  parks(record: RequestRecord): unknown {
    if (!this.isDurable || record.ended) return undefined
    const subject = subjectOf(record)
    return new ParkedError({ ...subject, started: subject.started === true || record.attemptsWith(record.attempt) > 1 })
  }

  defers(record: RequestRecord): boolean {
    if (!this.isDurable) return false
    if (record.status === State.PARKED) return !storedOf(record).isKept
    return record.status <= State.FAILED && this.#parts.settings.results === 'recorded'
  }

  ended(record: RequestRecord, value: unknown, from: State, run: RunOf | undefined): void {
    const stored = storedOf(record)
    this.#leavesSlot(stored)
    this.#again.delete(record)
    this.#uncounts(stored)
    if (record.status === State.PARKED) this.#parks(record, stored, value, from)
    else if (stored.isHanded) this.#records(record, stored, value, from, run)
    else {
      // It has ended in the burst that it came in.
      stored.isHanded = true
      stored.refused(value)
      this.#parts.tell.ended(record, value, from, run)
    }
  }

  #parks(record: RequestRecord, stored: StoredRequest, value: unknown, from: State): void {
    if (from >= State.STARTING && stored.isHanded) fact(() => this.#queue.attemptEnded(stored.seq, stored.asked, {}))
    const tell = (): void => this.#parts.tell.of(record, 'parked', { started: from === State.RUNNING })
    if (stored.isKept) tell()
    else {
      stored.tells = (refused) => this.#telling.tells(record, refused ?? value, tell)
      this.#telling.waits(record)
    }
  }

  #records(record: RequestRecord, stored: StoredRequest, value: unknown, from: State, run: RunOf | undefined): void {
    const { tell, timeline } = this.#parts
    const { status } = record
    const startedAt = run === undefined ? undefined : Date.now() - (timeline.now() - run.startedAt)
    const end: StoredEnd = {
      outcome: outcomes[status - State.COMPLETED] as Outcome,
      endedAt: Date.now(),
      attempts: stored.asked,
      ...{ startedAt, slot: run?.index, runMs: run === undefined ? undefined : timeline.now() - run.startedAt },
      waitMs: Math.max((run === undefined ? timeline.now() : run.startedAt) - record.timedFrom, 0),
      ...(status === State.COMPLETED ? { result: value } : { error: value }),
    }
    const recorded = asked(() => this.#queue.ended(stored.seq, end))
    if (this.defers(record)) {
      // The slot is another's by then.
      const ran = run === undefined ? undefined : { startedAt: run.startedAt }
      this.#telling.later(record, value, recorded, () => tell.ended(record, value, from, ran))
      return
    }
    recorded.catch(nothing)
    tell.ended(record, value, from, run)
  }

  ring(now: number): void {
    if (this.#againAt <= now) this.#triesAgain()
    this.#telling.ring(now)
  }

  find(id: string): Promise<StoredView | undefined> {
    return this.#queue.find(id)
  }

  decode(encoded: Encoded): unknown {
    return this.#queue.decode(encoded)
  }

  async requeue(id: string, generation: number | undefined): Promise<boolean> {
    const live = await this.#queue.requeue(id, generation)
    if (live !== undefined) await this.#recovery.comesBack(live)
    return live !== undefined
  }

  flushed(): Promise<void> {
    this.#hand()
    return this.#store.flushed()
  }

  async leaves(): Promise<void> {
    const { clock, tellWithinMs } = this.#parts.settings
    let timer: unknown
    const isOver = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, Math.min(tellWithinMs, 2 ** 31 - 1))
    })
    await Promise.race([this.flushed().catch(nothing), isOver])
    clock.clearTimeout(timer)
    this.#telling.ring(Number.POSITIVE_INFINITY)
    this.#unwatch()
    this.#queue.release()
  }
}

function storedOf(record: RequestRecord): StoredRequest {
  return record.extras?.stored as StoredRequest
}

/** A store of one's own may also throw. */
async function asked<T>(question: () => Promise<T>): Promise<T> {
  return await question()
}

/** It has happened: if the store closes before it is written, there is nothing to be done about it. */
function fact(tell: () => Promise<unknown>): void {
  asked(tell).catch(nothing)
}

function limitsOf(record: RequestRecord, extras: Extras, after: readonly string[] | undefined): StoredLimits {
  const { cost, waitTimeoutMs, runTimeoutMs, timeoutMs, later } = extras
  const deadlineAt = later === undefined ? Number.POSITIVE_INFINITY : later.deadlineAt
  return {
    ...(cost > 1 ? { cost } : {}),
    ...(Number.isFinite(waitTimeoutMs) ? { waitTimeoutMs } : {}),
    ...(Number.isFinite(runTimeoutMs) ? { runTimeoutMs } : {}),
    ...(Number.isFinite(timeoutMs) ? { timeoutMs } : {}),
    ...(Number.isFinite(deadlineAt) ? { deadlineAt: Date.now() + deadlineAt - record.enqueuedAt } : {}),
    ...(after === undefined ? {} : { after }),
  }
}

function isEqual(one: string | Uint8Array, other: string | Uint8Array): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other
  return one.length === other.length && one.every((byte, i) => byte === other[i])
}

function nothing(): void {}

/**
 * Who is admitted? A request has its room first, and is admitted when its record is committed.
 *
 *     has its room ──▶ handed over at the end of its burst ──▶ stored: admitted, and everyone is told
 *                                                         ├──▶ known: it has completed before, and has that answer
 *                                                         └──▶ refused: out of its place again, as if it had not come in
 *
 * At the end of the burst it is known whether it starts: then the beginning of its first attempt is part of the same record.
 */
import { soon, type Timeline } from '../clock.ts'
import { DuplicateRequestError } from '../errors.ts'
import { ResultLostError } from '../remote-errors.ts'
import type { Extras } from '../request-extras.ts'
import { type RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Admission, QueueStore } from '../store.ts'
import { StoreUnavailableError } from '../store-errors.ts'
import { newRecordOf } from './encoding.ts'
import { asked, type StoredRequest, storedOf } from './stored-request.ts'

/** What it acts on. */
export interface AdmissionsParts {
  readonly settings: { readonly onDuplicate: string; readonly kinds: { readonly size: number } }
  readonly timeline: Timeline
  readonly admission: {
    admit(record: RequestRecord, whenFull: 'reject'): void
    tells(record: RequestRecord): void
  }
  readonly endings: { takeOut(record: RequestRecord): void; left(record: RequestRecord): void }
  readonly refusals: { refuse(record: RequestRecord, why: unknown): void }
  readonly parties: {
    byId(id: string): RequestRecord | undefined
    admitted(record: RequestRecord, extras: Extras): void
    ended(record: RequestRecord, value: unknown): void
    answer(record: RequestRecord, value: unknown): void
  }
  readonly lives: { ends(record: RequestRecord): void; comesAnew(record: RequestRecord): void }
  readonly closing: { readonly live: number; rest(): void }
  readonly room: { made(): void }
  readonly dispatch: { running: number }
  readonly statistics: { joined: number; stores(tier: number, by: 1 | -1): void; takesBack(tier: number): void }
  readonly tell: { of(record: RequestRecord, event: 'joined', more: object): void }
  readonly audit: { takenBack(record: RequestRecord): void } | undefined
}

/** What it needs of those that have their slots. */
interface Slotted {
  goes(stored: StoredRequest): void
  leavesSlot(stored: StoredRequest): void
}

type Known = Extract<Admission, { as: 'known' }>

export class Admissions {
  readonly #parts: AdmissionsParts
  readonly #queue: QueueStore
  readonly #attempts: Slotted
  readonly #recovered: () => Promise<void> | undefined
  /** Those that have their room, and are handed over at the end of this burst. */
  #fresh: RequestRecord[] = []

  /** @param recovered fulfils when all is back that was kept */
  constructor(
    parts: AdmissionsParts,
    queue: QueueStore,
    attempts: Slotted,
    recovered: () => Promise<void> | undefined,
  ) {
    this.#parts = parts
    this.#queue = queue
    this.#attempts = attempts
    this.#recovered = recovered
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
    if (extras.nowOrNever) this.#parts.parties.admitted(record, extras)
    if (this.#fresh.push(record) === 1) soon.then(() => this.hand())
  }

  #counts(stored: StoredRequest, tier: number): void {
    stored.tier = tier
    this.#parts.statistics.stores(tier, 1)
  }

  /** It is storing no more. */
  uncounts(stored: StoredRequest): void {
    if (stored.tier < 0) return
    this.#parts.statistics.stores(stored.tier, -1)
    stored.tier = -1
  }

  /** All that have come in this burst. */
  hand(): void {
    const fresh = this.#fresh
    this.#fresh = []
    for (const record of fresh) {
      const stored = storedOf(record)
      if (!stored.isHanded) this.#hands(record, stored)
    }
  }

  #hands(record: RequestRecord, stored: StoredRequest): void {
    stored.isHanded = true
    const kept = newRecordOf(record, this.#parts.timeline.now())
    const starts = kept.startedAt !== undefined
    if (starts) stored.asked = 1
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
      this.uncounts(stored)
      this.#parts.admission.tells(record)
      if (starts) this.#attempts.goes(stored)
    } else if (record.ended) this.#cameForNothing(record, stored, admission)
    else {
      const looks =
        admission.as === 'known' ? this.#isKnown(record, stored, admission) : this.#isTaken(record, stored, admission)
      // The store may be closed by then.
      looks.catch((error) => this.#refuses(record, stored, error))
    }
  }

  /** It has ended meanwhile. If it was parked, its caller waits for this answer: whoever asks again has what is known. */
  #cameForNothing(record: RequestRecord, stored: StoredRequest, { as }: Admission): void {
    const error = new DuplicateRequestError(subjectOf(record), as === 'payload' ? as : 'live')
    stored.refused(error)
    if (stored.tells !== undefined) stored.tells(as === 'known' ? undefined : error)
  }

  /** Its id is that of a live request, or of one whose answer is kept, and that has another payload. */
  async #isTaken(record: RequestRecord, stored: StoredRequest, admission: Admission): Promise<void> {
    const onDuplicate = record.extras?.later?.onDuplicate ?? this.#parts.settings.onDuplicate
    const isEnded = admission.as === 'payload' && !admission.isLive
    if (isEnded && onDuplicate === 'join-by-id') {
      const view = await this.#queue.find(record.lastId)
      if (record.ended) return this.#cameForNothing(record, stored, admission)
      if (view?.state === 'completed') {
        const { generation: seq, result, resultOmitted } = view
        const omitted = resultOmitted === undefined ? {} : { omitted: resultOmitted }
        this.#replays(record, stored, { as: 'known', seq, result, ...omitted })
        return
      }
    }
    // One that has come back meanwhile may be joined.
    await this.#recovered()
    if (record.ended) return this.#cameForNothing(record, stored, admission)
    const twin = this.#parts.parties.byId(record.lastId)
    if (twin === undefined || twin === record || admission.as !== 'live') {
      const reason = admission.as === 'payload' ? 'payload' : 'live'
      this.#refuses(record, stored, new DuplicateRequestError(subjectOf(record), reason, isEnded))
      return
    }
    this.#takesBack(record, stored)
    this.#parts.lives.comesAnew(record)
    this.#parts.admission.admit(record, 'reject')
  }

  /** It has completed before. Where there are several kinds of work, it may have been another one. */
  async #isKnown(record: RequestRecord, stored: StoredRequest, known: Known): Promise<void> {
    const { kinds } = this.#parts.settings
    const view = kinds.size > 0 ? await this.#queue.find(record.lastId) : undefined
    if (record.ended) this.#cameForNothing(record, stored, known)
    else if (view !== undefined && view.kind !== record.extras?.later?.kind) {
      this.#refuses(record, stored, new DuplicateRequestError(subjectOf(record), 'payload', true))
    } else this.#replays(record, stored, known)
  }

  /** It has completed before: its caller gets that answer, and nothing runs. */
  #replays(record: RequestRecord, stored: StoredRequest, known: Known): void {
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

  #answerOf(record: RequestRecord, { result, omitted }: Known): [State, unknown] {
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
    this.#takesBack(record, stored)
    refusals.refuse(record, named(why, record))
    room.made()
    if (closing.live === 0) closing.rest()
  }

  /** Out of where it is, as if it had not come in. */
  #takesBack(record: RequestRecord, stored: StoredRequest): void {
    const { audit, dispatch, endings, statistics } = this.#parts
    const from = record.status
    const { tier } = stored
    this.uncounts(stored)
    statistics.takesBack(tier)
    if (audit !== undefined) audit.takenBack(record)
    if (from >= State.STARTING) dispatch.running--
    else endings.takeOut(record)
    record.status = State.BLOCKED
    if (from === State.WAITING || from === State.ASIDE) endings.left(record)
    this.#attempts.leavesSlot(stored)
  }
}

/** The error of a store is that of a whole commit. */
function named(why: unknown, record: RequestRecord): unknown {
  if (!(why instanceof StoreUnavailableError)) return why
  return new StoreUnavailableError(why.path, why.why, subjectOf(record), why.cause)
}

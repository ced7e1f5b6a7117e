/**
 * How is a request refused? The only place where one ends that was not admitted. Steps 1 and 2 of 7.
 *
 * It may have been live already: blocked, or looked at by an asynchronous schema. Then whatever refers to it lets go of it,
 * and there may be room for those behind it. These come in before anyone hears of the refusal, and might pass them.
 */
import { isReasonOf } from '../checks.ts'
import { type FullBound, InvalidRequestError, invalidAbout, OptionsError, QueueFullError, reasonOf } from '../errors.ts'
import { type RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import { TriageError } from '../triage-error.ts'
import type { Capacity } from './capacity.ts'
import type { Checking } from './checking.ts'
import type { Openings } from './openings.ts'
import type { Outlook } from './outlook.ts'
import type { Room } from './room.ts'

/** What it acts on. */
export interface RefusalsParts {
  readonly blocked: { readonly size: number; delete(record: RequestRecord): void }
  readonly capacity: Capacity
  readonly checking: Checking<RequestRecord>
  readonly openings: Openings
  readonly outlook: Outlook
  readonly room: Room<RequestRecord>
  readonly parties: {
    ended(record: RequestRecord, value: unknown): void
    unlink(record: RequestRecord): void
    answer(record: RequestRecord, value: unknown): void
  }
  readonly lives: { ends(record: RequestRecord): void }
  readonly closing: { rest(): void }
  readonly statistics: { rejects(tier: number, reason: string): void }
  readonly events: { hold(): void; release(): void }
  readonly tell: { rejected(record: RequestRecord, id: string | undefined, error: unknown, reason: string): void }
  readonly audit: { refused(record: RequestRecord): void } | undefined
}

export class Refusals {
  readonly #parts: RefusalsParts

  constructor(parts: RefusalsParts) {
    this.#parts = parts
  }

  /** It will not come in: nothing is kept of it. */
  refuse(record: RequestRecord, why: unknown): void {
    // A policy that was asked may have ended it meanwhile.
    if (record.ended) return
    const { audit, blocked, checking, closing, events, lives, parties, room, statistics, tell } = this.#parts
    const { extras, status } = record
    const error = named(why, record)
    const wasLive = status === State.BLOCKED || status === State.CHECKING
    if (status === State.CHECKING) checking.delete(record)
    const wasBlocked = record.block !== undefined
    if (wasBlocked) blocked.delete(record)
    room.refused()
    record.status = State.REJECTED
    const reason = isReasonOf(extras?.signal, error) ? 'aborted' : reasonOf(error)
    statistics.rejects(record.tier, reason)
    if (audit !== undefined) audit.refused(record)
    if (extras !== undefined) parties.ended(record, error)
    if (wasLive) lives.ends(record)
    else if (extras !== undefined) parties.unlink(record)
    parties.answer(record, error)
    events.hold()
    tell.rejected(record, extras?.id, error, reason)
    if (wasBlocked) room.made()
    events.release()
    if (wasLive) closing.rest()
  }

  /** What a request is told that finds it full. */
  fullError(bound: FullBound, record: RequestRecord, rank?: number): QueueFullError {
    const { blocked, capacity, checking, openings, outlook } = this.#parts
    const subject = subjectOf(record)
    const retryAfterMs = outlook.retryAfterMs(record, rank)
    if (bound === 'checking') return new QueueFullError(bound, checking.size, checking.max, subject, retryAfterMs)
    if (openings.neverFits(record)) return new QueueFullError(bound, 0, 0, subject, undefined, true)
    return capacity.fullError(bound, record.tier, blocked.size, subject, retryAfterMs)
  }
}

/** An error of ours about an option or a payload, with the request and the queue that it is about: who looks at it knows neither. */
function named(error: unknown, record: RequestRecord): unknown {
  try {
    if (!(error instanceof TriageError) || error.queue !== undefined) return error
    if (error instanceof InvalidRequestError) return invalidAbout(error, subjectOf(record))
    if (!(error instanceof OptionsError)) return error
    return new OptionsError(error.path, error.expected, error.received, subjectOf(record), error.message)
  } catch {
    // A proxy that does not want to be looked at.
    return error
  }
}

/**
 * Does it come for itself, or does it share the run of a live request with its id? Step 1 of 7, and again in step 2.
 *
 * Its signal is asked first: a request whose caller has given up joins none. Both questions are asked again after each
 * policy, which may have aborted the signal, or submitted another request with the same id.
 */
import { DuplicateRequestError, QueueClosedError } from '../errors.ts'
import type { Extras } from '../request-extras.ts'
import { type RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import { isSame } from '../same-request.ts'
import type { Refusals } from './refusals.ts'

/** What happens to a request whose id is that of a live one. */
export type OnDuplicate = 'join' | 'join-by-id' | 'reject'

/** What it looks at, and acts on. */
export interface DuplicatesParts {
  readonly settings: { readonly onDuplicate: OnDuplicate }
  readonly refusals: Refusals
  readonly parties: {
    hears(record: RequestRecord, signal: AbortSignal): void
    byId(id: string): RequestRecord | undefined
    join(twin: RequestRecord, newcomer: RequestRecord): void
  }
  readonly moves: { move(record: RequestRecord, tier: number): boolean }
  readonly closing: { readonly begun: boolean }
  readonly keeper: { isSame(one: RequestRecord, other: RequestRecord): boolean | undefined } | undefined
  readonly statistics: { joined: number }
  readonly events: { guard(policy: () => void, event: 'joined'): void }
  readonly tell: { of(record: RequestRecord, event: 'joined', more: object): void }
}

export class Duplicates {
  readonly #parts: DuplicatesParts
  // The payloads of those with an id of their own as they were submitted, of which a schema has made others.
  readonly #submitted = new WeakMap<RequestRecord, unknown>()

  constructor(parts: DuplicatesParts) {
    this.#parts = parts
  }

  /** A schema makes another payload of it. */
  becomes(record: RequestRecord, request: unknown): void {
    if (record.extras?.ownId === true) this.#submitted.set(record, record.request)
    record.request = request
  }

  /** Its signal will be heard; false: it was aborted already, or has closed the executor, and the request is refused. */
  listens(record: RequestRecord): boolean {
    const signal = record.extras?.signal
    if (signal === undefined) return true
    const { closing, parties, refusals } = this.#parts
    try {
      if (!signal.aborted) parties.hears(record, signal)
      // Asked again: it may be anybody's object, and do anything when it is listened to.
      if (signal.aborted) refusals.refuse(record, signal.reason)
      else if (closing.begun) refusals.refuse(record, new QueueClosedError(subjectOf(record)))
      return record.status === State.ARRIVING
    } catch (error) {
      refusals.refuse(record, error)
    }
    return false
  }

  /** False: its signal was aborted already, or it has joined a live request with its id. */
  comesForItself(record: RequestRecord, extras: Extras): boolean {
    if (!this.listens(record)) return false
    const { parties, refusals, settings } = this.#parts
    const twin = extras.ownId ? parties.byId(extras.id as string) : undefined
    if (twin === undefined) return true
    const onDuplicate = extras.later?.onDuplicate ?? settings.onDuplicate
    if (onDuplicate === 'reject') {
      refusals.refuse(record, new DuplicateRequestError(subjectOf(record)))
      return false
    }
    if (onDuplicate === 'join' && !this.#asksForTheSame(twin, record)) return false
    // Looked at again: a getter of what was compared may have ended the other.
    if (parties.byId(extras.id as string) !== twin) return this.comesForItself(record, extras)
    this.#join(twin, record)
    return false
  }

  /** False: it is refused, since its payload is another, or can't be compared. */
  #asksForTheSame(twin: RequestRecord, record: RequestRecord): boolean {
    const refuse = (error: unknown): false => {
      // A getter may have had it aborted.
      if (record.status === State.ARRIVING) this.#parts.refusals.refuse(record, error)
      return false
    }
    let same: boolean
    try {
      same = twin.extras?.later?.kind === record.extras?.later?.kind && this.#isSame(twin, record)
    } catch (error) {
      return refuse(error)
    }
    if (!same) return refuse(new DuplicateRequestError(subjectOf(record), 'payload'))
    if (this.#parts.closing.begun) return refuse(new QueueClosedError(subjectOf(record)))
    return record.status === State.ARRIVING
  }

  /** Where a store encodes them, by that. */
  #isSame(twin: RequestRecord, record: RequestRecord): boolean {
    return this.#parts.keeper?.isSame(twin, record) ?? isSame(this.#payloadOf(twin), this.#payloadOf(record))
  }

  /** As it was submitted. */
  #payloadOf(record: RequestRecord): unknown {
    const submitted = this.#submitted
    return submitted.has(record) ? submitted.get(record) : record.request
  }

  /** Another caller with the id of a live request shares its run. */
  #join(twin: RequestRecord, newcomer: RequestRecord): void {
    const { events, moves, parties, refusals, statistics, tell } = this.#parts
    if (newcomer.extras?.nowOrNever === true && twin.status < State.WAITING) {
      refusals.refuse(newcomer, refusals.fullError('total', newcomer))
      return
    }
    statistics.joined++
    parties.join(twin, newcomer)
    // If the order policy throws, the run keeps its priority, and nobody is refused for that.
    if (newcomer.tier < twin.tier) events.guard(() => void moves.move(twin, newcomer.tier), 'joined')
    tell.of(newcomer, 'joined', {})
  }
}

/**
 * How does a request leave? Its end is recorded, and what it has ended with is told: an answer of the executor after the record is
 * committed, all else at once. A request that is parked has no end: it stays in the store.
 */
import type { RunOf } from '../keeper.ts'
import { type RequestRecord, subjectOf } from '../request-record.ts'
import { type Outcome, outcomes, State } from '../request-state.ts'
import type { QueueStore, StoredEnd } from '../store.ts'
import { ParkedError } from '../store-errors.ts'
import type { Admissions } from './admissions.ts'
import type { Attempts } from './attempts.ts'
import { asked, fact, nothing, type StoredRequest, storedOf } from './stored-request.ts'
import type { Telling, TellingParts } from './telling.ts'

/** What it acts on. */
export interface EndsParts {
  readonly settings: { readonly results: 'recorded' | 'eager' }
  readonly timeline: TellingParts['timeline']
  readonly tell: TellingParts['tell'] & { of(record: RequestRecord, event: 'parked', more: { started: boolean }): void }
}

export class Ends {
  readonly #parts: EndsParts
  readonly #queue: QueueStore
  readonly #isDurable: boolean
  readonly #admissions: Admissions
  readonly #attempts: Attempts
  readonly #telling: Telling

  constructor(
    parts: EndsParts,
    queue: QueueStore,
    isDurable: boolean,
    { admissions, attempts, telling }: { admissions: Admissions; attempts: Attempts; telling: Telling },
  ) {
    this.#parts = parts
    this.#queue = queue
    this.#isDurable = isDurable
    this.#admissions = admissions
    this.#attempts = attempts
    this.#telling = telling
  }

  parks(record: RequestRecord): unknown {
    if (!this.#isDurable || record.ended) return undefined
    const subject = subjectOf(record)
    return new ParkedError({ ...subject, started: subject.started === true || record.attemptsWith() > 1 })
  }

  defers(record: RequestRecord): boolean {
    if (!this.#isDurable) return false
    if (record.status === State.PARKED) return !storedOf(record).isKept
    return record.status <= State.FAILED && this.#parts.settings.results === 'recorded'
  }

  ended(record: RequestRecord, value: unknown, from: State, run: RunOf | undefined): void {
    const stored = storedOf(record)
    this.#attempts.leavesSlot(stored)
    this.#attempts.again.delete(record)
    this.#admissions.uncounts(stored)
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
    const startedAt = run === undefined ? undefined : Math.round(Date.now() - (timeline.now() - run.startedAt))
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
      const { startedAt: ranFrom } = run as RunOf
      const ran = { startedAt: ranFrom }
      this.#telling.later(record, value, recorded, () => tell.ended(record, value, from, ran))
      return
    }
    recorded.catch(nothing)
    tell.ended(record, value, from, run)
  }
}

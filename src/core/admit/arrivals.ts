/**
 * What does a caller bring? Its options, and a payload that a schema may have to look at. Step 1 of 7.
 *
 * All that arrives is refused while the executor closes, and for bad options; through the promise of the request, never by
 * throwing. A schema that is asynchronous keeps the request out of all numbers but `checking`, until its answer is there.
 */
import { wordList } from '../checks.ts'
import type { Alarm, Instant, Timeline } from '../clock.ts'
import { InvalidRequestError, OptionsError, QueueClosedError, WaitTimeoutError } from '../errors.ts'
import type { KindLimits, Later } from '../request-extras.ts'
import { type RequestRecord, subjectOf } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { Admission, WhenFull } from './admission.ts'
import type { Checking } from './checking.ts'
import type { Duplicates } from './duplicates.ts'
import type { Refusals } from './refusals.ts'
import { type Checked, check, type StandardSchema } from './schema.ts'

/** What it looks at, and acts on. */
export interface ArrivalsParts {
  readonly settings: {
    readonly schema: StandardSchema<unknown> | undefined
    readonly whenFull: WhenFull
    readonly concurrency: number
    readonly kinds: ReadonlyMap<string, KindLimits>
    readonly limit: { readonly shadow?: boolean | undefined } | undefined
  }
  /** Has each request a time limit that counts from its submission? */
  readonly timesAll: boolean
  readonly timeline: Timeline
  readonly alarm: Alarm
  readonly admission: Admission
  readonly checking: Checking<RequestRecord>
  readonly duplicates: Duplicates
  readonly refusals: Refusals
  readonly room: { made(): void }
  readonly turns: { mostFor(tier: number, slots: number): number }
  readonly lives: { begins(record: RequestRecord): void; comesAnew(record: RequestRecord): void }
  readonly closing: { readonly begun: boolean; rest(): void }
  readonly keeper: { takes(record: RequestRecord): void } | undefined
  /** Arms the alarm for what is due next. */
  setAlarm(now: number): void
}

export class Arrivals<O> {
  readonly #parts: ArrivalsParts
  readonly #read: (options: O, record: RequestRecord) => void

  /** @param read puts the options of a request into its record, or throws */
  constructor(parts: ArrivalsParts, read: (options: O, record: RequestRecord) => void) {
    this.#parts = parts
    this.#read = read
  }

  /** One burst is one instant; but a time limit counts from a reading of its own, however long the burst takes. */
  instant(): Instant {
    const { timeline, timesAll } = this.#parts
    return timesAll ? timeline.reading() : timeline.instant()
  }

  /** With its options, if it has some. */
  comes(record: RequestRecord, options: O | undefined): void {
    if (options === undefined || this.reads(record, options)) this.arrive(record, this.#parts.settings.whenFull)
  }

  /** False: there is something wrong with them, and it is refused. */
  reads(record: RequestRecord, options: O): boolean {
    const { refusals, timeline, timesAll } = this.#parts
    try {
      this.#read(options, record)
      const { extras } = record
      if (extras === undefined) return true
      if (extras.later !== undefined) {
        if (extras.later.kind !== undefined) this.#asKind(record, extras.later.kind)
        this.#requireTime(record, extras.later)
      }
      if (!timesAll && isTimed(record)) record.arrived = timeline.reading()
      if (extras.cost > 1) this.requireCost(record)
      return true
    } catch (error) {
      refusals.refuse(record, error)
      return false
    }
  }

  /** With the time limits of its kind, where it has none of its own. */
  #asKind(record: RequestRecord, kind: string): void {
    const { kinds } = this.#parts.settings
    const limits = kinds.get(kind)
    if (limits === undefined) {
      throw new OptionsError(
        'kind',
        kinds.size > 0 ? wordList([...kinds.keys()]) : 'none, since there are no `kinds`',
        kind,
      )
    }
    const { waitTimeoutMs, runTimeoutMs, timeoutMs } = record.more()
    record.limit(
      waitTimeoutMs ?? limits.waitTimeoutMs,
      runTimeoutMs ?? limits.runTimeoutMs,
      timeoutMs ?? limits.timeoutMs,
    )
  }

  /** One whose deadline is over before it may start is not looked at any further. */
  #requireTime(record: RequestRecord, later: Later): void {
    if (later.deadlineAt === Number.POSITIVE_INFINITY) return
    // It was counted from the instant of the burst, which may have taken its time.
    const now = this.#parts.timeline.reading().at
    later.deadlineAt += now - record.enqueuedAt
    if (later.deadlineAt <= Math.max(later.startAt, now)) throw new WaitTimeoutError(0, 0, subjectOf(record))
  }

  /** What costs more than it can ever have would wait for ever. A limit that is learned says nothing about that. */
  requireCost({ cost, tier }: RequestRecord): void {
    const { concurrency, limit } = this.#parts.settings
    if (limit !== undefined && limit.shadow !== true) return
    const most = this.#parts.turns.mostFor(tier, concurrency)
    if (cost > most) throw new OptionsError('cost', `at most ${most}, the slots that it can have`, cost)
  }

  /** @param checked what a schema has made of it before */
  arrive(record: RequestRecord, whenFull: WhenFull, checked?: Checked<unknown>): void {
    const { admission, closing, keeper, refusals, settings } = this.#parts
    if (closing.begun) refusals.refuse(record, new QueueClosedError(subjectOf(record)))
    else if (keeper !== undefined && !this.#isTaken(record, keeper)) return
    else if (checked !== undefined) this.checked(record, checked, whenFull)
    else if (settings.schema === undefined) admission.admit(record, whenFull)
    else this.#inspect(record, settings.schema, whenFull)
  }

  /** False: its store can't keep it. Asked before the schema, which may make something else of it. */
  #isTaken(record: RequestRecord, keeper: { takes(record: RequestRecord): void }): boolean {
    try {
      keeper.takes(record)
      return true
    } catch (error) {
      this.#parts.refusals.refuse(record, error)
      return false
    }
  }

  #inspect(record: RequestRecord, schema: StandardSchema<unknown>, whenFull: WhenFull): void {
    const { alarm, checking, closing, duplicates, lives, room, setAlarm, timeline } = this.#parts
    // Only an asynchronous one is ever busy; it is not even asked, then.
    if (this.#isBusyChecking(record)) return
    const checked = check(schema, record.request)
    if (!(checked instanceof Promise)) {
      this.checked(record, checked, whenFull)
      return
    }
    // While the schema looks at it, its signal and its timeouts count already, and close() refuses it.
    // Asked again: the schema, and the signal, may have submitted others.
    if (!duplicates.listens(record) || this.#isBusyChecking(record)) return
    record.status = State.CHECKING
    lives.begins(record)
    // No dispatch will arm the alarm for it.
    if (!alarm.armed) setAlarm(timeline.now())
    checking.add(record, checked, (result) => {
      lives.comesAnew(record)
      this.checked(record, result, whenFull)
      closing.rest()
      room.made()
    })
  }

  /** Are as many looked at as may be? Then it is refused. */
  #isBusyChecking(record: RequestRecord): boolean {
    const { checking, refusals } = this.#parts
    const { isFull } = checking
    if (isFull) refusals.refuse(record, refusals.fullError('checking', record))
    return isFull
  }

  /** A schema has looked at it. */
  checked(record: RequestRecord, checked: Checked<unknown>, whenFull: WhenFull): void {
    const { admission, closing, duplicates, refusals } = this.#parts
    if (closing.begun) refusals.refuse(record, new QueueClosedError(subjectOf(record)))
    else if ('request' in checked) {
      duplicates.becomes(record, checked.request)
      admission.admit(record, whenFull)
    } else if ('issues' in checked) {
      refusals.refuse(record, new InvalidRequestError(checked.issues, subjectOf(record)))
    } else refusals.refuse(record, checked.error)
  }
}

/** Has it brought a time limit that counts from its submission, and not from when it may start? */
function isTimed({ extras, enqueuedAt }: RequestRecord): boolean {
  if (extras === undefined || (extras.later !== undefined && extras.later.startAt > enqueuedAt)) return false
  if (extras.waitTimeoutMs !== undefined || extras.timeoutMs !== undefined) return true
  return extras.later !== undefined && extras.later.deadlineAt < Number.POSITIVE_INFINITY
}

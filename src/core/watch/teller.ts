/**
 * What is said of a request when something happens to it? The objects that events carry. Step 7 of 7.
 *
 * Each is put together only when someone listens. Where a request that uses nothing special comes along, the executor
 * asks that itself, before it has worked out what to say.
 */
import type { Timeline } from '../clock.ts'
import type { RepeatOptions } from '../queued-request.ts'
import type { RequestRecord } from '../request-record.ts'
import { type Outcome, outcomes, State } from '../request-state.ts'
import type { Events, ExecutorEvent, ExecutorEvents, Failure, RequestEvent } from './events.ts'

/** What an event about a request says besides what all of them say. */
type More<E extends ExecutorEvent> = Omit<ExecutorEvents[E], keyof RequestEvent>

export class Teller {
  readonly #events: Events
  readonly #timeline: Timeline

  constructor(events: Events, timeline: Timeline) {
    this.#events = events
    this.#timeline = timeline
  }

  /** Something has happened to a request. */
  of<E extends ExecutorEvent>(record: RequestRecord, event: E, more: More<E>): void {
    if (!this.#events.listened[event]) return
    this.#events.tell(record, event, { ...this.#about(record), ...more } as unknown as ExecutorEvents[E])
  }

  /** Something has happened to the whole. */
  all<E extends ExecutorEvent>(event: E, more: Omit<ExecutorEvents[E], 'at'>): void {
    if (!this.#events.listened[event]) return
    this.#events.tell(undefined, event, { at: this.#timeline.now(), ...more } as unknown as ExecutorEvents[E])
  }

  /** It did not come in. Nobody makes an id for it. */
  rejected(record: RequestRecord, id: string | undefined, error: unknown, reason: string): void {
    if (!this.#events.listened.rejected) return
    const { priority, request, metadata } = record
    const at = this.#timeline.now()
    this.#events.tell(record, 'rejected', { id, priority, request, metadata, at, error, reason })
  }

  /**
   * It has ended, with this value or error; where it was before, and the times of its run, if its end is that of a run: as an
   * object, since a number would be boxed for each request.
   */
  ended(record: RequestRecord, value: unknown, from: State, run: { readonly startedAt: number } | undefined): void {
    const event = outcomes[record.status - State.COMPLETED] as Outcome
    if (!this.#events.listened[event]) return
    const about = this.#about(record)
    const error = value
    if (event === 'completed' || event === 'failed') {
      // Only a run ends so.
      const { startedAt } = run as { readonly startedAt: number }
      const durations = { waitMs: startedAt - record.timedFrom, runMs: about.at - startedAt }
      if (event === 'completed') this.#events.tell(record, event, { ...about, result: value, ...durations })
      else {
        const { attempt, notRetried } = record
        const failure = failureOf(record, error, record.attemptsWith(attempt))
        this.#events.tell(record, event, { ...about, ...durations, ...failure, notRetried })
      }
    } else if (event === 'shed') this.#events.tell(record, event, { ...about, error })
    else {
      // The next one was not begun yet.
      const attempts = record.attemptsWith(from === State.RUNNING ? record.attempt : record.attempt - 1)
      const started = attempts > 0
      if (event === 'cancelled') this.#events.tell(record, event, { ...about, error, started })
      else this.#events.tell(record, event, { ...about, ...failureOf(record, error, attempts), started })
    }
  }

  #about(record: RequestRecord): RequestEvent {
    const { id, priority, request, metadata } = record
    return { id, priority, request, metadata, at: this.#timeline.now() }
  }
}

function failureOf(record: RequestRecord, error: unknown, attempts: number): Failure {
  const options: { -readonly [K in keyof RepeatOptions]: RepeatOptions[K] } = { cost: record.cost }
  for (const name of ['waitTimeoutMs', 'runTimeoutMs', 'timeoutMs'] as const) {
    const timeoutMs = record.extras?.[name]
    if (timeoutMs !== undefined) options[name] = timeoutMs
  }
  return { error, attempts, errors: record.errorsWith(error), options }
}

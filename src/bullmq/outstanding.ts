/**
 * Who waits for which answer? All requests that somebody in this process waits for, and how they learn their ends.
 *
 * The hash of a job is the truth. An event, a connection that was made again and the time that has passed are only reasons to look at
 * it. Many are looked at in one round trip. One event is believed as it is: that a job whose id is used once has completed, since it was
 * written together with the hash, and stands behind all that may have ended it before.
 */
import { AsyncResource } from 'node:async_hooks'
import type { Redis } from 'ioredis'
import { jsonCodec } from '../core/keep/json-codec.ts'
import { type Priority, priorityOf } from '../core/priority.ts'
import { ResultLostError } from '../core/remote-errors.ts'
import type { ErrorSubject } from '../core/triage-error.ts'
import type { RequestStateLike } from '../core/watch/request-view.ts'
import type { Envelope } from './envelope.ts'
import { errorOf, stateBy } from './error-text.ts'

/** One request, and all in this process who wait for it. */
export class Awaited {
  readonly jobId: string
  readonly id: string
  readonly request: unknown
  readonly metadata: unknown
  /** As JSON text. */
  readonly payload: string
  /** Where it was submitted: whoever is told of it is told there. */
  readonly scope = new AsyncResource('RemoteRequest', { requireManualDestroy: true })
  /** On the clock of this process. */
  readonly enqueuedAt = performance.now()
  tier: number
  state: RequestStateLike = 'storing'
  /** Which life of its id it is. */
  generation = 0
  /** This process has added it, and did not join what was there. */
  isOwn = false
  /** What was heard of it before the answer that it was added, and when, on the clock of Redis. */
  early: { readonly event: string; readonly fields: readonly string[]; readonly at: number }[] = []
  /** The id is the caller's own: another life of it may be spoken of. */
  isKey = false
  /** It was ended while it ran: what its run says does not count. */
  isForced = false
  /** How many wait for it. */
  callers = 0
  attempts = 0
  /** Since when it may start, on the clock of Redis: its wait begins then. */
  mayStartAt = 0
  /** For how long it was not to start. */
  delayMs = 0
  startedAt: number | undefined
  timers: NodeJS.Timeout[] = []
  /** When it must be over, and when it must have started, on the clock of Redis. */
  deadline = Number.POSITIVE_INFINITY
  startBy = Number.POSITIVE_INFINITY
  readonly admitted: Promise<void>
  readonly ended: Promise<End>
  #admit: () => void = () => {}
  #end: (end: End) => void = () => {}
  hasEnded = false

  constructor(jobId: string, id: string, tier: number, request: unknown, payload: string, metadata: unknown) {
    this.jobId = jobId
    this.id = id
    this.tier = tier
    this.request = request
    this.payload = payload
    this.metadata = metadata
    this.admitted = new Promise((resolve) => {
      this.#admit = resolve
    })
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  get priority(): Priority {
    return priorityOf(this.tier)
  }

  /** Its times are those that Redis has of it. */
  timedBy({ accepted, startAt = accepted, deadline, startBy }: Envelope): void {
    this.mayStartAt = startAt
    this.delayMs = startAt - accepted
    this.deadline = deadline ?? Number.POSITIVE_INFINITY
    this.startBy = startBy ?? Number.POSITIVE_INFINITY
  }

  /** It is there: or it was refused, and has an end. */
  isAdmitted(): void {
    this.#admit()
  }

  end(end: End): void {
    this.hasEnded = true
    for (const timer of this.timers) clearTimeout(timer)
    this.timers = []
    this.#admit()
    this.#end(end)
  }
}

/** One that nobody here has submitted, and that is not admitted here yet. */
export function awaitedOf(jobId: string, id: string, tier: number, envelope: Envelope, generation: number): Awaited {
  const { p, metadata } = envelope
  const read = metadata === undefined ? undefined : jsonCodec.decode(metadata)
  const one = new Awaited(jobId, id, tier, jsonCodec.decode(p), p, read)
  one.generation = generation
  one.timedBy(envelope)
  return one
}

/** How it ended. */
export type End =
  | { readonly state: 'completed'; readonly value: unknown; readonly runMs: number }
  | {
      readonly state: 'failed' | 'expired' | 'cancelled' | 'parked' | 'rejected'
      readonly error: unknown
      readonly runMs: number
    }

const fields = ['returnvalue', 'failedReason', 'finishedOn', 'tqEnd', 'ats', 'processedOn', 'priority'] as const
type Seen = (string | null)[]

/** What is asked of whoever owns it. */
export interface OutstandingHost {
  readonly base: string
  readonly queue: string
  readonly client: Redis
  readonly isReady: boolean
  /** Told of a run that has begun, in ms on the clock of Redis, where no event of it was heard. */
  started(one: Awaited, at: number): void
  /** Told once of each end that Redis tells. */
  settled(one: Awaited, end: End): void
}

export class Outstanding {
  readonly #host: OutstandingHost
  readonly #all = new Map<string, Awaited>()
  readonly #toLookAt = new Set<Awaited>()
  #isLooking = false

  constructor(host: OutstandingHost) {
    this.#host = host
  }

  get size(): number {
    return this.#all.size
  }

  get(jobId: string): Awaited | undefined {
    return this.#all.get(jobId)
  }

  values(): Iterable<Awaited> {
    return this.#all.values()
  }

  add(one: Awaited): void {
    this.#all.set(one.jobId, one)
  }

  delete(one: Awaited): void {
    if (this.#all.get(one.jobId) === one) this.#all.delete(one.jobId)
  }

  /** Something was heard of it. */
  lookAt(one: Awaited): void {
    this.#toLookAt.add(one)
  }

  lookAtAll(): void {
    for (const one of this.#all.values()) this.#toLookAt.add(one)
    this.look()
  }

  /** Looks at all that something was heard of, in one round trip; once more for what is heard meanwhile. */
  look(): void {
    if (this.#isLooking || this.#toLookAt.size === 0 || !this.#host.isReady) return
    const looked = [...this.#toLookAt].filter((one) => one.state !== 'storing' && !one.hasEnded)
    this.#toLookAt.clear()
    if (looked.length === 0) return
    this.#isLooking = true
    void this.#read(looked).then((isDone) => {
      this.#isLooking = false
      // What could not be read is looked at when Redis is there again, and in a while in any case.
      if (isDone) this.look()
    })
  }

  async #read(looked: readonly Awaited[]): Promise<boolean> {
    const pipeline = this.#host.client.pipeline()
    for (const { jobId } of looked) pipeline.hmget(this.#host.base + jobId, ...fields)
    try {
      const replies = (await pipeline.exec()) ?? []
      for (const [i, [error, seen]] of replies.entries()) {
        if (error === null) this.#see(looked[i] as Awaited, seen as Seen)
      }
      return true
    } catch {
      return false
    }
  }

  #see(one: Awaited, seen: Seen): void {
    if (one.hasEnded) return
    const end = this.#endOf(one, seen)
    if (end !== undefined) {
      const startedAt = Number(seen[5] ?? 0)
      if (one.startedAt === undefined && startedAt > 0) this.#host.started(one, startedAt)
      // Some may have been missed. Before its end they are counted as they are told.
      one.attempts = Math.max(one.attempts, Number(seen[4] ?? 0))
      this.#host.settled(one, end)
    } else if (seen[6] !== null) {
      one.tier = Math.max(Number(seen[6]) - 1, 0)
    }
  }

  #endOf(one: Awaited, seen: Seen): End | undefined {
    const [result, reason, finishedOn, forced, attempts, processedOn] = seen
    const { queue } = this.#host
    const subject = { queue, requestId: one.id, priority: one.priority }
    const startedAt = Number(processedOn ?? 0)
    const runMs = startedAt > 0 && finishedOn != null ? Math.max(Number(finishedOn) - startedAt, 0) : 0
    if (seen.every((field) => field === null)) {
      const why = 'Redis does not have it any more'
      return { state: 'failed', error: new ResultLostError(why, { ...subject, started: 'unknown' }), runMs }
    }
    if (forced != null) return endBy(forced, { ...subject, started: true }, runMs)
    if (finishedOn == null) return undefined
    if (result != null) return completedWith(result, subject, runMs)
    return endBy(reason ?? '', { ...subject, started: Number(attempts ?? 0) > 0 }, runMs)
  }
}

/**
 * What a worker has answered: JSON text in JSON text.
 * @throws {ResultLostError} for an answer that is none of our workers: BullMQ used directly may have run it
 */
export function answerOf(returnValue: string, subject: ErrorSubject): unknown {
  try {
    const text: unknown = JSON.parse(returnValue)
    return typeof text === 'string' ? jsonCodec.decode(text) : text
  } catch (error) {
    throw new ResultLostError(`it can't be read`, { ...subject, started: true }, error)
  }
}

/** The end of one that has completed; where its answer can't be read, that is lost. */
export function completedWith(returnValue: string, subject: ErrorSubject, runMs: number): End {
  try {
    return { state: 'completed', value: answerOf(returnValue, subject), runMs }
  } catch (error) {
    return { state: 'failed', error, runMs }
  }
}

/** How a request ended that did not complete, by what it ended with. */
function endBy(
  text: string,
  subject: {
    readonly queue: string
    readonly requestId: string
    readonly priority: Priority
    readonly started: boolean
  },
  runMs: number,
): Exclude<End, { state: 'completed' }> {
  return { state: stateBy(text), error: errorOf(text, subject), runMs }
}

/**
 * How does a request come in? It is registered, so that no news of it is missed; then it is added; when Redis has said so, it is
 * admitted.
 *
 * An id of the caller's own is looked up first: it may live already, or have ended. Two that add it at once are told apart by what
 * Redis has of it afterwards.
 */
import type { KeepJobs } from 'bullmq'
import { DuplicateRequestError, QueueClosedError, reasonOf, WaitTimeoutError } from '../core/errors.ts'
import { jsonCodec } from '../core/keep/json-codec.ts'
import type { RequestOptions } from '../core/options.ts'
import { priorityOf } from '../core/priority.ts'
import { PayloadTooLargeError, type StoreUnavailableError } from '../core/store-errors.ts'
import { type Envelope, readEnvelope } from './envelope.ts'
import { jobIdOf } from './ids.ts'
import { Awaited, answerOf } from './outstanding.ts'
import type { Parts } from './parts.ts'
import { type Asked, type Defaults, readRequest } from './read-request.ts'
import { Room } from './room.ts'

/** BullMQ counts attempts down; ours end by our own policy. */
const MANY_ATTEMPTS = 1_000_000
const MAX_RACES = 5
const SECOND_MS = 1_000

export interface SubmissionHost {
  readonly isClosed: boolean
  /** It has time limits from now on. */
  watch(one: Awaited): void
  /** It is in Redis, where so many wait. */
  admitted(one: Awaited, waiting: number): void
  setPriority(one: Awaited, tier: number): Promise<boolean>
}

export interface Submitted {
  readonly one: Awaited
  readonly asked: Asked
}

export class Submission {
  readonly #parts: Parts
  readonly #host: SubmissionHost
  readonly #defaults: Defaults
  readonly #room: Room
  readonly #keep: { readonly removeOnComplete: KeepJobs; readonly removeOnFail: KeepJobs }

  constructor(parts: Parts, host: SubmissionHost, defaults: Defaults) {
    this.#parts = parts
    this.#host = host
    this.#defaults = defaults
    this.#room = new Room(parts)
    const { completed, dead } = parts.choice.keep
    this.#keep = { removeOnComplete: keptJobs(completed), removeOnFail: keptJobs(dead) }
  }

  async submit(request: unknown, options: RequestOptions): Promise<Submitted> {
    const { events, statistics, name } = this.#parts
    let tier = 2
    try {
      const asked = readRequest(options, this.#defaults)
      tier = asked.tier
      const subject = { queue: name, requestId: asked.id, priority: priorityOf(tier) }
      if (this.#host.isClosed) throw new QueueClosedError(subject)
      asked.signal?.throwIfAborted()
      return { one: await this.#admit(request, asked), asked }
    } catch (error) {
      statistics.rejects(tier, reasonOf(error))
      if (events.listened.rejected) {
        const { id, metadata, priority = 'normal' } = options
        const about = { id, priority, request, metadata, at: performance.now() }
        events.tell(undefined, 'rejected', { ...about, error, reason: reasonOf(error) })
      }
      throw error
    }
  }

  async #admit(request: unknown, asked: Asked): Promise<Awaited> {
    const { outstanding, choice } = this.#parts
    const payload = jsonCodec.encode(request, 'request', choice.maxPayloadBytes) as string
    const bytes = Buffer.byteLength(payload)
    if (bytes > choice.maxPayloadBytes) throw new PayloadTooLargeError('request', bytes, choice.maxPayloadBytes)
    const id = asked.id ?? crypto.randomUUID()
    const jobId = jobIdOf(id)
    const live = outstanding.get(jobId)
    if (live !== undefined) return this.#join(live, asked, payload)
    const one = new Awaited(jobId, id, asked.tier, request, payload, asked.metadata)
    one.isKey = asked.id !== undefined
    one.callers = 1
    outstanding.add(one)
    try {
      await this.#add(one, asked)
    } catch (error) {
      outstanding.delete(one)
      one.state = 'rejected'
      one.end({ state: 'rejected', error, runMs: 0 })
      throw error
    }
    return one
  }

  /** Shares the run of one that somebody in this process waits for. */
  async #join(live: Awaited, asked: Asked, payload: string): Promise<Awaited> {
    this.#mayJoin(live, asked, payload, live.payload, 'live')
    await live.admitted
    if (live.state === 'rejected') {
      const end = await live.ended
      throw (end as { error: unknown }).error
    }
    live.callers++
    if (asked.tier < live.tier) await this.#host.setPriority(live, asked.tier)
    this.#joined(live, asked)
    return live
  }

  #joined({ id, request, scope }: Awaited, { tier, metadata }: Asked): void {
    const { events, statistics } = this.#parts
    statistics.joined++
    if (!events.listened.joined) return
    events.tell(scope, 'joined', { id, priority: priorityOf(tier), request, metadata, at: performance.now() })
  }

  #mayJoin(one: Awaited, asked: Asked, payload: string, other: string, state: 'live' | 'completed'): void {
    const subject = { queue: this.#parts.name, requestId: one.id, priority: priorityOf(asked.tier) }
    if (asked.onDuplicate === 'reject') throw new DuplicateRequestError(subject, state)
    if (asked.onDuplicate === 'join' && payload !== other) {
      throw new DuplicateRequestError(subject, 'payload', state === 'completed')
    }
  }

  async #add(one: Awaited, asked: Asked): Promise<void> {
    const { link, queue, stream, name, choice } = this.#parts
    const { id, tier, kind, delayMs, metadata } = asked
    const subject = { queue: name, requestId: one.id, priority: priorityOf(tier) }
    if (!link.isReady) await link.ready(subject)
    if (!stream.isOpen) await withinMs(stream.opened(), choice.failFastMs, () => link.unavailable(undefined, subject))
    const by = id === undefined ? undefined : crypto.randomUUID()
    for (let race = 0; race < MAX_RACES; race++) {
      if (id !== undefined && (await this.#isKnown(one, asked))) return
      await this.#room.take(tier, subject)
      const accepted = Math.round(link.time.now())
      const from = accepted + delayMs
      const deadline = Math.min(from + asked.timeoutMs, accepted + asked.deadlineMs)
      if (deadline <= from) throw new WaitTimeoutError(0, 0, subject)
      const startBy = from + asked.waitTimeoutMs
      const envelope: Envelope = {
        ...{ v: 1, p: one.payload, accepted, by, kind },
        ...{ deadline: finite(deadline), startBy: finite(startBy), runTimeoutMs: finite(asked.runTimeoutMs) },
        startAt: delayMs > 0 ? Math.round(from) : undefined,
        traceparent: choice.traceparent?.(),
        metadata:
          metadata === undefined
            ? undefined
            : (jsonCodec.encode(metadata, 'metadata', choice.maxPayloadBytes) as string),
      }
      one.generation = accepted
      one.timedBy(envelope)
      const job = {
        ...{ jobId: one.jobId, priority: tier + 1, timestamp: accepted, attempts: MANY_ATTEMPTS, stackTraceLimit: 0 },
        ...{ backoff: backoffByUs, ...this.#keep, ...(delayMs > 0 && { delay: Math.ceil(delayMs) }) },
      }
      await link.ask(() => queue.add(kind ?? 'request', envelope, job), subject, true)
      if (by !== undefined && !(await this.#isOurs(one, by))) continue
      this.#admitted(one)
      return
    }
    throw new DuplicateRequestError(subject)
  }

  #admitted(one: Awaited): void {
    one.isOwn = true
    this.#parts.statistics.admits(one.tier)
    this.#host.watch(one)
    this.#host.admitted(one, this.#room.waiting + 1)
  }

  /** Is the job that Redis has that of this call? */
  async #isOurs(one: Awaited, by: string): Promise<boolean> {
    const { link, keys } = this.#parts
    const data = await link.ask((client) => client.hget(keys.base + one.jobId, 'data'), {}, true)
    return data === null || (JSON.parse(data) as Envelope).by === by
  }

  /** Is there one with this id, that it may share? A dead one is taken out of its way. */
  async #isKnown(one: Awaited, asked: Asked): Promise<boolean> {
    const { link, keys, scripts, outstanding, name } = this.#parts
    const subject = { queue: name, requestId: one.id, priority: priorityOf(asked.tier) }
    const fields = ['data', 'timestamp', 'returnvalue', 'finishedOn', 'tqEnd', 'priority'] as const
    const seen = await link.ask((client) => client.hmget(keys.base + one.jobId, ...fields), subject)
    const [data, timestamp, result, finishedOn, forced, priority] = seen
    if (data == null) return false
    const known = readEnvelope(JSON.parse(data))
    const isLive = finishedOn == null && forced == null
    const isCompleted = result != null && forced == null
    if (!isLive && !isCompleted) {
      // What was cut off while it ran is in the way until its call has settled.
      if (finishedOn == null) throw new DuplicateRequestError(subject)
      await link.ask((client) => scripts.forget(client, one.jobId, Number(timestamp)), subject)
      return false
    }
    this.#mayJoin(one, asked, one.payload, known.p, isLive ? 'live' : 'completed')
    one.generation = Number(timestamp)
    one.timedBy(known)
    one.tier = Math.max(Number(priority) - 1, 0)
    one.state = 'waiting'
    if (isCompleted) {
      outstanding.delete(one)
      one.state = 'completed'
      one.end({ state: 'completed', value: answerOf(result, subject), runMs: 0 })
    } else {
      this.#host.watch(one)
      if (asked.tier < one.tier) await this.#host.setPriority(one, asked.tier)
      outstanding.lookAt(one)
      outstanding.look()
    }
    one.isAdmitted()
    this.#joined(one, asked)
    return true
  }
}

/** A strategy of this name is with our workers. */
const backoffByUs = { type: 'triage' }

function keptJobs({ count, ageMs }: { readonly count: number; readonly ageMs: number }): KeepJobs {
  const most = Number.isFinite(count) ? count : -1
  return Number.isFinite(ageMs) ? { age: Math.ceil(ageMs / SECOND_MS), count: most } : { count: most }
}

function finite(ms: number | undefined): number | undefined {
  return ms === undefined || ms === Number.POSITIVE_INFINITY ? undefined : ms
}

async function withinMs(promise: Promise<void>, ms: number, late: () => StoreUnavailableError): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  try {
    await Promise.race([promise, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

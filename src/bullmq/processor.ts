/**
 * How is one job run? Step by step, from its data to what BullMQ is told of its end.
 *
 * BullMQ refuses a late answer by the token of the lock. What it can't know is ours: whether the callers were told already, whether the
 * call has settled, whether it is tried again.
 */
import type { Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { reasonOf, WaitTimeoutError } from '../core/errors.ts'
import { jsonCodec } from '../core/keep/json-codec.ts'
import type { RequestOptions } from '../core/options.ts'
import { type Priority, priorityOf } from '../core/priority.ts'
import type { QueuedExecutor } from '../core/queued-executor.ts'
import { ResultLostError } from '../core/remote-errors.ts'
import type { RunContext } from '../core/run/run-context.ts'
import type { Executor } from '../core/run/slots.ts'
import { isBranded } from '../core/triage-error.ts'
import type { RedisTime } from './connections.ts'
import { type Envelope, readEnvelope } from './envelope.ts'
import { textOf } from './error-text.ts'
import { idOf } from './ids.ts'
import { Lease } from './lease.ts'
import type { Leases } from './leases.ts'
import type { readWorkerOptions } from './options.ts'
import type { Peers } from './peers.ts'
import { RemoteRun, type RunFacts } from './remote-run.ts'
import type { Scripts } from './scripts.ts'

export interface ProcessorParts<Req, Res> {
  readonly name: string
  readonly executor: QueuedExecutor<Req, Res>
  /** It was made here, around a function. */
  readonly isOwn: boolean
  readonly leases: Leases
  readonly client: Redis
  readonly scripts: Scripts
  readonly time: RedisTime
  readonly bullmq: Peers['bullmq']
  readonly choice: ReturnType<typeof readWorkerOptions>
}

/** What stands in the metadata of a run inside: who it is. */
interface Inside {
  readonly lease: Lease
  readonly facts: RunFacts
}

const PROGRESS_MS = 250
/** Of the queue inside: how a run is ended while its call goes on. */
const endings: ReadonlySet<unknown> = new Set(['TRIAGE_RUN_TIMEOUT', 'TRIAGE_CANCELLED'])
const again = Symbol('delayMs')

/** After how many ms an attempt that failed with this is made again; -1: never. What BullMQ asks. */
export function againAfter(error: unknown): number {
  return (error as { [again]?: number } | undefined)?.[again] ?? -1
}

export class Processor<Req, Res> {
  readonly #parts: ProcessorParts<Req, Res>
  readonly #byRun = new Map<string, { readonly lease: Lease; readonly job: Job }>()
  #runs = 0

  constructor(parts: ProcessorParts<Req, Res>) {
    this.#parts = parts
    parts.executor.on('progress', ({ id, progress, message }) => this.#progress(id, progress, message))
  }

  /** What the queue inside calls: the function, with the run as Redis knows it. */
  call(work: Executor<Req, unknown>, request: Req, run: RunContext): unknown {
    const { lease, facts } = run.metadata as Inside
    try {
      const answer = work(request, new RemoteRun(run, facts))
      lease.calls(answer, run)
      return answer
    } catch (error) {
      lease.thrown = { error }
      throw error
    }
  }

  /** @returns the answer, as text @throws what BullMQ makes the reason of a failure */
  async process(job: Job, token: string): Promise<string> {
    const jobId = job.id ?? ''
    const id = idOf(jobId) ?? jobId
    const priority = priorityOf(Math.min(Math.max((job.priority ?? 3) - 1, 0), 3))
    const subject = { queue: this.#parts.name, requestId: id, priority }
    const { leases } = this.#parts
    const lease = new Lease(jobId, token, subject)
    // It was on its way from Redis already.
    if (!leases.isTaking) return this.#giveBack(lease, false)
    leases.add(lease)
    try {
      return await this.#run(job, lease, id, priority)
    } catch (error) {
      throw error instanceof Error && isForBullmq(error) ? error : this.#final(textOf(error))
    } finally {
      leases.delete(lease)
    }
  }

  async #run(job: Job, lease: Lease, id: string, priority: Priority): Promise<string> {
    const { leases, time } = this.#parts
    const envelope = readEnvelope(job.data)
    const isAgain = job.attemptsStarted > 1 || job.stalledCounter > 0
    const told = await leases.endOf(lease, isAgain)
    if (told !== undefined) throw this.#final(told)
    this.#requireTime(envelope, lease, isAgain)
    const metadata = envelope.metadata === undefined ? undefined : jsonCodec.decode(envelope.metadata)
    const { kind, traceparent, accepted, startAt = accepted } = envelope
    const waitMs = Math.max(time.now() - startAt, 0)
    const facts: RunFacts = {
      ...{ id, priority, kind, attempt: job.attemptsStarted, waitMs, delayMs: startAt - accepted },
      ...{ metadata, traceparent },
    }
    const { executor, isOwn } = this.#parts
    const runId = isOwn ? `${++this.#runs}` : id
    const inside: Inside = { lease, facts }
    const options: RequestOptions = {
      ...{ id: runId, priority, signal: lease.signal, metadata: isOwn ? inside : metadata },
      ...(kind !== undefined && { kind }),
      ...(envelope.runTimeoutMs !== undefined && { runTimeoutMs: envelope.runTimeoutMs }),
      ...(envelope.deadline !== undefined && { timeoutMs: Math.max(envelope.deadline - time.now(), 1) }),
    }
    this.#byRun.set(runId, { lease, job })
    lease.isRunning = true
    try {
      const value = await executor.execute(jsonCodec.decode(envelope.p) as Req, options)
      await lease.settled()
      await this.#stillOurs(lease)
      return this.#answer(value)
    } catch (error) {
      if (isForBullmq(error)) throw error
      return await this.#failed(job, lease, error, envelope)
    } finally {
      this.#byRun.delete(runId)
    }
  }

  /** @throws {WaitTimeoutError} when its time was over before it could start */
  #requireTime(envelope: Envelope, { subject }: Lease, isAgain: boolean): void {
    const { accepted, startAt = accepted, startBy, deadline } = envelope
    const now = this.#parts.time.now()
    if (!isAgain && startBy !== undefined && now > startBy) {
      throw new WaitTimeoutError(now - startAt, Math.round(startBy - startAt), subject)
    }
    if (deadline !== undefined && now > deadline) {
      throw new WaitTimeoutError(now - startAt, Math.round(deadline - startAt), { ...subject, started: isAgain })
    }
  }

  /** @throws what BullMQ is told where the answer does not count any more */
  async #stillOurs(lease: Lease): Promise<void> {
    // Whoever has it now says how it ends: BullMQ is to leave it alone.
    if (lease.isLost) throw new this.#parts.bullmq.DelayedError()
    if (lease.endedBy !== undefined) throw this.#final(lease.endedBy)
    if (lease.isParked) await this.#giveBack(lease, true)
  }

  /** @throws what tells BullMQ to leave it alone */
  async #giveBack({ jobId, token }: Lease, started: boolean): Promise<never> {
    const { scripts, client, bullmq } = this.#parts
    await scripts.giveBack(client, jobId, token, started)
    throw new bullmq.WaitingError()
  }

  #answer(value: unknown): string {
    const { maxResultBytes } = this.#parts.choice
    try {
      const text = jsonCodec.encode(value, 'result', maxResultBytes) as string
      const bytes = Buffer.byteLength(text)
      if (bytes <= maxResultBytes) return text
      throw new Error(`it has ${bytes} of at most ${maxResultBytes} bytes`)
    } catch (error) {
      throw new ResultLostError(`it can't be sent: ${(error as Error).message}`, { started: true }, error)
    }
  }

  async #failed(job: Job, lease: Lease, error: unknown, envelope: Envelope): Promise<never> {
    const { time } = this.#parts
    const isThrown = lease.thrown !== undefined && lease.thrown.error === error
    const isEnd = isBranded(error) && endings.has(error.code)
    let told: Promise<unknown> | undefined
    if (isEnd && !isThrown && lease.endedBy === undefined && !lease.isLost && !lease.isParked) {
      // Its callers are told now; its slot is busy until the call has settled.
      told = this.#tellEnd(lease, textOf(error))
    }
    await lease.settled()
    await told
    await this.#stillOurs(lease)
    const text = textOf(error, isThrown)
    const { accepted, deadline = Number.POSITIVE_INFINITY, startBy = Number.POSITIVE_INFINITY } = envelope
    const delayMs = this.#retryAfter(job, error, isThrown, accepted)
    if (delayMs === undefined || time.now() + delayMs >= Math.min(deadline, startBy)) throw this.#final(text)
    const failure = new Error(text) as Error & { [again]: number }
    failure.stack = ''
    failure[again] = Math.ceil(delayMs)
    throw failure
  }

  async #tellEnd(lease: Lease, text: string): Promise<void> {
    const { scripts, client, time } = this.#parts
    lease.end(text)
    const ends = { waiting: text, waitingAgain: text, running: text }
    const end = { jobId: lease.jobId, ...ends, at: time.now(), keep: Number.POSITIVE_INFINITY }
    // Only when the worker has closed: then nobody can be told.
    await scripts.end(client, end).catch(() => {})
  }

  /** @param isThrown the function has thrown it: one of ours, then, is of another executor */
  #retryAfter(job: Job, error: unknown, isThrown: boolean, accepted: number): number | undefined {
    const { choice, time, executor } = this.#parts
    if (choice.retry === undefined) return undefined
    if (!isThrown && isBranded(error) && reasonOf(error) !== 'worker_lost') return undefined
    try {
      const delayMs: unknown = choice.retry.delayMs({
        ...{ attempt: job.attemptsStarted, error, tier: Math.max((job.priority ?? 3) - 1, 0) },
        ...{ elapsedMs: time.now() - accepted, admitted: executor.getStatus().totals.admitted },
      })
      return typeof delayMs === 'number' && delayMs >= 0 && Number.isFinite(delayMs) ? delayMs : undefined
    } catch (thrown) {
      process.emitWarning('A retry policy has thrown', { type: 'TriageQueueWarning', detail: String(thrown) })
      return undefined
    }
  }

  /** BullMQ is not to try it again. */
  #final(text: string): Error {
    const error = new this.#parts.bullmq.UnrecoverableError(text)
    // It would be kept as well, with the whole text in it.
    error.stack = ''
    return error
  }

  #progress(runId: string, fraction: number, message: string | undefined): void {
    const run = this.#byRun.get(runId)
    const now = performance.now()
    if (run === undefined || run.lease.isLost || (fraction < 1 && now - run.lease.toldAt < PROGRESS_MS)) return
    run.lease.toldAt = now
    const progress = message === undefined ? { fraction } : { fraction, message }
    void run.job.updateProgress(progress).catch(() => {})
  }
}

const names = new Set(['UnrecoverableError', 'DelayedError', 'WaitingError'])

/** It was made here, for BullMQ. */
function isForBullmq(error: unknown): boolean {
  return error instanceof Error && (again in error || names.has(error.name))
}

/**
 * An executor whose requests wait in Redis, and run wherever a worker is: `remoteExecutor()`.
 *
 * BullMQ is the engine; what a request is promised is ours. The hash of a job is the truth, and events are a hint: see `outstanding.ts`.
 *
 * The file is a little long: it is the one face of all that an executor offers.
 */
import { requireConcurrency, requireTier } from '../core/checks.ts'
import { MAX_DELAY_MS } from '../core/clock.ts'
import type { CloseOptions } from '../core/close-options.ts'
import { CancelledError } from '../core/errors.ts'
import type { QueuedExecutorLike } from '../core/executor-like.ts'
import type { RequestOptions } from '../core/options.ts'
import type { Priority } from '../core/priority.ts'
import { readCloseOptions } from '../core/request-options.ts'
import type { RequestState } from '../core/request-state.ts'
import type { WorkerHealth } from '../core/run/slot.ts'
import { readSettings } from '../core/settings.ts'
import { ParkedError } from '../core/store-errors.ts'
import { Events, type ExecutorEvent, type Listener } from '../core/watch/events.ts'
import type { RequestView } from '../core/watch/request-view.ts'
import { type ExecutorHistograms, Statistics } from '../core/watch/statistics.ts'
import type { ExecutorStatus } from '../core/watch/status.ts'
import { connect } from './connections.ts'
import { describeRedis, description } from './describe.ts'
import type { Envelope } from './envelope.ts'
import { textOf } from './error-text.ts'
import { RemoteHandle, type RemoteRequest } from './handle.ts'
import { jobIdOf } from './ids.ts'
import { Link } from './link.ts'
import { coreOptions, limitsOf, type RemoteExecutorOptions, readExecutorOptions, requireName } from './options.ts'
import { type Awaited, awaitedOf, Outstanding } from './outstanding.ts'
import type { Parts } from './parts.ts'
import { peers } from './peers.ts'
import { isLive, type JobRecord, Records, type RemoteRecords } from './records.ts'
import { keysOf, Scripts } from './scripts.ts'
import { healthOf, nothingRead, type Reading, readStatus, statusOf } from './status.ts'
import { Stream } from './stream.ts'
import { Submission } from './submission.ts'
import { Teller } from './teller.ts'
import { Limits } from './time-limits.ts'

const IDLE_MS = 50
const waits: ReadonlySet<string> = new Set(['storing', 'held', 'waiting', 'retrying'])

/**
 * An executor whose requests wait in Redis, for any number of workers on any number of machines.
 *
 * ```ts
 * const llm = remoteExecutor<string, string>('llm', { connection: 'redis://localhost:6379' })
 * const answer = await llm.execute('What is TypeScript?', { priority: 'urgent' })
 * ```
 * It connects at once, and again whenever it is cut. While Redis is away, requests are refused within `failFastMs`.
 *
 * @throws {OptionsError}
 * @throws {Error} where bullmq or ioredis is not installed: one line that says how
 */
export function remoteExecutor<Req = unknown, Res = unknown>(
  name: string,
  options: RemoteExecutorOptions,
): RemoteExecutor<Req, Res> {
  return new RemoteExecutor<Req, Res>(name, options)
}

export class RemoteExecutor<Req = unknown, Res = unknown> implements QueuedExecutorLike<Req, Res> {
  readonly name: string
  /** For a service: what it may read of requests that nobody here waits for. */
  readonly settings: { readonly store: RemoteRecords }
  readonly #parts: Parts
  readonly #records: Records
  readonly #submission: Submission
  readonly #limits: Limits
  readonly #teller: Teller
  readonly #timer: NodeJS.Timeout
  #state: 'open' | 'closing' | 'closed' = 'open'
  #closing: Promise<void> | undefined
  #reading: Reading = nothingRead
  readonly #observing = new Set<NodeJS.Timeout>()

  constructor(name: string, options: RemoteExecutorOptions) {
    this.name = requireName(name)
    const choice = readExecutorOptions(options)
    const settings = readSettings(coreOptions(name, choice.given))
    const installed = peers()
    const keys = keysOf(choice.prefix, name)
    const scripts = new Scripts(keys)
    const link = new Link(installed, choice.connection, choice.failFastMs)
    scripts.define(link.client)
    const queue = new installed.bullmq.Queue(name, {
      ...{ connection: link.client, prefix: choice.prefix, skipVersionCheck: true },
    })
    queue.on('error', () => {})
    const events = new Events(choice.onListenerError)
    const statistics = new Statistics()
    const outstanding = new Outstanding({
      ...{ base: keys.base, queue: name, client: link.client },
      get isReady() {
        return link.isReady
      },
      started: (one, at) => this.#teller.started(one, at),
      settled: (one, end) => this.#teller.settled(one, end),
    })
    const stream = new Stream(connect(installed, choice.connection, 'listening'), keys.events, {
      heard: (event, fields) => this.#teller.heard(event, fields),
      told: () => outstanding.look(),
      missed: () => outstanding.lookAtAll(),
    })
    this.#parts = { name, choice, settings, keys, scripts, link, queue, stream, outstanding, events, statistics }
    this.#teller = new Teller(this.#parts)
    this.#records = new Records(this.#parts)
    this.settings = { store: this.#records }
    this.#limits = new Limits(this.#parts, (one, error) =>
      this.#teller.settled(one, { state: 'failed', error, runMs: 0 }),
    )
    link.onReady = () => outstanding.lookAtAll()
    this.#timer = setInterval(() => outstanding.lookAtAll(), choice.reconcileMs)
    this.#timer.unref()
    const { onDuplicate } = settings
    const defaults = { onDuplicate, kinds: choice.kinds, ...limitsOf(settings, choice.given) }
    const executor = this
    const host = {
      get isClosed() {
        return executor.#state !== 'open'
      },
      watch: (one: Awaited) => this.#limits.watch(one),
      admitted: (one: Awaited, waiting: number) => this.#teller.admitted(one, waiting),
      setPriority: (one: Awaited, tier: number) => this.#move(one.id, tier),
    }
    this.#submission = new Submission(this.#parts, host, defaults)
  }

  /**
   * Fulfils when Redis is there, and will not throw requests away.
   * @throws {StoreUnavailableError} through the promise, after `failFastMs` @throws {OptionsError} for its `maxmemory-policy`
   */
  ready(): Promise<void> {
    return this.#parts.link.ready({ queue: this.name })
  }

  /**
   * Runs a request on one of the workers, and fulfils with its answer. Rejects with the error that ended it: ours have their classes;
   * the executor's own is a copy, with its name, message, code, own properties and cause.
   */
  async execute(request: Req, options: RequestOptions = {}): Promise<Res> {
    return (await this.submit(request, options)).result
  }

  /**
   * Fulfils with a handle when Redis has acknowledged the request.
   *
   * Rejects with a `StoreUnavailableError` while Redis is away; where its `started` is `'unknown'`, the request may have arrived.
   */
  async submit(request: Req, options: RequestOptions = {}): Promise<RemoteRequest<Res>> {
    const { one, asked } = await this.#submission.submit(request, options)
    return new RemoteHandle<Res>(one, this.#handleHost, asked.signal)
  }

  readonly #handleHost = {
    cancel: (id: string, reason?: unknown) => this.#cancel(id, reason, 'handle'),
    move: (id: string, priority: Priority) => this.#move(id, requireTier(priority)),
    position: (id: string) => this.position(id),
    leave: (one: Awaited, reason: unknown) => {
      // Who has joined what another machine has added leaves it alone.
      if (--one.callers === 0 && one.isOwn) void this.#cancel(one.id, reason, 'handle').catch(() => {})
    },
  }

  /** Of one that lives, whoever has submitted it. */
  async get(id: string): Promise<RemoteRequest<Res> | undefined> {
    const { outstanding } = this.#parts
    const jobId = jobIdOf(id)
    const known = outstanding.get(jobId)
    // Not before it is there.
    await known?.admitted
    if (known !== undefined && known.state !== 'rejected') {
      return known.hasEnded ? undefined : new RemoteHandle<Res>(known, this.#handleHost, undefined)
    }
    const record = await this.#records.read(id)
    if (record?.envelope === undefined || !isLive(record.state)) return undefined
    const one = outstanding.get(jobId) ?? this.#awaits(record, record.envelope)
    return new RemoteHandle<Res>(one, this.#handleHost, undefined)
  }

  /** What nobody here waited for until now. */
  #awaits(record: JobRecord, envelope: Envelope): Awaited {
    const { outstanding } = this.#parts
    const one = awaitedOf(record.jobId, record.id, record.tier, envelope, record.generation)
    one.state = record.state
    one.isAdmitted()
    outstanding.add(one)
    this.#limits.watch(one)
    outstanding.lookAt(one)
    outstanding.look()
    return one
  }

  find(id: string): Promise<RequestView | undefined> {
    return this.#records.view(id)
  }

  /** How many would start before it: 0 is next. Undefined when it does not wait. */
  async position(id: string): Promise<number | undefined> {
    return (await this.#records.read(id))?.position
  }

  /** Wherever it is: what waits never runs, and of what runs the signal is aborted. */
  cancel(id: string, reason?: unknown): Promise<boolean> {
    return this.#cancel(id, reason, 'id')
  }

  async #cancel(id: string, reason: unknown, by: 'id' | 'handle'): Promise<boolean> {
    const { outstanding, link, scripts, choice } = this.#parts
    const jobId = jobIdOf(id)
    const one = outstanding.get(jobId)
    // Not before it is there.
    await one?.admitted
    const subject = { queue: this.name, requestId: id, priority: one?.priority }
    const text = (started: boolean): string => textOf(new CancelledError(reason, { ...subject, started }, by))
    const [waiting, running] = [text(false), text(true)]
    const { count: keep } = choice.keep.dead
    const end = { jobId, waiting, waitingAgain: running, running, at: link.time.now(), keep }
    const ended = await link.ask((client) => scripts.end(client, end), subject)
    // Of what ran the callers are told when its worker has aborted its signal.
    if (one !== undefined && ended !== 'ran') {
      outstanding.lookAt(one)
      outstanding.look()
    }
    return ended === 'waited' || ended === 'ran'
  }

  async #move(id: string, tier: number): Promise<boolean> {
    const { link, keys, queue, outstanding } = this.#parts
    const jobId = jobIdOf(id)
    return link.ask(async (client) => {
      const places = await Promise.all([client.zscore(keys.prioritized, jobId), client.zscore(keys.delayed, jobId)])
      if (places.every((place) => place === null)) return false
      await queue.getBackend().changePriority(jobId, tier + 1, false)
      const one = outstanding.get(jobId)
      if (one !== undefined) one.tier = tier
      return true
    })
  }

  /** Of the whole queue, over all machines; `totals`, `wait` and `run` are of what was submitted here. */
  async getStatus(): Promise<ExecutorStatus> {
    if (this.#state !== 'closed') this.#reading = await readStatus(this.#parts)
    return this.#statusNow()
  }

  #statusNow(): ExecutorStatus {
    const { link } = this.#parts
    const isDown = this.#state !== 'closed' && !link.isReady
    return statusOf(this.#parts, this.#reading, this.#state, isDown ? `${link.place} is away` : undefined)
  }

  /** What holds here and what not, in words, with what this Redis and its workers say of themselves. */
  async describe(): Promise<string> {
    const { link } = this.#parts
    const redis = await link.ask((client) => describeRedis(client, link.place), { queue: this.name })
    return description(this.name, redis, await readStatus(this.#parts))
  }

  /** Each slot of each worker, as the workers said last: at most some seconds ago. */
  async getWorkerHealth(): Promise<readonly WorkerHealth[]> {
    return healthOf(this.#state === 'closed' ? this.#reading : await readStatus(this.#parts))
  }

  /**
   * For `prometheus()`, `otel()` and others that ask at once: the status as `getStatus()` said last. It is asked every `everyMs`, until you
   * stop it or this is closed.
   * @param everyMs default: 5,000
   */
  observed(everyMs = 5_000): ObservedRemote {
    const { statistics, events, outstanding } = this.#parts
    const read = (): void => void this.getStatus().catch(() => {})
    const timer = setInterval(read, everyMs)
    timer.unref()
    this.#observing.add(timer)
    read()
    const executor = this
    return {
      get concurrency() {
        return executor.#statusNow().maxWorkers
      },
      getStatus: () => this.#statusNow(),
      getHistograms: () => statistics.histograms(),
      get: (id) => outstanding.get(jobIdOf(id)) as ObservedRequest | undefined,
      on: (event, listener) => events.on(event, listener as never),
      off: (event, listener) => events.off(event, listener as never),
      stop: () => clearInterval(timer),
    }
  }

  /** Nothing starts any more, on no machine, until `resume()`. */
  async pause(): Promise<void> {
    const { link, queue, events } = this.#parts
    await link.ask(() => queue.pause(), { queue: this.name })
    events.tell(undefined, 'paused', { at: performance.now() })
  }

  async resume(): Promise<void> {
    const { link, queue, events } = this.#parts
    await link.ask(() => queue.resume(), { queue: this.name })
    events.tell(undefined, 'resumed', { at: performance.now() })
  }

  /**
   * How many may run at once, over all machines. A worker runs no more than it was made for in any case. It is kept in Redis until it is
   * set again. Without it, there is no bound but the `concurrency` of each worker.
   */
  async setConcurrency(concurrency: number): Promise<void> {
    const to = requireConcurrency(concurrency)
    const { link, keys, events } = this.#parts
    const before = await link.ask(
      async (client) => {
        const [was] = await Promise.all([
          client.hget(keys.meta, 'concurrency'),
          client.hset(keys.meta, 'concurrency', to),
          // Who waits for work looks for it once more.
          client.zadd(keys.marker, 0, '0'),
        ])
        return was
      },
      { queue: this.name },
    )
    events.tell(undefined, 'resized', { at: performance.now(), from: Number(before ?? 0), to })
  }

  /**
   * A dead letter, once more, with no attempts and without its old deadline.
   * @param generation only this one: see `find()`
   */
  async requeue(id: string, generation?: number): Promise<boolean> {
    const { link, scripts, queue, outstanding } = this.#parts
    const record = await this.#records.read(id)
    if (record?.state !== 'dead' || record.envelope === undefined) return false
    if (generation !== undefined && generation !== record.generation) return false
    const { deadline: _, startBy: __, startAt: ___, ...kept } = record.envelope
    const accepted = Math.max(Math.round(link.time.now()), record.generation + 1)
    const data: Envelope = { ...kept, accepted }
    const { jobId } = record
    const isRevived = await link.ask((client) =>
      scripts.revive(client, jobId, record.generation, accepted, JSON.stringify(data)),
    )
    if (!isRevived) return false
    // Its news are told here, too. Until it waits, what Redis has of it is its last end.
    const one = awaitedOf(jobId, id, record.tier, data, accepted)
    if (outstanding.get(jobId) === undefined) outstanding.add(one)
    try {
      await link.ask(async () => {
        const job = await queue.getJob(jobId)
        await job?.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true })
      })
    } catch (error) {
      outstanding.delete(one)
      one.state = 'rejected'
      one.end({ state: 'rejected', error, runMs: 0 })
      throw error
    }
    this.#teller.admitted(one)
    return true
  }

  /**
   * Forgets a dead letter.
   * @param generation only this one
   */
  async discard(id: string, generation?: number): Promise<boolean> {
    const { link, scripts } = this.#parts
    const record = await this.#records.read(id)
    if (record?.state !== 'dead' || (generation !== undefined && generation !== record.generation)) return false
    return link.ask((client) => scripts.forget(client, record.jobId, record.generation))
  }

  /** Fulfils as soon as nothing waits or runs, on no machine. */
  async idle(): Promise<void> {
    const { outstanding } = this.#parts
    for (;;) {
      const { waiting, running } = await this.getStatus()
      const isSettled = [...outstanding.values()].every((one) => one.callers === 0)
      // Of what is left in Redis an executor that has closed hears no more.
      if (this.#state === 'closed' || (waiting + running === 0 && isSettled)) return
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
    }
  }

  /** Submits no more, and fulfils when all that was submitted here has been answered. */
  drain(): Promise<void> {
    return this.close()
  }

  /**
   * Submits no more, and fulfils when all that is waited for here has been answered. With `drain: false`, what waits is let go at once,
   * and after `graceMs` all else: its callers get a `ParkedError`; it stays in Redis, and runs there. A
   * handle by `get()` is not waited for, and gets one, too. Workers are not closed by it.
   */
  close(options?: CloseOptions): Promise<void> {
    const { drain, graceMs } = readCloseOptions(options)
    const { outstanding } = this.#parts
    if (this.#state === 'open') this.#state = 'closing'
    const letGo = (isAll: boolean): void => {
      for (const one of [...outstanding.values()]) {
        if (isAll || one.callers === 0 || waits.has(one.state)) this.#park(one)
      }
    }
    if (!drain) letGo(false)
    const timer = graceMs < MAX_DELAY_MS ? setTimeout(() => letGo(true), graceMs) : undefined
    this.#closing ??= this.#close()
    return this.#closing.finally(() => clearTimeout(timer))
  }

  /** @internal For `moveRequests()`: that it was submitted here is no reason to wait for it. */
  static letGo(executor: RemoteExecutor<never, unknown>, id: string): void {
    const one = #parts in executor ? executor.#parts.outstanding.get(jobIdOf(id)) : undefined
    if (one?.callers === 1) executor.#park(one)
  }

  #park(one: Awaited): void {
    const error = new ParkedError({ queue: this.name, requestId: one.id, priority: one.priority })
    this.#teller.settled(one, { state: 'parked', error, runMs: 0 })
  }

  async #close(): Promise<void> {
    const { outstanding, stream, link, queue, events } = this.#parts
    for (;;) {
      const awaited = [...outstanding.values()].filter(({ callers, state }) => callers > 0 || state === 'storing')
      if (awaited.length === 0) break
      await Promise.all(awaited.map(({ callers, admitted, ended }) => (callers > 0 ? ended : admitted)))
    }
    // Nobody has submitted them here. Who has a handle of one is told that nothing more is heard of it.
    for (const one of [...outstanding.values()]) this.#park(one)
    await this.getStatus().catch(() => {})
    this.#state = 'closed'
    for (const timer of [this.#timer, ...this.#observing]) clearInterval(timer)
    stream.close()
    await queue.close().catch(() => {})
    link.close()
    events.tell(undefined, 'closed', { at: performance.now() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** About requests that were submitted, or are waited for, here; and about what was changed here. */
  on<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#parts.events.on(event, listener as never)
    return this
  }

  once<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#parts.events.once(event, listener as never)
    return this
  }

  off<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#parts.events.off(event, listener as never)
    return this
  }
}

/** What is read of a request that lives. */
export interface ObservedRequest {
  readonly enqueuedAt: number
  readonly state: RequestState
}

/** What `prometheus()` and `otel()` read. */
export interface ObservedRemote {
  readonly concurrency: number
  getStatus(): ExecutorStatus
  getHistograms(): ExecutorHistograms
  get(id: string): ObservedRequest | undefined
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  /** Asks Redis no more. */
  stop(): void
}

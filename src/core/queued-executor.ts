/**
 * The public face. What is behind it, and which station comes when, is said in `engine.ts`.
 *
 *     request ──▶ admit ──▶ queue ──▶ run ──▶ settle ──▶ watch
 */
import type { OnDuplicate } from './admit/duplicates.ts'
import type { Source } from './admit/source.ts'
import { isYes, requireConcurrency, requireOptions, requireTier } from './checks.ts'
import type { CloseOptions } from './close-options.ts'
import { type EffectiveOptions, effectiveOptions } from './effective-options.ts'
import { Engine } from './engine.ts'
import {
  CancelledError,
  DuplicateRequestError,
  OptionsError,
  OverloadedError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  WaitTimeoutError,
} from './errors.ts'
import { type MapArguments, type MapOptions, mapOver } from './map.ts'
import type {
  ConstructorOptions,
  QueuedExecutorOptions,
  RequestArguments,
  RequestOptions,
  UpdateOptions,
} from './options.ts'
import { NORMAL, type Priority } from './priority.ts'
import type { QueuedRequest } from './queued-request.ts'
import { RequestRecord, subjectOf } from './request-record.ts'
import { State } from './request-state.ts'
import { hasNoContext } from './run/inside.ts'
import type { WorkerHealth } from './run/slot.ts'
import type { Executor } from './run/slots.ts'
import { readSettings, type Settings } from './settings.ts'
import type { JoinedRequest } from './settle/joined-request.ts'
import { update } from './update.ts'
import type { ExecutorEvent, Listener } from './watch/events.ts'
import { type ExecutorHealth, healthOf } from './watch/health.ts'
import { findIn, type RequestView } from './watch/request-view.ts'
import type { ExecutorHistograms } from './watch/statistics.ts'
import type { ExecutorStatus } from './watch/status.ts'
import { isWaiting, viewOf, type WaitingRequest } from './watch/waiting.ts'

/**
 * An async function behind a priority queue.
 *
 * ```ts
 * const llm = new QueuedExecutor(async (prompt: string, run) => complete(prompt, { signal: run.signal }), {
 *   concurrency: 8,
 *   maxQueueSize: 1_000,
 * })
 * const answer = await llm.execute('What is TypeScript?', { priority: 'urgent' })
 * ```
 */
export class QueuedExecutor<Req = unknown, Res = unknown, Metadata = unknown, Input = Req> {
  readonly #parts: Engine

  /** The default of the option, for a class of requests of which two are never equal. */
  protected static onDuplicate(): OnDuplicate {
    return 'join'
  }

  /**
   * @param executor runs one request; it is never called on its caller's stack
   * @throws {OptionsError}
   */
  constructor(executor: Executor<Req, Res, Metadata>, options?: ConstructorOptions<Req, Metadata, Input> | undefined) {
    if (typeof executor !== 'function') throw new OptionsError('executor', 'a function', executor)
    const settings = readSettings(options as QueuedExecutorOptions, new.target.onDuplicate())
    this.#parts = new Engine(ofKinds(executor as Executor<unknown, unknown>, settings.kinds), settings)
  }

  /** Each member asks for it: fake timers that have come, or gone, since the last call are noticed now. */
  get #engine(): Engine {
    const engine = this.#parts
    engine.timeline.follow()
    engine.plain.catchUp()
    return engine
  }

  /**
   * Runs a request when its turn comes, and fulfils with the executor's answer.
   *
   * Rejects with the executor's own error, untouched; with `signal.reason` when the signal was aborted; or with a
   * `TriageError`: see `code`.
   */
  execute(request: Input, ...options: RequestArguments<Metadata>): Promise<Res>
  execute(request: Input, options?: RequestOptions<Metadata>): Promise<Res> {
    // Written out, as in `plain-path.ts`: what it calls is most of what a request costs a service whose code is cold.
    const { arrivals, plain, settings, slots, timeline } = this.#parts
    timeline.follow()
    const record = new RequestRecord<unknown, Res>(request, NORMAL, plain.arrival())
    const promise = new Promise<Res>((resolve) => {
      record.resolve = resolve
    })
    if (options === undefined || arrivals.reads(record as RequestRecord, options)) {
      const isThere = record.extras === undefined && plain.isOn && plain.comes(record as RequestRecord)
      if (!isThere) arrivals.arrive(record as RequestRecord, settings.whenFull)
    }
    if (slots.active === 0 || record.context === undefined) return promise
    return this.#parts.selfWaiting.watch(record as RequestRecord, promise)
  }

  /** Does it come from inside a run, perhaps? */
  #mayBeInside(record: RequestRecord<unknown, Res>): boolean {
    return this.#parts.slots.active > 0 && !hasNoContext(record)
  }

  /**
   * Fulfils with a handle as soon as the request is admitted; rejects when it is not. With `whenFull: 'block'`,
   * `await submit()` in a loop is backpressure.
   */
  submit(request: Input, ...options: RequestArguments<Metadata>): Promise<QueuedRequest<Req, Res, Metadata>>
  submit(request: Input, options?: RequestOptions<Metadata>): Promise<QueuedRequest<Req, Res, Metadata>> {
    const { arrivals, selfWaiting } = this.#engine
    const record = new RequestRecord<unknown, Res>(request, NORMAL, arrivals.instant())
    const extras = record.more()
    extras.kept = true
    const promise = new Promise<QueuedRequest<Req, Res, Metadata>>((resolve, reject) => {
      extras.admission = { resolve, reject }
      arrivals.comes(known(record), options)
    })
    return this.#mayBeInside(record) ? selfWaiting.watch(known(record), promise, State.WAITING) : promise
  }

  /**
   * Admits a request now or not at all: synchronous, atomic; never waits, and never throws for load.
   * @throws {OptionsError} for bad options, and when the `schema` is asynchronous
   * @throws {InvalidRequestError}
   * @throws {DuplicateRequestError} when a request with its id is live that has another payload
   */
  offer(request: Input, ...options: RequestArguments<Metadata>): QueuedRequest<Req, Res, Metadata> | undefined
  offer(request: Input, options?: RequestOptions<Metadata>): QueuedRequest<Req, Res, Metadata> | undefined {
    const { arrivals, refusals, settings } = this.#engine
    const record = new RequestRecord<unknown, Res>(request, NORMAL, arrivals.instant())
    const extras = record.more()
    extras.kept = true
    extras.nowOrNever = true
    let handle: QueuedRequest<Req, Res, Metadata> | undefined
    let refusal: unknown
    extras.admission = {
      resolve: (admitted) => {
        handle = admitted
      },
      reject: (error) => {
        refusal = error
      },
    }
    if (options !== undefined && !arrivals.reads(known(record), options)) {
      if (refusal instanceof WaitTimeoutError) return undefined
      throw refusal
    }
    const { signal } = extras
    arrivals.arrive(known(record), settings.whenFull === 'block' ? 'reject' : settings.whenFull)
    if (record.status === State.CHECKING) {
      const error = new OptionsError('schema', 'a synchronous one for offer(), or submit()', 'an asynchronous schema')
      refusals.refuse(known(record), error)
    }
    if (handle !== undefined || refusal instanceof QueueFullError || refusal instanceof QueueClosedError) return handle
    if (refusal instanceof OverloadedError || refusal instanceof RateLimitedError) return undefined
    if (signal?.aborted === true) return undefined
    if (refusal instanceof DuplicateRequestError && refusal.reason === 'live') return undefined
    // Not for load, but for what is wrong with the request itself, or with the schema.
    throw refusal
  }

  /**
   * The results of a source's requests, read only as fast as slots and room allow. It blocks for room whatever `whenFull`
   * says, and a request that a rate or a guard refuses is submitted again when it would come in.
   *
   * The first error ends it: its live requests are cancelled and the source is closed. `break` and an abort of `signal` do the
   * same. `close()` ends it after the results of admitted requests. All of this works while the source is quiet, too. A Node
   * stream is then destroyed, a web stream cancelled; but a generator that awaits for ever can't be stopped.
   * @throws {OptionsError} at once; errors of the source, and the first error of a request, come through the iterator
   */
  map(requests: Source<Input>, ...options: MapArguments<Metadata>): AsyncGenerator<Res, void, undefined>
  map(requests: Source<Input>, options: MapOptions<Metadata> = {}): AsyncGenerator<Res, void, undefined> {
    return mapOver(this.#engine, requests, options)
  }

  /** The handle of a live request; undefined when there is none with this id (any more). */
  get(id: string): QueuedRequest<Req, Res, Metadata> | undefined {
    const record = this.#engine.parties.byId(id)
    if (record === undefined) return undefined
    const extras = record.more()
    extras.kept = true
    // The caller who submitted it may have left: then the handle of another who shares it.
    if (extras.left !== undefined)
      for (const joined of extras.joined as Set<JoinedRequest<Req, Res>>)
        return joined as QueuedRequest<Req, Res, Metadata>
    return record as QueuedRequest<Req, Res, Metadata>
  }

  /** Ends a live request, for all who share it, with a `CancelledError`. False when there is none with this id. */
  cancel(id: string, reason?: unknown): boolean {
    const record = this.#engine.parties.byId(id)
    if (record === undefined) return false
    return this.#engine.endings.finish(record, State.CANCELLED, new CancelledError(reason, subjectOf(record), 'id'))
  }

  /** How many would start before it: 0 is next. Undefined when no request with this id waits in the queue. */
  position(id: string): number | undefined {
    const record = this.#engine.parties.byId(id)
    return record === undefined ? undefined : this.#engine.moves.position(record)
  }

  /**
   * What waits: all that were admitted and have no slot, those included that are put off or tried again. By priority, and within
   * one in their order; then those that are not in the queue yet. It may be changed meanwhile: what has started or ended by then is
   * left out, and what has come since is not shown. Costs some time for each that waits.
   */
  *waiting(): Generator<WaitingRequest<Req, Metadata>, void, undefined> {
    for (const record of this.#engine.waiting()) if (isWaiting(record)) yield viewOf<Req, Metadata>(record)
  }

  /**
   * Ends what waits, or those of them that `matches` says yes to, each for all who share it, with a `CancelledError`. What runs
   * goes on, and blocked callers come in. All are asked about before the first one is ended.
   * @returns how many were ended
   * @throws {OptionsError} unless `matches` is a function, and when it is asynchronous; what it throws. Then none was ended
   */
  clear(matches?: (waiting: WaitingRequest<Req, Metadata>) => boolean, reason?: unknown): number {
    const { endings } = this.#engine
    let records = this.#engine.waiting()
    if (matches !== undefined) {
      if (typeof matches !== 'function') throw new OptionsError('clear', 'a function', matches)
      records = records.filter((record) => isYes('clear', matches(viewOf<Req, Metadata>(record))))
    }
    let ended = 0
    for (const record of records) {
      // Whoever hears of one may do anything about the next.
      if (!isWaiting(record)) continue
      endings.end(record, State.CANCELLED, new CancelledError(reason, subjectOf(record), 'clear'))
      ended++
    }
    return ended
  }

  /** Starts no more requests until `resume()`. Present runs go on, and requests are still admitted. */
  pause(): void {
    this.#engine.pause()
  }

  resume(): void {
    this.#engine.resume()
  }

  /**
   * Changes bounds, timeouts and guards while it runs: all that is named, or nothing. A smaller bound displaces nobody; requests
   * that are live keep their timeouts. Whether anything of a priority may wait (`'none'`) can't be changed.
   * @throws {OptionsError}
   */
  update(options: UpdateOptions<Req, Metadata>): void {
    update(this.#engine, options as UpdateOptions)
  }

  /** What it is called in logs, metrics and stores. */
  get name(): string {
    return this.#parts.settings.name
  }

  /** How many calls of the executor may run at once. A smaller number shrinks as runs end. */
  get concurrency(): number {
    return this.#engine.slots.limit
  }

  /** @throws {OptionsError} unless it is an integer of at least 1 */
  set concurrency(concurrency: number) {
    this.#engine.resize(requireConcurrency(concurrency))
  }

  /** The same as to set `concurrency`. @throws {OptionsError} unless it is an integer of at least 1 */
  setConcurrency(concurrency: number): void {
    this.concurrency = concurrency
  }

  /**
   * Resolves as soon as `offer()` would admit a request of this priority without displacing another one: when there is room,
   * and no guard says no. Guards are given `about`, the request and its metadata, and take no token for it. A guard that refuses
   * is asked again when a run ends, and at the time that it has named (1 s later, if it names none).
   *
   * It reserves nothing: the first request that is submitted has the place. Between a refusal and the next answer the event loop
   * has a turn, so `while (!queue.offer(request)) await queue.ready()` never blocks a program. A pending `ready()` keeps the
   * process alive, as a waiting request does.
   *
   * Rejects with a `QueueClosedError` when the executor closes, and with the error that a guard throws.
   */
  ready(
    priority: Priority = 'normal',
    about: { request?: Req | undefined; metadata?: Metadata | undefined } = {},
  ): Promise<void> {
    try {
      requireOptions('about', about, ['request', 'metadata'])
      const { room, timeline } = this.#engine
      const record = new RequestRecord(about.request, requireTier(priority), timeline.instant())
      const { metadata } = about
      if (metadata !== undefined) record.more().metadata = metadata
      return room.until(known(record))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Fulfils when all that has happened so far is in the store: what was admitted, changed, cancelled, paused. At once without one.
   * @throws {StoreUnavailableError} through the promise, when the store is closed before that
   */
  flushed(): Promise<void> {
    return this.#engine.keeper?.flushed() ?? Promise.resolve()
  }

  /** A request with this id, live or kept by the store; undefined when there is none. */
  find(id: string): Promise<RequestView | undefined> {
    return findIn(this.#engine, id)
  }

  /**
   * Gives a dead letter of the store a new life, with no attempts.
   * @param generation only this one
   * @returns false when there is none (any more), when it is corrupt, while another request with its id is live, while the answer of
   *   a later one with its id is kept, and without a store
   * @throws {QueueClosedError} through the promise
   */
  requeue(id: string, generation?: number): Promise<boolean> {
    return this.#engine.keeper?.requeue(id, generation) ?? Promise.resolve(false)
  }

  /**
   * Forgets a dead letter of the store.
   * @param generation only this one
   * @returns false when there is none (any more), and without a store
   */
  discard(id: string, generation?: number): Promise<boolean> {
    return this.#engine.keeper?.discard(id, generation) ?? Promise.resolve(false)
  }

  /** Resolves as soon as nothing waits or runs. Stuck slots, whose callers were answered, are not waited for. */
  idle(): Promise<void> {
    return this.#engine.closing.idle()
  }

  /** Stops admitting, and resolves when all that was admitted has ended: `close()` without a time limit. */
  drain(): Promise<void> {
    return this.close()
  }

  /**
   * Stops admitting, finishes, and resolves when nothing runs any more. Blocked requests are refused at once. Idempotent:
   * a second call may shorten `graceMs`, never lengthen it. With `lameDuckMs` all of this begins only after so many ms. Awaited
   * inside the executor, it does not wait for the runs that await it; before Node 24 that is known only in the synchronous part
   * of a run, and `run.close()` says it explicitly.
   * @throws {OptionsError} through the promise
   */
  close(options?: CloseOptions): Promise<void> {
    const engine = this.#engine
    return engine.close(options, engine.slots.calledFrom)
  }

  /** `await using` closes with `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Calls `listener` at each such event, in the AsyncLocalStorage context of the request's own submitter. */
  on<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, Metadata, Input>): this {
    this.#engine.events.on(event, listener as Listener<E>)
    return this
  }

  /** Calls `listener` at the next such event only. */
  once<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, Metadata, Input>): this {
    this.#engine.events.once(event, listener as Listener<E>)
    return this
  }

  /** The same as `off()`, by the name that `events.once()` and `events.on()` of Node call. */
  removeListener<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, Metadata, Input>): this {
    return this.off(event, listener)
  }

  /** Takes a listener away, as often as it was added to this event. */
  off<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, Metadata, Input>): this {
    this.#engine.events.off(event, listener as Listener<E>)
    return this
  }

  /** The effective options, in their own words: what was given, the defaults, and what has changed since. Frozen; made anew. */
  get settings(): EffectiveOptions<Req, Input> {
    return effectiveOptions(this.#engine.settings, this.concurrency)
  }

  /** Shall it be sent requests, and does it work at all? For readiness and liveness probes. */
  health(): ExecutorHealth {
    return healthOf(this.#engine)
  }

  /** How it stands, as a plain object. Takes some 50 µs, whatever the backlog. */
  getStatus(): ExecutorStatus {
    return this.#engine.status()
  }

  /** The durations behind `getStatus()`, for an exporter. */
  getHistograms(): ExecutorHistograms {
    return this.#engine.statistics.histograms()
  }

  /** One entry for each slot. */
  getWorkerHealth(): WorkerHealth[] {
    return this.#engine.slots.health()
  }
}

/** The function of each kind. */
function ofKinds(executor: Executor<unknown, unknown>, kinds: Settings['kinds']): Executor<unknown, unknown> {
  if (kinds.size === 0) return executor
  return (request, run) => (kinds.get(run.kind as string)?.executor ?? executor)(request, run)
}

/** As the stations know it: what a request and its answer are is no concern of theirs. */
function known<Req, Res>(record: RequestRecord<Req, Res>): RequestRecord {
  return record as RequestRecord
}

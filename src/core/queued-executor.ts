/**
 * The whole path of a request: the one file that knows the order of the stations.
 *
 *     request ──▶ admit ──▶ queue ──▶ run ──▶ settle ──▶ watch
 *
 * Step 1, arrive: options, schema, duplicates. Step 2, admit: room, or refuse, block, shed. Step 3, wait: in the queue,
 * by rank. Step 4, run: in a slot. Step 5, settle: the only place where a request ends. Step 6, cancel, leave, expire:
 * the ways to end before the answer. Step 7, tell: events, statistics, status.
 *
 * Three things may run code of the user in the middle of a step: an executor, a listener and an abort listener. So each
 * step first brings all numbers and structures in order, and only then calls out; and after each call out it looks again.
 */
import { Capacity } from './admit/capacity.ts'
import { Checking } from './admit/checking.ts'
import { Gate } from './admit/gate.ts'
import { Outlook } from './admit/outlook.ts'
import { Pauses } from './admit/pauses.ts'
import {
  type PullOptions,
  type PullTarget,
  pull,
  requirePullOptions,
  requireSource,
  type Source,
} from './admit/pull.ts'
import { Room } from './admit/room.ts'
import { isSame } from './admit/same-request.ts'
import { type Checked, check, type StandardSchema } from './admit/schema.ts'
import { noAnswer, requireConcurrency, requireOptions, requireTier } from './checks.ts'
import { Alarm, type Instant, inAnotherTurn, soon, Timeline } from './clock.ts'
import {
  CancelledError,
  DuplicateRequestError,
  type FullBound,
  InvalidRequestError,
  OptionsError,
  OverloadedError,
  QueueClosedError,
  QueueFullError,
  RateLimitedError,
  RunTimeoutError,
  reasonOf,
  ShedError,
} from './errors.ts'
import {
  type CloseOptions,
  type QueuedExecutorOptions,
  type RequestOptions,
  readCloseOptions,
  readRequestOptions,
  readSettings,
  type Settings,
  type WhenFull,
} from './options.ts'
import { type Priority, priorityOf } from './priority.ts'
import { HeldBack } from './queue/held-back.ts'
import { Tiers } from './queue/tiers.ts'
import { TimeLimits } from './queue/time-limits.ts'
import { type Extras, type QueuedRequest, RequestRecord, State, startsLater, subjectOf } from './queued-request.ts'
import { hasNoContext } from './run/inside.ts'
import { Learner } from './run/learner.ts'
import { Reserve } from './run/reserve.ts'
import { Run } from './run/run-context.ts'
import { SelfWaiting } from './run/self-waiting.ts'
import { type Executor, type PoolHost, type RunTimes, Slots, type WorkerHealth } from './run/slots.ts'
import { Turns } from './run/turns.ts'
import { Closing } from './settle/closing.ts'
import type { JoinedRequest } from './settle/joined-request.ts'
import { type HowItLeft, isReasonOf, Parties, type Party } from './settle/parties.ts'
import type { RetryPolicy } from './settle/retry.ts'
import { Audit } from './watch/audit.ts'
import { Events, type ExecutorEvent, type Listener } from './watch/events.ts'
import { type ExecutorHistograms, Statistics } from './watch/statistics.ts'
import { type ExecutorStatus, statusOf } from './watch/status.ts'
import { Teller } from './watch/teller.ts'
import { withoutContext } from './without-context.ts'

/** What `map()` may be told: the options of each request, and how to pull. */
export type MapOptions = PullOptions & Omit<RequestOptions, 'id' | 'onDuplicate'>

const mapOptions = Object.keys({
  ...{ ordered: 0, window: 0, priority: 0, signal: 0, waitTimeoutMs: 0, runTimeoutMs: 0, timeoutMs: 0 },
  ...{ metadata: 0, cost: 0, delayMs: 0, startAt: 0, after: 0 },
} satisfies { [K in keyof Required<MapOptions>]: 0 })

const NORMAL = 2

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
export class QueuedExecutor<Req = unknown, Res = unknown> {
  readonly #settings: Settings<Req>
  readonly #timeline: Timeline
  readonly #alarm: Alarm
  // Admit.
  readonly #gate: Gate
  readonly #outlook: Outlook
  readonly #pauses = new Pauses()
  readonly #capacity: Capacity
  readonly #room: Room<RequestRecord<Req, Res>>
  readonly #blocked: Tiers<RequestRecord<Req, Res>>
  // Those that an asynchronous schema looks at.
  readonly #checking: Checking<RequestRecord<Req, Res>>
  // Those of `map()` that read a source: told when it closes.
  readonly #pulls = new Set<(error: unknown) => void>()
  // The payloads of those with an id of their own as they were submitted, of which a schema has made others.
  readonly #submitted = new WeakMap<RequestRecord<Req, Res>, Req>()
  // Queue.
  readonly #queue: Tiers<RequestRecord<Req, Res>>
  readonly #held: HeldBack<RequestRecord<Req, Res>>
  readonly #limits: TimeLimits<Party<Req, Res>>
  /** Has each request a time limit that counts from its submission? */
  readonly #timesAll: boolean
  /** Is no policy asked about a newcomer, and may requests of each priority wait? */
  readonly #isPlain: boolean
  /** Is anything told that the slot of a run is not busy any more? */
  readonly #hearsReturns: boolean
  // Run.
  readonly #slots: Slots<Req, Res>
  readonly #turns: Turns<RequestRecord<Req, Res>>
  readonly #learner: Learner | undefined
  readonly #selfWaiting: SelfWaiting
  #running = 0
  #paused = false
  #dispatching = false
  #yielding = false
  // Settle.
  readonly #parties: Parties<Req, Res>
  readonly #closing: Closing
  // Watch.
  readonly #events: Events
  readonly #tell: Teller
  readonly #statistics = new Statistics()
  /** With `debug` only. */
  readonly #audit: Audit | undefined
  readonly #owner = {
    name: '',
    cancel: (record: RequestRecord, reason: unknown) => this.#cancel(own(record), reason),
    setPriority: (record: RequestRecord, priority: Priority) => this.#move(own(record), requireTier(priority)),
    position: (record: RequestRecord) => this.#position(own(record)),
    waitUntil: (record: RequestRecord) => record.timedFrom + this.#limits.untilRunOf(record),
    dueAt: (record: RequestRecord, startedAt: number) =>
      Math.min(startedAt + this.#limits.runOf(record), this.#parties.wantedUntil(own(record))),
    slots: () => this.#slots,
    watched: <T>(record: RequestRecord, promise: Promise<T>) => this.#selfWaiting.watch(record, promise),
    named: (record: RequestRecord, id: string) => this.#parties.named(own(record), id),
  }
  // One of each kind that comes and goes is kept: when a collection finds none, V8 throws away the code made for it, and
  // the first thousand requests after an idle moment take three times as long.
  readonly #kept: object[] = []

  /**
   * @param executor runs one request; it is never called on its caller's stack
   * @throws {OptionsError}
   */
  constructor(executor: Executor<Req, Res>, options?: QueuedExecutorOptions<Req>) {
    if (typeof executor !== 'function') throw new OptionsError('executor', 'a function', executor)
    const settings = readSettings(options)
    const { clock, order } = settings
    this.#owner.name = settings.name
    const host = this.#host()
    const { running } = host
    const [statistics, pauses] = [this.#statistics, this.#pauses]
    const timeline = new Timeline(clock, this.#owner)
    const alarm = new Alarm(clock, timeline, (now) => this.#ring(now))
    const limits = new TimeLimits<Party<Req, Res>>(settings, timeline, alarm)
    const events = new Events(settings.onListenerError)
    const queue = new Tiers<RequestRecord<Req, Res>>(order, (error) => events.reportOf('started', error))
    const blocked = new Tiers<RequestRecord<Req, Res>>()
    const slots = new Slots(executor, this.#slotsHost(), settings.concurrency, settings.onStuck, settings.maxReplaced)
    const turns = new Turns(new Reserve(settings.reserve, settings.lendReserve), queue, slots, settings.byTier)
    const capacity = new Capacity(queue, settings.total, settings.byTier, settings.maxBlocked, turns.seats)
    const random = () => events.jitter(settings.random)
    const outlook = new Outlook({ timeline, queue, capacity, slots, statistics, limits, pauses, running, random })
    this.#settings = settings
    this.#timeline = timeline
    this.#alarm = alarm
    this.#gate = new Gate(host, outlook, settings.rateLimits, settings.overload, timeline, alarm)
    this.#outlook = outlook
    this.#capacity = capacity
    this.#room = new Room(host, blocked, capacity, events, timeline)
    this.#blocked = blocked
    this.#checking = new Checking(settings.maxChecking)
    this.#queue = queue
    this.#isPlain = !queue.asksRanks && !turns.seats.isOn && !this.#gate.asksAtArrival
    this.#held = new HeldBack<RequestRecord<Req, Res>>(host, queue, capacity, limits, timeline, alarm)
    this.#limits = limits
    this.#timesAll = settings.waitLimitMs.some(Number.isFinite)
    this.#slots = slots
    this.#turns = turns
    this.#learner = settings.limit === undefined ? undefined : new Learner(settings.limit, host, timeline)
    this.#selfWaiting = new SelfWaiting(host, slots, timeline, alarm)
    this.#parties = new Parties<Req, Res>(host, limits, timeline)
    this.#closing = new Closing(host, slots, timeline, alarm)
    this.#events = events
    this.#tell = new Teller(events, timeline)
    this.#audit = settings.debug ? this.#makeAudit() : undefined
    this.#hearsReturns = this.#audit !== undefined || turns.keepsSlots || order.settled !== undefined
    const record = withoutContext(new RequestRecord(undefined, NORMAL, { at: Number.NaN, owner: this.#owner }))
    record.more()
    this.#kept.push(record, new Run(record, record.arrived))
  }

  /**
   * Runs a request when its turn comes, and fulfils with the executor's answer.
   *
   * Rejects with the executor's own error, untouched; with `signal.reason` when the signal was aborted; or with a
   * `TriageError`: see `code`.
   */
  execute(request: Req, options?: RequestOptions): Promise<Res> {
    const record = new RequestRecord<Req, Res>(request, NORMAL, this.#arrival())
    const promise = record.promise()
    if (options === undefined || this.#reads(record, options)) this.#arrive(record, this.#settings.whenFull)
    return this.#mayBeInside(record) ? this.#selfWaiting.watch(record, promise) : promise
  }

  /** Does it come from inside a run, perhaps? */
  #mayBeInside(record: RequestRecord<Req, Res>): boolean {
    return this.#slots.active > 0 && !hasNoContext(record)
  }

  /**
   * Fulfils with a handle as soon as the request is admitted; rejects when it is not. With `whenFull: 'block'`,
   * `await submit()` in a loop is backpressure.
   */
  submit(request: Req, options?: RequestOptions): Promise<QueuedRequest<Req, Res>> {
    const record = new RequestRecord<Req, Res>(request, NORMAL, this.#arrival())
    const extras = record.more()
    extras.kept = true
    const promise = new Promise<QueuedRequest<Req, Res>>((resolve, reject) => {
      extras.admission = { resolve, reject }
      if (options === undefined || this.#reads(record, options)) this.#arrive(record, this.#settings.whenFull)
    })
    return this.#mayBeInside(record) ? this.#selfWaiting.watch(record, promise, State.WAITING) : promise
  }

  /**
   * Admits a request now or not at all: synchronous, atomic; never waits, and never throws for load.
   * @throws {OptionsError} for bad options, and when the `schema` is asynchronous
   * @throws {InvalidRequestError}
   * @throws {DuplicateRequestError} when a request with its id is live that has another payload
   */
  offer(request: Req, options?: RequestOptions): QueuedRequest<Req, Res> | undefined {
    const record = new RequestRecord<Req, Res>(request, NORMAL, this.#arrival())
    const extras = record.more()
    extras.kept = true
    extras.nowOrNever = true
    let handle: QueuedRequest<Req, Res> | undefined
    let refusal: unknown
    extras.admission = {
      resolve: (admitted) => {
        handle = admitted
      },
      reject: (error) => {
        refusal = error
      },
    }
    if (options !== undefined && !this.#reads(record, options)) throw refusal
    const { signal } = extras
    this.#arrive(record, this.#settings.whenFull === 'block' ? 'reject' : this.#settings.whenFull)
    if (record.status === State.CHECKING) {
      const error = new OptionsError('schema', 'synchronous for offer(); use submit()', 'an asynchronous schema')
      this.#refuse(record, error)
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
   * The first error ends it: what is on its way is cancelled, the source closed; so do `break` and an abort of `signal`, and
   * so does `close()`, after the results of what was admitted. All are heard while the source is quiet too. A stream of Node
   * is destroyed then, one of the web cancelled; but a generator that awaits for ever can't be stopped.
   * @throws {OptionsError} at once; what the source throws, and the first error of a request, by the iterator
   */
  map(requests: Source<Req>, options: MapOptions = {}): AsyncGenerator<Res, void, undefined> {
    requireSource(requests)
    requireOptions('map', options, mapOptions)
    // Each is read once, own or inherited.
    const given: MapOptions = Object.fromEntries(mapOptions.map((name) => [name, options[name as keyof MapOptions]]))
    const { ordered = true, window, ...each } = given
    requirePullOptions(ordered, window)
    const outer = each.signal
    const made = (request: Req) => new RequestRecord<Req, Res>(request, NORMAL, this.#arrival())
    const asking = (request?: Req): RequestRecord<Req, Res> => {
      const record = made(request as Req)
      readRequestOptions(each, record)
      return record
    }
    const first = asking()
    if (first.cost > 1) this.#requireCost(first)
    const neverFits = this.#neverFits(first)
    const target: PullTarget<Req, Res> = {
      window: () => window ?? 2 * this.#slots.limit,
      room: (signal) => {
        if (neverFits) return Promise.reject(this.#fullError('total', first))
        return this.#room.until(first, signal, false)
      },
      asksFirst: this.#gate.asksAtArrival && this.#settings.schema === undefined,
      ready: (request, signal) => this.#room.until(asking(request), signal),
      run: (request, isChecked, signal, { resolve, reject, refused }) => {
        const record = made(request)
        record.resolve = resolve
        record.reject = (error) => {
          if (record.status === State.REJECTED) refused(error, record.request)
          else reject(error)
        }
        if (!this.#reads(record, { ...each, signal })) return
        if (isChecked) this.#checked(record, { request }, 'block')
        else this.#arrive(record, 'block')
      },
      hears: (closed) => {
        this.#pulls.add(closed)
        return () => void this.#pulls.delete(closed)
      },
    }
    return pull(requests, target, ordered, outer)
  }

  /** The handle of a live request; undefined when there is none with this id (any more). */
  get(id: string): QueuedRequest<Req, Res> | undefined {
    const record = this.#parties.byId(id)
    if (record === undefined) return undefined
    const extras = record.more()
    extras.kept = true
    // The one who submitted it may have left: then the handle of another who shares it.
    if (extras.left !== undefined) for (const joined of extras.joined as Set<JoinedRequest<Req, Res>>) return joined
    return record
  }

  /** Ends a live request, for all who share it, with a `CancelledError`. False when there is none with this id. */
  cancel(id: string, reason?: unknown): boolean {
    const record = this.#parties.byId(id)
    return record !== undefined && this.#finish(record, State.CANCELLED, new CancelledError(reason, subjectOf(record)))
  }

  /** How many would start before it: 0 is next. Undefined when no request with this id waits in the queue. */
  position(id: string): number | undefined {
    const record = this.#parties.byId(id)
    return record === undefined ? undefined : this.#position(record)
  }

  /** Starts no more requests, until `resume()`. What runs goes on, and requests are still admitted. */
  pause(): void {
    if (this.#paused || this.#closing.begun) return
    this.#paused = true
    this.#pauses.begin(this.#timeline.now())
    this.#tell.all('paused', {})
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#pauses.end(this.#timeline.now())
    this.#schedule()
    this.#room.made()
    this.#tell.all('resumed', {})
  }

  /** How many calls of the executor may run at once. A smaller number shrinks as runs end. */
  get concurrency(): number {
    return this.#slots.limit
  }

  /** @throws {OptionsError} unless it is an integer of at least 1 */
  set concurrency(concurrency: number) {
    const from = this.#slots.limit
    const to = requireConcurrency(concurrency)
    this.#slots.limit = to
    this.#turns.refit()
    this.#schedule()
    this.#room.made()
    if (from !== to) this.#tell.all('resized', { from, to })
  }

  /**
   * Resolves as soon as `offer()` would admit a request of this priority without displacing another one: when there is room,
   * and no guard says no. Guards are told `about`, the request and its metadata, and take no token for it. One that refuses is
   * asked again when a run ends, and at the time that it has named (1 s later, if it names none).
   *
   * It reserves nothing: whoever submits first has the place. Between a refusal and the next answer the event loop has a turn,
   * so that `while (!queue.offer(request)) await queue.ready()` may stand in any program. It keeps the process alive, as a
   * request that waits does.
   *
   * Rejects with a `QueueClosedError` when the executor closes, and with what a guard throws.
   */
  ready(priority: Priority = 'normal', about: { request?: Req; metadata?: unknown } = {}): Promise<void> {
    try {
      requireOptions('about', about, ['request', 'metadata'])
      return this.#ready(requireTier(priority), about.request, about.metadata)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Resolves as soon as nothing waits or runs. Stuck slots, whose callers were answered, are not waited for. */
  idle(): Promise<void> {
    return this.#closing.idle()
  }

  /** Stops admitting, and resolves when all that was admitted has ended: `close()` without a time limit. */
  drain(): Promise<void> {
    return this.close()
  }

  /**
   * Stops admitting, finishes, and resolves when nothing runs any more. Blocked callers are refused at once. Idempotent:
   * a second call may ask for less patience, never for more. Awaited inside the executor, it does not wait for the runs
   * that await it.
   * @throws {OptionsError} through the promise
   */
  close(options?: CloseOptions): Promise<void> {
    try {
      const { drain, graceMs } = readCloseOptions(options)
      return this.#closing.close(drain, graceMs)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** `await using` closes with `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Calls `listener` at each such event, in the AsyncLocalStorage context of the request's own submitter. */
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): this {
    this.#events.on(event, listener)
    return this
  }

  /** Calls `listener` at the next such event only. */
  once<E extends ExecutorEvent>(event: E, listener: Listener<E>): this {
    this.#events.once(event, listener)
    return this
  }

  /** Takes a listener away, as often as it was added to this event. */
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): this {
    this.#events.off(event, listener)
    return this
  }

  /** The effective options: what was given, and the defaults, by priority. */
  get settings(): Settings<Req> {
    return this.#settings
  }

  /** How it stands, as a plain object. Takes some 50 µs, whatever the backlog. */
  getStatus(): ExecutorStatus {
    return statusOf({
      settings: this.#settings,
      state: this.#closing.closed ? 'closed' : this.#closing.begun ? 'closing' : this.#paused ? 'paused' : 'open',
      now: this.#timeline.now(),
      running: this.#running,
      retrying: this.#held.retrying,
      checking: this.#checking.size,
      limit: this.#learner === undefined ? null : this.#learner.status(),
      listenerErrors: this.#events.errors,
      capacity: this.#capacity,
      blocked: this.#blocked,
      queue: this.#queue,
      slots: this.#slots,
      seats: this.#turns.seats,
      statistics: this.#statistics,
    })
  }

  /** The durations behind `getStatus()`, for an exporter. */
  getHistograms(): ExecutorHistograms {
    return this.#statistics.histograms()
  }

  /** One entry for each slot. */
  getWorkerHealth(): WorkerHealth[] {
    return this.#slots.health()
  }

  #ready(tier: number, request?: Req, metadata?: unknown): Promise<void> {
    const record = new RequestRecord<Req, Res>(request as Req, tier, this.#timeline.instant())
    if (metadata !== undefined) record.more().metadata = metadata
    return this.#room.until(record)
  }

  // ── Step 1: arrive ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** One burst is one instant; but a time limit counts from a reading of its own, however long the burst takes. */
  #arrival(): Instant {
    return this.#timesAll ? this.#timeline.reading() : this.#timeline.instant()
  }

  #reads(record: RequestRecord<Req, Res>, options: RequestOptions): boolean {
    try {
      readRequestOptions(options, record)
      if (!this.#timesAll && isTimed(record)) record.arrived = this.#timeline.reading()
      if (record.cost > 1) this.#requireCost(record)
      return true
    } catch (error) {
      this.#refuse(record, error)
      return false
    }
  }

  /** What costs more than it can ever have would wait for ever. A limit that is learned says nothing about that. */
  #requireCost({ cost, tier }: RequestRecord<Req, Res>): void {
    const { concurrency, limit } = this.#settings
    if (limit !== undefined && limit.shadow !== true) return
    const most = this.#turns.mostFor(tier, concurrency)
    if (cost > most) throw new OptionsError('cost', `at most ${most}, the slots that it can have`, cost)
  }

  #arrive(record: RequestRecord<Req, Res>, whenFull: WhenFull): void {
    const { schema } = this.#settings
    if (this.#closing.begun) this.#refuse(record, new QueueClosedError(subjectOf(record)))
    else if (schema === undefined) this.#admit(record, whenFull)
    else this.#inspect(record, schema, whenFull)
  }

  #inspect(record: RequestRecord<Req, Res>, schema: StandardSchema<Req>, whenFull: WhenFull): void {
    // Only an asynchronous one is ever busy; it is not even asked, then.
    if (this.#checking.size >= this.#checking.max) {
      this.#refuse(record, this.#fullError('checking', record))
      return
    }
    const checked = check(schema, record.request)
    if (!(checked instanceof Promise)) {
      this.#checked(record, checked, whenFull)
      return
    }
    // While the schema looks at it, its signal and its timeouts count already, and close() refuses it.
    if (!this.#listens(record)) return
    record.status = State.CHECKING
    this.#lives(record)
    // No dispatch will arm the alarm for it.
    if (!this.#alarm.armed) this.#setAlarm(this.#timeline.now())
    this.#checking.add(record, checked, (result) => {
      record.status = State.ARRIVING
      const { extras } = record
      const signal = extras?.signal
      this.#dies(record)
      // It goes on, and its signal counts as before.
      if (extras !== undefined) extras.signal = signal
      this.#checked(record, result, whenFull)
      this.#closing.rest()
    })
  }

  #checked(record: RequestRecord<Req, Res>, checked: Checked<Req>, whenFull: WhenFull): void {
    if (this.#closing.begun) this.#refuse(record, new QueueClosedError(subjectOf(record)))
    else if ('request' in checked) {
      if (record.extras?.ownId === true) this.#submitted.set(record, record.request)
      record.request = checked.request
      this.#admit(record, whenFull)
    } else if ('issues' in checked) this.#refuse(record, new InvalidRequestError(checked.issues, subjectOf(record)))
    else this.#refuse(record, checked.error)
  }

  // ── Step 2: admit ──────────────────────────────────────────────────────────────────────────────────────────────────

  #admit(record: RequestRecord<Req, Res>, whenFull: WhenFull): void {
    const { extras } = record
    if (extras === undefined && this.#isPlain && this.#blocked.size === 0 && this.#comesPlain(record)) return
    if (extras !== undefined && !this.#comesForItself(record, extras)) return
    if (this.#gate.asksAtArrival && (this.#gate.keepsOut(record) || !this.#stillComes(record))) return
    this.#comesIn(record, whenFull, undefined)
  }

  /**
   * The usual way in, for a request that has nothing special, where no policy is asked: what `#comesIn` and `#enqueue` come to
   * then, in few enough steps for V8 to make one of them. False: there is no room.
   */
  #comesPlain(record: RequestRecord<Req, Res>): boolean {
    const slotIsFree = this.#slotIsFree()
    if (this.#capacity.bound(record.tier, slotIsFree) !== undefined) return false
    this.#queue.add(record)
    if (slotIsFree) this.#capacity.reserved++
    record.status = State.WAITING
    this.#statistics.admits(record.tier)
    this.#lives(record)
    if (this.#audit !== undefined) this.#audit.admitted(record as RequestRecord)
    if (this.#slots.free > 0) this.#schedule()
    const { listened } = this.#events
    if (listened.queued || listened.full) this.#tellQueued(record)
    return true
  }

  /** By the bounds; with its rank, as soon as that was asked for. */
  #comesIn(record: RequestRecord<Req, Res>, whenFull: WhenFull, rank: number | undefined): void {
    const slotIsFree = this.#slotIsFreeFor(record)
    // Where nothing may wait a guard was asked whether it holds this one.
    if (this.#turns.seats.isOn && !this.#stillComes(record)) {
      if (rank !== undefined) this.#queue.refuses(record, rank)
      return
    }
    const bound = this.#capacity.bound(record.tier, slotIsFree, record.cost > 1)
    if (bound !== undefined) this.#findsItFull(record, bound, whenFull, rank)
    else if (this.#blocked.size > 0 && this.#room.wouldBePassed(record.tier)) {
      this.#findsItFull(record, 'total', whenFull, rank)
      // It may be the first of them.
      this.#room.made()
    } else if (rank === undefined && this.#mustRank(record)) this.#comesRanked(record, whenFull)
    else this.#enqueue(record, slotIsFree, rank)
  }

  /** Is a policy asked for its rank, before anything changes? One that starts later is ranked when its time has come. */
  #mustRank(record: RequestRecord<Req, Res>): boolean {
    return this.#queue.asksRanks && !this.#held.awaits(record)
  }

  #comesRanked(record: RequestRecord<Req, Res>, whenFull: WhenFull): void {
    const rank = this.#rankOf(record)
    if (rank !== undefined) this.#comesIn(record, whenFull, rank)
  }

  /** Its rank; undefined: the order policy has thrown, or it does not come in after all. */
  #rankOf(record: RequestRecord<Req, Res>): number | undefined {
    let rank: number
    try {
      rank = this.#queue.rankOf(record)
    } catch (error) {
      // It may have come in meanwhile, by what the policy did before it has thrown: then it stays.
      if (record.status > State.BLOCKED) this.#events.reportOf('queued', error)
      else this.#refuse(record, error)
      return undefined
    }
    if (this.#stillComes(record)) return rank
    this.#queue.refuses(record, rank)
    return undefined
  }

  /** A policy was asked, and may have closed the executor meanwhile, or submitted another one with its id. */
  #stillComes(record: RequestRecord<Req, Res>): boolean {
    if (record.status === State.BLOCKED) return true
    if (record.status > State.BLOCKED) return false
    if (this.#closing.begun) {
      this.#refuse(record, new QueueClosedError(subjectOf(record)))
      return false
    }
    return record.extras === undefined || this.#comesForItself(record, record.extras)
  }

  /** False: its signal was aborted already, or it has joined a live request with its id. */
  #comesForItself(record: RequestRecord<Req, Res>, extras: Extras): boolean {
    if (!this.#listens(record)) return false
    const twin = extras.ownId ? this.#parties.byId(extras.id as string) : undefined
    if (twin === undefined) return true
    const onDuplicate = extras.later?.onDuplicate ?? this.#settings.onDuplicate
    if (onDuplicate === 'reject') {
      this.#refuse(record, new DuplicateRequestError(subjectOf(record)))
      return false
    }
    if (onDuplicate === 'join' && !this.#asksForTheSame(twin, record)) return false
    // Looked at again: a getter of what was compared may have ended the other.
    if (this.#parties.byId(extras.id as string) !== twin) return this.#comesForItself(record, extras)
    this.#join(twin, record)
    return false
  }

  /** False: it is refused, since its payload is another, or can't be compared. */
  #asksForTheSame(twin: RequestRecord<Req, Res>, record: RequestRecord<Req, Res>): boolean {
    const refuse = (error: unknown): false => {
      // A getter may have had it aborted.
      if (record.status === State.ARRIVING) this.#refuse(record, error)
      return false
    }
    let same: boolean
    try {
      same = isSame(this.#payloadOf(twin), this.#payloadOf(record))
    } catch (error) {
      return refuse(error)
    }
    if (!same) return refuse(new DuplicateRequestError(subjectOf(record), 'payload'))
    return this.#closing.begun ? refuse(new QueueClosedError(subjectOf(record))) : record.status === State.ARRIVING
  }

  /** As it was submitted: a schema may have made another of it. */
  #payloadOf(record: RequestRecord<Req, Res>): Req | undefined {
    const submitted = this.#submitted
    return submitted.has(record) ? submitted.get(record) : record.request
  }

  #findsItFull(record: RequestRecord<Req, Res>, bound: FullBound, whenFull: WhenFull, rank: number | undefined): void {
    const { seats } = this.#turns
    const isShed = whenFull === 'shed' && bound === 'total'
    // Where nothing may wait a guard is asked whether it holds this one.
    const mayDisplace = isShed && (!seats.areFor(record.tier) || this.#mayStart(record))
    const comes = !seats.isOn || this.#stillComes(record)
    const victim = comes && mayDisplace ? this.#victimOf(record) : undefined
    if (victim !== undefined) {
      if (rank === undefined && this.#mustRank(record)) this.#comesRanked(record, whenFull)
      else this.#displace(victim, record, rank)
      return
    }
    if (rank !== undefined) this.#queue.refuses(record, rank)
    if (!comes || (rank !== undefined && !this.#stillComes(record))) return
    if (whenFull === 'block' && !this.#neverFits(record)) this.#block(record)
    else this.#refuse(record, this.#fullError(bound, record))
  }

  /** Its signal will be heard; false: it was aborted already, and the request is refused. */
  #listens(record: RequestRecord<Req, Res>): boolean {
    const signal = record.extras?.signal
    if (signal === undefined) return true
    try {
      if (!signal.aborted) this.#parties.hears(record, signal)
      // Asked again: it may be anybody's object, and do anything when it is listened to.
      if (!signal.aborted) return record.status === State.ARRIVING
      this.#refuse(record, signal.reason)
    } catch (error) {
      this.#refuse(record, error)
    }
    return false
  }

  /**
   * Is there a slot that nobody was promised? Those who are back for another attempt have none promised, and may yet be the
   * first. (Not a getter: V8 calls its runtime for private ones.)
   */
  #slotIsFree(): boolean {
    const { reserved, returned } = this.#capacity
    const { seats } = this.#turns
    return !this.#paused && this.#turns.areForAnyone && this.#slots.free > reserved + returned + seats.slots
  }

  #slotIsFreeFor(record: RequestRecord<Req, Res>): boolean {
    if (this.#turns.seats.areFor(record.tier)) return this.#mayStart(record) && this.#turns.wouldStart(record)
    return this.#slotIsFree() && (record.extras === undefined || (record.extras.cost === 1 && !startsLater(record)))
  }

  /** Where nothing may wait: may it start in the dispatch of this burst, if there are slots for it? */
  #mayStart(record: RequestRecord<Req, Res>): boolean {
    return !startsLater(record) && !this.#gate.holds(record) && !this.#paused
  }

  /** One that is blocked comes in, if a policy has nothing against it, and there is room still. */
  #letIn(record: RequestRecord<Req, Res>, slotIsFree: boolean): void {
    // A guard may have been asked whether it holds this one.
    if (record.status !== State.BLOCKED) return
    if (!this.#mustRank(record)) {
      this.#blocked.delete(record)
      this.#enqueue(record, slotIsFree, undefined)
      return
    }
    const rank = this.#rankOf(record)
    if (rank === undefined) return
    const isFreeStill = this.#slotIsFreeFor(record)
    const bound = this.#capacity.bound(record.tier, isFreeStill, record.cost > 1)
    if (bound !== undefined || record.status !== State.BLOCKED) {
      this.#queue.refuses(record, rank)
      return
    }
    this.#blocked.delete(record)
    this.#enqueue(record, isFreeStill, rank)
  }

  /** @param rank that of a policy that was asked: nothing in here asks one */
  #enqueue(record: RequestRecord<Req, Res>, slotIsFree: boolean, rank: number | undefined): void {
    const wasBlocked = record.status === State.BLOCKED
    const isHeld = rank === undefined && (this.#queue.asksRanks || this.#held.awaits(record))
    if (isHeld) this.#held.add(record)
    else {
      this.#queue.add(record, rank)
      // Whoever has a seat has slots of its own.
      if (!this.#turns.seats.has(record)) {
        if (slotIsFree) this.#capacity.reserved++
        else if (record.cost > 1) this.#capacity.reserved = 0
      }
      this.#stands(record)
    }
    this.#statistics.admits(record.tier)
    if (!wasBlocked) this.#lives(record)
    if (this.#audit !== undefined) this.#audit.admitted(record as RequestRecord)
    if (this.#slots.free > 0) this.#schedule()
    const { extras } = record
    if (extras !== undefined) this.#parties.admitted(record, extras)
    const { listened } = this.#events
    if (listened.queued || listened.full) this.#tellQueued(record)
    if (isHeld) this.#held.follow(record)
  }

  /** It stands in the queue. */
  #stands(record: RequestRecord<Req, Res>): void {
    record.status = State.WAITING
    this.#turns.waits(record)
  }

  #tellQueued(record: RequestRecord<Req, Res>): void {
    const { waiting, total } = this.#capacity
    this.#tell.of(record, 'queued', { waiting })
    // Looked at again: a listener may have made room.
    if (this.#capacity.waiting === total && total > 0) this.#tell.all('full', { waiting, maxQueueSize: total })
  }

  #block(record: RequestRecord<Req, Res>): void {
    const { maxBlocked } = this.#capacity
    if (this.#blocked.size >= maxBlocked) {
      this.#refuse(record, this.#fullError('blocked', record))
      return
    }
    record.status = State.BLOCKED
    this.#blocked.add(record)
    this.#lives(record)
    this.#tell.of(record, 'blocked', { blocked: this.#blocked.size })
    // A guard may hold it, and nothing else have it asked again when that is over.
    if (this.#gate.asksAtStart && this.#turns.seats.isOn) this.#room.made()
  }

  #displace(victim: RequestRecord<Req, Res>, record: RequestRecord<Req, Res>, rank: number | undefined): void {
    const error = new ShedError(priorityOf(record.tier), subjectOf(victim), this.#outlook.retryAfterMs(victim.tier))
    // Listeners of either must find the one gone, and its place taken by the other.
    this.#take(victim)
    this.#retire(victim, State.SHED, error)
    this.#takesPlace(record, rank)
    this.#left(victim)
    this.#tell.ended(victim, error, State.WAITING, undefined)
  }

  /** That of one that was shed. The signals of both were asked, and may have done anything: the bounds are looked at last. */
  #takesPlace(record: RequestRecord<Req, Res>, rank: number | undefined): void {
    if (!this.#stillComes(record)) {
      if (rank !== undefined) this.#queue.refuses(record, rank)
      return
    }
    const { tier, cost } = record
    const slotIsFree = this.#turns.seats.areFor(tier) ? this.#turns.wouldStart(record) : this.#slotIsFreeFor(record)
    const bound = this.#capacity.bound(tier, slotIsFree, cost > 1)
    if (bound === undefined) this.#enqueue(record, slotIsFree, rank)
    else this.#findsItFull(record, bound, 'reject', rank)
  }

  /** Which one would make room for it, if it may start. No code of the user runs in here. */
  #victimOf(record: RequestRecord<Req, Res>): RequestRecord<Req, Res> | undefined {
    const { seats } = this.#turns
    const startsNow = seats.areFor(record.tier)
    // Where others may wait, those that may not have slots of their own.
    const victim = this.#queue.youngestBelow(record.tier, startsNow ? undefined : (tier) => seats.areFor(tier))
    if (victim === undefined) return undefined
    if (startsNow) return this.#turns.wouldStart(record, victim) ? victim : undefined
    // None is free now; but whoever has one reserved may leave it.
    const { reserved, returned } = this.#capacity
    const isOwed = this.#slots.free >= reserved + returned + seats.slots && this.#turns.areForAnyone
    const takesSlot = isOwed && !this.#paused && !startsLater(record)
    return this.#capacity.canDisplace(victim, record.cost > 1, takesSlot, this.#turns.newWide) ? victim : undefined
  }

  /** The order policy hears, after all is done, that one has left before its turn. */
  #left(record: RequestRecord<Req, Res>): void {
    if (record.attempt === 1) this.#queue.left(record)
  }

  /** A second caller with the id of a live request shares its run. */
  #join(twin: RequestRecord<Req, Res>, newcomer: RequestRecord<Req, Res>): void {
    if (newcomer.extras?.nowOrNever === true && twin.status < State.WAITING) {
      this.#refuse(newcomer, this.#fullError('total', newcomer))
      return
    }
    this.#statistics.joined++
    this.#parties.join(twin, newcomer)
    // If the order policy throws, the run keeps its priority, and nobody is refused for that.
    if (newcomer.tier < twin.tier) this.#events.guard(() => void this.#move(twin, newcomer.tier), 'joined')
    this.#tell.of(newcomer, 'joined', {})
  }

  /** It will not come in: nothing is kept of it. */
  #refuse(record: RequestRecord<Req, Res>, why: unknown): void {
    // A policy that was asked may have ended it meanwhile.
    if (record.ended) return
    const { extras } = record
    const error = whose(why, record as RequestRecord)
    const wasLive = record.status === State.BLOCKED || record.status === State.CHECKING
    if (record.status === State.CHECKING) this.#checking.delete(record)
    const wasBlocked = record.block !== undefined
    if (wasBlocked) this.#blocked.delete(record)
    this.#room.refused()
    record.status = State.REJECTED
    const reason = isReasonOf(extras?.signal, error) ? 'aborted' : reasonOf(error)
    this.#statistics.rejects(record.tier, reason)
    if (this.#audit !== undefined) this.#audit.refused(record as RequestRecord)
    if (extras !== undefined) this.#parties.ended(record, error)
    if (wasLive) this.#dies(record)
    else if (extras !== undefined) this.#parties.unlink(record)
    this.#parties.answer(record, error)
    extras?.admission?.reject(error)
    // There may be room for those behind it: they come in before anyone hears of it who might pass them.
    this.#events.hold()
    this.#tell.rejected(record, extras?.id, error, reason)
    if (wasBlocked) this.#room.made()
    this.#events.release()
    if (wasLive) this.#closing.rest()
  }

  /** It is to start later, and nothing may wait. */
  #neverFits(record: RequestRecord<Req, Res>): boolean {
    return this.#turns.seats.areFor(record.tier) && startsLater(record)
  }

  #fullError(bound: FullBound, record: RequestRecord<Req, Res>): QueueFullError {
    const subject = subjectOf(record)
    const retryAfterMs = this.#outlook.retryAfterMs(record.tier)
    if (bound === 'checking') {
      const { size, max } = this.#checking
      return new QueueFullError(bound, size, max, subject, retryAfterMs)
    }
    if (this.#neverFits(record)) {
      return new QueueFullError(bound, 0, 0, subject, undefined, true)
    }
    return this.#capacity.fullError(bound, record.tier, this.#blocked.size, subject, retryAfterMs)
  }

  // ── Step 3: wait ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Somebody waits for its end from now on. */
  #lives(record: RequestRecord<Req, Res>): void {
    const isFirst = this.#closing.live++ === 0
    const { extras } = record
    if (extras !== undefined) this.#parties.lives(record, extras)
    else {
      const limitMs = this.#settings.waitLimitMs[record.tier] as number
      if (limitMs !== Number.POSITIVE_INFINITY) this.#limits.set(record, limitMs)
    }
    if (isFirst) this.#wakes()
  }

  /** Nobody waits for its end any more. */
  #dies(record: RequestRecord<Req, Res>): void {
    this.#closing.live--
    if (record.extras !== undefined || record.deadline !== undefined) this.#parties.unlink(record)
  }

  /** Something is live again. */
  #wakes(): void {
    this.#closing.wakes()
    // The dispatch will arm the alarm; if there is none, something must keep the process alive.
    if (!this.#alarm.armed && (this.#paused || this.#slots.free <= 0)) this.#setAlarm(this.#timeline.now())
  }

  #position(record: RequestRecord<Req, Res>): number | undefined {
    return record.status === State.WAITING ? this.#queue.countBefore(record) : undefined
  }

  #move(record: RequestRecord<Req, Res>, tier: number): boolean {
    if (record.status === State.BLOCKED) {
      // Where nothing may wait it would never come in.
      if (this.#turns.seats.areFor(tier) && startsLater(record)) return false
      this.#limits.keep(record)
      this.#blocked.move(record, tier, record.timedFrom)
      this.#room.made()
      return true
    }
    if (record.status !== State.WAITING && record.status !== State.HELD) return false
    if (tier === record.tier) return true
    // It has its slots already, and maybe those that are kept for its priority.
    if (this.#turns.seats.has(record)) return false
    if (!this.#hasPlaceAt(record, tier)) return false
    const { tier: from, rank: oldRank, status } = record
    // One that starts later is ranked when its time has come.
    const isRanked = status === State.WAITING || record.attempt > 1
    // Asked before anything changes: what the order policy throws is the caller's to deal with.
    const rank = isRanked ? this.#queue.rankIn(tier, record) : record.rank
    if (isRanked && (record.status !== status || record.tier !== from || !this.#hasPlaceAt(record, tier))) {
      this.#queue.left(record, tier, rank)
      return false
    }
    this.#limits.keep(record)
    this.#queue.moveTo(tier, record, rank)
    if (status === State.HELD) this.#held.moved(record, from)
    else {
      if (record.attempt > 1) {
        this.#capacity.returns(from, -1)
        this.#capacity.returns(tier, 1)
      }
      // Who is first now may have a slot that the first one could not have.
      this.#schedule()
    }
    if (isRanked) this.#queue.left(record, from, oldRank)
    this.#room.made()
    return true
  }

  /** A priority with a bound of its own may be full. */
  #hasPlaceAt({ attempt }: RequestRecord<Req, Res>, tier: number): boolean {
    return attempt > 1 || this.#capacity.sizeAt(tier) < (this.#capacity.byTier[tier] as number)
  }

  // ── Step 4: run ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A dispatch is one microtask for a whole burst: its requests compete by priority, off their callers' stacks. */
  #schedule(): void {
    if (this.#slots.free <= 0 || this.#dispatching || this.#yielding || this.#paused || this.#queue.size === 0) return
    if (this.#gate.heldUntil > 0) return
    this.#dispatching = true
    soon.then(this.#dispatch)
  }

  readonly #dispatch = (): void => {
    this.#dispatching = false
    while (this.#slots.free > 0 && this.#queue.size > 0 && this.#slots.fill());
    if (this.#closing.live > 0 && !this.#alarm.armed) this.#setAlarm(this.#timeline.now())
  }

  /** Takes the request that is ranked first, for a slot that is there for it. */
  #next(): RequestRecord<Req, Res> | undefined {
    if (this.#paused || this.#yielding || this.#gate.heldUntil > 0) return undefined
    // A guard that was asked may have paused it, or lowered the limit.
    if (this.#gate.asksAtStart && (!this.#gate.letsStart() || this.#paused || this.#slots.free < 0)) return undefined
    const record = this.#turns.take()
    if (record === undefined) return undefined
    const { extras } = record
    const now = this.#timeline.now()
    record.status = State.STARTING
    this.#running++
    if (record.attempt > 1) this.#held.left(record)
    else {
      if (this.#isPlain || !this.#turns.seats.has(record)) this.#capacity.started()
      // Asked as it is inlined: a number that a longer getter returns would be boxed for each request.
      this.#statistics.waited(record.tier, now - (extras === undefined ? record.enqueuedAt : record.timedFrom))
    }
    if (this.#audit !== undefined) this.#audit.starts(record as RequestRecord, this.#turns.seats.has(record))
    if (extras !== undefined) {
      if (!extras.isShared) extras.startedAt = now
      this.#parties.starts(record, extras)
    } else if (record.deadline !== undefined) this.#limits.change(record, this.#limits.wholeOf(record))
    // Policies hear of it when all numbers are right: they may do anything.
    this.#queue.started(record)
    if (this.#gate.hearsStarts) this.#gate.started(record)
    this.#room.made()
    // Who starts may have held back others: they may have a slot now that they could not have before.
    if (this.#turns.keepsSlots) this.#schedule()
    return record
  }

  /** What the slots ask of us. */
  #slotsHost(): PoolHost {
    return {
      next: () => this.#next(),
      begin: (record, times) => this.#begin(own(record), times),
      began: ({ deadline, startedAt }) => {
        if (deadline < this.#alarm.dueAt) this.#alarm.setFor(deadline, startedAt)
      },
      settled: (record, ok, value, times, isFree) => {
        if (!isFree) this.#stays(own(record), times)
        else if (this.#hearsReturns || this.#closing.isAskedByRuns) this.#returned(own(record), times)
        const state = ok ? State.COMPLETED : State.FAILED
        const outcome = (record.ended ? record.status : state) - State.COMPLETED
        const runMs = this.#timeline.now() - times.startedAt
        this.#statistics.ran(outcome, record.tier, runMs, isFree)
        const learner = this.#learner
        if (this.#gate.hearsEnds && !record.ended) this.#gate.settled(record, ok, runMs, ok ? undefined : value)
        if (learner !== undefined && !record.ended)
          learner.learn(runMs, times.inflight, ok ? undefined : { error: value })
        if (!ok && this.#settings.retry !== undefined && this.#retries(own(record), this.#settings.retry, value)) return
        this.#end(own(record), state, value, times)
      },
      freed: (record, times) => {
        this.#parties.goes(own(record))
        this.#statistics.used(this.#timeline.now() - times.startedAt)
        this.#returned(own(record), times)
      },
      progressed: (record, { fraction: progress, message }) =>
        this.#tell.of(record, 'progress', { attempt: record.attempt, progress, message }),
      vacated: () => {
        // Only while others have their turn is a slot let go although somebody waits for it.
        this.#room.made()
        if (this.#closing.live === 0 || this.#closing.isAskedByRuns) this.#closing.rest()
      },
      widened: () => this.#schedule(),
      overdue: (record, startedAt, now) => {
        if (record.status > State.COMPLETED) return
        const ranMs = now - startedAt
        const runTimeoutMs = this.#limits.runOf(record)
        const timeoutMs = ranMs < runTimeoutMs ? this.#limits.wholeOf(record) : runTimeoutMs
        const error = new RunTimeoutError(ranMs, timeoutMs, subjectOf(own(record)))
        // One that is held has its answer.
        if (record.ended) this.#slots.abort(record, error, now)
        else this.#end(own(record), State.EXPIRED, error)
      },
      stuck: (record, slot, startedAt, now) => {
        this.#turns.sticks(record)
        this.#schedule()
        this.#room.made()
        this.#tell.of(record, 'stuck', { slot, runMs: now - startedAt, stuckWorkers: this.#slots.stuck })
        this.#closing.rest()
      },
      pauseForOthers: () => {
        this.#yielding = true
        this.#inAnotherTurn(() => {
          this.#yielding = false
          this.#schedule()
        })
      },
      passed: () => void this.#timeline.read(),
      instant: () => this.#timeline.instant(),
      now: () => this.#timeline.now(),
    }
  }

  #begin(record: RequestRecord<Req, Res>, times: RunTimes): boolean {
    times.startedAt = this.#timeline.now()
    times.deadline = times.startedAt + this.#limits.runOf(record)
    if (this.#events.listened.started && record.status === State.STARTING) {
      const { timedFrom, enqueuedAt, attempt } = record
      const waitMs = this.#timeline.now() - timedFrom
      this.#tell.of(record, 'started', { waitMs, delayMs: timedFrom - enqueuedAt, attempt })
    }
    // A listener, or one of an earlier event in the same burst, may have ended it.
    if (record.status !== State.STARTING) {
      this.#turns.gaveBack(record)
      this.#left(record)
      return false
    }
    record.status = State.RUNNING
    if (this.#audit !== undefined) this.#audit.called(record as RequestRecord)
    return true
  }

  // ── Step 5: settle ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Its call has an answer, and its slot stays busy. */
  #stays(record: RequestRecord<Req, Res>, times: RunTimes): void {
    if (record.ended) return
    // Its whole time goes on as well, though nobody waits for it any more.
    times.deadline = Math.min(times.deadline, this.#parties.wantedUntil(record))
    if (times.deadline < this.#alarm.dueAt) this.#alarm.setFor(times.deadline, this.#timeline.now())
    this.#parties.stays(record)
  }

  /** Its slot is not busy any more: what it has used of the slots is known. */
  #returned(record: RequestRecord<Req, Res>, { startedAt }: RunTimes): void {
    if (this.#audit !== undefined) this.#audit.returned(record as RequestRecord)
    this.#turns.gaveBack(record as RequestRecord)
    if (this.#settings.order.settled !== undefined) this.#queue.settled(record, this.#timeline.now() - startedAt)
    if (this.#closing.isAskedByRuns) this.#closing.settled(record as RequestRecord)
  }

  /** Has a run that failed back off before another attempt; false: it has failed for good. */
  #retries(record: RequestRecord<Req, Res>, retry: RetryPolicy, error: unknown): boolean {
    if (!this.#mayRetry(record)) return false
    // Before the policy is asked: a retry that is refused must not use up its budget.
    if (this.#held.retrying >= this.#settings.maxRetrying) {
      record.later().notRetried = 'full'
      return false
    }
    const now = this.#timeline.now()
    const { attempt, tier } = record
    const { admitted } = this.#statistics.totals()
    let delayMs: number | undefined
    this.#events.guard(() => {
      delayMs = msOf(retry.delayMs({ attempt, error, tier, elapsedMs: now - record.timedFrom, admitted }))
    }, 'retrying')
    const dueAt = now + (delayMs ?? Number.NaN)
    // Looked at again: the policy may have ended it.
    if (!this.#mayRetry(record) || !(dueAt >= now)) return false
    // What would be over, for all of them, before its turn has failed now.
    if (!this.#parties.waitAgain(record, dueAt)) return false
    this.#running--
    this.#statistics.retries++
    this.#held.addAgain(record, error, dueAt, now)
    if (this.#audit !== undefined) this.#audit.retries(record as RequestRecord)
    this.#tell.of(record, 'retrying', { attempt, error, delayMs: dueAt - now })
    return true
  }

  #mayRetry(record: RequestRecord<Req, Res>): boolean {
    // Closed without drain, nothing waits any more.
    return !record.ended && this.#closing.drains
  }

  /** The only place where an admitted request ends: once, whoever comes first. */
  #end(record: RequestRecord<Req, Res>, state: State, value: unknown, times?: RunTimes): boolean {
    const from = record.status
    if (from >= State.COMPLETED || from < State.WAITING) return false
    if (from === State.WAITING) this.#take(record)
    else if (from === State.HELD) this.#letGo(record)
    else this.#running--
    this.#conclude(record, state, value, from, times)
    return true
  }

  #letGo(record: RequestRecord<Req, Res>): void {
    this.#held.letGo(record)
    if (record.attempt > 1) return
    this.#statistics.waited(record.tier, Math.max(this.#timeline.now() - record.timedFrom, 0))
  }

  /** Takes a waiting request out of the queue before its turn. */
  #take(record: RequestRecord<Req, Res>): void {
    this.#queue.delete(record)
    this.#turns.left(record)
    if (record.attempt > 1) this.#held.left(record)
    else this.#statistics.waited(record.tier, this.#timeline.now() - record.timedFrom)
    this.#capacity.left(this.#turns.newWide)
    // Who is first now may have a slot that this one could not have.
    this.#schedule()
  }

  #conclude(record: RequestRecord<Req, Res>, state: State, value: unknown, from: State, times?: RunTimes): void {
    this.#retire(record, state, value)
    if (from < State.STARTING) {
      if (from === State.WAITING) this.#left(record)
      // Before anyone is told: a listener that submits must not pass those who are blocked.
      this.#room.made()
    }
    const isAbandoned = from === State.RUNNING && state > State.FAILED
    if (isAbandoned) {
      // Nobody waits for it any more, but when its time is over its slot is stuck.
      const dueAt = record.timedFrom + this.#limits.wholeOf(record)
      const slot = this.#slots.timesOf(record)
      if (state === State.EXPIRED && slot !== undefined) {
        const runMs = this.#timeline.now() - slot.startedAt
        if (this.#gate.hearsEnds) this.#gate.settled(record, false, runMs, value)
        if (this.#learner !== undefined) this.#learner.learn(runMs, slot.inflight, { error: value })
      }
      this.#slots.abort(record, value, dueAt)
      if (dueAt < this.#alarm.dueAt) this.#alarm.setFor(dueAt, this.#timeline.now())
    }
    this.#tell.ended(record, value, from, times)
    if (isAbandoned && state === State.EXPIRED) this.#slots.overdue(record, this.#timeline.now())
    if (this.#closing.live === 0) this.#closing.rest()
  }

  /** The books: it has ended, and nothing refers to it. No code of the user runs in here. */
  #retire(record: RequestRecord<Req, Res>, state: State, value: unknown): void {
    record.status = state
    this.#statistics.end(state - State.COMPLETED, record.tier)
    if (record.extras !== undefined) this.#parties.ended(record, value)
    this.#dies(record)
    this.#parties.answer(record, value)
    if (this.#audit !== undefined) this.#audit.ended(record as RequestRecord)
  }

  // ── Step 6: cancel, leave, expire ──────────────────────────────────────────────────────────────────────────────────

  #cancel(record: RequestRecord<Req, Res>, reason: unknown): boolean {
    if (record.ended || record.extras?.left !== undefined) return false
    return this.#parties.leave(record, State.CANCELLED, new CancelledError(reason, subjectOf(record)))
  }

  /** Ends a request before its answer, wherever it is: one that is blocked was never admitted. */
  #finish(record: RequestRecord<Req, Res>, state: HowItLeft, error: unknown): boolean {
    if (record.status >= State.WAITING) return this.#end(record, state, error)
    this.#refuse(record, error)
    return true
  }

  /** The alarm: answers all whose time is over, and sets itself for the next. */
  #ring(now: number): void {
    for (let due = this.#limits.takeDue(now); due !== undefined; due = this.#limits.takeDue(now)) {
      this.#parties.expire(due, now)
    }
    this.#held.release(now)
    if (this.#gate.opens(now)) {
      this.#schedule()
      if (this.#turns.seats.isOn) this.#room.made()
    }
    const nextRunDueAt = this.#slots.sweep(now)
    if (nextRunDueAt < this.#alarm.dueAt) this.#alarm.setFor(nextRunDueAt, now)
    this.#closing.ring(now)
    this.#selfWaiting.ring(now)
    this.#room.ring(now)
    if (!this.#closing.closed && !(this.#closing.isIdle() && this.#room.asking === 0)) this.#setAlarm(now)
  }

  /** Arms the alarm for the earliest of all deadlines; if there is none, it still keeps the process alive. */
  #setAlarm(now: number): void {
    this.#alarm.setFor(
      Math.min(
        this.#limits.nextDueAt,
        this.#held.nextDueAt,
        this.#gate.opensAt,
        this.#room.nextLookAt,
        this.#closing.graceAt,
        this.#selfWaiting.dueAt,
      ),
      now,
    )
  }

  #inAnotherTurn(callback: () => void): void {
    const { clock } = this.#settings
    if (clock.defer === undefined) inAnotherTurn(callback)
    else clock.defer(callback)
  }

  /** What the stations ask of us, each through a small interface that it declares. */
  #host() {
    return {
      /** Those included whose slots are held beyond their answers. */
      running: () => this.#running + this.#slots.held,
      /** Those who have been admitted, and have no slot. */
      waiting: () => [...this.#queue.entries(), ...this.#held.records()],
      startedAt: (record: RequestRecord) => this.#slots.timesOf(record)?.startedAt,
      keepsSlots: () => this.#turns.keepsSlots && this.#turns.seats.isOn,
      slotIsFreeFor: (record: RequestRecord<Req, Res>) => this.#slotIsFreeFor(record),
      next: () => (this.#paused ? undefined : this.#turns.next()),
      nothingCanStart: () => {
        const { free } = this.#slots
        if (free <= 0) return true
        return this.#held.size + this.#checking.size === 0 && this.#turns.first(free) === undefined
      },
      selfWaits: (run: Run, awaited: RequestRecord) => {
        const { limit } = this.#slots
        const warning = `Each run of '${this.#settings.name}' (concurrency ${limit}) awaits a request of this same queue, and no slot is left for these. Give what a run awaits a queue of its own.`
        process.emitWarning(warning, { type: 'TriageQueueWarning', code: 'TRIAGE_SELF_WAITING' })
        this.#tell.of(Run.recordOf(run), 'selfWaiting', { awaits: awaited.id, concurrency: limit })
      },
      letIn: (record: RequestRecord<Req, Res>, slotIsFree: boolean) => this.#letIn(record, slotIsFree),
      stands: (record: RequestRecord<Req, Res>) => {
        this.#stands(record)
        this.#schedule()
      },
      refuse: (record: RequestRecord, error: unknown) => this.#refuse(own(record), error),
      startsAtOnce: (tier: number) => this.#turns.seats.areFor(tier),
      /** One that has ended may still hold its slot, and hear of it. */
      end: (record: RequestRecord, state: State, error: unknown) =>
        void (this.#end(own(record), state, error) || this.#slots.abort(record, error, Number.POSITIVE_INFINITY)),
      abandon: (record: RequestRecord, reason: unknown) => this.#slots.abort(record, reason, Number.POSITIVE_INFINITY),
      finish: (record: RequestRecord<Req, Res>, how: HowItLeft, error: unknown) => this.#finish(record, how, error),
      isWanted: (record: RequestRecord<Req, Res>) => this.#parties.isWanted(record),
      refusalOf: (record: RequestRecord<Req, Res>) => this.#gate.refusalOf(record),
      lookAt: (at: number) => {
        this.#alarm.keepAlive(true)
        this.#alarm.setFor(at, this.#timeline.now())
      },
      isAsked: () => this.#room.asking > 0,
      nobodyAsks: () => this.#closing.rest(),
      inAnotherTurn: (callback: () => void) => this.#inAnotherTurn(callback),
      closedError: () => new QueueClosedError({ queue: this.#settings.name }),
      setLimit: (limit: number) => {
        if (limit !== this.#slots.limit) this.concurrency = limit
      },
      shut: () => {
        this.#room.shut()
        for (const record of [...this.#checking.records(), ...this.#blocked.entries()]) {
          if (record.status < State.WAITING) this.#refuse(record, new QueueClosedError(subjectOf(record)))
        }
        for (const closed of this.#pulls) closed(new QueueClosedError({ queue: this.#settings.name }))
        this.resume()
      },
      rests: () => {
        this.#gate.forget()
        this.#selfWaiting.dueAt = Number.POSITIVE_INFINITY
        this.#pauses.forget()
      },
      guard: (policy: () => void, event: ExecutorEvent) => this.#events.guard(policy, event),
      report: (event: ExecutorEvent, error: unknown) => this.#events.reportOf(event, error),
      quiet: () => {
        if (this.#audit !== undefined) this.#audit.rests()
      },
      idle: () => this.#tell.all('idle', {}),
      closed: () => {
        if (this.#audit !== undefined) this.#audit.closed()
        this.#tell.all('closed', {})
      },
    }
  }

  #makeAudit(): Audit {
    const queue = this.#queue
    return new Audit({
      numbers: () => {
        const { waiting, total, maxBlocked, reserved } = this.#capacity
        const { admitted, completed, failed, expired, cancelled, shed } = this.#statistics.totals()
        return {
          ...{ admitted, ended: completed + failed + expired + cancelled + shed },
          ...{ waiting, maxQueueSize: total, running: this.#running + reserved + this.#turns.seats.size },
          ...{ retrying: this.#held.retrying, maxRetrying: this.#settings.maxRetrying },
          ...{ blocked: this.#blocked.size, maxBlocked },
          ...{ slots: this.#slots.limit, substitutes: this.#slots.replaced, now: this.#timeline.now() },
        }
      },
      queued: () => queue.entries() as Iterable<RequestRecord>,
      // Slots that are kept for a priority are not for those before it; whose turn it was is known only until it starts.
      goesBefore: (one, other) => {
        const isKnown = !this.#turns.keepsSlots && this.#settings.order.turns === undefined
        return isKnown && queue.goesBefore(own(one), own(other))
      },
      held: () => ({
        timers: Number(this.#alarm.armed),
        deadlines: this.#limits.size,
        ...this.#parties.held(),
        reservations: this.#capacity.reserved + this.#turns.seats.slots,
      }),
      state: () => ({ ...this.getStatus(), workers: this.getWorkerHealth() }),
    })
  }
}

/** Has it brought a time limit that counts from its submission, and not from when it may start? */
function isTimed({ extras, enqueuedAt }: RequestRecord): boolean {
  if (extras === undefined || (extras.later !== undefined && extras.later.startAt > enqueuedAt)) return false
  return extras.waitTimeoutMs !== undefined || extras.timeoutMs !== undefined
}

/** @throws {OptionsError} for what is no time, such as the promise of a policy that is asynchronous by mistake */
function msOf(answer: number | undefined): number | undefined {
  if (answer === undefined || typeof answer === 'number') return answer
  throw noAnswer('retry.delayMs', 'a function that returns a number of ms, or undefined', answer)
}

function own<Req, Res>(record: RequestRecord): RequestRecord<Req, Res> {
  return record as RequestRecord<Req, Res>
}

/** The one who looks at an option knows neither the request nor the queue. */
function whose(error: unknown, record: RequestRecord): unknown {
  try {
    if (!(error instanceof OptionsError) || error.queue !== undefined) return error
    return new OptionsError(error.path, error.expected, error.received, subjectOf(record))
  } catch {
    // A proxy that does not want to be looked at.
    return error
  }
}

/**
 * What an executor is made of, and how its parts hang together. The public face is `queued-executor.ts`.
 *
 *     request ──▶ admit ──▶ queue ──▶ run ──▶ settle ──▶ watch
 *
 * | step | where | what |
 * |---|---|---|
 * | 1 arrive | `arrivals`, `duplicates` | options, schema, requests with the same id |
 * | 2 admit | `admission`, `openings`, `refusals` | room, or refuse, block, shed |
 * | 3 wait | `queue`, `held`, `moves` | in the queue, by rank |
 * | 4 run | `dispatch`, `turns`, `slots` | in a slot |
 * | 5 settle | `endings`, `retrying` | the only place where an admitted request ends |
 * | 6 leave | `parties`, `lives`, `closing` | all who wait for it; the ways to end before the answer; the end of the whole |
 * | 7 tell | `events`, `tell`, `statistics`, `audit` | who is told |
 * | with a `store` | `keeper` | what waits for a commit between these steps: an admission, the call, the answer |
 *
 * A station knows no other: each part names what it needs, and is handed this whole. Code of the user may run in the middle of
 * a step: an executor, a policy, a listener, a signal. So each step first brings all numbers and structures in order, and only
 * then calls out; and after each call out it looks again.
 *
 * It is longer than other files, since all parts are named, made and handed to each other here, and nowhere else.
 */
import { Admission } from './admit/admission.ts'
import { Arrivals } from './admit/arrivals.ts'
import { Capacity } from './admit/capacity.ts'
import { Checking } from './admit/checking.ts'
import { Duplicates } from './admit/duplicates.ts'
import { Gate } from './admit/gate.ts'
import type { Guard } from './admit/guard.ts'
import { Openings } from './admit/openings.ts'
import { Outlook } from './admit/outlook.ts'
import { Pauses } from './admit/pauses.ts'
import { Refusals } from './admit/refusals.ts'
import { Room } from './admit/room.ts'
import { inspected } from './admit/schema.ts'
import type { Tokens } from './admit/tokens.ts'
import { requireConcurrency, requireTier } from './checks.ts'
import { Alarm, inAnotherTurn, Timeline } from './clock.ts'
import type { CloseOptions } from './close-options.ts'
import { CancelledError, QueueClosedError } from './errors.ts'
import type { Keeper, KeeperMeans } from './keeper.ts'
import type { RequestOptions, UpdateOptions } from './options.ts'
import { PlainPath } from './plain-path.ts'
import { takeIntoService } from './policy.ts'
import { NORMAL, type Priority } from './priority.ts'
import { Deadlines } from './queue/deadlines.ts'
import { HeldBack } from './queue/held-back.ts'
import { Moves } from './queue/moves.ts'
import { SetAside } from './queue/set-aside.ts'
import { Tiers } from './queue/tiers.ts'
import { TimeLimits } from './queue/time-limits.ts'
import { readCloseOptions, readRequestOptions } from './request-options.ts'
import { RequestRecord, subjectOf } from './request-record.ts'
import { State } from './request-state.ts'
import { Dispatch } from './run/dispatch.ts'
import { Learner } from './run/learner.ts'
import { Reserve } from './run/reserve.ts'
import { Run } from './run/run-context.ts'
import { SelfWaiting } from './run/self-waiting.ts'
import { type Executor, Slots } from './run/slots.ts'
import { Turns } from './run/turns.ts'
import { policiesOf, type Settings } from './settings.ts'
import { Closing } from './settle/closing.ts'
import { Endings } from './settle/endings.ts'
import { Lives } from './settle/lives.ts'
import { type HowItLeft, Parties, type Party } from './settle/parties.ts'
import { Retrying } from './settle/retrying.ts'
import type { Store } from './store.ts'
import { Audit } from './watch/audit.ts'
import { auditedOf } from './watch/audited.ts'
import { Events, type ExecutorEvent } from './watch/events.ts'
import { Statistics } from './watch/statistics.ts'
import { type ExecutorStatus, statusOf } from './watch/status.ts'
import { Teller } from './watch/teller.ts'

export class Engine {
  declare settings: Settings
  declare readonly timeline: Timeline
  declare readonly alarm: Alarm
  // Admit.
  declare gate: Gate
  declare readonly outlook: Outlook
  readonly pauses = new Pauses()
  declare readonly capacity: Capacity
  declare readonly room: Room<RequestRecord>
  readonly blocked = new Tiers<RequestRecord>()
  /** Those that an asynchronous schema looks at. */
  declare readonly checking: Checking<RequestRecord>
  declare readonly openings: Openings
  declare readonly refusals: Refusals
  declare readonly duplicates: Duplicates
  declare readonly admission: Admission
  declare readonly arrivals: Arrivals<RequestOptions>
  /** Those of `map()` that read a source: told when it closes. */
  readonly pulls = new Set<(error: unknown) => void>()
  // Queue.
  declare readonly queue: Tiers<RequestRecord>
  declare readonly held: HeldBack<RequestRecord>
  declare readonly aside: SetAside
  declare readonly limits: TimeLimits<Party<unknown, unknown>>
  declare readonly moves: Moves
  // Run.
  declare readonly slots: Slots<unknown, unknown>
  declare readonly turns: Turns<RequestRecord>
  declare readonly learner: Learner | undefined
  declare readonly selfWaiting: SelfWaiting
  declare readonly dispatch: Dispatch
  /** The way of those that have nothing special, through all of this. */
  declare readonly plain: PlainPath
  // Settle.
  declare readonly parties: Parties<unknown, unknown>
  declare readonly closing: Closing
  declare readonly lives: Lives
  declare readonly endings: Endings
  declare readonly retrying: Retrying
  // Watch.
  declare readonly events: Events
  declare readonly tell: Teller
  readonly statistics = new Statistics()
  /** With `debug` only. */
  declare readonly audit: Audit | undefined
  // Keep.
  /** With a `store` only. */
  declare readonly keeper: Keeper | undefined
  /** Has each request a time limit that counts from its submission? */
  declare timesAll: boolean
  /** Is no policy asked about a newcomer, and may requests of each priority wait? */
  declare isPlain: boolean
  /** Is anything told that the slot of a run is not busy any more? */
  declare readonly hearsReturns: boolean
  /** What a record asks of its executor. */
  readonly #owner = {
    name: '',
    cancel: (record: RequestRecord, reason: unknown) => this.endings.cancel(record, reason),
    setPriority: (record: RequestRecord, priority: Priority) => this.moves.move(record, requireTier(priority)),
    position: (record: RequestRecord) => this.moves.position(record),
    waitUntil: (record: RequestRecord) => record.timedFrom + this.limits.untilRunOf(record),
    dueAt: (record: RequestRecord, startedAt: number) =>
      Math.min(startedAt + this.limits.runOf(record), this.parties.wantedUntil(record)),
    now: () => this.timeline.read(),
    slots: () => this.slots,
    watched: <T>(record: RequestRecord, promise: Promise<T>) => this.selfWaiting.watch(record, promise),
    named: (record: RequestRecord, id: string) => this.parties.named(record, id),
    close: (run: object, options?: CloseOptions) => this.close(options, this.slots.recordIn(run)),
  }
  readonly #gateOf: (rates: readonly Guard[], others: readonly Guard[]) => Gate
  // One of each kind that comes and goes is kept: when a collection finds none, V8 throws away the code made for it, and
  // the first thousand requests after an idle moment take three times as long.
  readonly #kept: object[] = []

  constructor(executor: Executor<unknown, unknown>, settings: Settings) {
    const { clock, order, overload, rateLimits } = settings
    // Of the options nothing is refused any more.
    this.#owner.name = settings.name
    takeIntoService(this.#owner, policiesOf(settings))
    const { statistics, pauses, blocked } = this
    const host = this.#host()
    this.settings = settings
    const timeline = new Timeline(clock, this.#owner)
    const alarm = new Alarm(clock, timeline, (now) => this.#ring(now))
    const limits = new TimeLimits<Party<unknown, unknown>>(settings, timeline, alarm)
    const events = new Events(settings.onListenerError)
    const queue = new Tiers<RequestRecord>(order, (error) => events.reportOf('started', error))
    const dispatch = new Dispatch(this)
    const slots = new Slots(executor, dispatch, settings.concurrency, settings.onStuck, settings.maxReplaced)
    const turns = new Turns(new Reserve(settings.reserve, settings.lendReserve), queue, slots, settings.byTier)
    const capacity = new Capacity(queue, settings.total, settings.byTier, settings.maxBlocked, turns.seats)
    const random = () => events.jitter(settings.random)
    const { running } = host
    const whole = { timeline, queue, capacity, slots, turns, statistics, limits, pauses, running, random }
    const outlook = new Outlook(whole)
    this.timeline = timeline
    this.alarm = alarm
    this.plain = new PlainPath(this)
    slots.onSettled = this.plain.settles
    this.#gateOf = (rates, others) => new Gate(host, outlook, rates, others, timeline, alarm)
    this.gate = this.#gateOf(rateLimits, overload)
    this.outlook = outlook
    this.capacity = capacity
    this.room = new Room(host, blocked, capacity, events, timeline)
    this.checking = new Checking(settings.maxChecking)
    this.openings = new Openings(this)
    this.refusals = new Refusals(this)
    this.duplicates = new Duplicates(this)
    this.admission = new Admission(this)
    this.arrivals = new Arrivals(this, readRequestOptions)
    this.queue = queue
    this.held = new HeldBack(host, queue, capacity, limits, timeline, alarm)
    this.limits = limits
    this.slots = slots
    this.turns = turns
    this.aside = new SetAside(this, order)
    if (this.gate.takesTokens) turns.tokens = this.aside
    this.moves = new Moves(this)
    this.learner = settings.limit === undefined ? undefined : new Learner(settings.limit, host, timeline)
    this.selfWaiting = new SelfWaiting(host, slots, timeline, alarm)
    this.dispatch = dispatch
    this.parties = new Parties<unknown, unknown>(host, limits, timeline)
    this.closing = new Closing(host, slots, timeline, alarm)
    this.lives = new Lives(this)
    this.endings = new Endings(this)
    this.retrying = new Retrying(this)
    this.events = events
    this.tell = new Teller(events, timeline)
    this.audit = settings.debug ? new Audit(auditedOf(this)) : undefined
    this.timesAll = settings.waitLimitMs.some(Number.isFinite)
    this.isPlain = this.#isPlain()
    this.hearsReturns = this.audit !== undefined || turns.keepsSlots || queue.hearsReturns
    const record = new RequestRecord(undefined, NORMAL, { at: Number.NaN, owner: this.#owner })
    record.context = undefined
    record.more()
    events.onChange = () => this.#refit()
    this.#refit()
    this.#kept.push(record, new Run(record, record.arrived))
    this.keeper = settings.store === undefined ? undefined : this.#keptBy(settings.store)
  }

  #keptBy(store: Store): Keeper {
    const { schema } = this.settings
    const inspect = (request: unknown) => inspected(schema, request)
    const means: KeeperMeans = { owner: this.#owner, line: new Deadlines<() => void>(), inspect }
    return store.keeper(store, this, means) as Keeper
  }

  /** Those of the guards that there are now. */
  get tokens(): Tokens {
    return this.gate.tokens
  }

  #isPlain(): boolean {
    return !this.queue.asksRanks && !this.turns.seats.isOn && !this.gate.asksAtArrival
  }

  /** May a request without extras go the plain way? Asked again whenever one of these has changed. */
  #refit(): void {
    const { closing, dispatch, gate, learner, settings } = this
    // Of the others, those who go the full way tell.
    const { queued, full, started, completed, idle } = this.events.listened
    const isGuarded = gate.asksAtStart || gate.hearsStarts || gate.hearsEnds || learner !== undefined
    const isAsked =
      isGuarded || settings.schema !== undefined || settings.retry !== undefined || settings.store !== undefined
    const isHeard = this.hearsReturns || queued || full || started || completed || idle
    const isServing = !dispatch.paused && !closing.begun && this.room.asking === 0
    this.plain.isOn = this.isPlain && !isAsked && !isHeard && isServing && !settings.timeoutMs.some(Number.isFinite)
  }

  /** Other bounds, timeouts and guards, for what comes from now on. */
  adopt(settings: Settings, changes: UpdateOptions): void {
    const { rateLimits, overload } = settings
    const hasGuards = changes.rateLimit !== undefined || changes.overload !== undefined
    // First, since both may throw: reading the methods of a guard, too.
    const gate = hasGuards ? this.#gateOf(rateLimits, overload) : this.gate
    takeIntoService(this.#owner, policiesOf(settings))
    if ((changes.waitTimeoutMs ?? changes.runTimeoutMs ?? changes.timeoutMs) !== undefined) {
      this.limits.adopt(settings, this.#live())
    }
    this.settings = settings
    this.timesAll = settings.waitLimitMs.some(Number.isFinite)
    this.capacity.adopt(settings.total, settings.byTier, settings.maxBlocked)
    this.checking.max = settings.maxChecking
    if (hasGuards) this.#guardBy(gate)
    this.isPlain = this.#isPlain()
    this.#refit()
    if (this.audit !== undefined) this.audit.rebounded()
    if (changes.concurrency !== undefined) this.resize(changes.concurrency)
    else {
      this.dispatch.schedule()
      this.room.made()
    }
  }

  /** What waits takes its tokens, if any, from the guards that there are now. */
  #guardBy(gate: Gate): void {
    this.gate = gate
    this.aside.renew([...this.waiting(), ...this.blocked.entries()])
    this.turns.tokens = gate.takesTokens ? this.aside : undefined
  }

  /** All for whom a time counts. */
  #live(): RequestRecord[] {
    return [...this.waiting(), ...this.blocked.entries(), ...this.checking.records(), ...this.slots.running()]
  }

  pause(): void {
    if (this.dispatch.paused || this.closing.begun) return
    this.dispatch.paused = true
    if (this.keeper !== undefined) this.keeper.paused(true)
    this.#refit()
    this.pauses.begin(this.timeline.now())
    this.tell.all('paused', {})
  }

  resume(): void {
    // Also where it is not paused: that it was may be on its way from the store.
    if (this.keeper !== undefined) this.keeper.paused(false, this.dispatch.paused)
    this.#goesOn()
  }

  #goesOn(): void {
    if (!this.dispatch.paused) return
    this.dispatch.paused = false
    this.#refit()
    this.pauses.end(this.timeline.now())
    this.dispatch.schedule()
    this.room.made()
    this.tell.all('resumed', {})
  }

  /**
   * @param closer what the run that asks for it runs; undefined outside of all runs
   * @throws {OptionsError} through the promise
   */
  close(options: CloseOptions | undefined, closer: RequestRecord | undefined): Promise<void> {
    try {
      this.plain.catchUp()
      const { drain, graceMs, lameDuckMs } = readCloseOptions(options)
      const closed = this.closing.close(drain, graceMs, lameDuckMs, closer)
      const { keeper } = this
      if (keeper === undefined) return closed
      keeper.shuts()
      return closed.then(() => keeper.leaves())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  resize(to: number): void {
    const from = this.slots.limit
    this.slots.limit = to
    this.turns.refit()
    this.dispatch.schedule()
    this.room.made()
    if (from !== to) this.tell.all('resized', { from, to })
  }

  /** Those that have been admitted, and have no slot. */
  waiting(): RequestRecord[] {
    return [...this.queue.entries(), ...this.queue.asides(), ...this.held.records()]
  }

  status(): ExecutorStatus {
    return statusOf({
      settings: this.settings,
      state: this.closing.closed ? 'closed' : this.closing.begun ? 'closing' : this.dispatch.paused ? 'paused' : 'open',
      now: this.timeline.now(),
      running: this.dispatch.running,
      retrying: this.held.retrying,
      checking: this.checking.size,
      limit: this.learner === undefined ? null : this.learner.status(),
      store: this.keeper === undefined ? null : this.keeper.status(),
      listenerErrors: this.events.errors,
      capacity: this.capacity,
      blocked: this.blocked,
      queue: this.queue,
      slots: this.slots,
      seats: this.turns.seats,
      statistics: this.statistics,
    })
  }

  /** The alarm: answers all whose time is over, and sets itself for the next. */
  #ring(now: number): void {
    const { closing, gate, held, limits, room, selfWaiting, slots } = this
    this.plain.catchUp()
    for (let due = limits.takeDue(now); due !== undefined; due = limits.takeDue(now)) this.parties.expire(due, now)
    held.release(now)
    if (gate.takesTokens) this.aside.release(now)
    if (this.keeper !== undefined) this.keeper.ring(now)
    if (gate.opens(now)) {
      this.dispatch.schedule()
      if (this.turns.seats.isOn || gate.takesTokens) room.made()
    }
    const nextRunDueAt = slots.sweep(now)
    if (nextRunDueAt < this.alarm.dueAt) this.alarm.setFor(nextRunDueAt, now)
    closing.ring(now)
    selfWaiting.ring(now)
    room.ring(now)
    if (closing.closed) return
    if (!closing.isIdle() || closing.isLame || room.asking > 0) this.setAlarm(now)
  }

  /** Arms the alarm for the earliest of all deadlines; if there is none, it still keeps the process alive. */
  readonly setAlarm = (now: number): void => {
    const { aside, closing, gate, held, limits, room, selfWaiting } = this
    let nextDueAt = Math.min(limits.nextDueAt, held.nextDueAt, aside.nextDueAt)
    if (this.keeper !== undefined) nextDueAt = Math.min(nextDueAt, this.keeper.nextDueAt)
    this.alarm.setFor(Math.min(nextDueAt, gate.opensAt, room.nextLookAt, closing.dueAt, selfWaiting.dueAt), now)
  }

  readonly inAnotherTurn = (callback: () => void): void => {
    const { clock } = this.settings
    if (clock.defer === undefined) inAnotherTurn(callback)
    else clock.defer(callback)
  }

  /** What the stations ask of us, each through a small interface that it declares. */
  #host() {
    return {
      /** Those included whose slots are held beyond their answers. */
      running: () => this.dispatch.running + this.slots.held,
      /** Those who have been admitted, and have no slot. */
      waiting: () => this.waiting(),
      tokenLines: () => this.aside,
      head: () => this.turns.head(),
      pauseForOthers: () => this.dispatch.pauseForOthers(),
      isSeated: (record: RequestRecord) => this.turns.seats.has(record),
      startedAt: (record: RequestRecord) => this.slots.timesOf(record)?.startedAt,
      keepsSlots: () => this.turns.keepsSlots && this.turns.seats.isOn,
      slotIsFreeFor: (record: RequestRecord) => this.openings.isSlotFreeFor(record),
      isBusyChecking: () => this.checking.isFull,
      tokensDueInMs: (record: RequestRecord) => this.gate.tokensDueInMs(record),
      next: () => (this.dispatch.paused ? undefined : this.turns.next()),
      nothingCanStart: () => {
        const { free } = this.slots
        if (free <= 0) return true
        return this.held.size + this.aside.size + this.checking.size === 0 && this.turns.first(free) === undefined
      },
      selfWaits: (run: Run, awaited: RequestRecord) => {
        const { limit } = this.slots
        const warning = `Each run of '${this.settings.name}' (concurrency ${limit}) awaits a request of this same queue, and no slot is left for these. Give what a run awaits a queue of its own.`
        process.emitWarning(warning, { type: 'TriageQueueWarning', code: 'TRIAGE_SELF_WAITING' })
        this.tell.of(Run.recordOf(run), 'selfWaiting', { awaits: awaited.id, concurrency: limit })
      },
      letIn: (record: RequestRecord, slotIsFree: boolean) => this.admission.letIn(record, slotIsFree),
      stands: (record: RequestRecord) => {
        this.admission.stands(record)
        this.dispatch.schedule()
      },
      refuse: (record: RequestRecord, error: unknown) => this.refusals.refuse(record, error),
      startsAtOnce: (tier: number) => this.turns.seats.areFor(tier),
      end: (record: RequestRecord, state: State, error: unknown) => void this.endings.end(record, state, error),
      abandon: (record: RequestRecord, reason: unknown) => this.slots.abort(record, reason, Number.POSITIVE_INFINITY),
      finish: (record: RequestRecord, how: HowItLeft, error: unknown) => this.endings.finish(record, how, error),
      isWanted: (record: RequestRecord) => this.parties.isWanted(record),
      retryAfterMs: (record: RequestRecord) => this.outlook.retryAgainMs(record),
      refusalOf: (record: RequestRecord) => this.admission.refusalOf(record),
      lookAt: (at: number) => {
        this.#refit()
        this.alarm.keepAlive(true)
        this.alarm.setFor(at, this.timeline.now())
      },
      isAsked: () => this.room.asking > 0,
      nobodyAsks: () => {
        this.#refit()
        this.closing.rest()
      },
      inAnotherTurn: (callback: () => void) => this.inAnotherTurn(callback),
      closedError: () => new QueueClosedError({ queue: this.settings.name }),
      setLimit: (limit: number) => {
        if (limit !== this.slots.limit) this.resize(requireConcurrency(limit))
      },
      shut: () => {
        this.#refit()
        this.room.shut()
        for (const record of [...this.checking.records(), ...this.blocked.entries()]) {
          if (record.status < State.WAITING) this.refusals.refuse(record, new QueueClosedError(subjectOf(record)))
        }
        for (const closed of this.pulls) closed(new QueueClosedError({ queue: this.settings.name }))
        // In its store it is still paused.
        this.#goesOn()
      },
      cutOff: (record: RequestRecord) => {
        const parked = this.keeper === undefined ? undefined : this.keeper.parks(record)
        const state = parked === undefined ? State.CANCELLED : State.PARKED
        const error = parked ?? new CancelledError('the executor was closed', subjectOf(record), 'close')
        // One that has ended may still hold its slot, and hear of it.
        void (this.endings.end(record, state, error) || this.slots.abort(record, error, Number.POSITIVE_INFINITY))
      },
      rests: () => {
        this.gate.forget()
        this.selfWaiting.dueAt = Number.POSITIVE_INFINITY
        this.pauses.forget()
      },
      guard: (policy: () => void, event: ExecutorEvent) => this.events.guard(policy, event),
      report: (event: ExecutorEvent, error: unknown) => this.events.reportOf(event, error),
      quiet: () => {
        if (this.audit !== undefined) this.audit.rests()
      },
      hangs: () => {
        const warning = `close() of '${this.settings.name}' has waited for nothing but runs for 10 s. If one of them awaits it, call run.close() there: before Node 24, close() does not know that it was called inside a run once that has awaited.`
        process.emitWarning(warning, { type: 'TriageQueueWarning', code: 'TRIAGE_CLOSE_WAITS' })
      },
      idle: () => this.tell.all('idle', {}),
      closed: () => {
        if (this.audit !== undefined) this.audit.closed()
        this.tell.all('closed', {})
      },
    }
  }
}

/**
 * One executor on a virtual clock, a schedule that happens to it, and independent books of all that could be seen from
 * outside: calls of the executor, events, promises. A law is a check of the one against the other, made at every
 * instant at which code of the user runs.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import {
  aging,
  aimd,
  type Clock,
  type ExecutorStatus,
  earliestDeadlineFirst,
  fairBy,
  gradient2,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type QueuedRequest,
  type RequestOptions,
  type RunContext,
  shadow,
  weighted,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { eventNames } from '../../support/event-names.ts'
import { type Action, type Arrive, type Schedule, SIGNALS, type Work } from './schedule.ts'

/** What a law says; each throws (see `must`) when the law is broken. */
export interface Law {
  /** At every instant: after each action, inside each listener and each call of the executor. */
  always?(world: World): void
  /** Whenever everything has been done that can be done without time passing. */
  settled?(world: World): void
  /** After the executor was closed and everything it held was let go. */
  atEnd?(world: World): void
}

/** Fails the law. */
export function must(holds: boolean, otherwise: () => string): void {
  if (!holds) throw new Error(otherwise())
}

type Phase = 'arriving' | 'blocked' | 'waiting' | 'running' | 'ended' | 'rejected' | 'joined'

/** A promise that was handed out, and what became of it. */
export interface Handed {
  readonly name: string
  readonly n: number | undefined
  state: 'open' | 'fulfilled' | 'rejected'
  value: unknown
  settledAt: number
}

/** One call of the executor. */
export interface Call {
  readonly seen: Seen
  readonly at: number
  readonly run: RunContext
  readonly cost: number
  settled: boolean
  release: (() => void) | undefined
}

/** One request, as seen from outside. */
export interface Seen {
  readonly n: number
  readonly arrive: Arrive
  readonly at: number
  tier: number
  phase: Phase
  /** The order of admission; while it is blocked, that of coming. */
  sequence: number
  /** Its events in order, such as 'queued started completed'. */
  readonly history: string[]
  readonly calls: Call[]
  startedAt: number
  id: string | undefined
  readonly signal: AbortSignal | undefined
  handle: QueuedRequest<Payload, unknown> | undefined
  answer: Handed | undefined
  twin: Seen | undefined
  /** Others have joined it. */
  shared: boolean
}

export interface Payload {
  readonly n: number
}

const ends = ['completed', 'failed', 'expired', 'cancelled', 'shed'] as const
/** No schedule needs more; a listener that submits at each rejection would go on for ever. */
const MAX_ARRIVALS = 120

function optionsOf({ options, policies }: Schedule): QueuedExecutorOptions<Payload> {
  const orders = { aging, weighted, deadlines: earliestDeadlineFirst, fair: () => fairBy(() => 'everyone') }
  const most = options.concurrency
  const limits = {
    aimd: () => aimd({ initial: most, min: 1, max: most, timeoutMs: 20 }),
    gradient2: () => gradient2({ initial: most, min: 1, max: most }),
    shadow: () => shadow(aimd({ initial: 1, min: 1, max: 5, timeoutMs: 20 })),
  }
  const { order, limit, reserve, lendReserve } = policies
  const { concurrency, ...others } = options as QueuedExecutorOptions<Payload> & { concurrency: number }
  return {
    // Each has a payload of its own, by which it is known.
    onDuplicate: 'join-by-id',
    ...others,
    // A limit policy decides in its place.
    ...((limit === undefined || limit === 'shadow') && { concurrency }),
    ...(order !== undefined && { order: orders[order]() }),
    ...(limit !== undefined && { limit: limits[limit]() }),
    // One slot can't be kept for one priority only.
    ...(reserve !== undefined && (lendReserve || concurrency > 1) && { reserve }),
    ...(lendReserve !== undefined && { lendReserve }),
  }
}

export class World {
  readonly clock = new VirtualClock()
  readonly schedule: Schedule
  readonly executor: QueuedExecutor<Payload, unknown>
  readonly requests: Seen[] = []
  readonly calls: Call[] = []
  /** Who waits, in the order in which they must start: sorted by tier, then by admission. */
  readonly line: Seen[] = []
  readonly promises: Handed[] = []
  /** What happened, in order; for comparing two worlds. */
  readonly trace: string[] = []
  readonly controllers = Array.from({ length: SIGNALS }, () => new AbortController())
  /** What listeners threw, and what was reported. */
  readonly thrown: unknown[] = []
  readonly reported: unknown[] = []
  /** Starts that were not the first of the line; AsyncLocalStorage stores that were not the submitter's. */
  readonly outOfOrder: string[] = []
  readonly wrongContexts: string[] = []
  /** Admissions that passed somebody who was blocked. */
  readonly passed: string[] = []
  /** Calls made on the stack of one of the executor's own methods, or beyond its slots; times that can't be. */
  readonly onStack: string[] = []
  readonly tooMany: string[] = []
  readonly wrongTimes: string[] = []
  /** Timers of the executor itself. */
  timers = 0
  /** The limit that new calls must keep, and the greatest there ever was. */
  #limit: number
  #isPaused = false
  /** Calls of the executor's methods that have not returned. */
  #onStack = 0
  #sequence = 0
  // Admitted since a blocked request came in, for a place that the next one to start has left already.
  readonly #behindNext = new Set<Seen>()
  // Given another priority since time last passed: the events before that are perhaps told only after it.
  readonly #movedNow = new Set<Seen>()
  readonly #law: Law
  #broken: unknown
  readonly #context = new AsyncLocalStorage<number>()

  constructor(schedule: Schedule, law: Law = {}, ears: 'open' | 'none' | 'hurt' = 'open') {
    this.schedule = schedule
    this.#law = law
    this.#limit = schedule.options.concurrency
    const { clock } = this
    const counted: Clock = {
      now: () => clock.now(),
      setTimeout: (callback, delayMs) => {
        this.timers++
        return clock.setTimeout(() => {
          this.timers--
          callback()
        }, delayMs)
      },
      clearTimeout: (timer) => {
        this.timers--
        clock.clearTimeout(timer)
      },
    }
    this.executor = new QueuedExecutor<Payload, unknown>((request, run) => this.#execute(request, run), {
      ...optionsOf(schedule),
      clock: counted,
      random: () => 0.5,
      onListenerError: (error) => this.reported.push(error),
    })
    if (ears === 'open') this.#listen()
    else if (ears === 'hurt') this.#hurt()
  }

  // ── What was promised and what is, as numbers ──────────────────────────────────────────────────────────────────────

  get status(): ExecutorStatus {
    return this.executor.getStatus()
  }

  /** The slots of calls of the executor that have not settled. */
  get unsettled(): number {
    return slotsOf(this.calls.filter((call) => !call.settled))
  }

  /** Those of them that are over their deadline. */
  get stuck(): number {
    return slotsOf(this.calls.filter((call) => !call.settled && call.run.deadline <= this.clock.now()))
  }

  /** How many calls may run now, substitutes included. */
  get slots(): number {
    const { concurrency, onStuck, maxReplaced = concurrency } = this.schedule.options
    return this.#limit + (onStuck === 'replace' ? Math.min(maxReplaced, this.stuck) : 0)
  }

  count(...events: string[]): number {
    return this.requests.filter(({ history }) => events.some((event) => history.includes(event))).length
  }

  /** The bounds of the queue, Infinity where there is none. */
  get bounds(): { total: number; byTier: number[] } {
    const { maxQueueSize = 10_000 } = this.schedule.options
    const size = typeof maxQueueSize === 'object' ? { total: 10_000, ...maxQueueSize } : { total: maxQueueSize }
    const by = size as Record<string, number | undefined> & { total: number }
    return { total: by.total, byTier: priorities.map((priority) => by[priority] ?? Number.POSITIVE_INFINITY) }
  }

  /** When a caller's time is over, in the queue or in a slot; Infinity for no limit. */
  dueOf(seen: Seen, inSlot: boolean): number {
    const { options } = this.schedule
    const work = seen.twin ?? seen
    const infinite = Number.POSITIVE_INFINITY
    const timeoutMs = seen.arrive.timeoutMs ?? (options.timeoutMs as number | undefined) ?? infinite
    const waitTimeoutMs = seen.arrive.waitTimeoutMs ?? (options.waitTimeoutMs as number | undefined) ?? infinite
    const runTimeoutMs = work.arrive.runTimeoutMs ?? (options.runTimeoutMs as number | undefined) ?? 300_000
    if (!inSlot) return seen.at + Math.min(waitTimeoutMs, timeoutMs)
    return Math.min(seen.at + timeoutMs, work.startedAt + runTimeoutMs)
  }

  listenersOn(signal: AbortSignal): number {
    return getEventListeners(signal, 'abort').length
  }

  // ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async play(): Promise<void> {
    for (const step of this.schedule.steps) {
      // What happens between two steps in time is one synchronous burst.
      if (step.do === 'settle') await this.#pass(0)
      else if (step.do === 'advance') await this.#pass(step.ms)
      else this.act(step)
      if (this.#broken !== undefined) throw this.#broken
    }
    await this.#end()
  }

  async #pass(ms: number): Promise<void> {
    this.#behindNext.clear()
    this.#movedNow.clear()
    if (ms === 0) await this.clock.settle()
    else await this.clock.advance(ms)
    this.#findJoined()
    this.#check(this.#law.settled)
  }

  /** Closes the executor, lets go of whatever hangs, and waits for the last call. */
  async #end(): Promise<void> {
    this.hand('close()', undefined, this.executor.close({ graceMs: 50 }))
    await this.#pass(100)
    for (const call of this.calls) call.release?.()
    await this.#pass(100)
    this.#check(this.#law.atEnd)
    if (this.#broken !== undefined) throw this.#broken
  }

  act(action: Action): void {
    this.#onStack++
    try {
      this.#do(action)
    } finally {
      this.#onStack--
    }
    this.#check(this.#law.always)
  }

  /** Keeps an eye on a promise that was handed out. */
  hand(name: string, n: number | undefined, promise: Promise<unknown>): Handed {
    const handed: Handed = { name, n, state: 'open', value: undefined, settledAt: Number.NaN }
    const settle = (state: 'fulfilled' | 'rejected') => (value: unknown) => {
      Object.assign(handed, { state, value, settledAt: this.clock.now() })
      if (n !== undefined) this.trace.push(`${this.clock.now()}: ${name} ${n} ${state} ${nameOf(value)}`)
    }
    promise.then(settle('fulfilled'), settle('rejected'))
    this.promises.push(handed)
    return handed
  }

  #check(check: ((world: World) => void) | undefined): void {
    if (check === undefined || this.#broken !== undefined) return
    try {
      check.call(this.#law, this)
    } catch (error) {
      this.#broken = error
    }
  }

  #do(action: Action): void {
    const { executor } = this
    switch (action.do) {
      case 'arrive':
        if (this.requests.length < MAX_ARRIVALS) this.#arrive(action)
        return
      case 'cancel': {
        const seen = this.#pick(action.which)
        if (action.by === 'handle') seen?.handle?.cancel('a reason')
        else if (seen?.id !== undefined) executor.cancel(seen.id)
        return
      }
      case 'setPriority': {
        const seen = this.#pick(action.which)
        if (seen?.handle?.setPriority(action.priority)) this.#moved(seen.twin ?? seen, action.priority)
        return
      }
      case 'abort':
        this.controllers[action.signal]?.abort(new Error('aborted'))
        this.controllers[action.signal] = new AbortController()
        return
      case 'release': {
        const hanging = this.calls.filter((call) => call.release !== undefined)
        hanging[action.which % hanging.length]?.release?.()
        return
      }
      case 'pause':
        executor.pause()
        // From inside a listener: whoever has been given a slot already still starts.
        queueMicrotask(() => {
          this.#isPaused = this.status.state === 'paused'
        })
        return
      case 'resume':
        this.#isPaused = false
        executor.resume()
        return
      case 'resize':
        this.#resize(action.concurrency)
        return
      case 'idle':
        this.hand('idle()', undefined, executor.idle())
        return
      case 'ready':
        this.hand('ready()', undefined, executor.ready(action.priority))
        return
      case 'close':
        this.hand('close()', undefined, executor.close(action))
    }
  }

  #resize(concurrency: number): void {
    this.#limit = Math.max(this.#limit, concurrency)
    this.executor.concurrency = concurrency
    // From inside a listener: whoever has been given a slot already still starts.
    queueMicrotask(() => {
      this.#limit = this.executor.concurrency
    })
  }

  /** One of the latest requests. */
  #pick(which: number): Seen | undefined {
    return this.requests[this.requests.length - 1 - (which % Math.min(this.requests.length, 12))]
  }

  #arrive(arrive: Arrive): void {
    const n = this.requests.length
    const seen: Seen = {
      n,
      arrive,
      at: this.clock.now(),
      tier: priorities.indexOf(arrive.priority),
      phase: 'arriving',
      sequence: -1,
      history: [],
      calls: [],
      startedAt: -1,
      id: arrive.id === undefined ? undefined : `id-${arrive.id}`,
      signal: arrive.signal === undefined ? undefined : this.controllers[arrive.signal]?.signal,
      handle: undefined,
      answer: undefined,
      twin: undefined,
      shared: false,
    }
    this.requests.push(seen)
    const { waitTimeoutMs, runTimeoutMs, timeoutMs, priority } = arrive
    const cost = this.#costOf(arrive)
    const options = {
      priority,
      metadata: n,
      ...{ waitTimeoutMs, runTimeoutMs, timeoutMs, cost, id: seen.id, signal: seen.signal },
    } as RequestOptions
    const twin = this.#liveWith(seen.id)
    this.#context.run(n, () => this.#submit(seen, options))
    if (twin === undefined || seen.phase !== 'arriving') return
    seen.twin = twin
    // It may have lifted the one that it has joined.
    const lifted = this.#liveWith(seen.id) === twin ? this.executor.get(twin.id as string)?.priority : undefined
    if (lifted !== undefined) this.#moved(twin, lifted)
  }

  #submit(seen: Seen, options: RequestOptions): void {
    const { n, arrive } = seen
    const { executor } = this
    const held = (handle: QueuedRequest<Payload, unknown>): void => {
      seen.handle = handle
      // Some never look at the result, and must not be told of its failure.
      if (n % 3 > 0) seen.answer = this.hand('result', n, handle.result)
    }
    if (arrive.via === 'execute') seen.answer = this.hand('execute()', n, executor.execute({ n }, options))
    else if (arrive.via === 'offer') {
      const handle = executor.offer({ n }, options)
      if (handle !== undefined) held(handle)
    } else {
      const promise = executor.submit({ n }, options)
      const admission = this.hand('submit()', n, promise)
      seen.answer = admission
      promise.then(
        (handle) => {
          seen.answer = undefined
          held(handle)
        },
        () => {},
      )
    }
  }

  /** What costs more than it can have is refused, and teaches nothing. */
  #costOf({ cost = 1, priority }: Arrive): number {
    const { reserve = {}, lendReserve } = this.schedule.policies
    const { [priority as 'low']: _own, ...others } = reserve
    const kept = lendReserve ? 0 : Object.values(others).reduce((sum, floor) => sum + floor, 0)
    return Math.min(cost, Math.max(this.schedule.options.concurrency - kept, 1))
  }

  /** The live request with an id. Not by the books: events are told later than they happen. */
  #liveWith(id: string | undefined): Seen | undefined {
    const handle = id === undefined ? undefined : this.executor.get(id)
    const seen = handle === undefined ? undefined : this.requests[handle.metadata as number]
    // The handle may be that of one who has joined, when the first has left.
    return seen?.twin ?? seen
  }

  /** Of whom nothing was told, has joined another. */
  #findJoined(): void {
    for (const seen of this.requests) {
      if (seen.phase !== 'arriving') continue
      seen.phase = 'joined'
      if (seen.twin !== undefined) seen.twin.shared = true
    }
  }

  #moved(seen: Seen, priority: Priority): void {
    const tier = priorities.indexOf(priority)
    if (tier === seen.tier) return
    seen.tier = tier
    this.#movedNow.add(seen)
    if (seen.phase === 'waiting') this.#insert(seen)
    if (this.#behindNext.size > 0) this.#behindNext.add(seen)
  }

  #insert(seen: Seen): void {
    this.#remove(seen)
    const at = this.line.findIndex(
      (other) => other.tier > seen.tier || (other.tier === seen.tier && other.sequence > seen.sequence),
    )
    this.line.splice(at < 0 ? this.line.length : at, 0, seen)
  }

  #remove(seen: Seen): void {
    const at = this.line.indexOf(seen)
    if (at >= 0) this.line.splice(at, 1)
  }

  // ── The executor ───────────────────────────────────────────────────────────────────────────────────────────────────

  #execute({ n }: Payload, run: RunContext): unknown {
    const seen = this.requests[n] as Seen
    const { work } = seen.arrive
    const cost = this.#costOf(seen.arrive)
    const at = this.clock.now()
    const call: Call = { seen, at, run, cost, settled: false, release: undefined }
    this.calls.push(call)
    seen.calls.push(call)
    this.trace.push(`${this.clock.now()}: call ${n}`)
    this.#inContextOf(seen, 'a call')
    if (this.#onStack > 0) this.onStack.push(`request ${n}`)
    // One that costs more than there are slots now runs alone.
    const others = slotsOf(this.calls.filter((other) => !other.settled && other !== call))
    if (this.unsettled > this.slots && others > this.stuck) {
      this.tooMany.push(`${this.unsettled} slots are taken, of ${this.slots}`)
    }
    this.#check(this.#law.always)
    const { onAbort } = work
    if (onAbort !== undefined) run.signal.addEventListener('abort', () => this.act(onAbort), { once: true })
    if (work.inside !== undefined) this.act(work.inside)
    return this.#work(work, call, run)
  }

  #work({ kind, ms }: Work, call: Call, run: RunContext): unknown {
    const { seen } = call
    const settle = (): void => {
      this.#inContextOf(seen, `the end of '${kind}'`)
      call.settled = true
      call.release = undefined
    }
    const error = new Error(`failure ${seen.n}`)
    switch (kind) {
      case 'primitive':
        settle()
        return seen.n
      case 'object':
        settle()
        return { n: seen.n }
      case 'throws':
        settle()
        throw error
      case 'rejects':
        settle()
        return Promise.reject(error)
      case 'sleeps':
        return this.clock.sleep(ms, { signal: run.signal }).finally(settle)
      case 'deaf':
        return this.clock.sleep(ms).finally(settle)
      case 'fails':
        return this.clock.sleep(ms).then(() => {
          settle()
          throw error
        })
      case 'hangs':
        return new Promise((resolve) => {
          call.release = () => {
            call.settled = true
            call.release = undefined
            resolve(seen.n)
          }
        })
      case 'thenable':
        return {
          // biome-ignore lint/suspicious/noThenProperty: what is tested is what becomes of thenables
          then: (resolve: (value: unknown) => void) => {
            this.#inContextOf(seen, `the 'then' of a thenable`)
            this.clock.setTimeout(() => {
              call.settled = true
              resolve(seen.n)
              resolve('a second answer')
            }, ms)
          },
        }
      case 'thenThrows':
        settle()
        return Object.defineProperty({}, 'then', {
          get() {
            throw error
          },
        })
      case 'closes':
        return this.#closeFromInside(settle)
    }
  }

  async #closeFromInside(settle: () => void): Promise<void> {
    const closing = this.executor.close()
    this.hand('close() from inside', undefined, closing)
    await closing
    settle()
  }

  #inContextOf(seen: Seen, where: string): void {
    const found = this.#context.getStore()
    if (found !== seen.n) this.wrongContexts.push(`${where} of request ${seen.n} ran in the context of ${found}`)
  }

  // ── Listeners ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #listen(): void {
    for (const event of eventNames) {
      this.executor.on(event, (payload) => {
        this.#sawTimes(event, payload)
        if ('metadata' in payload) {
          const { metadata, id, priority } = payload
          this.#saw(event, this.requests[metadata as number] as Seen, id, priority)
        }
        this.#check(this.#law.always)
      })
    }
    for (const reaction of this.schedule.reactions) {
      let seen = 0
      this.executor.on(reaction.on, () => {
        const now = seen++ - reaction.after
        if (now < 0 || now >= reaction.times) return
        const { does } = reaction
        if (does.do === 'throw' || does.do === 'reject') {
          const error = new Error(`a listener of '${reaction.on}'`)
          this.thrown.push(error)
          if (does.do === 'throw') throw error
          return Promise.reject(error)
        }
        this.act(does)
        return
      })
    }
  }

  #hurt(): void {
    for (const event of eventNames) {
      this.executor.on(event, () => {
        throw new Error(`a listener of '${event}'`)
      })
      this.executor.on(event, async () => {
        throw new Error(`an async listener of '${event}'`)
      })
    }
  }

  #sawTimes(event: string, times: { at: number; waitMs?: number; runMs?: number }): void {
    const { at, waitMs = 0, runMs = 0 } = times
    const holds = at === this.clock.now() && waitMs >= 0 && runMs >= 0
    if (!holds) this.wrongTimes.push(`'${event}' at ${this.clock.now()} says ${JSON.stringify({ at, waitMs, runMs })}`)
  }

  #saw(event: string, seen: Seen, id: string | undefined, priority: Priority): void {
    if (event === 'joined') {
      this.#inContextOf(seen, `a listener of '${event}'`)
      return
    }
    seen.history.push(event)
    seen.id ??= id
    seen.twin = undefined
    this.#inContextOf(seen, `a listener of '${event}'`)
    if (event === 'queued') this.#sawQueued(seen, priority)
    else if (event === 'blocked') this.#sawBlocked(seen)
    else if (event === 'rejected') seen.phase = 'rejected'
    else if (event === 'started') this.#sawStarted(seen)
    else if ((ends as readonly string[]).includes(event)) {
      seen.phase = 'ended'
      this.#remove(seen)
    }
  }

  #sawBlocked(seen: Seen): void {
    seen.phase = 'blocked'
    seen.sequence = this.#sequence++
  }

  /** With one bound for all, the first of the blocked is next; with several, at least the first of its priority. */
  #passes(seen: Seen): Seen | undefined {
    const wasBlocked = seen.phase === 'blocked'
    const isOneBound = typeof (this.schedule.options.maxQueueSize ?? 0) === 'number'
    return this.requests.find((other) => {
      if (
        other === seen ||
        other.phase !== 'blocked' ||
        this.#movedNow.has(other) ||
        !(isOneBound || other.tier === seen.tier)
      )
        return false
      return !wasBlocked || other.tier < seen.tier || (other.tier === seen.tier && other.sequence < seen.sequence)
    })
  }

  #sawQueued(seen: Seen, priority: Priority): void {
    // Who joins one that is blocked may lift it, so that it comes in at once: the call that did so has not returned yet.
    this.#moved(seen, priority)
    const passed = this.#passes(seen)
    if (passed !== undefined) this.passed.push(`request ${seen.n} was admitted before ${passed.n}, which is blocked`)
    const wasBlocked = seen.phase === 'blocked'
    seen.phase = 'waiting'
    seen.sequence = this.#sequence++
    this.#insert(seen)
    // It may have come in for the place of one that has left the line for its slot, and is about to be announced.
    if (!wasBlocked && this.#behindNext.size === 0) return
    // All of that is one synchronous stretch: when it is over, nobody is about to be announced.
    if (this.#behindNext.size === 0) Promise.resolve().then(() => this.#behindNext.clear())
    this.#behindNext.add(seen)
  }

  #sawStarted(seen: Seen): void {
    if (this.#isPaused && this.status.state === 'paused') this.outOfOrder.push(`request ${seen.n} started in a pause`)
    const isBehind = this.#behindNext.has(seen)
    const first = this.line.find((other) => isBehind || !this.#behindNext.has(other))
    if (first !== seen) this.outOfOrder.push(`request ${seen.n} started before ${first?.n}`)
    this.#behindNext.clear()
    this.#remove(seen)
    seen.phase = 'running'
    seen.startedAt = this.clock.now()
  }
}

function slotsOf(calls: readonly Call[]): number {
  return calls.reduce((sum, { cost }) => sum + cost, 0)
}

function nameOf(value: unknown): string {
  return value instanceof Error ? ((value as { code?: string }).code ?? value.message) : typeof value
}

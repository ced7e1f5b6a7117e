/**
 * The laws, whatever the policies: checked at each call and each event, at every step, and at the end. These are also the
 * bounds that policies publish whose choices are a matter of numbers.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import {
  type DuplicateRequestError,
  type ExecutorEvent,
  type ExecutorStatus,
  priorities,
  type RunContext,
} from 'triage-queue'
import type { Rules } from './rules.ts'
import { type Action, isBulk, type Reaction } from './schedule.ts'
import type { Seen } from './seen.ts'
import { BURST, MAX_LEARNED, PER_SECOND, rulesOf } from './setup.ts'
import type { World } from './world.ts'

/** Each event, and the letter that stands for it in the way of a request; what happens beside its way has none. */
const letters: { readonly [E in ExecutorEvent]: string } = {
  ...{ queued: 'q', rejected: 'r', blocked: 'b', started: 's', retrying: 'y', completed: 'c', failed: 'f' },
  ...{ expired: 'e', cancelled: 'x', shed: 'd', joined: '', full: '', idle: '', paused: '', resumed: '' },
  ...{ resized: '', stuck: '', selfWaiting: '', closed: '', progress: '', parked: '', unrecorded: '', store: '' },
}
const events = Object.keys(letters) as ExecutorEvent[]
/** While anyone listens to one of these, no request goes the plain way. */
const ofPlain: ReadonlySet<ExecutorEvent> = new Set(['queued', 'full', 'started', 'completed', 'idle'])
const DEFAULT_CHECKING = 10_000

/** The only ways there are; one who joins another has none of his own. */
const ways = /^(b?r|b?q(sy)*(s[cfex]|[exd]))?$/

export class Laws {
  readonly #world: World
  rules: Rules
  /** How many there still are of what is beyond its bound, since that was lowered. */
  readonly #over = new Map<string, number>()
  #overByTier = [0, 0, 0, 0]
  /** What listeners were told to throw, and what was reported. */
  thrown = 0
  readonly reported: unknown[] = []
  readonly #listeners = new Map<ExecutorEvent, (about: { readonly at: number }) => void>()
  #isHeard = false
  readonly #told: { [E in ExecutorEvent]?: number } = {}
  /** The greatest limit since all was last at rest: whoever has been given a slot then still starts. */
  #limit: number
  /** When each came in, by tier: for the rate. */
  readonly #cameAt: number[][] = [[], [], [], []]
  /** When each start was, by key: for the rate of starts. */
  readonly #startedAt = new Map<number, number[]>()
  /** Since it was looked at: it was paused, or has another limit. And those who wait because of that. */
  #isDisturbed = false
  readonly #excused = new Set<Seen>()
  /** Whether each waits for its first start, in the order in which they came in. */
  #line: Seen[] = []
  readonly #keepsLine: boolean

  constructor(world: World) {
    this.#world = world
    const { options, policies, commands } = world.schedule
    this.rules = rulesOf(world.schedule)
    this.#limit = this.#most(options.concurrency)
    const numeric = policies.order === 'weighted' || policies.order === 'fair'
    // Whoever moves, joins or comes later has another place than that of its coming.
    const moves = commands.some((each) => isBulk(each) || isMoved(each))
    const drops = policies.guards.includes('waiting tokens')
    this.#keepsLine =
      numeric &&
      !moves &&
      !drops &&
      world.schedule.faults === undefined &&
      options.whenFull !== 'block' &&
      world.schedule.reactions.length === 0
  }

  /** Not all events are heard. */
  get #isPlain(): boolean {
    return this.#world.schedule.plain !== undefined
  }

  #most(concurrency: number): number {
    const { limit } = this.#world.schedule.policies
    return limit === undefined || limit === 'shadow' ? concurrency : MAX_LEARNED
  }

  // ── Each event ─────────────────────────────────────────────────────────────────────────────────────────────────────

  listen(context: AsyncLocalStorage<number>): void {
    const { executor, schedule } = this.#world
    for (const event of events) {
      const listener = (about: { readonly at: number }): void => this.#hear(event, about, context.getStore())
      this.#listeners.set(event, listener)
      if (schedule.plain === undefined || !ofPlain.has(event)) executor.on(event, listener)
    }
    for (const reaction of schedule.reactions) this.#react(reaction)
  }

  /** Listens, or not, to the events of a request that has nothing special. */
  hear(isHeard: boolean): void {
    if (this.#isHeard === isHeard) return
    this.#isHeard = isHeard
    this.#world.counts.add(isHeard ? 'plain ends' : 'plain begins')
    const { executor } = this.#world
    for (const event of ofPlain) {
      if (isHeard) executor.on(event, this.#listeners.get(event) as () => void)
      else executor.off(event, this.#listeners.get(event) as () => void)
    }
  }

  #hear(event: ExecutorEvent, about: { readonly at: number }, store: number | undefined): void {
    const { clock, seen, counts } = this.#world
    counts.add(`event ${event}`)
    if ('notRetried' in about && about.notRetried === 'full') counts.add('not retried')
    if ('reason' in about && about.reason === 'duplicate_request') {
      const { error } = about as unknown as { readonly error: DuplicateRequestError }
      if (error.reason === 'payload') counts.add('another payload')
    }
    if (event === 'paused' || event === 'resized') this.#isDisturbed = true
    this.#told[event] = (this.#told[event] ?? 0) + 1
    if (about.at !== clock.now() && !this.#world.faults?.hasBadTime) this.#broken(11, `'${event}' says ${about.at}`)
    // Who submits inside a run does not wait for it.
    if (event === 'selfWaiting') this.#world.fail('runs are said to wait for each other')
    if (!('metadata' in about)) return
    const { metadata, request: payload } = about as { readonly metadata: unknown; readonly request?: object }
    const n = (payload && this.#world.known.get(payload)) ?? (metadata as number)
    const request = seen[n] as Seen
    if (store !== request.n)
      this.#broken(8, `a listener of '${event}' about ${request.n} is in the context of ${store}`)
    request.way += letters[event]
    if (event === 'retrying') {
      const failures = request.way.replaceAll(/[^y]/g, '').length
      request.backAt = about.at + (this.rules.retryMs(failures) as number)
    }
    if (event === 'queued') {
      this.#cameAt[request.caller.tier]?.push(about.at)
      if (this.#keepsLine) this.#line.push(request)
    } else if (this.#keepsLine && letters[event] !== '') this.#line = this.#line.filter((other) => other !== request)
  }

  #react({ on, after, times, does }: Reaction): void {
    let heard = 0
    this.#world.executor.on(on, () => {
      const now = heard++ - after
      if (now < 0 || now >= times) return
      if (isAction(does)) {
        this.#world.act(does)
        return
      }
      this.thrown++
      const error = new Error(`a listener of '${on}'`)
      if (does.do === 'throw') throw error
      return Promise.reject(error)
    })
  }

  // ── Each call ──────────────────────────────────────────────────────────────────────────────────────────────────────

  called({ n, way, arrive, caller }: Seen, run: RunContext, store: number | undefined): void {
    const { onStack, unsettled, executor, clock } = this.#world
    if (onStack > 0) this.#broken(3, `${n} is called on the stack of another call`)
    if (this.rules.tokens !== undefined) {
      this.#startedAt.set(arrive.key, [...(this.#startedAt.get(arrive.key) ?? []), clock.now()])
    }
    if (store !== n) this.#broken(8, `the call of ${n} is in the context of ${store}`)
    if (!this.#isPlain && !way.endsWith('s')) this.#broken(2, `${n} is called, its way was '${way}'`)
    // Timers count in whole ms, and a token may be due in between.
    if (run.deadline <= clock.now() - 1 && !this.#world.faults?.hasBadTime)
      this.#broken(11, `${n} is called after its deadline`)
    this.allow(executor.concurrency)
    const { maxReplaced } = this.rules
    const most = this.#limit + maxReplaced
    // What costs more than there are slots runs alone, or beside calls that are stuck and have substitutes.
    if (unsettled > most && unsettled - caller.cost > maxReplaced)
      this.#broken(5, `${unsettled} slots are used, of ${most}`)
    if (!this.#keepsLine || way !== 'qs') return
    const isFair = this.#world.schedule.policies.order === 'fair'
    const before = this.#line.find((other) => {
      return other.n < n && other.caller.tier === caller.tier && (!isFair || other.arrive.key === arrive.key)
    })
    if (before !== undefined) this.#broken(3, `${n} is called before ${before.n}, which came earlier`)
  }

  /** Whoever has been given a slot under this limit may start. */
  allow(concurrency: number): void {
    this.#limit = Math.max(this.#limit, this.#most(concurrency))
  }

  // ── Each step ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Everything has been done that can be done at this instant. */
  settled(): void {
    this.#checkNone()
    this.#limit = this.#most(this.#world.executor.concurrency)
  }

  /** What comes in where nothing may wait starts in its burst; unless it was paused, shrunk or held in that very burst. */
  #checkNone(): void {
    const { byTier, total } = this.rules
    if (total > 0 && !byTier.includes(0)) return
    // A guard with faults may hold what it has let in; and a breaker that is half-open counts the starts of the burst.
    const isUsual = this.#world.faults === undefined && !this.#world.schedule.policies.guards.includes('breaker')
    const isCalm = isUsual && !this.#isDisturbed && this.#world.executor.getStatus().state !== 'paused'
    this.#isDisturbed = false
    for (const seen of this.#world.seen) {
      const { handle, way, n } = seen
      if (handle === undefined || handle.state !== 'waiting' || !/^b?q$/.test(way)) continue
      if (total > 0 && byTier[priorities.indexOf(handle.priority)] !== 0) continue
      if (isCalm && !this.#excused.has(seen)) this.#broken(4, `${n} waits, where nothing may`)
      this.#excused.add(seen)
    }
  }

  /** At any moment, also in the middle of a step. */
  books(status = this.#world.executor.getStatus()): void {
    const { total, byTier, maxBlocked, maxRetrying } = this.rules
    const { waiting, running, retrying, blocked, totals, waitingByPriority } = status
    const { completed, failed, expired, cancelled, shed, admitted } = totals
    const ended = completed + failed + expired + cancelled + shed
    if (admitted !== waiting + running + retrying + ended) {
      this.#broken(1, `${admitted} came in, ${waiting} wait, ${running} run, ${retrying} retry, ${ended} have ended`)
    }
    if (waiting < 0 || running < 0 || retrying < 0)
      this.#broken(1, `${waiting} wait, ${running} run, ${retrying} retry`)
    this.#keeps('waiting', waiting, total)
    for (const [tier, priority] of priorities.entries()) {
      const most = Math.max(byTier[tier] as number, this.#overByTier[tier] as number)
      if (waitingByPriority[priority] > most) this.#broken(4, `too many of '${priority}' wait`)
    }
    this.#keeps('retrying', retrying, maxRetrying)
    const { maxChecking = total || DEFAULT_CHECKING } = this.#world.options
    this.#keeps('checking', status.checking, maxChecking)
    this.#keeps('blocked', blocked, maxBlocked)
  }

  /** More than that only if that many were there before the bound was lowered, and no more than there were last. */
  #keeps(what: string, count: number, bound: number): void {
    const most = Math.max(bound, this.#over.get(what) ?? 0)
    if (count > most) this.#broken(4, `${count} are ${what}, of at most ${most}`)
    if (count > bound) this.#over.set(what, count)
    else this.#over.delete(what)
  }

  /** Other bounds: what is in stays. */
  update(rules: Rules): void {
    this.books()
    const { waiting, retrying, blocked, checking, waitingByPriority } = this.#world.executor.getStatus()
    for (const [what, count] of Object.entries({ waiting, retrying, blocked, checking })) this.#over.set(what, count)
    // Who has a slot promised is not shown, and may be another one later.
    const queued = this.#world.seen.filter(({ way }) => /^b?q$/.test(way)).length
    const promised = this.#isPlain ? this.#limit : queued - waiting
    this.#overByTier = priorities.map((priority) => waitingByPriority[priority] + promised)
    this.rules = rules
  }

  status(status: ExecutorStatus): void {
    this.books(status)
    const { waiting, running, retrying, blocked, totals } = status
    const { completed, failed, expired, cancelled, shed, admitted, rejected } = totals
    const told = { completed, failed, expired, cancelled, shed, rejected, queued: admitted, joined: totals.joined }
    for (const [event, times] of Object.entries(told)) {
      const heard = this.#told[event as ExecutorEvent] ?? 0
      if (this.#isPlain ? heard > times : heard !== times)
        this.#broken(1, `'${event}' was told ${heard} times, and counted ${times} times`)
    }
    if (status.maxWorkers > this.#limit || status.maxWorkers < 1) this.#broken(5, `the limit is ${status.maxWorkers}`)
    // What policies throw is reported, too.
    const errors = this.#world.faults === undefined ? this.thrown : status.listenerErrors
    if (status.listenerErrors !== errors) this.#broken(10, `${errors} errors, ${status.listenerErrors} counted`)
    const unheard = this.#world.faults?.calledAt('QueuedExecutorOptions.onListenerError') ?? 0
    if (this.reported.length !== errors - unheard)
      this.#broken(10, `${errors} errors, ${this.reported.length} reported`)
    // Who asks for room counts as live: a guard is asked again in time.
    const isAsked = this.#world.promises.some(({ name, end }) => name === 'ready()' && end === '')
    const isQuiet =
      waiting + running + retrying + blocked + status.activeWorkers === 0 && !isAsked && !this.#world.isLame()
    const timers = this.#world.clock.timers - this.#world.answersAt.length
    if (isQuiet && timers > 0) this.#broken(9, `${timers} timers are left, and nothing waits or runs`)
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The executor is closed, and everything that it held was let go. */
  atEnd(): void {
    const { executor, promises, seen, signals, schedule } = this.#world
    const status = executor.getStatus()
    this.status(status)
    const left = status.waiting + status.running + status.retrying + status.blocked + status.activeWorkers
    if (left > 0 || status.state !== 'closed') this.#broken(9, `at the end it is ${status.state}, and ${left} are left`)
    for (const { name, end } of promises) if (end === '') this.#broken(6, `${name} is still open`)
    for (const signal of signals) {
      if (getEventListeners(signal, 'abort').length > 0 && !this.#world.faults?.hasBadSignal)
        this.#broken(9, 'a signal still has a listener')
    }
    for (const { n, way } of seen) if (!this.#isPlain && !ways.test(way)) this.#broken(1, `${n} went the way '${way}'`)
    // One that is blocked has had its token when it came, and may come in later together with others.
    if (schedule.faults === undefined && schedule.policies.guards.includes('tokens') && this.rules.whenFull !== 'block')
      this.#checkRate(this.#cameAt, 'came in')
    if (schedule.faults === undefined) this.#checkRate(this.#startedAt.values(), 'started')
  }

  #checkRate(all: Iterable<readonly number[]>, what: string): void {
    for (const times of all) {
      for (const [i, from] of times.entries()) {
        for (let j = i; j < times.length; j++) {
          const most = BURST + (PER_SECOND * ((times[j] as number) - from)) / 1_000 + 1e-6
          if (j - i + 1 > most) this.#broken(4, `${j - i + 1} ${what}, at a rate of at most ${most}`)
        }
      }
    }
  }

  #broken(law: number, how: string): void {
    this.#world.fail(`law ${law}: ${how}`)
  }
}

function isMoved(action: Action): boolean {
  if (action.do !== 'arrive') return action.do === 'setPriority'
  const { id, delayMs, after, work } = action
  return (
    id !== undefined ||
    delayMs !== undefined ||
    after !== undefined ||
    (work.inside !== undefined && isMoved(work.inside))
  )
}

function isAction(does: Reaction['does']): does is Action {
  return does.do !== 'throw' && does.do !== 'reject'
}

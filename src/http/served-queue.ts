/**
 * One queue behind the routes: what lives there and what has ended, and every change that a route can ask for.
 *
 * It hears the executor's events, and keeps of them what it needs to answer without walking through what waits. What an executor can
 * answer itself (`find`, `flushed`) it is asked.
 */
import { keyedBy, keyOf, type Policy } from '../core/policy.ts'
import { readableStoreOf } from '../core/readable-store.ts'
import type {
  EffectiveOptions,
  ExecutorEvent,
  ExecutorEvents,
  ExecutorStatus,
  Listener,
  RequestEvent,
  RequestView,
} from '../index.ts'
import { Changes } from './changes.ts'
import type { LocalHandle, ServedExecutor } from './executor-like.ts'
import { Identities, type Identity, unknownIdentity } from './identity.ts'
import { type Kept, KeptHere, KeptInStore } from './kept.ts'
import { type Live, LiveRequests } from './live-requests.ts'
import { HttpProblem } from './problem.ts'
import { type Ended, type Keep, RecentEnds } from './recent-ends.ts'
import { Refusals } from './refusals.ts'
import { FailedAttempts } from './timeline.ts'

const STATUS_MS = 250
/** `update()` may give it other ones. */
const POLICIES_MS = 1_000
/** Where it matters only what it is. */
const bare = { seesAll: false, exposeErrors: false }

/** What is told of one that comes. */
type Told = Pick<RequestEvent, 'id' | 'priority' | 'request' | 'metadata'>

type AnyEnd = ExecutorEvents['completed' | 'failed' | 'expired' | 'cancelled' | 'shed']

/** The life of a request that is here. */
type Life = Pick<RequestView, 'generation'> & Partial<Pick<RequestView, 'attempts' | 'submittedAt'>>

export class ServedQueue {
  readonly name: string
  readonly executor: ServedExecutor
  readonly live = new LiveRequests()
  readonly changes: Changes
  readonly refusals = new Refusals()
  readonly failedAttempts = new FailedAttempts()
  readonly #keptHere: Kept
  #keptInStore: Kept | undefined
  readonly #ends: RecentEnds
  readonly #exposesErrors: boolean
  /** By which policy requests are told apart, and when that was looked at. */
  #keyed: { readonly at: number; readonly by?: Policy | undefined } = { at: Number.NEGATIVE_INFINITY }
  /** Of those that are submitted just now. */
  readonly identities = new Identities()
  #generation = 0
  /** The numbers of those that are not admitted yet. */
  readonly #blocked = new Map<string, number>()
  /** From the executor's clock to that of the wall, in ms: each event says what the time is. */
  #wallOffset: number | undefined
  /** What runs in slots that are stuck, although it has ended for its caller. */
  readonly #stuck = new Map<number, Live>()
  #status: { readonly at: number; readonly status: ExecutorStatus } | undefined
  readonly #listeners: { readonly [E in keyof ExecutorEvents]?: (event: never) => void }

  constructor(name: string, executor: ServedExecutor, keep: Keep, exposesErrors: boolean) {
    this.name = name
    this.#exposesErrors = exposesErrors
    this.executor = executor
    this.#ends = new RecentEnds(keep)
    this.#keptHere = new KeptHere(name, executor, this.#ends, this.identities)
    const store = readableStoreOf(executor)
    if (store !== undefined) this.#keptInStore = new KeptInStore(name, executor, store)
    this.changes = new Changes(this)
    const ended = (state: Ended['state']) => (event: AnyEnd) => this.#ended(state, event)
    this.#listeners = {
      queued: (event: ExecutorEvents['queued']) => this.#queued(event),
      started: (event: ExecutorEvents['started']) => this.#started(event),
      blocked: ({ id }: ExecutorEvents['blocked']) => this.#blocked.set(id, ++this.#generation),
      rejected: (event: ExecutorEvents['rejected']) => this.#rejected(event),
      retrying: (event: ExecutorEvents['retrying']) => {
        const live = this.live.becomes(event.id, 'retrying')
        this.failedAttempts.add(event, live?.startedAt)
      },
      stuck: (event: ExecutorEvents['stuck']) => this.#isStuck(event),
      completed: ended('completed'),
      failed: ended('dead'),
      expired: ended('expired'),
      cancelled: ended('cancelled'),
      shed: ended('shed'),
      parked: ({ id }: ExecutorEvents['parked']) => this.live.delete(id),
    }
    // What was there before.
    for (const each of executor.waiting?.() ?? []) this.#add(each, Date.now() - each.waitMs)
    this.lookBack()
    for (const [event, listener] of this.#entries()) executor.on(event, listener)
  }

  /** What has ended is in a store, which knows each generation and each answer. */
  get hasStore(): boolean {
    return this.kept !== this.#keptHere
  }

  /** Shards in threads have a store as soon as they have begun. */
  get kept(): Kept {
    if (this.#keptInStore !== undefined) return this.#keptInStore
    const { executor, name } = this
    const { records } = executor
    if (records === undefined) return this.#keptHere
    this.#keptInStore = new KeptInStore(name, executor, records)
    return this.#keptInStore
  }

  /** What the stores of shards have brought back, and may have come before anyone listened. */
  lookBack(): void {
    for (const { id, priority, state } of this.executor.cameBack?.() ?? []) {
      if (this.live.get(id) !== undefined) continue
      this.#add({ id, priority, request: undefined, metadata: undefined }, Date.now())
      if (state === 'running' || state === 'retrying') this.live.becomes(id, state)
    }
  }

  #entries(): [ExecutorEvent, Listener<ExecutorEvent>][] {
    return Object.entries(this.#listeners) as [ExecutorEvent, Listener<ExecutorEvent>][]
  }

  /** Listens no more. */
  leave(): void {
    for (const [event, listener] of this.#entries()) this.executor.off(event, listener)
  }

  #queued(event: ExecutorEvents['queued']): void {
    this.failedAttempts.forget(event.id)
    this.#add(event, Date.now())
  }

  #rejected(event: ExecutorEvents['rejected']): void {
    const { id } = event
    this.refusals.add(event, this.keyOf(event.request, event.metadata))
    // It was another one with this id, if it is still there.
    if (id !== undefined && this.#blocked.has(id) && this.executor.get(id) === undefined) this.#blocked.delete(id)
  }

  /** By what one is told apart from others. Of shards in threads it is not known here. */
  keyOf(request: unknown, metadata: unknown): string | undefined {
    const now = performance.now()
    if (now - this.#keyed.at > POLICIES_MS) {
      const { settings, shards } = this.executor
      const { order, rateLimit }: Partial<EffectiveOptions> = settings ?? shards?.[0]?.settings ?? {}
      this.#keyed = { at: now, by: order && keyedBy({ order, rateLimits: rateLimit ?? [] }) }
    }
    return keyOf(this.#keyed.by, request, metadata)
  }

  #add({ id, priority, request, metadata }: Told, submittedAt: number): void {
    const generation = this.#blocked.get(id) ?? ++this.#generation
    this.#blocked.delete(id)
    const live: Live = {
      ...{ id, generation, key: this.keyOf(request, metadata), priority, state: 'waiting', submittedAt },
      ...{ startedAt: undefined, waitMs: undefined, attempts: 0, identity: this.#identityOf(id, request) },
    }
    this.live.add(live)
  }

  /** A store compares itself. */
  #identityOf(id: string, request: unknown): Identity {
    return this.hasStore ? unknownIdentity : this.identities.of(id, request)
  }

  #isStuck({ slot, id, priority, runMs }: ExecutorEvents['stuck']): void {
    const startedAt = Date.now() - runMs
    const known = this.live.get(id) ?? this.#ends.find(id)
    const {
      generation = 0,
      key,
      submittedAt = startedAt,
      waitMs,
      attempts = 0,
      identity = unknownIdentity,
    } = known ?? {}
    this.#stuck.set(slot, {
      ...{ id, generation, key, priority, state: 'running', submittedAt, startedAt, waitMs, attempts, identity },
    })
  }

  /** What runs in this slot, as far as it is known. */
  inSlot(slot: number, id: string): Live | undefined {
    const live = this.live.get(id)
    if (live !== undefined) return live
    const stuck = this.#stuck.get(slot)
    return stuck?.id === id ? stuck : undefined
  }

  /** A time of the executor's clock, in ms since 1970; undefined before its first event. */
  onTheWall(at: number): number | undefined {
    return this.#wallOffset === undefined ? undefined : this.#wallOffset + at
  }

  #started({ id, waitMs, attempt, priority, request, metadata, at }: ExecutorEvents['started']): void {
    this.#wallOffset = Date.now() - at
    // It came before anyone listened.
    if (this.live.get(id) === undefined) this.#add({ id, priority, request, metadata }, Date.now() - waitMs)
    const live = this.live.becomes(id, 'running')
    if (live === undefined) return
    live.priority = priority
    live.startedAt = Date.now()
    live.waitMs ??= waitMs
    live.attempts = attempt
  }

  #ended(state: Ended['state'], event: AnyEnd): void {
    const live = this.live.delete(event.id)
    if (this.hasStore) return
    const { id, priority, request, metadata } = event
    const { waitMs, runMs, attempts, error, result, options } = event as Partial<
      ExecutorEvents['failed'] & ExecutorEvents['completed']
    >
    const isDead = state === 'dead'
    const identity = live?.identity ?? this.#identityOf(id, request)
    this.#ends.add({
      ...{ id, priority, state, generation: live?.generation ?? ++this.#generation },
      key: live === undefined ? this.keyOf(request, metadata) : live.key,
      ...{ submittedAt: live?.submittedAt ?? Date.now(), startedAt: live?.startedAt, endedAt: Date.now() },
      ...{ waitMs: waitMs ?? live?.waitMs, runMs, attempts: attempts ?? live?.attempts ?? 0, result, error, identity },
      ...{ request: isDead ? request : undefined, metadata: isDead ? metadata : undefined, options },
    })
  }

  async handle(id: string): Promise<LocalHandle | undefined> {
    return (await this.executor.get(id)) as LocalHandle | undefined
  }

  /** Of the life that is here, as all see it: a store has numbers of its own. Without one that lives, of the last one. */
  async generationOf(id: string): Promise<number | undefined> {
    return (await this.lifeOf(id))?.generation
  }

  /** With the number of the life: what a store knows of it, which may have begun in an earlier process. */
  async lifeOf(id: string): Promise<Life | undefined> {
    if (!this.hasStore) {
      const generation = this.numberOf(id) ?? (await this.kept.view(id, bare))?.generation
      return generation === undefined ? undefined : { generation }
    }
    const view = await this.executor.find?.(id)
    return view && { generation: view.generation, attempts: view.attempts, submittedAt: view.submittedAt }
  }

  /** Of the life that is here, and never of the last one: of one that was just submitted elsewhere nothing may be known yet. */
  async liveGenerationOf(id: string): Promise<number | undefined> {
    return this.hasStore ? this.generationOf(id) : this.numberOf(id)
  }

  /** Without a store: of one that lives, admitted or not. */
  numberOf(id: string): number | undefined {
    return this.live.get(id)?.generation ?? this.#blocked.get(id)
  }

  /** How it stands. What the matter is with a store names its file: that is not told. */
  async status(): Promise<ExecutorStatus> {
    const status = await this.executor.getStatus()
    const { store } = status
    return store?.error == null
      ? status
      : { ...status, store: { ...store, error: this.#exposesErrors ? store.error : 'faulty' } }
  }

  /** At most a quarter of a second old: for estimates. */
  async recentStatus(): Promise<ExecutorStatus> {
    const now = performance.now()
    if (this.#status === undefined || now - this.#status.at > STATUS_MS) {
      this.#status = { at: now, status: await this.status() }
    }
    return this.#status.status
  }

  /** About when the request at this position starts, in ms; undefined before the first run has ended. */
  async estimate(position: number | undefined): Promise<number | undefined> {
    if (position === undefined) return undefined
    const { run, maxWorkers } = await this.recentStatus()
    if (run.count === 0) return undefined
    return Math.round((Math.floor(position / Math.max(maxWorkers, 1)) + 0.5) * run.averageMs)
  }

  /** Fulfils when what was changed is on disk, if there is one. */
  async flushed(): Promise<void> {
    await this.executor.flushed?.()
  }

  /** The answer that is kept of a request that has completed; a store's executor knows it itself. */
  answerTo(id: string): Ended | undefined {
    if (this.hasStore || this.live.get(id) !== undefined) return undefined
    const ended = this.#ends.find(id)
    return ended?.state === 'completed' ? ended : undefined
  }

  /** The state that it is in, or has ended in; undefined: nothing is known of it. */
  async stateOf(id: string): Promise<string | undefined> {
    const handle = await this.executor.get(id)
    return handle?.state ?? (await this.kept.view(id, bare))?.state
  }

  async setConcurrency(concurrency: number): Promise<void> {
    const { executor } = this
    if (executor.setConcurrency !== undefined) await executor.setConcurrency(concurrency)
    else if (executor.concurrency !== undefined) executor.concurrency = concurrency
    else throw new HttpProblem(404, 'NOT_OFFERED')
  }
}

/**
 * This side of a shard in a thread of its own.
 *
 * What lives there is known here, by its id: so a caller with the id of a live request finds its shard at once. When the thread dies,
 * all of that rejects with a `WorkerLostError`, and the next order starts another thread. One whose shard has a store starts by itself:
 * work is kept there.
 *
 * The file is a little long: it is one machine, whose states all its parts change.
 */
import { AsyncResource } from 'node:async_hooks'
import { Worker } from 'node:worker_threads'
import { describe } from '../core/any-value.ts'
import { OptionsError, QueueClosedError } from '../core/errors.ts'
import { WorkerLostError } from '../core/remote-errors.ts'
import { withoutContext } from '../core/without-context.ts'
import type {
  CloseOptions,
  ExecutorEvent,
  ExecutorHealth,
  ExecutorHistograms,
  ExecutorStatus,
  HandleLike,
  Listener,
  RequestOptions,
  RequestStateLike,
  RequestView,
  WorkerHealth,
} from '../index.ts'
import { type BackHandle, CameBack, type Reach } from './came-back.ts'
import { arrived, crossing } from './crossing.ts'
import { Listeners } from './listeners.ts'
import { notSent } from './not-sent.ts'
import { emptyReading, readingOf } from './readings.ts'
import { type Live, type Sent, SentRequests } from './sent-requests.ts'
import type { ObservedShard, Shard } from './shard.ts'
import type { ShardRecords } from './shard-records.ts'
import type { Order, Question, SentReading, ShardBegin, ShardWork, Word } from './shard-wire.ts'
import { StartUps } from './start-ups.ts'
import type { ShardReading } from './totals.ts'
import { workerFile } from './worker-files.ts'

/** How one is made. */
export interface ThreadShardSettings {
  readonly name: string
  readonly work: ShardWork
  readonly resourceLimits: object | undefined
  /** A thread that is over its time to close, and has not said anything for so long, is ended. */
  readonly killAfterMs: number
}

const MOST_IN_ONE = 1_000
/** A thread that has died comes back so much later, in ms, if its store keeps work for it; else with the next order. */
const BACK_AFTER_MS = 500

interface Asked {
  resolve(value: never): void
  reject(error: unknown): void
}

let made = 0

export class ThreadShard<Req = unknown, Res = unknown> implements Shard<Req, Res> {
  readonly name: string
  readonly #settings: ThreadShardSettings
  readonly #scope = withoutContext(new AsyncResource('TriageShard'))
  readonly #startUps = new StartUps()
  readonly #listeners: Listeners
  readonly #reach: Reach<Res> = {
    cancel: async (id, reason) => this.cancel(id, reason),
    setPriority: (id, priority) => this.#ask({ what: 'priority', id, priority }),
    position: (id) => this.#ask({ what: 'position', id }),
    result: (id) => this.#ask({ what: 'result', id }),
  }
  readonly #live = new SentRequests<Res>(this.#reach)
  readonly #back = new CameBack<Res>(this.#reach)
  readonly #asked = new Map<number, Asked>()
  readonly #prefix = `${Math.random().toString(36).slice(2, 8)}${++made}`
  #worker: Worker | undefined
  #isReady = false
  #hasStore = false
  #failure: unknown
  #orders: Order[] = []
  #numbers = 0
  #isPaused = false
  #concurrency: number | undefined
  #reading: ShardReading
  #asking: Promise<ShardReading> | undefined
  #closing: Promise<void> | undefined
  #isClosed = false
  #late: NodeJS.Timeout | undefined
  #again: NodeJS.Timeout | undefined
  /** How often something was heard of it. */
  #heard = 0

  constructor(settings: ThreadShardSettings) {
    this.name = settings.name
    this.#settings = settings
    this.#listeners = new Listeners(settings.name, (event, isOn) => {
      if (!this.#isClosed) this.#order({ is: 'listen', event, isOn })
    })
    this.#reading = emptyReading(settings.name)
    this.#start()
  }

  /** How much lives there. */
  get load(): number {
    return this.#live.size + this.#back.size
  }

  /** What its store keeps, if it has one, as far as that is known: from its start on. */
  get records(): ShardRecords | undefined {
    return this.#hasStore ? this.#records : undefined
  }

  readonly #records: ShardRecords = {
    find: (id) => this.#ask({ what: 'record', id }),
    list: (query) => this.#ask({ what: 'records', query }),
    stats: () => this.#ask({ what: 'stats' }),
    decode: (encoded) => this.#ask({ what: 'decode', encoded }),
  }

  /** What its store has brought back, and lives. */
  cameBack(): Iterable<BackHandle<Res>> {
    return this.#back.values()
  }

  /** What it has said last. */
  get observed(): ObservedShard {
    return {
      getStatus: () => this.#reading.status,
      getHistograms: () => this.#reading.histograms,
      on: (event, listener) => this.on(event, listener),
      off: (event, listener) => this.off(event, listener),
    }
  }

  execute(request: Req, options?: RequestOptions | undefined): Promise<Res> {
    return new Promise((resolve, reject) => {
      this.#submit(request, options, false, { resolve, reject, admitted: undefined, refused: undefined })
    })
  }

  submit(request: Req, options?: RequestOptions | undefined): Promise<HandleLike<Res>> {
    return new Promise((admitted, refused) => {
      const result = Promise.withResolvers<Res>()
      const { resolve, reject } = result
      const live = this.#submit(request, options, true, { resolve, reject, admitted, refused })
      if (live !== undefined) this.#live.keep(live, result.promise)
    })
  }

  #submit(
    request: Req,
    options: RequestOptions | undefined,
    isKept: boolean,
    ends: Pick<Sent<Res>, 'resolve' | 'reject' | 'admitted' | 'refused'>,
  ): Live<Res> | undefined {
    const refuse = ends.refused ?? ends.reject
    const { signal, after, ...sent } = options ?? {}
    const { id = `${this.#prefix}-${this.#numbers + 1}`, priority = 'normal' } = sent
    const subject = { queue: this.name, requestId: id, priority }
    const error = this.#refusal(subject, after)
    if (error !== undefined || signal?.aborted) {
      refuse(error ?? signal?.reason)
      return undefined
    }
    const number = ++this.#numbers
    const live = this.#live.add(number, { id, priority, request, options: sent, ...ends })
    if (signal !== undefined) this.#followed(live, number, signal)
    this.#keepAlive()
    this.#order({ is: 'submit', number, request, options: { ...sent, id }, isKept, mayLeave: signal !== undefined })
    return live
  }

  #refusal(subject: object, after: RequestOptions['after']): Error | undefined {
    if (this.#isClosed) return new QueueClosedError(subject)
    if (this.#startUps.isOver) return new WorkerLostError(this.#startUps.why, subject, this.#startUps.last)
    if (after === undefined) return undefined
    return new OptionsError('after', "nothing, since a promise can't be sent to a thread", after)
  }

  /** Its caller is told at once; there it is left as soon as that is heard. */
  #followed(live: Live<Res>, number: number, signal: AbortSignal): void {
    const leave = (): void => {
      this.#order({ is: 'leave', number, reason: crossing(signal.reason) })
      const end = live.sent.refused ?? live.sent.reject
      end(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    live.leave = () => signal.removeEventListener('abort', leave)
  }

  get(id: string): HandleLike<Res> | undefined {
    return this.#live.get(id) ?? this.#back.get(id)
  }

  find(id: string): Promise<RequestView | undefined> {
    return this.#ask({ what: 'find', id })
  }

  cancel(id: string, reason?: unknown): false | Promise<boolean> {
    const isHere = this.#live.has(id) || this.#back.get(id) !== undefined
    return isHere && this.#ask({ what: 'cancel', id, reason: crossing(reason) })
  }

  async getStatus(): Promise<ExecutorStatus> {
    return (await this.#read()).status
  }

  async getHistograms(): Promise<ExecutorHistograms> {
    return (await this.#read()).histograms
  }

  /** Both are asked for at one instant, by whoever asks for both. */
  async #read(): Promise<ShardReading> {
    if (this.#isClosed || this.#startUps.isOver) return this.#reading
    this.#asking ??= this.#ask<SentReading>({ what: 'reading' })
      .then((sent) => this.#hasRead(sent))
      .finally(() => {
        this.#asking = undefined
      })
    return this.#asking
  }

  #hasRead(sent: SentReading): ShardReading {
    this.#reading = readingOf(sent)
    return this.#reading
  }

  getWorkerHealth(): Promise<readonly WorkerHealth[]> {
    return this.#isClosed || this.#startUps.isOver ? Promise.resolve([]) : this.#ask({ what: 'workers' })
  }

  /** As far as it is known here. */
  health(): ExecutorHealth {
    if (this.#isClosed) return { live: true, ready: false, reasons: ['closed'] }
    if (this.#startUps.isOver) return { live: false, ready: false, reasons: ['stuck'] }
    if (this.#closing !== undefined) return { live: true, ready: false, reasons: ['closing'] }
    return this.#isPaused ? { live: true, ready: false, reasons: ['paused'] } : { live: true, ready: true, reasons: [] }
  }

  pause(): Promise<void> {
    this.#isPaused = true
    return this.#ask({ what: 'pause' })
  }

  resume(): Promise<void> {
    this.#isPaused = false
    return this.#ask({ what: 'resume' })
  }

  async setConcurrency(concurrency: number): Promise<void> {
    await this.#ask({ what: 'concurrency', concurrency })
    this.#concurrency = concurrency
  }

  idle(): Promise<void> {
    return this.#isClosed || this.#startUps.isOver ? Promise.resolve() : this.#ask({ what: 'idle' })
  }

  flushed(): Promise<void> {
    return this.#isClosed ? Promise.resolve() : this.#ask({ what: 'flushed' })
  }

  requeue(id: string, generation?: number | undefined): Promise<boolean> {
    return this.#ask({ what: 'requeue', id, generation })
  }

  /** @returns false when there is none */
  discard(id: string, generation?: number | undefined): Promise<boolean> {
    return this.#ask({ what: 'discard', id, generation })
  }

  drain(): Promise<void> {
    return this.close()
  }

  /** Closes it there, and ends the thread; one that is over `graceMs` and silent for `killAfterMs` is ended in any case. */
  close(options?: CloseOptions | undefined): Promise<void> {
    const { graceMs = Number.POSITIVE_INFINITY, lameDuckMs = 0 } = options ?? {}
    this.#endIfSilent(graceMs + lameDuckMs)
    this.#closing = this.#closed(options).then(
      () => this.#end(),
      (error) => {
        // It has gone by itself, or was ended.
        if (error instanceof WorkerLostError) return this.#end()
        clearTimeout(this.#late)
        this.#closing = undefined
        throw error
      },
    )
    return this.#closing
  }

  async #closed(options: CloseOptions | undefined): Promise<void> {
    if (this.#isClosed || this.#startUps.isOver) return
    this.#hasRead(await this.#ask<SentReading>({ what: 'close', options }))
  }

  #endIfSilent(afterMs: number): void {
    clearTimeout(this.#late)
    if (!(afterMs + this.#settings.killAfterMs < 2 ** 31)) return
    const from = this.#heard
    const look = (): void => {
      if (this.#isClosed) return
      if (this.#heard === from) void this.#worker?.terminate()
      else this.#endIfSilent(0)
    }
    // A turn later, since what has come while this thread was busy is not heard yet.
    this.#late = setTimeout(() => setImmediate(look), afterMs + this.#settings.killAfterMs)
  }

  async #end(): Promise<void> {
    clearTimeout(this.#late)
    clearTimeout(this.#again)
    this.#isClosed = true
    const { status, histograms } = this.#reading
    this.#reading = { status: { ...status, state: 'closed' }, histograms }
    const worker = this.#worker
    // Whoever awaits this wants to see it happen.
    worker?.ref()
    await worker?.terminate()
  }

  on<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#listeners.on(event, listener as Listener<ExecutorEvent>)
    return this
  }

  off<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#listeners.off(event, listener as Listener<ExecutorEvent>)
    return this
  }

  /** What is asked before it has begun waits until it has. */
  #ask<T>(question: Question): Promise<T> {
    if (this.#isClosed) return Promise.reject(new QueueClosedError({ queue: this.name }))
    if (this.#startUps.isOver) return Promise.reject(this.#lost('unknown'))
    const number = ++this.#numbers
    return new Promise((resolve, reject) => {
      this.#asked.set(number, { resolve: resolve as (value: unknown) => void, reject })
      this.#keepAlive()
      this.#order({ is: 'ask', number, question })
    })
  }

  /** What is ordered in one stretch of code is sent together. */
  #order(order: Order): void {
    if (this.#orders.length === 0) queueMicrotask(() => this.#sendAll())
    this.#orders.push(order)
  }

  #sendAll(): void {
    const orders = this.#orders
    this.#orders = []
    if (this.#isClosed || this.#startUps.isOver) return
    const worker = this.#worker ?? this.#start()
    for (let from = 0; from < orders.length; from += MOST_IN_ONE)
      this.#send(worker, orders.slice(from, from + MOST_IN_ONE))
  }

  #send(worker: Worker, orders: readonly Order[]): void {
    try {
      worker.postMessage(orders)
    } catch (error) {
      if (orders.length > 1) for (const order of orders) this.#send(worker, [order])
      else this.#notSent(orders[0] as Order, error)
    }
  }

  #notSent(order: Order, error: unknown): void {
    if (order.is === 'submit')
      this.#live.ended(order.number, notSent(error, { queue: this.name, requestId: order.options.id }))
    else if (order.is === 'ask') {
      this.#asked.get(order.number)?.reject(error)
      this.#asked.delete(order.number)
    }
  }

  /** In no context: it lives longer than the code that has the first request. */
  #start(): Worker {
    const { work, resourceLimits } = this.#settings
    // What is listened to is told at once: a store may bring requests back before any order is heard.
    const workerData: ShardBegin = { work, listened: this.#listeners.events() }
    const options = { workerData, name: this.name, ...(resourceLimits !== undefined && { resourceLimits }) }
    const worker = this.#scope.runInAsyncScope(() => new Worker(workerFile('shard-worker'), options))
    let why: unknown
    this.#worker = worker
    this.#isReady = false
    worker.on('message', (words: readonly Word[]) => {
      this.#heard++
      for (const word of words) this.#hear(word)
      this.#keepAlive()
    })
    worker.on('error', (error) => {
      why = error
    })
    worker.on('exit', (code) => this.#died(worker, code, why))
    this.#keepAlive()
    this.#tellAgain(worker)
    return worker
  }

  /** What a new thread has to know of the time before it. */
  #tellAgain(worker: Worker): void {
    const orders: Order[] = []
    if (this.#isPaused) orders.push({ is: 'ask', number: 0, question: { what: 'pause' } })
    if (this.#concurrency !== undefined) {
      orders.push({ is: 'ask', number: 0, question: { what: 'concurrency', concurrency: this.#concurrency } })
    }
    worker.postMessage(orders)
  }

  #died(worker: Worker, code: number, why: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    if (this.#isClosed) return
    this.#failure ??= why ?? new Error(`its thread has exited with code ${code}`)
    if (!this.#isReady) this.#startUps.failed(this.#failure)
    const error = (state: RequestStateLike): WorkerLostError => this.#lost(startedIn(state))
    const back = [...this.#back.values()]
    const lost = this.#live.allEnd(error)
    this.#back.clear()
    if (this.#hasStore && !this.#startUps.isOver) this.#startsAgain()
    for (const { reject } of this.#asked.values()) reject(error('waiting'))
    this.#asked.clear()
    this.#tellLost(lost, back)
    this.#failure = undefined
  }

  /** Whoever listens hears how they have ended, since their own shard tells it no more: those that were queued there, each id once. */
  #tellLost(lost: ReturnType<SentRequests<Res>['allEnd']>, back: readonly BackHandle<Res>[]): void {
    const hears = this.#listeners.isListened('queued')
    const queued = lost.filter(({ isQueued }) => isQueued || !hears)
    const at = performance.now()
    if (!this.#hasStore) {
      for (const { id, priority, request, options, state } of queued) {
        const { metadata, cost = 1, waitTimeoutMs, runTimeoutMs, timeoutMs } = options
        const error = this.#lost(startedIn(state))
        this.#listeners.tell('failed', {
          ...{ id, priority, request, metadata, at, error, errors: [error], waitMs: 0, runMs: 0 },
          ...{ attempts: state === 'running' ? 1 : 0, options: { cost, waitTimeoutMs, runTimeoutMs, timeoutMs } },
        })
      }
      return
    }
    // A store has them for the next thread.
    const parked = new Map<string, object>()
    for (const { id, priority, state } of back) parked.set(id, { id, priority, at, started: state === 'running' })
    for (const { id, priority, request, options, state } of queued) {
      parked.set(id, { id, priority, request, metadata: options.metadata, at, started: state === 'running' })
    }
    for (const told of parked.values()) this.#listeners.tell('parked', told)
  }

  #startsAgain(): void {
    clearTimeout(this.#again)
    this.#again = setTimeout(() => {
      if (this.#worker === undefined && !this.#isClosed) this.#start()
    }, BACK_AFTER_MS).unref()
  }

  #lost(started: boolean | 'unknown'): WorkerLostError {
    const cause = this.#failure ?? this.#startUps.last
    const why = this.#startUps.isOver ? this.#startUps.why : `the thread of the shard: ${describe(cause)}`
    return new WorkerLostError(why, { queue: this.name, started }, cause)
  }

  #hear(word: Word): void {
    switch (word.is) {
      case 'ready':
        this.#isReady = true
        this.#hasStore = word.hasStore
        this.#startUps.succeeded()
        break
      case 'failed':
        this.#failure = arrived(word.error)
        break
      case 'admitted':
        this.#live.admitted(word.number)
        break
      case 'state':
        this.#live.moved(word.number, word.state)
        break
      case 'answer':
        this.#live.answered(word.number, word.value as Res)
        break
      case 'error':
        this.#live.ended(word.number, arrived(word.error))
        break
      case 'reply':
      case 'refusal': {
        const asked = this.#asked.get(word.number)
        this.#asked.delete(word.number)
        if (word.is === 'reply') asked?.resolve(word.value as never)
        else asked?.reject(arrived(word.error))
        break
      }
      case 'reading':
        this.#hasRead(word.reading)
        break
      case 'back':
      case 'gone':
        this.#back.hear(word)
        break
      case 'event':
        this.#happens(word)
        break
    }
  }

  #happens({ event, about, error, errors }: Word & { readonly is: 'event' }): void {
    if (event === 'queued') this.#live.queued((about as { readonly id: string }).id)
    this.#listeners.tell(event, {
      ...about,
      ...(error !== undefined && { error: arrived(error) }),
      ...(errors !== undefined && { errors: errors.map(arrived) }),
    })
  }

  /** The process goes on as long as somebody waits for something, or work that came back is done. */
  #keepAlive(): void {
    const back = this.#isPaused ? 0 : this.#back.size
    if (this.#live.size + this.#asked.size + back > 0) this.#worker?.ref()
    else this.#worker?.unref()
  }
}

function startedIn(state: RequestStateLike): boolean | 'unknown' {
  return state === 'running' ? true : 'unknown'
}

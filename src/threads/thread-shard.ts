/**
 * This side of a shard in a thread of its own.
 *
 * What lives there is known here, by its id: so a caller with the id of a live request finds its shard at once. When the thread dies,
 * all of that rejects with a `WorkerLostError`, and the next order starts another thread. One whose shard has a durable store starts by
 * itself: work is kept there.
 *
 * The file is a little long: it is one machine, whose states all its parts change.
 */
import { AsyncResource } from 'node:async_hooks'
import { Worker } from 'node:worker_threads'
import { describe } from '../core/any-value.ts'
import { misfit } from '../core/checks.ts'
import { InvalidRequestError, OptionsError, QueueClosedError } from '../core/errors.ts'
import { ResultLostError, WorkerLostError } from '../core/remote-errors.ts'
import { aSignal, readCloseOptions } from '../core/request-options.ts'
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
  RequestView,
  WorkerHealth,
} from '../index.ts'
import { type BackHandle, CameBack } from './came-back.ts'
import { arrived, crossing } from './crossing.ts'
import { Listeners } from './listeners.ts'
import { type Ends, type Live, LivesThere } from './lives-there.ts'
import { notSent } from './not-sent.ts'
import { emptyReading, readingOf } from './readings.ts'
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

type Lost = Pick<Live<never>, 'id' | 'priority' | 'state' | 'about'>

/** What the thread tells, or would have told. */
type Told = Partial<Word & { readonly is: 'event' }> & { readonly event: ExecutorEvent; readonly about: object }

let made = 0

export class ThreadShard<Req = unknown, Res = unknown> implements Shard<Req, Res> {
  readonly name: string
  readonly #settings: ThreadShardSettings
  readonly #scope = withoutContext(new AsyncResource('TriageShard'))
  readonly #startUps = new StartUps()
  readonly #live = new LivesThere<Res>((question, over) => this.#askOpen(question, over))
  readonly #back = new CameBack<Res>(
    (question, over) => this.#askOpen(question, over),
    (id) => this.#ask({ what: 'result', id }),
  )
  readonly #asked = new Map<number, Asked>()
  readonly #listeners: Listeners
  readonly #records: ShardRecords = {
    find: (id) => this.#ask({ what: 'record', id }),
    list: (query) => this.#ask({ what: 'records', query }),
    stats: () => this.#ask({ what: 'stats' }),
    decode: (encoded) => this.#ask({ what: 'decode', encoded }),
  }
  readonly #prefix = `${Math.random().toString(36).slice(2, 8)}${++made}`
  #worker: Worker | undefined
  #isReady = false
  #hasStore = false
  /** What lives in the thread outlives it: its store has it. */
  #isDurable = false
  /** From the clock of the thread to that of this one. */
  #shiftMs = 0
  #failure: unknown
  #orders: Order[] = []
  #numbers = 0
  #isPaused = false
  #concurrency: number | undefined
  #reading: ShardReading
  #asking: Promise<ShardReading> | undefined
  #closing: Promise<void> | undefined
  /** Until when it serves although it is to close. */
  #lameUntil = Number.POSITIVE_INFINITY
  #ending: Promise<void> | undefined
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
      if (live !== undefined) this.#live.giveHandle(live, result.promise)
    })
  }

  #submit(request: Req, options: RequestOptions | undefined, isKept: boolean, ends: Ends<Res>): Live<Res> | undefined {
    const refuse = ends.refused ?? ends.reject
    const { signal, after, ...sent } = options ?? {}
    const { id = `${this.#prefix}-${this.#numbers + 1}`, priority = 'normal' } = sent
    const subject = { queue: this.name, requestId: id, priority }
    const error = this.#refusal(subject, after, signal)
    if (error !== undefined || signal?.aborted) {
      refuse(error ?? signal?.reason)
      return undefined
    }
    const number = ++this.#numbers
    const about = this.#hearsOfLost() ? aboutOf(request, sent) : undefined
    const live = this.#live.add({ number, id, priority, about, ...ends })
    if (signal !== undefined) {
      this.#live.follow(live, signal, () => this.#order({ is: 'leave', number, reason: crossing(signal.reason) }))
    }
    this.#keepAlive()
    this.#order({ is: 'submit', number, request, options: { ...sent, id }, isKept, mayLeave: signal !== undefined })
    return live
  }

  #hearsOfLost(): boolean {
    return this.#listeners.isListened('failed') || this.#listeners.isListened('parked')
  }

  #refusal(subject: object, after: RequestOptions['after'], signal: unknown): Error | undefined {
    if (signal !== undefined && !aSignal.fits(signal)) return misfit('signal', aSignal, signal)
    if (this.#isClosed) return new QueueClosedError(subject)
    if (this.#startUps.isOver) return new WorkerLostError(this.#startUps.why, subject, this.#startUps.last)
    if (after === undefined) return undefined
    return new OptionsError('after', "nothing, since a promise can't be sent to a thread", after)
  }

  get(id: string): HandleLike<Res> | undefined {
    return this.#live.handleOf(id) ?? this.#back.get(id)
  }

  find(id: string): Promise<RequestView | undefined> {
    return this.#ask({ what: 'find', id })
  }

  cancel(id: string, reason?: unknown): false | Promise<boolean> {
    if (this.#live.of(id) === undefined && this.#back.get(id) === undefined) return false
    return this.#askOpen({ what: 'cancel', id, number: undefined, reason: crossing(reason) }, false)
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
    this.#asking ??= this.#askOpen<SentReading | undefined>({ what: 'reading' }, undefined)
      .then((sent) => (sent === undefined ? this.#reading : this.#hasRead(sent)))
      .finally(() => {
        this.#asking = undefined
      })
    return this.#asking
  }

  #hasRead(sent: SentReading): ShardReading {
    this.#reading = readingOf(sent)
    return this.#reading
  }

  async getWorkerHealth(): Promise<readonly WorkerHealth[]> {
    if (this.#startUps.isOver) return []
    const slots = await this.#askOpen<readonly WorkerHealth[]>({ what: 'workers' }, [])
    return slots.map((slot) => (slot.since === null ? slot : { ...slot, since: slot.since + this.#shiftMs }))
  }

  /** As far as it is known here. */
  health(): ExecutorHealth {
    if (this.#isClosed) return { live: true, ready: false, reasons: ['closed'] }
    if (this.#startUps.isOver) return { live: false, ready: false, reasons: ['stuck'] }
    if (this.#closing !== undefined) {
      const isLame = performance.now() < this.#lameUntil
      return { live: true, ready: false, reasons: [isLame ? 'lameDuck' : 'closing'] }
    }
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
    return this.#startUps.isOver ? Promise.resolve() : this.#askOpen<void>({ what: 'idle' }, undefined)
  }

  flushed(): Promise<void> {
    return this.#askOpen<void>({ what: 'flushed' }, undefined)
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
  async close(given?: CloseOptions | undefined): Promise<void> {
    const options = readCloseOptions(given)
    const { graceMs, lameDuckMs } = options
    this.#lameUntil = Math.min(this.#lameUntil, performance.now() + lameDuckMs)
    this.#endIfSilent(graceMs + lameDuckMs)
    const closing = this.#closed(options)
    this.#closing = closing
    await closing
  }

  async #closed(options: CloseOptions): Promise<void> {
    if (!this.#isClosed && !this.#startUps.isOver) {
      try {
        this.#hasRead(await this.#ask<SentReading>({ what: 'close', options }))
      } catch (error) {
        // It has gone by itself, or was ended, or another `close()` has come so far.
        if (!(error instanceof WorkerLostError) && !this.#isClosed) {
          clearTimeout(this.#late)
          this.#closing = undefined
          throw error
        }
      }
    }
    await this.#end()
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

  #end(): Promise<void> {
    this.#ending ??= this.#endNow()
    return this.#ending
  }

  async #endNow(): Promise<void> {
    clearTimeout(this.#late)
    clearTimeout(this.#again)
    this.#isClosed = true
    const { status, histograms } = this.#reading
    this.#reading = { status: { ...status, state: 'closed' }, histograms }
    this.#settleAll()
    const worker = this.#worker
    // Whoever awaits this wants to see it happen.
    worker?.ref()
    await worker?.terminate()
  }

  /** What has come too late for the thread, which answers no more. */
  #settleAll(): void {
    for (const number of this.#live.numbers()) {
      const { id, priority } = this.#live.get(number) as Live<Res>
      this.#live.ended(number, new QueueClosedError({ queue: this.name, requestId: id, priority }))
    }
    for (const { reject } of this.#asked.values()) reject(new QueueClosedError({ queue: this.name }))
    this.#asked.clear()
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

  /** @param over what is answered when it is closed, or closes meanwhile */
  async #askOpen<T>(question: Question, over: T): Promise<T> {
    if (this.#isClosed) return over
    try {
      return await this.#ask<T>(question)
    } catch (error) {
      if (this.#isClosed) return over
      throw error
    }
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
    worker.on('messageerror', (error) => this.#unread(false, error))
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

  /** A message could not be read, and is lost, here or there. What was in it has an end all the same: what the thread knows nothing of. */
  #unread(isThere: boolean, error: unknown): void {
    const numbers = [...this.#live.numbers(), ...this.#asked.keys()]
    this.#order({ is: 'unread', numbers, isThere, why: describe(error) })
  }

  /** The thread has no request and no question of this number. */
  #isLost({ number, isThere, why }: Word & { readonly is: 'lost' }): void {
    const live = this.#live.get(number)
    const subject = { queue: this.name, requestId: live?.id, priority: live?.priority }
    const error = isThere
      ? new InvalidRequestError([{ message: why }], subject, "The request can't be read in its thread")
      : new ResultLostError(`it can't be read: ${why}`, { ...subject, started: true })
    if (live !== undefined) this.#live.ended(number, error)
    this.#asked.get(number)?.reject(error)
    this.#asked.delete(number)
  }

  #died(worker: Worker, code: number, why: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    if (this.#isClosed) return
    this.#failure ??= why ?? new Error(`its thread has exited with code ${code}`)
    if (!this.#isReady) this.#startUps.failed(this.#failure)
    // Its totals begin anew.
    this.#reading = emptyReading(this.name)
    const all = this.#live.numbers().map((number) => this.#live.get(number) as Live<Res>)
    // Of those who shared a run one is told of.
    const told = new Map<string, Lost>()
    for (const { id, priority, state } of this.#back.values()) told.set(id, { id, priority, state, about: undefined })
    for (const { id, priority, state, about } of all) told.set(id, { id, priority, state, about })
    for (const { number, state } of all) this.#live.ended(number, this.#lost(state === 'running' ? true : 'unknown'))
    for (const { reject } of this.#asked.values()) reject(this.#lost('unknown'))
    this.#asked.clear()
    this.#back.clear()
    if (this.#isDurable && !this.#startUps.isOver) this.#startsAgain()
    this.#tellLost([...told.values()])
    this.#failure = undefined
  }

  #startsAgain(): void {
    clearTimeout(this.#again)
    this.#again = setTimeout(() => {
      if (this.#worker === undefined && !this.#isClosed) this.#start()
    }, BACK_AFTER_MS).unref()
  }

  /** What the thread would have told of those that were lost with it. Those in a store of its own come back. */
  #tellLost(lost: readonly Lost[]): void {
    const at = performance.now() - this.#shiftMs
    for (const { id, priority, state, about } of lost) {
      const started = state === 'running'
      const { request, metadata, options = {} } = about ?? {}
      const event = { id, priority, request, metadata, at }
      if (this.#isDurable) this.#tell({ event: 'parked', about: { ...event, started } })
      else {
        const error = this.#lost(started ? true : 'unknown')
        const failure = { error, errors: [error], attempts: started ? 1 : 0, options }
        this.#tell({ event: 'failed', about: { ...event, ...failure, waitMs: 0, runMs: 0, notRetried: undefined } })
      }
    }
    if (lost.length > 0 && !this.#isDurable) this.#tell({ event: 'idle', about: { at } })
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
        this.#isDurable = word.isDurable
        this.#shiftMs = word.origin - performance.timeOrigin
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
      case 'unread':
        this.#unread(true, word.why)
        break
      case 'lost':
        this.#isLost(word)
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
        this.#tell(word)
        break
    }
  }

  #tell({ event, about, error, errors }: Told): void {
    const { at } = about as { readonly at: number }
    this.#listeners.tell(event, {
      ...about,
      at: at + this.#shiftMs,
      ...(error !== undefined && { error: arrived(error) }),
      ...(errors !== undefined && { errors: errors.map(arrived) }),
    })
  }

  /** The process goes on as long as somebody waits for something, or work that came back is done. */
  #keepAlive(): void {
    // Whoever awaits its end sees it, whatever it still says.
    if (this.#isClosed) return
    const back = this.#isPaused ? 0 : this.#back.size
    if (this.#live.size + this.#asked.size + back > 0) this.#worker?.ref()
    else this.#worker?.unref()
  }
}

function aboutOf(
  request: unknown,
  { id: _, priority: __, metadata, ...options }: RequestOptions,
): Live<never>['about'] {
  return { request, metadata, options }
}

/**
 * A queue behind a service, used as one in this process is: `HttpClient`.
 *
 * Each request has a key, its id, so that asking again when a connection fails never runs it twice. What it answers is waited for by
 * long polls, or by the events of the service.
 *
 * The file is a little long: it is the one face of all that an executor offers.
 */

import { askedElsewhere } from '../../core/asked-elsewhere.ts'
import { MAX_DELAY_MS } from '../../core/clock.ts'
import type { CloseOptions } from '../../core/close-options.ts'
import { CancelledError, QueueClosedError, WaitTimeoutError } from '../../core/errors.ts'
import type { Priority } from '../../core/priority.ts'
import { ResultLostError } from '../../core/remote-errors.ts'
import { readCloseOptions } from '../../core/request-options.ts'
import type {
  ExecutorEvent,
  ExecutorStatus,
  HandleLike,
  Listener,
  QueuedExecutorLike,
  RequestOptions,
  RequestStateLike,
  RequestView,
} from '../../index.ts'
import { executorEvents } from '../events/frame.ts'
import { isLiveState } from '../live-states.ts'
import { Calls, pause } from './calls.ts'
import { errorOfRecord, HttpError, type Subject } from './errors.ts'
import { Frames, type ReadFrame } from './frames.ts'
import { headersOf, keyOf, partOf } from './headers.ts'
import { News } from './news.ts'
import { type HttpClientOptions, readClientOptions } from './options.ts'

const IDLE_MS = 250
const LINGER_MS = 5_000

export class HttpClient<Req = unknown, Res = unknown> implements QueuedExecutorLike<Req, Res> {
  readonly name: string
  readonly #calls: Calls
  readonly #frames: Frames
  readonly #path: string
  readonly #pollMs: number
  readonly #byEvents: boolean
  /** Aborted when it is closed without waiting. */
  readonly #closing = new AbortController()
  #isClosed = false
  readonly #pending = new Set<Promise<unknown>>()
  /** Who waits for the end of which id. */
  readonly #awaited = new Map<string, Set<() => void>>()
  #listening = 0
  #lingering: NodeJS.Timeout | undefined

  /** @throws {OptionsError} */
  constructor(options: HttpClientOptions) {
    const given = readClientOptions(options)
    this.name = given.queue
    this.#path = `/v1/queues/${encodeURIComponent(this.name)}`
    this.#calls = new Calls(given)
    this.#frames = new Frames(this.#calls, this.name)
    this.#pollMs = given.pollMs
    this.#byEvents = given.byEvents
  }

  /**
   * Runs a request there, and fulfils with its answer.
   *
   * Rejects with the error that ended it, as `QueuedExecutor` does; what its executor has failed with is a `RunFailedError`. When the
   * service can't be reached, with a `StoreUnavailableError` whose `started` may be `'unknown'`.
   */
  async execute(request: Req, options: RequestOptions = {}): Promise<Res> {
    return (await this.#submit(request, options, this.#byEvents ? undefined : this.#pollMs)).result
  }

  /** Fulfils with a handle as soon as the request is admitted there. */
  submit(request: Req, options: RequestOptions = {}): Promise<HandleLike<Res>> {
    return this.#submit(request, options, undefined)
  }

  async #submit(request: Req, options: RequestOptions, waitMs: number | undefined): Promise<HandleLike<Res>> {
    const leftMs = askedElsewhere(options).extras?.later?.deadlineAt ?? Number.POSITIVE_INFINITY
    const id = options.id ?? crypto.randomUUID()
    const key = keyOf(id)
    const subject: Subject = { queue: this.name, requestId: id, priority: options.priority ?? 'normal', options }
    if (this.#isClosed) throw new QueueClosedError(subject)
    if (leftMs <= 0) throw new WaitTimeoutError(0, 0, subject)
    const { signal } = options
    signal?.throwIfAborted()
    // Whoever listens already is told of all of it.
    await this.#frames.opened()
    const prefer = waitMs === undefined ? 'respond-async' : `wait=${Math.floor(waitMs / 1_000)}`
    const headers = { ...headersOf(options), 'idempotency-key': key, prefer }
    const leaves = (): void => void Promise.resolve(this.cancel(id)).catch(() => {})
    signal?.addEventListener('abort', leaves, { once: true })
    try {
      const asked = { body: request, headers, isNew: true, signal: this.#until(signal) }
      const told = await this.#calls.ask('POST', `${this.#path}/requests`, asked, subject)
      if (told.status === 200) return this.#handle(id, subject, 'completed', Promise.resolve(told.body as Res))
      const { id: fullId, state } = told.body as { id: string; state: RequestStateLike }
      this.#isCalled(id, fullId)
      return this.#handle(id, { ...subject, requestId: id }, state, undefined, fullId, signal)
    } finally {
      signal?.removeEventListener('abort', leaves)
    }
  }

  #handle(
    id: string,
    subject: Subject,
    state: RequestStateLike,
    known: Promise<Res> | undefined,
    fullId = id,
    signal?: AbortSignal | undefined,
  ): HandleLike<Res> {
    const client = this
    let result = known
    let current = state
    return {
      id,
      get state() {
        return current
      },
      get result() {
        result ??= client.#outstanding(client.#end(id, fullId, subject, signal)).then(
          (value) => {
            current = 'completed'
            return value
          },
          (error) => {
            current = error instanceof CancelledError ? 'cancelled' : 'failed'
            throw error
          },
        )
        return result
      },
      // An id may have another life when this one has ended: that is not its own.
      cancel: async (reason) => isLiveState(current) && client.cancel(id, reason),
      setPriority: async (priority) => isLiveState(current) && client.#setPriority(id, priority),
      position: async () => (isLiveState(current) ? (await client.find(id))?.position : undefined),
    }
  }

  /** Its answer, when it has one. @throws the error that ended it */
  async #end(id: string, fullId: string, subject: Subject, signal: AbortSignal | undefined): Promise<Res> {
    const leaves = (): void => void Promise.resolve(this.cancel(id)).catch(() => {})
    signal?.addEventListener('abort', leaves, { once: true })
    const news = this.#byEvents ? this.#hears(fullId) : undefined
    try {
      for (;;) {
        // What is told from now on is not in the record that is read now.
        news?.forget()
        const record = await this.#record(id, subject, this.#byEvents ? undefined : this.#pollMs, signal)
        if (record === undefined)
          throw new ResultLostError('it is not kept any more', { ...subject, started: 'unknown' })
        if (record.state === 'completed') return record.result as Res
        if (!isLiveState(record.state)) throw errorOfRecord(record, subject)
        if (news !== undefined) await news.next(this.#pollMs, this.#until(signal))
      }
    } finally {
      news?.close()
      signal?.removeEventListener('abort', leaves)
    }
  }

  /** Is anything told of it, or were events missed? From now on. */
  #hears(id: string): News {
    const wakes = this.#awaited.get(id) ?? new Set()
    this.#awaited.set(id, wakes)
    const news = new News(() => {
      wakes.delete(wake)
      if (wakes.size === 0) this.#awaited.delete(id)
      this.#listenNoMore()
    })
    const wake = (): void => news.come()
    wakes.add(wake)
    this.#listen()
    return news
  }

  /** One stream for all that wait, and for some seconds more: the next one may come soon. */
  #listen(): void {
    this.#listening++
    clearTimeout(this.#lingering)
    this.#frames.on('any', this.#heard)
  }

  #listenNoMore(): void {
    if (--this.#listening > 0) return
    this.#lingering = setTimeout(() => this.#frames.off('any', this.#heard), LINGER_MS)
    this.#lingering.unref()
  }

  readonly #heard = ({ event, id, state }: ReadFrame): void => {
    if (event === 'snapshot' || event === 'gap') {
      for (const wakes of this.#awaited.values()) for (const wake of wakes) wake()
    } else if (id !== undefined && !isLiveState(String(state))) {
      for (const wake of this.#awaited.get(id) ?? []) wake()
    }
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal
    return signal === undefined ? closing : AbortSignal.any([signal, closing])
  }

  #outstanding<T>(promise: Promise<T>): Promise<T> {
    this.#pending.add(promise)
    const gone = (): void => void this.#pending.delete(promise)
    promise.then(gone, gone)
    return promise
  }

  async #record(
    id: string,
    subject: Subject,
    waitMs?: number | undefined,
    signal?: AbortSignal | undefined,
  ): Promise<RequestView | undefined> {
    const headers: Record<string, string> = waitMs === undefined ? {} : { prefer: `wait=${Math.floor(waitMs / 1_000)}` }
    const asked = { headers, signal: this.#until(signal) }
    const record = (await this.#maybe('GET', this.#of(id), asked, subject)) as RequestView | undefined
    if (record !== undefined) this.#isCalled(id, record.id)
    return record
  }

  #of(id: string): string {
    return `${this.#path}/requests/${partOf(id)}`
  }

  /** Undefined: there is none, or it has ended. */
  async #maybe(method: string, path: string, asked: Parameters<Calls['ask']>[2], subject: Subject): Promise<unknown> {
    try {
      return (await this.#calls.ask(method, path, asked, subject)).body
    } catch (error) {
      if (error instanceof HttpError && (error.status === 404 || error.status === 409)) return undefined
      throw error
    }
  }

  async get(id: string): Promise<HandleLike<Res> | undefined> {
    const record = await this.#record(id, { queue: this.name, requestId: id })
    if (record === undefined || !isLiveState(record.state)) return undefined
    const subject = { queue: this.name, requestId: id, priority: record.priority }
    return this.#handle(id, subject, record.state, undefined, record.id)
  }

  async find(id: string): Promise<RequestView | undefined> {
    const record = await this.#record(id, { queue: this.name, requestId: id })
    return record?.id.endsWith(`~${id}`) ? { ...record, id } : record
  }

  /** There the name of this client stands in front of its ids, and is not said again here. */
  #isCalled(id: string, fullId: string): void {
    if (fullId.length > id.length && fullId.endsWith(`~${id}`)) this.#frames.prefix = fullId.slice(0, -id.length)
  }

  /** The reason stays here. */
  async cancel(id: string, _reason?: unknown): Promise<boolean> {
    const subject = { queue: this.name, requestId: id }
    return (await this.#maybe('POST', `${this.#of(id)}/cancel`, {}, subject)) !== undefined
  }

  async #setPriority(id: string, priority: Priority): Promise<boolean> {
    const subject = { queue: this.name, requestId: id }
    return (await this.#maybe('PATCH', this.#of(id), { body: { priority } }, subject)) !== undefined
  }

  async getStatus(): Promise<ExecutorStatus> {
    return (await this.#change('GET', '')) as ExecutorStatus
  }

  async pause(): Promise<void> {
    await this.#change('POST', '/pause')
  }

  async resume(): Promise<void> {
    await this.#change('POST', '/resume')
  }

  async setConcurrency(concurrency: number): Promise<void> {
    await this.#change('PATCH', '', { concurrency })
  }

  async #change(method: string, path: string, body?: unknown): Promise<unknown> {
    const asked = body === undefined ? {} : { body }
    return (await this.#calls.ask(method, this.#path + path, asked, { queue: this.name, requestId: undefined })).body
  }

  /** Fulfils as soon as nothing waits or runs there; it is asked four times a second. */
  async idle(): Promise<void> {
    for (;;) {
      const { waiting, running, retrying } = await this.getStatus()
      if (waiting + running + retrying === 0) return this.#frames.caughtUp()
      await pause(IDLE_MS, this.#closing.signal)
    }
  }

  drain(): Promise<void> {
    return this.close()
  }

  /**
   * Submits no more, and fulfils when all that is waited for here has been answered. With `drain: false`, or after `graceMs`, what is
   * waited for rejects with a `CancelledError`; there it goes on. The service is not closed by it.
   */
  async close(options?: CloseOptions): Promise<void> {
    const { drain, graceMs } = readCloseOptions(options)
    this.#isClosed = true
    const cut = (): void => this.#closing.abort(new CancelledError(undefined, { queue: this.name }, 'close'))
    if (!drain) cut()
    const timer = graceMs < MAX_DELAY_MS ? setTimeout(cut, graceMs) : undefined
    await Promise.allSettled(this.#pending)
    clearTimeout(timer)
    clearTimeout(this.#lingering)
    this.#frames.close()
  }

  /**
   * What a service tells of its events has no payload, no result and no message: see `docs/http.md`.
   * @throws {TypeError} for an event that does not exist, or a listener that is no function
   */
  on<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    if (!executorEvents.includes(event)) {
      throw new TypeError(`There is no event '${String(event)}'; the events are ${executorEvents.join(', ')}`)
    }
    if (typeof listener !== 'function') throw new TypeError(`The listener of '${event}': expected a function`)
    this.#frames.on(event, listener as (frame: never) => unknown)
    return this
  }

  off<E extends ExecutorEvent>(event: E, listener: Listener<E, Req, Res, unknown, Req>): this {
    this.#frames.off(event, listener as (frame: never) => unknown)
    return this
  }
}

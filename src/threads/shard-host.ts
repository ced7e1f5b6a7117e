/**
 * That side of a shard: an executor, whose orders come from another thread.
 */
import { describe } from '../core/any-value.ts'
import type { Priority } from '../core/priority.ts'
import { ResultLostError } from '../core/remote-errors.ts'
import { outcomes } from '../core/request-state.ts'
import type { ExecutorEvent, HandleLike, Listener, RequestStateLike } from '../index.ts'
import { arrived, cloneable, crossing } from './crossing.ts'
import { sentReading } from './readings.ts'
import type { Shard } from './shard.ts'
import { recordsIn, type ShardRecords } from './shard-records.ts'
import type { Order, Question, Word } from './shard-wire.ts'

/** How often it says how it stands, if something has happened. */
const SAYS_EVERY_MS = 1_000

export class ShardHost {
  readonly #shard: Shard
  readonly #send: (words: readonly Word[]) => void
  #words: Word[] = []
  #live = 0
  /** The numbers of what was submitted, or asked, and has no answer. */
  readonly #open = new Set<number>()
  /** Of those that are admitted, and whose handles are wanted there. */
  readonly #handles = new Map<number, HandleLike>()
  /** Of those whose callers have a signal. */
  readonly #controllers = new Map<number, AbortController>()
  /** Whose handles are told of their states, by id. */
  readonly #kept = new Map<string, Set<number>>()
  readonly #listeners = new Map<ExecutorEvent, Listener<ExecutorEvent>>()
  readonly #records: ShardRecords | undefined
  /** How many have sent this id, and wait. Only beside a store. */
  readonly #sent = new Map<string, number>()
  /** What lives here and was not sent: its store has brought it back. */
  readonly #back = new Map<string, Priority>()
  #hasNews = false

  /** @param send may throw for what can't be cloned */
  constructor(shard: Shard, send: (words: readonly Word[]) => void, listened: readonly ExecutorEvent[]) {
    this.#shard = shard
    this.#send = send
    shard.on('started', ({ id }) => this.#moves(id, 'running'))
    shard.on('retrying', ({ id }) => this.#moves(id, 'retrying'))
    setInterval(() => void this.#saysHowItStands(), SAYS_EVERY_MS).unref()
    this.#records = recordsIn(shard)
    const hasStore = this.#records !== undefined
    this.#say({ is: 'ready', origin: performance.timeOrigin, hasStore, isDurable: isDurable(shard) })
    for (const event of listened) this.#listen(event, true)
    if (hasStore) this.#followsStore()
  }

  /** After a start, and when a dead letter is requeued. */
  #followsStore(): void {
    const shard = this.#shard
    for (const { id, priority, state } of shard.waiting?.() ?? []) this.#comesBack(id, priority, state)
    shard.on('queued', ({ id, priority }) => this.#comesBack(id, priority, 'waiting'))
    for (const state of [...outcomes, 'parked'] as const) {
      shard.on(state, ({ id }: { readonly id: string }) => {
        if (this.#back.delete(id)) this.#say({ is: 'gone', id, state })
      })
    }
  }

  #comesBack(id: string, priority: Priority, state: RequestStateLike): void {
    if (this.#sent.has(id)) return
    this.#back.set(id, priority)
    this.#say({ is: 'back', id, priority, state })
  }

  take(orders: readonly Order[]): void {
    this.#hasNews = true
    for (const order of orders) {
      if (order.is === 'submit') void this.#submit(order)
      else if (order.is === 'leave') this.#controllers.get(order.number)?.abort(arrived(order.reason))
      else if (order.is === 'listen') this.#listen(order.event, order.isOn)
      else if (order.is === 'unread') this.#tellLost(order)
      else void this.#reply(order)
    }
  }

  /** A message could not be read here. */
  unread(error: unknown): void {
    this.#say({ is: 'unread', why: describe(error) })
  }

  /** What was in a message that is lost: of what has an answer, or never came, that it is lost; of the rest how it stands. */
  #tellLost({ numbers, isThere, why }: Order & { readonly is: 'unread' }): void {
    for (const number of numbers) {
      if (!this.#open.has(number)) this.#say({ is: 'lost', number, isThere, why })
      const handle = this.#handles.get(number)
      if (handle === undefined) continue
      this.#say({ is: 'admitted', number })
      const { state } = handle
      if (state === 'running' || state === 'retrying') this.#say({ is: 'state', number, state })
    }
  }

  async #submit({ number, request, options, isKept, mayLeave }: Order & { readonly is: 'submit' }): Promise<void> {
    const id = options.id as string
    this.#live++
    if (this.#records !== undefined) this.#sent.set(id, (this.#sent.get(id) ?? 0) + 1)
    this.#open.add(number)
    try {
      const given = mayLeave ? { ...options, signal: this.#signalOf(number) } : options
      let value: unknown
      if (isKept) {
        // Before it is admitted: it may start in the same turn.
        this.#keep(id, number)
        const handle = await this.#shard.submit(request, given)
        this.#handles.set(number, handle)
        this.#say({ is: 'admitted', number })
        value = await handle.result
      } else value = await this.#shard.execute(request, given)
      this.#say({ is: 'answer', number, value })
    } catch (error) {
      this.#say({ is: 'error', number, error: crossing(error) })
    } finally {
      this.#live--
      this.#open.delete(number)
      this.#handles.delete(number)
      if (mayLeave) this.#controllers.delete(number)
      if (isKept) this.#keep(id, number, false)
      if (this.#records !== undefined) this.#isAnswered(id)
      this.#hasNews = true
    }
  }

  #isAnswered(id: string): void {
    const others = (this.#sent.get(id) as number) - 1
    if (others > 0) this.#sent.set(id, others)
    else this.#sent.delete(id)
  }

  #signalOf(number: number): AbortSignal {
    const controller = new AbortController()
    this.#controllers.set(number, controller)
    return controller.signal
  }

  #keep(id: string, number: number, isKept = true): void {
    const numbers = this.#kept.get(id) ?? new Set()
    if (isKept) numbers.add(number)
    else numbers.delete(number)
    if (numbers.size > 0) this.#kept.set(id, numbers)
    else this.#kept.delete(id)
  }

  #moves(id: string, state: 'running' | 'retrying'): void {
    for (const number of this.#kept.get(id) ?? []) this.#say({ is: 'state', number, state })
    const priority = this.#back.get(id)
    if (priority !== undefined) this.#say({ is: 'back', id, priority, state })
  }

  #listen(event: ExecutorEvent, isOn: boolean): void {
    const known = this.#listeners.get(event)
    // A thread that begins was told already of what is ordered now.
    if ((known !== undefined) === isOn) return
    const listener = known ?? ((about: object) => this.#tell(event, about))
    if (isOn) {
      this.#listeners.set(event, listener)
      this.#shard.on(event, listener)
    } else {
      this.#listeners.delete(event)
      this.#shard.off(event, listener)
    }
  }

  #tell(event: ExecutorEvent, about: object): void {
    const { error, errors, ...rest } = about as { error?: unknown; errors?: readonly unknown[] }
    const sent = 'error' in about ? crossing(error) : undefined
    this.#say({ is: 'event', event, about: rest, error: sent, errors: errors?.map((each) => crossing(each)) })
  }

  async #reply({ number, question }: Order & { readonly is: 'ask' }): Promise<void> {
    this.#open.add(number)
    try {
      this.#say({ is: 'reply', number, value: await this.#answerTo(question) })
    } catch (error) {
      this.#say({ is: 'refusal', number, error: crossing(error) })
    } finally {
      this.#open.delete(number)
    }
  }

  async #answerTo(question: Question): Promise<unknown> {
    const shard = this.#shard
    switch (question.what) {
      case 'reading':
        return this.#reading()
      case 'workers':
        return (await shard.getWorkerHealth?.()) ?? []
      case 'pause':
        return shard.pause()
      case 'resume':
        return shard.resume()
      case 'concurrency':
        return shard.setConcurrency(question.concurrency)
      case 'idle':
        return shard.idle()
      case 'flushed':
        return shard.flushed?.()
      case 'find':
        return shard.find(question.id)
      case 'requeue':
        return (await shard.requeue?.(question.id, question.generation)) ?? false
      case 'discard':
        return (await shard.discard?.(question.id, question.generation)) ?? false
      case 'result':
        return this.#resultOf(question.id)
      case 'stats':
        return this.#records?.stats()
      case 'record':
        return this.#records?.find(question.id)
      case 'records':
        return this.#records?.list(question.query)
      case 'decode':
        return this.#records?.decode(question.encoded)
      case 'cancel':
        return question.number === undefined
          ? shard.cancel(question.id, arrived(question.reason))
          : ((await this.#handleOf(question)?.cancel(arrived(question.reason))) ?? false)
      case 'priority':
        return (await this.#handleOf(question)?.setPriority(question.priority)) ?? false
      case 'position':
        return this.#handleOf(question)?.position()
      case 'close':
        await shard.close(question.options)
        return this.#reading()
    }
  }

  async #resultOf(id: string): Promise<unknown> {
    const handle = this.#shard.get(id)
    if (handle !== undefined) return handle.result
    throw new ResultLostError('find() has its record', { requestId: id, started: 'unknown' })
  }

  /** Of whoever asked for one; of one that was executed, or came back, any. Undefined: it has ended. */
  #handleOf({ id, number }: { readonly id: string; readonly number: number | undefined }): HandleLike | undefined {
    if (number === undefined) return this.#shard.get(id)
    return this.#open.has(number) ? (this.#handles.get(number) ?? this.#shard.get(id)) : undefined
  }

  async #reading() {
    return sentReading(await this.#shard.getStatus(), await this.#shard.getHistograms())
  }

  async #saysHowItStands(): Promise<void> {
    if (!this.#hasNews) return
    this.#hasNews = this.#live > 0
    this.#say({ is: 'reading', reading: await this.#reading() })
  }

  /** What is said in one stretch of code is sent together. */
  #say(word: Word): void {
    if (this.#words.length === 0) queueMicrotask(() => this.#sendAll())
    this.#words.push(word)
  }

  #sendAll(): void {
    const words = this.#words
    this.#words = []
    try {
      this.#send(words)
    } catch {
      // Something in it can't be cloned: one by one, then.
      for (const word of words) this.#sendOne(word)
    }
  }

  #sendOne(word: Word): void {
    try {
      this.#send([word])
    } catch (error) {
      this.#send([instead(word, error)])
    }
  }
}

function isDurable({ settings }: Shard): boolean {
  const { store } = (settings ?? {}) as { readonly store?: { readonly isDurable?: boolean } }
  return store?.isDurable === true
}

/** What is said in the place of what can't be. */
function instead(word: Word, error: unknown): Word {
  const why = `it can't leave its thread: ${describe(error)}`
  if (word.is === 'answer') {
    return { is: 'error', number: word.number, error: crossing(new ResultLostError(why, { started: true })) }
  }
  if (word.is === 'reply') {
    return { is: 'refusal', number: word.number, error: crossing(new ResultLostError(why, { started: true })) }
  }
  if (word.is !== 'event') return word
  const members = Object.entries(word.about).filter(([, value]) => cloneable(value))
  return { ...word, about: Object.fromEntries(members) }
}

/**
 * This side of the thread: what was handed over and is not committed yet, in its order.
 *
 *     open ──▶ handed over ──▶ sent, as soon as this stretch of code has ended ──▶ committed ──▶ its promise fulfils
 *     faulty   questions are refused, and withdrawn when they had been sent; facts wait, and are sent when it is open again
 *
 * What is pending lives here and not in the thread, so that a thread that dies takes nothing with it.
 *
 * The file is a little long: it is one machine, whose states all its parts change.
 */
import { AsyncResource } from 'node:async_hooks'
import { Worker } from 'node:worker_threads'
import { describe } from '../core/any-value.ts'
import type { StoreDamage, StoreState } from '../core/store.ts'
import { StoreUnavailableError } from '../core/store-errors.ts'
import type { TriageError } from '../core/triage-error.ts'
import { withoutContext } from '../core/without-context.ts'
import { errorOf, type FaultReport } from './fault.ts'
import { Recent } from './recent.ts'
import type { StoreReport } from './report.ts'
import type { Settings } from './settings.ts'
import type { Answer, FromThread, Operation, Question, Replies, Standing } from './wire.ts'
import { MAX_BATCH, Op } from './wire.ts'
import { workerSource } from './worker-source.ts'

/** What is run in the thread. Tests have another one, whose database fails. */
export type MakeWorker = (data: { readonly settings: Settings; readonly isFirst: boolean }) => Worker

export const makeWorker: MakeWorker = (workerData) =>
  new Worker(workerSource, { eval: typeof workerSource === 'string', workerData, name: 'triage-queue/sqlite' })

interface Pending {
  readonly operation: Operation
  /** It has happened, whatever the store says. */
  readonly isFact: boolean
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

interface Asked {
  resolve(reply: never): void
  reject(error: unknown): void
}

export interface Watcher {
  state(state: StoreState, error: Error | undefined): void
  damage(damage: StoreDamage): void
}

const FIRST_RESPAWN_MS = 100
const LAST_RESPAWN_MS = 5_000

export class Link {
  readonly #settings: Settings
  readonly #make: MakeWorker
  readonly #watcher: Watcher
  readonly batches = new Recent()
  readonly commits = new Recent()
  #worker: Worker | undefined
  #epoch = 0
  #state: StoreState | 'opening' = 'opening'
  #fault: TriageError | undefined
  #pending: Pending[] = []
  /** How many of them were sent. */
  #sent = 0
  #willSend = false
  readonly #asked = new Map<number, Asked>()
  #questions = 0
  #respawnMs = FIRST_RESPAWN_MS
  #respawn: NodeJS.Timeout | undefined
  #opened: ((answer: StoreReport | TriageError) => void) | undefined
  #closing: Promise<void> | undefined
  #closed: ((fault: FaultReport | undefined) => void) | undefined
  /** The greatest number that was used. */
  seq = 0
  standing: Standing = { bytes: 0, queues: [] }

  constructor(settings: Settings, make: MakeWorker, watcher: Watcher) {
    this.#settings = settings
    this.#make = make
    this.#watcher = watcher
  }

  get state(): StoreState {
    return this.#state === 'opening' ? 'open' : this.#state
  }

  get error(): TriageError | undefined {
    return this.#fault
  }

  get pending(): number {
    return this.#pending.length
  }

  /** @throws {TriageError} through the promise */
  async open(): Promise<StoreReport> {
    const answer = await new Promise<StoreReport | TriageError>((resolve) => {
      this.#opened = resolve
      this.#start(true)
    })
    if (answer instanceof Error) throw answer
    return answer
  }

  /** Hands an operation over. */
  push(operation: Operation, isFact: boolean): Promise<Answer> {
    if (this.#state === 'closed' || (!isFact && this.#state === 'faulty')) return Promise.reject(this.#refusal())
    return new Promise((resolve, reject) => {
      this.#pending.push({ operation, isFact, resolve, reject })
      this.#sendSoon()
    })
  }

  /** Reads what was handed over before, too. */
  ask<Q extends Question>(question: Q): Promise<Replies[Q['what']]> {
    if (this.#state !== 'open' || this.#worker === undefined) return Promise.reject(this.#refusal())
    this.#send()
    const number = ++this.#questions
    return new Promise((resolve, reject) => {
      this.#asked.set(number, { resolve, reject })
      this.#keepAlive()
      this.#worker?.postMessage({ type: 'question', epoch: this.#epoch, number, question })
    })
  }

  /** Fulfils when all that is pending now is committed. */
  flushed(): Promise<void> {
    const last = this.#pending.at(-1)
    if (last === undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      // Behind it, so that its own promise is settled first.
      const { resolve: answered, reject: refused } = last
      last.resolve = (answer) => {
        answered(answer)
        resolve()
      }
      last.reject = (error) => {
        refused(error)
        if (this.#state === 'closed') reject(error)
        else this.flushed().then(resolve, reject)
      }
    })
  }

  /** Writes what is pending, waiting at most so long for a disk that is gone. */
  close(withinMs: number): Promise<void> {
    this.#closing ??= this.#close(withinMs)
    return this.#closing
  }

  async #close(withinMs: number): Promise<void> {
    if (this.#state === 'closed') return
    const isFlushed = await within(withinMs, this.flushed())
    const lost = this.#pending.filter(({ isFact }) => isFact).length
    const fault = await new Promise<FaultReport | undefined>((resolve) => {
      this.#closed = resolve
      if (this.#worker === undefined) resolve(undefined)
      else this.#worker.postMessage({ type: 'close' })
      this.#keepAlive()
    })
    this.#end()
    if (!isFlushed)
      throw new StoreUnavailableError(this.#settings.path, `it was closed before ${lost} records were written`)
    if (fault !== undefined) throw errorOf(fault, this.#settings.path)
  }

  #end(): void {
    clearTimeout(this.#respawn)
    this.#become('closed', undefined)
    for (const { reject } of this.#pending.splice(0)) reject(this.#refusal())
    this.#sent = 0
    for (const { reject } of this.#asked.values()) reject(this.#refusal())
    this.#asked.clear()
  }

  #refusal(): TriageError {
    const { path } = this.#settings
    if (this.#state === 'closed') return new StoreUnavailableError(path, 'it is closed')
    return new StoreUnavailableError(path, this.#fault?.message ?? 'it is not open', undefined, this.#fault)
  }

  /** A thread, in no context: it lives longer than the code that opens the store. */
  #start(isFirst: boolean): void {
    const worker = withoutContext(new AsyncResource('TriageStore')).runInAsyncScope(() =>
      this.#make({ settings: this.#settings, isFirst }),
    )
    this.#worker = worker
    this.#epoch = 0
    worker.on('message', (message: FromThread) => this.#hear(message))
    worker.on('error', (error) => this.#died(worker, describe(error)))
    worker.on('exit', (code) => this.#died(worker, `its thread has ended with ${code}`))
  }

  #hear(message: FromThread): void {
    switch (message.type) {
      case 'opened':
        this.#isOpen(message)
        break
      case 'refused':
        this.#refused(message.fault)
        break
      case 'committed':
        this.#committed(message)
        break
      case 'reply':
        this.#replied(message)
        break
      case 'failed':
        this.#epoch = message.epoch
        this.#failed(errorOf(message.fault, this.#settings.path))
        break
      case 'standing':
        this.standing = message.standing
        break
      case 'closed':
        this.#closed?.(message.fault)
        break
    }
    this.#keepAlive()
  }

  #isOpen({ epoch, seq, report, standing }: FromThread & { type: 'opened' }): void {
    const isFirst = this.#opened !== undefined
    this.#epoch = epoch
    this.seq = Math.max(this.seq, seq)
    this.standing = standing
    this.#respawnMs = FIRST_RESPAWN_MS
    this.#become('open', undefined)
    this.#opened?.(report)
    this.#opened = undefined
    // The first report is in the hands of who opens it.
    if (!isFirst) for (const damage of report.damage) this.#watcher.damage(damage)
    this.#send()
  }

  #refused(fault: FaultReport): void {
    const error = errorOf(fault, this.#settings.path)
    if (this.#opened === undefined) {
      this.#become('faulty', error)
      return
    }
    this.#state = 'closed'
    this.#opened(error)
    this.#opened = undefined
  }

  #committed({ count, answers, failures, ms }: FromThread & { type: 'committed' }): void {
    const done = this.#pending.splice(0, count)
    this.#sent -= count
    this.batches.add(count)
    this.commits.add(ms)
    const failed = new Map(failures)
    const given = new Map(answers)
    for (const [i, { resolve, reject }] of done.entries()) {
      const why = failed.get(i)
      if (why === undefined) resolve(given.get(i))
      else reject(new StoreUnavailableError(this.#settings.path, why))
    }
  }

  #replied({ number, reply, fault }: FromThread & { type: 'reply' }): void {
    const asked = this.#asked.get(number)
    this.#asked.delete(number)
    if (fault === undefined) asked?.resolve(reply as never)
    else asked?.reject(errorOf(fault, this.#settings.path))
  }

  /** Of all that was sent nobody knows whether it is on the disk. */
  #failed(error: TriageError): void {
    this.#become('faulty', error)
    const all = this.#pending
    const sent = this.#sent
    this.#pending = []
    this.#sent = 0
    const refused: Pending[] = []
    for (const [i, pending] of all.entries()) {
      if (pending.isFact) continue
      refused.push(pending)
      const withdrawal = i < sent ? withdrawalOf(pending.operation) : undefined
      if (withdrawal !== undefined)
        this.#pending.push({ operation: withdrawal, isFact: true, resolve() {}, reject() {} })
    }
    for (const pending of all) if (pending.isFact) this.#pending.push(pending)
    for (const { reject } of this.#asked.values()) reject(this.#refusal())
    this.#asked.clear()
    for (const { reject } of refused) reject(this.#refusal())
  }

  #died(worker: Worker, why: string): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    const isAwaited = this.#closed !== undefined || this.#state === 'closed'
    this.#closed?.(undefined)
    if (isAwaited) return
    const error = new StoreUnavailableError(this.#settings.path, why)
    if (this.#opened !== undefined) {
      this.#state = 'closed'
      this.#opened(error)
      this.#opened = undefined
      return
    }
    this.#failed(error)
    this.#respawn = setTimeout(() => this.#start(false), this.#respawnMs)
    this.#respawnMs = Math.min(this.#respawnMs * 2, LAST_RESPAWN_MS)
    this.#keepAlive()
  }

  /** All that is handed over in one stretch of code goes together. */
  #sendSoon(): void {
    if (this.#willSend) return
    this.#willSend = true
    queueMicrotask(() => {
      this.#willSend = false
      this.#send()
    })
  }

  #send(): void {
    if (this.#state !== 'open' || this.#worker === undefined || this.#sent === this.#pending.length) return
    this.#keepAlive()
    while (this.#sent < this.#pending.length) {
      const some = this.#pending.slice(this.#sent, this.#sent + MAX_BATCH)
      this.#sent += some.length
      const operations = some.map(({ operation }) => operation)
      this.#worker.postMessage({ type: 'operations', epoch: this.#epoch, operations })
    }
  }

  /** While something is pending the process must not end; an idle store does not keep it alive. */
  #keepAlive(): void {
    const isBusy =
      this.#pending.length > 0 || this.#asked.size > 0 || this.#opened !== undefined || this.#closed !== undefined
    if (isBusy) {
      this.#worker?.ref()
      this.#respawn?.ref()
    } else {
      this.#worker?.unref()
      this.#respawn?.unref()
    }
  }

  #become(state: StoreState, error: TriageError | undefined): void {
    const isSame = this.state === state && this.#state !== 'opening'
    this.#state = state
    this.#fault = error
    if (!isSame) this.#watcher.state(state, error)
  }
}

/** What undoes a question, in case that it was committed after all. */
function withdrawalOf(operation: Operation): Operation | undefined {
  if (operation[0] === Op.ADMIT) return [Op.WITHDRAW, operation[1], undefined]
  if (operation[0] === Op.BEGIN) return [Op.WITHDRAW, operation[1], operation[2]]
  // A letter that may live again, and that nobody runs, would live until the next start. That is no loss.
  return undefined
}

/** @returns false when the time was over before */
async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  try {
    return await Promise.race([
      promise.then(
        () => true,
        () => false,
      ),
      late,
    ])
  } finally {
    clearTimeout(timer)
  }
}

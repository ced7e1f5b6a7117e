/**
 * The thread: takes what has come while it was busy, commits it together, and answers. When there is nothing to do it tidies up.
 *
 * When the file fails it says so once: all that was sent in this epoch, and is not committed, never will be. The other side sends
 * again, in a new epoch, what must be kept. Meanwhile the files are opened anew, each time a little later, until that works.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { describe } from '../core/any-value.ts'
import { BusySlots } from './busy-slots.ts'
import type { OpenDatabase } from './database.ts'
import { Engine, EngineFault } from './engine.ts'
import { Fault, type FaultReport } from './fault.ts'
import { type Files, filesOf, requireLocal } from './files.ts'
import { Lock } from './lock.ts'
import { schema } from './schema.ts'
import type { Settings } from './settings.ts'
import { type FromThread, MAX_BATCH, type Operation, type ToThread } from './wire.ts'

const IDLE_MS = 50
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 5_000

export interface ThreadParts {
  readonly port: MessagePort
  readonly settings: Settings
  readonly open: OpenDatabase
  /** @param isFirst it is opened for the first time, and not again after a fault */
  readonly isFirst: boolean
}

export class Thread {
  readonly #parts: ThreadParts
  readonly #inbox: ToThread[] = []
  readonly #slots = new BusySlots()
  #lock: Lock | undefined
  #engine: Engine | undefined
  #epoch = 0
  #retryMs = FIRST_RETRY_MS
  #idle: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(parts: ThreadParts) {
    this.#parts = parts
    parts.port.on('message', (message: ToThread) => {
      this.#inbox.push(message)
      this.#work()
    })
    this.#open(parts.isFirst)
  }

  #say(message: FromThread): void {
    this.#parts.port.postMessage(message)
  }

  #open(isFirst: boolean): void {
    if (this.#isClosed) return
    const { settings, open } = this.#parts
    try {
      const files = filesOf(settings.path)
      this.#takeLock(files)
      const engine = new Engine(files, settings, open, schema, this.#slots)
      this.#engine = engine
      this.#retryMs = FIRST_RETRY_MS
      const { report, seq, standing } = engine
      this.#say({ type: 'opened', epoch: this.#epoch, seq, report, standing })
      this.#rest()
    } catch (error) {
      const message: FromThread = { type: 'refused', fault: reportOf(error) }
      if (isFirst) this.#end(message)
      else {
        this.#say(message)
        this.#openLater()
      }
    }
  }

  #takeLock(files: Files): void {
    if (this.#lock !== undefined) return
    requireLocal(files)
    this.#lock = Lock.take(files, this.#parts.open)
  }

  #openLater(): void {
    setTimeout(() => this.#open(false), this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  /** All that is there. */
  #work(): void {
    clearTimeout(this.#idle)
    for (;;) {
      this.#receive()
      const message = this.#inbox[0]
      if (message === undefined || this.#isClosed) break
      if (message.type === 'close') this.#close()
      else if (this.#engine === undefined || message.epoch !== this.#epoch) this.#inbox.shift()
      else if (message.type === 'question') this.#reply(this.#engine, message)
      else this.#commit(this.#engine)
    }
    this.#rest()
  }

  /** What has come while the thread was busy is here already. */
  #receive(): void {
    for (
      let next = receiveMessageOnPort(this.#parts.port);
      next !== undefined;
      next = receiveMessageOnPort(this.#parts.port)
    ) {
      this.#inbox.push(next.message as ToThread)
    }
  }

  /** As many operations as there are, up to the next question. */
  #commit(engine: Engine): void {
    const operations: Operation[] = []
    for (let first = this.#inbox[0]; first?.type === 'operations'; first = this.#inbox[0]) {
      if (first.epoch !== this.#epoch) break
      if (operations.length > 0 && operations.length + first.operations.length > MAX_BATCH) break
      for (const operation of first.operations) operations.push(operation)
      this.#inbox.shift()
    }
    const from = performance.now()
    try {
      const { answers, failures } = engine.commit(operations)
      this.#say({ type: 'committed', count: operations.length, answers, failures, ms: performance.now() - from })
    } catch (error) {
      this.#fail(error)
    }
  }

  #reply(engine: Engine, { number, question }: ToThread & { type: 'question' }): void {
    this.#inbox.shift()
    try {
      this.#say({ type: 'reply', number, reply: engine.ask(question) })
    } catch (error) {
      this.#say({ type: 'reply', number, reply: undefined, fault: reportOf(error) })
      if (error instanceof EngineFault) this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#engine?.abandon()
    this.#engine = undefined
    this.#epoch++
    this.#say({ type: 'failed', epoch: this.#epoch, fault: reportOf(error) })
    this.#openLater()
  }

  /** Nothing to do: some time later there may be something to tidy. */
  #rest(): void {
    if (this.#engine === undefined || this.#isClosed) return
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#tidy(), IDLE_MS)
    this.#idle.unref()
  }

  #tidy(): void {
    const engine = this.#engine
    if (engine === undefined) return
    try {
      if (engine.tidy()) this.#idle = setTimeout(() => this.#tidy(), 0).unref()
      else {
        this.#say({ type: 'standing', standing: engine.standing })
        this.#idle = setTimeout(() => this.#tidy(), Math.max(engine.tidyInMs, IDLE_MS)).unref()
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #close(): void {
    let fault: FaultReport | undefined
    try {
      this.#engine?.close()
    } catch (error) {
      fault = reportOf(error)
    }
    this.#end(fault === undefined ? { type: 'closed' } : { type: 'closed', fault })
  }

  /** Whoever hears the last word may open the store at once. */
  #end(lastWord: FromThread): void {
    this.#isClosed = true
    clearTimeout(this.#idle)
    try {
      this.#lock?.free()
    } catch {
      // The thread ends, and with it the lock.
    }
    this.#lock = undefined
    this.#say(lastWord)
    this.#parts.port.close()
  }
}

function reportOf(error: unknown): FaultReport {
  if (error instanceof Fault || error instanceof EngineFault) return error.report
  return { kind: 'unavailable', why: describe(error) }
}

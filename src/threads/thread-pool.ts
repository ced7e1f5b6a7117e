/**
 * The threads behind an executor, each with one call at a time. piscina starts and feeds them; what becomes of a call whose thread has
 * gone, and when a thread has to go, is said here.
 *
 *     run ──▶ sent ──▶ begun ──▶ answered                                                        its thread is free
 *                        │  └──▶ aborted: asked to stop ──▶ answered, or killed ──▶ exit         … once the thread has gone
 *                        └─────▶ exit, out of memory, an error that nobody has caught            … once the thread has gone
 *
 * piscina rejects a call as soon as it ends a thread, and goes on before that has gone. A slot of the queue must not: so each end
 * waits for the thread's own `exit`.
 *
 * The file is a little long: it is one machine, whose states all its parts change.
 */
import { AsyncResource } from 'node:async_hooks'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { describe } from '../core/any-value.ts'
import { OptionsError, QueueClosedError } from '../core/errors.ts'
import { ResultLostError, WorkerLostError } from '../core/remote-errors.ts'
import type { ErrorSubject } from '../core/triage-error.ts'
import { withoutContext } from '../core/without-context.ts'
import { arrived, crossing } from './crossing.ts'
import { Flag } from './flag.ts'
import { notSent } from './not-sent.ts'
import type { ThreadsSettings } from './options.ts'
import { type Piscina, piscina } from './peer.ts'
import { StartUps } from './start-ups.ts'
import { type About, type Answer, SAYS, type Said, type Task } from './wire.ts'
import { workerFile } from './worker-files.ts'

/** Of one run, on this side. */
export interface Running {
  readonly about: About
  readonly signal: AbortSignal
  readonly subject: ErrorSubject
  progress(fraction: number, message: string | undefined): void
}

/** A call that piscina has, or has had. */
class Call {
  readonly flag = new Flag()
  /** piscina's own way to end one: its thread goes with it. */
  readonly killing = new AbortController()
  readonly running: Running
  answer: Answer | undefined
  /** Told when the answer is there. */
  answered: (() => void) | undefined
  killer: NodeJS.Timeout | undefined
  /** Why it was ended from here. */
  ended: string | undefined
  /** The threads that were ended for it. */
  gone: readonly Thread[] = []

  constructor(running: Running) {
    this.running = running
  }
}

/** A thread, for as long as it is there. */
interface Thread {
  isLoaded: boolean
  /** Ends it when it has not loaded its file in time. */
  readonly slow: NodeJS.Timeout
  /** What it could not load its file for. */
  failure: unknown
  readonly exit: Promise<number>
}

export class ThreadPool {
  readonly #settings: ThreadsSettings
  readonly #pool: Piscina
  readonly #scope = withoutContext(new AsyncResource('TriageThreads'))
  readonly #threads = new Map<Worker, Thread>()
  readonly #byId = new Map<number, Thread>()
  readonly #calls = new Map<number, Call>()
  readonly #startUps = new StartUps()
  #numbers = 0
  /** Calls that have not settled. */
  #busy = 0
  #idle: (() => void) | undefined
  #closing: Promise<void> | undefined
  /** Threads that have ended by themselves, and that were ended since a call did not stop. */
  deaths = 0
  kills = 0

  /** @throws {OptionsError} when piscina is not there */
  constructor(settings: ThreadsSettings) {
    const Piscina = piscina()
    this.#settings = settings
    const { file, exportName, threads, idleMs, resourceLimits } = settings
    const options = {
      ...{
        filename: fileURLToPath(workerFile('task-worker')),
        name: 'run',
        workerData: { work: { file, exportName } },
      },
      ...{ minThreads: 0, maxThreads: threads, concurrentTasksPerWorker: 1, idleTimeout: idleMs },
      // With the default a thread stands still while it waits for a task: its timers, sockets and signals, too.
      atomics: 'async',
      recordTiming: false,
      ...(resourceLimits !== undefined && { resourceLimits }),
    }
    this.#pool = this.#scope.runInAsyncScope(() => new Piscina(options))
    this.#pool.on('message', (said) => this.#hear(said))
    // A thread that ends while it has nothing to do would end the process.
    this.#pool.on('error', (error) => {
      if (this.#closing !== undefined || this.#startUps.isOver) return
      process.emitWarning(`A thread of ${file} has ended while it had nothing to do: ${describe(error)}`)
    })
    this.#pool.on('workerCreate', () => this.#look())
  }

  get live(): number {
    return this.#pool.threads.length
  }

  get busy(): number {
    return this.#busy
  }

  get hasFailed(): boolean {
    return this.#startUps.isOver
  }

  /** Settles when the thread has answered, or has gone. */
  async run(request: unknown, running: Running): Promise<unknown> {
    const { threads } = this.#settings
    const { subject } = running
    if (this.#closing !== undefined) throw new QueueClosedError(subject)
    if (this.#startUps.isOver) throw new WorkerLostError(this.#startUps.why, subject, this.#startUps.last)
    if (this.#busy >= threads) {
      throw new OptionsError(
        'concurrency',
        `at most ${threads}, since the executor has ${threads} threads`,
        this.#busy + 1,
      )
    }
    this.#busy++
    try {
      return await this.#call(request, running)
    } finally {
      this.#busy--
      if (this.#busy === 0) this.#idle?.()
    }
  }

  async #call(request: unknown, running: Running): Promise<unknown> {
    const { signal, about } = running
    const number = ++this.#numbers
    const call = new Call(running)
    this.#calls.set(number, call)
    const asks = (): void => {
      call.flag.abort(signal.reason)
      this.#killLater(call)
    }
    signal.addEventListener('abort', asks, { once: true })
    if (signal.aborted) asks()
    try {
      const task: Task = { number, request, about, flag: call.flag.buffer }
      const { answer } = await this.#outcome(call, task)
      if (answer.ok) return answer.value
      throw arrived(answer.error)
    } finally {
      clearTimeout(call.killer)
      signal.removeEventListener('abort', asks)
      this.#calls.delete(number)
    }
  }

  /** @throws for what has no answer */
  async #outcome(call: Call, task: Task): Promise<{ readonly answer: Answer }> {
    let why: unknown
    try {
      const running = this.#scope.runInAsyncScope(() => this.#pool.run(task, { signal: call.killing.signal }))
      this.#look()
      await running
      // Said before piscina has heard that it is over, but by another port.
      if (call.answer === undefined) await this.#told(call)
    } catch (error) {
      why = error
    }
    const { answer } = call
    const threads = call.gone.length > 0 ? call.gone : this.#threadsOf(call)
    if (answer !== undefined && why === undefined) return { answer }
    if (threads.length === 0 && isNotCloneable(why)) {
      throw notSent(why, call.running.subject)
    }
    const codes = await Promise.all(threads.map(({ exit }) => exit))
    // It was said with the last breath.
    if (answer !== undefined) return { answer }
    throw this.#lost(call, threads, why, codes[0])
  }

  #lost(call: Call, threads: readonly Thread[], why: unknown, code: number | undefined): WorkerLostError {
    const { running, ended } = call
    const [thread] = threads
    const subject = { ...running.subject, started: thread?.isLoaded ?? false }
    if (ended !== undefined) return new WorkerLostError(ended, subject, running.signal.reason)
    // A thread that had not begun with it is not known here: it is the one that has just ended.
    const failure = thread === undefined ? this.#startUps.last : thread.failure
    if (failure !== undefined) {
      return new WorkerLostError(`its thread has not started: ${describe(failure)}`, subject, failure)
    }
    if ((why as { code?: unknown } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return new WorkerLostError('it ran out of memory', subject, why)
    }
    // piscina says the same of an exit, in other words.
    const isExit = why === undefined || (why instanceof Error && /^worker exited with code: /.test(why.message))
    return isExit
      ? new WorkerLostError(`it has exited with code ${code ?? 'unknown'}`, subject)
      : new WorkerLostError(`an error that nobody has caught: ${describe(why)}`, subject, why)
  }

  #threadsOf({ flag }: Call): Thread[] {
    const thread = this.#byId.get(flag.thread)
    return thread === undefined ? [] : [thread]
  }

  /** Until its answer is there, or its thread has gone without one. */
  async #told(call: Call): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      call.answered = resolve
    })
    await Promise.race([answered, ...this.#threadsOf(call).map(({ exit }) => exit)])
  }

  #hear(message: unknown): void {
    if (typeof message !== 'object' || message === null || !(SAYS in message)) return
    const said = message as Said
    if (said[SAYS] === 'loaded') {
      this.#look()
      const thread = this.#byId.get(said.thread)
      if (thread !== undefined) {
        thread.isLoaded = true
        clearTimeout(thread.slow)
      }
      this.#startUps.succeeded()
      // Now it can hear what it was asked.
      for (const call of this.#calls.values()) {
        if (call.flag.isAborted && [0, said.thread].includes(call.flag.thread)) this.#killLater(call)
      }
    } else if (said[SAYS] === 'failed') {
      this.#look()
      const thread = this.#byId.get(said.thread)
      if (thread !== undefined) thread.failure = arrived(said.error) ?? new Error('nothing was said')
    } else {
      const call = this.#calls.get(said.number)
      if (call === undefined) return
      if (said[SAYS] === 'progress') call.running.progress(said.fraction, said.message)
      else {
        call.answer = said.answer
        call.answered?.()
      }
    }
  }

  /** New threads are watched from now on: piscina forgets them before they have gone. */
  #look(): void {
    for (const worker of this.#pool.threads) {
      if (this.#threads.has(worker)) continue
      const { threadId } = worker
      worker.on('messageerror', (error) => this.#isUnread(threadId, error))
      const slow = setTimeout(() => void worker.terminate(), this.#settings.startTimeoutMs)
      slow.unref()
      const exit = new Promise<number>((resolve) => {
        worker.once('exit', (code) => {
          clearTimeout(slow)
          this.#threads.delete(worker)
          // Those whose call it had are told of it first.
          setImmediate(() => this.#byId.delete(threadId))
          this.#gone(thread, code)
          resolve(code)
        })
      })
      const thread: Thread = { isLoaded: false, slow, failure: undefined, exit }
      this.#threads.set(worker, thread)
      this.#byId.set(threadId, thread)
    }
  }

  /** What its thread has said of a call can't be read here: nested too deeply, say. Nothing but an answer can be so. */
  #isUnread(threadId: number, error: unknown): void {
    for (const call of this.#calls.values()) {
      if (call.flag.thread !== threadId || call.answer !== undefined) continue
      const lost = new ResultLostError(`it can't be read: ${describe(error)}`, {
        ...call.running.subject,
        started: true,
      })
      call.answer = { ok: false, error: crossing(lost) }
      call.answered?.()
    }
  }

  #killLater(call: Call): void {
    clearTimeout(call.killer)
    call.killer = setTimeout(() => this.#kill(call), this.#settings.killAfterMs)
  }

  /** It has not stopped in time. A thread that still loads its file is left alone: it begins no call that nobody waits for. */
  #kill(call: Call): void {
    this.#look()
    const threads = call.flag.thread === 0 ? [...this.#threads.values()] : this.#threadsOf(call)
    if (threads.some(({ isLoaded }) => !isLoaded)) {
      this.#killLater(call)
      return
    }
    call.ended = `it did not stop within ${this.#settings.killAfterMs} ms after it was asked to, and was ended`
    this.#endFor(call)
    if (call.gone.length > 0) this.kills++
  }

  /** piscina ends the thread of this call, or takes the call back if none has it. */
  #endFor(call: Call): void {
    this.#look()
    const before = [...this.#pool.threads]
    call.killing.abort()
    const after = new Set(this.#pool.threads)
    call.gone = before.flatMap((worker) => {
      const thread = this.#threads.get(worker)
      return after.has(worker) || thread === undefined ? [] : [thread]
    })
  }

  #gone(thread: Thread, code: number): void {
    if (!thread.isLoaded) {
      const { failure = new Error(`it has exited with code ${code} before it had loaded its file`) } = thread
      if (this.#closing === undefined) this.#startUps.failed(failure)
    }
    this.deaths++
    setImmediate(() => this.#rescue(thread))
  }

  /** piscina starts no other thread in the place of one that died before it had a call: those calls would wait for ever. */
  #rescue({ failure }: Thread): void {
    const live = new Set(this.#pool.threads.map(({ threadId }) => threadId))
    const calls = [...this.#calls.values()]
    const waiting = calls.filter(({ flag, ended }) => flag.thread === 0 && ended === undefined)
    const begun = calls.filter(({ flag }) => live.has(flag.thread)).length
    const without = waiting.length - (live.size - begun)
    for (const call of waiting.slice(0, Math.max(without, 0))) {
      const why = failure === undefined ? '' : `: ${describe(failure)}`
      call.ended = `its thread has ended while it started${why}`
      this.#endFor(call)
    }
  }

  /** Runs no more, and fulfils when all threads have gone. What runs is finished first. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await undefined
    if (this.#busy > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    this.#look()
    const exits = [...this.#threads].map(([worker, { exit }]) => {
      // Whoever awaits this wants to see it happen.
      worker.ref()
      return exit
    })
    await this.#pool.destroy()
    await Promise.all(exits)
  }
}

function isNotCloneable(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'DataCloneError'
}

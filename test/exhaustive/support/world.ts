/**
 * One executor on a clock moved by hand, and what was seen of it while an interleaving was played.
 */
import { QueuedExecutor, type RequestEvent } from 'triage-queue'
import type { Command } from './commands.ts'
import { HandClock } from './hand-clock.ts'
import type { Tree } from './interleavings.ts'
import type { Model } from './model.ts'
import { fails, RUN_MS, SLOTS, WAIT_MS } from './setting.ts'

const events = [
  'queued',
  'rejected',
  'blocked',
  'started',
  'completed',
  'failed',
  'expired',
  'cancelled',
  'shed',
  'stuck',
] as const

const MORE_THAN_EVER = 100
const aborted = new Error('aborted')
const failure = new Error('failed')

interface Call {
  readonly n: number
  resolve(n: number): void
  reject(error: unknown): void
}

export class World {
  readonly clock = new HandClock()
  readonly executor: QueuedExecutor<number, number>
  /** When the interleaving began; its unanswered calls, starts, answers to callers, and events. */
  since = 0
  calls: Call[] = []
  started: number[] = []
  outcomes: string[] = []
  histories: string[][] = []
  idles = 0
  /** Promises of `close()` that have not settled. */
  closing = 0
  startedOnStack = false
  #controller = new AbortController()
  #onStack = false

  constructor({ setting, isWatched }: Tree) {
    this.executor = new QueuedExecutor<number, number>((n) => this.#execute(n), {
      ...setting,
      concurrency: SLOTS,
      runTimeoutMs: RUN_MS,
      maxReplaced: MORE_THAN_EVER,
      clock: this.clock,
    })
    if (!isWatched) return
    for (const event of events) {
      this.executor.on(event, ({ request }: Pick<RequestEvent, 'request'>) => {
        this.histories[request as number] ??= []
        this.histories[request as number]?.push(event)
      })
    }
    this.executor.on('idle', () => this.idles++)
  }

  /** Forgets what was seen, and goes on with the executor, which must be as good as new. */
  reset(): void {
    this.since = this.clock.now()
    this.calls = []
    this.started = []
    this.outcomes = []
    this.histories = []
    this.idles = 0
  }

  /** Does what the model is about to do. */
  do(command: Command, model: Model): void {
    const until = this.since + (command === 'time' ? model.nextDueAt : model.now)
    this.#onStack = true
    this.#do(command, model, until)
    this.#onStack = false
  }

  #do(command: Command, model: Model, until: number): void {
    const { executor } = this
    const next = model.requests.length
    switch (command) {
      case 'urgent':
        this.#hear(next, executor.execute(next, { priority: 'urgent' }))
        break
      case 'low': {
        const { signal } = this.#controller
        const options = { priority: 'low', id: `${next}`, signal, waitTimeoutMs: WAIT_MS } as const
        this.#hear(next, executor.execute(next, options))
        break
      }
      case 'wide':
        this.#hear(next, executor.execute(next, { id: `${next}`, cost: SLOTS }))
        break
      case 'answer':
        this.#answer(this.calls.shift() as Call)
        break
      case 'cancel':
        executor.cancel(`${model.youngest?.n}`)
        break
      case 'raise':
        executor.get(`${model.youngest?.n}`)?.setPriority('urgent')
        break
      case 'abort': {
        const controller = this.#controller
        this.#controller = new AbortController()
        controller.abort(aborted)
        break
      }
      case 'time':
        this.clock.passTo(until)
        break
      case 'pause':
        if (model.paused) executor.resume()
        else executor.pause()
        break
      case 'resize':
        executor.concurrency = model.limit === SLOTS ? 1 : SLOTS
        break
      case 'close':
        this.closing++
        executor.close().then(() => this.closing--)
    }
  }

  #answer({ n, resolve, reject }: Call): void {
    if (fails(n)) reject(failure)
    else resolve(n)
  }

  #execute(n: number): Promise<number> {
    if (this.#onStack) this.startedOnStack = true
    this.started.push(n)
    return new Promise((resolve, reject) => this.calls.push({ n, resolve, reject }))
  }

  /** Writes down how a request ends for its caller, and when. */
  #hear(n: number, promise: Promise<number>): void {
    const over = (outcome: string): void => {
      const at = `${outcome}@${this.clock.now() - this.since}`
      this.outcomes[n] = this.outcomes[n] === undefined ? at : `${this.outcomes[n]}, then ${at}`
    }
    promise.then(
      (answer) => over(answer === n ? 'completed' : `answered ${answer}`),
      (error) => over(error.code ?? error.message),
    )
  }
}

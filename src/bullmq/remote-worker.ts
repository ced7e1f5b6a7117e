/**
 * A worker: takes requests from Redis, and runs them in this process, as many at once as it has slots. `remoteWorker()`.
 *
 * Inside it is an executor of this process, so that a run has all that it has elsewhere: a signal, time limits, kinds, progress, slots
 * that are free only when their calls have settled.
 */
import type { Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { hasMethods, requireConcurrency } from '../core/checks.ts'
import { MAX_DELAY_MS } from '../core/clock.ts'
import type { CloseOptions } from '../core/close-options.ts'
import { OptionsError } from '../core/errors.ts'
import { QueuedExecutor } from '../core/queued-executor.ts'
import { readCloseOptions } from '../core/request-options.ts'
import type { RunContext } from '../core/run/run-context.ts'
import type { WorkerHealth } from '../core/run/slot.ts'
import type { Executor } from '../core/run/slots.ts'
import { connect, evictionOf, RedisTime } from './connections.ts'
import { Leases } from './leases.ts'
import { type RemoteWorkerOptions, readWorkerOptions, requireName } from './options.ts'
import { type Peers, peers } from './peers.ts'
import { againAfter, Processor } from './processor.ts'
import type { RemoteRunContext } from './remote-run.ts'
import { type Keys, keysOf, Scripts } from './scripts.ts'
import { BEAT_MS, beatsOf, type WorkerBeat } from './status.ts'

/** The function that a worker runs. */
export type RemoteFunction<Req, Res, Metadata = unknown> = (
  request: Req,
  run: RemoteRunContext<Metadata>,
) => Res | PromiseLike<Res>

const MAX_SLOTS_TOLD = 256
const FETCH_RETRY_MS = 1_000
const FORGET_MS = 600_000
/** For so long BullMQ may take to close when nothing runs any more. */
const CLOSE_MS = 2_000

/**
 * Runs what `remoteExecutor()`s of this name submit, on this machine. Start as many as there is work for.
 *
 * ```ts
 * const worker = remoteWorker('llm', async (prompt, run) => complete(prompt, { signal: run.signal }), { connection, concurrency: 8 })
 * process.once('SIGTERM', () => worker.close({ graceMs: 10_000 }))
 * ```
 * @param work a function, or an executor of this process with limits and policies of its own
 * @throws {OptionsError}
 * @throws {Error} where bullmq or ioredis is not installed: one line that says how
 */
export function remoteWorker<Req = unknown, Res = unknown>(
  name: string,
  work: RemoteFunction<Req, Res> | QueuedExecutor<Req, Res>,
  options: RemoteWorkerOptions,
): RemoteWorker<Req, Res> {
  return new RemoteWorker<Req, Res>(name, work, options)
}

export class RemoteWorker<Req = unknown, Res = unknown> {
  readonly name: string
  /** What runs inside: its status and its metrics are those of this worker. */
  readonly executor: QueuedExecutor<Req, Res>
  readonly #choice: ReturnType<typeof readWorkerOptions>
  readonly #peers: Peers
  readonly #keys: Keys
  readonly #scripts: Scripts
  readonly #client: Redis
  readonly #time = new RedisTime()
  readonly #leases: Leases
  readonly #processor: Processor<Req, Res>
  readonly #isOwn: boolean
  readonly #id = crypto.randomUUID()
  readonly #starting: Promise<void>
  #worker: Worker | undefined
  #concurrency: number
  #beat: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  #isPaused = false
  #isClosed = false

  constructor(name: string, work: RemoteFunction<Req, Res> | QueuedExecutor<Req, Res>, options: RemoteWorkerOptions) {
    this.name = requireName(name)
    this.#choice = readWorkerOptions(options)
    this.#peers = peers()
    this.#isOwn = typeof work === 'function'
    this.executor = typeof work === 'function' ? this.#executorOf(work) : requireExecutor(work, options)
    this.#concurrency = options.concurrency ?? this.executor.concurrency
    this.#keys = keysOf(this.#choice.prefix, name)
    this.#scripts = new Scripts(this.#keys)
    this.#client = connect(this.#peers, this.#choice.connection, 'working', () => this.#isClosed)
    this.#scripts.define(this.#client)
    const listening = connect(this.#peers, this.#choice.connection, 'working')
    this.#leases = new Leases(this.#client, listening, this.#keys, this.#scripts, this.#choice.lockMs)
    this.#processor = new Processor<Req, Res>({
      ...{ name, executor: this.executor, isOwn: this.#isOwn, leases: this.#leases, client: this.#client },
      ...{ scripts: this.#scripts, time: this.#time, bullmq: this.#peers.bullmq, choice: this.#choice },
    })
    this.#starting = this.#start()
    // Whoever wants to know asks `ready()`.
    this.#starting.catch(() => {})
  }

  #executorOf(work: RemoteFunction<Req, Res>): QueuedExecutor<Req, Res> {
    const { concurrency = 10, runTimeoutMs, kinds = {} } = this.#choice
    const wrapped = (each: Executor<Req, unknown>): Executor<Req, never> =>
      ((request: Req, run: RunContext) => this.#processor.call(each, request, run)) as Executor<Req, never>
    const kindsOfAll = Object.fromEntries(
      Object.entries(kinds).map(([kind, of]) => [kind, { ...of, executor: wrapped(of.executor as never) }]),
    )
    return new QueuedExecutor<Req, Res>(wrapped(work as Executor<Req, unknown>), {
      ...{ name: this.name, concurrency, runTimeoutMs, whenFull: 'reject' },
      ...(Object.keys(kindsOfAll).length > 0 && { kinds: kindsOfAll as never }),
    })
  }

  async #start(): Promise<void> {
    await ready(this.#client)
    const policy = await evictionOf(this.#client)
    if (policy !== undefined) {
      throw new OptionsError('connection', 'a Redis whose maxmemory-policy is noeviction', policy)
    }
    await Promise.all([this.#time.sync(this.#client), this.#leases.listening])
    if (this.#closing !== undefined) return
    const { prefix, lockMs, stalledMs, maxStalled } = this.#choice
    const worker = new this.#peers.bullmq.Worker(this.name, (job, token) => this.#processor.process(job, token ?? ''), {
      ...{
        connection: this.#client,
        prefix,
        concurrency: this.#concurrency,
        lockDuration: lockMs,
        skipLockRenewal: true,
      },
      ...{ stalledInterval: stalledMs, maxStalledCount: maxStalled, runRetryDelay: FETCH_RETRY_MS, drainDelay: 2 },
      settings: { backoffStrategy: (_attempts, _type, error) => againAfter(error) },
    })
    worker.on('error', () => {})
    this.#worker = worker
    this.#beat = setInterval(() => void this.#tick().catch(() => {}), BEAT_MS)
    this.#beat.unref()
    if (this.#isPaused) await worker.pause(true)
    await this.#tick()
    await this.#forgetSilent()
  }

  /** Those that have died said nothing any more. */
  async #forgetSilent(): Promise<void> {
    const { workers } = this.#keys
    const all = Object.entries(await this.#client.hgetall(workers))
    const before = this.#time.now() - FORGET_MS
    const gone = all.filter(([, text]) => beatsOf(text).every(({ at }) => at < before)).map(([id]) => id)
    if (gone.length > 0) await this.#client.hdel(workers, ...gone)
  }

  /** Says that it is alive, and looks at what it may have missed. */
  async #tick(): Promise<void> {
    const beat: WorkerBeat = {
      ...{ v: 1, at: Math.round(this.#time.now()), concurrency: this.#concurrency, busy: this.#leases.size },
      slots: this.health().slice(0, MAX_SLOTS_TOLD),
      runMs: this.executor.getStatus().run.count === 0 ? null : this.executor.getStatus().run.averageMs,
    }
    await Promise.all([
      this.#client.hset(this.#keys.workers, this.#id, JSON.stringify(beat)),
      this.#leases.lookForEnds(),
      this.#time.sync(this.#client),
    ])
  }

  /**
   * Fulfils when it takes requests. Without Redis it waits for it.
   * @throws {OptionsError} through the promise, for its `maxmemory-policy`: then it takes none
   */
  ready(): Promise<void> {
    return this.#starting
  }

  /** How many it runs at once; it can be changed while it runs. */
  get concurrency(): number {
    return this.#concurrency
  }

  set concurrency(concurrency: number) {
    this.#concurrency = requireConcurrency(concurrency)
    if (this.#isOwn) this.executor.concurrency = this.#concurrency
    if (this.#worker !== undefined) this.#worker.concurrency = this.#concurrency
  }

  /** How many requests it runs now. */
  get running(): number {
    return this.#leases.size
  }

  /** Slot by slot. */
  health(): readonly WorkerHealth[] {
    return this.executor.getWorkerHealth()
  }

  /** Takes none any more, and gives back what is on its way to it; what runs goes on. Of this worker alone: `pause()` of an executor is for all. */
  async pause(): Promise<void> {
    this.#isPaused = true
    this.#leases.isTaking = false
    await this.#worker?.pause(true)
  }

  async resume(): Promise<void> {
    this.#isPaused = false
    this.#leases.isTaking = this.#closing === undefined
    await this.#worker?.resume()
  }

  /**
   * Takes none any more, and fulfils when what runs has ended. After `graceMs` what is left is aborted, and goes back to where it waited,
   * for another worker; with `drain: false` at once. Its executor is closed if it was made here.
   */
  close(options?: CloseOptions): Promise<void> {
    const { drain, graceMs } = readCloseOptions(options)
    const park = (): void => this.#leases.park()
    if (!drain) park()
    const timer = graceMs < MAX_DELAY_MS ? setTimeout(park, graceMs) : undefined
    this.#closing ??= this.#close()
    return this.#closing.finally(() => clearTimeout(timer))
  }

  async #close(): Promise<void> {
    this.#leases.isTaking = false
    clearInterval(this.#beat)
    if (this.#worker !== undefined) await this.#closed(this.#worker)
    if (this.#isOwn) await this.executor.close({ drain: false, graceMs: 0 })
    if (this.#client.status === 'ready') await this.#client.hdel(this.#keys.workers, this.#id).catch(() => {})
    this.#isClosed = true
    this.#leases.close()
    this.#client.disconnect()
  }

  /** What BullMQ waits for may never come: Redis is away, or a connection that was about to be made again tells no end. */
  async #closed(worker: Worker): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      let since = performance.now()
      timer = setInterval(() => {
        if (this.#leases.isRunning) since = performance.now()
        else if (performance.now() - since > CLOSE_MS) resolve()
      }, CLOSE_MS / 20)
    })
    await Promise.race([worker.close(), late])
    clearInterval(timer)
    // It would go on to look for those that are stalled.
    await worker.pause(true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function requireExecutor<Req, Res>(work: unknown, { runTimeoutMs, kinds, retry }: RemoteWorkerOptions) {
  // By its methods: it may be of another copy of this package.
  if (!hasMethods(work, 'execute', 'getStatus', 'getWorkerHealth', 'on')) {
    throw new OptionsError('work', 'a function, or a QueuedExecutor', work)
  }
  for (const [option, value] of Object.entries({ runTimeoutMs, kinds, retry })) {
    if (value !== undefined) throw new OptionsError(option, 'nothing: it is the executor that says so', value)
  }
  return work as QueuedExecutor<Req, Res>
}

function ready(client: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    if (client.status === 'ready') return resolve()
    client.once('ready', () => resolve())
    client.once('end', () => reject(new Error('the worker was closed before Redis was there')))
  })
}

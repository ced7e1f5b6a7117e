/**
 * Slots on their own: for whoever has a queue already, and wants only the truthful concurrency. Step 4 of 7.
 */
import { isCount, requireConcurrency, requireOptions, requireTier, wordList } from '../checks.ts'
import { Alarm, type Clock, systemClock, Timeline } from '../clock.ts'
import { OptionsError, QueueFullError, RunTimeoutError } from '../errors.ts'
import type { Priority } from '../priority.ts'
import { type RecordOwner, RequestRecord } from '../request-record.ts'
import { State } from '../request-state.ts'
import type { PoolHost } from './pool-host.ts'
import type { WorkerHealth } from './slot.ts'
import { type Executor, Slots, type StuckPolicy } from './slots.ts'

export interface WorkerPoolOptions {
  /** How many calls may run at once: an integer of at least 1. */
  concurrency: number
  /**
   * After how many ms a run is answered with a `RunTimeoutError`. The slot stays busy until the call
   * settles.
   * @default 300_000
   */
  runTimeoutMs?: number | undefined
  /**
   * What to do about a slot whose run is over that time: hold it, or grant a substitute (at most `maxReplaced`).
   * @default 'hold'
   */
  onStuck?: StuckPolicy | undefined
  /** @default concurrency */
  maxReplaced?: number | undefined
  /** @default systemClock */
  clock?: Clock | undefined
}

const runOptions = ['priority', 'metadata']
const poolOptions = Object.keys({
  ...{ concurrency: 0, runTimeoutMs: 0, onStuck: 0, maxReplaced: 0, clock: 0 },
} satisfies { [K in keyof WorkerPoolOptions]-?: 0 })

/**
 * A fixed number of async slots around a function.
 *
 * ```ts
 * const pool = new WorkerPool(async (n: number) => n * 2, { concurrency: 2 })
 * await pool.run(21) // => 42
 * ```
 */
export class WorkerPool<Req, Res> {
  readonly #slots: Slots<Req, Res>
  readonly #timeline: Timeline
  readonly #alarm: Alarm
  readonly #waiters = new Set<{ resolve(): void; wanted: 'slot' | 'idle' }>()
  #starting = 0

  /** @throws {OptionsError} */
  constructor(executor: Executor<Req, Res>, options: WorkerPoolOptions) {
    if (typeof executor !== 'function') throw new OptionsError('executor', 'a function', executor)
    requireOptions('', options, poolOptions)
    const { concurrency, runTimeoutMs = 300_000, onStuck = 'hold', clock = systemClock } = options
    requireConcurrency(concurrency)
    const { maxReplaced = concurrency } = options
    if (!(typeof runTimeoutMs === 'number' && runTimeoutMs > 0)) {
      throw new OptionsError('runTimeoutMs', 'a number greater than 0, or Infinity', runTimeoutMs)
    }
    if (onStuck !== 'hold' && onStuck !== 'replace')
      throw new OptionsError('onStuck', wordList(['hold', 'replace']), onStuck)
    if (!isCount(maxReplaced, 0)) {
      throw new OptionsError('maxReplaced', 'an integer of at least 0', maxReplaced)
    }
    // No one is handed a record of a pool: only a run asks, for its deadline, its id and its slot.
    const owner: Pick<RecordOwner, 'close' | 'dueAt' | 'named' | 'now' | 'slots'> = {
      now: () => this.#timeline.read(),
      dueAt: (_record, startedAt) => startedAt + runTimeoutMs,
      slots: () => this.#slots,
      named: () => {},
      close: () => Promise.reject(new TypeError('A WorkerPool has no close()')),
    }
    this.#timeline = new Timeline(clock, owner)
    this.#alarm = new Alarm(clock, this.#timeline, (now) => this.#ring(now))
    const host: PoolHost = {
      next: () => undefined,
      begin: (_record, times) => {
        times.startedAt = this.#timeline.now()
        times.deadline = times.startedAt + runTimeoutMs
        return true
      },
      began: (times) => this.#alarm.setFor(times.deadline, times.startedAt),
      settled: (record, ok, value, { deadline }, isFree) => {
        if (record.ended) return
        // Of a synchronous call nobody knew that its slot would stay busy.
        if (!isFree) this.#alarm.setFor(deadline, this.#timeline.now())
        record.status = ok ? State.COMPLETED : State.FAILED
        if (ok) record.resolve?.(value as never)
        else record.reject?.(value)
      },
      freed: () => {},
      vacated: () => this.#vacated(),
      overdue: (record, startedAt, now) => {
        const error = new RunTimeoutError(now - startedAt, runTimeoutMs, {
          requestId: record.id,
          priority: record.priority,
        })
        record.status = State.EXPIRED
        record.reject?.(error)
        this.#slots.abort(record, error, now)
      },
      stuck: () => this.#tell(),
      pauseForOthers: () => {},
      passed: () => void this.#timeline.read(),
      instant: () => this.#timeline.instant(),
      now: () => this.#timeline.now(),
    }
    this.#slots = new Slots(executor, host, concurrency, onStuck, maxReplaced)
  }

  /** How many calls may run at once; a smaller number shrinks as runs end. */
  get concurrency(): number {
    return this.#slots.limit
  }

  /** @throws {OptionsError} unless it is an integer of at least 1 */
  set concurrency(concurrency: number) {
    this.#slots.limit = requireConcurrency(concurrency)
    this.#tell()
  }

  /** How many calls have not settled. */
  get active(): number {
    return this.#slots.active + this.#starting
  }

  /** How many more could start now. */
  get free(): number {
    return Math.max(this.#slots.free - this.#starting, 0)
  }

  /**
   * Runs a request in a free slot, one microtask later.
   * @throws {QueueFullError} through the promise, when no slot is free: a pool has no queue
   * @throws {RunTimeoutError} through the promise
   */
  run(request: Req, options?: { priority?: Priority; metadata?: unknown }): Promise<Res> {
    let tier: number
    let metadata: unknown
    try {
      tier = requireTier(options?.priority === undefined ? 'normal' : options.priority)
      metadata = options?.metadata
      if (options !== undefined) requireOptions('', options, runOptions)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.free === 0) return Promise.reject(new QueueFullError('total', 0, 0))
    const record = new RequestRecord<Req, Res>(request, tier, this.#timeline.instant())
    if (metadata !== undefined) record.more().metadata = metadata
    const promise = record.promise()
    this.#starting++
    queueMicrotask(() => {
      this.#starting--
      record.status = State.RUNNING
      this.#slots.start(record)
    })
    return promise
  }

  /** Resolves as soon as a slot is free. */
  available(): Promise<void> {
    return this.#until('slot')
  }

  /** Resolves as soon as nothing runs; slots that are stuck are not waited for. */
  idle(): Promise<void> {
    return this.#until('idle')
  }

  /** One entry for each slot. */
  getHealth(): WorkerHealth[] {
    return this.#slots.health()
  }

  #until(wanted: 'slot' | 'idle'): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.add({ resolve, wanted })
      this.#tell()
    })
  }

  #vacated(): void {
    if (this.#slots.active === 0) {
      this.#alarm.off()
      if (this.#starting === 0) this.#timeline.isOver = true
    }
    this.#tell()
  }

  #tell(): void {
    for (const waiter of this.#waiters) {
      if (waiter.wanted === 'slot' ? this.free === 0 : this.#slots.unsettled + this.#starting > 0) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  #ring(now: number): void {
    const next = this.#slots.sweep(now)
    if (next < Number.POSITIVE_INFINITY) this.#alarm.setFor(next, now)
  }
}

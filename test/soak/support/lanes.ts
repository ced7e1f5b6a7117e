/**
 * The executors of the mixed load: together they have every policy and every option on, and they live for the whole run.
 * What a policy remembers by key has a small bound, so that it is full soon.
 */
import {
  adaptive,
  aging,
  backoff,
  batched,
  type Clock,
  circuitBreaker,
  codel,
  DeadLetters,
  type Executor,
  earliestDeadlineFirst,
  fairBy,
  meetsDeadline,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type StandardSchema,
  shedByPriority,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { eventNames } from '../../support/event-names.ts'
import { type Answer, Failure, type Job, serve } from './job.ts'
import type { Tally } from './tally.ts'
import type { Time } from './time.ts'

export type Lane = QueuedExecutor<Job, Answer>

const MAX_KEYS = 500

const events = eventNames.filter((event) => event !== 'progress' && event !== 'selfWaiting')

const keyOf = (job: unknown): string => (job as Job).key

const issues = (job: unknown) => ((job as Job).kind === 'unfit' ? [{ message: 'unfit' }] : undefined)

const schema: StandardSchema<Job> = {
  '~standard': {
    version: 1,
    vendor: 'soak',
    validate: (job) => {
      const wrong = issues(job)
      return wrong === undefined ? { value: job as Job } : { issues: wrong }
    },
  },
}

const slowSchema: StandardSchema<Job> = {
  '~standard': { ...schema['~standard'], validate: async (job) => schema['~standard'].validate(job) },
}

export class Lanes {
  readonly #time: Time
  readonly #random: () => number
  readonly #tally: Tally
  readonly all: readonly Lane[]
  readonly letters: DeadLetters<Job, unknown>
  /** How many events were heard. */
  heard = 0

  constructor(time: Time, random: () => number, tally: Tally) {
    this.#tally = tally
    this.#time = time
    this.#random = random
    const soonMs = time.delayMs(50) ?? 0
    const blocking = this.#lane({
      whenFull: 'block',
      maxQueueSize: 20,
      maxBlocked: 40,
      retry: backoff({ attempts: 3, baseMs: soonMs, budget: Number.POSITIVE_INFINITY, random }),
    })
    this.letters = new DeadLetters(blocking, { max: 100, of: ['failed', 'expired'] })
    this.all = [
      this.#lane({ maxQueueSize: { total: 40, low: 5 }, waitTimeoutMs: time.timeoutMs(40) }),
      blocking,
      this.#lane({
        whenFull: 'shed',
        maxQueueSize: 10,
        order: aging(),
        rateLimit: tokenBucket({ perSecond: 100, burst: 3, per: keyOf, maxKeys: MAX_KEYS }),
        onStuck: 'replace',
        maxReplaced: 2,
      }),
      this.#lane({
        order: fairBy(keyOf, { maxKeys: MAX_KEYS }),
        reserve: { urgent: 1 },
        lendReserve: true,
        overload: [codel(), circuitBreaker({ failureRatio: 0.3, openMs: soonMs + 1, windowMs: 100 })],
        schema,
      }),
      this.#lane({
        order: weighted(),
        limit: adaptive({ max: 20 }),
        overload: [meetsDeadline(), shedByPriority({ cohort: keyOf })],
        onDuplicate: 'reject',
        schema: slowSchema,
      }),
      this.#lane({ order: earliestDeadlineFirst(), concurrency: 32 }, inBatches(time.clock)),
    ]
  }

  /** One more, for a short life. */
  passing(): Lane {
    const perSecond = this.#time.delayMs(1) === undefined ? 1_000_000 : 100
    return this.#lane({ maxQueueSize: 20, whenFull: 'block', rateLimit: tokenBucket({ perSecond, over: 'wait' }) })
  }

  #lane(options: QueuedExecutorOptions<Job>, executor: Executor<Job, Answer> = serve(this.#time)): Lane {
    const { clock, timeoutMs } = this.#time
    const lane = new QueuedExecutor<Job, Answer>(executor, {
      ...(options.limit === undefined ? { concurrency: 8 } : {}),
      runTimeoutMs: timeoutMs(100),
      random: this.#random,
      onListenerError: () => {},
      onDuplicate: 'join-by-id',
      clock,
      ...options,
    })
    for (const event of events) {
      lane.on(event, () => {
        this.heard++
      })
    }
    lane.on('completed', ({ request }) => {
      if ((request as Job).kind !== 'followed') return
      const handle = lane.offer({ ...(request as Job), kind: 'value' })
      this.#tally.followed(handle !== undefined)
    })
    lane.on('cancelled', () => {
      throw new Failure('of a listener')
    })
    return lane
  }
}

function inBatches(clock: Clock): Executor<Job, Answer> {
  const answers = async (jobs: Job[]) => jobs.map((job) => (job.kind === 'throws' ? new Failure('alone') : { of: job }))
  return batched<Job, Answer>(answers, { maxSize: 16, maxWaitMs: 0, clock })
}

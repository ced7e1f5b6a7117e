/**
 * What does each feature cost? The closed loop with exactly one switched on at a time, so that a regression shows which.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { registerHooks } from 'node:module'
import type { LimitPolicy, QueuedExecutorOptions, RequestOptions } from '../../src/index.ts'
import type { Case } from '../case.ts'
import { CONCURRENCY, type Job, tasks } from '../job.ts'
import { fromDist, library, requestEvents } from '../library.ts'
import { type ClosedLoop, closedLoop, SUBMITTERS } from '../measure.ts'
import { number, table, withRange, withSpread } from '../table.ts'

const { adaptive, aimd, gradient2, vegas } = library
const { aging, backoff, batched, earliestDeadlineFirst, fairBy, weighted } = library
const { circuitBreaker, codel, meetsDeadline, shedByPriority, tokenBucket } = library

const BASELINE = 'baseline: all defaults'
const BOTH_TIMEOUTS = 'wait and run timeout, by request'
// Named so that `--only 'all defaults'` sets it against the baseline.
const PROMETHEUS = 'all defaults, prometheus attached'
const LOOP = 'closed loop'
const FAR_MS = 30_000

type Executor = InstanceType<typeof library.QueuedExecutor<Job, number>>

function open(options: QueuedExecutorOptions<Job> = {}, task = tasks.trivial): Executor {
  return new library.QueuedExecutor<Job, number>(task, { concurrency: CONCURRENCY, maxQueueSize: 0, ...options })
}

/** `execute` without options, on an executor that has some. */
function plain(options?: QueuedExecutorOptions<Job>): ClosedLoop {
  const executor = open(options)
  return { execute: (job) => executor.execute(job) }
}

function limited(limit: LimitPolicy): ClosedLoop {
  const executor = new library.QueuedExecutor<Job, number>(tasks.trivial, { maxQueueSize: 0, limit })
  return { execute: (job) => executor.execute(job) }
}

const keys = Array.from({ length: 100 }, (_, n) => `tenant ${n}`)

/** A closed loop whose executor somebody looks at before and after. */
interface Watched extends ClosedLoop {
  look(): Promise<void>
}

async function underPressure(): Promise<ClosedLoop> {
  const { pressure }: typeof import('../../src/pressure/index.ts') = await import(
    fromDist ? '../../dist/pressure/index.js' : '../../src/pressure/index.ts'
  )
  return plain({ overload: pressure({ maxEventLoopDelayMs: FAR_MS, maxHeapUsedBytes: 2 ** 40 }) })
}

/** An executor that does not ask whether `debug` is on: these lines are cut out of its source as it is loaded. */
async function unasked(): Promise<ClosedLoop> {
  const url = new URL('../../src/core/queued-executor.ts?unasked', import.meta.url).href
  registerHooks({
    load(name, context, next) {
      const loaded = next(name, context)
      if (name !== url) return loaded
      const source = String(loaded.source)
      const cut = source.replaceAll(/^ *if \(this\.#audit !== undefined\).*\n/gm, '')
      if (cut === source) throw new Error('nothing asks whether debug is on')
      return { ...loaded, source: cut }
    },
  })
  const { QueuedExecutor }: typeof library = await import(url)
  const executor = new QueuedExecutor<Job, number>(tasks.trivial, { concurrency: CONCURRENCY, maxQueueSize: 0 })
  return { execute: (job) => executor.execute(job) }
}

/** `execute` on an executor that is on a registry of prom-client. */
async function scraped(): Promise<Watched> {
  const { Registry } = await import('prom-client')
  const { prometheus }: typeof import('../../src/prometheus/index.ts') = await import(
    fromDist ? '../../dist/prometheus/index.js' : '../../src/prometheus/index.ts'
  )
  const executor = open()
  const registry = new Registry()
  prometheus(executor, { registry })
  return {
    execute: (job) => executor.execute(job),
    look: async () => {
      const { completed } = executor.getStatus().totals
      const text = await registry.metrics()
      const series = `triage_requests_ended_total{queue="triage",priority="normal",outcome="completed"} ${completed}\n`
      if (!text.includes(series)) throw new Error(`the text lacks ${series}`)
    },
  }
}

/** `execute` with options, made anew for each request as callers do. */
function each(optionsOf: () => RequestOptions): ClosedLoop {
  const executor = open()
  return { execute: (job) => executor.execute(job, optionsOf()) }
}

const features: { readonly [name: string]: () => ClosedLoop | Promise<ClosedLoop | Watched> } = {
  [BASELINE]: () => plain(),
  'run timeout off': () => plain({ runTimeoutMs: Number.POSITIVE_INFINITY }),
  'wait timeout': () => plain({ waitTimeoutMs: FAR_MS }),
  'timeout of both together': () => plain({ timeoutMs: FAR_MS }),
  'wait timeout, by request': () => each(() => ({ waitTimeoutMs: FAR_MS })),
  'run timeout, by request': () => each(() => ({ runTimeoutMs: FAR_MS })),
  'wait and run timeout': () => plain({ waitTimeoutMs: FAR_MS, runTimeoutMs: FAR_MS }),
  [BOTH_TIMEOUTS]: () => each(() => ({ waitTimeoutMs: FAR_MS, runTimeoutMs: FAR_MS })),
  'options, priority only': () => each(() => ({ priority: 'high' })),
  metadata: () => each(() => ({ metadata: 'any' })),
  'one signal for all': () => {
    const { signal } = new AbortController()
    return each(() => ({ signal }))
  },
  'a signal for each request': () => each(() => ({ signal: new AbortController().signal })),
  'run.signal, read by the executor': () => {
    const executor = new library.QueuedExecutor<Job, number>(
      async (job, run) => job.value + (run.signal.aborted ? 0 : 1),
      { concurrency: CONCURRENCY, maxQueueSize: 0 },
    )
    return { execute: (job) => executor.execute(job) }
  },
  'submit() and result': () => {
    const executor = open()
    return { execute: async (job) => (await executor.submit(job)).result }
  },
  'offer() and result': () => {
    const executor = open()
    return { execute: (job) => (executor.offer(job) as { result: Promise<number> }).result }
  },
  'a listener for completed': () => {
    const executor = open().on('completed', () => {})
    return { execute: (job) => executor.execute(job) }
  },
  'listeners for all events of requests': () => {
    const executor = open()
    for (const event of requestEvents) executor.on(event, () => {})
    return { execute: (job) => executor.execute(job) }
  },
  [PROMETHEUS]: () => scraped(),
  'whenFull: block, 44 of 64 blocked': () => plain({ whenFull: 'block', maxQueueSize: 10 }),
  'a bound that is not reached': () => plain({ maxQueueSize: { total: 1_000, low: 10 } }),
  'schema, synchronous': () =>
    plain({ schema: { '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as Job }) } } }),
  'an id for each request': () => {
    let counter = 0
    return each(() => ({ id: `id-${counter++}` }))
  },
  'each id twice, joined': () => {
    let counter = 0
    return each(() => ({ id: `id-${counter++ >>> 1}` }))
  },
  'order: aging()': () => plain({ order: aging() }),
  'order: weighted()': () => plain({ order: weighted() }),
  'order: earliestDeadlineFirst()': () => plain({ order: earliestDeadlineFirst() }),
  'order: fairBy(), 100 keys': () =>
    plain({ order: fairBy((job) => keys[(job as Job).value % keys.length] as string) }),
  'order: aging(), fairBy() within': () =>
    plain({ order: aging({}, { within: fairBy((job) => keys[(job as Job).value % keys.length] as string) }) }),
  'order: weighted(), earliestDeadlineFirst() within': () =>
    plain({ order: weighted({}, { within: earliestDeadlineFirst() }) }),
  'cost: two slots each': () => each(() => ({ cost: 2 })),
  'reserve: two slots for urgent': () => plain({ reserve: { urgent: 2 } }),
  // At its best limit, so that as many run as without.
  'limit: adaptive()': () => limited(adaptive({ initial: CONCURRENCY, min: CONCURRENCY, max: CONCURRENCY })),
  'limit: aimd()': () => limited(aimd({ initial: CONCURRENCY, min: CONCURRENCY, max: CONCURRENCY, timeoutMs: FAR_MS })),
  'limit: vegas()': () => limited(vegas({ initial: CONCURRENCY, max: CONCURRENCY })),
  'limit: gradient2()': () => limited(gradient2({ initial: CONCURRENCY, min: CONCURRENCY, max: CONCURRENCY })),
  'rateLimit: tokenBucket(), never empty': () => plain({ rateLimit: tokenBucket({ perSecond: 1e9, burst: 1e9 }) }),
  'overload: codel()': () => plain({ overload: codel({ targetMs: FAR_MS }) }),
  'overload: shedByPriority()': () => plain({ overload: shedByPriority(), concurrency: SUBMITTERS }),
  'overload: meetsDeadline()': () => plain({ overload: meetsDeadline(), timeoutMs: FAR_MS }),
  'overload: pressure(), far away': () => underPressure(),
  'overload: circuitBreaker()': () => plain({ overload: circuitBreaker() }),
  'retry: backoff(), nothing fails': () => plain({ retry: backoff() }),
  'batched(), up to ten in a call': () => {
    const many = batched(async (jobs: Job[]) => jobs.map(({ value }) => value + 1), { maxSize: CONCURRENCY })
    const executor = new library.QueuedExecutor<Job, number>(many, { concurrency: CONCURRENCY, maxQueueSize: 0 })
    return { execute: (job) => executor.execute(job) }
  },
  'after: one that has ended': () => {
    const ended = Promise.resolve()
    return each(() => ({ after: [ended] }))
  },
  'debug: true': () => plain({ debug: true }),
  ...(fromDist ? {} : { 'all defaults, the checks of debug cut out': unasked }),
  'AsyncLocalStorage around submitters': () => {
    const storage = new AsyncLocalStorage<number>()
    const executor = open({}, async (job) => {
      if (storage.getStore() === undefined) throw new Error('the context of the submitter is lost')
      return job.value + 1
    })
    let submitters = 0
    return {
      execute: (job) => executor.execute(job),
      around: (submitter) => storage.run(submitters++, submitter),
    }
  },
  'a clock of its own': () =>
    plain({
      clock: {
        now: () => performance.now(),
        setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
        clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
      },
    }),
}

export const priceCase: Case = {
  name: 'price',
  about: `the closed loop of ${SUBMITTERS} submitters with one feature switched on at a time`,
  rounds: 5,
  // Those that a target is about, in all rounds.
  trials: () =>
    Object.keys(features).map((subject) => {
      const inTarget = [BASELINE, BOTH_TIMEOUTS, PROMETHEUS].includes(subject)
      return { variant: LOOP, subject, ...(inTarget ? {} : { rounds: 3 }) }
    }),

  async measure({ subject }) {
    const feature = features[subject]
    if (feature === undefined) throw new Error(`there is no feature '${subject}'`)
    const loop = await feature()
    const look = 'look' in loop ? loop.look : undefined
    await look?.()
    const cost = await closedLoop(loop)
    await look?.()
    return { numbers: { ...cost } }
  },

  report(results) {
    const baseline = results.median(LOOP, BASELINE, 'cpuNs') ?? Number.NaN
    const rows = results
      .subjects()
      .map((subject) => [
        subject,
        withSpread(results.spread(LOOP, subject, 'cpuNs')),
        withSpread(results.spread(LOOP, subject, 'wallNs')),
        number((results.median(LOOP, subject, 'cpuNs') ?? Number.NaN) - baseline),
        withRange(results.ratio([LOOP, subject], [LOOP, BASELINE], 'cpuNs')),
      ])
    const head = ['closed loop, trivial async task', 'CPU ns a request', 'wall ns', 'more than baseline', 'of baseline']
    return `The price of each feature of triage-queue, one at a time\n\n${table(head, rows)}`
  },
}

/** The target: a run timeout and a wait timeout on every request, against none of its own. */
export const timeoutsRatio = {
  over: [LOOP, BOTH_TIMEOUTS],
  under: [LOOP, BASELINE],
} as const

export const prometheusRatio = {
  over: [LOOP, PROMETHEUS],
  under: [LOOP, BASELINE],
} as const

/**
 * What does it cost to change one's mind? 100 k wait, and some of them are cancelled, moved, asked for their position,
 * each at random; or all of them have timeouts, signals, listeners.
 */
import { getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { QueuedRequest, RequestOptions } from '../../src/index.ts'
import type { Case } from '../case.ts'
import { type HeldExecutor, heldExecutor } from '../held.ts'
import { CONCURRENCY, type Job, jobsOfFourTiers, randomInts, tasks } from '../job.ts'
import { library, requestEvents } from '../library.ts'
import { burst, collectGarbage, costOf, meanCost, quick, warmUp } from '../measure.ts'
import { number, short, table, withRange, withSpread } from '../table.ts'
import type { Outcome } from '../trial.ts'

const WAITING = 100_000
const OPERATIONS = quick ? 5_000 : 20_000
const ONE = 'one operation'
const ALL = `a burst of ${short(WAITING)}`
const PLAIN = 'priority only'

type Handle = QueuedRequest<Job, number>
type Executor = HeldExecutor

const { priorities } = library

/** Operations on one of many that wait: what is made ready beforehand, and the operation. */
const operations: { readonly [name: string]: (executor: Executor) => (handle: Handle, random: number) => unknown } = {
  'cancel by handle': () => (handle) => handle.cancel(),
  'cancel by handle, with a reason': () => {
    const reason = new Error('not needed')
    return (handle) => handle.cancel(reason)
  },
  'cancel by id': (executor) => (handle) => executor.cancel(handle.id),
  setPriority: () => (handle, random) => handle.setPriority(priorities[random & 3] as (typeof priorities)[number]),
  position: () => (handle) => handle.position(),
}

/** What every request of a burst may have. */
const companions: { readonly [name: string]: () => { options?: () => RequestOptions; listen?: boolean } } = {
  [PLAIN]: () => ({}),
  'a wait and a run timeout on each': () => ({ options: () => ({ waitTimeoutMs: 60_000, runTimeoutMs: 60_000 }) }),
  'a signal for each': () => ({ options: () => ({ signal: new AbortController().signal }) }),
  'one signal for all': () => {
    const { signal } = new AbortController()
    return { options: () => ({ signal }) }
  },
  'listeners for all events of requests': () => ({ listen: true }),
}

const ABORT = 'abort of the one signal of all'

export const churnCase: Case = {
  name: 'churn',
  about: '100 k waiting: cancel, setPriority, position; timeouts, signals, listeners on every request',
  rounds: 3,
  flags: ['--expose-gc'],

  trials: () => [
    ...Object.keys(operations).map((subject) => ({ variant: ONE, subject })),
    { variant: ONE, subject: ABORT },
    ...Object.keys(companions).map((subject) => ({ variant: ALL, subject })),
  ],

  measure({ variant, subject }) {
    if (variant === ALL) return measureBurst(subject)
    return subject === ABORT ? measureAbort() : measureOperation(subject)
  },

  report(results) {
    const one = results
      .subjects(ONE)
      .map((subject) => [
        subject,
        number(results.quantile(ONE, subject, 'operationNs', 0.5)),
        number(results.quantile(ONE, subject, 'operationNs', 0.99)),
        withSpread(results.spread(ONE, subject, 'cpuNs')),
      ])
    const all = results
      .subjects(ALL)
      .map((subject) => [
        subject,
        withSpread(results.spread(ALL, subject, 'cpuNs')),
        withRange(results.ratio([ALL, subject], [ALL, PLAIN], 'cpuNs')),
      ])
    return [
      `${short(WAITING)} waiting over four tiers, one operation on one at random`,
      table(['ns', 'median', 'p99', 'CPU, mean, with what follows'], one),
      `A burst of ${short(WAITING)} over four tiers, and what every request has`,
      table(['', 'CPU ns a request', `of ${PLAIN}`], all),
    ].join('\n\n')
  },
}

/** The target: the same burst with both timeouts on every request. */
export const burstTimeoutsRatio = { over: [ALL, 'a wait and a run timeout on each'], under: [ALL, PLAIN] } as const
export const ONE_OPERATION = ONE

/** Makes an executor of one slot, which is taken until `open` is called, and lets all jobs wait. */
async function backlog(): Promise<{ executor: Executor; handles: Handle[]; open: () => void }> {
  const { executor, open } = heldExecutor({ concurrency: 1, maxQueueSize: 0 })
  executor.offer({ index: -1, value: 0, tier: 0 })
  await setImmediate()
  const handles = jobsOfFourTiers(WAITING).map(
    (job) => executor.offer(job, { priority: priorities[job.tier] as 'low' }) as Handle,
  )
  await setImmediate()
  return { executor, handles, open }
}

async function measureOperation(subject: string): Promise<Outcome> {
  const prepare = operations[subject]
  if (prepare === undefined) throw new Error(`there is no operation '${subject}'`)
  // On one backlog to warm up, on the next to measure.
  await operate(prepare)
  return operate(prepare)
}

async function operate(prepare: (typeof operations)[string]): Promise<Outcome> {
  const { executor, handles, open } = await backlog()
  const operation = prepare(executor)
  shuffle(handles)
  // So that an id is looked up and not made.
  for (const handle of handles.slice(0, OPERATIONS)) void handle.id
  collectGarbage()
  const took = new Float64Array(OPERATIONS)
  const emptyNs = clockNs()
  const cost = await costOf(OPERATIONS, async () => {
    for (let i = 0; i < OPERATIONS; i++) {
      const handle = handles[i] as Handle
      const from = performance.now()
      operation(handle, i)
      took[i] = (performance.now() - from) * 1e6
    }
    await setImmediate()
  })
  const { waiting, totals } = executor.getStatus()
  if (waiting + totals.cancelled !== WAITING) throw new Error(`${waiting} wait and ${totals.cancelled} were cancelled`)
  if (totals.cancelled !== 0 && totals.cancelled !== OPERATIONS) throw new Error('not all were cancelled')
  open()
  await executor.close()
  const left = executor.getStatus().totals
  if (left.completed + left.cancelled !== WAITING + 1) throw new Error('not every request has ended once')
  return {
    numbers: { cpuNs: cost.cpuNs - 2 * emptyNs },
    series: { operationNs: [...took].map((ns) => Math.max(Math.round(ns - emptyNs), 0)) },
  }
}

/** Aborts the one signal that all who wait share; looks whether anything is left of them. */
async function measureAbort(): Promise<Outcome> {
  const { executor, open } = await backlog()
  const before = executor.getStatus().waiting
  const controller = new AbortController()
  const { signal } = controller
  const reason = new Error('aborted')
  const jobs = jobsOfFourTiers(WAITING)
  const promises = jobs.map((job) => executor.execute(job, { signal }))
  const settled = Promise.allSettled(promises)
  collectGarbage()
  const cost = await costOf(WAITING, async () => {
    controller.abort(reason)
    await settled
  })
  for (const result of await settled) {
    if (result.status !== 'rejected' || result.reason !== reason) throw new Error('a request was not aborted')
  }
  if (executor.getStatus().waiting !== before) throw new Error('some of them still wait')
  if (getEventListeners(signal, 'abort').length !== 0) throw new Error('the signal still has a listener')
  open()
  await executor.close()
  return { numbers: { cpuNs: cost.cpuNs }, series: { operationNs: [Math.round(cost.wallNs)] } }
}

async function measureBurst(subject: string): Promise<Outcome> {
  const companion = companions[subject]
  if (companion === undefined) throw new Error(`there is no companion '${subject}'`)
  const { options, listen = false } = companion()
  const executor = new library.QueuedExecutor<Job, number>(tasks.trivial, { concurrency: CONCURRENCY, maxQueueSize: 0 })
  let told = 0
  if (listen) for (const event of requestEvents) executor.on(event, () => told++)
  const execute = (job: Job): Promise<number> =>
    executor.execute(job, { ...options?.(), priority: priorities[job.tier] as 'low' })
  const few = jobsOfFourTiers(10_000)
  const jobs = jobsOfFourTiers(WAITING)
  await warmUp(() => burst(execute, few))
  const cost = await meanCost(() => {
    told = 0
    return burst(execute, jobs)
  })
  // Each request is queued, started and completed.
  if (listen && told !== 3 * WAITING) throw new Error(`listeners were told ${told} times`)
  return { numbers: { ...cost } }
}

/** What reading the clock twice adds to each figure, in ns: the median of many. */
function clockNs(): number {
  const took = Float64Array.from({ length: 10_000 }, () => {
    const from = performance.now()
    return (performance.now() - from) * 1e6
  }).sort()
  return took[took.length >> 1] as number
}

function shuffle<T>(items: T[]): void {
  const random = randomInts(2 ** 31)
  for (let i = items.length - 1; i > 0; i--) {
    const j = random() % (i + 1)
    ;[items[i], items[j]] = [items[j] as T, items[i] as T]
  }
}

/**
 * What does each metric say? The table: names, meanings, and where the engine has the numbers.
 *
 * No label holds what a caller chose: priorities and outcomes are a few words, reasons the codes of our errors.
 */
import { type Priority, priorities } from '../core/priority.ts'
import type { ExecutorHistograms, ExecutorStatus, HistogramReading, KeptStatus, Outcome } from '../index.ts'
import type { Labels } from './labels.ts'

/** An executor at one instant. */
export interface Reading {
  readonly status: ExecutorStatus
  readonly histograms: ExecutorHistograms
}

/** One series: its value, and the labels that it has beside those of its executor. */
type Series<T> = readonly [value: T, labels?: Labels]

interface Described {
  /** Without the prefix. */
  readonly name: string
  readonly help: string
}

/** A gauge, a counter, or the quantiles of a summary. */
export interface NumberFamily extends Described {
  readonly type: 'gauge' | 'counter' | 'summary'
  /** How the values of several processes make one. */
  readonly aggregator: 'sum' | 'max' | 'min'
  read(reading: Reading): readonly Series<number>[]
}

export interface HistogramFamily extends Described {
  readonly type: 'histogram'
  readonly aggregator: 'sum'
  /** Which bounds and which exemplars are its own. */
  readonly about: 'wait' | 'run'
  read(reading: Reading): readonly Series<HistogramReading | undefined>[]
}

const endings: readonly Outcome[] = ['completed', 'failed', 'expired', 'cancelled', 'shed']
// What is displaced has never run.
const endingsOfRuns: readonly Outcome[] = ['completed', 'failed', 'expired', 'cancelled']

const gauges = [
  gauge('queue_size', 'Requests that wait in the queue, by priority; the priority all is their sum.', ({ status }) => [
    ...byPriority((priority) => status.waitingByPriority[priority]),
    [status.waiting, { priority: 'all' }],
  ]),
  gauge(
    'queue_max_size',
    'How many requests may wait; 0 where nothing may, absent when there is no bound.',
    ({ status }) => (status.maxQueueSize === null ? [] : [[status.maxQueueSize]]),
  ),
  gauge('queue_checking', 'Requests that an asynchronous schema looks at, not admitted yet.', ({ status }) => [
    [status.checking],
  ]),
  gauge('queue_blocked', 'Callers who wait for room in the queue.', ({ status }) => [[status.blocked]]),
  gauge('queue_running', 'Requests that run, and whose callers still wait.', ({ status }) => [[status.running]]),
  gauge('queue_retrying', 'Requests that have failed and wait for another attempt.', ({ status }) => [
    [status.retrying],
  ]),
  gauge('queue_active_workers', 'Slots that are busy, also with calls whose requests have ended.', ({ status }) => [
    [status.activeWorkers],
  ]),
  gauge('queue_max_workers', 'How many slots there are, without substitutes for stuck ones.', ({ status }) => [
    [status.maxWorkers],
  ]),
  gauge('stuck_workers', 'Slots whose call is over its deadline and has not settled.', ({ status }) => [
    [status.stuckWorkers],
  ]),
  gauge(
    'concurrency_limit',
    'How many calls may run at once, as the limit policy says, in shadow too; without one, as it is set.',
    ({ status }) => [[status.limit?.limit ?? status.maxWorkers]],
  ),
  gauge(
    'oldest_waiting_seconds',
    'How long the next request of each priority has waited; 0 when none waits.',
    ({ status }) => byPriority((priority) => status.oldestWaitMsByPriority[priority] / 1_000),
    'max',
  ),
]

const counters = [
  counter('queue_requests_total', 'Requests that were admitted or refused.', ({ status }) =>
    byPriority((priority) => status.totalsByPriority[priority].admitted + status.totalsByPriority[priority].rejected),
  ),
  counter(
    'queue_requests_rejected_total',
    'Requests that were refused, by reason; only the reasons that there were.',
    ({ status }) =>
      priorities.flatMap((priority) =>
        Object.entries(status.rejectedByPriority[priority]).map(
          ([reason, count]): Series<number> => [count, { priority, reason }],
        ),
      ),
  ),
  counter(
    'queue_requests_joined_total',
    'Requests that shared the run of a live one with the same id; in no other counter.',
    ({ status }) => [[status.totals.joined]],
  ),
  counter('requests_ended_total', 'Admitted requests that have ended, by outcome.', ({ status }) =>
    byOutcome(endings, (priority, outcome) => status.totalsByPriority[priority][outcome]),
  ),
  counter('retries_total', 'Attempts after the first one of their request.', ({ status }) => [[status.totals.retries]]),
  counter('listener_errors_total', 'How often a listener has thrown.', ({ status }) => [[status.listenerErrors]]),
]

// Absent without a store. What is said of the whole store, each executor of that store says.
const ofStore = [
  gauge(
    'store_up',
    'Whether the store is open (1), or faulty or closed (0).',
    kept(({ state }) => [[state === 'open' ? 1 : 0]]),
    'min',
  ),
  gauge(
    'store_storing',
    'Requests that are not admitted yet, since they are not recorded.',
    kept(({ storing }) => [[storing]]),
  ),
  gauge(
    'store_pending',
    'What was handed to the whole store, and is not committed yet.',
    kept(({ pending }) => [[pending]]),
  ),
  gauge(
    'store_bytes',
    'How large the whole store is on disk; 0 in memory.',
    kept(({ bytes }) => [[bytes]]),
  ),
  gauge(
    'store_unhandled',
    'Requests in the store that nobody runs here: of this queue, since no function has their kind; of the whole store, since no executor has opened their queue.',
    kept(({ unhandled, unopened }) => [
      [sumOf(unhandled), { reason: 'unhandled_kind' }],
      [sumOf(unopened), { reason: 'unopened_queue' }],
    ]),
  ),
  // Without a sum and a count: these are quantiles of the last commits, and all that is known of them.
  {
    name: 'store_commit_seconds',
    help: 'How long the last 1,024 commits of the whole store took; absent before the first.',
    type: 'summary',
    aggregator: 'max',
    read: kept(({ commitMs }) =>
      commitMs === undefined
        ? []
        : [
            [commitMs.p50 / 1_000, { quantile: '0.5' }],
            [commitMs.p99 / 1_000, { quantile: '0.99' }],
          ],
    ),
  } satisfies NumberFamily,
  counter(
    'queue_requests_parked_total',
    'Requests that the store keeps for the next start, since the executor has closed; in no outcome.',
    kept(({ parked }) => [[parked]]),
  ),
]

const histograms: readonly HistogramFamily[] = [
  {
    name: 'queue_wait_time_seconds',
    help: 'From submission until a request left the queue: for its first slot, or because it ended there.',
    type: 'histogram',
    aggregator: 'sum',
    about: 'wait',
    read: (reading) => byPriority((priority) => reading.histograms.waitByPriority[priority]),
  },
  {
    name: 'run_time_seconds',
    help: 'From the start until the call settled, of each attempt; one that is tried again has failed.',
    type: 'histogram',
    aggregator: 'sum',
    about: 'run',
    read: (reading) =>
      byOutcome(endingsOfRuns, (priority, outcome) => reading.histograms.runByPriority[priority][outcome]),
  },
]

export const families: readonly (NumberFamily | HistogramFamily)[] = [...gauges, ...counters, ...ofStore, ...histograms]

function gauge(
  name: string,
  help: string,
  read: NumberFamily['read'],
  aggregator: NumberFamily['aggregator'] = 'sum',
): NumberFamily {
  return { name, help, type: 'gauge', aggregator, read }
}

function counter(name: string, help: string, read: NumberFamily['read']): NumberFamily {
  return { name, help, type: 'counter', aggregator: 'sum', read }
}

/** What is read of a store; nothing, where there is none. */
function kept(read: (store: KeptStatus) => readonly Series<number>[]): NumberFamily['read'] {
  return ({ status: { store } }) => (store ? read(store) : [])
}

function sumOf(counts: readonly { readonly live: number }[]): number {
  return counts.reduce((sum, { live }) => sum + live, 0)
}

function byPriority<T>(value: (priority: Priority) => T): Series<T>[] {
  return priorities.map((priority) => [value(priority), { priority }])
}

function byOutcome<T>(outcomes: readonly Outcome[], value: (priority: Priority, outcome: Outcome) => T): Series<T>[] {
  return priorities.flatMap((priority) =>
    outcomes.map((outcome): Series<T> => [value(priority, outcome), { priority, outcome }]),
  )
}

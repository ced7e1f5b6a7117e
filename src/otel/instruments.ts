/**
 * How does the executor stand? Counters and levels, all read from one `getStatus()` when metrics are collected, and at no
 * other time.
 *
 * What may be summed over priorities and processes is a counter, up-down if it also falls; the rest is a gauge. The names
 * and units are such that an exporter for Prometheus makes the names of `triage-queue/prometheus` of them.
 */
import { type Attributes, type BatchObservableResult, type Meter, type Observable, ValueType } from '@opentelemetry/api'
import { type ByPriority, type ExecutorStatus, type KeptStatus, priorities } from '../index.ts'
import type { Watched } from './watched.ts'

interface Status extends ExecutorStatus {
  readonly concurrency: number
}

type Observe = (value: number, attributes?: Attributes) => void

interface Instrument {
  readonly kind: 'Counter' | 'UpDownCounter' | 'Gauge'
  readonly name: string
  readonly unit: string
  readonly description: string
  read(status: Status, observe: Observe): void
}

const instruments: readonly Instrument[] = [
  level('queue.size', '{request}', 'Requests that wait', (status, observe) => each(status.waitingByPriority, observe)),
  level('queue.max_size', '{request}', 'How many may wait; absent when unbounded', ({ maxQueueSize }, observe) => {
    if (maxQueueSize !== null) observe(maxQueueSize)
  }),
  level('queue.checking', '{request}', 'Requests that an asynchronous schema looks at', ({ checking }, observe) =>
    observe(checking),
  ),
  level('queue.blocked', '{request}', 'Callers who wait for room', ({ blocked }, observe) => observe(blocked)),
  level('queue.running', '{request}', 'Requests that run', ({ running }, observe) => observe(running)),
  level('queue.retrying', '{request}', 'Requests that have failed and wait for another attempt', (status, observe) =>
    observe(status.retrying),
  ),
  level('queue.active_workers', '{worker}', 'Slots that are busy', (status, observe) => observe(status.activeWorkers)),
  level('queue.max_workers', '{worker}', 'Slots that there are', ({ maxWorkers }, observe) => observe(maxWorkers)),
  level('stuck_workers', '{worker}', 'Slots whose run is over its deadline and has not settled', (status, observe) =>
    observe(status.stuckWorkers),
  ),
  level('concurrency_limit', '{request}', 'How many calls may run at once', (status, observe) =>
    observe(status.concurrency),
  ),
  {
    kind: 'Gauge',
    name: 'triage.oldest_waiting',
    unit: 's',
    description: 'How long the next of each priority has waited; 0 when none waits',
    read: (status, observe) => each(status.oldestWaitMsByPriority, (ms, attributes) => observe(ms / 1_000, attributes)),
  },
  counter('queue.requests', '{request}', 'Requests that were admitted or refused', (status, observe) => {
    for (const priority of priorities) {
      const { admitted, rejected } = status.totalsByPriority[priority]
      observe(admitted + rejected, { 'triage.priority': priority })
    }
  }),
  counter('queue.requests_rejected', '{request}', 'Requests that were refused', (status, observe) => {
    for (const priority of priorities) {
      for (const [reason, count] of Object.entries(status.rejectedByPriority[priority])) {
        observe(count, { 'triage.priority': priority, 'triage.reason': reason })
      }
    }
  }),
  counter('queue.requests_joined', '{request}', 'Callers who shared the run of a live request', (status, observe) =>
    observe(status.totals.joined),
  ),
  counter('requests_ended', '{request}', 'Admitted requests, by how they ended', (status, observe) => {
    for (const priority of priorities) {
      for (const outcome of ['completed', 'failed', 'expired', 'cancelled', 'shed'] as const) {
        const count = status.totalsByPriority[priority][outcome]
        observe(count, { 'triage.priority': priority, 'triage.outcome': outcome })
      }
    }
  }),
  counter('retries', '{retry}', 'Attempts after the first one of a request', ({ totals }, observe) =>
    observe(totals.retries),
  ),
  counter('listener_errors', '{error}', 'How often a listener has thrown', (status, observe) =>
    observe(status.listenerErrors),
  ),
  // Absent without a store. What is said of the whole store, each executor of that store says: a gauge, not to be summed.
  ofStore(
    'Gauge',
    'store.up',
    '{store}',
    'Whether the store is open (1), or faulty or closed (0)',
    ({ state }, observe) => observe(state === 'open' ? 1 : 0),
  ),
  ofStore(
    'UpDownCounter',
    'store.storing',
    '{request}',
    'Requests that are not admitted yet, since they are not recorded',
    ({ storing }, observe) => observe(storing),
  ),
  ofStore(
    'Gauge',
    'store.pending',
    '{write}',
    'What was handed to the whole store, and is not committed yet',
    (store, observe) => observe(store.pending),
  ),
  ofStore('Gauge', 'store.bytes', 'By', 'How large the whole store is on disk; 0 in memory', ({ bytes }, observe) =>
    observe(bytes),
  ),
  ofStore(
    'Gauge',
    'store.unhandled',
    '{request}',
    'Requests in the store that nobody runs here: no function has their kind, or no executor has opened their queue',
    ({ unhandled, unopened }, observe) => {
      observe(sumOf(unhandled), { 'triage.reason': 'unhandled_kind' })
      observe(sumOf(unopened), { 'triage.reason': 'unopened_queue' })
    },
  ),
  ofStore(
    'Gauge',
    'store.commit',
    's',
    'How long the last 1,024 commits of the whole store took',
    ({ commitMs }, observe) => {
      if (commitMs === undefined) return
      observe(commitMs.p50 / 1_000, { 'triage.quantile': 0.5 })
      observe(commitMs.p99 / 1_000, { 'triage.quantile': 0.99 })
    },
  ),
  ofStore(
    'Counter',
    'queue.requests_parked',
    '{request}',
    'Requests that the store keeps for the next start, since the executor has closed',
    ({ parked }, observe) => observe(parked),
  ),
]

/** Has all of them read at each collection. Returns what stops that. */
export function observeStatus(meter: Meter, executor: Watched, common: Attributes): () => void {
  const observables = instruments.map(({ kind, name, unit, description }): Observable => {
    const valueType = unit === 's' ? ValueType.DOUBLE : ValueType.INT
    return meter[`createObservable${kind}`](name, { unit, description, valueType })
  })
  const collect = (result: BatchObservableResult): void => {
    const status = { ...executor.getStatus(), concurrency: executor.concurrency }
    for (const [i, instrument] of instruments.entries()) {
      instrument.read(status, (value, attributes) =>
        result.observe(observables[i] as Observable, value, { ...common, ...attributes }),
      )
    }
  }
  meter.addBatchObservableCallback(collect, observables)
  return () => meter.removeBatchObservableCallback(collect, observables)
}

function level(name: string, unit: string, description: string, read: Instrument['read']): Instrument {
  return { kind: 'UpDownCounter', name: `triage.${name}`, unit, description, read }
}

function counter(name: string, unit: string, description: string, read: Instrument['read']): Instrument {
  return { kind: 'Counter', name: `triage.${name}`, unit, description, read }
}

function ofStore(
  kind: Instrument['kind'],
  name: string,
  unit: string,
  description: string,
  read: (store: KeptStatus, observe: Observe) => void,
): Instrument {
  const readIt: Instrument['read'] = ({ store }, observe) => {
    if (store) read(store, observe)
  }
  return { kind, name: `triage.${name}`, unit, description, read: readIt }
}

function sumOf(counts: readonly { readonly live: number }[]): number {
  return counts.reduce((sum, { live }) => sum + live, 0)
}

function each(values: ByPriority<number>, observe: Observe): void {
  for (const priority of priorities) observe(values[priority], { 'triage.priority': priority })
}

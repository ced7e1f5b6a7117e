/**
 * The status of a shard and its durations, on their way to another thread.
 */
import { byPriority, priorities } from '../core/priority.ts'
import { type Outcome, outcomes } from '../core/request-state.ts'
import type { ExecutorHistograms, ExecutorStatus } from '../index.ts'
import type { SentReading } from './shard-wire.ts'
import { type SentHistogram, SummedHistogram, sent } from './summed-histogram.ts'
import type { ShardReading } from './totals.ts'

export function sentReading(
  status: ExecutorStatus,
  { waitByPriority, runByPriority }: ExecutorHistograms,
): SentReading {
  return {
    status,
    wait: priorities.map((priority) => sent(waitByPriority[priority])),
    run: priorities.map((priority) => {
      const byOutcome: { [outcome in Outcome]?: SentHistogram } = {}
      for (const outcome of outcomes) {
        const reading = runByPriority[priority][outcome]
        if (reading !== undefined) byOutcome[outcome] = sent(reading)
      }
      return byOutcome
    }),
  }
}

export function readingOf({ status, wait, run }: SentReading): ShardReading {
  return {
    status,
    histograms: {
      waitByPriority: byPriority((tier) => arrived(wait[tier])),
      runByPriority: byPriority((tier) =>
        Object.fromEntries(Object.entries(run[tier] ?? {}).map(([outcome, each]) => [outcome, arrived(each)])),
      ),
    },
  }
}

function arrived(sent: SentHistogram | undefined): SummedHistogram {
  const histogram = new SummedHistogram()
  if (sent !== undefined) histogram.addSent(sent)
  return histogram
}

/** Of a shard that has not said anything yet. */
export function emptyReading(name: string): ShardReading {
  const none = byPriority(() => 0)
  const duration = { count: 0, averageMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 }
  const ends = { admitted: 0, rejected: 0, completed: 0, failed: 0, expired: 0, cancelled: 0, shed: 0 }
  const status: ExecutorStatus = {
    ...{
      name,
      state: 'open',
      waiting: 0,
      waitingByPriority: none,
      running: 0,
      retrying: 0,
      maxRetrying: 0,
      checking: 0,
    },
    ...{ blocked: 0, blockedByPriority: none, maxQueueSize: 0, activeWorkers: 0, maxWorkers: 0, limit: null },
    ...{ stuckWorkers: 0, replacedWorkers: 0, maxReplacedWorkers: 0, order: 'strict', store: null },
    ...{ oldestWaitMsByPriority: none, wait: duration, run: duration, listenerErrors: 0 },
    waitByPriority: byPriority(() => duration),
    runByPriority: byPriority(() => duration),
    totals: { ...ends, joined: 0, retries: 0 },
    totalsByPriority: byPriority(() => ends),
    rejectedByPriority: byPriority(() => ({})),
  }
  return readingOf({ status, wait: [], run: [{}, {}, {}, {}] })
}

/** The same queues with everything as large and as long as it gets: 7-digit counts, waits of days, names and ids that fill a line. */
import { type Json, NOW, requestOf, type Scene, sceneOf } from './scenes.ts'

const DAY_MS = 86_400_000
const tiers = ['urgent', 'high', 'normal', 'low'] as const
const each = (value: Json): Json => Object.fromEntries(tiers.map((tier) => [tier, value]))

export const longName = 'summarise-documents-of-all-tenants-in-europe-west-and-north-of-it'
export const longId = (n: number): string => `${n}-${'documents-'.repeat(18)}-${n}`
const longError = { name: 'ModelUnavailableInThisRegionError', code: 'UPSTREAM_SERVICE_UNAVAILABLE_503' }
const sentence =
  'A request that has waited for longer than its caller has time for is ended before it starts, and its caller is told. '

/** A queue at which every number has as many digits as it gets, and every text is long. */
export function extremeOf(base: Scene, name = longName): Scene {
  const { snapshot } = base
  const bigWait = { count: 7_654_321, p50Ms: 2 * DAY_MS, p95Ms: 5 * DAY_MS, p99Ms: 7 * DAY_MS + 123_456 }
  const points = snapshot.history.points.map((point: Json, at: number) => ({
    ...point,
    waitingByPriority: each(1_234_567),
    askedByPriority: each(123_456.7),
    doneByPriority: each(at < 90 ? 23_456.7 : 123_456.7),
    refusedByPriority: each(54_321.9),
    refusedByReason: { queue_full: each(54_321.9) },
    ...{ donePerSecond: 493_826.8, failedPerSecond: 43_210.9, expiredPerSecond: 9_876.5, refusedPerSecond: 217_287.6 },
    waitByPriority: each(at < 100 ? { ...bigWait, p99Ms: 12_345 } : bigWait),
    run: { count: 7_654_321, p50Ms: 9_876_543, p95Ms: 23_456_789, p99Ms: 34_567_890 },
  }))
  const workers = snapshot.workers.map((slot: Json, n: number) => ({
    ...slot,
    ...(slot.currentRequest !== null && {
      currentRequest: longId(n),
      ...{ runMs: 3 * DAY_MS, waitMs: 6 * DAY_MS, attempt: 1_234_567, key: longName },
      progress: 0.987,
    }),
  }))
  const totals = Object.fromEntries(Object.keys(snapshot.status.totals).map((of) => [of, 9_876_543_210]))
  const status = {
    ...snapshot.status,
    ...{ name, waiting: 4_938_268, waitingByPriority: each(1_234_567), retrying: 1_234_567, maxRetrying: 7_654_321 },
    ...{ maxQueueSize: 7_654_321, oldestWaitMsByPriority: each(11 * DAY_MS), totals },
    rejectedByPriority: each({ queue_full: 7_654_321, aborted: 1_234_567, rate_limited: 1_234_567 }),
    order: 'fair by key, within a tier the earliest deadline first',
    limit: { name: 'adaptive()', limit: snapshot.status.maxWorkers, shadow: false },
  }
  const settings = {
    ...snapshot.settings,
    lines: [...snapshot.settings.lines, sentence.repeat(4), 'w'.repeat(300)],
    warnings: [sentence.repeat(2)],
    maxQueueSizeByPriority: each(1_234_567),
    runTimeoutMsByPriority: each(3 * DAY_MS),
  }
  const kept = { completed: 9_876_543, dead: 1_234_567, expired: 1_234_567, cancelled: 1_234_567, shed: 1_234_567 }
  const longer = (row: Json, n: number): Json => ({
    ...row,
    ...{ id: longId(n), queue: name, key: longName, attempts: 1_234_567 },
    submittedAt: new Date(NOW - 9 * DAY_MS).toISOString(),
    ...(row.endedAt !== undefined && { endedAt: new Date(NOW - 3 * DAY_MS).toISOString(), runMs: 3 * DAY_MS }),
    ...(row.waitMs !== undefined && { waitMs: 6 * DAY_MS }),
    ...(row.position !== undefined && { position: 1_234_567 + n, estimateMs: 5 * DAY_MS }),
    ...(row.error !== undefined && { error: longError }),
    startAt: new Date(NOW + 6 * DAY_MS).toISOString(),
    ...(row.nextAttemptAt !== undefined && { nextAttemptAt: new Date(NOW + 2 * DAY_MS).toISOString() }),
  })
  return {
    name,
    snapshot: { ...snapshot, name, status, workers, settings, kept, history: { ...snapshot.history, points } },
    list: (state) => {
      const page = base.list(state === 'held' ? 'retrying' : state)
      return { ...page, requests: page.requests.map(longer), cursor: 'bmV4dDozLjQ' }
    },
    refusals: () => {
      const page = sceneOf('overload').refusals()
      return {
        ...page,
        refusals: page.refusals.map((row: Json, n: number) => ({
          ...row,
          ...{ id: longId(n), priority: 'normal', retryAfterMs: 3 * DAY_MS },
        })),
        count: 7_654_321,
      }
    },
  }
}

/** A request that has taken days, with a life of many steps. */
export function extremeRequest(): Json {
  const at = (ms: number): string => new Date(NOW - 9 * DAY_MS + ms).toISOString()
  const steps = Array.from({ length: 12 }, (_, n) => ({
    phase: (['queue', 'run', 'backoff'] as const)[n % 3],
    from: at(n * DAY_MS * 0.7),
    to: n === 11 ? null : at((n + 1) * DAY_MS * 0.7),
    attempt: Math.floor(n / 3) + 1,
    ...(n % 3 === 1 && { outcome: 'failed', error: longError }),
  }))
  return {
    ...requestOf(longId(7)),
    ...{
      queue: longName,
      state: 'waiting',
      position: 1_234_567,
      estimateMs: 5 * DAY_MS,
      key: longName,
      kind: longName,
      attempts: 1_234_567,
      submittedAt: at(0),
    },
    metadata: { tenant: 'w'.repeat(300) },
    timeline: steps,
  }
}

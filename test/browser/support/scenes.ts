/**
 * Made-up queues, for pictures and for what would take hours: numbers that add up (asked = done + refused + growth; waiting = rate ×
 * wait), and the same each time.
 */
import { seeded } from '../../support/seeded.ts'

const tiers = ['urgent', 'high', 'normal', 'low'] as const
type Tier = (typeof tiers)[number]
type ByTier<T> = { [P in Tier]: T }
// biome-ignore lint/suspicious/noExplicitAny: as JSON.
export type Json = any

export type SceneName = 'busy' | 'overload' | 'idle' | 'crowded'

/** 03:12:09 UTC on a Sunday. */
export const NOW = Date.UTC(2026, 10, 29, 3, 12, 9)

const each = <T>(of: (tier: Tier, index: number) => T): ByTier<T> =>
  Object.fromEntries(tiers.map((tier, index) => [tier, of(tier, index)])) as ByTier<T>

const round = (value: number): number => Math.max(Math.round(value * 10) / 10, 0)

interface Flow {
  readonly waiting: ByTier<number>
  readonly asked: ByTier<number>
  readonly done: ByTier<number>
  readonly refused: ByTier<number>
  readonly p99: ByTier<number>
  readonly run: number
  readonly slots: number
  readonly stuck: number
}

const zero = each(() => 0)

/** From 0 to 1, as the trouble grows. */
function flowOf(scene: SceneName, trouble: number, noise: () => number): Flow {
  const wobble = (value: number, by = 0.08): number => value * (1 + (noise() - 0.5) * 2 * by)
  if (scene === 'idle')
    return { waiting: zero, asked: zero, done: zero, refused: zero, p99: zero, run: 0, slots: 12, stuck: 0 }
  if (scene === 'crowded') {
    return {
      ...{
        waiting: each(() => 2_500),
        asked: each(() => 9_999.9),
        done: each(() => 9_999.9),
        refused: each(() => 9_999.9),
      },
      ...{ p99: each(() => 299_990), run: 310, slots: 12, stuck: 0 },
    }
  }
  const grown = scene === 'overload' ? trouble : 0
  const asked = { urgent: wobble(3.1, 0.2), high: wobble(8.9, 0.1), normal: wobble(20), low: wobble(6 + 30 * grown) }
  const done = {
    urgent: asked.urgent,
    high: asked.high - 2.8 * grown,
    normal: asked.normal - 8 * grown,
    low: wobble(6 - 2 * grown, 0.04),
  }
  const refused = {
    urgent: 0,
    high: 0,
    normal: 0,
    low: Math.max(asked.low - done.low - 1.2, 0) * (grown > 0.15 ? 1 : 0),
  }
  const times = (from: number, by: number): number => wobble(from * (1 + by * grown), 0.05)
  const p99 = { urgent: times(190, 0.63), high: times(420, 1.4), normal: times(2_310, 0.9), low: times(9_840, 1.8) }
  const waiting = {
    urgent: Math.round(wobble(1, 0.6)),
    high: Math.round(wobble(2 + 2 * grown, 0.4)),
    normal: Math.round(wobble(26 + 12 * grown)),
    low: Math.min(Math.round(wobble(51 + 52 * grown)), 100),
  }
  const slots = grown > 0.9 ? 9 : grown > 0.6 ? 10 : grown > 0.3 ? 11 : 12
  return { waiting, asked, done, refused, p99, run: 310 + 140 * grown, slots, stuck: grown > 0.8 ? 1 : 0 }
}

function pointOf(at: number, flow: Flow): Json {
  const sum = (of: ByTier<number>): number => round(tiers.reduce((all, tier) => all + of[tier], 0))
  const hasRuns = flow.run > 0
  const { refused } = flow
  return {
    at: new Date(at).toISOString(),
    waitingByPriority: flow.waiting,
    askedByPriority: each((tier) => round(flow.asked[tier])),
    refusedByReason: sum(refused) > 0 ? { queue_full: each((tier) => round(refused[tier])) } : {},
    refusedByPriority: each((tier) => round(refused[tier])),
    doneByPriority: each((tier) => round(flow.done[tier])),
    ...{
      donePerSecond: sum(flow.done),
      failedPerSecond: hasRuns ? 0.5 : 0,
      expiredPerSecond: 0,
      refusedPerSecond: sum(refused),
    },
    ...{ busy: hasRuns ? flow.slots - flow.stuck : 0, stuck: flow.stuck, slots: flow.slots },
    waitByPriority: each((tier) => ({
      count: hasRuns ? Math.max(Math.round(flow.done[tier] * 60), 120) : 0,
      p50Ms: flow.p99[tier] * 0.3,
      p95Ms: flow.p99[tier] * 0.75,
      p99Ms: flow.p99[tier],
    })),
    run: { count: hasRuns ? 2_000 : 0, p50Ms: flow.run, p95Ms: flow.run * 1.9, p99Ms: flow.run * 2.4 },
  }
}

/** A point of any time: seconds since the beginning. */
export function pointAt(scene: SceneName, seconds: number, troubleFrom = Number.POSITIVE_INFINITY): Json {
  const noise = seeded(seconds + 7)
  const trouble = Math.min(Math.max((seconds - troubleFrom) / 200, 0), 1)
  return pointOf(NOW - 900_000 + seconds * 1_000, flowOf(scene, trouble, noise))
}

const words = ['ocr', 'doc', 'sum', 'tag', 'chat']

function idOf(n: number): string {
  return `${words[n % words.length]}-${((n * 2_654_435_761) % 0xffffff).toString(16).padStart(6, '0')}`
}

export interface Scene {
  readonly name: string
  readonly snapshot: Json
  /** What `GET …/requests` answers for a state. */
  list(state: string): Json
  refusals(): Json
}

/** A queue as it stands fifteen minutes after the beginning. */
export function sceneOf(scene: SceneName, name = 'llm'): Scene {
  const points = Array.from({ length: 180 }, (_, at) => pointAt(scene, (at + 1) * 5, 620))
  const last = points.at(-1)
  const noise = seeded(11)
  const { waitingByPriority } = last
  const waiting = tiers.reduce((sum, tier) => sum + waitingByPriority[tier], 0)
  const isIdle = scene === 'idle'
  const tierOf = (n: number): Tier =>
    (
      [
        'normal',
        'normal',
        'high',
        'normal',
        'low',
        'normal',
        'urgent',
        'high',
        'normal',
        'normal',
        'low',
        'normal',
      ] as const
    )[n % 12] as Tier
  const total = scene === 'overload' ? 12 : 12
  const workers = Array.from({ length: total }, (_, slot) => {
    const isOver = slot >= last.slots
    const isStuck = scene === 'overload' && slot === 6
    const runMs = isStuck ? 72_000 : Math.round(noise() * 620)
    const isFree = isIdle || isOver
    return {
      slot,
      healthy: !isStuck,
      ...{ totalProcessed: 1_000, totalErrors: 12, progress: null },
      currentRequest: isFree ? null : isStuck ? 'doc-4471' : idOf(slot + 40),
      priority: isFree ? null : tierOf(slot),
      key: isFree ? null : ['acme', 'globex', 'initech'][slot % 3],
      since: isFree ? null : new Date(NOW - runMs).toISOString(),
      runMs: isFree ? null : runMs,
      waitMs: isFree ? null : Math.round(last.waitByPriority[tierOf(slot)].p50Ms * (0.6 + noise())),
      attempt: isFree ? null : slot === 3 ? 2 : 1,
    }
  })
  const rejected = scene === 'overload' ? 7_240 : 0
  const totals = {
    admitted: 1_204_881,
    rejected,
    joined: 13,
    retries: 902,
    completed: 1_203_000,
    failed: 7,
    expired: 12,
    cancelled: 3,
    shed: 0,
  }
  const busy = isIdle ? 0 : last.slots
  const status = {
    ...{
      name,
      state: 'open',
      waiting,
      waitingByPriority,
      running: busy - last.stuck,
      retrying: isIdle ? 0 : 2,
      maxRetrying: 100,
    },
    ...{
      checking: 0,
      blocked: 0,
      blockedByPriority: zero,
      maxQueueSize: 1_000,
      activeWorkers: busy,
      maxWorkers: last.slots,
    },
    limit: { name: 'adaptive()', limit: last.slots, shadow: false },
    ...{
      stuckWorkers: last.stuck,
      replacedWorkers: 0,
      maxReplacedWorkers: 0,
      order: 'strict',
      store: null,
      listenerErrors: 0,
    },
    oldestWaitMsByPriority: each((tier) =>
      waitingByPriority[tier] === 0 ? 0 : Math.round(last.waitByPriority[tier].p99Ms * 0.88),
    ),
    totals,
    totalsByPriority: each(() => totals),
    rejectedByPriority: each((tier) =>
      tier === 'low' && rejected > 0 ? { queue_full: rejected - 14, aborted: 14 } : {},
    ),
  }
  const limits = scene === 'overload' ? [{ at: new Date(NOW - 120_000).toISOString(), from: 10, to: 9 }] : []
  const settings = {
    lines: [
      `'${name}' runs at most ${last.slots} requests at once, as adaptive() learns.`,
      'At most 1000, at most 100 of them low may wait; then the youngest of the lowest priority makes room for a newcomer that goes before it.',
      'Order: strict, by priority first.',
      'A request may wait for ever, run 30000 ms, and take for ever in all.',
      'A slot whose call outlives its timeout is held until the call settles.',
      'A second request with the id of a live one shares its run if it is equal, and is refused if not.',
      'A failure is tried again: backoff(); at most 100 at a time.',
    ],
    warnings: [],
    maxQueueSizeByPriority: { urgent: null, high: null, normal: null, low: 100 },
    runTimeoutMsByPriority: each(() => 30_000),
    whenFull: 'shed',
  }
  const kept = { completed: 9_800, dead: isIdle ? 0 : 7, expired: 12, cancelled: 3, shed: 0 }
  return {
    name,
    snapshot: { name, status, workers, history: { points, limits }, kept, settings },
    list: (state) => listOf(state, isIdle, waitingByPriority, status, kept),
    refusals: () => refusalsOf(rejected),
  }
}

/** All of LOW is displaced within 40 ms, since two and a half minutes ago. */
export function starvedOf(scene: Scene): Scene {
  const { history } = scene.snapshot
  const points = history.points.map((point: Json, at: number) => ({
    ...point,
    ...(at >= 150 && {
      refusedByReason: {},
      refusedByPriority: { ...point.refusedByPriority, low: 20 },
      doneByPriority: { ...point.doneByPriority, low: 0 },
      waitByPriority: { ...point.waitByPriority, low: { count: 1_200, p50Ms: 40, p95Ms: 200, p99Ms: 340 } },
    }),
  }))
  return { ...scene, snapshot: { ...scene.snapshot, history: { ...history, points } } }
}

function listOf(state: string, isIdle: boolean, waitingByPriority: ByTier<number>, status: Json, kept: Json): Json {
  const counts = { ...kept, waiting: status.waiting, running: status.running, retrying: status.retrying }
  const at = (ago: number): string => new Date(NOW - ago).toISOString()
  const requests: Json[] = []
  if (!isIdle && state === 'waiting') {
    let position = 0
    for (const tier of tiers) {
      for (let n = 0; n < waitingByPriority[tier] && requests.length < 14; n++) {
        const submittedAt = at(
          Math.max(status.oldestWaitMsByPriority[tier] * (1 - n / (waitingByPriority[tier] + 1)), 4),
        )
        requests.push({
          id: idOf(requests.length + 400),
          queue: 'llm',
          state,
          priority: tier,
          generation: requests.length + 1,
          attempts: 0,
          submittedAt,
          position,
          estimateMs: 26 * position++,
        })
      }
    }
  }
  if (!isIdle && state === 'dead') {
    const errors = [
      ['ModelUnavailableError', 'UPSTREAM_503'],
      ['ModelUnavailableError', 'UPSTREAM_503'],
      ['ModelUnavailableError', 'UPSTREAM_503'],
      ['TypeError'],
      ['ModelUnavailableError', 'UPSTREAM_503'],
      ['Error'],
      ['RangeError'],
    ] as const
    for (const [n, [name, code]] of errors.entries()) {
      requests.push({
        id: idOf(n + 900),
        queue: 'llm',
        state,
        priority: tiers[(n * 3 + 1) % 4],
        generation: n + 11,
        attempts: (n % 3) + 1,
        submittedAt: at(60_000 * n + 9_000),
        startedAt: at(60_000 * n + 8_000),
        endedAt: at(60_000 * n + 2_000),
        waitMs: 380 * (n + 1),
        runMs: 5_710 / (n + 1),
        error: { name, ...(code !== undefined && { code }) },
        reason: n === 2 ? 'crashed' : n === 5 ? 'corrupt' : 'failed',
      })
    }
  }
  if (!isIdle && state === 'ended') {
    for (let n = 0; n < 12; n++) {
      requests.push({
        id: idOf(n + 200),
        queue: 'llm',
        state: n % 13 === 5 ? 'expired' : 'completed',
        priority: tiers[(n * 7) % 4],
        generation: n + 40,
        attempts: 1,
        submittedAt: at(300 * n + 2_000),
        startedAt: at(300 * n + 1_000),
        endedAt: at(300 * n),
        waitMs: 120 + 31 * n,
        runMs: 210 + ((n * 97) % 400),
      })
    }
  }
  if (!isIdle && state === 'retrying') {
    for (let n = 0; n < 2; n++)
      requests.push({
        id: idOf(n + 700),
        queue: 'llm',
        state,
        nextAttemptAt: new Date(NOW + 840 + 400 * n).toISOString(),
        error: { name: 'ModelUnavailableError', code: 'UPSTREAM_503' },
        priority: 'normal',
        generation: n + 3,
        attempts: 1,
        submittedAt: at(4_000 + n * 1_000),
      })
  }
  return { requests, counts, cursor: requests.length === 14 ? 'bmV4dDozLjQ' : null }
}

function refusalsOf(count: number): Json {
  const refusals = Array.from({ length: count === 0 ? 0 : 12 }, (_, n) => ({
    at: new Date(NOW - 72 - n * 33).toISOString(),
    ...{ id: idOf(n + 3_000), priority: 'low', reason: n % 29 === 11 ? 'aborted' : 'queue_full' },
    error: { name: 'QueueFullError', code: 'TRIAGE_QUEUE_FULL' },
    explain: { rule: 'maxQueueSize', compared: { waiting: 100, maxQueueSize: 100 }, wouldAdmit: 'fewer than 100' },
    retryAfterMs: 25_200 - n * 30,
  }))
  return { queue: 'llm', refusals, count }
}

/** One that has failed once, and runs again. */
export function requestOf(id: string): Json {
  const at = (ms: number): string => new Date(NOW - 5_700 + ms).toISOString()
  return {
    ...{ id, queue: 'llm', state: 'running', priority: 'high', generation: 1_204_881, attempts: 2, key: 'acme' },
    ...{ submittedAt: at(0), startedAt: at(3_416), waitMs: 660 },
    metadata: { tenant: 'acme' },
    timeline: [
      { phase: 'queue', from: at(0), to: at(643), attempt: 1 },
      {
        phase: 'run',
        from: at(643),
        to: at(2_555),
        attempt: 1,
        outcome: 'failed',
        error: { name: 'ModelUnavailableError', code: 'UPSTREAM_503' },
      },
      { phase: 'backoff', from: at(2_555), to: at(3_395), attempt: 2 },
      { phase: 'queue', from: at(3_395), to: at(3_416), attempt: 2 },
      { phase: 'run', from: at(3_416), to: null, attempt: 2 },
    ],
  }
}

/**
 * Where is the difference? The two ways to call the service. All else is the same for both.
 */
import { type ExecutorStatus, type Priority, QueuedExecutor, type Store } from '../../src/index.ts'
import type { Watched } from '../../src/terminal/index.ts'
import { type Arrival, DEADLINE_MS, send } from './load.ts'
import type { Plan } from './plan.ts'
import type { Service } from './service-client.ts'
import { newTally, observe, type Tally } from './tally.ts'

export interface WayResult {
  readonly tally: Tally
  /** By how much the sender was behind its schedule, at worst. */
  readonly behindMs: number
  /** The share of the service's work that was done for callers who had given up by then. */
  readonly wastedShare: number
  /** What the executor says at the end; undefined for the direct way. */
  readonly status: ExecutorStatus | undefined
}

export interface Results {
  /** The tiers in use, most urgent first. */
  readonly tiers: readonly Priority[]
  readonly directly: WayResult
  readonly queued: WayResult
}

/** Shows how it goes, while it does. */
export type Watch = (tally: Tally, executor?: Watched) => void

/** Each caller calls the service himself, and gives up at his deadline. */
export async function callDirectly(service: Service, plan: Plan, watch: Watch): Promise<WayResult> {
  const tally = newTally()
  watch(tally)
  return measureWaste(service, tally, () =>
    send(plan.arrivals, (arrival) =>
      observe(tally, arrival, () =>
        service.compress(arrival.bytes, AbortSignal.timeout(DEADLINE_MS[arrival.priority])),
      ),
    ),
  )
}

/** What the queued way needs to know. */
interface QueuedWay {
  readonly concurrency: number
  readonly store?: Store | undefined
}

/** Each caller asks the executor, which gives up for him. */
export async function callQueued(service: Service, plan: Plan, way: QueuedWay, watch: Watch): Promise<WayResult> {
  const { concurrency, store } = way
  const executor = new QueuedExecutor(({ bytes }: Arrival, run) => service.compress(bytes, run.signal), {
    name: 'demo',
    store,
    // As many as keep the service busy, and no more: what waits, waits here, where the urgent may pass.
    concurrency,
    // What the service can do in 0.4 s: who comes when so many wait is better told now than after the deadline.
    maxQueueSize: Math.max(Math.round(0.4 * plan.capacityPerSecond), 4),
    // Full: the youngest of the lowest tier makes room, or the newcomer is refused.
    whenFull: 'shed',
    // What has waited for most of its time would only be answered late: leave room for the run.
    waitTimeoutMs: {
      urgent: 0.8 * DEADLINE_MS.urgent,
      high: 0.8 * DEADLINE_MS.high,
      normal: 0.8 * DEADLINE_MS.normal,
      low: 0.8 * DEADLINE_MS.low,
    },
    timeoutMs: DEADLINE_MS,
  })
  const tally = newTally()
  watch(tally, executor)
  const result = await measureWaste(service, tally, () =>
    send(plan.arrivals, (arrival) =>
      observe(tally, arrival, () => executor.execute(arrival, { priority: arrival.priority })),
    ),
  )
  await executor.close()
  return { ...result, status: executor.getStatus() }
}

/** Does what a run before has left in the store. @returns how much that was */
export async function finishLeft(service: Service, concurrency: number, store: Store): Promise<number> {
  const executor = new QueuedExecutor(({ bytes }: Arrival) => service.compress(bytes), {
    ...{ name: 'demo', concurrency, store },
  })
  await executor.idle()
  await executor.close()
  return executor.getStatus().store?.recovered ?? 0
}

async function measureWaste(service: Service, tally: Tally, run: () => Promise<number>): Promise<WayResult> {
  const before = await service.rest()
  const behindMs = await run()
  const after = await service.rest()
  const wasted = after.wastedBytes - before.wastedBytes
  const useful = after.usefulBytes - before.usefulBytes
  return { tally, behindMs, wastedShare: wasted / Math.max(wasted + useful, 1), status: undefined }
}

/**
 * What is there to see? Two queues, with the troubles that real ones have.
 *
 * `demo` stands in front of the service; what it has answered goes on to `archive`, which is half as fast, lets its
 * callers wait, and keeps its requests in a store. The load comes in waves of a minute, from a fifth of what the service can do up to three times as much.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
// In your project: from 'triage-queue'
import { backoff, QueuedExecutor, type RequestOptions, type Store } from '../../src/index.ts'
import { type Arrival, DEADLINE_MS, MIX, madeUpLoad, randomFrom, send } from '../demo/load.ts'
import type { Service } from '../demo/service-client.ts'

const WAVE_SECONDS = 60
/** How long a call goes on that does not take the signal; some deadlines of the demo later. */
const DEAF_MS = 3_000
/** More than the service takes: it answers 400. */
const TOO_MANY_BYTES = 2 ** 30
const FRONT_PAGE_BYTES = 50_000
/** After how long the impatient hang up. */
const HANGS_UP_MS = 100

interface Work {
  readonly bytes: number
  /** The call is of the kind that goes on after its timeout. */
  readonly deaf?: boolean | undefined
}

export type Queues = ReturnType<typeof makeQueues>

export function makeQueues(service: Service, capacityPerSecond: number, store: Store) {
  const demo = new QueuedExecutor(
    async ({ bytes, deaf }: Work, run) => {
      if (deaf) await sleep(DEAF_MS)
      return service.compress(bytes, run.signal)
    },
    {
      name: 'demo',
      concurrency: 6,
      maxQueueSize: Math.max(Math.round(0.8 * capacityPerSecond), 4),
      whenFull: 'shed',
      schema: z.object({ bytes: z.int().positive(), deaf: z.boolean().optional() }),
      timeoutMs: DEADLINE_MS,
      retry: backoff({ attempts: 2 }),
    },
  )
  const archive = new QueuedExecutor((_bytes: number) => sleep(4_000 / capacityPerSecond), {
    name: 'archive',
    concurrency: 2,
    maxQueueSize: 50,
    whenFull: 'block',
    maxBlocked: 50,
    waitTimeoutMs: 2_000,
    store,
  })
  return { demo, archive }
}

/** Sends wave after wave, until `signal` is aborted. What is under way by then is left to the queues. */
export async function sendWaves(queues: Queues, capacityPerSecond: number, signal: AbortSignal): Promise<void> {
  for (let second = 0; !signal.aborted; second++) {
    // The crest comes first, so that there is something to see at once.
    const times = 1.6 + 1.4 * Math.cos((2 * Math.PI * second) / WAVE_SECONDS)
    // Not the numbers that the load is drawn from: trouble comes at any time, to any priority.
    const random = randomFrom(~second)
    void send(madeUpLoad(times * capacityPerSecond, 1, second, MIX), (arrival) => call(queues, arrival, random()))
    await sleep(1_000, undefined, { signal }).catch(() => {})
  }
}

/** A caller: what it is told, the metrics tell. */
async function call({ demo, archive }: Queues, { bytes, priority }: Arrival, share: number): Promise<void> {
  const [work, options] = troubled(bytes, share)
  try {
    const { compressed } = await demo.execute(work, { ...options, priority })
    await archive.execute(compressed, { priority })
  } catch {}
}

/** Makes some requests ones that give trouble, each in its own way; `share` says which, from 0 to 1. */
function troubled(bytes: number, share: number): [Work, RequestOptions] {
  if (share < 0.01) return [{ bytes: 0 }, {}] // The schema refuses it.
  if (share < 0.03) return [{ bytes: TOO_MANY_BYTES }, {}] // It fails, twice.
  if (share < 0.033) return [{ bytes, deaf: true }, {}] // Its worker is stuck.
  if (share < 0.06) return [{ bytes }, { signal: AbortSignal.timeout(HANGS_UP_MS) }] // It is cancelled.
  if (share < 0.09) return [{ bytes: FRONT_PAGE_BYTES }, { id: 'the front page' }] // It joins the one that is live.
  return [{ bytes }, {}]
}

/**
 * The routes of a queue as a whole: how it stands, its slots, pause, resume, concurrency; and the names that earlier systems gave to
 * some of these.
 */
import { availableParallelism } from 'node:os'
import type { ExecutorStatus, WorkerHealth } from '../index.ts'
import { type Answer, json } from './exchange.ts'
import { HttpProblem } from './problem.ts'
import { type Call, queueOf, type Route } from './route.ts'
import { idIn, recordIn, submitAnswers, submitHeaders, submitted } from './routes-requests.ts'
import type { ServedQueue } from './served-queue.ts'
import { concurrencyBody, idPath, processBody, queuePath, refusalsQuery } from './shapes.ts'

export const queueRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/queues',
    level: 'viewer',
    tag: 'queues',
    summary: 'The status of every queue.',
    answers: { 200: '`queues`: one status each.' },
    handle: async ({ service }) => {
      const queues = await Promise.all([...service.queues.values()].map((queue) => queue.status()))
      return json(200, { queues })
    },
  },
  {
    method: 'GET',
    path: '/v1/queues/:queue',
    level: 'viewer',
    tag: 'queues',
    summary: 'The status of a queue: what waits and runs, waits and runs in quantiles, totals.',
    params: queuePath,
    answers: { 200: 'What `getStatus()` says.' },
    handle: async (call) => json(200, await queueOf(call).status()),
  },
  {
    method: 'PATCH',
    path: '/v1/queues/:queue',
    level: 'operator',
    tag: 'queues',
    summary: 'Sets how many may run at once.',
    params: queuePath,
    body: concurrencyBody,
    answers: { 200: 'The new status.' },
    action: 'concurrency',
    handle: (call) => {
      const queue = queueOf(call)
      return changed(queue, () => queue.setConcurrency((call.body as { concurrency: number }).concurrency))
    },
  },
  {
    method: 'POST',
    path: '/v1/queues/:queue/pause',
    level: 'operator',
    tag: 'queues',
    summary: 'Starts nothing more until `resume`. What runs goes on, and newcomers are admitted.',
    params: queuePath,
    answers: { 200: 'The new status.' },
    action: 'pause',
    handle: (call) => changed(queueOf(call), (queue) => queue.executor.pause()),
  },
  {
    method: 'POST',
    path: '/v1/queues/:queue/resume',
    level: 'operator',
    tag: 'queues',
    summary: 'Starts what waits again.',
    params: queuePath,
    answers: { 200: 'The new status.' },
    action: 'resume',
    handle: (call) => changed(queueOf(call), (queue) => queue.executor.resume()),
  },
  {
    method: 'GET',
    path: '/v1/queues/:queue/stats',
    level: 'viewer',
    tag: 'queues',
    summary: 'What is kept of ended requests, and the last fifteen minutes at five seconds.',
    params: queuePath,
    answers: { 200: '`kept` by state, `live`, and `history`.' },
    handle: async (call) => json(200, await statsOf(call, queueOf(call))),
  },
  {
    method: 'GET',
    path: '/v1/queues/:queue/refusals',
    level: 'viewer',
    tag: 'queues',
    summary: 'Of the last 1,000 that were refused, the youngest first: the tier, the reason, and what explains it.',
    params: queuePath,
    query: refusalsQuery,
    answers: { 200: 'At most 200 `refusals`, and the `count` of all since the service began to listen.' },
    handle: (call) => {
      const { name, refusals } = queueOf(call)
      const { reason, priority, limit } = call.query
      const found = refusals.list({ reason, priority, limit: Math.min(Math.max(Number(limit ?? 50), 1), 200) })
      return json(200, { queue: name, refusals: found, count: refusals.count })
    },
  },
  {
    method: 'GET',
    path: '/v1/queues/:queue/workers',
    level: 'viewer',
    tag: 'queues',
    summary: 'The slots, one by one, and how well they are used.',
    params: queuePath,
    answers: { 200: '`workers`, `efficiency` from 0 to 1, and `advice`.' },
    handle: (call) => workers(queueOf(call)),
  },
]

export const aliasRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/process',
    level: 'submitter',
    tag: 'aliases',
    summary: 'Submits to the first queue. The key is the `id` in the body, if there is one.',
    body: processBody,
    headers: submitHeaders,
    answers: submitAnswers,
    action: 'submit',
    handle: (call) => {
      const { id } = call.body as { id?: string | number }
      if (id !== undefined && !/^[\x21-\x7e]{1,200}$/.test(`${id}`)) {
        const issues = [{ in: 'body.id', message: 'expected 1 to 200 visible characters of ASCII' }]
        throw new HttpProblem(400, 'INVALID', undefined, { issues })
      }
      return submitted(call, first(call), call.body, id === undefined ? undefined : `${id}`)
    },
  },
  alias('/queue-status', 'The status of the first queue.', async (call) => json(200, await first(call).status())),
  { ...alias('/status/:id', 'A request of the first queue.', recordOfFirst), params: idPath },
  { ...alias('/jobs/:id/status', 'A request of the first queue.', recordOfFirst), params: idPath },
  alias('/database/stats', 'The stats of the first queue.', async (call) =>
    json(200, await statsOf(call, first(call))),
  ),
  alias('/thread-efficiency', 'The slots of the first queue, and what is advised.', (call) => workers(first(call))),
]

function alias(path: string, summary: string, handle: Route['handle']): Route {
  return {
    method: 'GET',
    path,
    level: 'viewer',
    tag: 'aliases',
    summary,
    answers: { 200: 'As the route of `/v1`.' },
    handle,
  }
}

function first({ service }: Call): ServedQueue {
  for (const queue of service.queues.values()) return queue
  throw new HttpProblem(404, 'NOT_FOUND')
}

async function recordOfFirst(call: Call): Promise<Answer> {
  const queue = first(call)
  return recordIn(call, queue, await idIn(call, queue, call.path.id as string))
}

async function changed(queue: ServedQueue, change: (queue: ServedQueue) => unknown): Promise<Answer> {
  await change(queue)
  await queue.flushed()
  return json(200, await queue.status())
}

async function statsOf({ service }: Call, queue: ServedQueue): Promise<object> {
  const { name, live, kept } = queue
  return { queue: name, live: live.size, kept: await kept.stats(), history: service.history.of(name) }
}

async function workers(queue: ServedQueue): Promise<Answer> {
  const { executor, name } = queue
  if (executor.getWorkerHealth === undefined) throw new HttpProblem(404, 'NOT_OFFERED')
  const status = await queue.status()
  const slots = (await executor.getWorkerHealth()).map((worker) => withTier(queue, worker))
  const busy = slots.filter(({ currentRequest }) => currentRequest !== null).length
  const efficiency = slots.length === 0 ? 0 : busy / slots.length
  return json(200, { queue: name, workers: slots, efficiency, advice: adviceOf(status, efficiency) })
}

/** A slot as it is shown: with the tier of what it runs, and since when on the wall. */
export interface SlotView extends Omit<WorkerHealth, 'since' | 'progress'> {
  readonly priority: string | null
  /** What `fairBy()` or a rate tells it apart by. */
  readonly key: string | null
  readonly since: string | null
  readonly runMs: number | null
  readonly progress: number | null
  /** Of what it runs: how long that has waited, and which attempt it is. */
  readonly waitMs: number | null
  readonly attempt: number | null
}

export function withTier(queue: ServedQueue, worker: WorkerHealth): SlotView {
  const { progress, since, ...rest } = worker
  const running = worker.currentRequest === null ? undefined : queue.inSlot(worker.slot, worker.currentRequest)
  const { priority = null, key = null, waitMs = null, attempts = null } = running ?? {}
  const startedAt = since === null ? undefined : queue.onTheWall(since)
  return {
    ...rest,
    priority,
    key,
    progress: progress?.fraction ?? null,
    since: startedAt === undefined ? null : new Date(startedAt).toISOString(),
    runMs: startedAt === undefined ? null : Math.max(Math.round(Date.now() - startedAt), 0),
    waitMs: waitMs ?? null,
    attempt: attempts,
  }
}

/** What shards say besides. */
interface Sharded {
  readonly shards?: readonly Pick<ExecutorStatus, 'waiting' | 'activeWorkers' | 'maxWorkers'>[]
}

/** A rule of thumb, in words. */
function adviceOf(status: ExecutorStatus & Sharded, efficiency: number): string {
  const { state, waiting, stuckWorkers, maxWorkers, running, shards = [] } = status
  if (state === 'paused') return 'It is paused: nothing starts.'
  if (stuckWorkers > 0) return `${stuckWorkers} slots are stuck: pass run.signal on to what they call.`
  const full = shards.findIndex((shard) => shard.waiting > shard.maxWorkers)
  const free = shards.findIndex((shard) => shard.waiting === 0 && shard.activeWorkers * 2 < shard.maxWorkers)
  if (full >= 0 && free >= 0) {
    return `Shard ${full} has ${shards[full]?.waiting} waiting, and fewer than half of the slots of shard ${free} are in use: another key spreads them better, or the route 'leastLoaded'.`
  }
  if (waiting > maxWorkers && efficiency >= 0.95) {
    const cores = availableParallelism()
    return `Every slot is busy and more wait: more slots help, if what they call can take it; threads that compute, up to ${cores}, the number of cores.`
  }
  if (waiting === 0 && running * 2 < maxWorkers && maxWorkers > 1)
    return 'Fewer than half of the slots are in use just now: if that stays so, fewer would do.'
  return 'It keeps up.'
}

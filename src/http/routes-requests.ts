/**
 * The routes of requests: submit, look, wait, cancel, move, requeue, list, many at once.
 */
import { ResultLostError } from '../core/remote-errors.ts'
import { isAtLeast, ownerOf } from './access.ts'
import { requireDone } from './changes.ts'
import { type Answer, json, preferenceOf } from './exchange.ts'
import type { Change } from './kept.ts'
import { listed } from './list.ts'
import { HttpProblem } from './problem.ts'
import { type Call, generationOf, queueOf, type Route } from './route.ts'
import type { ServedQueue } from './served-queue.ts'
import { settled } from './settled.ts'
import {
  anyBody,
  type BulkBody,
  bulkBody,
  listQuery,
  priorityBody,
  queuePath,
  recordQuery,
  requestPath,
} from './shapes.ts'
import { viewOf } from './shown-request.ts'
import { submit } from './submit.ts'
import { timelineOf } from './timeline.ts'
import { seesAll } from './view.ts'

const ifMatch = { 'If-Match': 'The generation that was seen, as `ETag` says it: 412 when it is another by now.' }

export const submitHeaders = {
  'Idempotency-Key':
    'The id of the request, for its client: the same key again joins it while it lives, and has its answer once it has completed.',
  'Triage-Priority': '`urgent`, `high`, `normal` (without it) or `low`.',
  'Triage-Deadline': 'For how many ms the client waits (`250`, `1.5S`): the `timeoutMs` of the request.',
  'Triage-Options':
    'The other options, as JSON of at most 8 KiB: `kind`, `metadata`, `cost`, `delayMs`, `startAt`, `after`, `waitTimeoutMs`, `runTimeoutMs`, `timeoutMs`, `onDuplicate`.',
  Prefer:
    '`wait=10`: the answer waits so many seconds for the result. `respond-async`: the request goes on when the client has gone.',
}

export const submitAnswers = {
  200: 'With `Prefer: wait`: the result.',
  202: 'It was admitted: its id, state, position and estimate; `Location` is where it is found.',
  409: 'It was cancelled, or one with its key lives and may not be joined.',
  422: 'Another request has this key.',
  429: 'A rate has refused it: `Retry-After`.',
  502: '`TRIAGE_RUN_FAILED`: the executor has failed.',
  503: 'It was refused or displaced for load, or waited too long: `Retry-After`.',
  504: 'Its run took too long.',
}

export const requestRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/queues/:queue/requests',
    level: 'submitter',
    tag: 'requests',
    summary: 'Submits a request: the body.',
    params: queuePath,
    body: anyBody,
    headers: submitHeaders,
    answers: submitAnswers,
    action: 'submit',
    handle: (call) => submitted(call, queueOf(call), call.body),
  },
  {
    method: 'GET',
    path: '/v1/queues/:queue/requests',
    level: 'viewer',
    tag: 'requests',
    summary:
      'Lists requests, the youngest first: those that live, then those whose end is kept. `order=next` lists what waits tier by tier, the oldest first; `state=held` what is put off.',
    params: queuePath,
    query: listQuery,
    answers: { 200: 'At most 200 `requests`, how many there are of each state, and the `cursor` of the next page.' },
    handle: listed,
  },
  {
    method: 'POST',
    path: '/v1/queues/:queue/requests:bulk',
    level: 'operator',
    tag: 'requests',
    summary:
      'Cancels, moves, requeues or deletes up to 1,000 requests, each by its id and generation; with `dryRun` none.',
    params: queuePath,
    body: bulkBody,
    answers: { 200: 'How it went with each, and how many of each there were.' },
    action: 'bulk',
    handle: bulk,
  },
  {
    method: 'GET',
    path: '/v1/queues/:queue/requests/:id',
    level: 'viewer',
    tag: 'requests',
    summary: 'A request by its id, or by the key that one has given it.',
    params: requestPath,
    query: recordQuery,
    headers: { Prefer: '`wait=10`: waits so many seconds for its end.' },
    answers: { 200: 'The record; `ETag` is its generation.', 404: 'It was never here, or is not kept any more.' },
    handle: record,
  },
  {
    method: 'PATCH',
    path: '/v1/queues/:queue/requests/:id',
    level: 'operator',
    tag: 'requests',
    summary: 'Gives a request that waits another priority.',
    params: requestPath,
    body: priorityBody,
    headers: ifMatch,
    answers: { 200: 'The record.', 409: 'It has ended, or waits no more.' },
    action: 'priority',
    handle: async (call) => {
      const { queue, id } = await found(call)
      requireDone(await queue.changes.setPriority(id, (call.body as { priority: 'low' }).priority, generationOf(call)))
      return after(call, queue, id)
    },
  },
  {
    method: 'DELETE',
    path: '/v1/queues/:queue/requests/:id',
    level: 'submitter',
    tag: 'requests',
    summary: 'Cancels a request that lives; for an admin it also deletes a dead letter.',
    params: requestPath,
    headers: ifMatch,
    answers: { 200: 'The record.', 409: 'It has ended already.' },
    action: 'delete',
    handle: async (call) => {
      const { queue, id } = await found(call)
      const isAdmin = isAtLeast(call.principal.level, 'admin')
      if (!isAdmin || (await queue.stateOf(id)) !== 'dead') return cancel(call)
      requireDone(await queue.changes.discard(id, generationOf(call)))
      await queue.flushed()
      return json(200, { id, queue: queue.name, deleted: true })
    },
  },
  {
    method: 'POST',
    path: '/v1/queues/:queue/requests/:id/cancel',
    level: 'submitter',
    tag: 'requests',
    summary: 'Cancels a request that lives: one’s own, or as an operator any.',
    params: requestPath,
    headers: ifMatch,
    answers: { 200: 'The record.', 409: 'It has ended already.' },
    action: 'cancel',
    handle: cancel,
  },
  {
    method: 'POST',
    path: '/v1/queues/:queue/requests/:id/requeue',
    level: 'operator',
    tag: 'requests',
    summary: 'Gives a dead letter another life.',
    params: requestPath,
    headers: ifMatch,
    answers: { 200: 'The record.', 409: 'It is no dead letter.', 428: 'There is no `If-Match`.' },
    action: 'requeue',
    handle: async (call) => {
      const { queue, id } = await found(call)
      const generation = generationOf(call)
      if (generation === undefined) throw new HttpProblem(428, 'MATCH_REQUIRED')
      requireDone(await queue.changes.requeue(id, generation))
      return after(call, queue, id)
    },
  },
]

/** As the route and its alias have it. */
export function submitted(call: Call, queue: ServedQueue, request: unknown, key?: string): Promise<Answer> {
  const { service, exchange, principal } = call
  const { metadata, priority, maxWaitMs, maxDeadlineMs } = service.settings
  return submit({
    ...{ exchange, principal, queue, request, key, maxWaitMs, maxDeadlineMs, closing: service.closing },
    locationOf: (id) => locationOf(call, queue, id),
    metadataOf: (given) =>
      metadata === undefined
        ? given
        : metadata({
            ...{ given, principal, traceparent: exchange.header('traceparent') },
            header: (name) => exchange.header(name),
          }),
    priorityOf: (asked) => priority?.(asked, principal) ?? asked,
  })
}

function locationOf({ service }: Call, queue: ServedQueue, id: string): string {
  const { basePath } = service.settings
  return `${basePath}/v1/queues/${encodeURIComponent(queue.name)}/requests/${encodeURIComponent(id)}`
}

/** The id that is meant: one's own by its key, else the very one. */
export async function idIn({ principal }: Call, queue: ServedQueue, id: string): Promise<string> {
  const own = `${principal.name}~${id}`
  const isOwn = isAtLeast(principal.level, 'submitter') && (await queue.stateOf(own)) !== undefined
  return isOwn ? own : id
}

/**
 * A request that this principal may change.
 * @throws {HttpProblem} 404 for one that is not there, and for one of others: they need not know
 */
async function found(call: Call): Promise<{ readonly queue: ServedQueue; readonly id: string }> {
  const queue = queueOf(call)
  const id = await idIn(call, queue, call.path.id as string)
  const { level, name } = call.principal
  if (!isAtLeast(level, 'operator') && ownerOf(id) !== name) throw new HttpProblem(404, 'NOT_FOUND')
  return { queue, id }
}

async function cancel(call: Call): Promise<Answer> {
  const { queue, id } = await found(call)
  requireDone(await queue.changes.cancel(id, generationOf(call)))
  return after(call, queue, id)
}

/** What a change has made of it, when that is on disk. */
async function after(call: Call, queue: ServedQueue, id: string): Promise<Answer> {
  await queue.flushed()
  return recordOf(call, queue, id)
}

async function record(call: Call): Promise<Answer> {
  const queue = queueOf(call)
  return recordIn(call, queue, await idIn(call, queue, call.path.id as string))
}

/** It may wait for the end. */
export async function recordIn(call: Call, queue: ServedQueue, id: string): Promise<Answer> {
  const { service, exchange } = call
  const { waitMs } = preferenceOf(exchange.header('prefer'), service.settings.maxWaitMs)
  if (waitMs !== undefined) {
    const handle = await queue.handle(id)
    if (handle !== undefined) await settled(handle.result, waitMs, exchange.signal, service.closing)
  }
  return recordOf(call, queue, id)
}

async function recordOf(call: Call, queue: ServedQueue, id: string): Promise<Answer> {
  const { service, principal, query } = call
  const all = seesAll(principal, id)
  const view = await viewOf(queue, id, { seesAll: all, exposeErrors: service.settings.exposeErrors })
  if (view === undefined) throw new HttpProblem(404, 'NOT_FOUND')
  const timeline = timelineOf(view, queue.failedAttempts.of(view.id))
  const shown =
    query.include === 'payload'
      ? { ...view, timeline, payload: await payloadOf(call, queue, id, all) }
      : { ...view, timeline }
  try {
    return json(200, shown, { etag: `"${view.generation}"` })
  } catch (error) {
    throw new ResultLostError('it can not be told as JSON', undefined, error)
  }
}

async function payloadOf(call: Call, queue: ServedQueue, id: string, isShown: boolean): Promise<unknown> {
  const { service, principal } = call
  if (!isShown) throw new HttpProblem(403, 'FORBIDDEN')
  const { name, level } = principal
  service.audit({ principal: name, level, action: 'payload', queue: queue.name, id, status: 200 })
  const payload = (await queue.handle(id))?.request ?? (await queue.kept.payload(id))
  const isWhole = isAtLeast(level, 'admin') || ownerOf(id) === name
  return isWhole ? payload : service.settings.redact(payload)
}

async function bulk(call: Call): Promise<Answer> {
  const queue = queueOf(call)
  const { action, requests, priority, dryRun = false } = call.body as BulkBody
  if (action === 'priority' && priority === undefined) {
    throw new HttpProblem(400, 'INVALID', undefined, {
      issues: [{ in: 'body.priority', message: 'expected a priority' }],
    })
  }
  if (action === 'delete' && !isAtLeast(call.principal.level, 'admin')) throw new HttpProblem(403, 'FORBIDDEN')
  const changes: { id: string; change: Change | 'refused' }[] = []
  const counts: Record<string, number> = {}
  for (const { id, generation } of requests) {
    let change: Change | 'refused'
    try {
      if (action === 'cancel') change = await queue.changes.cancel(id, generation, dryRun)
      else if (action === 'priority')
        change = await queue.changes.setPriority(id, priority as 'low', generation, dryRun)
      else if (action === 'requeue') change = await queue.changes.requeue(id, generation, dryRun)
      else change = await queue.changes.discard(id, generation, dryRun)
    } catch {
      // It was refused as any other request might be: for load, or since the executor is closed.
      change = 'refused'
    }
    changes.push({ id, change })
    counts[change] = (counts[change] ?? 0) + 1
  }
  if (!dryRun) await queue.flushed()
  return json(200, { action, dryRun, counts, requests: changes })
}

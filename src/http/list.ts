/**
 * A page of requests: what lives, the youngest first, then what has ended. It costs what it shows.
 */

import type { RequestView } from '../index.ts'
import { type Answer, json } from './exchange.ts'
import type { Live, NextPlace } from './live-requests.ts'
import { HttpProblem } from './problem.ts'
import { type EndedState, endedStates } from './recent-ends.ts'
import { type Call, queueOf } from './route.ts'
import type { ServedQueue } from './served-queue.ts'
import { liveStates } from './shapes.ts'
import { lineOf, seesAll } from './view.ts'

const MAX_PER_PAGE = 200
const DEFAULT_PER_PAGE = 50

interface Place {
  /** In what lives, or in what has ended. */
  readonly in: 'live' | 'ended'
  /** From where on; undefined: from the youngest. */
  readonly from: string | undefined
}

export async function listed(call: Call): Promise<Answer> {
  const queue = queueOf(call)
  const { query, principal, service } = call
  const limit = Math.min(Math.max(Number(query.limit ?? DEFAULT_PER_PAGE), 1), MAX_PER_PAGE)
  queue.lookBack()
  if (query.state === 'held') return heldBack(queue, query, limit)
  if (query.order === 'next') return nextOnes(queue, query, limit)
  const { live, ended } = statesOf(query.state)
  const place = placeOf(query.cursor)
  const asked = { priority: query.priority as Live['priority'] | undefined, id: query.id }
  const requests: RequestView[] = []
  let next: Place | undefined
  // What lives has ended with no error.
  if (place.in === 'live' && live.size > 0 && query.error === undefined) {
    const before = place.from === undefined ? Number.MAX_SAFE_INTEGER : Number(place.from)
    const page = queue.live.list({ ...asked, states: live, before, limit })
    await addLines(queue, page.found, requests)
    if (page.next !== undefined) next = { in: 'live', from: `${page.next}` }
  }
  if (next === undefined && ended.size > 0) {
    const cursor = place.in === 'ended' ? place.from : undefined
    const rest = { ...asked, states: ended, error: query.error, cursor, limit: Math.max(limit - requests.length, 1) }
    const exposes = (id: string): boolean => service.settings.exposeErrors && seesAll(principal, id)
    const page = limit > requests.length ? await queue.kept.page(rest, exposes) : { lines: [], cursor: '' }
    for (const line of page.lines) requests.push(line)
    if (page.cursor !== undefined) next = { in: 'ended', from: page.cursor === '' ? undefined : page.cursor }
  }
  return json(200, { requests, counts: await countsOf(queue), cursor: next === undefined ? null : cursorOf(next) })
}

type Query = Call['query']

/** What waits as it will start, if it is by tier first and by age in a tier. */
async function nextOnes(queue: ServedQueue, { state, cursor, priority, id }: Query, limit: number): Promise<Answer> {
  if (state !== 'waiting') throw badQuery('query.order', "expected `next` with the state 'waiting' alone")
  const page = queue.live.next({
    priority: priority as Live['priority'] | undefined,
    id,
    after: nextPlaceOf(cursor),
    limit,
  })
  const requests: RequestView[] = []
  await addLines(queue, page.found, requests)
  const { next } = page
  const encoded = next === undefined ? null : Buffer.from(`next:${next.tier}.${next.generation}`).toString('base64url')
  return json(200, { requests, counts: await countsOf(queue), cursor: encoded })
}

function nextPlaceOf(cursor: string | undefined): NextPlace {
  if (cursor === undefined) return { tier: 0, generation: 0 }
  const [, tier, generation] = /^next:([0-3])\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (tier === undefined) throw badQuery('query.cursor', 'expected one of a page')
  return { tier: Number(tier), generation: Number(generation) }
}

/** Among more than so many that wait those that are put off are not looked for. */
const MAX_SEARCHED = 20_000

/** Those that are not to start before their time, or before others have ended; `incomplete`: too many wait to look for them. */
async function heldBack(queue: ServedQueue, { priority, id }: Query, limit: number): Promise<Answer> {
  const { executor, name } = queue
  if (executor.waiting === undefined) throw new HttpProblem(404, 'NOT_OFFERED')
  const { waiting } = await queue.recentStatus()
  const requests: object[] = []
  const all = waiting > MAX_SEARCHED ? [] : [...executor.waiting()]
  for (const each of all) {
    if (requests.length >= limit) break
    if (each.state !== 'waiting' || each.position() !== undefined) continue
    if ((priority !== undefined && each.priority !== priority) || (id !== undefined && !each.id.startsWith(id)))
      continue
    const live = queue.live.get(each.id)
    const generation = live && (await queue.generationOf(live.id))
    if (live === undefined || generation === undefined) continue
    const startAt = each.delayMs === 0 ? undefined : new Date(live.submittedAt + each.delayMs).toISOString()
    requests.push({ ...lineOf(name, live), generation, state: 'held', priority: each.priority, startAt })
  }
  const isIncomplete = waiting > MAX_SEARCHED || requests.length >= limit
  return json(200, { requests, counts: await countsOf(queue), cursor: null, ...(isIncomplete && { incomplete: true }) })
}

function badQuery(where: string, message: string): HttpProblem {
  return new HttpProblem(400, 'INVALID', undefined, { issues: [{ in: where, message }] })
}

async function addLines(queue: ServedQueue, found: readonly Live[], to: RequestView[]): Promise<void> {
  for (const live of found) {
    const line = await liveLine(queue, live)
    if (line !== undefined) to.push(line)
  }
}

/** With its place, which is counted, not looked for. Undefined: its record is that of one that lives no more. */
async function liveLine(queue: ServedQueue, live: Live): Promise<RequestView | undefined> {
  // Both are asked before either answers, and so about the same life.
  const [handle, life] = await Promise.all([queue.handle(live.id), queue.lifeOf(live.id)])
  if (life === undefined) return undefined
  const line = { ...lineOf(queue.name, live), ...life }
  if (handle === undefined) return line
  const position = await handle.position()
  const { fraction } = handle.progress ?? {}
  const failed = live.state === 'retrying' ? queue.failedAttempts.of(live.id).at(-1) : undefined
  return {
    ...line,
    // What it has failed with, and when it is tried next.
    ...(failed !== undefined && {
      error: failed.error,
      nextAttemptAt: new Date(failed.failedAt + failed.delayMs).toISOString(),
    }),
    state: handle.state,
    priority: handle.priority ?? live.priority,
    ...(position !== undefined && { position, estimateMs: await queue.estimate(position) }),
    ...(fraction !== undefined && { progress: { fraction } }),
  }
}

/** How many there are of each state: these are counters. */
async function countsOf(queue: ServedQueue): Promise<{ readonly [state: string]: unknown }> {
  const { waiting, running, retrying } = await queue.recentStatus()
  const { minutes: _, ...kept } = await queue.kept.stats()
  return { waiting, running, retrying, ...kept }
}

function statesOf(state: string | undefined): { live: ReadonlySet<Live['state']>; ended: ReadonlySet<EndedState> } {
  const isOne = (of: string): boolean => state === undefined || state === of
  const live = liveStates.filter((each) => isOne(each) || state === 'live')
  const ended = endedStates.filter((each) => isOne(each) || state === 'ended')
  return { live: new Set(live), ended: new Set(ended) }
}

function cursorOf({ in: where, from = '' }: Place): string {
  return Buffer.from(`${where}:${from}`).toString('base64url')
}

function placeOf(cursor: string | undefined): Place {
  if (cursor === undefined) return { in: 'live', from: undefined }
  const [, where, from] = /^(live|ended):([\x21-\x7e]*)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const isSound = where === 'ended' || (where === 'live' && /^\d{1,16}$/.test(from ?? ''))
  if (isSound) return { in: where as Place['in'], from: from === '' ? undefined : from }
  throw badQuery('query.cursor', 'expected one of a page')
}

/**
 * How a request comes: to the real one, and to the model.
 */
import { type Priority, priorities, type RequestOptions } from 'triage-queue'
import type { Caller, Job } from './rules.ts'
import type { Arrive } from './schedule.ts'
import { context, endOf, type Handle, type Seen } from './seen.ts'
import type { Payload } from './setup.ts'
import type { World } from './world.ts'

const NOTHING: readonly never[] = []
const NORMAL = 2

export function arrive(world: World, arrive: Arrive): void {
  if (arrive.deadlineMs === undefined) {
    come(world, arrive)
    return
  }
  world.counts.add('a deadline')
  atOneTime(() => come(world, arrive))
}

/** A deadline is a time of the world, which goes on meanwhile. */
function atOneTime(what: () => void): void {
  const { now } = Date
  const at = now()
  Date.now = () => at
  try {
    what()
  } finally {
    Date.now = now
  }
}

function come(world: World, arrive: Arrive): void {
  const n = world.seen.length
  const { via, tier, id, signal, waitTimeoutMs, runTimeoutMs, timeoutMs, delayMs, startAt, after, cost } = arrive
  const { deadlineMs } = arrive
  const at = world.clock.now()
  // One that is blocked may have no room for as long as those that wait for it have all of it.
  const isIn = ({ handle }: Seen): boolean => handle !== undefined && handle.state !== 'blocked'
  const other = after === undefined ? undefined : world.seen.findLast((each, i) => isIn(each) && i <= n - after)
  const caller: Caller = {
    ...{ n, at, tier, via, end: '', endedAs: 0, cost: cost ?? 1, startAt: at + (delayMs ?? 0) },
    id: id === undefined ? undefined : `id-${id}`,
    key: arrive.key,
    payload: `${arrive.key} ${arrive.refused}`,
    signal: signal === undefined ? undefined : world.controllers[signal]?.signal,
    waitMs: waitTimeoutMs,
    runMs: runTimeoutMs,
    totalMs: timeoutMs,
    deadlineAt: at + (deadlineMs ?? Number.POSITIVE_INFINITY),
    after: other === undefined ? NOTHING : [other.caller],
    refusal: { none: '', guard: 'TRIAGE_OVERLOADED', schema: 'TRIAGE_INVALID_REQUEST' }[arrive.refused ?? 'none'],
  }
  const seen: Seen = {
    ...{ n, arrive, caller, attempts: 0, isInCall: false, backAt: 0, way: '', isDone: false },
    ...{ handle: undefined, admission: undefined, answer: undefined, release: undefined },
  }
  world.seen.push(seen)
  world.model?.arrive(jobOf(caller))
  const { isPlain } = arrive
  const options = {
    priority: priorities[tier],
    ...(isPlain ? undefined : { metadata: n }),
    ...{ id: caller.id, signal: caller.signal, waitTimeoutMs, runTimeoutMs, timeoutMs, delayMs, cost },
    ...(startAt && { startAt: new Date(0) }),
    ...(deadlineMs !== undefined && { deadline: Date.now() + deadlineMs }),
    ...(other?.handle && { after: [world.faults?.after(other.handle) ?? other.handle] }),
  } as RequestOptions
  const { faults } = world
  const payload: Payload = { key: `key-${arrive.key}`, refused: arrive.refused }
  if (isPlain) {
    world.known.set(payload, n)
    // Without options, or with a priority alone.
    const given = tier === NORMAL && n % 2 === 0 ? undefined : { priority: priorities[tier] as Priority }
    context.run(n, () => submit(world, seen, payload, given))
    return
  }
  if (faults === undefined) {
    context.run(n, () => submit(world, seen, payload, options))
    return
  }
  if (caller.signal !== undefined) options.signal = faults.signal(caller.signal as AbortSignal)
  // Not given, but asked for.
  const all = { onDuplicate: undefined, deadline: undefined, kind: undefined, ...options } as unknown as RequestOptions
  const given = faults.getters('RequestOptions', all)
  context.run(n, () => submit(world, seen, faults.getters('payload', payload), given))
}

function submit(world: World, seen: Seen, payload: Payload, options: RequestOptions | undefined): void {
  const { executor } = world
  const held = (handle: Handle): void => {
    seen.handle = handle
    // Some never look at the result, and must not be told of its failure.
    if (seen.n % 4 > 0) seen.answer = world.hand(`result of ${seen.n}`, handle.result)
  }
  switch (seen.caller.via) {
    case 'execute':
      seen.answer = world.hand(`execute() of ${seen.n}`, executor.execute(payload, options))
      seen.handle = found(world, seen.caller.id, seen.n)
      return
    case 'offer': {
      try {
        const handle = executor.offer(payload, options)
        if (handle !== undefined) held(handle)
      } catch (error) {
        seen.admission = { name: `offer() of ${seen.n}`, end: endOf(error) }
      }
      return
    }
    default: {
      const promise = executor.submit(payload, options)
      seen.admission = world.hand(`submit() of ${seen.n}`, promise)
      promise.then(held, () => {})
    }
  }
}

/** The handle of a request by its id; not that of another one with the same id. */
function found(world: World, id: string | undefined, n: number): Handle | undefined {
  const handle = id === undefined ? undefined : world.executor.get(id)
  return handle?.metadata === n ? handle : undefined
}

function jobOf(first: Caller): Job {
  return {
    ...{ first, callers: [first], place: 'new', tier: first.tier, sequence: 0, rank: 0, failures: 0 },
    ...{ from: first.at, backAt: first.startAt, inCall: false, startedAt: 0, dueAt: Number.POSITIVE_INFINITY },
  }
}

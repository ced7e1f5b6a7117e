/**
 * What anybody may do to an executor at any moment: done to the real one, and told to the model.
 */
import { priorities, type RequestOptions } from 'triage-queue'
import { performBulk } from './bulk.ts'
import type { Caller, Job } from './rules.ts'
import type { Action, Arrive } from './schedule.ts'
import type { Payload } from './setup.ts'
import { context, endOf, type Handle, type Seen, type World } from './world.ts'

/** No schedule needs more; a listener that submits at each rejection would go on for ever. */
const MAX_ARRIVALS = 100
const NOTHING: readonly never[] = []

export function perform(world: World, action: Action): void {
  const { executor, model } = world
  switch (action.do) {
    case 'arrive':
      if (world.seen.length < MAX_ARRIVALS) arrive(world, action)
      return
    case 'burst':
    case 'each':
      performBulk(world, action)
      return
    case 'cancel':
      cancel(world, action.which, action.by)
      return
    case 'setPriority': {
      const seen = pick(world, action.which)
      const job = seen && model?.of(seen.caller)
      if (seen?.handle === undefined) return
      const may = job !== undefined && model?.move(job, action.tier)
      const did = setPriority(world, seen.handle, action.tier)
      if (did) world.counts.add('moved')
      if (model?.unsure === '' && may !== did) world.fail(`setPriority of ${seen.n} is ${did}, the model says ${may}`)
      return
    }
    case 'abort': {
      const controller = world.controllers[action.signal] as AbortController
      world.controllers[action.signal] = new AbortController()
      world.signals.push((world.controllers[action.signal] as AbortController).signal)
      model?.abort(controller.signal)
      controller.abort(new Error('aborted'))
      return
    }
    case 'release': {
      const hanging = world.seen.filter(({ release, arrive }) => release !== undefined && arrive.work.kind === 'hangs')
      if (hanging.length > 0) world.counts.add('let go')
      hanging[action.which % hanging.length]?.release?.()
      return
    }
    case 'pause':
      if (model?.state === 'open') model.paused = true
      world.isPaused = !world.isClosing
      executor.pause()
      return
    case 'resume':
      if (model?.in('blocked').length) world.unsure('slots come free for the blocked in a burst')
      world.model?.resume()
      world.isPaused = false
      executor.resume()
      return
    case 'resize':
      if (model?.in('blocked').length) world.unsure('slots come free for the blocked in a burst')
      world.model?.resize(action.concurrency)
      world.laws.allow(action.concurrency)
      executor.concurrency = action.concurrency
      return
    case 'idle':
      world.hand('idle()', executor.idle())
      return
    case 'ready':
      world.hand('ready()', executor.ready(priorities[action.tier] as 'low'))
      return
    case 'close':
      model?.close(action.drain, action.graceMs)
      Object.assign(world, { isClosing: true, isPaused: false })
      world.hand('close()', executor.close(action))
      return
  }
}

/** What an order policy with faults throws is the caller's to deal with, and has changed nothing. */
function setPriority(world: World, handle: Handle, tier: number): boolean {
  const { priority } = handle
  try {
    return handle.setPriority(priorities[tier] as 'low')
  } catch (error) {
    if (!world.faults?.has('OrderPolicy.rank')) throw error
    if (handle.priority !== priority) world.fail('setPriority() throws, and has changed the priority')
    return false
  }
}

/** One of the latest requests. */
function pick(world: World, which: number): Seen | undefined {
  return world.seen[world.seen.length - 1 - (which % Math.min(world.seen.length, 12))]
}

function cancel(world: World, which: number, by: 'handle' | 'id'): void {
  const { model } = world
  const seen = pick(world, which)
  if (seen === undefined) return
  const job = model?.of(seen.caller)
  if (by === 'handle') {
    if (seen.handle === undefined) return
    model?.leaveAll(job === undefined ? NOTHING : [seen.caller], () => 'TRIAGE_CANCELLED')
    const did = seen.handle.cancel('a reason')
    if (did) world.counts.add('cancelled by handle')
    if (model !== undefined && did !== (job !== undefined)) world.fail(`cancel of ${seen.n} is ${did}`)
  } else if (seen.caller.id !== undefined) {
    const shared = model?.find(seen.caller.id)
    model?.leaveAll(shared?.callers ?? NOTHING, () => 'TRIAGE_CANCELLED')
    const did = world.executor.cancel(seen.caller.id, 'a reason')
    if (did) world.counts.add('cancelled by id')
    if (model !== undefined && did !== (shared !== undefined)) world.fail(`cancel by the id of ${seen.n} is ${did}`)
  }
}

export function arrive(world: World, arrive: Arrive): void {
  const n = world.seen.length
  const { via, tier, id, signal, waitTimeoutMs, runTimeoutMs, timeoutMs, delayMs, startAt, after, cost } = arrive
  const at = world.clock.now()
  // One that is blocked may have no room for as long as those that wait for it have all of it.
  const isIn = ({ handle }: Seen): boolean => handle !== undefined && handle.state !== 'blocked'
  const other = after === undefined ? undefined : world.seen.findLast((each, i) => isIn(each) && i <= n - after)
  const caller: Caller = {
    ...{ n, at, tier, via, end: '', endedAs: 0, cost: cost ?? 1, startAt: at + (delayMs ?? 0) },
    id: id === undefined ? undefined : `id-${id}`,
    payload: `${arrive.key} ${arrive.refused}`,
    signal: signal === undefined ? undefined : world.controllers[signal]?.signal,
    waitMs: waitTimeoutMs,
    runMs: runTimeoutMs,
    totalMs: timeoutMs,
    after: other === undefined ? NOTHING : [other.caller],
    refusal: { none: '', guard: 'TRIAGE_OVERLOADED', schema: 'TRIAGE_INVALID_REQUEST' }[arrive.refused ?? 'none'],
  }
  const seen: Seen = {
    ...{ n, arrive, caller, attempts: 0, isInCall: false, backAt: 0, way: '', isDone: false },
    ...{ handle: undefined, admission: undefined, answer: undefined, release: undefined },
  }
  world.seen.push(seen)
  world.model?.arrive(jobOf(caller))
  const options = {
    priority: priorities[tier],
    metadata: n,
    ...{ id: caller.id, signal: caller.signal, waitTimeoutMs, runTimeoutMs, timeoutMs, delayMs, cost },
    ...(startAt && { startAt: new Date(0) }),
    ...(other?.handle && { after: [world.faults?.after(other.handle) ?? other.handle] }),
  } as RequestOptions
  const { faults } = world
  const payload: Payload = { key: `key-${arrive.key}`, refused: arrive.refused }
  if (faults === undefined) {
    context.run(n, () => submit(world, seen, payload, options))
    return
  }
  if (caller.signal !== undefined) options.signal = faults.signal(caller.signal as AbortSignal)
  // Not given, but asked for.
  const all = { ...options, onDuplicate: undefined } as unknown as RequestOptions
  const given = faults.getters('RequestOptions', all)
  context.run(n, () => submit(world, seen, faults.getters('payload', payload), given))
}

function submit(world: World, seen: Seen, payload: Payload, options: RequestOptions): void {
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

/**
 * What anybody may do to an executor at any moment: done to the real one, and told to the model.
 */
import { priorities, type UpdateOptions } from 'triage-queue'
import { arrive } from './arrive.ts'
import { performBulk } from './bulk.ts'
import type { Action, Bounds } from './schedule.ts'
import type { Handle, Seen } from './seen.ts'
import { rulesOf } from './setup.ts'
import type { World } from './world.ts'

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
      world.isPaused = !world.isClosing()
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
    case 'clear':
      clear(world, action.tier)
      return
    case 'update':
      update(world, action.bounds)
      return
    case 'close': {
      const { drain, graceMs, lameDuckMs = 0 } = action
      model?.close(drain, graceMs, lameDuckMs)
      if (lameDuckMs === 0) world.closes()
      else world.limps(lameDuckMs)
      world.hand('close()', executor.close({ drain, graceMs, lameDuckMs }))
      return
    }
  }
}

function update(world: World, bounds: Bounds): void {
  const { executor, laws, model, schedule } = world
  const options = { ...world.options, ...bounds }
  const rules = rulesOf({ ...schedule, options })
  laws.update(rules)
  world.options = options
  model?.update(rules)
  executor.update(bounds as UpdateOptions)
}

function clear(world: World, tier: number | undefined): void {
  const { executor, faults, model } = world
  const matches = ({ priority }: { readonly priority: string }): boolean => priority === priorities[tier as number]
  const may = model?.clear(tier)
  try {
    const ended = executor.clear(tier === undefined ? undefined : (faults?.wrap('clear.matches', matches) ?? matches))
    if (ended > 0) world.counts.add('cleared')
    if (model?.unsure === '' && may !== ended) world.fail(`clear() has ended ${ended}, the model says ${may}`)
  } catch (error) {
    // What the question throws is the caller's, and has changed nothing.
    if (faults?.has('clear.matches') !== true) throw error
  }
}

/** What an order policy with faults throws is the caller's to deal with, and has changed nothing. */
function setPriority(world: World, handle: Handle, tier: number): boolean {
  const { priority } = handle
  try {
    return handle.setPriority(priorities[tier] as 'low')
  } catch (error) {
    if (!world.faults?.hasBadOrder) throw error
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
    if (shared !== undefined) model?.cancel(shared)
    const did = world.executor.cancel(seen.caller.id, 'a reason')
    if (did) world.counts.add('cancelled by id')
    if (model !== undefined && did !== (shared !== undefined)) world.fail(`cancel by the id of ${seen.n} is ${did}`)
  }
}

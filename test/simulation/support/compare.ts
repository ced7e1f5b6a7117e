/**
 * Is what can be seen of the executor what the model says? Looked at whenever all is done that can be done at an instant.
 */
import type { ExecutorStatus } from 'triage-queue'
import type { Model } from './model.ts'
import type { Job } from './rules.ts'
import type { Seen } from './seen.ts'
import type { World } from './world.ts'

/** `getStatus()` sorts durations, and costs more than all else: it is looked at now and then. */
const STATUS_EVERY = 8

const states: { readonly [end: string]: string } = {
  ok: 'completed',
  failure: 'failed',
  TRIAGE_WAIT_TIMEOUT: 'expired',
  TRIAGE_RUN_TIMEOUT: 'expired',
  TRIAGE_SHED: 'shed',
  TRIAGE_CANCELLED: 'cancelled',
  aborted: 'cancelled',
}

export function compare(world: World): void {
  const { model } = world
  world.steps++
  world.laws.settled()
  const looks = world.trace !== undefined || world.steps % STATUS_EVERY === 0
  const status = looks ? world.executor.getStatus() : undefined
  if (status !== undefined) world.laws.status(status)
  world.reference?.look()
  if (model === undefined) return
  world.stepsCompared++
  model.now = world.clock.now()
  // No patience at all is over at once.
  if (model.graceAt <= model.now) model.pass(model.now)
  model.wake()
  if (model.unsure !== '') {
    world.unsure(model.unsure)
    return
  }
  if (model.tokens !== undefined && model.promised > 0 && !model.paused) {
    world.unsure('a promised slot is left, and its token was taken')
    return
  }
  const next = model.next()
  if (next !== undefined) {
    world.fail(`nobody is called, the model says ${next.first.n}`)
    return
  }
  model.settles()
  const line = model.line()
  for (const seen of world.seen) if (!seen.isDone) compareOne(world, model, seen, line)
  if (status !== undefined) compareStatus(world, model, status)
}

function compareOne(world: World, model: Model, seen: Seen, line: readonly Job[]): void {
  const { caller, answer, admission, handle } = seen
  const job = model.of(caller)
  const is = (what: string, found: unknown, expected: unknown): void => {
    if (found !== expected) world.fail(`the ${what} of ${caller.n} is ${found}, the model says ${expected}`)
  }
  const wasAdmitted = job === undefined ? states[caller.end] !== undefined : job.place !== 'blocked'
  if (admission !== undefined && !wasAdmitted) is('admission', admission.end, caller.end)
  if (answer !== undefined) is('answer', answer.end, caller.end)
  else if (handle !== undefined && caller.end !== '') is('state', handle.state, states[caller.end])
  if (job === undefined) {
    seen.isDone = true
    return
  }
  if (handle === undefined) return
  const state = stateOf(job)
  if (model.promised === 0 && state !== '' && !(caller !== job.first && job.place === 'held'))
    is('state', handle.state, state)
  const position = line.indexOf(job)
  is('position', handle.position(), position < 0 ? undefined : position)
}

function stateOf({ place, failures }: Job): string {
  if (place === 'held') return failures > 0 ? 'retrying' : 'waiting'
  // One that is back for another attempt counts as retrying, and its handle may say either.
  if (place === 'line') return failures > 0 ? '' : 'waiting'
  return place === 'slot' ? 'running' : place
}

function compareStatus(world: World, model: Model, status: ExecutorStatus): void {
  const waiting = model.waiting()
  const seated = model.seated()
  const inTier = (jobs: Job[]) => [0, 1, 2, 3].map((tier) => jobs.filter((job) => job.tier === tier).length).join(' ')
  const blocked = model.blocked()
  const { totals } = status
  const isShared = model.totals.joined > 0
  // When all have ended, a closed executor looks at deadlines no more.
  const looksAtStuck = status.state !== 'closed'
  const found = {
    waiting: status.waiting,
    // Of whom are they that a slot is promised to? It is not said.
    waitingByTier: model.promised > 0 ? '' : Object.values(status.waitingByPriority).join(' '),
    blocked: Object.values(status.blockedByPriority).join(' '),
    running: status.running,
    retrying: status.retrying,
    active: status.activeWorkers,
    max: status.maxWorkers,
    stuck: looksAtStuck ? status.stuckWorkers : 0,
    ...totals,
    isLame: world.executor.health().reasons.includes('lameDuck'),
    ...(isShared && { expired: totals.expired + totals.cancelled, cancelled: 0 }),
  }
  const { expired, cancelled } = model.totals
  const expected = {
    waiting: waiting.length - model.promised,
    waitingByTier: model.promised > 0 ? '' : inTier(waiting),
    blocked: inTier(blocked),
    running: model.in('slot').length + seated.length + model.promised,
    retrying: model.retrying(),
    active: [...model.calls(), ...seated].reduce((sum, { first }) => sum + first.cost, model.promised),
    max: model.limit,
    stuck: looksAtStuck ? model.stuck() : 0,
    ...model.totals,
    ...(isShared && { expired: expired + cancelled, cancelled: 0 }),
    rejected: model.rejected,
    isLame: model.lameUntil < Number.POSITIVE_INFINITY,
  }
  for (const [what, value] of Object.entries(expected)) {
    const other = found[what as keyof typeof found]
    if (other !== value) world.fail(`${what} is ${other}, the model says ${value}`)
  }
}

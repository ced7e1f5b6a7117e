/**
 * What the executor does with a request: it returns, throws, hangs, is late, answers twice; and the model is told when its
 * call has settled.
 */
import type { RunContext } from 'triage-queue'
import type { Job } from './rules.ts'
import type { Work } from './schedule.ts'
import { context, type Seen } from './seen.ts'
import type { Payload } from './setup.ts'
import type { World } from './world.ts'

/** The executor itself: its calls, as the schedule has them. */
export function execute(world: World, request: Payload, run: RunContext): unknown {
  const n = world.known.get(request) ?? (run.metadata as number)
  const seen = world.seen[n] as Seen
  const { model } = world
  world.note(() => `call of ${n}`)
  world.unsettled += seen.caller.cost
  seen.attempts++
  seen.isInCall = true
  try {
    world.laws.called(seen, run, context.getStore())
  } catch (error) {
    // Or it would be the failure of this call, and nobody's fault.
    world.fail(`what a run may ask for throws: ${error}`)
  }
  world.reference?.called(seen)
  let job: Job | undefined
  if (model !== undefined) {
    model.now = world.clock.now()
    job = model.next()
    if (job?.first.n !== n) {
      // Those who waited for others come to the queue some microtasks after these.
      model.wake()
      job = model.next()
    }
    if (model.unsure !== '') world.unsure(model.unsure)
    else if (job?.first.n !== n) world.fail(`${n} is called, the model says ${job?.first.n}`)
    else model.start(job)
  }
  const { work } = seen.arrive
  if (work.inside !== undefined && seen.attempts === 1) world.act(work.inside)
  const settle = (ok: boolean): void => {
    world.unsettled -= seen.caller.cost
    seen.release = undefined
    seen.isInCall = false
    world.note(() => `the call of ${n} has ${ok ? 'an answer' : 'failed'}`)
    world.reference?.settled(seen)
    if (job === undefined || world.model === undefined) return
    world.model.now = world.clock.now()
    world.model.settled(job, ok)
  }
  if (work.kind === 'holds') {
    const answered = (): void => {
      if (job === undefined || world.model === undefined) return
      world.model.now = world.clock.now()
      world.model.answered(job)
    }
    return hold(world, work.ms, seen, run, answered, settle)
  }
  return answer(world, seen.attempts > work.times ? { ...work, kind: 'returns' } : work, seen, run, settle)
}

/** Answers, and streams for as long again. */
function hold(
  world: World,
  ms: number,
  { n }: Seen,
  run: RunContext,
  answered: () => void,
  settle: (ok: boolean) => void,
): Promise<number> {
  run.progress(0.5, 'half')
  const body = new Promise<void>((resolve) => {
    later(world, 2 * ms, resolve)
    // Some stop reading when nobody waits for more.
    if (n % 2 === 0) run.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  let isRead = false
  let isAnswered = false
  // Heard just before the executor itself hears it, which adopts it first.
  body
    .then(() => {})
    .then(() => {
      isRead = true
      if (isAnswered) settle(true)
    })
  run.holdUntil(body)
  const head = new Promise<number>((resolve) => later(world, ms, () => resolve(n)))
  head.then(() => {
    isAnswered = true
    if (isRead) {
      settle(true)
      return
    }
    world.counts.add('held')
    world.note(() => `the call of ${n} has an answer, and holds its slot`)
    answered()
  })
  return head
}

function answer(world: World, { kind, ms }: Work, seen: Seen, run: RunContext, settle: (ok: boolean) => void): unknown {
  const failure = new Error('failure')
  switch (kind) {
    case 'returns':
      settle(true)
      return seen.n
    case 'throws':
      settle(false)
      throw failure
    case 'thenable':
      return {
        // biome-ignore lint/suspicious/noThenProperty: what is tested is what becomes of thenables
        then: (resolve: (value: unknown) => void) => {
          later(world, ms, () => {
            settle(true)
            resolve(seen.n)
            resolve('a second answer')
          })
        },
      }
  }
  const promise = new Promise((resolve, reject) => {
    if (kind === 'resolves') resolve(seen.n)
    else if (kind === 'rejects') reject(failure)
    else if (kind === 'fails') later(world, ms, () => reject(failure))
    else if (kind === 'hangs' || kind === 'never') seen.release = () => resolve(seen.n)
    else later(world, ms, () => resolve(seen.n))
    if (kind === 'obeys') run.signal.addEventListener('abort', () => reject(failure), { once: true })
  })
  // Heard just before the executor itself hears it.
  promise.then(
    () => settle(true),
    () => settle(false),
  )
  return promise
}

function later(world: World, ms: number, then: () => void): void {
  const at = world.clock.now() + ms
  world.answersAt.push(at)
  world.clock.setTimeout(() => {
    world.answersAt.splice(world.answersAt.indexOf(at), 1)
    then()
  }, ms)
}

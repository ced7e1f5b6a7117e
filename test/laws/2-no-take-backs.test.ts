/**
 * Law 2, a full queue keeps those who would go first: a rejected request never runs, and an admitted one is never refused
 * later; only `shed` may displace it, and only for one that goes before it. With `reject` and `block` nothing is taken back.
 */
import { isTriageError, priorities, QueuedExecutor, ShedError } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { holds } from './support/holds.ts'
import { type Law, must, type Seen } from './support/world.ts'

const refusals = ['TRIAGE_QUEUE_FULL', 'TRIAGE_QUEUE_CLOSED', 'TRIAGE_DUPLICATE_REQUEST']

const codeOf = (error: unknown): string | undefined => (isTriageError(error) ? error.code : undefined)

const ran = ({ n, phase, history, calls, shared, answer }: Seen): void => {
  const started = history.includes('completed') || history.includes('failed')
  if (history.includes('rejected')) must(calls.length === 0, () => `request ${n} was rejected, and ran`)
  must(calls.length <= 1, () => `request ${n} ran ${calls.length} times`)
  if (started) must(calls.length === 1, () => `request ${n} has ended with an answer, but never ran`)
  if (history.includes('shed')) must(calls.length === 0, () => `request ${n} was shed, and ran`)
  if (shared || phase === 'joined' || !isTriageError(answer?.value)) return
  const { started: said } = answer.value
  must(said === calls.length > 0, () => `the error of request ${n} says started: ${said}, it ran ${calls.length} times`)
}

const noTakeBacks: Law = {
  always(world) {
    for (const seen of world.requests) {
      const { n, history } = seen
      const admitted = history.indexOf('queued')
      must(admitted < 0 || !history.includes('rejected'), () => `request ${n} was admitted, and rejected`)
      const shed = history.includes('shed')
      const { whenFull = 'shed' } = world.schedule.options
      must(!shed || whenFull === 'shed', () => `request ${n} was shed in another mode`)
    }
  },
  settled(world) {
    for (const seen of world.requests) {
      const { n, phase, history, answer, tier } = seen
      const code = codeOf(answer?.value) ?? ''
      if (history.includes('queued')) {
        must(!refusals.includes(code), () => `request ${n} was admitted, then refused with ${code}`)
      }
      if (!(answer?.value instanceof ShedError)) continue
      const by = priorities.indexOf(answer.value.displacedBy)
      const { order } = world.schedule.policies
      const mayBe = order === undefined ? by < tier : order === 'deadlines' || order === 'fair' ? by <= tier : true
      must(
        mayBe || seen.shared || phase === 'joined',
        () => `request ${n} was displaced by one of priority '${priorities[by]}'`,
      )
    }
  },
  atEnd(world) {
    world.requests.forEach(ran)
  },
}

holds('what was refused never runs, and what was admitted is never refused, whatever happens', noTakeBacks)

test('a request that is displaced gives way to a higher priority only, the youngest of the lowest first', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => clock.sleep(10), {
    clock,
    concurrency: 1,
    maxQueueSize: 3,
    whenFull: 'shed',
  })
  const shed: unknown[] = []
  executor.on('shed', ({ metadata }) => shed.push(metadata))
  const offer = (metadata: string, priority: 'urgent' | 'high' | 'normal' | 'low') =>
    executor.offer(metadata, { metadata, priority })
  executor.offer('running')
  await clock.settle()
  for (const name of ['low 1', 'low 2']) offer(name, 'low')
  offer('normal 1', 'normal')
  expect(offer('low 3', 'low')).toBeUndefined()
  for (const name of ['high 1', 'high 2', 'high 3']) offer(name, 'high')
  expect(offer('high 4', 'high')).toBeUndefined()
  expect(shed).toEqual(['low 2', 'low 1', 'normal 1'])
  await Promise.all([executor.close({ drain: false, graceMs: 0 }), clock.advance(1)])
})

test('whoever was blocked when close() was called is refused, whatever the listeners of the refusals do', async () => {
  const clock = new VirtualClock()
  const ran: string[] = []
  const executor = new QueuedExecutor(
    (name: string) => {
      ran.push(name)
      return clock.sleep(10)
    },
    { clock, concurrency: 1, maxQueueSize: 1, whenFull: 'block' },
  )
  const running = executor.execute('running')
  await clock.settle()
  const waiting = executor.offer('waiting')
  const blocked = ['first', 'second'].map((name) => executor.execute(name).catch(codeOf))
  // The place of a cancelled request is free for somebody, but nobody comes in any more.
  executor.on('rejected', () => waiting?.cancel())
  const closing = executor.close()
  await clock.advance(100)
  await Promise.all([running, closing])
  expect(await Promise.all(blocked)).toEqual(['TRIAGE_QUEUE_CLOSED', 'TRIAGE_QUEUE_CLOSED'])
  expect(ran).toEqual(['running'])
})

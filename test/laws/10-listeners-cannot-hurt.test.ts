/**
 * Law 10, listeners can't hurt: one that throws, rejects, submits, cancels, pauses or closes changes nothing of the
 * other laws; its error is reported, not swallowed.
 *
 * Each of the other laws is held with listeners that do all of this. Here: that their errors change nothing at all.
 */
import fc from 'fast-check'
import { type ExecutorEvent, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test, vi } from 'vitest'
import { holds, PATIENCE_MS } from './support/holds.ts'
import { schedules } from './support/schedule.ts'
import { unhandledIn } from './support/unhandled.ts'
import { type Law, must, World } from './support/world.ts'

test(
  'listeners that throw, or reject later, change nothing: every start and every answer is the same',
  async () => {
    const unheard = await unhandledIn(async () => {
      await fc.assert(
        fc.asyncProperty(schedules('reactions'), async (schedule) => {
          const [calm, hurt] = [new World(schedule, {}, 'none'), new World(schedule, {}, 'hurt')]
          await calm.play()
          await hurt.play()
          expect(hurt.trace).toEqual(calm.trace)
          const { listenerErrors, ...rest } = hurt.status
          expect(rest).toEqual({ ...calm.status, listenerErrors: undefined })
          expect(hurt.reported).toHaveLength(listenerErrors)
        }),
        { numRuns: 400 },
      )
    })
    expect(unheard).toEqual([])
  },
  PATIENCE_MS,
)

const reported: Law = {
  settled(world) {
    const { thrown, status } = world
    must(status.listenerErrors === thrown.length, () => `${thrown.length} thrown, ${status.listenerErrors} counted`)
    must(new Set([...thrown, ...world.reported]).size === thrown.length, () => 'something else was reported')
    must(world.reported.length === thrown.length, () => `${thrown.length} thrown, ${world.reported.length} reported`)
  },
}

holds('each error of a listener is reported once, the very one, whatever happens', reported)

test('the others are told although one throws, and the report names the event', async () => {
  const reports: unknown[] = []
  const executor = new QueuedExecutor((n: number) => n, {
    clock: new VirtualClock(),
    onListenerError: (error, event) => reports.push([(error as Error).message, event]),
  })
  const told: number[] = []
  executor.on('completed', () => {
    told.push(1)
    throw new Error('sync')
  })
  executor.on('completed', async () => {
    told.push(2)
    throw new Error('async')
  })
  executor.on('completed', () => ({
    // biome-ignore lint/suspicious/noThenProperty: a listener may return anything
    get then() {
      throw new Error('then')
    },
  }))
  executor.once('completed', () => told.push(3))
  expect(await executor.execute(1)).toBe(1)
  await executor.close()
  expect(told).toEqual([1, 2, 3])
  expect(reports).toEqual([
    ['sync', 'completed'],
    ['then', 'completed'],
    ['async', 'completed'],
  ])
})

test('without a handler, or with one that throws itself, the error becomes a warning of the process', async () => {
  for (const options of [
    {},
    {
      onListenerError: () => {
        throw new Error('second')
      },
    },
  ]) {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const executor = new QueuedExecutor((n: number) => n, { clock: new VirtualClock(), ...options })
    executor.on('started', () => {
      throw new Error('first')
    })
    expect(await executor.execute(1)).toBe(1)
    expect(warn).toHaveBeenCalledOnce()
    expect(warn.mock.calls[0]?.[1]).toMatchObject({ code: 'TRIAGE_LISTENER_ERROR' })
    warn.mockRestore()
  }
})

test('a listener may add and remove listeners while the event is being told', async () => {
  const executor = new QueuedExecutor((n: number) => n, { clock: new VirtualClock(), concurrency: 1 })
  const told: string[] = []
  const last = (): void => void told.push('last')
  const first = (): void => {
    told.push('first')
    executor.off('completed', last).off('completed', first)
    executor.on('completed', () => told.push('new'))
  }
  executor.on('completed', first).on('completed', last)
  await executor.execute(1)
  await executor.execute(2)
  expect(told).toEqual(['first', 'last', 'new'])
})

test('an event that a listener causes is told in full, and every number is right at each', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => clock.sleep(10), { clock, concurrency: 1, maxQueueSize: 2 })
  const told: unknown[][] = []
  for (const event of ['queued', 'cancelled', 'rejected'] as ExecutorEvent[]) {
    executor.on(event, (payload) => {
      const { waiting, totals } = executor.getStatus()
      told.push([event, (payload as { metadata?: unknown }).metadata, waiting, totals.admitted])
    })
  }
  executor.on('queued', ({ metadata, id }) => {
    if (metadata === 'b') executor.cancel(id)
    if (metadata === 'c') executor.offer('d', { metadata: 'd' })
  })
  for (const name of ['a', 'b', 'c', 'e']) executor.offer(name, { metadata: name })
  expect(told).toEqual([
    ['queued', 'a', 0, 1],
    ['queued', 'b', 1, 2],
    ['cancelled', 'b', 0, 2],
    ['queued', 'c', 1, 3],
    ['queued', 'd', 2, 4],
    ['rejected', 'e', 2, 4],
  ])
  await Promise.all([executor.close(), clock.advance(100)])
})

test('a listener of the newcomer may cancel the request that it displaces', async () => {
  const clock = new VirtualClock()
  const errors: unknown[] = []
  const executor = new QueuedExecutor(() => clock.sleep(10), {
    clock,
    concurrency: 1,
    maxQueueSize: 1,
    whenFull: 'shed',
    onListenerError: (error) => errors.push(error),
  })
  executor.offer('running')
  await clock.settle()
  const victim = executor.offer('victim', { priority: 'low' })
  const ended: string[] = []
  for (const event of ['shed', 'cancelled'] as const) executor.on(event, () => ended.push(event))
  executor.on('queued', () => void victim?.cancel())
  executor.offer('newcomer', { priority: 'urgent' })
  expect(errors).toEqual([])
  expect(ended).toHaveLength(1)
  expect(executor.getStatus()).toMatchObject({ waiting: 1, running: 1 })
  await Promise.all([executor.close(), clock.advance(100)])
  expect(executor.getStatus().totals).toMatchObject({ admitted: 3, completed: 2 })
})

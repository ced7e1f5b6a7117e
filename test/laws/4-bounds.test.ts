/**
 * Law 4, bounds: waiting ≤ maxQueueSize, always, also under re-entrancy; and every default is bounded.
 *
 * A burst that finds free slots does not count as waiting until it is dispatched: those slots are reserved for it.
 */
import { priorities, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { holds } from './support/holds.ts'
import { type Law, must, type World } from './support/world.ts'

/** As the status tells it. */
const bounds = {
  always(world: World) {
    const { total, byTier } = world.bounds
    const { waiting, waitingByPriority, blocked } = world.status
    must(waiting <= total, () => `${waiting} wait, with a bound of ${total}`)
    priorities.forEach((priority, tier) => {
      const [size, bound] = [waitingByPriority[priority], byTier[tier] as number]
      must(size <= bound, () => `${size} of priority '${priority}' wait, with a bound of ${bound}`)
    })
    const { maxBlocked = 10_000 } = world.schedule.options
    must(blocked <= maxBlocked, () => `${blocked} are blocked, with a bound of ${maxBlocked}`)
  },
  settled(world: World) {
    const { waiting, blocked } = world.status
    const counted = world.requests.filter(({ phase }) => phase === 'blocked').length
    must(blocked === counted, () => `${counted} are blocked, the status says ${blocked}`)
    must(waiting === world.line.length, () => `${world.line.length} wait, the status says ${waiting}`)
  },
} satisfies Law

/** A slot that was reserved in a burst stays reserved when it is taken away in that very burst: the start is put off. */
const boundsOfMoving = {
  ...bounds,
  settled(world: World) {
    const { waiting, running } = world.status
    const reserved = world.line.length - waiting
    must(reserved >= 0, () => `${world.line.length} wait, the status says ${waiting}`)
    must(running >= reserved, () => `${reserved} have a slot reserved, but only ${running} are said to run`)
  },
} satisfies Law

/** As it really is, once the slots are taken that were reserved. */
const real = {
  ...bounds,
  settled(world: World) {
    const { total, byTier } = world.bounds
    must(world.line.length <= total, () => `${world.line.length} wait, with a bound of ${total}`)
    byTier.forEach((bound, tier) => {
      const size = world.line.filter((seen) => seen.tier === tier).length
      must(size <= bound, () => `${size} of priority '${priorities[tier]}' wait, with a bound of ${bound}`)
    })
  },
} satisfies Law

holds('never do more wait than may, at any instant, whatever happens', bounds, { without: ['pause', 'resize'] })

holds('nor when the slots change in the very burst that counted on them', boundsOfMoving)

// Without what takes reserved slots away: a substitute goes when the stuck run settles.
holds('never do more really wait than may, once a burst is dispatched', real, {
  without: ['pause', 'resize', 'replace'],
})

test('a burst of 15 comes in with ten free slots and room for five, and not one more', async () => {
  const clock = new VirtualClock()
  for (const whenFull of ['reject', 'block', 'shed'] as const) {
    const options = { clock, concurrency: 10, maxQueueSize: 5, whenFull }
    const executor = new QueuedExecutor(() => clock.sleep(10), options)
    for (let i = 0; i < 30; i++) executor.execute(i).catch(() => {})
    for (const moment of ['in the burst', 'after it']) {
      const { waiting, running, blocked, totals } = executor.getStatus()
      const outside = whenFull === 'block' ? { blocked: 15, rejected: 0 } : { blocked: 0, rejected: 15 }
      expect({ waiting, running, blocked, rejected: totals.rejected }, `${whenFull}, ${moment}`).toEqual({
        waiting: 5,
        running: 10,
        ...outside,
      })
      await clock.settle()
    }
    await Promise.all([executor.close({ drain: false }), clock.advance(20)])
  }
})

test('a request that takes its slot lets one blocked caller in, not two', async () => {
  const clock = new VirtualClock()
  const options = { clock, concurrency: 1, maxQueueSize: 1, whenFull: 'block' as const }
  const executor = new QueuedExecutor(() => clock.sleep(10), options)
  for (let i = 0; i < 5; i++) executor.execute(i).catch(() => {})
  await clock.settle()
  const { waiting, running, activeWorkers, blocked } = executor.getStatus()
  expect({ waiting, running, activeWorkers, blocked }).toEqual({ waiting: 1, running: 1, activeWorkers: 1, blocked: 3 })
  await Promise.all([executor.close({ drain: false }), clock.advance(20)])
})

test('ready() does not promise the place of a slot that is just being taken', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => clock.sleep(10), { clock, concurrency: 1, maxQueueSize: 1 })
  for (let i = 0; i < 2; i++) executor.offer(i)
  let ready = 0
  for (let i = 0; i < 2; i++)
    executor.ready().then(
      () => ready++,
      () => {},
    )
  executor.offer(2)
  await clock.settle()
  expect(executor.getStatus().waiting).toBe(1)
  expect(ready).toBe(0)
  await Promise.all([executor.close(), clock.advance(40)])
})

test('a priority with a bound of its own keeps to it within a burst, whoever gets the slots', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => clock.sleep(10), {
    clock,
    concurrency: 2,
    maxQueueSize: { total: 10, low: 1 },
  })
  expect(executor.offer('low', { priority: 'low' })).toBeDefined()
  expect(executor.offer('low', { priority: 'low' })).toBeUndefined()
  for (let i = 0; i < 2; i++) expect(executor.offer('urgent', { priority: 'urgent' })).toBeDefined()
  await clock.settle()
  expect(executor.getStatus().waitingByPriority).toEqual({ urgent: 0, high: 0, normal: 0, low: 1 })
  await Promise.all([executor.close(), clock.advance(40)])
})

test('a slot that was reserved and taken away stays reserved: the bound is kept, the start put off', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor(() => clock.sleep(10), { clock, concurrency: 10, maxQueueSize: 5 })
  for (let i = 0; i < 10; i++) executor.offer(i)
  executor.concurrency = 1
  await clock.settle()
  const { running, activeWorkers, waiting } = executor.getStatus()
  expect({ running, activeWorkers, waiting }).toEqual({ running: 10, activeWorkers: 10, waiting: 0 })
  const busy = executor.getWorkerHealth().filter(({ currentRequest }) => currentRequest !== null)
  expect(busy.length).toBe(1)
  for (let i = 0; i < 5; i++) expect(executor.offer(i)).toBeDefined()
  expect(executor.offer('one more')).toBeUndefined()
  await Promise.all([executor.close(), clock.advance(200)])
})

test('nobody comes in at any moment of a full queue, from inside any listener', async () => {
  const clock = new VirtualClock()
  const executor = new QueuedExecutor<number, unknown>((n) => (n % 2 ? clock.sleep(5) : n), {
    clock,
    concurrency: 2,
    maxQueueSize: 3,
  })
  let most = 0
  const press = (): void => {
    for (let i = 0; i < 5 && executor.getStatus().totals.admitted < 300; i++) executor.offer(i)
    most = Math.max(most, executor.getStatus().waiting)
  }
  for (const event of ['queued', 'started', 'completed', 'full', 'idle'] as const) executor.on(event, press)
  press()
  await Promise.all([executor.close(), clock.run()])
  expect(most).toBe(3)
})

test('by default the queue and the blocked callers are bounded; 0 and Infinity ask for no bound', async () => {
  const clock = new VirtualClock()
  const admittedBy = (options: object): number => {
    const executor = new QueuedExecutor(() => {}, { clock, ...options })
    executor.pause()
    let admitted = 0
    while (admitted < 10_500 && executor.offer(admitted) !== undefined) admitted++
    return admitted
  }
  expect(admittedBy({})).toBe(10_000)
  expect(admittedBy({ maxQueueSize: 0 })).toBe(10_500)
  expect(admittedBy({ maxQueueSize: Number.POSITIVE_INFINITY })).toBe(10_500)

  const executor = new QueuedExecutor(() => {}, { clock, maxQueueSize: 1, whenFull: 'block' })
  executor.pause()
  for (let i = 0; i < 10_500; i++) executor.execute(i).catch(() => {})
  expect(executor.getStatus().blocked).toBe(10_000)
  await executor.close({ drain: false })
})

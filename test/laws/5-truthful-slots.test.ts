/**
 * Law 5, truthful slots: the calls of the executor that have not settled never exceed `concurrency`, those of runs that
 * timed out or were cancelled included; `onStuck: 'replace'` grants substitutes under a stated cap. Both are visible.
 */
import fc from 'fast-check'
import { QueuedExecutor, RunTimeoutError, WorkerPool } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { holds, PATIENCE_MS } from './support/holds.ts'
import { type Law, must, type World } from './support/world.ts'

const neverTooMany: Law = {
  always(world) {
    must(world.tooMany.length === 0, () => world.tooMany.join('; '))
  },
}

const truthful: Law = {
  ...neverTooMany,
  settled(world: World) {
    const { activeWorkers, stuckWorkers, replacedWorkers, state } = world.status
    const workers = world.executor.getWorkerHealth()
    const busy = workers.filter(({ currentRequest }) => currentRequest !== null).length
    const ill = workers.filter(({ healthy }) => !healthy).length
    must(busy === world.unsettled, () => `${world.unsettled} calls go on, the health says ${busy}`)
    must(ill === stuckWorkers, () => `${stuckWorkers} slots are stuck, ${ill} are not healthy`)
    must(replacedWorkers <= stuckWorkers, () => `${replacedWorkers} substitutes for ${stuckWorkers} stuck slots`)
    // A slot that was reserved in a burst counts as active, also when its start is put off.
    const reserved = world.line.length - world.status.waiting
    must(activeWorkers === world.unsettled + reserved, () => {
      return `${world.unsettled} calls and ${reserved} reserved slots, the status says ${activeWorkers}`
    })
    // One that is closed has no timer any more.
    if (state === 'closed') return
    must(stuckWorkers === world.stuck, () => `${world.stuck} calls are stuck, the status says ${stuckWorkers}`)
  },
}

holds('never do more calls go on than there are slots, substitutes included, whatever happens', neverTooMany, {
  without: ['limit'],
})

holds('the status and the health tell the truth about calls and stuck slots', truthful, { without: ['limit'] })

/** Calls that hang until they are let go, and how many of them do. */
function hanging(options: { concurrency: number; onStuck?: 'hold' | 'replace'; maxReplaced?: number }) {
  const clock = new VirtualClock()
  const letGo: (() => void)[] = []
  const signals: AbortSignal[] = []
  let calls = 0
  let most = 0
  const executor = new QueuedExecutor(
    (_request, { signal }) => {
      signals.push(signal)
      most = Math.max(most, ++calls)
      return new Promise<void>((resolve) => {
        letGo.push(() => {
          calls--
          resolve()
        })
      })
    },
    { clock, runTimeoutMs: 10, ...options },
  )
  return { clock, executor, letGo, signals, calls: () => calls, most: () => most }
}

test('a run that timed out keeps its slot until its call settles; caller and signal are told at once', async () => {
  const { clock, executor, letGo, signals, calls, most } = hanging({ concurrency: 2 })
  const answers = Array.from({ length: 4 }, (_, i) => executor.execute(i).catch((error) => error))
  await clock.advance(10)
  const errors = await Promise.all(answers.slice(0, 2))
  expect(errors).toEqual([expect.any(RunTimeoutError), expect.any(RunTimeoutError)])
  expect(signals.map(({ reason }) => reason)).toEqual(errors)
  await clock.advance(1_000)
  expect(calls()).toBe(2)
  expect(executor.getStatus()).toMatchObject({ waiting: 2, running: 0, activeWorkers: 2, stuckWorkers: 2 })
  letGo[0]?.()
  await clock.settle()
  expect(calls()).toBe(2)
  expect(executor.getStatus()).toMatchObject({ waiting: 1, running: 1, activeWorkers: 2, stuckWorkers: 1 })
  for (const go of letGo) go()
  expect(most()).toBe(2)
})

test('a cancelled run keeps its slot until its call settles', async () => {
  const { clock, executor, letGo, signals, calls } = hanging({ concurrency: 1 })
  const first = executor.offer(1)
  executor.offer(2)
  await clock.settle()
  first?.cancel()
  expect(signals[0]?.aborted).toBe(true)
  await clock.settle()
  expect(calls()).toBe(1)
  expect(executor.getStatus()).toMatchObject({ waiting: 1, running: 0, activeWorkers: 1 })
  letGo[0]?.()
  await clock.settle()
  expect(executor.getStatus()).toMatchObject({ waiting: 0, running: 1, activeWorkers: 1 })
})

test('substitutes for stuck slots end at the cap, and go when the stuck calls settle', async () => {
  const { clock, executor, letGo, calls, most } = hanging({ concurrency: 2, onStuck: 'replace', maxReplaced: 3 })
  for (let i = 0; i < 20; i++) executor.offer(i)
  await clock.advance(1_000)
  expect(calls()).toBe(5)
  expect(executor.getStatus()).toMatchObject({ activeWorkers: 5, stuckWorkers: 5, replacedWorkers: 3 })
  // More are stuck than the cap allows to replace: the substitute is for another one now.
  letGo[0]?.()
  await clock.settle()
  expect(calls()).toBe(5)
  expect(executor.getStatus()).toMatchObject({ activeWorkers: 5, stuckWorkers: 4, replacedWorkers: 3 })
  await clock.advance(10)
  executor.pause()
  for (const n of [1, 2, 3]) letGo[n]?.()
  await clock.settle()
  expect(executor.getStatus()).toMatchObject({ activeWorkers: 2, stuckWorkers: 2, replacedWorkers: 2 })
  expect(most()).toBe(5)
})

test('a slot is stuck from the deadline of its run until its call settles, and is announced once', async () => {
  const { clock, executor, letGo } = hanging({ concurrency: 1 })
  const stuck: unknown[] = []
  executor.on('stuck', ({ metadata, runMs }) => stuck.push([metadata, runMs]))
  executor.offer(1, { metadata: 'a' })
  await clock.advance(9)
  expect(executor.getWorkerHealth()).toMatchObject([{ healthy: true, since: 0 }])
  await clock.advance(500)
  expect(executor.getWorkerHealth()).toMatchObject([{ healthy: false, since: 0 }])
  letGo[0]?.()
  await clock.settle()
  expect(executor.getWorkerHealth()).toMatchObject([{ healthy: true, currentRequest: null, totalProcessed: 1 }])
  expect(stuck).toEqual([['a', 10]])
})

test('a run whose caller has left is stuck at its deadline all the same', async () => {
  for (const timeout of [{ runTimeoutMs: 10 }, { runTimeoutMs: 100, timeoutMs: 10 }]) {
    const { clock, executor, letGo } = hanging({ concurrency: 1, onStuck: 'replace' })
    const request = executor.offer(1, timeout)
    executor.offer(2)
    await clock.advance(5)
    request?.cancel()
    await clock.advance(5)
    expect(executor.getStatus(), JSON.stringify(timeout)).toMatchObject({ stuckWorkers: 1, running: 1 })
    for (const go of letGo) go()
  }
})

test('a smaller concurrency shrinks as runs end; a larger one starts more at once', async () => {
  const { clock, executor, letGo, calls } = hanging({ concurrency: 3 })
  for (let i = 0; i < 10; i++) executor.offer(i, { runTimeoutMs: 1_000 })
  await clock.settle()
  executor.concurrency = 1
  const left: number[] = []
  for (let i = 0; i < 3; i++) {
    letGo[i]?.()
    await clock.settle()
    left.push(calls())
  }
  expect(left).toEqual([2, 1, 1])
  executor.concurrency = 4
  await clock.settle()
  expect(calls()).toBe(4)
})

test(
  'slots used on their own are as truthful',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.nat(2),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(10)), { maxLength: 30 }),
        async (concurrency, maxReplaced, runs) => {
          const clock = new VirtualClock()
          let calls = 0
          let most = 0
          const pool = new WorkerPool<number, void>(
            async (ms) => {
              most = Math.max(most, ++calls)
              await clock.sleep(ms)
              calls--
            },
            { clock, concurrency, runTimeoutMs: 20, onStuck: maxReplaced > 0 ? 'replace' : 'hold', maxReplaced },
          )
          const told: Promise<unknown>[] = []
          for (const [ms, gapMs] of runs) {
            told.push(pool.run(ms).catch((error) => error.code))
            await clock.advance(gapMs)
            expect(pool.active).toBe(calls)
          }
          await clock.run()
          await Promise.all([...told, pool.idle(), pool.available()])
          expect(most).toBeLessThanOrEqual(concurrency + maxReplaced)
          expect([calls, pool.active, pool.free, clock.timers]).toEqual([0, 0, concurrency, 0])
        },
      ),
      { numRuns: 100 },
    )
  },
  PATIENCE_MS,
)

/**
 * Law 7, handover: a slot is handed over, not freed and taken again. No newcomer can overtake the one who was promised
 * it, nor pass those who are blocked.
 */
import fc from 'fast-check'
import { QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { holds, PATIENCE_MS } from './support/holds.ts'
import { type Law, must } from './support/world.ts'

const busy = fc.record({
  concurrency: fc.integer({ min: 1, max: 4 }),
  waiting: fc.integer({ min: 1, max: 10 }),
  durations: fc.array(fc.nat(3), { minLength: 20, maxLength: 20 }),
  event: fc.constantFrom('completed' as const, 'failed' as const, 'started' as const, 'queued' as const),
  from: fc.constantFrom('a listener' as const, "the caller's continuation" as const, 'the executor' as const),
  newcomers: fc.integer({ min: 1, max: 3 }),
})

test(
  'while somebody waits no slot is ever seen free, and newcomers of the same priority start after all who waited',
  async () => {
    await fc.assert(
      fc.asyncProperty(busy, async ({ concurrency, waiting, durations, event, from, newcomers }) => {
        const clock = new VirtualClock()
        const started: number[] = []
        const idle: string[] = []
        let submitted = 0
        let dispatched = false
        const executor = new QueuedExecutor<number, number>(
          (n) => {
            started.push(n)
            if (from === 'the executor') bringMore()
            const ms = durations[n % durations.length] as number
            if (event === 'failed' && n % 2) throw new Error(`${n}`)
            return ms === 0 ? n : clock.sleep(ms).then(() => n)
          },
          { clock, concurrency },
        )
        const look = (where: string): void => {
          const { activeWorkers, waiting } = executor.getStatus()
          if (dispatched && waiting > 0 && activeWorkers < concurrency) idle.push(`${where}: ${activeWorkers} active`)
        }
        const bring = (): void => {
          const continued = (): void => {
            look('continuation')
            if (from === "the caller's continuation") bringMore()
          }
          executor.execute(submitted++).then(continued, continued)
        }
        const bringMore = (): void => {
          for (let i = 0; i < newcomers && submitted < 60; i++) bring()
        }
        for (const each of ['completed', 'failed', 'started', 'queued', 'idle'] as const) {
          executor.on(each, () => look(each))
        }
        executor.on(event, () => {
          if (from === 'a listener') bringMore()
        })
        for (let i = 0; i < concurrency + waiting; i++) bring()
        await clock.settle()
        dispatched = true
        await clock.run()
        expect(idle).toEqual([])
        expect(started).toEqual(Array.from({ length: submitted }, (_, n) => n))
        await executor.close()
      }),
      { numRuns: 80 },
    )
  },
  PATIENCE_MS,
)

const noPassing: Law = {
  always(world) {
    must(world.passed.length === 0, () => world.passed.join('; '))
  },
}

holds(
  'nobody comes in before those who are blocked, and they come in by priority, then first-in first-out',
  noPassing,
  { without: ['reject', 'shed', 'policies'] },
)

test('a newcomer from inside a listener does not pass the blocked, whatever has just made room', async () => {
  const ways = ['cancelled', 'expired', 'shed', 'stuck', 'completed', 'resumed', 'resized'] as const
  for (const way of ways) {
    const clock = new VirtualClock()
    const started: string[] = []
    const executor = new QueuedExecutor<string, void>(
      (name) => {
        started.push(name)
        return clock.sleep(name === 'running' && way === 'stuck' ? 1_000 : 10)
      },
      { clock, concurrency: 1, maxQueueSize: 1, whenFull: 'block', onStuck: 'replace', runTimeoutMs: 100 },
    )
    executor.offer('running')
    await clock.settle()
    if (way === 'resumed') executor.pause()
    const waiting = executor.offer('waiting', way === 'expired' ? { waitTimeoutMs: 5 } : {})
    executor.execute('blocked').catch(() => {})
    const press = (): void => {
      executor.execute('newcomer', { priority: 'low' }).catch(() => {})
      executor.offer('offered', { priority: 'low' })
    }
    if (way === 'resized') executor.on('queued', press)
    else executor.once(way, press)
    if (way === 'cancelled') waiting?.cancel()
    if (way === 'resumed') executor.resume()
    if (way === 'resized') executor.concurrency = 3
    await clock.advance(200)
    const others = started.filter((name) => name === 'newcomer' || name === 'offered')
    if (others.length > 0) expect(started.indexOf('blocked'), way).toBeLessThan(started.indexOf(others[0] as string))
    await Promise.all([executor.close({ graceMs: 100 }), clock.advance(2_000)])
  }
})

test('nor does one from the listener of a caller who comes in pass those who are blocked behind that caller', async () => {
  for (const way of ['resumed', 'resized'] as const) {
    const clock = new VirtualClock()
    const started: string[] = []
    const executor = new QueuedExecutor<string, void>(
      (name) => {
        started.push(name)
        return clock.sleep(10)
      },
      { clock, concurrency: way === 'resumed' ? 3 : 1, maxQueueSize: 1, whenFull: 'block' },
    )
    if (way === 'resumed') executor.pause()
    else executor.offer('running')
    await clock.settle()
    executor.offer('waiting')
    for (const name of ['first', 'second']) executor.execute(name)
    executor.once('queued', () => void executor.execute('newcomer'))
    if (way === 'resumed') executor.resume()
    else executor.concurrency = 3
    await Promise.all([executor.idle(), clock.advance(100)])
    expect(started.slice(-4), way).toEqual(['waiting', 'first', 'second', 'newcomer'])
    await executor.close()
  }
})

test('an urgent newcomer may go first in the queue, but does not get a slot that is handed over already', async () => {
  const clock = new VirtualClock()
  const started: string[] = []
  const executor = new QueuedExecutor(
    (name: string) => {
      started.push(name)
      return clock.sleep(10)
    },
    { clock, concurrency: 1 },
  )
  executor.on('started', ({ metadata }) => {
    if (metadata === 'next') executor.offer('urgent', { priority: 'urgent' })
  })
  for (const name of ['first', 'next', 'last']) executor.offer(name, { metadata: name })
  await Promise.all([clock.advance(100)])
  expect(started).toEqual(['first', 'next', 'urgent', 'last'])
})

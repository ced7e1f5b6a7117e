/**
 * A priority with slots of its own finds one free, whatever the others do; and nothing else is broken by it.
 */
import fc from 'fast-check'
import { type Priority, priorities, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

function timed(options: QueuedExecutorOptions<number>) {
  const clock = new VirtualClock()
  const started: string[] = []
  const queue = new QueuedExecutor(
    async (ms: number, run) => {
      started.push(`${run.priority} at ${clock.now()}`)
      await clock.sleep(ms)
    },
    { clock, concurrency: 3, ...options },
  )
  const send = (priority: Priority, times = 1, ms = 10) =>
    Array.from({ length: times }, () => queue.execute(ms, { priority }).catch((error) => error))
  return { clock, queue, started, send }
}

describe('reserved slots', () => {
  test('are for one who gets their priority while it waits, at once', async () => {
    const clock = new VirtualClock()
    const started: string[] = []
    const run = async (name: string) => {
      started.push(`${name} at ${clock.now()}`)
      await clock.sleep(10)
    }
    const queue = new QueuedExecutor(run, { clock, concurrency: 2, reserve: { urgent: 1 } })
    const [first, second] = [await queue.submit('a'), await queue.submit('b', { priority: 'low' })]
    await clock.advance(5)
    expect(started).toEqual(['a at 0'])
    expect(second.setPriority('urgent')).toBe(true)
    await clock.run({ until: Promise.all([first.result, second.result]) })
    expect(started).toEqual(['a at 0', 'b at 5'])
  })

  test('stay free for their priority, which starts at once', async () => {
    const { clock, queue, started, send } = timed({ reserve: { urgent: 1 } })
    const ends = send('low', 4, 100)
    await clock.advance(5)
    expect(queue.getStatus()).toMatchObject({ running: 2, waiting: 2, activeWorkers: 2 })
    ends.push(...send('urgent', 2))
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual(['low at 0', 'low at 0', 'urgent at 5', 'urgent at 15', 'low at 100', 'low at 100'])
  })

  test('are a floor, not a ceiling: more of it take the common slots, in their order', async () => {
    const { clock, started, send } = timed({ reserve: { low: 1 } })
    await clock.run({ until: Promise.all([...send('low', 3), ...send('urgent', 3)]) })
    expect(started).toEqual(['low at 0', 'urgent at 0', 'urgent at 0', 'low at 10', 'urgent at 10', 'low at 10'])
  })

  test('that are lent are used meanwhile, and come back as runs end', async () => {
    const { clock, started, send } = timed({ reserve: { urgent: 1, low: 1 }, lendReserve: true })
    const ends = send('normal', 6, 20)
    await clock.advance(5)
    ends.push(...send('low', 2, 20))
    await clock.run({ until: Promise.all(ends) })
    expect(started.slice(0, 3)).toEqual(['normal at 0', 'normal at 0', 'normal at 0'])
    // The first slot that comes free is owed to low; then it has its floor.
    expect(started.slice(3, 6)).toEqual(['low at 20', 'normal at 20', 'normal at 20'])
    expect(started[6]).toBe('low at 40')
  })

  test('do not count as room for others: the bound holds, and retries, blocked callers and close() go on', async () => {
    const { clock, queue, started, send } = timed({ reserve: { urgent: 2 }, maxQueueSize: 1, whenFull: 'block' })
    const ends = send('normal', 4, 10)
    await clock.advance(1)
    expect(queue.getStatus()).toMatchObject({ running: 1, waiting: 1, blocked: 2 })
    ends.push(...send('urgent', 1, 1))
    await clock.run({ until: Promise.all(ends) })
    expect(started).toHaveLength(5)
    const closed = queue.close()
    await clock.run({ until: closed })
    expect(clock.timers).toBe(0)
  })

  test('close() awaited inside a run ends, when what waits could only have its slot', async () => {
    const clock = new VirtualClock()
    const ended: string[] = []
    const queue: QueuedExecutor<string, void> = new QueuedExecutor(
      async (name: string) => {
        await clock.sleep(1)
        if (name === 'closer') await queue.close()
        ended.push(name)
      },
      { clock, concurrency: 2, reserve: { urgent: 1 } },
    )
    await clock.run({ until: Promise.all([queue.execute('closer'), queue.execute('waiting')]) })
    expect(ended).toEqual(['closer', 'waiting'])
  })

  test.each<[QueuedExecutorOptions<number>, string]>([
    [{ reserve: { urgent: 4 } }, "Option 'reserve': expected at most 3 slots in all (concurrency)"],
    [{ reserve: { urgent: 2, low: 1 } }, 'since without one high, normal would never run'],
    [{ reserve: { urgent: -1 } }, "Option 'reserve.urgent': expected an object"],
    [{ reserve: 2 as never }, "Option 'reserve': expected an object"],
    [{ lendReserve: 1 as never }, "Option 'lendReserve': expected a boolean, got 1"],
  ])('%j is refused', (options, message) => {
    expect(() => timed(options)).toThrow(message)
  })
})

test('whatever comes, no priority runs less than it could have had, and no more than there are slots', async () => {
  const arrival = fc.record({ tier: fc.nat(3), ms: fc.integer({ min: 1, max: 30 }), after: fc.nat(8) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(arrival, { maxLength: 60, size: 'max' }),
      fc.tuple(fc.nat(2), fc.nat(1), fc.nat(1), fc.nat(1)),
      fc.boolean(),
      fc.boolean(),
      async (arrivals, floors, lendReserve, across) => {
        const reserve = Object.fromEntries(priorities.map((priority, tier) => [priority, floors[tier]]))
        // Slots for all floors, and one for everyone.
        const concurrency = floors.reduce((sum, floor) => sum + floor, 0) + 1
        const order = {
          name: 'oldest',
          acrossTiers: true,
          rank: ({ admittedAt }: { admittedAt: number }) => admittedAt,
        }
        const { clock, queue, send } = timed({ reserve, lendReserve, concurrency, ...(across ? { order } : {}) })
        const running = [0, 0, 0, 0]
        const count = (priority: Priority, by: number): void => {
          running[priorities.indexOf(priority)] = (running[priorities.indexOf(priority)] as number) + by
        }
        queue.on('started', ({ priority }) => count(priority, 1)).on('completed', ({ priority }) => count(priority, -1))
        const check = (): void => {
          const { waitingByPriority, activeWorkers } = queue.getStatus()
          expect(activeWorkers).toBeLessThanOrEqual(concurrency)
          const free = concurrency - activeWorkers
          for (const [tier, priority] of priorities.entries()) {
            const floor = floors[tier] as number
            if (waitingByPriority[priority] === 0) continue
            // It waits: then, unless its slots are lent, it has its floor; and no free slot is left that it could take.
            if (!lendReserve) expect(running[tier]).toBeGreaterThanOrEqual(floor)
            const kept = lendReserve
              ? 0
              : floors.reduce((sum, each, t) => sum + (t === tier ? 0 : Math.max(each - (running[t] as number), 0)), 0)
            expect(free).toBeLessThanOrEqual(kept)
          }
        }
        const ends: Promise<unknown>[] = []
        for (const { tier, ms, after } of arrivals) {
          ends.push(...send(priorities[tier] as Priority, 1, ms))
          await clock.advance(after)
          check()
        }
        await clock.run({ until: Promise.all(ends) })
        expect(queue.getStatus()).toMatchObject({ running: 0, waiting: 0, totals: { completed: arrivals.length } })
      },
    ),
    { numRuns: 100 },
  )
})

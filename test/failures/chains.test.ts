/**
 * Requests that wait for each other, one after the other: each starts as soon as the one before it has ended, and a long chain
 * lets the rest of the program go on.
 */
import { type Clock, QueuedExecutor, type QueuedRequest, systemClock } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { gated, turn, watch } from './support.ts'

/** Each link waits for the one before it; the results of all. */
function chain(queue: QueuedExecutor<number, number>, links: number): Promise<number>[] {
  let before: QueuedRequest<number, number> | undefined
  return Array.from({ length: links }, (_, n) => {
    before = queue.offer(n, before === undefined ? {} : { after: [before] }) as QueuedRequest<number, number>
    return before.result
  })
}

describe('a chain of requests', () => {
  test('needs no timer for its links, and lets others have their turn', async () => {
    let timers = 0
    const clock: Clock = {
      ...systemClock,
      setTimeout: (callback, delayMs) => {
        timers++
        return systemClock.setTimeout(callback, delayMs)
      },
    }
    const order: number[] = []
    const queue = new QueuedExecutor((n: number) => order.push(n), { clock, maxQueueSize: 0, concurrency: 1 })
    const ends = chain(queue, 100_000)
    let isOver = false
    let turns = 0
    const others = async (): Promise<void> => {
      while (!isOver) {
        await turn()
        turns++
      }
    }
    const counted = others()
    await Promise.all(ends)
    isOver = true
    await counted
    expect(order).toEqual(Array.from({ length: 100_000 }, (_, n) => n))
    // One to keep the process alive, and perhaps one more after a rest.
    expect(timers).toBeLessThan(5)
    expect(turns).toBeGreaterThan(100)
  }, 60_000)

  test('takes no time on a virtual clock, and sets no timer', async () => {
    const clock = new VirtualClock()
    const queue = new QueuedExecutor((n: number) => n, { clock, maxQueueSize: 0 })
    const end = watch(Promise.all(chain(queue, 2_000)))
    await clock.settle()
    expect([end.state, clock.now(), clock.timers]).toEqual(['fulfilled', 0, 0])
  })

  test('is cancelled link by link when its first fails, and lets others have their turn meanwhile', async () => {
    const queue = new QueuedExecutor(
      (_: number): number => {
        throw new Error('no')
      },
      { maxQueueSize: 0 },
    )
    const [first, ...others] = chain(queue, 2_000).map((end) => watch(end))
    const last = others.at(-1)
    await first?.done
    await turn()
    expect(last?.state).toBe('pending')
    await last?.done
    expect(new Set(others.map(({ outcome }) => outcome))).toEqual(new Set(['TRIAGE_CANCELLED']))
  })
})

test('many that wait for the same one come to the queue in their order, though there are turns between them', async () => {
  const clock = new VirtualClock()
  const order: number[] = []
  const queue = new QueuedExecutor((n: number) => order.push(n), { clock, maxQueueSize: 0, concurrency: 1 })
  const first = await queue.submit(0)
  for (let n = 1; n < 1_000; n++) queue.offer(n, { after: [first] })
  await clock.settle()
  expect(order).toEqual(Array.from({ length: 1_000 }, (_, n) => n))
})

describe('one that waits for others and for a time', () => {
  test.each([
    [5, 20],
    [20, 5],
    [20, 20],
  ])('the others have ended at %i ms, its time is %i ms: it starts at the later of both', async (endAt, delayMs) => {
    const { clock, gate, queue } = gated({ concurrency: 2 })
    queue.execute('later', { after: [clock.sleep(endAt)], delayMs })
    const startsAt = Math.max(endAt, delayMs)
    await clock.advanceTo(startsAt - 1)
    expect(gate.started).toEqual([])
    await clock.advanceTo(startsAt)
    expect(gate.started).toEqual(['later'])
    await gate.finishAll()
  })

  test('one that was cancelled while its turn was put off stays cancelled', async () => {
    const clock = new VirtualClock()
    const order: number[] = []
    const queue = new QueuedExecutor((n: number) => order.push(n), { clock, maxQueueSize: 0, concurrency: 1 })
    const first = await queue.submit(0)
    const all = Array.from({ length: 300 }, (_, n) => queue.offer(n + 1, { after: [first] }))
    const ends = all.map((request) => watch((request as QueuedRequest<number, number>).result))
    await first.result
    // All but the last few have come, as the turn of those is put off.
    await Promise.resolve().then(() => Promise.resolve())
    for (const request of all) request?.cancel()
    await clock.settle()
    const last = ends.at(-1)
    expect(last?.outcome).toBe('TRIAGE_CANCELLED')
    expect(order).not.toContain(300)
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0 })
  })
})

/**
 * A queue on its own, at its edges: bounds, clocks, policies that throw, takers who leave.
 */
import { getEventListeners } from 'node:events'
import { type OrderPolicy, type Priority, RequestQueue } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

describe('the bound', () => {
  test('is 10,000, unless another was said; 0 and Infinity are none', () => {
    expect(new RequestQueue().getStatus().maxQueueSize).toBe(10_000)
    for (const maxQueueSize of [0, Number.POSITIVE_INFINITY]) {
      expect(new RequestQueue({ maxQueueSize }).getStatus().maxQueueSize).toBe(Number.POSITIVE_INFINITY)
    }
    expect(() => new RequestQueue({ maxQueueSize: -1 })).toThrow("Option 'maxQueueSize'")
  })

  test('does not count what a taker takes at once', async () => {
    const queue = new RequestQueue<number>({ maxQueueSize: 1 })
    const takes = [queue.take(), queue.take()]
    for (const request of [1, 2, 3]) queue.enqueue(request)
    expect(() => queue.enqueue(4)).toThrow(
      expect.objectContaining({ message: 'The queue is full: 1 of at most 1 requests wait', bound: 'total' }),
    )
    expect(await Promise.all(takes)).toEqual([1, 2])
    expect(queue.getStatus()).toMatchObject({ size: 1, enqueued: 3, dequeued: 2, removed: 0 })
  })
})

test('a ticket tells what it is for; one whose request a taker has taken waits no more', async () => {
  const clock = new VirtualClock(30)
  const queue = new RequestQueue<string>({ clock })
  const take = queue.take()
  const taken = queue.enqueue('a')
  expect(taken).toMatchObject({ request: 'a', priority: 'normal', enqueuedAt: 30 })
  expect(queue.position(taken)).toBeUndefined()
  expect(queue.remove(taken)).toBe(false)
  await take
  const ticket = queue.enqueue('b', { priority: 'low' })
  expect(ticket.priority).toBe('low')
  expect(queue.setPriority(ticket, 'urgent')).toBe(true)
  expect(ticket.priority).toBe('urgent')
  expect(queue.position({ ...ticket })).toBeUndefined()
})

test('with nothing in it there is nothing to take, and nothing is counted', () => {
  const queue = new RequestQueue<number>()
  expect([queue.peek(), queue.dequeue(), queue.clear()]).toEqual([undefined, undefined, []])
  expect(queue.getStatus()).toMatchObject({ dequeued: 0, removed: 0, averageWaitMs: 0, oldestWaitMs: 0 })
})

test('what is no priority is refused wherever one is given, though the queue is closed', () => {
  const queue = new RequestQueue<number>()
  const ticket = queue.enqueue(1)
  queue.close()
  const none = 'first' as Priority
  expect(() => queue.enqueue(1, { priority: none })).toThrow("Option 'priority'")
  expect(() => queue.setPriority(ticket, none)).toThrow("Option 'priority'")
  expect(() => queue.sizeOf(none)).toThrow("Option 'priority'")
  expect(() => queue.enqueue(2, { priority: 'low' })).toThrow(
    expect.objectContaining({ code: 'TRIAGE_QUEUE_CLOSED', priority: 'low' }),
  )
})

test('waits are averaged over all that were dequeued; the longest of the heads is shown; a clock that runs back costs none', async () => {
  const clock = new VirtualClock(100)
  const queue = new RequestQueue<string>({ clock })
  queue.enqueue('a', { priority: 'low' })
  await clock.advance(10)
  queue.enqueue('b')
  await clock.advance(10)
  expect(queue.getStatus().oldestWaitMs).toBe(20)
  queue.dequeue()
  expect(queue.getStatus()).toMatchObject({ averageWaitMs: 10, oldestWaitMs: 20 })
  queue.dequeue()
  expect(queue.getStatus()).toMatchObject({ averageWaitMs: 15, oldestWaitMs: 0, dequeued: 2 })
  let at = 50
  const back = new RequestQueue<string>({ clock: { now: () => at, setTimeout: () => {}, clearTimeout: () => {} } })
  back.enqueue('a')
  at = 20
  back.dequeue()
  expect(back.getStatus().averageWaitMs).toBe(0)
})

test('what is cleared counts as removed', () => {
  const queue = new RequestQueue<number>()
  for (const request of [1, 2]) queue.enqueue(request)
  queue.remove(queue.enqueue(3))
  queue.clear()
  expect(queue.getStatus()).toMatchObject({ enqueued: 3, dequeued: 0, removed: 3, size: 0 })
})

test.each([[null], [{}], ['strict']])('%j is no order policy', (order) => {
  expect(() => new RequestQueue({ order: order as never })).toThrow("Option 'order' must be an order policy, but is ")
})

describe('an order policy', () => {
  const throws = (when: 'rank' | 'started' | 'left'): OrderPolicy => {
    const fail = () => {
      throw new Error(`${when} throws`)
    }
    return { name: 'throws', acrossTiers: false, rank: () => 0, [when]: fail }
  }

  test('that throws changes nothing: what was to come, start or leave has not', () => {
    const coming = new RequestQueue<number>({ order: throws('rank') })
    expect(() => coming.enqueue(1)).toThrow('rank throws')
    expect(coming.getStatus()).toMatchObject({ size: 0, enqueued: 0 })
    const starting = new RequestQueue<number>({ order: throws('started') })
    starting.enqueue(1)
    expect(() => starting.dequeue()).toThrow('started throws')
    expect(starting.getStatus()).toMatchObject({ size: 1, dequeued: 0 })
    const leaving = new RequestQueue<number>({ order: throws('left') })
    const ticket = leaving.enqueue(1)
    expect(() => leaving.remove(ticket)).toThrow('left throws')
    expect(leaving.getStatus()).toMatchObject({ size: 1, removed: 0 })
    expect(leaving.peek()).toBe(1)
  })

  test('is told of each that starts, and of each that leaves', () => {
    const told: unknown[] = []
    const queue = new RequestQueue<number>({
      order: {
        name: 'told',
        acrossTiers: false,
        rank: ({ sequence, tier }) => sequence * 10 + tier,
        started: ({ request }, rank) => told.push(['started', request, rank]),
        left: ({ request }, rank) => told.push(['left', request, rank]),
      },
    })
    const tickets = [1, 2, 3].map((request) => queue.enqueue(request))
    queue.dequeue()
    queue.remove(tickets[1] as (typeof tickets)[0])
    queue.setPriority(tickets[2] as (typeof tickets)[0], 'low')
    expect(told).toEqual([
      ['started', 1, 12],
      ['left', 2, 22],
      ['left', 3, 32],
    ])
  })
})

describe('takers', () => {
  test('who have been served, or told that nothing will come, listen to no signal', async () => {
    const queue = new RequestQueue<number>()
    const { signal } = new AbortController()
    const takes = [queue.take({ signal }), queue.take({ signal })]
    expect(getEventListeners(signal, 'abort')).toHaveLength(2)
    queue.enqueue(1)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    queue.close()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const ends = await Promise.allSettled(takes)
    expect(ends).toEqual([
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: expect.objectContaining({ code: 'TRIAGE_QUEUE_CLOSED' }) },
    ])
  })

  test('whose signal is aborted already take nothing, though something waits', async () => {
    const queue = new RequestQueue<number>()
    queue.enqueue(1)
    await expect(queue.take({ signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
    expect(queue.size).toBe(1)
    const abort = new AbortController()
    const waiting = new RequestQueue<number>()
    const take = waiting.take({ signal: abort.signal })
    abort.abort('enough')
    await expect(take).rejects.toBe('enough')
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0)
  })

  test('take what goes first, also after the close', async () => {
    const queue = new RequestQueue<number>()
    for (const [request, priority] of [
      [1, 'low'],
      [2, 'urgent'],
    ] as const) {
      queue.enqueue(request, { priority })
    }
    queue.close()
    expect([await queue.take(), await queue.take()]).toEqual([2, 1])
    await expect(queue.take()).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
  })
})

/**
 * A queue on its own: its order, its bound, its numbers, policies that throw, takers who leave.
 */
import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import {
  fairBy,
  OptionsError,
  type OrderPolicy,
  type Priority,
  priorities,
  QueueClosedError,
  RequestQueue,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

const anyPriority = fc.constantFrom<Priority>(...priorities)

test('urgent before high before normal before low; first-in first-out within each', () => {
  fc.assert(
    fc.property(fc.array(anyPriority, { maxLength: 200, size: 'max' }), (incoming) => {
      const queue = new RequestQueue<[Priority, number]>()
      for (const [i, priority] of incoming.entries()) queue.enqueue([priority, i], { priority })
      const expected = incoming
        .map((priority, i): [Priority, number] => [priority, i])
        .sort((a, b) => priorities.indexOf(a[0]) - priorities.indexOf(b[0]) || a[1] - b[1])
      expect(queue.clear()).toEqual(expected)
    }),
  )
})

test('positions count those who go before, also after removal and another priority', () => {
  const queue = new RequestQueue<string>()
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => queue.enqueue(name))
  if (!a || !b || !c || !d) throw new Error('four tickets')
  expect(queue.position(d)).toBe(3)
  expect(queue.setPriority(c, 'high')).toBe(true)
  expect([a, b, c, d].map((ticket) => queue.position(ticket))).toEqual([1, 2, 0, 3])
  expect(queue.remove(a)).toBe(true)
  expect(queue.remove(a)).toBe(false)
  expect(queue.position(a)).toBeUndefined()
  // Back among the normal ones, it stands where it would stand had it never left them: after b, before d.
  queue.setPriority(c, 'normal')
  expect(queue.clear()).toEqual(['b', 'c', 'd'])
})

test('a ticket of another queue is not ours', () => {
  const ours = new RequestQueue<string>()
  const ticket = new RequestQueue<string>().enqueue('a')
  ours.enqueue('b')
  expect(ours.remove(ticket)).toBe(false)
  expect(ours.setPriority(ticket, 'low')).toBe(false)
  expect(ours.position(ticket)).toBeUndefined()
  expect(ours.size).toBe(1)
})

test('what is no priority is refused: constructor, __proto__, numbers', () => {
  const queue = new RequestQueue<string>()
  for (const priority of ['constructor', '__proto__', '', 'URGENT', 0, null]) {
    expect(() => queue.enqueue('a', { priority: priority as Priority })).toThrow(OptionsError)
  }
})

test('what is cleared has used up nothing of its share', () => {
  const queue = new RequestQueue<string>({ order: fairBy((key: string) => key) })
  for (let i = 0; i < 5; i++) queue.enqueue('a')
  expect(queue.clear()).toEqual(Array(5).fill('a'))
  for (const key of ['a', 'a', 'b']) queue.enqueue(key)
  expect(queue.clear()).toEqual(['a', 'b', 'a'])
})

test('an order across tiers compares ranks first, then who came first', () => {
  const clock = new VirtualClock()
  const offsets = [0, 100, 200, 300]
  const byAge: OrderPolicy = {
    name: 'by age',
    acrossTiers: true,
    rank: ({ tier, admittedAt }) => admittedAt + (offsets[tier] ?? 0),
  }
  return (async () => {
    const queue = new RequestQueue<string>({ order: byAge, clock })
    const low = queue.enqueue('low at 0', { priority: 'low' })
    await clock.advance(250)
    queue.enqueue('urgent at 250', { priority: 'urgent' })
    queue.enqueue('high at 250', { priority: 'high' })
    await clock.advance(50)
    queue.enqueue('urgent at 300', { priority: 'urgent' })
    expect(queue.position(low)).toBe(1)
    expect(queue.clear()).toEqual(['urgent at 250', 'low at 0', 'urgent at 300', 'high at 250'])
  })()
})

test('the statistics add up', async () => {
  const clock = new VirtualClock()
  const queue = new RequestQueue<number>({ clock })
  const tickets = [1, 2, 3, 4].map((request) => queue.enqueue(request, { priority: request === 4 ? 'low' : 'high' }))
  await clock.advance(10)
  queue.dequeue()
  queue.remove(tickets[1] as (typeof tickets)[0])
  expect(queue.getStatus()).toEqual({
    size: 2,
    sizes: { urgent: 0, high: 1, normal: 0, low: 1 },
    maxQueueSize: 10_000,
    enqueued: 4,
    dequeued: 1,
    removed: 1,
    averageWaitMs: 10,
    oldestWaitMs: 10,
  })
  expect(queue.peek()).toBe(3)
  expect(queue.sizeOf('low')).toBe(1)
})

test.each([Number.NaN, undefined, '7'])('a rank that compares with no other, %o, puts its request last', (rank) => {
  const order: OrderPolicy = {
    name: 'odd',
    acrossTiers: true,
    rank: ({ request, sequence }) => (request === 'odd' ? (rank as number) : sequence),
  }
  const queue = new RequestQueue<string>({ order })
  const [odd] = ['odd', 'a', 'odd', 'b'].map((request) => queue.enqueue(request, { priority: 'urgent' }))
  queue.enqueue('low', { priority: 'low' })
  expect(queue.position(odd as NonNullable<typeof odd>)).toBe(3)
  expect(queue.clear()).toEqual(['a', 'b', 'low', 'odd', 'odd'])
})

describe('the bound', () => {
  test('refuses with the numbers what comes to a full queue', () => {
    const queue = new RequestQueue<string>({ maxQueueSize: 1 })
    queue.enqueue('a')
    expect(() => queue.enqueue('b', { priority: 'low' })).toThrow(
      expect.objectContaining({ code: 'TRIAGE_QUEUE_FULL', size: 1, maxSize: 1, priority: 'low' }),
    )
    queue.dequeue()
    queue.enqueue('c')
  })

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

test('bad options name the option', () => {
  expect(() => new RequestQueue({ maxQueueSize: 2.5 })).toThrow(
    "Option 'maxQueueSize': expected an integer of at least 0, or Infinity, got 2.5",
  )
})

test.each([[null], [{}], ['strict']])('%j is no order policy', (order) => {
  expect(() => new RequestQueue({ order: order as never })).toThrow(
    "Option 'order': expected an order policy, such as strict(), got ",
  )
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
    expect(starting.getStatus()).toMatchObject({ size: 1, enqueued: 1, dequeued: 0 })
    expect(starting.peek()).toBe(1)
    const leaving = new RequestQueue<number>({ order: throws('left') })
    const ticket = leaving.enqueue(1)
    expect(() => leaving.remove(ticket)).toThrow('left throws')
    expect(leaving.getStatus()).toMatchObject({ size: 1, enqueued: 1, removed: 0 })
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
  test('are answered at once when something waits, and in turn when nothing does', async () => {
    const queue = new RequestQueue<number>()
    queue.enqueue(1)
    await expect(queue.take()).resolves.toBe(1)
    const takes = [queue.take(), queue.take()]
    queue.enqueue(2, { priority: 'low' })
    queue.enqueue(3, { priority: 'urgent' })
    await expect(Promise.all(takes)).resolves.toEqual([2, 3])
    expect(queue.size).toBe(0)
  })

  test('who are aborted take nothing, and leave no listener', async () => {
    const queue = new RequestQueue<number>()
    const controller = new AbortController()
    const take = queue.take({ signal: controller.signal })
    const next = queue.take()
    controller.abort(new Error('enough'))
    await expect(take).rejects.toThrow('enough')
    queue.enqueue(1)
    await expect(next).resolves.toBe(1)
    await expect(queue.take({ signal: controller.signal })).rejects.toThrow('enough')
  })

  test('by for await take what is left after close(), then end', async () => {
    const queue = new RequestQueue<number>()
    queue.enqueue(1)
    const taken: number[] = []
    const done = (async () => {
      for await (const request of queue) taken.push(request)
    })()
    await Promise.resolve()
    queue.enqueue(2)
    queue.close()
    await done
    expect(taken).toEqual([1, 2])
    await expect(queue.take()).rejects.toBeInstanceOf(QueueClosedError)
    expect(() => queue.enqueue(3)).toThrow(QueueClosedError)
  })

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

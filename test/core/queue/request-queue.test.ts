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

test('a full queue refuses with the numbers', () => {
  const queue = new RequestQueue<string>({ maxQueueSize: 1 })
  queue.enqueue('a')
  expect(() => queue.enqueue('b', { priority: 'low' })).toThrow(
    expect.objectContaining({ code: 'TRIAGE_QUEUE_FULL', size: 1, maxSize: 1, priority: 'low' }),
  )
  queue.dequeue()
  queue.enqueue('c')
})

test('what is no priority is refused: constructor, __proto__, numbers', () => {
  const queue = new RequestQueue<string>()
  for (const priority of ['constructor', '__proto__', '', 'URGENT', 0, null]) {
    expect(() => queue.enqueue('a', { priority: priority as Priority })).toThrow(OptionsError)
  }
})

test('bad options name the option', () => {
  expect(() => new RequestQueue({ maxQueueSize: 2.5 })).toThrow(
    "Option 'maxQueueSize' must be an integer of at least 0, or Infinity, but is 2.5",
  )
  expect(() => new RequestQueue({ order: {} as OrderPolicy })).toThrow(OptionsError)
})

test('what is cleared has used up nothing of its share', () => {
  const queue = new RequestQueue<string>({ order: fairBy((key: string) => key) })
  for (let i = 0; i < 5; i++) queue.enqueue('a')
  expect(queue.clear()).toEqual(Array(5).fill('a'))
  for (const key of ['a', 'a', 'b']) queue.enqueue(key)
  expect(queue.clear()).toEqual(['a', 'b', 'a'])
})

describe('take', () => {
  test('answers at once when something waits, and in turn when nothing does', async () => {
    const queue = new RequestQueue<number>()
    queue.enqueue(1)
    await expect(queue.take()).resolves.toBe(1)
    const takes = [queue.take(), queue.take()]
    queue.enqueue(2, { priority: 'low' })
    queue.enqueue(3, { priority: 'urgent' })
    await expect(Promise.all(takes)).resolves.toEqual([2, 3])
    expect(queue.size).toBe(0)
  })

  test('an aborted taker takes nothing, and leaves no listener', async () => {
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

  test('for await takes what is left after close(), then ends', async () => {
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

test('what an order policy throws when it is told something reaches who asked, and all is as it was', () => {
  const throws = (): never => {
    throw new Error('broken')
  }
  const order: OrderPolicy = {
    name: 'broken',
    acrossTiers: false,
    rank: ({ sequence }) => sequence,
    started: throws,
    left: throws,
  }
  const queue = new RequestQueue<string>({ order })
  const [first] = ['a', 'b'].map((request) => queue.enqueue(request))
  expect(() => queue.dequeue()).toThrow('broken')
  expect(() => queue.remove(first as NonNullable<typeof first>)).toThrow('broken')
  expect(queue.getStatus()).toMatchObject({ size: 2, enqueued: 2, dequeued: 0, removed: 0 })
  expect(queue.peek()).toBe('a')
})

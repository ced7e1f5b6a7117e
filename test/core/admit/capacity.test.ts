/**
 * Whether there is room: the numbers on their own, and whom they keep out.
 */
import type { QueuedExecutor } from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { Capacity } from '../../../src/core/admit/capacity.ts'
import { busy, gated, turn, watch } from '../../failures/support.ts'

const NO_BOUND = Number.POSITIVE_INFINITY

/** A queue with so many in each tier, and the bounds over it. */
function made({ queued = [0, 0, 0, 0], total = 5, byTier = [NO_BOUND, NO_BOUND, NO_BOUND, NO_BOUND] } = {}) {
  const queue = {
    queued,
    get size() {
      return queued.reduce((sum, size) => sum + size, 0)
    },
    sizeAt: (tier: number) => queued[tier] as number,
  }
  return { queue, capacity: new Capacity(queue, total, byTier, 7) }
}

describe('the bound of all', () => {
  test('is reached by as many as it says; a free slot needs no room', () => {
    const { queue, capacity } = made({ queued: [1, 1, 1, 1] })
    expect(capacity).toMatchObject({ total: 5, maxBlocked: 7, waiting: 4 })
    expect(capacity.bound(0, false)).toBeUndefined()
    queue.queued[3] = 2
    expect(capacity.bound(0, false)).toBe('total')
    expect(capacity.bound(0, true)).toBeUndefined()
  })

  test('does not count who has a slot reserved, nor who has come back; but who is held out of the queue', () => {
    const { capacity } = made({ queued: [0, 2, 3, 0] })
    capacity.reserved = 2
    expect(capacity.waiting).toBe(3)
    capacity.returns(2, 1)
    expect(capacity.waiting).toBe(2)
    capacity.holds(1, 1)
    capacity.holds(3, 1)
    expect(capacity.waiting).toBe(4)
    expect(capacity.bound(0, false)).toBeUndefined()
    capacity.returns(2, -1)
    expect(capacity.bound(0, false)).toBe('total')
    capacity.holds(3, -1)
    expect(capacity.waiting).toBe(4)
    expect([0, 1, 2, 3].map((tier) => capacity.sizeAt(tier))).toEqual([0, 3, 3, 0])
  })
})

test('one that takes several slots needs room for those whose reservations lapse with it', () => {
  const { capacity } = made({ queued: [0, 0, 5, 0] })
  capacity.reserved = 2
  expect(capacity.bound(0, false, false)).toBeUndefined()
  expect(capacity.bound(0, false, true)).toBe('total')
  capacity.reserved = 0
  expect(capacity.bound(0, true, true)).toBeUndefined()
  const { capacity: roomy } = made({ queued: [0, 0, 4, 0] })
  roomy.reserved = 2
  expect(roomy.bound(0, false, true)).toBeUndefined()
})

describe('the bound of a priority', () => {
  test('holds for that priority, a free slot or not', () => {
    const { capacity } = made({ queued: [1, 0, 0, 2], byTier: [NO_BOUND, NO_BOUND, NO_BOUND, 2] })
    expect(capacity.bound(3, false)).toBe('priority')
    expect(capacity.bound(3, true)).toBe('priority')
    expect(capacity.bound(0, false)).toBeUndefined()
    capacity.returns(3, 1)
    expect(capacity.bound(3, false)).toBeUndefined()
    capacity.holds(3, 1)
    expect(capacity.bound(3, false)).toBe('priority')
  })

  test('is said before that of all', () => {
    const { capacity } = made({ queued: [3, 0, 0, 2], byTier: [NO_BOUND, NO_BOUND, NO_BOUND, 2] })
    expect(capacity.bound(3, false)).toBe('priority')
    expect(capacity.bound(0, false)).toBe('total')
  })
})

describe('a reserved slot', () => {
  test('is taken by one that starts', () => {
    const { capacity } = made({ queued: [0, 0, 2, 0] })
    capacity.reserved = 1
    capacity.started()
    expect(capacity.reserved).toBe(0)
    capacity.started()
    expect(capacity.reserved).toBe(0)
  })

  test('is for no more than there are in the queue, without those who have come back', () => {
    const { queue, capacity } = made({ queued: [0, 0, 3, 0] })
    capacity.reserved = 2
    capacity.left(0)
    expect(capacity.reserved).toBe(2)
    queue.queued[2] = 1
    capacity.left(0)
    expect(capacity.reserved).toBe(1)
    capacity.returns(2, 1)
    capacity.left(0)
    expect(capacity.reserved).toBe(0)
    expect(capacity.waiting).toBe(0)
  })

  test('is not for those who take several', () => {
    const { capacity } = made({ queued: [0, 0, 3, 0] })
    capacity.reserved = 2
    capacity.left(2)
    expect([capacity.reserved, capacity.waiting]).toEqual([1, 2])
  })

  test('is for those who go first: the sizes by priority leave them out', () => {
    const { capacity } = made({ queued: [1, 3, 2, 0] })
    expect(capacity.sizes()).toEqual([1, 3, 2, 0])
    capacity.reserved = 2
    expect(capacity.sizes()).toEqual([0, 2, 2, 0])
    // Who is held out of the queue waits, whatever is reserved.
    capacity.holds(0, 1)
    capacity.holds(3, 1)
    expect(capacity.sizes()).toEqual([1, 2, 2, 1])
    capacity.returns(2, 1)
    expect(capacity.sizes()).toEqual([1, 2, 1, 1])
    expect(capacity.sizes().reduce((sum, size) => sum + size, 0)).toBe(capacity.waiting)
  })
})

test('the error says which bound was reached, and its numbers', () => {
  const { capacity } = made({ queued: [1, 0, 0, 2], byTier: [NO_BOUND, NO_BOUND, NO_BOUND, 2] })
  capacity.reserved = 1
  const error = (bound: 'total' | 'priority' | 'blocked') => capacity.fullError(bound, 3, 6, { requestId: 'r' }, 40)
  expect(error('total')).toMatchObject({ bound: 'total', size: 2, maxSize: 5, requestId: 'r', retryAfterMs: 40 })
  expect(error('priority')).toMatchObject({ bound: 'priority', size: 2, maxSize: 2, requestId: 'r', retryAfterMs: 40 })
  expect(error('blocked')).toMatchObject({ bound: 'blocked', size: 6, maxSize: 7, requestId: 'r', retryAfterMs: 40 })
})

describe('a newcomer may displace', () => {
  const [LIGHT, WIDE] = [{ cost: 1 }, { cost: 2 }]

  test('one of the queued who has not come back; if all have a slot reserved, who could do with that', () => {
    const { capacity } = made({ queued: [0, 0, 3, 0] })
    capacity.reserved = 2
    const mayBe = (victim: { cost: number }, takesSlot: boolean, wide = 0) =>
      capacity.canDisplace(victim, false, takesSlot, wide)
    expect(mayBe(LIGHT, false)).toBe(true)
    capacity.returns(2, 1)
    expect([mayBe(LIGHT, false), mayBe(LIGHT, true)]).toEqual([false, true])
    capacity.reserved = 1
    // Of the two the other has no slot reserved, unless he takes several.
    expect([mayBe(LIGHT, false), mayBe(LIGHT, false, 1), mayBe(WIDE, false, 1)]).toEqual([true, false, true])
  })

  test('when he takes several slots, only if those whose reservations lapse find room', () => {
    const { queue, capacity } = made({ queued: [0, 0, 5, 0] })
    expect(capacity.canDisplace(LIGHT, true, false, 0)).toBe(true)
    capacity.reserved = 1
    expect(capacity.canDisplace(LIGHT, true, false, 0)).toBe(true)
    queue.queued[2] = 6
    expect(capacity.canDisplace(LIGHT, true, true, 0)).toBe(false)
  })
})

test('whoever is blocked for the bound of their own priority does not keep out others, for whom there is room', async () => {
  const { gate, queue } = await busy({ maxQueueSize: { total: 10, low: 1 }, whenFull: 'block' })
  for (const name of ['low 1', 'low 2']) watch(queue.execute(name, { priority: 'low' }))
  expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
  watch(queue.execute('normal'))
  watch(queue.execute('urgent', { priority: 'urgent' }))
  expect(queue.getStatus()).toMatchObject({ waiting: 3, blockedByPriority: { urgent: 0, high: 0, normal: 0, low: 1 } })
  await gate.finishAll()
  await turn()
  expect(gate.started).toEqual(['busy 0', 'urgent', 'normal', 'low 1', 'low 2'])
})

describe('of a burst in which all have a slot promised, and the rest of the room is taken by one that starts later', () => {
  function bursting(names: string[], concurrency = 1) {
    const it = gated({ concurrency, maxQueueSize: 1, whenFull: 'shed' })
    const later = watch(it.queue.execute('later', { priority: 'urgent', delayMs: 50 }))
    const low = names.map((name) => watch(it.queue.execute(name, { priority: 'low' })))
    expect(it.queue.getStatus().waiting).toBe(1)
    return { ...it, later, low }
  }

  test('one is displaced by a newcomer who could do with the slot, and by no other', async () => {
    const { gate, queue, low } = bursting(['low'])
    const refused = watch(queue.execute('urgent, later still', { priority: 'urgent', delayMs: 60 }))
    watch(queue.execute('urgent', { priority: 'urgent' }))
    expect(queue.getStatus().waiting).toBe(1)
    await turn()
    expect([refused.outcome, low[0]?.outcome, gate.started]).toEqual(['TRIAGE_QUEUE_FULL', 'TRIAGE_SHED', ['urgent']])
  })

  test.each<[string, (queue: QueuedExecutor<string, unknown>) => unknown]>([
    ['it is paused', (queue) => queue.pause()],
    ['there are fewer slots by now', (queue) => Object.assign(queue, { concurrency: 1 })],
  ])('nobody is displaced where that would make no room: %s', async (_why, change) => {
    const { queue, low } = bursting(['low 1', 'low 2'], 2)
    change(queue)
    const high = watch(queue.execute('high', { priority: 'high' }))
    expect(queue.getStatus().waiting).toBe(1)
    await turn()
    expect([high.outcome, low.map(({ state }) => state)]).toEqual(['TRIAGE_QUEUE_FULL', ['pending', 'pending']])
  })
})

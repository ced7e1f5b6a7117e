/**
 * A full queue keeps those who would go first (law 2): the one that goes last of all makes room for a newcomer that goes before
 * it, by the order policy; any other newcomer is refused.
 */
import {
  aging,
  earliestDeadlineFirst,
  fairBy,
  isTriageError,
  type OrderPolicy,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RequestOptions,
  weighted,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { busy, gated, turn, watch } from './support.ts'

type Queue = Awaited<ReturnType<typeof busy>>['queue']

/** Names in the order in which they were displaced, and what refused newcomers were told. */
function listening(queue: Queue) {
  const shed: string[] = []
  const refused: string[] = []
  queue.on('shed', ({ metadata }) => shed.push(metadata as string))
  queue.on('rejected', ({ metadata }) => refused.push(metadata as string))
  const come = (name: string, options: RequestOptions = {}) =>
    watch(queue.execute(name, { metadata: name, ...options }))
  return { shed, refused, come }
}

const full = async (options: QueuedExecutorOptions<string>) => {
  const it = await busy(options)
  return { ...it, ...listening(it.queue) }
}

/** Nothing starts: all wait. */
const still = (options: QueuedExecutorOptions<string>) => {
  const it = gated(options)
  it.queue.pause()
  return { ...it, ...listening(it.queue) }
}

const tenantOf = (request: string): string => request.split(' ')[0] as string

describe('by default', () => {
  test('the youngest of the lowest priority makes room for one of a higher priority, and is told when to come back', async () => {
    const { clock, gate, queue } = await busy({ maxQueueSize: 3, random: () => 0 })
    const { shed, refused, come } = listening(queue)
    await clock.advance(10)
    await gate.finish('busy 0')
    come('runs')
    await turn()
    for (const name of ['normal 1', 'normal 2']) come(name)
    const low = come('low', { priority: 'low' })
    come('low 2', { priority: 'low' })
    come('urgent', { priority: 'urgent' })
    await turn()
    expect(low.error).toMatchObject({ code: 'TRIAGE_SHED', started: false, displacedBy: 'urgent' })
    expect((low.error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0)
    come('high', { priority: 'high' })
    come('normal 3')
    expect([shed, refused]).toEqual([
      ['low', 'normal 2'],
      ['low 2', 'normal 3'],
    ])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'runs', 'urgent', 'high', 'normal 1'])
  })

  test('with one priority nobody notices: the newcomer is refused', async () => {
    const { come, refused, shed } = await full({ maxQueueSize: 2 })
    for (const name of ['1', '2', '3']) come(name)
    expect([refused, shed]).toEqual([['3'], []])
  })

  test('where nothing may wait, whoever is in has its slot, and none is displaced', async () => {
    const { gate, queue } = gated({ concurrency: 1, maxQueueSize: 'none' })
    const { come, refused } = listening(queue)
    come('low', { priority: 'low' })
    come('urgent', { priority: 'urgent' })
    await gate.finishAll()
    expect([gate.started, refused]).toEqual([['low'], ['urgent']])
  })

  test.each(['reject', 'block'] as const)("nothing is taken back with '%s'", async (whenFull) => {
    const { come, shed } = await full({ maxQueueSize: 1, whenFull })
    come('low', { priority: 'low' })
    come('urgent', { priority: 'urgent' })
    expect(shed).toEqual([])
  })

  test('offer() displaces as well, or comes in not at all', async () => {
    const { queue, shed } = await full({ maxQueueSize: 1 })
    queue.offer('low', { metadata: 'low', priority: 'low' })
    expect(queue.offer('low 2', { priority: 'low' })).toBeUndefined()
    expect(queue.offer('high', { priority: 'high' })?.state).toBe('waiting')
    expect(shed).toEqual(['low'])
  })
})

describe('the order says who is last', () => {
  test('fairBy(): the one furthest back in virtual time, of the same priority as well', async () => {
    const { come, gate, refused, shed } = await full({ maxQueueSize: 4, order: fairBy(tenantOf) })
    for (const name of ['noisy 1', 'noisy 2', 'noisy 3', 'noisy 4', 'noisy 5']) come(name)
    for (const name of ['quiet 1', 'quiet 2', 'quiet 3', 'noisy 6']) come(name)
    expect([shed, refused]).toEqual([
      ['noisy 4', 'noisy 3'],
      ['noisy 5', 'quiet 3', 'noisy 6'],
    ])
    await gate.finishAll()
    expect(gate.started.slice(1)).toEqual(['noisy 1', 'quiet 1', 'noisy 2', 'quiet 2'])
  })

  test('earliestDeadlineFirst(): the latest deadline', async () => {
    const { come, refused, shed } = await full({ maxQueueSize: 2, order: earliestDeadlineFirst() })
    come('late', { timeoutMs: 900 })
    come('soon', { timeoutMs: 100 })
    come('later', { timeoutMs: 1_000 })
    come('now', { timeoutMs: 50 })
    expect([shed, refused]).toEqual([['late'], ['later']])
  })

  test('weighted(): the last turn of all', async () => {
    const { come, refused, shed } = await full({
      maxQueueSize: 5,
      order: weighted({ urgent: 2, high: 1, normal: 1, low: 1 }),
    })
    // Turns of urgent: 1, 2, 3, 4 …; of low: 2, 4, 6 …
    for (const name of ['u1', 'u2', 'u3']) come(name, { priority: 'urgent' })
    for (const name of ['l1', 'l2']) come(name, { priority: 'low' })
    // Its turn is at 4, as that of l2, which is of a lower priority.
    come('u4', { priority: 'urgent' })
    expect(shed).toEqual(['l2'])
    // Its turn is at 4, behind all, and so is that of a fifth urgent one.
    come('l3', { priority: 'low' })
    come('u5', { priority: 'urgent' })
    expect(refused).toEqual(['l3', 'u5'])
    // A tier in which nobody stands has its turn soon.
    come('h1', { priority: 'high' })
    expect(shed).toEqual(['l2', 'u4'])
  })

  test('weighted(within fairBy): of the tier with the last turn, the one that is last there', async () => {
    const order = weighted({}, { within: fairBy(tenantOf) })
    const { come, refused, shed } = await full({ maxQueueSize: 3, order })
    for (const name of ['noisy 1', 'noisy 2', 'noisy 3', 'noisy 4']) come(name)
    come('quiet 1')
    expect([shed, refused]).toEqual([['noisy 3'], ['noisy 4']])
  })

  test('an order that is told of a rank is told that it is free again: of the refused, and of the displaced', async () => {
    const told: unknown[] = []
    const order: OrderPolicy = {
      name: 'told',
      acrossTiers: false,
      rank: ({ request }) => Number((request as string).split(' ')[1]),
      left: ({ request }, rank) => told.push([request, rank]),
    }
    const { come } = await busy({ maxQueueSize: 1, order }).then((it) => ({ ...it, ...listening(it.queue) }))
    for (const name of ['a 5', 'b 7', 'c 3']) come(name)
    expect(told).toEqual([
      ['b 7', 7],
      ['a 5', 5],
    ])
  })

  test.each<[string, OrderPolicy]>([
    ['aging()', aging({ high: 1, normal: 2, low: 3 })],
    ['aging(within)', aging({ high: 1, normal: 2, low: 3 }, { within: earliestDeadlineFirst() })],
  ])('%s: the one that is due last; but the first of each priority are kept', async (_name, order) => {
    const { come, refused, shed } = await full({ maxQueueSize: 16, order })
    for (let i = 1; i <= 16; i++) come(`low ${i}`, { priority: 'low' })
    for (let i = 1; i <= 16; i++) come(`urgent ${i}`, { priority: 'urgent' })
    // An eighth of the bound.
    expect(shed).toEqual(Array.from({ length: 14 }, (_, i) => `low ${16 - i}`))
    expect(refused).toEqual(['urgent 15', 'urgent 16'])
    // One that is older is due before a younger one of a higher priority.
    expect(shed).not.toContain('low 1')
  })

  test('a newcomer that is due after all others is refused, whatever its priority', async () => {
    const { clock, come, refused, shed } = await full({ maxQueueSize: 8, order: aging({ low: 30_000 }) })
    for (let i = 1; i <= 8; i++) come(`low ${i}`, { priority: 'low' })
    await clock.advance(60_000)
    come('urgent', { priority: 'urgent' })
    expect([refused, shed]).toEqual([['urgent'], []])
  })
})

describe('a priority with slots of its own', () => {
  test('keeps as many as it has slots, at least an eighth of the bound', () => {
    const { come, shed, refused } = still({ concurrency: 4, reserve: { low: 3 }, maxQueueSize: 8 })
    for (let i = 1; i <= 8; i++) come(`low ${i}`, { priority: 'low' })
    for (let i = 1; i <= 8; i++) come(`high ${i}`, { priority: 'high' })
    expect(shed).toHaveLength(5)
    expect(refused).toEqual(['high 6', 'high 7', 'high 8'])
  })

  test('all priorities together keep at most half of the bound', () => {
    const reserve = { urgent: 2, high: 2, normal: 2, low: 2 }
    const { come, shed } = still({ concurrency: 8, reserve, maxQueueSize: 8 })
    for (let i = 1; i <= 8; i++) come(`low ${i}`, { priority: 'low' })
    for (let i = 1; i <= 8; i++) come(`urgent ${i}`, { priority: 'urgent' })
    expect(shed).toHaveLength(7)
  })
})

describe('those that may not start yet', () => {
  test('make room before others of their priority, the one that may start last first; those of a lower one before them', async () => {
    const { come, shed } = await full({ maxQueueSize: 6 })
    come('low', { priority: 'low' })
    come('soon', { delayMs: 10 })
    come('later', { delayMs: 1_000 })
    come('stands')
    come('high, later', { priority: 'high', delayMs: 1_000 })
    come('high', { priority: 'high' })
    for (let i = 1; i <= 6; i++) come(`high ${i}`, { priority: 'high' })
    expect(shed).toEqual(['low', 'later', 'soon', 'stands', 'high, later'])
  })

  test('displace only one that may start later still', async () => {
    const { come, refused, shed } = await full({ maxQueueSize: 2 })
    come('stands', { priority: 'low' })
    come('in 50', { priority: 'low', delayMs: 50 })
    come('in 60', { priority: 'urgent', delayMs: 60 })
    come('in 40', { priority: 'low', delayMs: 40 })
    come('in 30', { priority: 'urgent', delayMs: 30 })
    come('in 35', { priority: 'low', delayMs: 35 })
    expect([shed, refused]).toEqual([
      ['in 50', 'in 40'],
      ['in 60', 'in 35'],
    ])
  })

  test('are displaced last of all if others wait for them', async () => {
    const { come, queue, shed } = await full({ maxQueueSize: 4 })
    const first = await queue.submit('first', { metadata: 'first', delayMs: 1_000 })
    const second = come('second', { priority: 'urgent', after: [first] })
    come('third', { delayMs: 10 })
    come('stands')
    for (let i = 1; i <= 3; i++) come(`high ${i}`, { priority: 'high' })
    expect(shed).toEqual(['third', 'stands', 'first'])
    await expect(first.result).rejects.toMatchObject({ code: 'TRIAGE_SHED' })
    expect(second.outcome).toBe('TRIAGE_CANCELLED')
  })

  test('one that has joined may be waited for as well', async () => {
    const { come, queue, shed } = await full({ maxQueueSize: 3 })
    const options = { id: 'one', metadata: 'one', delayMs: 1_000 }
    await queue.submit('one', options)
    const joined = await queue.submit('one', options)
    come('after', { after: [joined] })
    come('in 10', { delayMs: 10 })
    come('high', { priority: 'high' })
    come('high 2', { priority: 'high' })
    come('high 3', { priority: 'high' })
    expect(shed).toEqual(['after', 'one', 'in 10'])
  })

  test('what they wait for may be anything that does not want to be looked at', async () => {
    const { come, queue, shed } = await full({ maxQueueSize: 1 })
    const hidden = new Proxy(Promise.resolve(), {
      get: (target, name) => {
        if (name === 'record') throw new Error('private')
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    come('after', { after: [hidden] })
    await turn()
    expect(queue.getStatus().waiting).toBe(1)
    come('high', { priority: 'high' })
    expect(shed).toHaveLength(1)
  })

  test('when others have ended, when it may start is known', async () => {
    const { come, gate, queue, shed } = await full({ maxQueueSize: 3 })
    const first = await queue.submit('first', { priority: 'urgent' })
    come('after', { after: [first], delayMs: 500 })
    come('in 1000', { delayMs: 1_000 })
    await gate.finish('busy 0')
    await gate.finish('first')
    await turn()
    for (const name of ['low', 'low 2']) come(name, { priority: 'low' })
    await turn()
    for (const name of ['high', 'high 2', 'high 3']) come(name, { priority: 'high' })
    expect(shed).toEqual(['low 2', 'in 1000', 'after'])
  })
})

describe('together with other features', () => {
  test('a request that has run once is never displaced', async () => {
    const retry = { name: 'again', delayMs: () => 5 }
    const { clock, gate, queue } = gated({ concurrency: 1, maxQueueSize: 2, retry })
    const { come, shed, refused } = listening(queue)
    come('tried', { priority: 'low' })
    await turn()
    come('runs')
    gate.fail('tried', new Error('tried'))
    await turn()
    await clock.advance(5)
    expect(queue.getStatus()).toMatchObject({ retrying: 1 })
    come('low', { priority: 'low' })
    come('normal')
    for (let i = 1; i <= 3; i++) come(`urgent ${i}`, { priority: 'urgent' })
    expect([shed, refused]).toEqual([['low', 'normal'], ['urgent 3']])
    await gate.finishAll()
    expect(gate.started).toEqual(['tried', 'runs', 'urgent 1', 'urgent 2', 'tried'])
  })

  test('by the bound of a priority only one of that makes room, if the order places the newcomer before it', async () => {
    const { come, refused, shed } = await full({
      maxQueueSize: { total: 10, normal: 2 },
      order: fairBy(tenantOf),
    })
    come('low', { priority: 'low' })
    for (const name of ['noisy 1', 'noisy 2', 'noisy 3', 'quiet 1']) come(name)
    expect([shed, refused]).toEqual([['noisy 2'], ['noisy 3']])
  })

  test('one that takes several slots displaces one as well', async () => {
    const { come, shed } = await full({ concurrency: 2, maxQueueSize: { total: 3, high: 1 } })
    come('runs')
    await turn()
    for (const name of ['low 1', 'low 2', 'low 3']) come(name, { priority: 'low' })
    come('wide', { priority: 'high', cost: 2 })
    expect(shed).toEqual(['low 2'])
  })

  test('all who share a displaced request are told', async () => {
    const { come } = await full({ maxQueueSize: 1 })
    const callers = [1, 2].map(() => come('shared', { id: 'shared', priority: 'low' }))
    come('high', { priority: 'high' })
    await turn()
    expect(callers.map(({ outcome }) => outcome)).toEqual(['TRIAGE_SHED', 'TRIAGE_SHED'])
  })

  test('map() submits what was displaced again, at the head: it is no error, and none is lost', async () => {
    const { clock, gate, queue } = gated({ concurrency: 1, maxQueueSize: 3 })
    const { come } = listening(queue)
    const results: unknown[] = []
    const done = (async () => {
      for await (const result of queue.map(['a', 'b', 'c', 'd'], { priority: 'low', window: 4 })) results.push(result)
    })()
    await turn()
    expect(queue.getStatus().waiting).toBe(3)
    for (const name of ['urgent 1', 'urgent 2']) come(name, { priority: 'urgent' })
    await turn()
    expect(queue.getStatus().totals.shed).toBe(2)
    await gate.finishAll()
    await clock.settle()
    await done
    expect(results).toEqual(['a', 'b', 'c', 'd'])
    expect(gate.started).toEqual(['a', 'urgent 1', 'urgent 2', 'b', 'c', 'd'])
  })
})

describe('at three times the capacity', () => {
  test('weighted() answers each priority in its share', async () => {
    const clock = new VirtualClock()
    const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), {
      clock,
      concurrency: 4,
      maxQueueSize: 60,
      order: weighted(),
    })
    const answered: Record<Priority, number> = { urgent: 0, high: 0, normal: 0, low: 0 }
    for (let at = 0; at < 20_000; at += 10) {
      for (const priority of priorities) {
        queue.execute(100, { priority }).then(
          () => answered[priority]++,
          (error) => expect(isTriageError(error)).toBe(true),
        )
      }
      await clock.advance(10)
    }
    const all = Object.values(answered).reduce((a, b) => a + b)
    const share = priorities.map((priority) => answered[priority] / all)
    for (const [i, weight] of [8, 4, 2, 1].entries()) expect(share[i]).toBeCloseTo(weight / 15, 1.5)
  })
})

/**
 * What is predicted is the work that really goes before a request in the order that there is: for guards, and for `retryAfterMs`.
 */
import {
  earliestDeadlineFirst,
  fairBy,
  type Guard,
  type GuardQuestion,
  meetsDeadline,
  type OrderPolicy,
  type QueuedExecutorOptions,
  type RequestOptions,
  weighted,
} from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { gated, turn, watch } from './support.ts'

const tenantOf = (request: string): string => request.split(' ')[0] as string

/** An executor that has learned that a run takes 100 ms, and what its guard was asked. */
async function learned(options: QueuedExecutorOptions<string> = {}) {
  const asked: GuardQuestion[] = []
  const asks: Guard = { name: 'asks', admit: (question) => void asked.push({ ...question }) }
  const it = gated({
    concurrency: 1,
    overload: [asks, options.overload ?? []].flat(),
    random: () => 0,
    ...without(options),
  })
  const { clock, gate, queue } = it
  const come = (name: string, more: RequestOptions = {}) => watch(queue.execute(name, { metadata: name, ...more }))
  come('first')
  await turn()
  await clock.advance(100)
  await gate.finish('first')
  come('runs')
  await turn()
  asked.length = 0
  return { ...it, asked, come, last: () => asked.at(-1) as GuardQuestion }
}

const without = ({ overload: _, ...options }: QueuedExecutorOptions<string>): QueuedExecutorOptions<string> => options

describe('what a guard is told', () => {
  test('within a burst: what the status says', async () => {
    const { come, last, queue } = await learned({ concurrency: 3 })
    for (let i = 0; i < 5; i++) {
      const { running, waiting } = queue.getStatus()
      come(`${i}`)
      expect(last()).toMatchObject({ running, waiting, ahead: i, free: 2 })
    }
    expect(queue.getStatus()).toMatchObject({ running: 3, waiting: 3 })
  })

  test('strict order: all of its own priority and above', async () => {
    const { come, last } = await learned()
    for (const priority of ['low', 'high', 'normal'] as const) come(priority, { priority })
    come('normal 2')
    expect(last()).toMatchObject({ ahead: 2, predictedWaitMs: 300 })
    come('urgent', { priority: 'urgent' })
    expect(last()).toMatchObject({ ahead: 0, predictedWaitMs: 100 })
  })

  test.each<[string, OrderPolicy, RequestOptions, number]>([
    ['an earlier deadline', earliestDeadlineFirst(), { timeoutMs: 500 }, 0],
    ['a later deadline', earliestDeadlineFirst(), { timeoutMs: 50_000 }, 4],
    ['a quiet tenant', fairBy(tenantOf), {}, 1],
    // Turns of urgent: 1, 2 …; of normal: 4, 8, 12, 16.
    ['a priority that has its turn soon', weighted(), { priority: 'urgent' }, 0],
  ])('%s: those before it in the order', async (_name, order, options, ahead) => {
    const { come, last } = await learned({ order })
    for (let i = 0; i < 4; i++) come(`noisy ${i}`, { timeoutMs: 10_000 })
    come('quiet 1', options)
    expect(last()).toMatchObject({ ahead, predictedWaitMs: 100 * (ahead + 1) })
  })

  test('one that takes several slots counts as several, and needs several; also after another priority', async () => {
    const { come, last, queue } = await learned({ concurrency: 4 })
    for (let i = 0; i < 3; i++) come(`fills ${i}`)
    await turn()
    const wide = await queue.submit('wide', { cost: 3, priority: 'low' })
    come('narrow')
    expect(last()).toMatchObject({ ahead: 0, predictedWaitMs: 25 })
    wide.setPriority('high')
    come('narrow 2')
    expect(last()).toMatchObject({ ahead: 2, predictedWaitMs: 125 })
    come('wide 2', { cost: 2, priority: 'urgent' })
    expect(last()).toMatchObject({ ahead: 0, predictedWaitMs: 50 })
    wide.cancel()
    come('narrow 3')
    expect(last()).toMatchObject({ ahead: 3, predictedWaitMs: 125 })
  })

  test('slots that are kept for others do not count', async () => {
    const { come, last } = await learned({ concurrency: 4, reserve: { urgent: 3 } })
    for (let i = 0; i < 3; i++) come(`${i}`)
    expect(last()).toMatchObject({ ahead: 2, predictedWaitMs: 0 })
    await turn()
    come('next')
    expect(last().predictedWaitMs).toBe(100)
  })
})

describe('with an order', () => {
  test('meetsDeadline() lets in what an earlier deadline brings to the front', async () => {
    const { come, gate } = await learned({ order: earliestDeadlineFirst(), overload: meetsDeadline() })
    for (let i = 0; i < 20; i++) come(`${i}`, { timeoutMs: 60_000 })
    const soon = come('soon', { timeoutMs: 500 })
    await turn()
    expect(soon.state).toBe('pending')
    await gate.finish('runs')
    expect(gate.started.at(-1)).toBe('soon')
  })

  test('ready() is answered as offer() is', async () => {
    const { come, queue } = await learned({ order: fairBy(tenantOf), overload: meetsDeadline() })
    for (let i = 0; i < 20; i++) come(`noisy ${i}`)
    const about = (request: string) => ({ request, timeoutMs: 500 })
    const asked = watch(queue.ready('normal', { request: 'quiet 1' }))
    await turn()
    expect(asked.state).toBe('fulfilled')
    expect(queue.offer('quiet 1', { timeoutMs: about('').timeoutMs })).toBeDefined()
  })

  test('each rank that was asked for is told of again: refused by a guard, delayed, or only asked about', async () => {
    const told: unknown[] = []
    const order: OrderPolicy = {
      name: 'told',
      acrossTiers: false,
      rank: ({ request, sequence }) => {
        told.push(`rank ${request}`)
        return sequence
      },
      left: ({ request }) => told.push(`left ${request}`),
    }
    const guard: Guard = {
      name: 'guard',
      admit: ({ request }) => (request === 'no' ? { rule: 'guard', compared: {}, wouldAdmit: 'yes' } : undefined),
      delayMs: ({ request }) => (request === 'later' ? 50 : 0),
    }
    const { clock, come, queue } = await learned({ order, overload: guard })
    told.length = 0
    expect(come('no')).toBeDefined()
    expect(told.splice(0)).toEqual(['rank no', 'left no'])
    come('later')
    expect(told.splice(0)).toEqual(['rank later', 'left later'])
    await clock.advance(50)
    expect(told.splice(0)).toEqual(['rank later'])
    await queue.ready('normal', { request: 'asked' })
    expect(told.splice(0)).toEqual(['rank asked', 'left asked'])
    come('yes')
    expect(told.splice(0)).toEqual(['rank yes'])
  })

  test('a guard that submits another leaves the newcomer its place', async () => {
    const ranks: [string, number][] = []
    const order: OrderPolicy = {
      name: 'told',
      acrossTiers: false,
      rank: ({ sequence }) => sequence,
      started: ({ request, sequence }) => ranks.push([request as string, sequence]),
    }
    let submits = true
    const guard: Guard = {
      name: 'guard',
      admit: ({ request }) => {
        if (request !== 'a' || !submits) return undefined
        submits = false
        come('b')
        return undefined
      },
    }
    const { come, gate } = await learned({ order, overload: guard })
    come('a')
    await gate.finishAll()
    const [a, b] = ['a', 'b'].map((name) => ranks.find(([request]) => request === name)?.[1] as number)
    expect(b).toBe((a as number) + 1)
    expect(gate.started.slice(-2)).toEqual(['a', 'b'])
  })
})

describe('retryAfterMs', () => {
  test('of one that is refused: until those before it have started, in the order that there is', async () => {
    const { come } = await learned({ order: fairBy(tenantOf), maxQueueSize: 4, whenFull: 'reject' })
    for (let i = 0; i < 4; i++) come(`noisy ${i}`)
    const [quiet, noisy] = [come('quiet 1'), come('noisy 5')]
    await turn()
    expect([quiet.error, noisy.error]).toMatchObject([{ retryAfterMs: 200 }, { retryAfterMs: 500 }])
  })

  test('of one that is displaced: until there is room for another one of its priority', async () => {
    const { come } = await learned({ maxQueueSize: 3 })
    for (const name of ['normal 1', 'normal 2']) come(name)
    const low = come('low', { priority: 'low' })
    come('urgent', { priority: 'urgent' })
    await turn()
    expect(low.error).toMatchObject({ retryAfterMs: 400 })
  })
})

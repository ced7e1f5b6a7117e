/**
 * Two orders as one, from outside: in an executor with slots of its own and retries, with an inner order that throws, and
 * with options that make no sense.
 */
import { OptionsError, type OrderPolicy, QueuedExecutor, RequestQueue, strict } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { aging } from '../../../../src/core/queue/orders/aging.ts'
import { earliestDeadlineFirst } from '../../../../src/core/queue/orders/earliest-deadline-first.ts'
import { fairBy } from '../../../../src/core/queue/orders/fair-by.ts'
import { weighted } from '../../../../src/core/queue/orders/weighted.ts'
import type { WithinOptions } from '../../../../src/core/queue/orders/within.ts'

test('with reserved slots, and when requests are tried again, each start takes a turn of its tier', async () => {
  const clock = new VirtualClock()
  const started: string[] = []
  const queue = new QueuedExecutor(
    async (key: string, run) => {
      started.push(key)
      await clock.sleep(1)
      if (run.attempt < 3) throw new Error('again')
    },
    {
      clock,
      concurrency: 1,
      reserve: { high: 1 },
      lendReserve: true,
      order: weighted({ urgent: 1, high: 1, normal: 1, low: 1 }, { within: fairBy((key: string) => key) }),
      retry: { name: 'again', delayMs: () => 0 },
    },
  )
  const all = ['urgent', 'low'].flatMap((priority) =>
    Array.from({ length: 30 }, () => queue.execute(priority, { priority: priority as 'low' })),
  )
  await clock.run({ until: Promise.all(all) })
  expect(started).toHaveLength(180)
  for (let n = 0; n < 170; n += 10) {
    expect(started.slice(n, n + 10).filter((key) => key === 'low').length, `from ${n}`).toBe(5)
  }
})

describe('an inner order that throws', () => {
  const broken = () => {
    const order: OrderPolicy = {
      name: 'broken',
      acrossTiers: false,
      rank: ({ tier, sequence, request }) => {
        if (request === 'bad' || (request === 'stays' && tier === 0)) throw new Error('no rank')
        return sequence
      },
      left: ({ request }) => {
        if (request === 'bad end') throw new Error('no end')
      },
    }
    return aging({ stepMs: 10 }, { within: order })
  }

  test('refuses the request with its error, and nothing has changed', async () => {
    const clock = new VirtualClock()
    const queue = new QueuedExecutor(async (name: string) => name, { clock, order: broken() })
    queue.pause()
    const first = queue.offer('first', { priority: 'low' })
    await expect(queue.execute('bad')).rejects.toThrow('no rank')
    const last = queue.offer('last', { priority: 'low' })
    expect([first?.position(), last?.position()]).toEqual([0, 1])
    queue.resume()
    await queue.close()
  })

  test('leaves a request that it would not rank where it is', () => {
    const queue = new RequestQueue<string>({ order: broken() })
    queue.enqueue('first', { priority: 'high' })
    const stays = queue.enqueue('stays', { priority: 'low' })
    expect(() => queue.setPriority(stays, 'urgent')).toThrow('no rank')
    expect(queue.position(stays)).toBe(1)
    expect(queue.clear()).toEqual(['first', 'stays'])
  })

  test('and does not keep one that leaves', async () => {
    const errors: unknown[] = []
    const queue = new QueuedExecutor(async (name: string) => name, {
      order: broken(),
      onListenerError: (error) => errors.push(error),
    })
    queue.pause()
    const request = queue.offer('bad end')
    const result = request?.result.catch(({ code }) => code)
    request?.cancel()
    expect(await result).toBe('TRIAGE_CANCELLED')
    expect(errors).toEqual([expect.objectContaining({ message: 'no end' })])
    const next = queue.offer('next')
    expect(next?.position()).toBe(0)
    queue.resume()
    await queue.close()
  })
})

test('its name is that of both, and targets stay what they are', () => {
  const order = aging({ stepMs: 5 }, { within: earliestDeadlineFirst() })
  expect(order.name).toBe('aging, then earliest deadline first')
  expect(order.targetsMs).toEqual([0, 5, 10, 15])
})

describe('an OptionsError names the option, what it must be, and what it is', () => {
  const none = "'aging.within': expected an order policy, such as strict(), got"
  test.each<[unknown, string]>([
    [{ within: aging() }, "Option 'aging.within': expected an order within a tier, such as earliestDeadlineFirst()"],
    [{ within: weighted({}, { within: strict() }) }, "the outer one, got 'weighted, then strict'"],
    [{ within: 'fairBy' }, `${none} 'fairBy'`],
    [{ within: null }, `${none} null`],
    [{ inside: strict() }, "Unknown option 'aging.inside'"],
    [null, "Option 'aging': expected an object, got null"],
  ])('%#', (options, message) => {
    expect(() => aging({}, options as WithinOptions)).toThrow(OptionsError)
    expect(() => aging({}, options as WithinOptions)).toThrow(message)
    expect(() => weighted({}, options as WithinOptions)).toThrow(message.replaceAll('aging', 'weighted'))
  })
})

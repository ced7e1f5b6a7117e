/**
 * Those who are blocked: what lets them in, and what may happen to them meanwhile.
 */
import { describe, expect, test } from 'vitest'
import { timed } from './timed.ts'

describe('who is blocked comes in at once', () => {
  test('when it resumes', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'block' })
    queue.pause()
    const ends = [send(1), send(2)]
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    queue.resume()
    expect(queue.getStatus().blocked).toBe(0)
    await clock.run({ until: Promise.all(ends) })
  })

  test('when there are more slots', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'block' })
    const ends = [send(5)]
    await clock.settle()
    ends.push(send(1), send(2))
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    queue.concurrency = 2
    expect(queue.getStatus().blocked).toBe(0)
    await clock.run({ until: Promise.all(ends) })
  })

  test('when one that waits leaves, before anyone hears of that', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'block' })
    queue.pause()
    const waits = await queue.submit(1)
    const end = send(2)
    const seen: unknown[] = []
    queue.on('cancelled', () => seen.push(queue.getStatus().blocked))
    waits.cancel()
    expect(seen).toEqual([0])
    queue.resume()
    await clock.run({ until: end })
  })

  test('when a slot that is stuck has a substitute', async () => {
    const options = { maxQueueSize: 1, whenFull: 'block', onStuck: 'replace', runTimeoutMs: 10 } as const
    const { clock, queue, started, send } = timed(options)
    const ends = [send(90)]
    await clock.settle()
    ends.push(send(1, { delayMs: 50 }), send(2))
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    await clock.advance(10)
    expect([started, queue.getStatus().blocked]).toEqual([[90, 2], 0])
    await clock.run({ until: Promise.all(ends) })
  })
})

describe('who is blocked, and gets another priority', () => {
  test('comes in as if it had come with that one, and keeps its timeouts', async () => {
    const options = { maxQueueSize: 1, whenFull: 'block', runTimeoutMs: { low: 30, urgent: 1 } } as const
    const { clock, started, send } = timed(options)
    const ends = [send(5)]
    await clock.settle()
    ends.push(send(20), send(1), send(2, { id: 'shared', priority: 'low' }))
    await clock.settle()
    const shares = send(2, { id: 'shared', priority: 'urgent', runTimeoutMs: 100 })
    await clock.run({ until: Promise.all([...ends, shares]) })
    expect(started).toEqual([5, 20, 2, 1])
    expect(await Promise.all([...ends, shares])).toEqual([5, 20, 1, 2, 2])
  })

  test('comes in at once where that one has room', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: { total: 9, low: 1 }, whenFull: 'block' })
    queue.pause()
    const ends = [send(1, { priority: 'low' }), send(2, { priority: 'low', id: 'blocked' })]
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    expect(queue.get('blocked')?.setPriority('normal')).toBe(true)
    expect(queue.getStatus()).toMatchObject({ waiting: 2, blocked: 0 })
    queue.resume()
    await clock.run({ until: Promise.all(ends) })
  })
})

test('who is blocked can be cancelled by its id', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'block' })
  queue.pause()
  const ends = [send(1), send(2, { id: 'blocked' })]
  expect([queue.cancel('blocked'), queue.cancel('blocked')]).toEqual([true, false])
  expect(await ends[1]).toBe('TRIAGE_CANCELLED')
  queue.resume()
  await clock.run({ until: Promise.all(ends) })
})

test('one who is blocked is announced, with how many are; when none may be any more, the refusal says so', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1, maxBlocked: 1, whenFull: 'block' })
  const told: unknown[] = []
  queue.on('blocked', ({ blocked }) => told.push(blocked))
  queue.pause()
  const ends = [send(1), send(2)]
  expect(await queue.execute(3).catch((error) => error)).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', bound: 'blocked' })
  expect(told).toEqual([1])
  queue.resume()
  await clock.run({ until: Promise.all(ends) })
})

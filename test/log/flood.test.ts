/**
 * Does an outage stay a log, and not become a flood of its own? And is nothing lost without being counted?
 */
import { logTo } from 'triage-queue/log'
import { afterEach, expect, test, vi } from 'vitest'
import { memory, sum, timed } from './support.ts'

const onlyRefusals = { levels: { full: 'off', closed: 'off' } } as const

test('a flood of refusals is a burst, then a few lines a second, each with how many it stands for', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1 })
  const { told, logger } = memory()
  logTo(queue, logger, onlyRefusals)
  for (let ms = 0; ms < 2_000; ms++) {
    for (let n = 0; n < 5; n++) send(60_000)
    await clock.advance(1)
  }
  // The first came 1 ms apart and took the 20 at once; then one every 100 ms.
  expect(told.length).toBeGreaterThanOrEqual(38)
  expect(told.length).toBeLessThanOrEqual(40)
  expect(told.slice(0, 20).every(({ fields }) => fields.suppressed === undefined)).toBe(true)
  expect(told.at(-1)?.fields).toMatchObject({ event: 'rejected', suppressed: expect.any(Number) })
  await clock.run({ until: queue.close({ drain: false, graceMs: 0 }) })
  expect(told.at(-1)?.fields).toMatchObject({ event: 'suppressed', of: 'rejected', reason: 'queue_full' })
  expect(sum(told, 'rejected')).toBe(queue.getStatus().totals.rejected)
})

test('a flood of one kind hides no other: neither another event nor another reason', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1, onDuplicate: 'reject' })
  const { told, logger } = memory()
  logTo(queue, logger, { ...onlyRefusals, perSecond: 1, burst: 1 })
  send(-10, { id: 'a' })
  await clock.settle()
  for (let n = 0; n < 100; n++) send(1)
  send(1, { id: 'a' })
  await clock.advance(20)
  expect(told.map(({ fields }) => fields.reason ?? fields.event)).toEqual([
    'queue_full',
    'duplicate_request',
    'failed',
    'queue_full',
  ])
})

test('what was held back is said as soon as nothing runs any more', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1 })
  const { told, logger } = memory()
  logTo(queue, logger, { ...onlyRefusals, burst: 1 })
  for (let n = 0; n < 12; n++) send(5)
  expect(told).toHaveLength(1)
  await clock.run()
  expect(told[1]).toEqual({
    level: 'warn',
    message: 'log lines suppressed',
    fields: { queue: 'jobs', event: 'suppressed', of: 'rejected', reason: 'queue_full', suppressed: 9 },
  })
})

test('what was held back is said after five seconds, while the executor goes on', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 2 })
  const { told, logger } = memory()
  logTo(queue, logger, { ...onlyRefusals, burst: 1 })
  for (let n = 0; n < 12; n++) send(1_000)
  const saidAt: number[] = []
  for (let s = 1; s <= 10; s++) {
    await clock.advance(1_000)
    if (told.length > 1) saidAt.push(clock.now())
    send(1_000)
  }
  expect(saidAt[0]).toBe(5_000)
  expect(told).toHaveLength(2)
  expect(sum(told, 'rejected')).toBe(queue.getStatus().totals.rejected)
})

test('an executor that is idle again and again says what it holds back only at the same rate', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1 })
  const { told, logger } = memory()
  const log = logTo(queue, logger, onlyRefusals)
  for (let n = 0; n < 1_000; n++) {
    for (let i = 0; i < 10; i++) send(1)
    await clock.run()
  }
  expect(clock.now()).toBe(2_000)
  // Two kinds of line, each with 20 at once and 10 a second.
  expect(told.length).toBeLessThanOrEqual(80)
  log()
  expect(sum(told, 'rejected')).toBe(queue.getStatus().totals.rejected)
})

test('dispose says what was held back, once', () => {
  const { queue, send } = timed({ maxQueueSize: 1 })
  const { told, logger } = memory()
  const log = logTo(queue, logger, { ...onlyRefusals, burst: 1 })
  for (let n = 0; n < 12; n++) send(5)
  log()
  log()
  expect(told.map(({ fields }) => fields.suppressed)).toEqual([undefined, 9])
})

test('without a limit every line is written', () => {
  const { queue, send } = timed({ maxQueueSize: 1 })
  const { told, logger } = memory()
  logTo(queue, logger, { ...onlyRefusals, perSecond: Number.POSITIVE_INFINITY })
  for (let n = 0; n < 500; n++) send(5)
  expect(told).toHaveLength(498)
})

test('listeners for the flood go when it has been told of', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1 })
  const heard: string[] = []
  const spied = {
    on: ((event, listener) => {
      heard.push(event)
      return queue.on(event, listener)
    }) as typeof queue.on,
    off: ((event, listener) => {
      heard.splice(heard.lastIndexOf(event), 1)
      return queue.off(event, listener)
    }) as typeof queue.off,
    getStatus: () => queue.getStatus(),
  }
  const log = logTo(spied, memory().logger, { ...onlyRefusals, burst: 1 })
  const before = [...heard]
  for (let n = 0; n < 12; n++) send(5)
  expect(heard).toEqual([...before, 'started', 'idle'])
  await clock.run()
  expect(heard).toEqual(before)
  for (let n = 0; n < 12; n++) send(5)
  expect(heard).toEqual([...before, 'started', 'idle'])
  log()
  expect(heard).toEqual([])
})

afterEach(() => {
  vi.useRealTimers()
})

test('it sets no timer, also while lines are held back', () => {
  const { queue, send } = timed({ maxQueueSize: 1 })
  vi.useFakeTimers()
  logTo(queue, memory().logger, { burst: 1 })
  for (let n = 0; n < 12; n++) send(5)
  expect(vi.getTimerCount()).toBe(0)
})

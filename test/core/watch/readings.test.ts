/**
 * What an exporter reads: every wait, every run and every refusal, by priority and by how it ended.
 */

import { type ExecutorEvents, QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'

function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    async (ms: number) => {
      await clock.sleep(Math.abs(ms))
      if (ms < 0) throw new Error('failed')
      return ms
    },
    { clock, concurrency: 1, ...options },
  )
  return { clock, queue }
}

test('each request that leaves the queue counts as a wait, each call that settles as a run', async () => {
  const { clock, queue } = timed({ maxQueueSize: 4, whenFull: 'shed', runTimeoutMs: 50 })
  await clock.advance(1_000)
  const answers = [
    queue.execute(10),
    queue.execute(-20, { priority: 'high' }),
    queue.execute(80, { priority: 'urgent' }),
    queue.execute(1, { priority: 'low', waitTimeoutMs: 5 }),
    queue.execute(1, { priority: 'low' }),
    queue.execute(7, { priority: 'high' }),
  ].map((answer) => answer.catch((error) => error))
  await clock.advance(30)
  const { waitingByPriority, oldestWaitMsByPriority } = queue.getStatus()
  expect(waitingByPriority).toEqual({ urgent: 0, high: 2, normal: 1, low: 0 })
  expect(oldestWaitMsByPriority).toEqual({ urgent: 0, high: 30, normal: 30, low: 0 })
  await clock.run({ until: Promise.all(answers) })
  await clock.advance(1_000)

  const { totals, totalsByPriority, wait, run, waitByPriority, runByPriority } = queue.getStatus()
  expect(totals).toMatchObject({ admitted: 6, completed: 2, failed: 1, expired: 2, shed: 1 })
  const none = { rejected: 0, completed: 0, failed: 0, expired: 0, cancelled: 0, shed: 0 }
  expect(totalsByPriority).toEqual({
    urgent: { ...none, admitted: 1, expired: 1 },
    high: { ...none, admitted: 2, completed: 1, failed: 1 },
    normal: { ...none, admitted: 1, completed: 1 },
    low: { ...none, admitted: 2, expired: 1, shed: 1 },
  })
  expect(wait.count).toBe(6)
  expect(run.count).toBe(4)
  const histograms = queue.getHistograms()
  for (const priority of ['urgent', 'high', 'normal', 'low'] as const) {
    const runs = Object.values(histograms.runByPriority[priority])
    expect(runs.reduce((sum, { count }) => sum + count, 0)).toBe(runByPriority[priority].count)
    expect(histograms.waitByPriority[priority].count).toBe(waitByPriority[priority].count)
  }
  const { urgent, high, normal, low } = histograms.runByPriority
  expect(Object.keys(urgent)).toEqual(['expired'])
  expect(urgent.expired).toMatchObject({ count: 1, sumMs: 80, maxMs: 80 })
  expect(Object.keys(high)).toEqual(['completed', 'failed'])
  expect(high.failed).toMatchObject({ count: 1, sumMs: 20 })
  expect(normal.completed).toMatchObject({ count: 1, sumMs: 10 })
  expect(low).toEqual({})
  expect(histograms.waitByPriority.low).toMatchObject({ count: 2, sumMs: 5 })
})

test('one that was to start later, and leaves before that, has waited for nothing; one that waits for another has', async () => {
  const { clock, queue } = timed()
  const never = new Promise(() => {})
  const [later, behind] = [await queue.submit(1, { delayMs: 100 }), await queue.submit(1, { after: [never] })]
  await clock.advance(40)
  later.cancel()
  expect(queue.getStatus().wait).toMatchObject({ count: 1, maxMs: 0 })
  behind.cancel()
  expect(queue.getStatus().wait).toMatchObject({ count: 2, maxMs: 40 })
})

test('each refusal is counted with its reason', async () => {
  const { clock, queue } = timed({
    maxQueueSize: 1,
    onDuplicate: 'reject',
    schema: { '~standard': { version: 1, vendor: 'test', validate: validate } },
  })
  function validate(value: unknown) {
    if (value === 13) throw new Error('the schema is broken')
    return value === 12 ? { issues: [{ message: 'not 12' }] } : { value: value as number }
  }
  const signal = AbortSignal.abort()
  const answers = [
    queue.execute(10, { id: 'a' }),
    queue.execute(10),
    queue.execute(10, { priority: 'low' }),
    queue.execute(10, { priority: 'low', id: 'a' }),
    queue.execute(12, { priority: 'urgent' }),
    queue.execute(13, { priority: 'urgent' }),
    queue.execute(10, { priority: 'high', signal }),
    queue.execute(10, { priority: 'high', timeoutMs: -1 }),
  ].map((answer) => answer.catch((error) => error))
  await clock.run({ until: Promise.all(answers) })
  await queue.close()
  await queue.execute(1).catch(() => {})
  const { rejectedByPriority, totals, totalsByPriority } = queue.getStatus()
  expect(rejectedByPriority).toEqual({
    urgent: { invalid_request: 1, error: 1 },
    high: { aborted: 1, invalid_options: 1 },
    normal: { queue_closed: 1 },
    low: { queue_full: 1, duplicate_request: 1 },
  })
  expect(totals.rejected).toBe(7)
  expect(totalsByPriority.urgent.rejected).toBe(2)
})

test('who joins is told of in his own words; a new concurrency, when it is another one', async () => {
  const { clock, queue } = timed()
  const joined: ExecutorEvents['joined'][] = []
  const resized: ExecutorEvents['resized'][] = []
  queue.on('joined', (event) => joined.push(event)).on('resized', (event) => resized.push(event))
  const answers = [
    queue.execute(10, { id: 'a', metadata: 'first' }),
    queue.execute(10, { id: 'a', metadata: 'second', priority: 'high' }),
  ]
  await clock.advance(5)
  queue.concurrency = 3
  queue.concurrency = 3
  await clock.run({ until: Promise.all(answers) })
  expect(await Promise.all(answers)).toEqual([10, 10])
  expect(joined).toEqual([{ id: 'a', priority: 'high', request: 10, metadata: 'second', at: 0 }])
  expect(resized).toEqual([{ at: 5, from: 1, to: 3 }])
})

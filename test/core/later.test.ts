/**
 * What may happen to a request before the time comes at which it may start, or start again.
 */
import { QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { busy, gated, lost, turn, watch } from '../failures/support.ts'
import { unhandledIn } from '../laws/support/unhandled.ts'

test('blocked, and then held back: its timeout counts from when it may start, not from when it was submitted', async () => {
  const { clock, gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
  watch(queue.execute('waits'))
  const later = watch(queue.execute('later', { delayMs: 1_000, waitTimeoutMs: 300 }))
  expect(queue.getStatus().blocked).toBe(1)
  await clock.advance(100)
  await gate.finish('busy 0')
  expect(queue.getStatus()).toMatchObject({ blocked: 0, waiting: 1 })
  await clock.advance(1_199)
  expect(later.state).toBe('pending')
  await clock.advance(1)
  expect([later.outcome, clock.now()]).toEqual(['TRIAGE_WAIT_TIMEOUT', 1_300])
  await gate.finishAll()
})

test.each([100, 150])(
  'blocked until its time has come, or longer (%i ms): it stands in the queue at once',
  async (ms) => {
    const { clock, gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('waits'))
    watch(queue.execute('later', { delayMs: 100 }))
    await clock.advance(ms)
    await gate.finish('busy 0')
    expect(queue.getStatus()).toMatchObject({ blocked: 0, waiting: 1 })
    await gate.finish('waits')
    expect([gate.started, clock.now()]).toEqual([['busy 0', 'waits', 'later'], ms])
    await gate.finishAll()
  },
)

describe('after others', () => {
  test.each([
    [40, 100],
    [150, 150],
  ])('that have ended at %i, and not before 100: it starts at %i', async (endAt, startAt) => {
    const { clock, gate, queue } = gated()
    watch(queue.execute('later', { after: [clock.sleep(endAt)], delayMs: 100 }))
    await clock.advance(startAt - 1)
    expect(gate.started).toEqual([])
    await clock.advance(1)
    expect(gate.started).toEqual(['later'])
    await gate.finishAll()
  })

  test('what is neither a request nor a promise has settled already', async () => {
    const { clock, gate, queue } = gated()
    watch(queue.execute('later', { after: [null, undefined, 7, 'text', {}] as Promise<unknown>[] }))
    await clock.advance(0)
    expect(gate.started).toEqual(['later'])
    await gate.finishAll()
  })

  test('it is held back no more once it has run: a close() inside a later run does not wait for it', async () => {
    const clock = new VirtualClock()
    const ended: string[] = []
    const queue: QueuedExecutor<string, void> = new QueuedExecutor(
      async (name: string) => {
        await (name === 'closer' ? queue.close() : clock.sleep(5))
        ended.push(name)
      },
      { clock, concurrency: 2 },
    )
    await clock.run({ until: queue.execute('behind', { after: [queue.execute('first')] }) })
    await clock.run({ until: queue.execute('closer') })
    expect([ended, clock.now()]).toEqual([['first', 'behind', 'closer'], 10])
  })
})

describe('cancelled while it waits for others', () => {
  test.each(['fulfil', 'reject'] as const)('it stays cancelled when they %s afterwards', async (how) => {
    const { clock, gate, queue } = gated()
    const before = Promise.withResolvers<void>()
    const request = await queue.submit('after', { after: [before.promise] })
    const end = watch(request.result)
    expect(request.cancel('not any more')).toBe(true)
    const unheard = await unhandledIn(async () => {
      if (how === 'fulfil') before.resolve()
      else before.reject(new Error('failed'))
      await clock.advance(10)
    })
    const error = { code: 'TRIAGE_CANCELLED', reason: 'not any more' }
    expect([end.error, unheard, gate.started]).toEqual([expect.objectContaining(error), [], []])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { admitted: 1, cancelled: 1 } })
    expect(lost(queue.getStatus())).toBe(0)
    await queue.idle()
  })
})

test('one that is back in the queue may be given another priority, and takes up nobody’s room in either', async () => {
  const { clock, gate, queue } = gated({
    maxQueueSize: { total: 3, urgent: 1 },
    retry: { name: 'once', delayMs: ({ attempt }) => (attempt === 1 ? 10 : undefined) },
  })
  const again = await queue.submit('again', { priority: 'low' })
  await turn()
  await gate.fail('again', new Error('first'))
  watch(queue.execute('runs'))
  await clock.advance(10)
  const room = () => queue.getStatus().waitingByPriority
  expect([again.position(), room()]).toEqual([0, { urgent: 0, high: 0, normal: 0, low: 0 }])
  for (const [name, priority] of [['high', 'high'] as const, ['urgent', 'urgent'] as const]) {
    watch(queue.execute(name, { priority }))
  }
  expect([again.position(), again.setPriority('urgent')]).toEqual([2, true])
  // It came before both of them.
  expect([again.position(), room()]).toEqual([0, { urgent: 1, high: 1, normal: 0, low: 0 }])
  expect(await queue.execute('no room', { priority: 'urgent' }).catch((error) => error.code)).toBe('TRIAGE_QUEUE_FULL')
  await gate.finishAll()
  expect(gate.started).toEqual(['again', 'runs', 'again', 'urgent', 'high'])
  expect([await again.result, lost(queue.getStatus())]).toEqual(['again', 0])
})

test.each([
  [10, 'is tried again, in time for those who have stayed', 'answer', 2],
  [30, 'has failed, though only whoever has left would have waited for so long', 'failed', 1],
])(
  'with %i ms until another attempt, a request that its first caller has left %s',
  async (delayMs, _what, told, attempts) => {
    const { clock, gate, queue } = gated({ retry: { name: 'always', delayMs: () => delayMs } })
    const caller = new AbortController()
    const first = watch(queue.execute('shared', { id: 'shared', signal: caller.signal }))
    const stays = watch(queue.execute('shared', { id: 'shared', timeoutMs: 20 }))
    await turn()
    caller.abort('gone')
    await gate.fail('shared', 'failed')
    await clock.advance(10)
    await (stays.state === 'pending' ? gate.finish('shared', 'answer') : turn())
    expect([first.error, stays.value ?? stays.error, gate.started.length]).toEqual(['gone', told, attempts])
    expect([queue.getStatus().retrying, lost(queue.getStatus())]).toEqual([0, 0])
  },
)

test('whoever is blocked behind one that starts later gets the slot that is of no use to that one', async () => {
  const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
  watch(queue.execute('waits for its time', { delayMs: 5_000 }))
  watch(queue.execute('blocked, for later', { delayMs: 5_000, priority: 'urgent' }))
  watch(queue.execute('blocked', { priority: 'low' }))
  expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 2 })
  await gate.finish('busy 0')
  await turn()
  expect(gate.started).toContain('blocked')
  expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1, running: 1 })
  await gate.finishAll()
})

test('one that gets another priority keeps the timeouts that it came with', async () => {
  const { clock, gate, queue } = await busy({ timeoutMs: { normal: 300, low: 50 } })
  const handle = await queue.submit('moves')
  const ended = watch(handle.result)
  handle.setPriority('low')
  await clock.advance(100)
  await gate.finish('busy 0')
  expect(gate.started).toContain('moves')
  await clock.advance(199)
  expect(ended.state).toBe('pending')
  await clock.advance(1)
  expect(ended.outcome).toBe('TRIAGE_RUN_TIMEOUT')
  await gate.finishAll()
})

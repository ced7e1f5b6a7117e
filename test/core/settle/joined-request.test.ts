/**
 * The handle of a caller who shares a live request: it tells of that request for as long as its caller takes part.
 */
import { QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'

/** A request that waits behind another one, and the handle of a caller who has joined it. */
async function joined() {
  const clock = new VirtualClock(100)
  const queue = new QueuedExecutor(
    async (name: string) => {
      await clock.sleep(10)
      return `${name} answered`
    },
    { clock, concurrency: 1, onDuplicate: 'join-by-id' },
  )
  const before = queue.execute('before')
  await clock.advance(1)
  const own = await queue.submit('x', { id: 'x', priority: 'low', metadata: 'own' })
  await clock.advance(2)
  const other = await queue.submit('another payload', { id: 'x', priority: 'low', metadata: 'other' })
  return { clock, queue, before, own, other }
}

test('a joined handle tells of the request that it shares, and of its own caller', async () => {
  const { clock, before, own, other } = await joined()
  expect(other).toMatchObject({
    id: 'x',
    request: 'x',
    priority: 'low',
    state: 'waiting',
    metadata: 'other',
    enqueuedAt: 103,
    startedAt: undefined,
    endedAt: undefined,
  })
  expect(own.metadata).toBe('own')
  await clock.run({ until: before })
  expect(other).toMatchObject({ state: 'running', startedAt: 110, endedAt: undefined })
  await clock.run({ until: own.result })
  expect(other).toMatchObject({ state: 'completed', startedAt: 110, endedAt: 120 })
  expect(await other.result).toBe('x answered')
})

test('its result is one promise, however often it is read, before the end and after', async () => {
  const { clock, other } = await joined()
  const { result } = other
  expect(other.result).toBe(result)
  await clock.run({ until: result })
  expect(other.result).toBe(result)
  expect(await result).toBe('x answered')
})

test('it fails with the request, also for who asks only then', async () => {
  const clock = new VirtualClock()
  const failure = new Error('failed')
  const queue = new QueuedExecutor(
    async () => {
      await clock.sleep(10)
      throw failure
    },
    { clock },
  )
  const handles = [1, 2, 3].map(() => queue.submit('x', { id: 'x' }))
  const [own, early, late] = await Promise.all(handles)
  const ends = [own, early].map((handle) => handle?.result.catch((error) => error))
  await clock.run({ until: Promise.all(ends) })
  expect(await Promise.all(ends)).toEqual([failure, failure])
  await expect(late?.result).rejects.toBe(failure)
})

test('whoever never asks for its result hears of no failure', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(() => Promise.reject(new Error('failed')), { clock })
  const [, other] = await Promise.all([queue.submit('x', { id: 'x' }), queue.submit('x', { id: 'x' })])
  await clock.settle()
  expect(other?.state).toBe('failed')
})

test('its own timeouts end it, whichever is over first', async () => {
  const { clock, queue } = await joined()
  for (const [timeouts, at] of [
    [{ waitTimeoutMs: 2, timeoutMs: 5 }, 105],
    [{ waitTimeoutMs: 5, timeoutMs: 2 }, 107],
  ] as const) {
    const handle = await queue.submit('x', { id: 'x', ...timeouts })
    const end = handle.result.catch((error) => error)
    await clock.run({ until: end })
    expect(clock.now()).toBe(at)
    expect((await end).code).toBe('TRIAGE_WAIT_TIMEOUT')
    expect(handle.state).toBe('expired')
  }
})

test('it moves the request that it shares, and knows its position, until it leaves', async () => {
  const { queue, own, other } = await joined()
  const high = await queue.submit('y', { priority: 'high' })
  expect([other.position(), own.position(), high.position()]).toEqual([1, 1, 0])
  expect(other.setPriority('urgent')).toBe(true)
  expect([other.position(), own.priority, other.priority]).toEqual([0, 'urgent', 'urgent'])
  const end = other.result.catch((error) => error)
  expect([other.cancel('enough'), other.cancel('again')]).toEqual([true, false])
  expect([other.state, other.position(), other.setPriority('low')]).toEqual(['cancelled', undefined, false])
  expect(await end).toMatchObject({ code: 'TRIAGE_CANCELLED', reason: 'enough' })
  expect(own).toMatchObject({ state: 'waiting', priority: 'urgent' })
  expect(own.position()).toBe(0)
})

test('the run that several share must be over when the last of them would be gone', async () => {
  const clock = new VirtualClock()
  const deadlines: number[] = []
  const queue = new QueuedExecutor(
    async (_request, run) => {
      deadlines.push(run.deadline)
      await clock.sleep(30)
      deadlines.push(run.deadline)
    },
    { clock, concurrency: 1 },
  )
  const caller = new AbortController()
  const first = queue.execute('shared', { id: 'shared', timeoutMs: 100, signal: caller.signal }).catch(() => {})
  const second = queue.execute('shared', { id: 'shared', timeoutMs: 50 })
  await clock.advance(10)
  caller.abort()
  await clock.run({ until: Promise.all([first, second]) })
  expect(deadlines).toEqual([100, 50])
})

/**
 * The handle of a caller who shares a live request: it tells of that request for as long as its caller takes part.
 */
import { QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { busy, turn, watch } from '../../failures/support.ts'

test('it tells where the request is, and moves it; there is one result, however often it is read', async () => {
  const { clock, gate, queue } = await busy()
  watch(queue.execute('before'))
  const first = await queue.submit('shared', { id: 'shared', metadata: 'first' })
  await clock.advance(5)
  const joined = await queue.submit('shared', { id: 'shared', metadata: 'second' })
  expect([joined.id, joined.request, joined.metadata, joined.enqueuedAt]).toEqual(['shared', 'shared', 'second', 5])
  expect([joined.state, joined.position(), joined.startedAt]).toEqual(['waiting', 1, undefined])
  expect([joined.setPriority('high'), joined.priority, first.priority, joined.position()]).toEqual([
    true,
    'high',
    'high',
    0,
  ])
  await clock.advance(5)
  await gate.finish('busy 0')
  expect([joined.state, joined.position(), joined.startedAt, joined.endedAt]).toEqual([
    'running',
    undefined,
    10,
    undefined,
  ])
  const results = [joined.result, joined.result]
  expect(results[0]).toBe(results[1])
  await clock.advance(5)
  await gate.finish('shared', 'answer')
  expect([await joined.result, joined.state, joined.endedAt]).toEqual(['answer', 'completed', 15])
  await gate.finishAll()
})

test('who has left has no part in it any more: neither place nor say', async () => {
  const { gate, queue } = await busy()
  const first = await queue.submit('shared', { id: 'shared' })
  const joined = await queue.submit('shared', { id: 'shared' })
  const end = watch(joined.result)
  expect([joined.cancel('enough'), joined.cancel('again')]).toEqual([true, false])
  expect([joined.state, joined.position(), joined.setPriority('urgent')]).toEqual(['cancelled', undefined, false])
  expect([first.state, first.position(), first.priority]).toEqual(['waiting', 0, 'normal'])
  await turn()
  expect(end.error).toMatchObject({ code: 'TRIAGE_CANCELLED', reason: 'enough' })
  await gate.finishAll()
  expect(await first.result).toBe('shared')
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

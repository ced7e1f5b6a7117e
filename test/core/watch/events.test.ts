/**
 * Listeners who come and go, and a reporter of their errors that fails itself.
 */
import { QueuedExecutor } from 'triage-queue'
import { expect, test, vi } from 'vitest'
import { turn } from '../../failures/support.ts'
import { unhandledIn } from '../../laws/support/unhandled.ts'

test('off() of one who never listened takes nobody else away', async () => {
  const queue = new QueuedExecutor((n: number) => n)
  const [listens, other] = [vi.fn(), vi.fn()]
  queue.on('completed', listens).on('failed', other)
  // One never listened to anything, the other to something else.
  queue.off('completed', () => {}).off('completed', other)
  queue.off('started', listens)
  await queue.execute(1)
  expect(listens).toHaveBeenCalledTimes(1)
  queue.off('completed', listens)
  await queue.execute(2)
  expect(listens).toHaveBeenCalledTimes(1)
})

test('an `onListenerError` whose promise rejects is warned of, with its own error, and is no unhandled rejection', async () => {
  const warnings: string[] = []
  const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(`${warning}`))
  const onListenerError = async () => {
    throw new Error('the log is full')
  }
  const queue = new QueuedExecutor((n: number) => n, { onListenerError })
  queue.on('completed', () => {
    throw new Error('broken')
  })
  const unheard = await unhandledIn(async () => {
    await queue.execute(1)
    await turn()
  })
  emitWarning.mockRestore()
  expect(unheard).toEqual([])
  expect(warnings).toEqual(["A listener of 'completed' has thrown Error: the log is full (1 such errors so far)"])
  expect(queue.getStatus().listenerErrors).toBe(1)
})

test('`full` is not told when a listener of `queued` has made room meanwhile', async () => {
  const queue = new QueuedExecutor(() => new Promise<never>(() => {}), { concurrency: 1, maxQueueSize: 1 })
  const told: string[] = []
  let leaves = true
  queue.on('queued', ({ id, waiting }) => waiting === 1 && leaves && queue.cancel(id))
  queue.on('full', ({ waiting }) => told.push(`full of ${waiting}`))
  queue.execute(1).catch(() => {})
  await turn()
  await expect(queue.execute(2)).rejects.toMatchObject({ code: 'TRIAGE_CANCELLED' })
  expect(told).toEqual([])
  leaves = false
  queue.execute(3).catch(() => {})
  expect(told).toEqual(['full of 1'])
  await queue.close({ drain: false, graceMs: 0 })
})

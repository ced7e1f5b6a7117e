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

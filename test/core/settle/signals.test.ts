/**
 * A caller's signal need not be Node's own: what is asked of it is little, and it can't hurt.
 */
import { expect, test } from 'vitest'
import { busy, turn, watch } from '../../failures/support.ts'

test('a signal of another make, which takes no listener away and tells twice, ends its request once', async () => {
  const { gate, queue } = await busy()
  const listeners: (() => void)[] = []
  const signal = {
    aborted: false,
    reason: 'gone',
    addEventListener: (_event: string, listener: () => void) => void listeners.push(listener),
    removeEventListener: () => {},
  }
  const end = watch(queue.execute('a', { signal: signal as unknown as AbortSignal }))
  const tell = (): void => {
    signal.aborted = true
    for (const listener of listeners) listener()
  }
  expect(listeners).toHaveLength(1)
  tell()
  expect(tell).not.toThrow()
  await turn()
  expect(end.error).toBe('gone')
  expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { admitted: 2, cancelled: 1 } })
  await gate.finishAll()
})

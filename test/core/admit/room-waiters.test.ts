import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { RoomWaiters } from '../../../src/core/admit/room-waiters.ts'
import { watch } from '../../failures/support.ts'

test('whoever has left is kept no longer; whoever was told leaves no listener on the signal', async () => {
  const waiters = new RoomWaiters()
  const [leaves, stays] = [new AbortController(), new AbortController()]
  const left = watch(waiters.wait(2, leaves.signal))
  const told = watch(waiters.wait(2, stays.signal))
  leaves.abort('gone')
  expect(waiters.size).toBe(1)
  waiters.tell(() => true)
  await Promise.all([left.done, told.done])
  expect([left.error, told.state, waiters.size]).toEqual(['gone', 'fulfilled', 0])
  expect(getEventListeners(stays.signal, 'abort')).toEqual([])
})

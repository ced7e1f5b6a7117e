import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { RoomWaiters } from '../../../src/core/admit/room-waiters.ts'

/** What has become of each promise so far. */
function watched() {
  let gone = 0
  const waiters = new RoomWaiters<number>(() => gone++)
  const told: string[] = []
  const wait = (name: string, tier: number, signal?: AbortSignal): void => {
    waiters.wait(tier, signal).then(
      () => told.push(`${name}: room`),
      (error) => told.push(`${name}: ${error}`),
    )
  }
  const seen = async (): Promise<string[]> => {
    await undefined
    await undefined
    return told
  }
  return { waiters, wait, seen, gone: () => gone }
}

test('those are told for whom there is room, all of them; the others wait on', async () => {
  const { waiters, wait, seen } = watched()
  wait('a', 0)
  wait('b', 3)
  wait('c', 0)
  expect(waiters.size).toBe(3)
  waiters.tell((tier) => tier === 0)
  expect(waiters.size).toBe(1)
  expect(await seen()).toEqual(['a: room', 'c: room'])
  waiters.tell(() => false)
  expect(waiters.size).toBe(1)
  waiters.tell(() => true)
  expect(waiters.size).toBe(0)
  expect(await seen()).toEqual(['a: room', 'c: room', 'b: room'])
})

test('an abort takes the one whose signal it is', async () => {
  const { waiters, wait, seen } = watched()
  const abort = new AbortController()
  wait('a', 0, abort.signal)
  wait('b', 0)
  abort.abort('enough')
  expect(waiters.size).toBe(1)
  expect(await seen()).toEqual(['a: enough'])
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0)
})

test('whoever was told or refused no longer listens to his signal', async () => {
  const { waiters, wait, seen } = watched()
  const aborts = [new AbortController(), new AbortController()] as const
  wait('a', 0, aborts[0].signal)
  waiters.tell(() => true)
  wait('b', 0, aborts[1].signal)
  let errors = 0
  waiters.refuse(() => `closed ${++errors}`)
  expect(waiters.size).toBe(0)
  for (const { signal } of aborts) expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  expect(await seen()).toEqual(['a: room', 'b: closed 1'])
  waiters.refuse(() => ++errors)
  expect(errors).toBe(1)
})

test('what a question throws is the answer to the one who asked it, and to nobody else', async () => {
  const { waiters, wait, seen, gone } = watched()
  wait('a', 0)
  wait('b', 1)
  wait('c', 2)
  waiters.tell((tier) => {
    if (tier === 1) throw new Error('thrown')
    return tier === 2
  })
  expect(await seen()).toEqual(['b: Error: thrown', 'c: room'])
  expect([...waiters.asked()]).toEqual([0])
  expect(gone()).toBe(0)
  waiters.tell(() => true)
  expect(gone()).toBe(1)
})

test('one that is told while others are asked is not asked any more', async () => {
  const { waiters, wait, seen } = watched()
  const caller = new AbortController()
  wait('a', 0)
  wait('b', 1, caller.signal)
  const asked: number[] = []
  waiters.tell((tier) => {
    asked.push(tier)
    caller.abort('enough')
    return false
  })
  expect([asked, waiters.size, await seen()]).toEqual([[0], 1, ['b: enough']])
})

/**
 * Is the made-up load what it says: the same for the same seed, at its rate, in its mix?
 */
import { expect, test } from 'vitest'
import { type Arrival, MIX, madeUpLoad, send } from '../../examples/demo/load.ts'

test('the same seed makes the same load, another seed another', () => {
  expect(madeUpLoad(100, 2, 1, MIX)).toEqual(madeUpLoad(100, 2, 1, MIX))
  expect(madeUpLoad(100, 2, 1, MIX)).not.toEqual(madeUpLoad(100, 2, 2, MIX))
})

test('arrivals come in order, at the rate and in the mix that was asked for', () => {
  const load = madeUpLoad(1000, 20, 1, { urgent: 1, high: 2, normal: 0, low: 1 })
  const share = (priority: string) => load.filter((arrival) => arrival.priority === priority).length / load.length
  expect(load.length / 20_000).toBeCloseTo(1, 1)
  expect(load.every(({ atMs }, index) => atMs >= (load[index - 1]?.atMs ?? 0))).toBe(true)
  expect(share('high')).toBeCloseTo(0.5, 1)
  expect(share('normal')).toBe(0)
})

test('sending calls for each arrival, in order, and waits for the last call', async () => {
  const arrivals = [0, 0, 1, 2].map((atMs, bytes): Arrival => ({ atMs, bytes, priority: 'low' }))
  const called: number[] = []
  let settled = 0
  await send(arrivals, async ({ bytes }) => {
    called.push(bytes)
    await new Promise((resolve) => setImmediate(resolve))
    settled++
  })
  expect(called).toEqual([0, 1, 2, 3])
  expect(settled).toBe(4)
})

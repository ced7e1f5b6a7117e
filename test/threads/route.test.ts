import { randomUUID } from 'node:crypto'
import { shardOf } from 'triage-queue/threads'
import { describe, expect, test, vi } from 'vitest'
import { Router } from '../../src/threads/route.ts'
import { seeded } from '../support/seeded.ts'

// A hundred thousand keys, on a machine that may have much else to do.
vi.setConfig({ testTimeout: 60_000 })

const KEYS = 100_000

const kinds: { readonly [kind: string]: (index: number) => string } = {
  numbers: (index) => `${index}`,
  'ids of ours': (index) => `5caa69be-${index.toString(36)}`,
  'random UUIDs': () => randomUUID(),
  tenants: (index) => `tenant:${index}@example.org`,
  paths: (index) => `/v1/users/${index}/pages/${index % 7}`,
  'letters of another script': (index) => `ключ ${index}`,
}

describe.each(Object.entries(kinds))('hash by %s', (_kind, keyOf) => {
  const keys = Array.from({ length: KEYS }, (_, index) => keyOf(index))

  test.each([2, 3, 4, 7, 16])('spreads them over %i shards within 5 %%', (n) => {
    const counts = new Array<number>(n).fill(0)
    for (const key of keys) counts[shardOf(key, n)]!++
    for (const count of counts) expect(Math.abs((count * n) / KEYS - 1)).toBeLessThan(0.05)
  })

  test.each([1, 4, 9])('from %i shards to one more: its share moves, and only to that one', (n) => {
    const moved = keys.filter((key) => shardOf(key, n) !== shardOf(key, n + 1))
    expect(Math.abs((moved.length * (n + 1)) / KEYS - 1)).toBeLessThan(0.05)
    expect(moved.every((key) => shardOf(key, n + 1) === n)).toBe(true)
  })
})

test('a key has the same shard in every process, and with every release', () => {
  expect(['', 'a', 'tenant 7', 'request 123456'].map((key) => shardOf(key, 16))).toMatchInlineSnapshot(`
    [
      14,
      0,
      7,
      5,
    ]
  `)
})

test('in turn', () => {
  const router = new Router('roundRobin', [{ load: 5 }, { load: 0 }, { load: 0 }], Math.random)
  expect([1, 2, 3, 4].map(() => router.next('same'))).toEqual([0, 1, 2, 0])
})

test('what has no key is put in turn where the key decides', () => {
  const router = new Router('hash', [{ load: 5 }, { load: 0 }], Math.random)
  expect([1, 2, 3].map(() => router.next(undefined))).toEqual([0, 1, 0])
})

test('of two that are drawn by lot the less loaded one: the loads stay close to each other', () => {
  const loads = Array.from({ length: 8 }, () => ({ load: 0 }))
  const router = new Router('leastLoaded', loads, seeded(7))
  for (let i = 0; i < 80_000; i++) loads[router.next(undefined)]!.load++
  const sizes = loads.map(({ load }) => load)
  // By lot alone it would be some 400.
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(10)
})

test('one shard has all', () => {
  expect(new Router('leastLoaded', [{ load: 0 }], Math.random).next('a')).toBe(0)
  expect(shardOf('a', 1)).toBe(0)
})

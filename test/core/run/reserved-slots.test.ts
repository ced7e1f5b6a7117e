import { describe, expect, test } from 'vitest'
import { Reserve } from '../../../src/core/run/reserve.ts'

interface Head {
  readonly tier: number
  readonly cost: number
  readonly rank: number
}

/** What stands first in each tier: with a rank of its own, by which they go. */
const queue = (...ranks: (number | undefined)[]) => costing(1, ...ranks)
function costing(cost: number, ...ranks: (number | undefined)[]) {
  const heads = ranks.map((rank, tier) => (rank === undefined ? undefined : { tier, cost, rank }))
  const goesBefore = (one: Head, other: Head) => one.rank < other.rank
  return {
    firstAt: (tier: number): Head | undefined => heads[tier],
    head: () => heads.reduce((a, b) => (a === undefined || (b !== undefined && goesBefore(b, a)) ? b : a), undefined),
    goesBefore,
  }
}

describe('who goes first', () => {
  test('is the first of the queue when nobody has a floor', () => {
    const reserve = new Reserve([0, 0, 0, 0], false)
    expect(reserve.isOn).toBe(false)
    expect(reserve.first(queue(9, undefined, 2, 5), 1, 4)?.tier).toBe(2)
    expect(reserve.first(queue(), 1, 4)).toBeUndefined()
    expect([0, 1, 2, 3].map((tier) => reserve.neverFor(tier))).toEqual([0, 0, 0, 0])
  })

  test('is one of a priority that runs less than its floor', () => {
    const reserve = new Reserve([0, 0, 1, 1], true)
    expect(reserve.isOn).toBe(true)
    expect(reserve.first(queue(1, 2, 3, 4), 1, 4)?.tier).toBe(2)
    // Of those who are owed one, and of those who are not, the first.
    expect(reserve.first(queue(1, 2, 4, 3), 1, 4)?.tier).toBe(3)
    reserve.takes(2, 1)
    expect(reserve.first(queue(1, 2, 3, 4), 1, 4)?.tier).toBe(3)
    reserve.takes(3, 1)
    expect(reserve.first(queue(2, 1, 3, 4), 1, 4)?.tier).toBe(1)
    reserve.takes(3, -1)
    expect(reserve.first(queue(2, 1, 3, undefined), 1, 4)?.tier).toBe(1)
    expect(reserve.first(queue(2, 1, 3, 4), 1, 4)?.tier).toBe(3)
  })

  test('leaves the slots of others free, as many as they run less than their floors', () => {
    const reserve = new Reserve([2, 0, 0, 1], false)
    const mayHave = (tier: number, free: number) =>
      reserve.first(queue(...[0, 1, 2, 3].map((t) => (t === tier ? 1 : undefined))), free, 9) !== undefined
    expect([mayHave(1, 3), mayHave(1, 4)]).toEqual([false, true])
    expect([mayHave(0, 1), mayHave(0, 2)]).toEqual([false, true])
    expect([mayHave(3, 2), mayHave(3, 3)]).toEqual([false, true])
    reserve.takes(0, 3)
    expect([mayHave(1, 1), mayHave(1, 2)]).toEqual([false, true])
    reserve.takes(0, -2)
    expect([mayHave(1, 2), mayHave(1, 3)]).toEqual([false, true])
    expect([0, 1, 2, 3].map((tier) => reserve.neverFor(tier))).toEqual([1, 3, 3, 2])
  })

  test('takes what is lent', () => {
    const reserve = new Reserve([2, 0, 0, 1], true)
    expect(reserve.first(queue(undefined, 1), 1, 4)?.tier).toBe(1)
    expect([0, 1, 2, 3].map((tier) => reserve.neverFor(tier))).toEqual([0, 0, 0, 0])
  })
})

describe('with fewer slots', () => {
  /** How many are kept for each priority with so many slots. */
  const keptOf = (floors: number[], slots: number, lend = false) => {
    const reserve = new Reserve(floors, lend)
    reserve.fit(slots)
    // One of a priority starts when as many are free as are kept for the others, and one.
    const leastFor = (tier: number) => {
      const only = queue(...[0, 1, 2, 3].map((t) => (t === tier ? 1 : undefined)))
      return [1, 2, 3, 4, 5, 6, 7, 8, 9].find((free) => reserve.first(only, free, slots) !== undefined) as number
    }
    const others = [0, 1, 2, 3].map((tier) => leastFor(tier) - 1)
    const all = others.reduce((sum, kept) => sum + kept, 0) / 3
    return others.map((kept) => all - kept)
  }

  test.each<[number[], number, number[]]>([
    [[2, 0, 0, 1], 4, [2, 0, 0, 1]],
    [[2, 0, 0, 1], 3, [2, 0, 0, 0]],
    [[2, 0, 0, 1], 2, [1, 0, 0, 0]],
    [[2, 0, 0, 1], 1, [0, 0, 0, 0]],
    [[0, 0, 0, 2], 2, [0, 0, 0, 1]],
    [[1, 1, 1, 1], 4, [1, 1, 1, 1]],
    [[1, 1, 1, 1], 3, [1, 1, 0, 0]],
    [[1, 1, 1, 1], 2, [1, 0, 0, 0]],
    [[2, 2, 2, 2], 7, [2, 2, 2, 1]],
    [[2, 2, 2, 2], 6, [2, 2, 1, 0]],
    [[1, 0, 0, 0], 0, [0, 0, 0, 0]],
  ])('%j of %i slots give way to %j', (floors, slots, kept) => {
    expect(keptOf(floors, slots)).toEqual(kept)
  })

  test('what is lent need not give way', () => {
    const reserve = new Reserve([0, 0, 0, 1], true)
    reserve.fit(1)
    expect(reserve.first(queue(1, undefined, undefined, 2), 1, 1)?.tier).toBe(3)
  })

  test('floors come back with the slots', () => {
    const reserve = new Reserve([1, 0, 0, 0], false)
    const low = queue(undefined, undefined, undefined, 1)
    const mayStart = (slots: number) => {
      reserve.fit(slots)
      return reserve.first(low, 1, slots) !== undefined
    }
    expect([mayStart(2), mayStart(1), mayStart(2)]).toEqual([false, true, false])
  })
})

describe('one that takes several slots', () => {
  test('waits until so many are free, and nobody overtakes it', () => {
    const reserve = new Reserve([0, 0, 0, 0], false)
    expect(reserve.first(costing(3, 1), 2, 4)).toBeUndefined()
    expect(reserve.first(costing(3, 1), 3, 4)?.tier).toBe(0)
  })

  test('runs alone when there are not so many any more', () => {
    const reserve = new Reserve([0, 0, 0, 0], false)
    expect(reserve.first(costing(3, 1), 1, 2)).toBeUndefined()
    expect(reserve.first(costing(3, 1), 2, 2)?.tier).toBe(0)
  })

  test('leaves the slots of others free', () => {
    const reserve = new Reserve([1, 0, 0, 0], false)
    expect(reserve.first(costing(3, undefined, 1), 3, 5)).toBeUndefined()
    expect(reserve.first(costing(3, undefined, 1), 4, 5)?.tier).toBe(1)
  })

  test('runs alone beside slots that are stuck, in what is left, but not in more', () => {
    const reserve = new Reserve([1, 0, 0, 0], false)
    reserve.fit(2)
    expect(reserve.first(costing(2, undefined, 1), 2, 3)?.tier).toBe(1)
    expect(reserve.first(costing(3, undefined, 1), 2, 3)).toBeUndefined()
  })
})

import { expect, test } from 'vitest'
import type { RequestRecord } from '../../../src/core/request-record.ts'
import { Reserve } from '../../../src/core/run/reserve.ts'
import { Turns } from '../../../src/core/run/turns.ts'

const request = (cost: number, attempt = 1) => ({ tier: 2, cost, attempt }) as RequestRecord

/** Turns over a line of one tier, and what they have claimed of `free` slots. */
function turnsOver(line: RequestRecord[], free: number, reserve = new Reserve([0, 0, 0, 0], false)) {
  const slots = { limit: 4, usable: 4, free, claim: (count: number) => claimed.push(count) }
  const claimed: number[] = []
  const queue = {
    size: line.length,
    sizeAt: () => line.length,
    line: () => line,
    head: () => line[0],
    firstAt: (tier: number) => (tier === 2 ? line[0] : undefined),
    goesBefore: () => false,
    shift: () => line.shift(),
    take: (record: RequestRecord) => void line.splice(line.indexOf(record), 1),
  }
  return { turns: new Turns(reserve, queue, slots), claimed, slots }
}

test('a free slot is for anyone, unless somebody waits who takes several', () => {
  const { turns } = turnsOver([], 1)
  for (const cost of [1, 2]) {
    expect(turns.areForAnyone).toBe(true)
    turns.waits(request(cost))
    expect(turns.areForAnyone).toBe(cost === 1)
    turns.left(request(cost))
  }
  expect(turns.areForAnyone).toBe(true)
})

test('of those who take several it knows how many have come for the first time', () => {
  const { turns } = turnsOver([], 1)
  for (const record of [request(1), request(2), request(3), request(2, 2)]) turns.waits(record)
  expect(turns.newWide).toBe(2)
  turns.left(request(2, 2))
  expect(turns.newWide).toBe(2)
  turns.left(request(2))
  turns.left(request(1))
  expect([turns.newWide, turns.areForAnyone]).toEqual([1, false])
})

test('who takes several has the turn when there are enough slots, and claims all but the one that is there for it', () => {
  const wide = request(3)
  const line = [wide, request(1)]
  for (const free of [0, 1]) {
    const { turns } = turnsOver(line, free)
    turns.waits(wide)
    expect([turns.next(), turns.take(), line.length]).toEqual([undefined, undefined, 2])
  }
  const { turns, claimed } = turnsOver(line, 2)
  turns.waits(wide)
  expect(turns.next()).toBe(wide)
  expect(turns.take()).toBe(wide)
  expect([claimed, line, turns.newWide, turns.areForAnyone]).toEqual([[2], [request(1)], 0, true])
})

test('keeps slots when a priority has some for itself, and counts what those run', () => {
  const reserve = new Reserve([0, 0, 1, 0], false)
  const { turns } = turnsOver([request(1)], 0, reserve)
  expect([turns.keepsSlots, turns.areForAnyone]).toEqual([true, false])
  const others = { firstAt: (tier: number) => (tier === 3 ? request(1) : undefined) } as never
  expect(reserve.first(others, 1, 4)).toBeUndefined()
  const taken = turns.take() as RequestRecord
  expect(reserve.first(others, 1, 4)).toBeDefined()
  turns.gaveBack(taken)
  expect(reserve.first(others, 1, 4)).toBeUndefined()
  expect(turnsOver([], 0).turns.keepsSlots).toBe(false)
})

test('a run whose slot is stuck counts as none of its priority, until it has settled', () => {
  const reserve = new Reserve([0, 0, 1, 0], false)
  const { turns, slots } = turnsOver([request(1)], 0, reserve)
  const low = { firstAt: (tier: number) => (tier === 3 ? request(1) : undefined) } as never
  const taken = turns.take() as RequestRecord
  slots.usable = 3
  turns.sticks(taken)
  // Its priority is owed another one.
  expect(reserve.first(low, 1, 4)).toBeUndefined()
  slots.usable = 4
  turns.gaveBack(taken)
  expect(reserve.first(low, 1, 4)).toBeUndefined()
  expect(reserve.first(low, 2, 4)).toBeDefined()
})

/**
 * A tier against a sorted array: blocks that split, run empty at the front, in the middle and at the end.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Block, type Ranked, Tier } from '../../../src/core/queue/tier.ts'
import { seeded } from '../../support/seeded.ts'

/** As many as one block holds. */
const BLOCK = 512

const byPlace = (a: Ranked, b: Ranked): number => a.rank - b.rank || a.sequence - b.sequence

interface Entry extends Ranked {
  name: number
}

/** Commands as pairs of numbers: what to do, and with which rank or which entry. */
const commands = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 1_000_000 })), {
  minLength: 1,
  maxLength: 3_000,
})

function play(steps: [number, number][], rankOf: (value: number, sequence: number) => number): void {
  const tier = new Tier<Entry>()
  const model: Entry[] = []
  let sequence = 0
  for (const [what, value] of steps) {
    if (what <= 2 || model.length === 0) {
      const entry: Entry = { rank: rankOf(value, ++sequence), sequence, block: undefined, name: sequence }
      tier.add(entry)
      model.push(entry)
      model.sort(byPlace)
    } else if (what === 3) {
      expect(tier.shift()).toBe(model.shift())
    } else {
      const [entry] = what === 4 ? model.splice(value % model.length, 1) : [model[value % model.length]]
      if (entry === undefined) throw new Error('the model is empty')
      if (what === 4) tier.remove(entry)
      else {
        const index = model.indexOf(entry)
        expect(tier.countBefore(entry)).toBe(index)
        expect([tier.at(index), tier.at(model.length)]).toEqual([entry, undefined])
      }
    }
    expect(tier.size).toBe(model.length)
    expect(tier.first()).toBe(model[0])
    expect(tier.last()).toBe(model.at(-1))
  }
  expect([...tier].map((entry) => entry.name)).toEqual(model.map((entry) => entry.name))
  while (model.length > 0) expect(tier.shift()).toBe(model.shift())
  expect(tier.shift()).toBeUndefined()
}

test('it stays sorted when ranks only grow', () => {
  fc.assert(
    fc.property(commands, (steps) => play(steps, (_value, sequence) => sequence)),
    { numRuns: 60 },
  )
})

test('it stays sorted when ranks come in any order, equal ones included', () => {
  fc.assert(
    fc.property(commands, (steps) => play(steps, (value) => value % 50)),
    { numRuns: 60 },
  )
})

test('many blocks: removal, insertion and position agree with a sorted array', () => {
  const tier = new Tier<Entry>()
  let model: Entry[] = []
  const next = seeded(42)
  const random = (below: number): number => Math.floor(next() * below)
  for (let sequence = 1; sequence <= 20_000; sequence++) {
    const entry: Entry = { rank: random(5_000), sequence, block: undefined, name: sequence }
    tier.add(entry)
    model.push(entry)
  }
  model.sort(byPlace)
  for (let round = 0; round < 50; round++) {
    const entry = model[random(model.length)] as Entry
    expect(tier.countBefore(entry)).toBe(model.indexOf(entry))
    expect(tier.at(model.indexOf(entry))).toBe(entry)
  }
  const leaving = new Set(model.filter(() => random(3) > 0))
  for (const entry of leaving) tier.remove(entry)
  model = model.filter((entry) => !leaving.has(entry))
  expect([...tier]).toEqual(model)
  for (const entry of leaving) expect(entry.block).toBeUndefined()
})

test('many blocks: when all at the end leave, as those who are shed do, newcomers stand behind what is left', () => {
  const tier = new Tier<Entry>()
  const make = (sequence: number): Entry => ({ rank: sequence, sequence, block: undefined, name: sequence })
  const entries = Array.from({ length: 10_000 }, (_, sequence) => make(sequence))
  for (const entry of entries) tier.add(entry)
  while (tier.size > 100) {
    const last = tier.last() as Entry
    expect(last).toBe(entries.pop())
    tier.remove(last)
  }
  const newcomer = make(20_000)
  tier.add(newcomer)
  expect([tier.last(), tier.countBefore(newcomer)]).toEqual([newcomer, 100])
  expect([...tier]).toEqual([...entries, newcomer])
})

test('what has left is not kept alive by the block that it stood in', () => {
  const tier = new Tier<Entry>()
  const entries = Array.from({ length: 1_000 }, (_, sequence): Entry => {
    return { rank: sequence, sequence, block: undefined, name: sequence }
  })
  for (const entry of entries) tier.add(entry)
  const { block } = entries[10] as Entry
  for (let i = 0; i < 100; i++) tier.shift()
  expect(block?.items.slice(0, 100).every((item) => item === undefined)).toBe(true)
})

/** The tier and its model, which must agree after each step. */
class Pair {
  readonly tier = new Tier<Ranked>()
  readonly model: Ranked[] = []
  #sequence = 0
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = seeded(seed)
  }

  random(below: number): number {
    return Math.floor(this.#next() * below)
  }

  add(rank: number): void {
    const entry: Ranked = { rank, sequence: ++this.#sequence, block: undefined }
    this.tier.add(entry)
    this.model.splice(this.placeOf(entry), 0, entry)
    this.check()
  }

  fill(count: number, rankOf: (n: number) => number): void {
    for (let n = 0; n < count; n++) this.add(rankOf(n))
  }

  shift(count = 1): void {
    for (let n = 0; n < count; n++) {
      expect(this.tier.shift()).toBe(this.model.shift())
      this.check()
    }
  }

  remove(index: number, count = 1): void {
    for (const entry of this.model.splice(index, count)) {
      this.tier.remove(entry)
      if (entry.block !== undefined) throw new Error('it has left, and still stands in a block')
    }
    this.check()
  }

  placeOf(place: Ranked): number {
    let [low, high] = [0, this.model.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (byPlace(this.model[middle] as Ranked, place) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  // Without `expect` where nothing is wrong: it is asked 100,000 times.
  check(): void {
    const { tier, model } = this
    if (tier.size !== model.length) expect(tier.size).toBe(model.length)
    if (tier.first() !== model[0]) expect(tier.first()).toBe(model[0])
    if (tier.last() !== model.at(-1)) expect(tier.last()).toBe(model.at(-1))
  }

  checkAll(): void {
    this.check()
    expect([...this.tier].map(({ sequence }) => sequence)).toEqual(this.model.map(({ sequence }) => sequence))
    for (let n = 0; n < 50; n++) {
      const place = { rank: this.random(3_000), sequence: this.random(100_000), block: undefined }
      expect(this.tier.countBefore(place)).toBe(this.placeOf(place))
    }
    for (let index = 0; index < this.model.length; index += 101) {
      expect(this.tier.countBefore(this.model[index] as Ranked)).toBe(index)
      expect(this.tier.at(index)).toBe(this.model[index])
    }
    for (const index of [this.model.length - 1, this.model.length]) {
      expect(this.tier.at(index)).toBe(this.model[index])
    }
    let first = 0
    for (const block of this.blocks()) {
      // The first of each block, and whoever stands before it.
      first += block.items.length - block.start
      for (const index of [first - 1, first]) expect(this.tier.at(index)).toBe(this.model[index])
    }
  }

  blocks(): Set<Block> {
    return new Set(this.model.map(({ block }) => block as Block))
  }
}

describe.each<[string, (n: number, pair: Pair) => number]>([
  ['ranks that only grow', (n) => n],
  ['ranks that only shrink', (n) => 3_000 - n],
  ['ranks in any order', (_n, pair) => pair.random(3_000)],
  ['few ranks for many', (_n, pair) => pair.random(3)],
])('with %s', (_name, rankOf) => {
  test('any mixture of coming and leaving, until nothing is left, and once more', () => {
    const pair = new Pair(7)
    let n = 0
    for (let round = 0; round < 2; round++) {
      for (const [steps, shareOfNewcomers] of [
        [3_000, 0.9],
        [1_500, 0.5],
        [4_000, 0.1],
      ] as const) {
        for (let step = 0; step < steps; step++) {
          if (pair.random(1_000) < shareOfNewcomers * 1_000) pair.add(rankOf(n++, pair))
          else if (pair.random(2) === 0) pair.shift()
          else if (pair.model.length > 0) pair.remove(pair.random(pair.model.length))
        }
        pair.checkAll()
      }
      pair.shift(pair.model.length + 1)
      pair.checkAll()
    }
  })

  test('a stretch that leaves from the middle, from the front and from the end', () => {
    const pair = new Pair(11)
    pair.fill(6 * BLOCK, (n) => rankOf(n, pair))
    for (const index of [2 * BLOCK, 0]) {
      pair.remove(index, BLOCK + 200)
      pair.checkAll()
    }
    pair.remove(pair.model.length - BLOCK - 200, BLOCK + 200)
    pair.checkAll()
    pair.fill(BLOCK, (n) => rankOf(n, pair))
    pair.checkAll()
    pair.remove(0, pair.model.length)
    pair.fill(3, (n) => n)
    pair.checkAll()
  })
})

describe('where many are equal in rank and sequence, over the borders of blocks', () => {
  const made = (counts: readonly number[]) => {
    const tier = new Tier<Ranked>()
    const all: Ranked[] = []
    for (const [rank, count] of counts.entries()) {
      for (let n = 0; n < count; n++) {
        const entry: Ranked = { rank, sequence: 0, block: undefined }
        tier.add(entry)
        all.push(entry)
      }
    }
    return { tier, all }
  }
  /** Those who are left are found by the line, and each by its block. */
  const check = (tier: Tier<Ranked>, left: readonly Ranked[]): void => {
    expect([tier.size, tier.first(), tier.last()]).toEqual([left.length, left[0], left.at(-1)])
    expect([...tier].every((entry, n) => entry === left[n])).toBe(true)
    for (const [n, entry] of left.entries()) if (n % 97 === 0) expect(tier.at(n)).toBe(entry)
    for (const rank of [0, 1, 2]) {
      const [before, behind] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY].map((sequence) =>
        tier.countBefore({ rank, sequence }),
      )
      expect([before, behind]).toEqual([
        left.filter((entry) => entry.rank < rank).length,
        left.filter((entry) => entry.rank <= rank).length,
      ])
    }
  }

  test.each([
    ['600 of one instant', [600]],
    ['exactly two blocks', [2 * BLOCK]],
    ['and others in front of them and behind', [300, 3 * BLOCK, 300]],
  ])('whichever leaves is the one that leaves: %s', (_name, counts) => {
    const orders: ((all: readonly Ranked[]) => readonly Ranked[])[] = [
      (all) => all,
      (all) => all.toReversed(),
      // The last block first, then the one before it; each from its front.
      (all) => [...all.slice(BLOCK), ...all.slice(0, BLOCK)],
      // Each seventh, then the next to each of these, and so on: blocks grow thin together.
      (all) => [0, 1, 2, 3, 4, 5, 6].flatMap((rest) => all.filter((_, n) => n % 7 === rest)),
    ]
    for (const leaving of orders) {
      const { tier, all } = made(counts)
      let left = all
      for (const [n, entry] of leaving(all).slice(0, -1).entries()) {
        tier.remove(entry)
        if (n % 64 > 0 && n < all.length - 5) continue
        const gone = new Set(leaving(all).slice(0, n + 1))
        left = all.filter((each) => !gone.has(each))
        check(tier, left)
      }
      expect(tier.shift()).toBe(left[0])
      expect([tier.size, tier.shift()]).toEqual([0, undefined])
    }
  })
})

test('a line of a hundred blocks passes through, first in first out, and newcomers come meanwhile', () => {
  const pair = new Pair(3)
  const { tier } = pair
  let [added, taken] = [0, 0]
  const add = () => tier.add({ rank: 0, sequence: added++, block: undefined })
  const take = () => {
    const entry = tier.shift()
    if (entry?.sequence !== taken) expect(entry?.sequence).toBe(taken)
    taken++
  }
  while (added < 100 * BLOCK) add()
  while (taken < 20 * BLOCK) take()
  while (taken < 90 * BLOCK) {
    take()
    if (taken % 5 === 0) add()
    if (taken % 1_009 === 0) expect(tier.countBefore({ rank: 0, sequence: taken + 700 })).toBe(700)
  }
  while (tier.size > 0) take()
  expect(taken).toBe(added)
  expect(tier.first()).toBeUndefined()
})

test('a block holds 512; then another one begins, or it makes room where many have left', () => {
  const pair = new Pair(5)
  pair.fill(BLOCK, (n) => n)
  expect(pair.blocks().size).toBe(1)
  pair.fill(1, () => BLOCK)
  expect(pair.blocks().size).toBe(2)

  const half = new Pair(5)
  half.fill(BLOCK, (n) => n)
  half.shift(BLOCK / 2)
  half.fill(1, () => BLOCK)
  expect(half.blocks().size).toBe(2)

  const passing = new Pair(5)
  passing.fill(BLOCK, (n) => n)
  passing.shift(BLOCK / 2 + 1)
  passing.fill(BLOCK / 2 + 1, (n) => BLOCK + n)
  expect(passing.blocks().size).toBe(1)
  passing.fill(1, () => 3 * BLOCK)
  expect(passing.blocks().size).toBe(2)
  passing.checkAll()

  const inserted = new Pair(5)
  inserted.fill(BLOCK - 1, (n) => n)
  inserted.add(BLOCK / 2)
  expect(inserted.blocks().size).toBe(1)
  inserted.add(BLOCK / 2)
  expect([...inserted.blocks()].map(({ items, start }) => items.length - start)).toEqual([256, 257])
})

test('a small backlog that many pass through stays in one block, which does not grow', () => {
  const pair = new Pair(5)
  pair.fill(3, (n) => n)
  for (let n = 3; n < 5 * BLOCK; n++) {
    pair.add(n)
    pair.shift()
    const [block] = pair.blocks()
    if (pair.blocks().size !== 1 || (block as Block).items.length > BLOCK) throw new Error('it has grown')
  }
})

test('whoever leaves moves the fewer of those who stand beside it, half a block at most', () => {
  const made = () => {
    const pair = new Pair(5)
    pair.fill(BLOCK, (n) => n)
    return pair
  }
  const shapeOf = (pair: Pair) => [...pair.blocks()].map(({ items, start }) => [start, items.length])
  for (const [index, shape] of [
    [0, [1, BLOCK]],
    [BLOCK / 2 - 1, [1, BLOCK]],
    [BLOCK / 2, [0, BLOCK - 1]],
    [BLOCK - 1, [0, BLOCK - 1]],
  ] as const) {
    const pair = made()
    pair.remove(index)
    expect(shapeOf(pair)).toEqual([shape])
    pair.checkAll()
  }
  // Of a block that many have left, those count who are left: 212, 105 of them before the first who leaves here.
  const pair = made()
  pair.shift(300)
  pair.remove(105)
  expect(shapeOf(pair)).toEqual([[301, BLOCK]])
  pair.remove(107)
  expect(shapeOf(pair)).toEqual([[301, BLOCK - 1]])
  pair.checkAll()
})

test('what is used up is let go of: an empty tier holds one empty block, and no entry', () => {
  const pair = new Pair(5)
  pair.fill(3 * BLOCK, (n) => n)
  const blocks = [...pair.blocks()]
  pair.shift(3 * BLOCK)
  for (const { items } of blocks) expect(items.filter((item) => item !== undefined)).toEqual([])
  pair.add(1)
  const [block] = pair.blocks()
  expect(block).toEqual({ items: pair.model, start: 0 })
  pair.shift()
  expect(block).toEqual({ items: [], start: 0 })
})

test('a block that is used up is let go of, also while there are others behind it', async () => {
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void
  const pair = new Pair(5)
  pair.fill(3 * BLOCK, (n) => n)
  const [first, second] = [...pair.blocks()].map((block) => new WeakRef(block)) as [WeakRef<Block>, WeakRef<Block>]
  pair.shift(BLOCK)
  await nextTurn()
  collect()
  expect([first.deref(), second.deref()?.start]).toEqual([undefined, 0])
})

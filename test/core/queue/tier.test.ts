import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Ranked, Tier } from '../../../src/core/queue/tier.ts'

interface Entry extends Ranked {
  name: number
}

const byPlace = (a: Ranked, b: Ranked): number => a.rank - b.rank || a.sequence - b.sequence

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
  let state = 42
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state % below
  }
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

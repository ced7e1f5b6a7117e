/** Overload keeps its promises: some of the mixes that `npm run prove:mixes` plays. */
import { expect, test } from 'vitest'
import { maxMin } from '../support/max-min.ts'
import { playMix } from './mixes.ts'
import { shown } from './support/results.ts'

/** Are tokens of `over: 'wait'` taken at the start, by whoever is first then? */
const RATES_ARE_OF_STARTS: boolean = true

const seeds = [
  // Each order; then some that were broken while a full queue went by the tier alone, and guards by the length.
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9],
  ...[82, 85, 92, 32, 115],
  ...(RATES_ARE_OF_STARTS ? [54, 55, 56, 57, 58, 62] : []),
]

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
  expect(maxMin(15, [100, 100, 100, 100], [8, 4, 2, 1])).toEqual([8, 4, 2, 1])
  expect(maxMin(12, [2, 100, 0, 100], [8, 4, 2, 1])).toEqual([2, 8, 0, 2])
  expect(maxMin(100, [1, 1, 1, 1], [8, 4, 2, 1])).toEqual([1, 1, 1, 1])
})

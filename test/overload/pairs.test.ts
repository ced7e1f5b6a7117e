/** `docs/policies.md` says what pairs of policies do together: what the runs say. */
import { expect, test } from 'vitest'
import { pairsInDocs, pairsPage, playPairs } from './pairs.ts'

const LIMIT_MS = 120_000

test('the table of pairs is what `npm run prove:mixes -- --pairs` prints', { timeout: LIMIT_MS }, async () => {
  expect(pairsInDocs()).toBe(pairsPage(await playPairs()))
})

/**
 * A sample of the crash loop, another one each time. `npm run crash` has a thousand lives.
 */
import { expect, test } from 'vitest'
import { crashLoop } from './crash/loop.ts'

test('what was answered is there after a SIGKILL, and nothing else than what was asked for', {
  timeout: 180_000,
}, async () => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const report = await crashLoop(8, seed)
  expect({ seed, problems: report.problems }).toEqual({ seed, problems: [] })
  expect(report.answered).toBeGreaterThan(100)
})

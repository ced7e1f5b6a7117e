/** An executor with a store, killed under load and started again: a sample; `npm run crash` plays a thousand lives. */
import { expect, test } from 'vitest'
import { executorCrashLoop } from './executor/loop.ts'

test('nothing that was acknowledged is lost, and nothing that was told runs again', { timeout: 120_000 }, async () => {
  const report = await executorCrashLoop(6, Math.floor(Math.random() * 2 ** 31))
  expect(report.problems).toEqual([])
  expect(report.acked).toBeGreaterThan(50)
  expect(report.runs).toBeGreaterThan(50)
})

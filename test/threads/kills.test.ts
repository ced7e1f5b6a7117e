import { expect, test } from 'vitest'
import { kills } from './kills.ts'

/** `npm run prove:threads` has thousands. */
test('a hundred endless loops in a row: each is told in time, and threads and memory are as they were', {
  timeout: 300_000,
}, async () => {
  const after = await kills({ kills: 100, threads: 2, runTimeoutMs: 40, killAfterMs: 10 })
  expect(after.codes).toEqual({ TRIAGE_RUN_TIMEOUT: 100 })
  expect(after.good).toBe(100)
  // The others were over before their thread had started.
  expect(after.killed).toBeGreaterThan(20)
  expect(after.threads[1]).toBeLessThanOrEqual(after.threads[0])
  expect(after.memoryMb[1] - after.memoryMb[0]).toBeLessThan(100)
})

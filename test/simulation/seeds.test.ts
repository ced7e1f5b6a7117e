/**
 * The schedules that ever failed, each as small as it can be: none of them fails again.
 */
import { expect, test } from 'vitest'
import { unhandledIn } from '../laws/support/unhandled.ts'
import { kept } from './seeds.ts'
import { play } from './support/run.ts'
import type { Schedule } from './support/schedule.ts'

test.each(kept)('seed $seed: $was', async ({ seed, options, policies, commands }) => {
  const schedule: Schedule = { seed, options, policies: { guards: [], ...policies }, reactions: [], commands }
  let what = ''
  // What nobody handles is a violation here, and not an error of the test runner.
  await unhandledIn(async () => {
    what = await play(schedule, [])
  })
  expect(what).toBe('')
})

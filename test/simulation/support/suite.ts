/**
 * A part of the schedules as a test: several files share them, so that several workers do.
 */
import { expect, test } from 'vitest'
import { eventNames } from '../../support/event-names.ts'
import { Coverage } from './coverage.ts'
import { generate } from './generate.ts'
import { runSchedules } from './run.ts'
import { report, shrink } from './shrink.ts'

/** What each part must have come to, or it would say nothing about it. */
const expected = [
  ...[
    'arrive',
    'cancel',
    'setPriority',
    'abort',
    'release',
    'pause',
    'resume',
    'resize',
    'idle',
    'ready',
    'close',
    'cleared',
    'update',
  ],
  'a fault',
  'a deadline',
  ...eventNames.filter((event) => event !== 'selfWaiting').map((event) => `event ${event}`),
  'not retried',
  'held',
  'another payload',
]

/** On a machine that has much else to do. */
const PATIENCE_MS = 600_000

export function provesItself(from: number, count: number): void {
  test(
    `whatever comes, the executor does what the model says, and keeps the laws: ${count} schedules from seed ${from} on`,
    async () => {
      const result = await runSchedules({ from, count })
      const [first] = result.violations
      if (first !== undefined) throw new Error(report(await shrink(generate(first.seed))))
      expect(result.schedules).toBe(count)
      const counts = new Coverage(Object.entries(result.counts))
      expect(expected.filter((what) => counts.of(what) === 0)).toEqual([])
      // The model has a say in most of it, and virtual time is fast, on whatever machine.
      expect(result.stepsCompared).toBeGreaterThan(result.steps / 2)
    },
    PATIENCE_MS,
  )
}

/**
 * A law as a test: fast-check looks for a schedule that breaks it, and shrinks what it has found.
 */
import fc from 'fast-check'
import { test } from 'vitest'
import { type Feature, schedules } from './schedule.ts'
import { type Law, World } from './world.ts'

/** On a machine that has much else to do. */
export const PATIENCE_MS = 60_000

/** The test that a law holds, whatever happens; `without`: whatever else happens. */
export function holds(promise: string, law: Law, options: { runs?: number; without?: Feature[] } = {}): void {
  const { runs = 400, without = [] } = options
  const property = fc.asyncProperty(schedules(...without), (schedule) => new World(schedule, law).play())
  test(promise, () => fc.assert(property, { numRuns: runs }), PATIENCE_MS)
}

/**
 * `triage-queue/pressure`: requests are refused while the process itself has too much to do.
 */

export type { PressureReadings } from './monitor.ts'
export { type PressureOptions, pressure } from './pressure.ts'

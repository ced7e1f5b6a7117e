/**
 * What is the same in all interleavings, and what each of them is run with.
 */

export const SLOTS = 2
export const WAIT_MS = 10
export const RUN_MS = 20
export const URGENT = 0
export const NORMAL = 2
export const LOW = 3

export type WhenFull = 'reject' | 'block' | 'shed'

export interface Setting {
  readonly whenFull: WhenFull
  readonly maxQueueSize: number
  readonly maxBlocked: number
  readonly onStuck: 'hold' | 'replace'
}

/** Every other call fails. */
export function fails(n: number): boolean {
  return n % 2 === 1
}

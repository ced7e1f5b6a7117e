/**
 * Time under control: test what you have put behind a queue, or simulate it, without waiting. And what a load needs, by formulas.
 */
export { type MemoryEstimate, type Sizing, size, type WaitEstimate } from './size.ts'
export type { SizeOptions } from './size-options.ts'
export { VirtualClock } from './virtual-clock.ts'

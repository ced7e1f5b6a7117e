/**
 * Time under control: test what you have put behind a queue, or simulate it, without waiting.
 */
export { VirtualClock } from './virtual-clock.ts'

/**
 * For code that is written for p-queue: an existing `PQueue` gets fast tiers with `new PQueue({ queueClass: TieredQueue })`.
 */
export { type EnqueueOptions, type RunFunction, TieredQueue } from './tiered-queue.ts'

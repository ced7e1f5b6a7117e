/**
 * Beyond one core: `threads()` runs an executor's calls in worker threads, `shards()` several executors, each with a queue of its own.
 * `threads()` needs the optional peer `piscina`.
 */
export { type ShardsOptions, shards, type ThreadShardsOptions } from './make-shards.ts'
export type { ResourceLimits, ThreadsOptions } from './options.ts'
export { type Route, shardOf } from './route.ts'
export type { ObservedShard, Shard } from './shard.ts'
export { Shards, type ShardWorkerHealth } from './shards.ts'
export type { ThreadRun, Transferable } from './thread-run.ts'
export { type ThreadsExecutor, type ThreadsStatus, threads } from './threads.ts'
export type { ShardsStatus } from './totals.ts'
export { type Holding, whatHolds } from './what-holds.ts'

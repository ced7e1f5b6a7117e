/**
 * Beyond one core: `threads()` runs an executor's calls in worker threads, `shards()` several executors, each with a queue of its own.
 * The threads need the optional peer `piscina`.
 */
export type { ThreadsOptions } from './options.ts'
export type { ThreadRun, Transferable } from './thread-run.ts'
export { type ThreadsExecutor, type ThreadsStatus, threads } from './threads.ts'

/**
 * `triage-queue/bullmq`: requests that wait in Redis, and run on any number of machines.
 */

export type { RemoteRequest } from './handle.ts'
export { type Moved, type MoveOptions, moveRequests } from './move.ts'
export type { RedisConnection, RemoteExecutorOptions, RemoteKind, RemoteWorkerOptions } from './options.ts'
export type { RemoteRecords } from './records.ts'
export { type ObservedRemote, type ObservedRequest, RemoteExecutor, remoteExecutor } from './remote-executor.ts'
export type { RemoteRunContext } from './remote-run.ts'
export { type RemoteFunction, RemoteWorker, remoteWorker } from './remote-worker.ts'
export { type ScaledExecutor, type Scaling, type ScalingOptions, workersWanted } from './scaling.ts'
export { type QueueSample, WorkersWanted, type WorkersWantedOptions } from './workers-wanted.ts'

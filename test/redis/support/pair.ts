/**
 * Executors and workers for a test, closed after it.
 */
import {
  type RemoteExecutor,
  type RemoteExecutorOptions,
  type RemoteFunction,
  type RemoteWorker,
  type RemoteWorkerOptions,
  remoteExecutor,
  remoteWorker,
} from 'triage-queue/bullmq'
import { expect, onTestFinished } from 'vitest'

let names = 0

/** Looks until it is so, on a machine that may be busy. */
export const until = (isSo: () => unknown) => expect.poll(isSo, { timeout: 15_000, interval: 5 })

/** A queue that no other test has. */
export function freshName(): string {
  return `queue-${process.pid}-${++names}`
}

export function executorFor<Req = string, Res = unknown>(
  name: string,
  connection: string,
  options: Partial<RemoteExecutorOptions> = {},
): RemoteExecutor<Req, Res> {
  const executor = remoteExecutor<Req, Res>(name, { connection, ...options })
  onTestFinished(() => executor.close({ drain: false, graceMs: 0 }))
  return executor
}

export function workerFor<Req = string, Res = unknown>(
  name: string,
  connection: string,
  work: RemoteFunction<Req, Res>,
  options: Partial<RemoteWorkerOptions> = {},
): RemoteWorker<Req, Res> {
  const worker = remoteWorker<Req, Res>(name, work, { connection, ...options })
  onTestFinished(() => worker.close({ drain: false, graceMs: 0 }))
  return worker
}

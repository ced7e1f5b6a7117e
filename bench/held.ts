/**
 * An executor whose calls are answered when `open` is called: until then its slots are taken, and all else waits.
 */
import type { QueuedExecutorOptions } from '../src/index.ts'
import type { Job } from './job.ts'
import { library } from './library.ts'

export type HeldExecutor = InstanceType<typeof library.QueuedExecutor<Job, number>>

export function heldExecutor(options: QueuedExecutorOptions): { executor: HeldExecutor; open: () => void } {
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const executor = new library.QueuedExecutor<Job, number>(async (job) => {
    await gate
    return job.value + 1
  }, options)
  return { executor, open }
}

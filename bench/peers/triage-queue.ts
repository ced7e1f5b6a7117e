/** Ourselves: full default features; only the bound on waiting requests is lifted, so that a million may wait. */
import type { RequestOptions } from '../../src/index.ts'
import type { Job } from '../job.ts'
import { library } from '../library.ts'
import type { Peer } from './peer.ts'

const optionsByTier: RequestOptions[] = library.priorities.map((priority) => ({ priority }))

export const peer: Peer = {
  package: '.',
  about: 'QueuedExecutor, all defaults but maxQueueSize: 0',
  priorities: true,
  limits: true,
  needsPromise: false,
  create(task, concurrency) {
    const executor = new library.QueuedExecutor<Job, number>(task, { concurrency, maxQueueSize: 0 })
    return {
      execute: (job) => executor.execute(job),
      executeByTier: (job) => executor.execute(job, optionsByTier[job.tier]),
    }
  },
}

import { priorityQueue } from 'async'
import type { Job } from '../job.ts'
import type { Peer } from './peer.ts'

/** The declarations know `pushAsync` only without a priority. */
interface AwaitablePriorityQueue {
  pushAsync(job: Job, priority?: number): Promise<number>
}

export const peer: Peer = {
  package: 'async',
  about: 'priorityQueue, pushAsync()',
  priorities: true,
  limits: true,
  needsPromise: true,
  maxRounds: 3,
  create(task, concurrency) {
    // It must get an async function, which it recognises and awaits.
    const worker = task as (job: Job) => Promise<number>
    const queue = priorityQueue<Job>(worker, concurrency) as unknown as AwaitablePriorityQueue
    return {
      execute: (job) => queue.pushAsync(job),
      executeByTier: (job) => queue.pushAsync(job, job.tier),
    }
  },
}

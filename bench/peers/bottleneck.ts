import Bottleneck from 'bottleneck'
import type { Job } from '../job.ts'
import type { Peer } from './peer.ts'

/** 0 goes first, of 0 to 9. */
const optionsByTier = [0, 1, 2, 3].map((priority) => ({ priority }))

export const peer: Peer = {
  package: 'bottleneck',
  about: 'schedule(), maxConcurrent',
  priorities: true,
  limits: true,
  needsPromise: true,
  maxBurst: 1_000,
  maxWaiting: 0,
  maxRounds: 1,
  whyNotMore: 'it waits for timers between any two starts, 2 ms or so',
  create(task, concurrency) {
    const limiter = new Bottleneck({ maxConcurrent: concurrency })
    const run = task as (job: Job) => Promise<number>
    return {
      execute: (job) => limiter.schedule(run, job),
      executeByTier: (job) => limiter.schedule(optionsByTier[job.tier] as { priority: number }, run, job),
    }
  },
}

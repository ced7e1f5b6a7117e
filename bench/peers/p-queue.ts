import PQueue from 'p-queue'
import type { Peer } from './peer.ts'

/** Its larger numbers go first. */
const optionsByTier = [3, 2, 1, 0].map((priority) => ({ priority }))

export const peer: Peer = {
  package: 'p-queue',
  about: 'add(), priorities 0 to 3',
  priorities: true,
  limits: true,
  needsPromise: false,
  maxBurst: 100_000,
  whyNotMore: 'a sorted array, each insertion moves what stands behind it: minutes',
  create(task, concurrency) {
    const queue = new PQueue({ concurrency })
    return {
      execute: (job) => queue.add(() => task(job)) as Promise<number>,
      executeByTier: (job) => queue.add(() => task(job), optionsByTier[job.tier]) as Promise<number>,
    }
  },
}

/** No queue at all: the task is called and awaited. What the measuring itself costs. */
import type { Job } from '../job.ts'
import type { Peer } from './peer.ts'

export const peer: Peer = {
  about: 'the task is called at once, no limit',
  priorities: false,
  limits: false,
  needsPromise: true,
  create(task) {
    const execute = (job: Job): Promise<number> => task(job) as Promise<number>
    return { execute, executeByTier: execute }
  },
}

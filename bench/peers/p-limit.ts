import pLimit from 'p-limit'
import type { Job } from '../job.ts'
import type { Peer } from './peer.ts'

export const peer: Peer = {
  package: 'p-limit',
  about: 'limit(task, job)',
  priorities: false,
  limits: true,
  needsPromise: false,
  maxRounds: 3,
  create(task, concurrency) {
    const limit = pLimit(concurrency)
    const execute = (job: Job): Promise<number> => limit(task, job)
    return { execute, executeByTier: execute }
  },
}

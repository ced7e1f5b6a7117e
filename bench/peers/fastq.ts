import fastq from 'fastq'
import type { Job } from '../job.ts'
import type { Peer } from './peer.ts'

export const peer: Peer = {
  package: 'fastq',
  about: 'its promise API',
  priorities: false,
  limits: true,
  needsPromise: true,
  create(task, concurrency) {
    const queue = fastq.promise<unknown, Job, number>(task as (job: Job) => Promise<number>, concurrency)
    const execute = (job: Job): Promise<number> => queue.push(job)
    return { execute, executeByTier: execute }
  },
}

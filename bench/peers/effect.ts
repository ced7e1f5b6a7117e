import { promise, runPromise } from 'effect/Effect'
import { makeUnsafe } from 'effect/Semaphore'
import type { Job } from '../job.ts'
import type { Peer } from './peer.ts'

export const peer: Peer = {
  package: 'effect',
  about: 'Semaphore.withPermit in Effect.runPromise',
  priorities: false,
  limits: true,
  needsPromise: true,
  maxRounds: 3,
  maxBurst: 10_000,
  maxWaiting: 0,
  whyNotMore: 'each release looks at all who wait: quadratic, minutes',
  create(task, concurrency) {
    const semaphore = makeUnsafe(concurrency)
    const run = task as (job: Job) => Promise<number>
    const execute = (job: Job): Promise<number> => runPromise(semaphore.withPermit(promise(() => run(job))))
    return { execute, executeByTier: execute }
  },
}

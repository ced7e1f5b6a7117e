/**
 * What is a peer? Something that runs jobs through a task, so many at a time. One small file for each.
 */
import type { Job, Task } from '../job.ts'

export interface Peer {
  /** The package whose version is printed; undefined: it has none of its own. */
  readonly package?: string
  readonly about: string
  readonly priorities: boolean
  /** False: it calls the task at once, however many run. A floor to read the others against. */
  readonly limits: boolean
  /** The task must return a promise: a synchronous one is wrapped. */
  readonly needsPromise: boolean
  /** The most requests of random priorities that it can take at once in reasonable time, and why not more. */
  readonly maxBurst?: number
  /** The most that it can hold in reasonable memory and time. */
  readonly maxWaiting?: number
  readonly whyNotMore?: string
  /** In no more rounds than this: it takes its time, or no target is about it. */
  readonly maxRounds?: number
  /** A queue that is idle. */
  create(task: Task, concurrency: number): Queue
}

export interface Queue {
  /** Without any option. */
  execute(job: Job): Promise<number>
  /** With the priority of its tier; those who have no priorities do without. */
  executeByTier(job: Job): Promise<number>
}

/**
 * What is asked for, and the executor that does it: answers and failures of every kind.
 */
import type { Executor, RunContext } from 'triage-queue'
import type { Time } from './time.ts'

const kinds = [
  'value',
  'promise',
  'thenable',
  'throws',
  'rejects',
  'sleeps',
  'deaf',
  'flaky',
  'curious',
  'followed',
  'unfit',
] as const

export interface Job {
  readonly kind: (typeof kinds)[number]
  /** Whose it is: for what is fair or limited by key. */
  readonly key: string
  readonly ms: number
  /** Something that would be missed in memory. */
  readonly filler: readonly number[]
}

export interface Answer {
  readonly of: Job
}

/** The executor's own error. */
export class Failure extends Error {}

/** One of them, at random. */
export function pick<T>(random: () => number, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T
}

/** Half of the keys come again and again, the others never. */
export function makeJob(random: () => number, n: number): Job {
  const key = n % 2 === 0 ? `tenant ${Math.floor(random() * 50)}` : `visitor ${n}`
  return { kind: pick(random, kinds), key, ms: Math.ceil(random() * 20), filler: new Array<number>(10).fill(n) }
}

export function serve(time: Time): Executor<Job, Answer> {
  return (job, run) => {
    const answer: Answer = { of: job }
    switch (job.kind) {
      case 'promise':
        return Promise.resolve(answer)
      case 'thenable':
        // biome-ignore lint/suspicious/noThenProperty: what is tested is what becomes of thenables
        return { then: (fulfilled) => Promise.resolve(answer).then(fulfilled) }
      case 'throws':
        throw new Failure('thrown')
      case 'rejects':
        return Promise.reject(new Failure('rejected'))
      case 'sleeps':
        return time.sleep(job.ms, run.signal).then(() => answer)
      case 'deaf':
        // Longer than its run timeout: it settles when nobody waits any more.
        return time.sleep(10 * job.ms).then(() => answer)
      case 'flaky':
        if (run.attempt === 1) throw new Failure('try again')
        return answer
      case 'curious':
        look(run)
        return time.sleep(1, run.signal).then(() => answer)
      default:
        return answer
    }
  }
}

function look(run: RunContext): void {
  run.signal.addEventListener('abort', () => run.deadline, { once: true })
  void [run.id, run.priority, run.enqueuedAt, run.waitMs, run.deadline, run.metadata]
}

/**
 * What does V8 forget when it collects garbage while nothing is live? Compiled code refers to the hidden classes of our
 * records weakly: if not one object of a class is alive, the code made for it is thrown away, and the next requests of
 * a service that was idle run four times as slow until it is compiled again.
 *
 *     node --expose-gc --predictable --trace-deopt bench/deopts.ts
 *
 * V8 prints a line for each function that it throws away; those after `MARK` are ours to avoid.
 * `test/bench/guard.test.ts` counts them.
 */
import { setImmediate } from 'node:timers/promises'
import { CONCURRENCY, type Job, jobsOfFourTiers, tasks } from './job.ts'
import { library } from './library.ts'
import { burst, collectGarbage } from './measure.ts'

export const MARK = '--- collected while idle'
export const DEOPT_FLAGS: readonly string[] = ['--expose-gc', '--predictable', '--trace-deopt']

if (import.meta.main) {
  const executor = new library.QueuedExecutor<Job, number>(tasks.trivial, { concurrency: CONCURRENCY, maxQueueSize: 0 })
  const execute = (job: Job): Promise<number> => executor.execute(job)
  const jobs = jobsOfFourTiers(1_000)
  for (let round = 0; round < 300; round++) await burst(execute, jobs)
  await setImmediate()
  console.log(MARK)
  collectGarbage()
  await burst(execute, jobs)
  process.exit(0)
}

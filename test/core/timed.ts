/**
 * An executor on virtual time whose requests are the ms that they run.
 */
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'

export function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const started: number[] = []
  const run = async (ms: number) => {
    started.push(ms)
    await clock.sleep(ms)
    return ms
  }
  const queue = new QueuedExecutor(run, { clock, concurrency: 1, ...options } as QueuedExecutorOptions<number>)
  /** Its answer, or the code of its error. */
  const send = (ms: number, more: object = {}) => queue.execute(ms, more).catch(({ code }) => code)
  return { clock, queue, started, send }
}

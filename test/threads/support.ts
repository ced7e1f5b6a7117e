/** What the tests of threads share. */
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { type ThreadsExecutor, type ThreadsOptions, threads } from 'triage-queue/threads'
import { onTestFinished, vi } from 'vitest'

export const fixture = (name: string): URL => new URL(`./fixtures/${name}.ts`, import.meta.url)

export interface Threaded<Req> {
  readonly queue: QueuedExecutor<Req, unknown>
  readonly executor: ThreadsExecutor<Req, unknown>
}

/** A queue in front of threads, both closed after the test. */
export function threaded<Req>(
  file: string,
  options: ThreadsOptions = {},
  queueOptions: QueuedExecutorOptions<Req> = {},
): Threaded<Req> {
  const executor = threads<Req, unknown>(fixture(file), { threads: 1, ...options })
  const queue = new QueuedExecutor<Req, unknown>(executor, { concurrency: executor.threads, ...queueOptions })
  onTestFinished(async () => {
    await queue.close({ drain: false, graceMs: 0 })
    await executor.close()
  })
  return { queue, executor }
}

/** Waits until it does not throw any more: a thread takes its time to start, on a machine that has much else to do. */
export function until(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 20_000, interval: 10 })
}

import { QueuedExecutor } from 'triage-queue'
import { shards } from 'triage-queue/threads'
import { onTestFinished } from 'vitest'
import { executorContract } from './executor.ts'

/** What a test has to say about one queue goes to one shard: they have one key, unless they name one. */
const key = (request: string): string => request.split(':')[1] ?? 'one'

executorContract('Shards', async (run, options) => {
  const make = (): QueuedExecutor<string, unknown> =>
    new QueuedExecutor<string, unknown>(run, { whenFull: 'reject', ...options })
  const all = shards<string, unknown>(3, make, { key })
  // A test that counts slots, or what may wait, means those of one shard.
  onTestFinished(() => all.close({ drain: false, graceMs: 0 }))
  return all
})

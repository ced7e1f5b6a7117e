import { memoryStore, QueuedExecutor } from 'triage-queue'
import { onTestFinished } from 'vitest'
import { executorContract } from './executor.ts'

executorContract('in process', async (run, options) => {
  const queue = new QueuedExecutor<string, unknown>(run, { whenFull: 'reject', ...options })
  onTestFinished(() => queue.close({ drain: false, graceMs: 0 }))
  return queue
})

executorContract('memoryStore()', async (run, options) => {
  const store = memoryStore()
  const queue = new QueuedExecutor<string, unknown>(run, { whenFull: 'reject', store, ...options })
  onTestFinished(() => queue.close({ drain: false, graceMs: 0 }))
  return queue
})

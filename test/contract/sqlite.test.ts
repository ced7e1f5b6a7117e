import { join } from 'node:path'
import { QueuedExecutor } from 'triage-queue'
import { onTestFinished } from 'vitest'
import { openStore } from '../../src/sqlite/index.ts'
import { temporaryFolder } from '../sqlite/support/engine.ts'
import { executorContract } from './executor.ts'

executorContract('SQLite', async (run, options) => {
  const store = await openStore(join(temporaryFolder(), 'a.db'))
  const queue = new QueuedExecutor<string, unknown>(run, { store, ...options })
  onTestFinished(async () => {
    await queue.close({ drain: false, graceMs: 0 })
    await store.close()
  })
  return queue
})

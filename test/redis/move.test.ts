/** From SQLite to Redis: nothing that waits is lost, also when it is cut off in the middle. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, QueuedExecutor } from 'triage-queue'
import { moveRequests } from 'triage-queue/bullmq'
import { openStore } from 'triage-queue/sqlite'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { executorFor, freshName, workerFor } from './support/pair.ts'
import { startRedis } from './support/redis-server.ts'

const redis = await startRedis()
afterAll(() => redis.close())

test('what waits is moved, once, with all that belongs to it; what Redis can not do stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'triage-move-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'requests.db')
  const name = freshName()
  const before = await openStore(path)
  const old = new QueuedExecutor<string, unknown>(async () => 'never', { name, store: before, concurrency: 3 })
  old.pause()
  for (let i = 0; i < 100; i++) {
    const priority = i % 2 === 0 ? 'low' : 'urgent'
    await old.submit(`request ${i}`, { id: `${i}`, priority, metadata: { i }, timeoutMs: 600_000 })
  }
  await old.submit('short', { id: 'short', waitTimeoutMs: 1 }).catch(() => {})
  await old.submit('later', { id: 'later', startAt: new Date(Date.now() + 1_000) })
  await old.submit('dear', { id: 'dear', cost: 2 })
  await old.close({ drain: false })
  await before.close()

  const executor = executorFor<never>(name, redis.url)
  const store = await openStore(path)
  onTestFinished(() => store.close())
  // It is cut off in the middle, when all is in Redis that was acknowledged, and the file does not know it.
  const cut = Object.create(executor, {
    submit: {
      value: async (request: never, options: { id: string }) => {
        const handle = await executor.submit(request, options)
        if (options.id === '50')
          throw Object.assign(await executor.submit(request, { id: '' }).catch((error) => error), {
            code: 'TRIAGE_STORE_UNAVAILABLE',
          })
        return handle
      },
    },
  })
  await expect(moveRequests(store, cut)).rejects.toMatchObject({ code: 'TRIAGE_STORE_UNAVAILABLE' })
  const { moved, expired, left } = await moveRequests(store, executor)
  expect({ moved, left }).toEqual({ moved: 51, left: [{ id: 'dear', why: expect.stringContaining("'cost'") }] })
  expect(expired).toBeLessThanOrEqual(1)
  expect(await moveRequests(store, executor)).toMatchObject({ moved: 0, left: [{ id: 'dear' }] })

  const ran: string[] = []
  workerFor(
    name,
    redis.url,
    async (request: string, run) => void ran.push(`${request} ${run.priority} ${JSON.stringify(run.metadata)}`),
    { concurrency: 1 },
  )
  await executor.idle()
  const expected = (parity: number, priority: string) =>
    Array.from({ length: 50 }, (_, i) => `request ${2 * i + parity} ${priority} {"i":${2 * i + parity}}`)
  const later = 'later normal undefined'
  expect(ran.filter((line) => line !== later)).toEqual([...expected(1, 'urgent'), ...expected(0, 'low')])
  expect(ran.filter((line) => line === later)).toHaveLength(1)
})

test('a store in memory has nothing to move', async () => {
  await expect(moveRequests(memoryStore(), executorFor<never>(freshName(), redis.url))).rejects.toThrow(
    "Option 'store'",
  )
})

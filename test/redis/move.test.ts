/** From SQLite to Redis: nothing that waits is lost, also when it is cut off in the middle. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, QueuedExecutor } from 'triage-queue'
import { moveRequests } from 'triage-queue/bullmq'
import { openStore, v8Codec } from 'triage-queue/sqlite'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { startRedis } from '../support/redis-server.ts'
import { executorFor, freshName, workerFor } from './support/pair.ts'

const redis = await startRedis()
afterAll(() => redis.close())

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'triage-move-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

test('what waits is moved, once, with all that belongs to it; what Redis can not do stays', async () => {
  const path = join(scratch(), 'requests.db')
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
  expect(await moveRequests(store, executor)).toMatchObject({ moved: 0, left: [{ id: 'dear' }], leftCount: 1 })

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

test('a dry run says the same, and moves nothing; what was moved is waited for by nobody here', async () => {
  const store = await openStore(join(scratch(), 'requests.db'), { codec: v8Codec })
  onTestFinished(() => store.close())
  const name = freshName()
  const old = new QueuedExecutor<unknown, unknown>(async () => 'never', { name, store })
  old.pause()
  const first = await old.submit(0, { id: '0' })
  for (let i = 1; i < 50; i++) await old.submit(i, { id: `${i}` })
  await old.submit('short', { id: 'short', waitTimeoutMs: 60_000 })
  await old.submit('dear', { id: 'dear', cost: 2 })
  await old.submit('behind', { id: 'behind', after: [first] })
  await old.submit(new Map(), { id: 'map' })
  await old.submit('told', { id: 'told', metadata: new Date() })
  await old.close({ drain: false })
  // Its time is over while the service is down.
  const now = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 61_000)
  onTestFinished(() => void vi.restoreAllMocks())
  const executor = executorFor<never>(name, redis.url)
  const seen: number[] = []
  const dry = await moveRequests(store, executor, { dryRun: true, onProgress: ({ moved }) => seen.push(moved) })
  expect(seen).toHaveLength(55)
  expect(dry).toMatchObject({ moved: 50, expired: 1, leftCount: 4 })
  expect(dry.left.map(({ id }) => id)).toEqual(['dear', 'behind', 'map', 'told'])
  expect(await executor.getStatus()).toMatchObject({ waiting: 0 })
  expect(await store.stats(name)).toMatchObject({ live: 55, expired: 0 })
  const parked: string[] = []
  executor.on('parked', ({ id }) => parked.push(id))
  expect(await moveRequests(store, executor)).toEqual(dry)
  expect(parked).toHaveLength(50)
  expect(await executor.getStatus()).toMatchObject({ waiting: 50 })
  // All of them wait: whoever closes it would else wait for ever.
  await executor.close()
})

test('it can be stopped in the middle, and be done again', async () => {
  const store = await openStore(join(scratch(), 'requests.db'))
  onTestFinished(() => store.close())
  const name = freshName()
  const old = new QueuedExecutor<unknown, unknown>(async () => 'never', { name, store })
  old.pause()
  for (let i = 0; i < 20; i++) await old.submit(i, { id: `${i}` })
  await old.close({ drain: false })
  const executor = executorFor<never>(name, redis.url)
  const stopping = new AbortController()
  const onProgress = ({ moved }: { moved: number }) => void (moved === 7 && stopping.abort(new Error('enough')))
  await expect(moveRequests(store, executor, { signal: stopping.signal, onProgress })).rejects.toThrow('enough')
  expect(await executor.getStatus()).toMatchObject({ waiting: 7 })
  expect(await moveRequests(store, executor)).toMatchObject({ moved: 13, leftCount: 0 })
  expect(await executor.getStatus()).toMatchObject({ waiting: 20 })
  await expect(moveRequests(store, executor, { dryrun: true } as never)).rejects.toMatchObject({
    code: 'TRIAGE_INVALID_OPTIONS',
  })
})

test('a store in memory has nothing to move', async () => {
  await expect(moveRequests(memoryStore(), executorFor<never>(freshName(), redis.url))).rejects.toThrow(
    "Option 'store'",
  )
})

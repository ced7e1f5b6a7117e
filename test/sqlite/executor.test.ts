/**
 * An executor in front of a real file: what stays after a restart, what poison does, and what a deploy does not.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { QueuedExecutor } from 'triage-queue'
import { expect, onTestFinished, test } from 'vitest'
import { openStore } from '../../src/sqlite/index.ts'
import { temporaryFolder } from './support/engine.ts'
import { admitted } from './support/store.ts'

/** A process that does the work, until it has ended: what it has called. */
async function work(path: string, mode = ''): Promise<{ calls: string[]; signal: string | null; code: number | null }> {
  const file = join(import.meta.dirname, 'fixtures/worker.ts')
  const child = spawn(process.execPath, [file, path, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (data) => {
    said += data
  })
  await new Promise((resolve) => child.on('close', resolve))
  return { calls: said.split('\n').filter(Boolean), signal: child.signalCode, code: child.exitCode }
}

test('a request whose run kills the process is begun exactly maxAttempts times, and what stood behind it is done', async () => {
  const path = join(temporaryFolder(), 'a.db')
  const lives = [await work(path, 'submit')]
  while (lives.at(-1)?.signal === 'SIGKILL' && lives.length < 9) lives.push(await work(path))
  expect(lives.map(({ signal }) => signal)).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL', null])
  expect(lives.flatMap(({ calls }) => calls)).toEqual(['a 1', 'poison 1', 'poison 2', 'poison 3', 'b 1', 'c 1'])
  const store = await openStore(path)
  onTestFinished(() => store.close())
  const { records } = await store.list()
  expect(records.map(({ id, state, reason, attempts }) => [id, state, reason, attempts])).toEqual([
    ['c', 'completed', undefined, 1],
    ['b', 'completed', undefined, 1],
    ['poison', 'dead', 'crashed', 3],
    ['a', 'completed', undefined, 1],
  ])
}, 60_000)

test('what comes while a long backlog comes back runs once, and so does what was requeued meanwhile', async () => {
  const path = join(temporaryFolder(), 'a.db')
  const store = await openStore(path)
  const first = new QueuedExecutor(async () => Promise.reject(new Error('no')), { store, name: 'q', concurrency: 9 })
  await first.execute('dead', { id: 'dead' }).catch(() => {})
  first.pause()
  // More than a page.
  const handles = Array.from({ length: 1_100 }, (_, i) => first.submit(`old${i}`))
  for (const handle of await Promise.all(handles)) handle.result.catch(() => {})
  await first.close({ drain: false })
  await store.close()
  const again = await openStore(path)
  onTestFinished(() => again.close())
  const runs = new Map<string, number>()
  const second = new QueuedExecutor(
    async (request: string) => {
      runs.set(request, (runs.get(request) ?? 0) + 1)
    },
    { store: again, name: 'q', debug: true },
  )
  // It was paused when it was closed; what is said now counts.
  second.resume()
  const requeued = again.requeue('dead')
  const all = Array.from({ length: 50 }, (_, i) => second.execute(`new${i}`, { id: `id${i}` }))
  await Promise.all(all)
  expect(await requeued).toBe(true)
  await second.idle()
  expect(runs.size).toBe(1_151)
  expect([...runs].filter(([, times]) => times !== 1)).toEqual([])
  expect(second.getStatus()).toMatchObject({ state: 'open', totals: { admitted: 1_151, completed: 1_151 } })
  await second.close()
}, 60_000)

test('what comes after a request of a kind that nobody handles here stays in the file with it', async () => {
  const path = join(temporaryFolder(), 'a.db')
  const store = await openStore(path)
  const kinds = { convert: { executor: async () => 'converted' } }
  const first = new QueuedExecutor(async () => 'own', { store, name: 'q', kinds })
  first.pause()
  const a = await first.submit('A', { id: 'A', kind: 'convert' })
  const b = await first.submit('B', { id: 'B', after: [a] })
  for (const { result } of [a, b]) result.catch(() => {})
  await first.close({ drain: false })
  await store.close()
  // An older version of the service; then the one that knows the kind again.
  const older = await openStore(path)
  const second = new QueuedExecutor(async () => 'own', { store: older, name: 'q' })
  second.resume()
  await second.idle()
  expect([(await older.find('A'))?.state, (await older.find('B'))?.state]).toEqual(['waiting', 'waiting'])
  await second.close()
  await older.close()
  const newer = await openStore(path)
  onTestFinished(() => newer.close())
  const third = new QueuedExecutor(async () => 'own', { store: newer, name: 'q', kinds })
  await third.idle()
  expect([(await newer.find('A'))?.state, (await newer.find('B'))?.state]).toEqual(['completed', 'completed'])
  await third.close()
}, 60_000)

test('a deploy that parks what runs is no crash: many of them make no dead letter', async () => {
  const path = join(temporaryFolder(), 'a.db')
  const store = await openStore(path)
  await admitted(store.queue('triage'), 'x', { request: 'x' })
  await store.close()
  const calls: string[] = []
  for (let i = 0; i < 5; i++) calls.push(...(await work(path, 'park')).calls)
  calls.push(...(await work(path)).calls)
  expect(calls).toEqual(['x 1', 'x 2', 'x 3', 'x 4', 'x 5', 'x 6'])
}, 60_000)

test('what has completed is answered again from the file, and each state can be found', async () => {
  const path = join(temporaryFolder(), 'a.db')
  const store = await openStore(path)
  const queue = new QueuedExecutor(async (n: number) => n * 2, { store, concurrency: 1, name: 'q' })
  expect(await queue.execute(21, { id: 'x' })).toBe(42)
  await queue.close()
  await store.close()
  const again = await openStore(path)
  onTestFinished(() => again.close())
  const calls: number[] = []
  const second = new QueuedExecutor(
    async (n: number) => {
      calls.push(n)
      throw new Error('it has failed')
    },
    { store: again, name: 'q' },
  )
  expect(await second.execute(21, { id: 'x' })).toBe(42)
  expect(calls).toEqual([])
  await expect(second.execute(5, { id: 'y' })).rejects.toThrow('it has failed')
  // A failure is not replayed: it is tried again under its id.
  await expect(second.execute(5, { id: 'y' })).rejects.toThrow('it has failed')
  expect(calls).toEqual([5, 5])
  expect(await second.find('y')).toMatchObject({ state: 'dead', error: { message: 'it has failed' } })
  expect(await second.requeue('y')).toBe(true)
  await second.idle()
  expect(calls).toEqual([5, 5, 5])
  await second.close()
})

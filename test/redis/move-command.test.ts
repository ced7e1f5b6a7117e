/** `triage-queue requests move`: from the files of a service to Redis, as a process that may be killed. */
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { QueuedExecutor } from 'triage-queue'
import { openStore, type SqliteOptions, v8Codec } from 'triage-queue/sqlite'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { run, scratch, start } from '../cli/support/cli.ts'
import { startRedis } from '../support/redis-server.ts'
import { executorFor, freshName, workerFor } from './support/pair.ts'

const redis = await startRedis()
afterAll(() => redis.close())

const env = { TRIAGE_CLI_REDIS: redis.url }

/** A file in which so many wait, with ids from 0. */
async function fileWith(
  name: string,
  many: number,
  { path = join(scratch(), 'requests.db'), ...options }: SqliteOptions & { path?: string } = {},
): Promise<string> {
  const store = await openStore(path, options)
  const queue = new QueuedExecutor<unknown, unknown>(async () => 'never', {
    name,
    store,
    maxQueueSize: Number.POSITIVE_INFINITY,
  })
  queue.pause()
  const all = Array.from({ length: many }, (_, i) => {
    const priority = i % 2 === 0 ? 'low' : 'urgent'
    return queue.submit(`request ${i}`, { id: `${i}`, priority })
  })
  await Promise.all(all)
  await queue.close({ drain: false })
  await store.close()
  return path
}

const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('what waits is moved, after a look at what would be', async () => {
  const name = freshName()
  const file = await fileWith(name, 20)
  const dry = await run(['requests', 'move', file, '--dry-run'], { env })
  expect(dry).toEqual({ code: 0, signal: null, out: `${name}: 20 would be moved\n`, err: '' })
  const executor = executorFor(name, redis.url)
  expect(await executor.getStatus()).toMatchObject({ waiting: 0 })
  const moved = await run(['requests', 'move', file, '--json'], { env })
  expect(linesOf(moved.out)).toEqual([{ v: 1, file, queue: name, dryRun: false, moved: 20, expired: 0, left: 0 }])
  expect(moved).toMatchObject({ code: 0, err: '' })
  expect(await executor.getStatus()).toMatchObject({ waitingByPriority: { urgent: 10, low: 10 } })
  const again = await run(['requests', 'move', file], { env })
  expect(again).toMatchObject({ code: 0, out: '', err: `triage-queue: nothing waits in ${file}\n` })
})

test('the files of all shards, each of their queues, or one; what Redis can not do stays, and says why', async () => {
  const [one, other] = [freshName(), freshName()]
  const first = await fileWith(one, 3)
  await fileWith(other, 2, { path: first })
  const second = await fileWith(one, 4)
  const store = await openStore(second)
  const queue = new QueuedExecutor<unknown, unknown>(async () => 'never', { name: one, store, concurrency: 3 })
  queue.pause()
  await queue.submit('dear', { id: 'dear one', cost: 2 })
  await queue.close({ drain: false })
  await store.close()
  const nobody = await run(['requests', 'move', first, '--queue', 'nobody'], { env })
  expect(nobody).toMatchObject({ code: 2, err: expect.stringContaining(`Nothing waits for 'nobody' in ${first}`) })
  const only = await run(['requests', 'move', first, '--queue', other], { env })
  expect(only).toMatchObject({ code: 0, out: `${other}: 2 moved\n` })
  const both = await run(['requests', 'move', first, second], { env })
  // The ids from 0 to 2 are those of the other file, with the same requests: they share what is there.
  expect(both).toMatchObject({ code: 1, out: `${one}: 3 moved\n${one}: 4 moved, 1 stays\n` })
  expect(both.err).toMatch(/^triage-queue: 'dear one' stays: Option 'cost'.*\n$/)
  expect(await executorFor(one, redis.url).getStatus()).toMatchObject({ waiting: 4 })
  const asJson = await run(['requests', 'move', second, '--json', '--dry-run'], { env })
  expect(linesOf(asJson.out)).toEqual([
    { v: 1, file: second, queue: one, id: 'dear one', why: expect.stringContaining("'cost'") },
    { v: 1, file: second, queue: one, dryRun: true, moved: 0, expired: 0, left: 1 },
  ])
})

test('a file that a service has is refused, and so is none, one that is no store, and a Redis that is away', async () => {
  const name = freshName()
  const file = await fileWith(name, 2)
  const store = await openStore(file)
  const locked = await run(['requests', 'move', file], { env })
  expect(locked).toMatchObject({ code: 3, out: '' })
  expect(locked.err).toMatch(
    /^triage-queue: The store '.*' is open already, by process \d+.*: end that service first, it keeps in the file what waits\n$/,
  )
  await store.close()
  const none = `${file}.none`
  expect(await run(['requests', 'move', none], { env })).toMatchObject({
    code: 3,
    err: `triage-queue: There is no file ${none}\n`,
  })
  expect(existsSync(none)).toBe(false)
  const text = join(scratch(), 'text')
  writeFileSync(text, 'no database '.repeat(1_000))
  const wrong = await run(['requests', 'move', text], { env })
  expect(wrong).toMatchObject({ code: 3, err: expect.stringContaining('it is no SQLite database') })
  const away = await run(['requests', 'move', file, '--redis', 'redis://:secret@127.0.0.1:1'])
  expect(away.code).toBe(3)
  expect(away.err).toMatch(/^triage-queue: .*requests\.db: .*redis:\/\/127\.0\.0\.1:1' is not available.*\n$/)
  expect(away.err).not.toContain('secret')
  expect(await run(['requests', 'move', file, '--redis', '127.0.0.1'])).toMatchObject({
    code: 2,
    err: expect.stringContaining("--redis: expected the address of a Redis as 'redis://127.0.0.1:6379'"),
  })
  // Nothing of that has changed it.
  expect(await run(['requests', 'move', file], { env })).toMatchObject({ code: 0, out: `${name}: 2 moved\n` })
})

test('a file of another codec says so, and is read with it', async () => {
  const name = freshName()
  const file = await fileWith(name, 2, { codec: v8Codec })
  const wrong = await run(['requests', 'move', file], { env })
  expect(wrong).toMatchObject({ code: 2, err: expect.stringMatching(/Option 'codec': expected the codec 'v8'/) })
  const right = await run(['requests', 'move', file, '--codec', 'v8'], { env })
  expect(right).toMatchObject({ code: 0, out: `${name}: 2 moved\n` })
})

test('one that is killed in the middle, again and again, loses nothing and doubles nothing', async () => {
  const name = freshName()
  const many = 600
  const file = await fileWith(name, many)
  const executor = executorFor(name, redis.url, { maxQueueSize: Number.POSITIVE_INFINITY })
  const ran: string[] = []
  // Workers have begun already.
  const worker = workerFor(name, redis.url, async (request: string, { id }) => void ran.push(`${id} ${request}`), {
    concurrency: 4,
  })
  await worker.ready()
  let kills = 0
  for (const after of [1, 100, 250, 400]) {
    const { child, ended } = start(['requests', 'move', file], { env })
    const isEnded = once(child, 'exit')
    while (ran.length < after && child.exitCode === null) await new Promise(setImmediate)
    if (child.kill('SIGKILL')) kills++
    await isEnded
    await ended
  }
  const last = await run(['requests', 'move', file], { env })
  expect(last).toMatchObject({ code: 0, err: '' })
  await executor.idle()
  expect(kills).toBeGreaterThan(0)
  expect(ran.toSorted()).toEqual(Array.from({ length: many }, (_, i) => `${i} request ${i}`).toSorted())
  const store = await openStore(file)
  onTestFinished(() => store.close())
  expect(store.report).toMatchObject({ live: 0, damage: [] })
})

test('SIGINT lets the request on its way arrive, says how many have, and the rest is moved the next time', async () => {
  const name = freshName()
  const file = await fileWith(name, 2_000)
  const executor = executorFor(name, redis.url, { maxQueueSize: Number.POSITIVE_INFINITY })
  const { child, ended } = start(['requests', 'move', file], { env })
  while ((await executor.getStatus()).waiting === 0) await new Promise(setImmediate)
  child.kill('SIGINT')
  const { code, err } = await ended
  expect(code).toBe(130)
  const [, said] =
    /^triage-queue: .*: ([\d,]+) moved\ntriage-queue: it was cut off: do it again to move the rest\n$/.exec(err) ?? []
  const moved = Number(said?.replaceAll(',', ''))
  expect((await executor.getStatus()).waiting).toBe(moved)
  expect(moved).toBeLessThan(2_000)
  const store = await openStore(file)
  expect(store.report).toMatchObject({ live: 2_000 - moved, wasClosed: true, damage: [] })
  await store.close()
})

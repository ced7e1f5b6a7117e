/** What a worker does when something is not as it should be: locks, other workers, its own end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { QueuedExecutor } from 'triage-queue'
import { remoteExecutor, remoteWorker } from 'triage-queue/bullmq'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { keysOf } from '../../src/bullmq/scripts.ts'
import { watch } from '../failures/support.ts'
import { startRedis } from '../support/redis-server.ts'
import { executorFor, freshName, until, workerFor } from './support/pair.ts'

const redis = await startRedis()
const client = new Redis(redis.url)
afterAll(async () => {
  client.disconnect()
  await redis.close()
})
const url = redis.url

/** Runs that end when they are told to, and say what their signals say. */
function held() {
  const starts: { request: string; attempt: number; signal: AbortSignal; end: (value: unknown) => void }[] = []
  const work = (request: string, { attempt, signal }: { attempt: number; signal: AbortSignal }) =>
    new Promise((end) => starts.push({ request, attempt, signal, end }))
  return { starts, work }
}

describe('a lock that is lost', () => {
  test('aborts the run; its late answer is refused, and the other worker answers', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const [first, second] = [held(), held()]
    const one = workerFor(name, url, first.work, { lockMs: 300, stalledMs: 100 })
    await one.ready()
    const handle = await executor.submit('a', { id: 'a' })
    await until(() => first.starts.length).toBe(1)
    // As when it was not heard of for too long: Redis has dropped its lock, and gives the request to another worker.
    await one.pause()
    workerFor(name, url, second.work, { lockMs: 30_000, stalledMs: 100 })
    await client.del(`${keysOf('bull', name).base}~a:lock`)
    await until(() => second.starts.length).toBe(1)
    await until(() => first.starts[0]?.signal.aborted).toBe(true)
    expect(first.starts[0]?.signal.reason).toMatchObject({ code: 'TRIAGE_LOCK_LOST', requestId: 'a' })
    first.starts[0]?.end('too late')
    await until(() => one.running).toBe(0)
    expect((await executor.find('a'))?.state).toBe('running')
    second.starts[0]?.end('in time')
    expect(await handle.result).toBe('in time')
    expect(second.starts[0]?.attempt).toBe(2)
  })

  test('aborts the run also while Redis is not heard of: by the clock of the worker', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const name = freshName()
    const executor = executorFor(name, own.url)
    const { starts, work } = held()
    const worker = workerFor(name, own.url, work, { lockMs: 400 })
    await worker.ready()
    await executor.submit('a', { id: 'a' })
    await until(() => starts.length).toBe(1)
    await own.kill()
    await until(() => starts[0]?.signal.aborted).toBe(true)
    starts[0]?.end('nobody knows')
    await own.start()
    await until(() => starts.length).toBe(2)
    starts[1]?.end('again')
    await until(async () => (await executor.find('a'))?.result).toBe('again')
  })

  test('twice makes a dead letter of the request', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { starts, work } = held()
    const handle = await executor.submit('a', { id: 'a' })
    const told = watch(handle.result)
    for (let life = 1; life <= 2; life++) {
      const worker = workerFor(name, url, work, { lockMs: 200, stalledMs: 100 })
      await until(() => starts.length).toBe(life)
      // Its process has died: it renews nothing.
      await worker.pause()
      const lock = `${keysOf('bull', name).base}~a:lock`
      await until(async () => {
        await client.del(lock)
        return starts[life - 1]?.signal.aborted
      }).toBe(true)
      starts[life - 1]?.end(undefined)
    }
    workerFor(name, url, work, { lockMs: 200, stalledMs: 100 })
    await told.done
    expect(told.error).toMatchObject({ code: 'TRIAGE_WORKER_LOST', started: true, statusCode: 502 })
    expect(starts.length).toBe(2)
    expect((await executor.find('a'))?.state).toBe('dead')
  })
})

describe('cancellation', () => {
  test('from another machine aborts the run, and is not undone by its answer', async () => {
    const name = freshName()
    const [executor, other] = [executorFor(name, url), executorFor(name, url)]
    const { starts, work } = held()
    workerFor(name, url, work, { concurrency: 1 })
    const told = watch(executor.execute('a', { id: 'a' }))
    await until(() => starts.length).toBe(1)
    expect([await other.cancel('a', 'enough'), await other.cancel('a')]).toEqual([true, false])
    await told.done
    expect(told.error).toMatchObject({ code: 'TRIAGE_CANCELLED', reason: 'enough', started: true, by: 'id' })
    await until(() => starts[0]?.signal.aborted).toBe(true)
    // The call goes on, and so does its slot.
    expect((await executor.getStatus()).running).toBe(1)
    starts[0]?.end('an answer')
    await executor.idle()
    expect(await executor.find('a')).toMatchObject({ state: 'cancelled', error: { code: 'TRIAGE_CANCELLED' } })
    expect(await other.cancel('none')).toBe(false)
  })

  test('that came while its worker was lost is found before it runs again', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { starts, work } = held()
    const one = workerFor(name, url, work, { stalledMs: 100 })
    const told = watch(executor.execute('a', { id: 'a' }))
    await until(() => starts.length).toBe(1)
    await one.pause()
    expect(await executor.cancel('a')).toBe(true)
    await told.done
    await until(async () => {
      await client.del(`${keysOf('bull', name).base}~a:lock`)
      return client.llen(keysOf('bull', name).active)
    }).toBe(1)
    workerFor(name, url, work, { lockMs: 200, stalledMs: 100 })
    starts[0]?.end(undefined)
    await executor.idle()
    expect(starts.length).toBe(1)
    expect((await executor.find('a'))?.state).toBe('cancelled')
  })
})

describe('a worker that is paused', () => {
  test('takes none any more, not even what it was waiting for; it stays for others, and that was no attempt', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { starts, work } = held()
    const worker = workerFor(name, url, work)
    const { base, marker } = keysOf('bull', name)
    await worker.ready()
    await until(async () => String(await client.client('LIST'))).toMatch(/flags=b [^\n]*cmd=bzpopmin/)
    await worker.pause()
    const handle = await executor.submit('a', { id: 'a' })
    // Its waiting has ended: it has taken the request out, and gives it back.
    await until(() => client.hget(`${base}~a`, 'ats')).toBe('0')
    expect(await client.zscore(marker, '0')).toBe('0')
    expect([starts.length, worker.running]).toEqual([0, 0])
    // That is heard by the stream of events, a moment later.
    await until(() => handle.state).toBe('waiting')
    expect(await executor.find('a')).toMatchObject({ state: 'waiting', attempts: 0 })
    await worker.resume()
    await until(() => starts.length).toBe(1)
    expect(starts[0]?.attempt).toBe(1)
    starts[0]?.end('at last')
    expect(await handle.result).toBe('at last')
  })
})

describe('the end of a worker', () => {
  test('waits for what runs; what waits stays for others', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { starts, work } = held()
    const worker = workerFor(name, url, work, { concurrency: 1 })
    const [a, b] = [await executor.submit('a'), await executor.submit('b')]
    await until(() => starts.length).toBe(1)
    const closed = worker.close()
    starts[0]?.end('done')
    await closed
    expect([await a.result, starts.length, b.state]).toEqual(['done', 1, 'waiting'])
    workerFor(name, url, async () => 'by another')
    expect(await b.result).toBe('by another')
  })

  test('after its grace gives back what runs, and that is no failure', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { starts, work } = held()
    const worker = workerFor(name, url, work)
    const handle = await executor.submit('a', { id: 'a', priority: 'low' })
    await until(() => starts.length).toBe(1)
    await worker.close({ graceMs: 10 })
    expect(starts[0]?.signal.reason).toMatchObject({ code: 'TRIAGE_PARKED' })
    expect(await executor.find('a')).toMatchObject({ priority: 'low', attempts: 1 })
    workerFor(name, url, async (_, run) => run.attempt)
    expect(await handle.result).toBe(2)
  })

  test('gives back what was on its way from Redis in that moment, too', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    for (let moment = 0; moment < 40; moment++) {
      const { starts, work } = held()
      const worker = workerFor(name, url, work, { concurrency: 1 })
      const [first, second] = [await executor.submit('first'), await executor.submit('second')]
      await until(() => starts.length).toBe(1)
      // With its end BullMQ fetches the next one.
      starts[0]?.end('done')
      for (let i = 0; i < moment; i++) await new Promise((resolve) => setImmediate(resolve))
      await worker.close({ drain: false })
      for (const { request, signal } of starts.slice(1)) {
        expect({ moment, request, reason: signal.reason }).toMatchObject({ reason: { code: 'TRIAGE_PARKED' } })
      }
      for (const { id } of [first, second]) await executor.cancel(id)
      await Promise.allSettled([first.result, second.result])
    }
  })

  test('three deploys make no dead letter', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const { starts, work } = held()
    const handle = await executor.submit('a')
    for (let life = 1; life <= 4; life++) {
      const worker = workerFor(name, url, work)
      await until(() => starts.length).toBe(life)
      await worker.close({ graceMs: 0 })
    }
    workerFor(name, url, async () => 'at last')
    expect(await handle.result).toBe('at last')
  })
})

test('an executor with policies of its own may be what runs', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  const inside = new QueuedExecutor(async (request: string, run) => `${request} ${run.id}`, { concurrency: 3 })
  onTestFinished(() => inside.close())
  const worker = remoteWorker(name, inside, { connection: url })
  onTestFinished(() => worker.close())
  expect(worker.concurrency).toBe(3)
  expect(await executor.execute('a', { id: 'x' })).toBe('a x')
  expect(inside.getStatus().totals.completed).toBe(1)
})

test('its concurrency can be changed while it runs, and bounds it', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  const { starts, work } = held()
  const worker = workerFor(name, url, work, { concurrency: 1 })
  for (const request of ['a', 'b', 'c', 'd']) await executor.submit(request)
  await until(() => starts.length).toBe(1)
  await sleep(30)
  expect(starts.length).toBe(1)
  worker.concurrency = 3
  starts[0]?.end(1)
  await until(() => starts.length).toBe(4)
  for (const { end } of starts) end(1)
  await executor.idle()
})

test('workers that have died are forgotten when another one starts', async () => {
  const name = freshName()
  const { workers } = keysOf('bull', name)
  const beat = (at: number) => JSON.stringify({ v: 1, at, concurrency: 5, busy: 0, slots: [], runMs: null })
  await client.hset(workers, { dead: beat(Date.now() - 3_600_000), silent: beat(Date.now() - 60_000), odd: '{' })
  const executor = executorFor(name, url)
  await workerFor(name, url, async () => 1, { concurrency: 2 }).ready()
  expect((await executor.getStatus()).maxWorkers).toBe(2)
  expect(await client.hexists(workers, 'dead')).toBe(0)
  expect(await client.hexists(workers, 'silent')).toBe(1)
})

test('a job of a version that it does not know is refused by name, and is a dead letter', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  await executor.submit('a', { id: 'a' })
  const key = `${keysOf('bull', name).base}~a`
  const data = JSON.parse((await client.hget(key, 'data')) as string)
  await client.hset(key, 'data', JSON.stringify({ ...data, v: 2 }))
  let runs = 0
  workerFor(name, url, async () => ++runs)
  await until(async () => (await executor.find('a'))?.state).toBe('dead')
  expect((await executor.find('a'))?.error?.message).toContain("'envelope.v': expected version 1")
  expect(runs).toBe(0)
})

test('a Redis that may throw requests away is refused, by the executor and by the worker', async () => {
  const other = await startRedis(['--maxmemory-policy', 'allkeys-lru'])
  onTestFinished(() => other.close())
  const executor = remoteExecutor('q', { connection: other.url })
  const worker = remoteWorker('q', async () => 1, { connection: other.url })
  const message = "Option 'connection': expected a Redis whose maxmemory-policy is noeviction, got 'allkeys-lru'"
  await expect(executor.ready()).rejects.toThrow(message)
  await expect(executor.submit('a')).rejects.toThrow(message)
  await expect(worker.ready()).rejects.toThrow(message)
  await executor.close()
  await worker.close()
})

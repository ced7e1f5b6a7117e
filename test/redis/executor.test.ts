/** What a caller is promised, on a Redis that is well. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { backoff } from 'triage-queue'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { keysOf } from '../../src/bullmq/scripts.ts'
import { watch } from '../failures/support.ts'
import { startRedis } from '../support/redis-server.ts'
import { executorFor, freshName, workerFor } from './support/pair.ts'

const redis = await startRedis()
const client = new Redis(redis.url)
afterAll(async () => {
  client.disconnect()
  await redis.close()
})
const url = redis.url
const until = (isSo: () => unknown) => expect.poll(isSo, { timeout: 10_000, interval: 5 })

test('the four priorities are tiers 1 to 4 of BullMQ, and never 0, which goes before all', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  for (const priority of ['low', 'normal', 'high', 'urgent'] as const) {
    await executor.submit(priority, { id: priority, priority })
  }
  const keys = keysOf('bull', name)
  const tiers = await Promise.all(
    ['urgent', 'high', 'normal', 'low'].map((id) => client.hget(`${keys.base}~${id}`, 'priority')),
  )
  expect(tiers).toEqual(['1', '2', '3', '4'])
  const started: string[] = []
  workerFor(name, url, async (request: string) => void started.push(request), { concurrency: 1 })
  await executor.idle()
  expect(started).toEqual(['urgent', 'high', 'normal', 'low'])
})

test('a handle of one that has ended does nothing to a later life of its id', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  const old = await executor.submit('a', { id: 'a' })
  await old.cancel()
  await watch(old.result).done
  const later = await executor.submit('b', { id: 'a' })
  expect([await old.cancel(), await old.setPriority('urgent'), await old.position()]).toEqual([false, false, undefined])
  expect([await later.position(), (await executor.find('a'))?.priority]).toEqual([0, 'normal'])
})

test('who would join one that is refused is refused as well, and is counted as such', async () => {
  const name = freshName()
  const executor = executorFor(name, url, { maxQueueSize: 1 })
  await executor.submit('a')
  const told: string[] = []
  for (const event of ['joined', 'rejected'] as const) executor.on(event, () => told.push(event))
  const both = await Promise.allSettled([executor.submit('b', { id: 'b' }), executor.submit('b', { id: 'b' })])
  expect(both).toMatchObject([
    { status: 'rejected', reason: { code: 'TRIAGE_QUEUE_FULL' } },
    { status: 'rejected', reason: { code: 'TRIAGE_QUEUE_FULL' } },
  ])
  expect(told).toEqual(['rejected', 'rejected'])
  expect((await executor.getStatus()).totals).toMatchObject({ admitted: 1, joined: 0, rejected: 2 })
})

test('idle() of an executor that has closed is done, whatever is left in Redis', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  void watch((await executor.submit('a')).result)
  const idle = executor.idle()
  await executor.close({ drain: false })
  await Promise.all([idle, executor.idle()])
  expect((await executor.getStatus()).waiting).toBe(1)
})

test('a patience longer than a timer of Node can be is not over at once', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  const handle = await executor.submit('a')
  const warned: string[] = []
  const warns = (warning: Error): void => void warned.push(warning.name)
  process.on('warning', warns)
  onTestFinished(() => void process.off('warning', warns))
  const closed = executor.close({ graceMs: 2 ** 31 })
  workerFor(name, url, async (request: string) => request)
  expect(await handle.result).toBe('a')
  await closed
  expect(warned).toEqual([])
})

test('a request travels with what a worker must know of it, and with nothing else', async () => {
  const name = freshName()
  const executor = executorFor(name, url, { traceparent: () => '00-a-b-01' })
  await executor.submit('payload', {
    ...{ id: '7', priority: 'low', kind: 'k', metadata: { user: 1 }, timeoutMs: 60_000, runTimeoutMs: 1_000 },
  })
  const data = JSON.parse((await client.hget(`${keysOf('bull', name).base}~7`, 'data')) as string)
  const { accepted, deadline, by, ...rest } = data
  expect(rest).toEqual({
    ...{ v: 1, p: '"payload"', kind: 'k', metadata: '{"user":1}', runTimeoutMs: 1_000, traceparent: '00-a-b-01' },
  })
  expect(deadline - accepted).toBe(60_000)
  const [seconds] = await client.time()
  expect(Math.abs(accepted - Number(seconds) * 1_000)).toBeLessThan(2_000)
})

test('answers and requests come back as they were, whatever JSON keeps; what it does not keep is refused', async () => {
  const name = freshName()
  const executor = executorFor<unknown, unknown>(name, url)
  workerFor<unknown, unknown>(name, url, async (request) => request)
  for (const value of [undefined, null, '', 0, false, [], { __proto__: null, a: [1, 'é\ud800\u2028'] }]) {
    expect(await executor.execute(value)).toEqual(value)
  }
  await expect(executor.execute(new Map())).rejects.toMatchObject({ code: 'TRIAGE_INVALID_REQUEST' })
  await expect(executor.execute('x'.repeat(2 ** 20))).rejects.toMatchObject({ code: 'TRIAGE_PAYLOAD_TOO_LARGE' })
})

test('an answer that cannot be sent is lost, and says why', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  workerFor(name, url, async (request: string) => (request === 'map' ? new Map() : 'x'.repeat(2 ** 20)))
  await expect(executor.execute('map')).rejects.toMatchObject({ code: 'TRIAGE_RESULT_LOST', started: true })
  await expect(executor.execute('much')).rejects.toThrow(/1048578 of at most 1048576 bytes/)
})

test('the error of the function crosses with its code, its properties and its cause', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  workerFor(name, url, async () => {
    throw Object.assign(new RangeError('too much', { cause: new Error('why') }), { code: 'E_MUCH', detail: [1] })
  })
  const { done, ...told } = watch(executor.execute('a'))
  await done
  expect(told).toBeDefined()
  const error = await executor.execute('b').catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(RangeError)
  expect(error).toMatchObject({ message: 'too much', code: 'E_MUCH', detail: [1], cause: { message: 'why' } })
})

test('an error of ours crosses as what it is', async () => {
  const name = freshName()
  const executor = executorFor(name, url, { runTimeoutMs: 30 })
  workerFor(name, url, () => sleep(300))
  await expect(executor.execute('a')).rejects.toMatchObject({ name: 'RunTimeoutError', timeoutMs: 30, started: true })
})

test('the bound is over all that submit, and exceeded by no more than are being added', async () => {
  const name = freshName()
  const both = [executorFor(name, url, { maxQueueSize: 20 }), executorFor(name, url, { maxQueueSize: 20 })]
  const rounds = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => both[i % 2]?.submit(`${i}`)))
  const admitted = rounds.filter(({ status }) => status === 'fulfilled').length
  // Each of the two has read the size once, and counts its own.
  expect(admitted).toBeGreaterThanOrEqual(20)
  expect(admitted).toBeLessThanOrEqual(40)
  await expect(both[0]?.submit('one more')).rejects.toMatchObject({
    code: 'TRIAGE_QUEUE_FULL',
    maxSize: 20,
    bound: 'total',
  })
})

test('a priority may have a bound of its own', async () => {
  const executor = executorFor(freshName(), url, { maxQueueSize: { total: 100, low: 1 } })
  await executor.submit('a', { priority: 'low' })
  await expect(executor.submit('b', { priority: 'low' })).rejects.toMatchObject({ bound: 'priority', priority: 'low' })
  await executor.submit('c')
})

test.each<[object, string]>([
  [{ cost: 2 }, 'cost'],
  [{ after: [Promise.resolve()] }, 'after'],
  [{ kind: 'none' }, 'kind'],
  [{ priority: 'constructor' }, 'priority'],
  [{ jobId: '1' }, 'jobId'],
  [{ id: '' }, 'id'],
  [{ delayMs: -1 }, 'delayMs'],
  [{ waitTimeoutMs: 0 }, 'waitTimeoutMs'],
  [{ deadline: 'soon' }, 'deadline'],
])('what is not offered is refused by name: %o', async (options, path) => {
  const executor = executorFor(freshName(), url, { kinds: { known: {} } })
  await expect(executor.submit('a', options)).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path })
})

describe('time', () => {
  test('a request whose submitter has gone does not outlive its time: the worker looks before it starts', async () => {
    const name = freshName()
    const gone = executorFor(name, url)
    await gone.submit('late', { id: 'late', waitTimeoutMs: 80 })
    await gone.submit('over', { id: 'over', timeoutMs: 80 })
    await gone.submit('fine', { id: 'fine' })
    await gone.close({ drain: false })
    await sleep(120)
    const started: string[] = []
    workerFor(name, url, async (request: string) => void started.push(request))
    const executor = executorFor(name, url)
    await executor.idle()
    expect(started).toEqual(['fine'])
    const views = await Promise.all(['late', 'over', 'fine'].map((id) => executor.find(id)))
    expect(views.map((view) => [view?.state, view?.error?.code])).toEqual([
      ['expired', 'TRIAGE_WAIT_TIMEOUT'],
      ['expired', 'TRIAGE_WAIT_TIMEOUT'],
      ['completed', undefined],
    ])
  })

  test('deadlines go by the clock of Redis, however wrong that of a machine is', async () => {
    const name = freshName()
    const executor = executorFor(name, url, { timeoutMs: 60_000 })
    await executor.ready()
    const now = Date.now
    Date.now = () => now() + 3_600_000
    try {
      workerFor(name, url, async () => 'in time')
      expect(await executor.execute('a')).toBe('in time')
    } finally {
      Date.now = now
    }
  })

  test('a delayed request starts when its time has come', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const starts: number[] = []
    const at = performance.now()
    const handle = await executor.submit('a', { delayMs: 150, waitTimeoutMs: 5_000, id: 'a' })
    // It is a worker that finds that its time has come.
    expect([handle.state, (await executor.find('a'))?.state]).toEqual(['held', 'held'])
    workerFor(name, url, async (_, run) => void starts.push(run.delayMs))
    await handle.result
    expect(performance.now() - at).toBeGreaterThan(140)
    expect(starts).toEqual([150])
  })

  test('each kind of work has time limits of its own', async () => {
    const name = freshName()
    const executor = executorFor(name, url, { kinds: { quick: { runTimeoutMs: 40 }, slow: {} } })
    const forEver = () => new Promise(() => {})
    workerFor(name, url, forEver, { kinds: { quick: { executor: forEver }, slow: { executor: async () => 'done' } } })
    await expect(executor.execute('a', { kind: 'quick' })).rejects.toMatchObject({
      code: 'TRIAGE_RUN_TIMEOUT',
      timeoutMs: 40,
    })
    expect(await executor.execute('a', { kind: 'slow' })).toBe('done')
  })
})

describe('a signal', () => {
  test('ends the request with its reason, waiting or running, and aborts the run on the other side', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    const aborted: unknown[] = []
    const started: string[] = []
    const run = (request: string, { signal }: { signal: AbortSignal }) => {
      started.push(request)
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(aborted.push(signal.reason))))
    }
    workerFor(name, url, run, { concurrency: 1 })
    const controllers = [new AbortController(), new AbortController()]
    const all = controllers.map(({ signal }, i) => watch(executor.execute(`${i}`, { signal, id: `${i}` })))
    await until(() => started.length).toBe(1)
    const mine = new Error('mine')
    for (const controller of controllers) controller.abort(mine)
    await Promise.all(all.map(({ done }) => done))
    expect(all.map(({ error }) => error)).toEqual([mine, mine])
    await until(() => aborted.length).toBe(1)
    await executor.idle()
    expect(started.length).toBe(1)
    expect((await executor.find('1'))?.state).toBe('cancelled')
  })

  test('of one of several callers lets only that one go', async () => {
    const name = freshName()
    const [executor, other] = [executorFor(name, url), executorFor(name, url)]
    const controller = new AbortController()
    const leaves = watch(executor.execute('a', { id: 'a', signal: controller.signal }))
    const joined = executor.execute('a', { id: 'a' })
    await until(async () => (await other.find('a'))?.state).toBe('waiting')
    const elsewhere = new AbortController()
    const left = watch(other.execute('a', { id: 'a', signal: elsewhere.signal }))
    await until(() => other.getStatus()).toMatchObject({ totals: { joined: 1 } })
    controller.abort(new Error('1'))
    elsewhere.abort(new Error('2'))
    await Promise.all([leaves.done, left.done])
    workerFor(name, url, async () => 'answer')
    expect(await joined).toBe('answer')
  })
})

describe('an id', () => {
  test('that two machines submit at once is run once, and both have the answer', async () => {
    const name = freshName()
    let runs = 0
    workerFor(name, url, async () => ++runs)
    const all = Array.from({ length: 6 }, () => executorFor(name, url))
    expect(await Promise.all(all.map((executor) => executor.execute('same', { id: 'x' })))).toEqual([1, 1, 1, 1, 1, 1])
    const other = executorFor(name, url)
    await expect(other.execute('other', { id: 'x' })).rejects.toMatchObject({
      ...{ reason: 'payload', message: "A request with the id 'x' has completed already, with another payload" },
    })
    await expect(other.execute('same', { id: 'x', onDuplicate: 'reject' })).rejects.toMatchObject({
      reason: 'completed',
    })
    expect(await other.execute('other', { id: 'x', onDuplicate: 'join-by-id' })).toBe(1)
  })

  test('that waits is said to be live, to who comes with another payload; here, and from another machine', async () => {
    const name = freshName()
    const executor = executorFor(name, url)
    await executor.submit('a', { id: 'a' })
    const message = "A request with the id 'a' is live already, with another payload"
    for (const each of [executor, executorFor(name, url)]) {
      await expect(each.submit('b', { id: 'a' })).rejects.toMatchObject({ reason: 'payload', message })
    }
  })

  test('whose request has failed runs again, in another generation', async () => {
    const name = freshName()
    let runs = 0
    workerFor(name, url, async () => {
      if (++runs === 1) throw new Error('once')
      return runs
    })
    const executor = executorFor(name, url)
    await expect(executor.execute('a', { id: 'a' })).rejects.toThrow('once')
    const first = await executor.find('a')
    expect(await executor.execute('a', { id: 'a' })).toBe(2)
    const second = await executor.find('a')
    expect([first?.state, second?.state]).toEqual(['dead', 'completed'])
    expect(second?.generation).toBeGreaterThan(first?.generation as number)
  })

  test('is known to who asks for it elsewhere, with its answer to come', async () => {
    const name = freshName()
    const [executor, other] = [executorFor(name, url), executorFor(name, url)]
    await executor.submit('a', { id: 'a', priority: 'low' })
    const handle = await other.get('a')
    expect([handle?.id, handle?.state, await handle?.position()]).toEqual(['a', 'waiting', 0])
    expect(await handle?.setPriority('urgent')).toBe(true)
    workerFor(name, url, async (_, run) => run.priority)
    expect(await handle?.result).toBe('urgent')
  })
})

test('an answer whose record is gone is lost, and nobody waits for ever', async () => {
  const name = freshName()
  const executor = executorFor(name, url, { reconcileMs: 50 })
  const handle = await executor.submit('a', { id: 'a' })
  await client.flushall()
  await expect(handle.result).rejects.toMatchObject({ code: 'TRIAGE_RESULT_LOST', started: 'unknown', statusCode: 502 })
})

test('retries are by our policy, on whichever machine is free, and end with the last error', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  const attempts: number[] = []
  const retrying: number[] = []
  executor.on('retrying', ({ attempt }) => retrying.push(attempt))
  const retry = backoff({ attempts: 3, baseMs: 20, retryIf: (error) => (error as Error).message !== 'never' })
  const work = async (request: string, run: { attempt: number }) => {
    attempts.push(run.attempt)
    if (request === 'third' && run.attempt === 3) return 'done'
    throw new Error(request === 'never' ? 'never' : `attempt ${run.attempt}`)
  }
  for (let i = 0; i < 2; i++) workerFor(name, url, work, { retry })
  expect(await executor.execute('third')).toBe('done')
  expect(attempts).toEqual([1, 2, 3])
  await expect(executor.execute('always')).rejects.toThrow('attempt 3')
  await expect(executor.execute('never')).rejects.toThrow('never')
  expect(attempts).toEqual([1, 2, 3, 1, 2, 3, 1])
  expect(retrying).toEqual([1, 2, 1, 2])
  expect((await executor.getStatus()).totals).toMatchObject({ retries: 4, completed: 1, failed: 2, admitted: 3 })
})

test('dead letters are listed, read, and requeued by their generation', async () => {
  const name = freshName()
  let isWell = false
  workerFor(name, url, async (request: string) => {
    if (!isWell) throw Object.assign(new Error('ill'), { code: 'E_ILL' })
    return `${request}!`
  })
  const executor = executorFor(name, url)
  for (const id of ['a', 'b']) await executor.execute(id, { id, priority: 'high' }).catch(() => {})
  const { store } = executor.settings
  const { records } = await store.list({ state: 'dead' })
  expect(records.map(({ id, state, error, reason }) => [id, state, error?.code, reason])).toEqual([
    ['b', 'dead', 'E_ILL', 'failed'],
    ['a', 'dead', 'E_ILL', 'failed'],
  ])
  expect(store.decode(records[0]?.payload as string)).toBe('b')
  expect((await store.list({ id: 'a' })).records.map(({ id }) => id)).toEqual(['a'])
  expect((await store.list({ state: 'completed' })).records).toEqual([])
  expect(await store.stats()).toMatchObject({ dead: 2, completed: 0, live: 0 })
  isWell = true
  const { generation } = (await executor.find('a')) as { generation: number }
  expect([await executor.requeue('a', generation - 1), await executor.requeue('none')]).toEqual([false, false])
  const both = await Promise.all([executor.requeue('a', generation), executor.requeue('a', generation)])
  expect(both.filter(Boolean)).toHaveLength(1)
  await executor.idle()
  expect(await executor.find('a')).toMatchObject({ state: 'completed', result: 'a!', attempts: 1 })
  expect(await executor.requeue('a', generation)).toBe(false)
  const b = (await executor.find('b')) as { generation: number }
  expect([await executor.discard('b', b.generation - 1), await executor.discard('a')]).toEqual([false, false])
  expect([await executor.discard('b', b.generation), await executor.find('b')]).toEqual([true, undefined])
})

test('its progress is told and shown', async () => {
  const name = freshName()
  let finish: (() => void) | undefined
  workerFor(name, url, async (_, run) => {
    run.progress(0.5, 'half')
    await new Promise<void>((resolve) => {
      finish = resolve
    })
  })
  const executor = executorFor(name, url)
  const told: unknown[] = []
  executor.on('progress', ({ id, progress, message }) => told.push([id, progress, message]))
  const handle = await executor.submit('a', { id: 'a' })
  await until(() => told).toEqual([['a', 0.5, 'half']])
  expect((await executor.find('a'))?.progress).toEqual({ fraction: 0.5, message: 'half' })
  finish?.()
  await handle.result
})

test('the status is of all machines, with their workers', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  let end = () => {}
  const isOver = new Promise<void>((resolve) => {
    end = resolve
  })
  const workers = [2, 3].map((concurrency) => workerFor(name, url, () => isOver, { concurrency }))
  await Promise.all(workers.map((worker) => worker.ready()))
  const all = Array.from({ length: 8 }, (_, i) => executor.execute('x', { priority: i > 5 ? 'low' : 'normal' }))
  await until(async () => (await executor.getStatus()).running).toBe(5)
  const status = await executor.getStatus()
  expect(status).toMatchObject({
    name,
    state: 'open',
    waiting: 3,
    maxWorkers: 5,
    activeWorkers: 5,
    maxQueueSize: 10_000,
  })
  expect(status.waitingByPriority).toEqual({ urgent: 0, high: 0, normal: 1, low: 2 })
  expect(status.oldestWaitMsByPriority.normal).toBeGreaterThan(0)
  expect((await executor.getWorkerHealth()).length).toBe(5)
  end()
  await Promise.all(all)
  expect((await executor.getStatus()).run.count).toBe(8)
})

test('it says what holds and what not, with what this Redis says of itself', async () => {
  const name = freshName()
  const executor = executorFor(name, url)
  await workerFor(name, url, async () => 1, { concurrency: 3 }).ready()
  const text = await executor.describe()
  expect(text).toMatch(
    /^Redis \d+\.\d+\.\d+ at redis:.*: appendonly yes, appendfsync always, maxmemory-policy noeviction$/m,
  )
  expect(text).toContain('1 workers with 3 slots')
  expect(text).toContain('The bound of the queue is soft')
  expect(text).not.toContain('may lose the last')
  const other = await startRedis(['--appendfsync', 'everysec'])
  onTestFinished(() => other.close())
  expect(await executorFor(name, other.url).describe()).toContain('may lose the last of what was acknowledged')
})
